//! `[training]`: epochs, batches, optimiser, learning-rate schedule and augmentation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{Augment, Levels};

/// `[training]`: epochs, batches, optimiser, learning-rate schedule and augmentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTraining {
    /// Number of passes over the training split.
    pub epochs: usize,
    /// Number of images or clips per optimiser step.
    pub batch_size: usize,
    /// Number of training samples of each class that are used, drawn by the seed; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_per_class: Option<usize>,
    /// Largest norm of the gradient in all parameters, above which it is scaled down; absent: no
    /// clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Number of parts that a batch is split into to save memory; the gradient is that of the whole
    /// batch.
    #[serde(default = "one_part")]
    pub gradient_accumulation: usize,
    /// Fraction of each target that is spread evenly over all classes.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Parameter `alpha` of the mixing weights of mixup, drawn from Beta(alpha, alpha); 0 turns mixup off.
    #[serde(default)]
    pub mixup_alpha: f64,
    /// Parameter `alpha` of the areas of CutMix, drawn from Beta(alpha, alpha); 0 turns CutMix off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cutmix_alpha: f64,
    /// Random changes of the geometry, the colours and the parts of the training samples.
    #[serde(default)]
    pub augment: Augment,
    /// Perturbation that makes a second view of every batch, which only penalties between views use;
    /// absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<RawView>,
    /// Decay per step of the moving average of the weights, which then takes the place of the weights in validation,
    /// evaluation and prediction; absent: no average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema_decay: Option<f64>,
    /// Distribution of the noise levels of a generator; of generators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Levels>,
    /// Probability that a generator is not told the caption of a clip, which guidance needs; of generators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption_dropout: Option<f64>,
    /// Ends training once validation no longer improves; absent: all epochs are trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<RawEarlyStopping>,
    /// Optimiser.
    pub optimizer: RawOptimizer,
    /// Learning-rate schedule; absent: a constant learning rate.
    #[serde(default = "constant")]
    pub schedule: LearningRate,
}

fn constant() -> LearningRate {
    LearningRate::Constant {}
}

/// `training.early_stopping`: the end of a training whose validation no longer improves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEarlyStopping {
    /// Number of epochs in a row without an improvement after which training ends.
    pub patience: usize,
    /// Metric of the validation split; absent: the one by which the best checkpoint is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<StoppingMetric>,
    /// Change of the metric that must be exceeded to count as an improvement.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_delta: f64,
}

/// Metric of the validation split that early stopping watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoppingMetric {
    /// Accuracy, by which the best checkpoint of a classifier is chosen.
    Accuracy,
    /// Mean squared error of predicted frames, by which the best checkpoint of their model is chosen.
    Mse,
    /// Mean squared error of the velocities of a generator, by which its best checkpoint is chosen.
    FlowLoss,
    /// Dice coefficient of predicted masks, by which the best checkpoint of their model is chosen.
    Dice,
    /// Task loss.
    Loss,
}

impl StoppingMetric {
    /// Name of the metric, as in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Mse => "mse",
            Self::FlowLoss => "flow_loss",
            Self::Dice => "dice",
            Self::Loss => "loss",
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn one_part() -> usize {
    1
}

/// `training.view`: perturbation that makes the second view of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawView {
    /// Gaussian noise.
    Noise {
        /// Severity, 1 to 5.
        severity: usize,
    },
    /// Gaussian blur.
    Blur {
        /// Severity, 1 to 5.
        severity: usize,
    },
    /// Lower contrast.
    Contrast {
        /// Severity, 1 to 5.
        severity: usize,
    },
    /// Grey square at a random position.
    Occlusion {
        /// Severity, 1 to 5.
        severity: usize,
    },
    /// Random change of every pixel by plus or minus `epsilon`.
    Random {
        /// Largest change of a pixel, as a fraction of the range of pixels.
        epsilon: f64,
    },
    /// Fast gradient sign method: one step along the sign of the gradient of the task loss.
    Fgsm {
        /// Largest change of a pixel, as a fraction of the range of pixels.
        epsilon: f64,
    },
    /// Projected gradient descent: several steps that raise the task loss, from the sample itself.
    Pgd {
        /// Largest change of a pixel, as a fraction of the range of pixels.
        epsilon: f64,
        /// Number of steps.
        steps: usize,
    },
}

/// `training.optimizer`: the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawOptimizer {
    /// AdamW: Adam with decoupled weight decay.
    Adamw {
        /// Largest learning rate.
        lr: f64,
        /// Weight decay, decoupled from the gradient.
        #[serde(default = "usual_decay")]
        weight_decay: f64,
        /// Weight decay towards the pretrained weights of `init_from` (L2-SP), decoupled from the gradient: it takes
        /// the place of `weight_decay`, which then acts on the classifier only; absent: no L2-SP.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        l2_sp: Option<f64>,
        /// Factor of the learning rate from each layer to the one before it; 1 is off.
        #[serde(default = "everywhere", skip_serializing_if = "is_everywhere")]
        layer_decay: f64,
    },
    /// SGD: stochastic gradient descent with momentum.
    Sgd {
        /// Largest learning rate.
        lr: f64,
        /// Weight decay, added to the gradient as the gradient of a squared norm.
        weight_decay: f64,
        /// Factor of the previous update in the next one; 0 is off.
        #[serde(default = "usual_momentum")]
        momentum: f64,
        /// True for Nesterov's momentum.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        nesterov: bool,
        /// Weight decay towards the pretrained weights of `init_from` (L2-SP), decoupled from the gradient: it takes
        /// the place of `weight_decay`, which then acts on the classifier only; absent: no L2-SP.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        l2_sp: Option<f64>,
        /// Factor of the learning rate from each layer to the one before it; 1 is off.
        #[serde(default = "everywhere", skip_serializing_if = "is_everywhere")]
        layer_decay: f64,
    },
    /// Lion: the sign of an average of gradients, with decoupled weight decay.
    Lion {
        /// Largest learning rate, usually three to ten times smaller than that of AdamW.
        lr: f64,
        /// Weight decay, decoupled from the gradient, usually three to ten times larger than that of AdamW.
        weight_decay: f64,
        /// Weight decay towards the pretrained weights of `init_from` (L2-SP), decoupled from the gradient: it takes
        /// the place of `weight_decay`, which then acts on the classifier only; absent: no L2-SP.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        l2_sp: Option<f64>,
        /// Factor of the learning rate from each layer to the one before it; 1 is off.
        #[serde(default = "everywhere", skip_serializing_if = "is_everywhere")]
        layer_decay: f64,
    },
}

fn usual_momentum() -> f64 {
    0.9
}

// That of most vision transformers.
fn usual_decay() -> f64 {
    0.05
}

// One factor for all layers: the same learning rate everywhere.
fn everywhere() -> f64 {
    1.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_everywhere(layer_decay: &f64) -> bool {
    *layer_decay == everywhere()
}

/// `training.schedule`: the learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LearningRate {
    /// Constant learning rate.
    // With braces: serde lets a variant without them take any key.
    Constant {},
    /// Linear rise over `warmup_steps`, then half a cosine down to 0 at the last step.
    Cosine {
        /// Number of steps of the rise.
        warmup_steps: usize,
    },
    /// Linear rise over `warmup_steps`, then a linear fall to 0 at the last step.
    Linear {
        /// Number of steps of the rise.
        warmup_steps: usize,
    },
    /// Linear rise over `warmup_steps`; the learning rate is multiplied by `factor` after every `every_epochs` epochs.
    Step {
        /// Number of epochs between two changes.
        every_epochs: usize,
        /// Factor of each change.
        factor: f64,
        /// Number of steps of the rise.
        #[serde(default)]
        warmup_steps: usize,
    },
    /// Half a cosine up from a fraction of the learning rate, then half a cosine down to nearly 0 at the last step.
    OneCycle {
        /// Fraction of all steps that the rise takes.
        #[serde(default = "usual_rise")]
        rise: f64,
        /// Factor by which the learning rate is smaller at the first step than at its peak.
        #[serde(default = "usual_start_divisor")]
        start_divisor: f64,
        /// Factor by which the learning rate is smaller at the last step than at the first.
        #[serde(default = "usual_end_divisor")]
        end_divisor: f64,
    },
}

// The defaults of PyTorch's `OneCycleLR`.
fn usual_rise() -> f64 {
    0.3
}

fn usual_start_divisor() -> f64 {
    25.0
}

fn usual_end_divisor() -> f64 {
    1e4
}
