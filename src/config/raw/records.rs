//! The sections that say what is kept and watched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[logging]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLogging {
    /// Steps between two records of the training loss.
    #[serde(default = "ten")]
    pub log_every_steps: usize,
    /// Epochs between two sets of pictures of diagrams and barcodes in TensorBoard.
    #[serde(default = "ten")]
    pub pictures_every_epochs: usize,
    /// Epochs between two records of the temporal coherence of what a model says of the frames of
    /// validation clips.
    #[serde(default = "one")]
    pub coherence_every_epochs: usize,
    /// Images of a split whose topology is measured in an evaluation, the first ones.
    #[serde(default = "thousand")]
    pub topology_images: usize,
}

impl Default for RawLogging {
    fn default() -> Self {
        Self {
            log_every_steps: ten(),
            pictures_every_epochs: ten(),
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

/// `[checkpoint]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCheckpoint {
    /// Steps between two checkpoints within an epoch; absent: only at the end of every epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_steps: Option<usize>,
    /// Newest checkpoints kept; the best on the validation split is kept besides.
    #[serde(default = "two")]
    pub keep_last: usize,
}

impl Default for RawCheckpoint {
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

/// `[robustness]`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRobustness {
    /// Largest change of a pixel by an attack, a fraction of the range of pixels.
    pub epsilon: f64,
    /// Steps of projected gradient descent from each start.
    pub pgd_steps: usize,
    /// Starts of projected gradient descent.
    #[serde(default = "two")]
    pub pgd_starts: usize,
    /// How much images are corrupted, 1 to 5.
    #[serde(default = "three")]
    pub severity: usize,
}

fn three() -> usize {
    3
}

/// `[collapse]`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCollapse {
    /// What happens when a layer's attention collapses.
    #[serde(default)]
    pub action: RawCollapseAction,
    /// A layer is in alarm while its mean distance between attention rows, on the validation split,
    /// is below this fraction of the largest it has had.
    #[serde(default = "tenth")]
    pub fraction_of_peak: f64,
}

impl Default for RawCollapse {
    fn default() -> Self {
        Self {
            action: RawCollapseAction::default(),
            fraction_of_peak: tenth(),
        }
    }
}

fn tenth() -> f64 {
    0.1
}

/// `collapse.action`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawCollapseAction {
    /// Nothing beside the number in the records.
    Off,
    /// A line for the person watching.
    #[default]
    Warn,
    /// The end of the training, with exit code 1.
    Stop,
}
