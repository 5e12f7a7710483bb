//! `[training]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[training]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTraining {
    /// Passes over the training split.
    pub epochs: usize,
    /// Images per step.
    pub batch_size: usize,
    /// Samples of each class that are learned from, drawn by the seed; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_per_class: Option<usize>,
    /// Largest norm of the gradient over all parameters; absent: no clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Parts that a batch is cut into, one after the other; the gradient is that of the whole.
    #[serde(default = "one_part")]
    pub gradient_accumulation: usize,
    /// Share of each target that is spread over all classes, a fraction.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Both parameters of the beta distribution that images are mixed by; 0 is off.
    #[serde(default)]
    pub mixup_alpha: f64,
    /// Random motions and crops of the training images.
    #[serde(default)]
    pub augment: RawAugment,
    /// A second view of every batch, for the penalties between views; nothing else is trained on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<RawView>,
    /// The optimiser.
    pub optimizer: RawOptimizer,
    /// The learning-rate schedule.
    pub schedule: RawLearningRate,
}

fn one_part() -> usize {
    1
}

/// `training.augment`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAugment {
    /// Largest shift, in pixels.
    #[serde(default)]
    pub shift: usize,
    /// Largest rotation, in degrees.
    #[serde(default)]
    pub rotation: f32,
    /// Smallest area of a random crop, a fraction; 1 is off.
    #[serde(default = "whole_image")]
    pub min_crop_area: f32,
    /// Whether half of the images are mirrored.
    #[serde(default)]
    pub flip: bool,
}

fn whole_image() -> f32 {
    1.0
}

impl Default for RawAugment {
    fn default() -> Self {
        Self {
            shift: 0,
            rotation: 0.0,
            min_crop_area: whole_image(),
            flip: false,
        }
    }
}

/// `training.view`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawView {
    /// Gaussian noise.
    Noise {
        /// How much, 1 to 5.
        severity: usize,
    },
    /// A Gaussian blur.
    Blur {
        /// How much, 1 to 5.
        severity: usize,
    },
    /// Less contrast.
    Contrast {
        /// How much, 1 to 5.
        severity: usize,
    },
    /// A grey square.
    Occlusion {
        /// How much, 1 to 5.
        severity: usize,
    },
    /// A random corner of the bound.
    Random {
        /// Largest change of a pixel, a fraction of the range of pixels.
        epsilon: f64,
    },
    /// One step along the sign of the gradient of the task's loss.
    Fgsm {
        /// Largest change of a pixel, a fraction of the range of pixels.
        epsilon: f64,
    },
    /// Projected gradient ascent of the task's loss from the sample.
    Pgd {
        /// Largest change of a pixel, a fraction of the range of pixels.
        epsilon: f64,
        /// Steps.
        steps: usize,
    },
}

/// `training.optimizer`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawOptimizer {
    /// Adam with decoupled weight decay.
    Adamw {
        /// Largest learning rate.
        lr: f64,
        /// Weight decay.
        weight_decay: f64,
        /// Factor of the learning rate from each block to the one before; 1 is off.
        #[serde(default = "everywhere", skip_serializing_if = "is_everywhere")]
        layer_decay: f64,
    },
}

fn everywhere() -> f64 {
    1.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_everywhere(layer_decay: &f64) -> bool {
    *layer_decay == everywhere()
}

/// `training.schedule`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawLearningRate {
    /// The same at every step.
    // With braces: serde lets a variant without them take any key.
    Constant {},
    /// A linear rise over `warmup_steps`, then half a cosine down to zero at the last step.
    Cosine {
        /// Steps of the rise.
        warmup_steps: usize,
    },
}
