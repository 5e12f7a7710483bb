//! `[logging]`, `[checkpoint]`, `[robustness]` and `[collapse]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[logging]`: how often metrics and images are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoggingSpec {
    /// Number of steps between two records of the training loss and the penalties.
    #[serde(default = "ten")]
    pub log_every_steps: usize,
    /// Number of epochs between two sets of TensorBoard images of diagrams and barcodes.
    #[serde(default = "ten")]
    pub images_every_epochs: usize,
    /// Number of epochs between two records of the temporal coherence of predictions for the frames of
    /// validation clips.
    #[serde(default = "one")]
    pub coherence_every_epochs: usize,
    /// Number of images or frames of a split whose topology is measured in an evaluation, spread over
    /// the classes.
    #[serde(default = "thousand")]
    pub topology_images: usize,
}

impl Default for LoggingSpec {
    fn default() -> Self {
        Self {
            log_every_steps: ten(),
            images_every_epochs: ten(),
            coherence_every_epochs: one(),
            topology_images: thousand(),
        }
    }
}

fn thousand() -> usize {
    1000
}

fn one() -> usize {
    1
}

fn ten() -> usize {
    10
}

/// `[checkpoint]`: how often checkpoints are written, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSpec {
    /// Number of steps between two checkpoints within an epoch; absent: only at the end of every epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_steps: Option<usize>,
    /// Number of newest checkpoints that are kept; the best one on the validation split is kept too.
    #[serde(default = "two")]
    pub keep_last: usize,
}

impl Default for CheckpointSpec {
    fn default() -> Self {
        Self {
            every_steps: None,
            keep_last: two(),
        }
    }
}

fn two() -> usize {
    2
}

/// `[robustness]`: attacks and corruptions on the test split after training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RobustnessSpec {
    /// Largest change of a pixel by an attack, as a fraction of the range of pixels.
    pub epsilon: f64,
    /// Number of steps of projected gradient descent from each start.
    pub pgd_steps: usize,
    /// Number of starts of projected gradient descent: the image itself, then random ones.
    #[serde(default = "two")]
    pub pgd_starts: usize,
    /// Severity of the corruptions noise, blur, contrast and occlusion, 1 to 5.
    #[serde(default = "three")]
    pub severity: usize,
}

fn three() -> usize {
    3
}

/// `[collapse]`: action when the attention of a layer collapses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollapseSpec {
    /// Action when the attention of a layer collapses.
    #[serde(default)]
    pub action: CollapseAction,
    /// A layer counts as collapsed if its mean distance between attention rows on the validation split
    /// falls below this fraction of the largest that it has had.
    #[serde(default = "tenth")]
    pub fraction_of_peak: f64,
}

impl Default for CollapseSpec {
    fn default() -> Self {
        Self {
            action: CollapseAction::default(),
            fraction_of_peak: tenth(),
        }
    }
}

fn tenth() -> f64 {
    0.1
}

/// `collapse.action`: action when the attention of a layer collapses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CollapseAction {
    /// The number of collapsed layers is logged, nothing else.
    Off,
    /// A warning is printed too.
    #[default]
    Warn,
    /// Training ends with exit code 1.
    Stop,
}
