//! The configuration file as it is written: names, types and defaults, no judgement.
//!
//! Every struct refuses unknown keys. What a paper would report has no default.

use serde::{Deserialize, Serialize};

/// A whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// `[run]`
    pub run: RawRun,
    /// `[data]`
    pub data: RawData,
    /// `[model]`
    pub model: RawModel,
    /// `[training]`
    pub training: RawTraining,
    /// `[logging]`
    #[serde(default)]
    pub logging: RawLogging,
    /// `[[topology]]`, as many as wanted
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topology: Vec<RawTopology>,
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRun {
    /// Name of the run; its directory is `runs/<name>` unless `--out` says otherwise.
    pub name: String,
    /// Seed of initialisation, order, augmentation and dropout.
    pub seed: u64,
}

/// `[data]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawData {
    /// The 1,797 embedded handwritten digits, 8 by 8 pixels.
    Digits,
}

/// `[model]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawModel {
    /// A vision transformer.
    Vit {
        /// A standard size; gives `d_model`, `n_layers` and `n_heads`.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<RawSize>,
        /// Width of the tokens.
        #[serde(skip_serializing_if = "Option::is_none")]
        d_model: Option<usize>,
        /// Number of blocks.
        #[serde(skip_serializing_if = "Option::is_none")]
        n_layers: Option<usize>,
        /// Number of heads.
        #[serde(skip_serializing_if = "Option::is_none")]
        n_heads: Option<usize>,
        /// Side of a patch, in pixels.
        patch_size: usize,
        /// Width of the MLP over `d_model`.
        #[serde(default = "four")]
        mlp_ratio: usize,
        /// What the classifier looks at.
        #[serde(default)]
        pooling: RawPooling,
        /// Dropout probability.
        #[serde(default)]
        dropout: f64,
        /// Stochastic depth at the last block.
        #[serde(default)]
        drop_path: f64,
    },
}

fn four() -> usize {
    4
}

/// `model.size`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum RawSize {
    Tiny,
    Small,
    Base,
    Large,
}

/// `model.pooling`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawPooling {
    /// A class token.
    #[default]
    Cls,
    /// The mean of the patches, without a class token.
    Mean,
}

/// `[training]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTraining {
    /// Passes over the training split.
    pub epochs: usize,
    /// Images per step.
    pub batch_size: usize,
    /// Largest norm of the gradient over all parameters; absent: no clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Random motions of the training images.
    #[serde(default)]
    pub augment: RawAugment,
    /// The optimiser.
    pub optimizer: RawOptimizer,
    /// The learning-rate schedule.
    pub schedule: RawLearningRate,
}

/// `training.augment`
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAugment {
    /// Largest shift, in pixels.
    #[serde(default)]
    pub shift: usize,
    /// Largest rotation, in degrees.
    #[serde(default)]
    pub rotation: f32,
}

/// `training.optimizer`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawOptimizer {
    /// Adam with decoupled weight decay.
    Adamw {
        /// Largest learning rate.
        lr: f64,
        /// Weight decay.
        weight_decay: f64,
    },
}

/// `training.schedule`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawLearningRate {
    /// The same at every step.
    Constant,
    /// A linear rise over `warmup_steps`, then half a cosine down to zero at the last step.
    Cosine {
        /// Steps of the rise.
        warmup_steps: usize,
    },
}

/// `[logging]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLogging {
    /// Steps between two records of the training loss.
    #[serde(default = "ten")]
    pub log_every_steps: usize,
}

impl Default for RawLogging {
    fn default() -> Self {
        Self {
            log_every_steps: ten(),
        }
    }
}

fn ten() -> usize {
    10
}

/// `[[topology]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTopology {
    /// What is compared.
    pub between: RawBetween,
    /// Which pairs are compared.
    #[serde(default)]
    pub pairs: RawPairs,
    /// Which layers are compared.
    #[serde(default)]
    pub layers: RawLayers,
    /// What is read of each layer.
    #[serde(default)]
    pub source: RawSource,
    /// The distance between two rows.
    #[serde(default)]
    pub distance: RawDistance,
    /// Which heads are read.
    #[serde(default)]
    pub heads: RawHeads,
    /// Which tokens are read.
    #[serde(default)]
    pub tokens: RawTokens,
    /// Homology dimension.
    pub homology_dim: usize,
    /// Scale removed from each diagram.
    pub normalize: RawNormalize,
    /// Which side is moved.
    #[serde(default)]
    pub direction: RawDirection,
    /// The distance between two diagrams.
    pub penalty: RawPenalty,
    /// Factor in the loss.
    pub weight: RawWeight,
    /// When it is on.
    #[serde(default)]
    pub schedule: RawSchedule,
}

/// `topology.between`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawBetween {
    /// Neighbouring layers.
    Layers,
}

/// `topology.pairs`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawPairs {
    /// Each with the next.
    #[default]
    Consecutive,
}

/// `topology.layers`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"all\" or a list of layer numbers counted from 0"
)]
pub enum RawLayers {
    /// `"all"`
    All(All),
    /// `[0, 2]`
    Of(Vec<usize>),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum All {
    /// `"all"`
    All,
}

impl Default for RawLayers {
    fn default() -> Self {
        Self::All(All::All)
    }
}

/// `topology.source`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawSource {
    /// Rows of attention.
    #[default]
    Attention,
}

/// `topology.distance`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawDistance {
    /// Square root of the Jensen-Shannon divergence, natural logarithm.
    #[default]
    JensenShannon,
}

/// `topology.heads`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawHeads {
    /// Their mean.
    #[default]
    Mean,
    /// Each by itself.
    Each,
}

/// `topology.tokens`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawTokens {
    /// The patches.
    #[default]
    Patches,
    /// All, the class token too.
    All,
}

/// `topology.normalize`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawNormalize {
    /// Nothing.
    None,
    /// The mean finite death in dimension 0.
    SpanningTree,
}

/// `topology.direction`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawDirection {
    /// Both sides move.
    #[default]
    Symmetric,
    /// The later layer moves.
    TowardsFirst,
    /// The earlier layer moves.
    TowardsSecond,
}

/// `topology.penalty`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawPenalty {
    /// The Wasserstein distance.
    Wasserstein {
        /// Its order, at least 1.
        order: f64,
        /// Norm of the plane.
        ground_norm: RawGroundNorm,
        /// `p`: to the power of the order; `one`: the distance itself.
        power: RawPower,
    },
    /// The bottleneck distance.
    Bottleneck {
        /// Norm of the plane.
        ground_norm: RawGroundNorm,
    },
}

/// `ground_norm`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawGroundNorm {
    /// The largest coordinate.
    Infinity,
    /// Euclidean.
    L2,
}

/// `power`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RawPower {
    /// `W_p^p`
    P,
    /// `W_p`
    One,
}

/// `topology.weight`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawWeight {
    /// This factor.
    Fixed {
        /// The factor; negative is legal.
        value: f64,
    },
    /// The factor at which the penalty's gradient has this share of the task's.
    GradientShare {
        /// The share, a fraction; negative is legal.
        share: f64,
    },
}

/// `topology.schedule`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSchedule {
    /// First epoch, counted from 0.
    #[serde(default)]
    pub start_epoch: usize,
    /// Steps of the linear rise.
    #[serde(default)]
    pub warmup_steps: usize,
    /// Steps between two evaluations.
    #[serde(default = "one")]
    pub every_steps: usize,
}

impl Default for RawSchedule {
    fn default() -> Self {
        Self {
            start_epoch: 0,
            warmup_steps: 0,
            every_steps: one(),
        }
    }
}

fn one() -> usize {
    1
}
