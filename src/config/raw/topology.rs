//! `[[topology]]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[topology]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTopology {
    /// What is compared.
    pub between: RawBetween,
    /// Which pairs are compared.
    #[serde(default)]
    pub pairs: RawPairs,
    /// Which tokens of two frames are taken for the same, where tokens are compared one by one.
    #[serde(default)]
    pub alignment: RawAlignment,
    /// Which layers are read.
    #[serde(default)]
    pub layers: RawLayers,
    /// What is read of each layer.
    #[serde(default)]
    pub source: RawSource,
    /// The distance between two rows.
    #[serde(default)]
    pub distance: RawDistance,
    /// The power that the distance is raised to.
    #[serde(default = "unchanged")]
    pub exponent: f64,
    /// Which heads are read.
    #[serde(default)]
    pub heads: RawHeads,
    /// Which tokens are read.
    #[serde(default)]
    pub tokens: RawTokens,
    /// Homology dimension; left out by the penalties that compare no topology.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homology_dim: Option<usize>,
    /// Scale removed from each diagram.
    pub normalize: RawNormalize,
    /// Which side is moved.
    #[serde(default)]
    pub direction: RawDirection,
    /// What is made of two layers, or of one.
    pub penalty: RawPenalty,
    /// Which distances are taken for births and deaths.
    #[serde(default)]
    pub edges: RawEdges,
    /// Who is compared with whom.
    #[serde(default)]
    pub partners: RawPartners,
    /// Factor in the loss.
    pub weight: RawWeight,
    /// When it is on.
    #[serde(default)]
    pub schedule: RawSchedule,
}

/// `topology.between`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawBetween {
    /// Layers, of every image or frame by itself.
    Layers,
    /// Frames of a clip, in every layer by itself.
    Frames,
    /// What is clean and what `training.view` makes of it, in every layer by itself.
    Views,
}

/// `topology.pairs`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPairs {
    /// Each with the next.
    #[default]
    Consecutive,
    /// The first with each later one.
    ToFirst,
    /// Each earlier one with the last.
    ToLast,
    /// Each with each later one.
    All,
    /// Each with the one so many places later.
    Stride(usize),
}

/// `topology.alignment`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawAlignment {
    /// Tokens at the same place.
    #[default]
    Position,
    /// Tokens that show the same, as the known flow tells.
    Flow,
}

/// `topology.layers`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawSource {
    /// Rows of attention.
    #[default]
    Attention,
    /// The softmax of rows of attention.
    DoubleSoftmax,
    /// Tokens after the layer, as vectors.
    Hidden,
}

/// `topology.distance`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawDistance {
    /// Square root of the Jensen-Shannon divergence, natural logarithm.
    #[default]
    JensenShannon,
    /// Hellinger distance of distributions.
    Hellinger,
    /// One less the cosine of the angle.
    Cosine,
    /// Euclidean distance.
    Euclidean,
    /// One less the larger of the two weights between two tokens.
    Attention,
}

/// `topology.heads`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawHeads {
    /// Their mean.
    #[default]
    Mean,
    /// Each by itself.
    Each,
}

/// `topology.tokens`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawTokens {
    /// The patches.
    #[default]
    Patches,
    /// All, the class token too.
    All,
}

/// `topology.normalize`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawNormalize {
    /// Nothing.
    None,
    /// The mean finite death in dimension 0.
    SpanningTree,
}

/// `topology.direction`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawDirection {
    /// Both sides move.
    #[default]
    Symmetric,
    /// The later layer or frame moves.
    TowardsFirst,
    /// The earlier layer or frame moves.
    TowardsSecond,
}

/// `topology.edges`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawEdges {
    /// Those that make the topology.
    #[default]
    Critical,
    /// A control: as many, drawn at random.
    Random,
}

/// `topology.partners`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPartners {
    /// Layers of the same image, frames of the same clip.
    #[default]
    Same,
    /// A control: the later layer or frame of another image or clip of the batch.
    Shuffled,
}

/// `topology.penalty`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Bars matched in order of death, none with the diagonal; dimension 0.
    SortedWasserstein {
        /// Its order, at least 1.
        order: f64,
        /// `p`: to the power of the order; `one`: the distance itself.
        power: RawPower,
    },
    /// The mean over lines of the distance of projections.
    SlicedWasserstein {
        /// Its order, at least 1.
        order: f64,
        /// Lines, at least 1.
        directions: usize,
        /// `p`: to the power of the order; `one`: the distance itself.
        power: RawPower,
    },
    /// The bottleneck distance.
    Bottleneck {
        /// Norm of the plane.
        ground_norm: RawGroundNorm,
    },
    /// Sum of powers of persistence, of each layer by itself.
    TotalPersistence {
        /// The power, at least 1.
        order: f64,
        /// Smallest persistence counted, after normalisation.
        #[serde(default)]
        min_persistence: f64,
        /// Largest persistence counted, after normalisation; left out: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_persistence: Option<f64>,
    },
    /// Entropy of the persistences, of each layer by itself.
    PersistentEntropy,
    /// Lengths of each layer's critical edges in the other layer, token by token.
    Signature,
    /// Representation topology divergence of clusters, token by token; dimension 0.
    RtdLite,
    /// Representation topology divergence, token by token; dimension 1.
    Rtd,
    /// A control: all distances, token by token.
    DistanceMatrix {
        /// Power of their differences, at least 1.
        order: f64,
    },
    /// A control: one less the cosine of rows, token by token.
    CosineConsistency,
    /// A control: the entropy of each layer's attention outside of a band, squared.
    EntropyBand {
        /// Lower end, over the entropy of uniform attention.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

/// `ground_norm`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawGroundNorm {
    /// The largest coordinate.
    Infinity,
    /// Euclidean.
    L2,
    /// The sum of the coordinates.
    L1,
}

/// `power`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPower {
    /// `W_p^p`
    P,
    /// `W_p`
    One,
}

/// `topology.weight`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

fn unchanged() -> f64 {
    1.0
}
