//! `[[topology]]`: one penalty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[topology]]`: one penalty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTopology {
    /// Name in logs, messages and `--set topology.<name>.<key>`: letters, digits and `_`, not starting
    /// with a digit. Absent: made of what is compared, such as `h1_layers`, `h1_total_persistence` or
    /// `cosine_consistency_layers`, with `_2`, `_3`, ... if an earlier penalty has that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Kind of things that are compared: layers, frames or views.
    pub between: RawBetween,
    /// Pairs of layers, frames or views that are compared.
    #[serde(default)]
    pub pairs: RawPairs,
    /// Correspondence between the tokens of two frames, for penalties that compare token by token.
    #[serde(default)]
    pub alignment: RawAlignment,
    /// Layers that the penalty uses.
    #[serde(default)]
    pub layers: RawLayers,
    /// Rows of a layer between which distances are computed.
    #[serde(default)]
    pub source: RawSource,
    /// Distance between two rows.
    #[serde(default)]
    pub distance: RawDistance,
    /// Power that every distance is raised to.
    #[serde(default = "unchanged")]
    pub exponent: f64,
    /// Attention heads that the penalty uses.
    #[serde(default)]
    pub heads: RawHeads,
    /// Tokens that the penalty uses.
    #[serde(default)]
    pub tokens: RawTokens,
    /// Homology dimension: 0 for connected components, 1 for cycles; absent for penalties that compute
    /// no diagrams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homology_dim: Option<usize>,
    /// Scale that each distance matrix is divided by.
    pub normalize: RawNormalize,
    /// Side of a pair that receives a gradient.
    #[serde(default)]
    pub direction: RawDirection,
    /// Number that is computed for a pair, or for one layer.
    pub penalty: RawPenalty,
    /// Edges whose lengths serve as births and deaths.
    #[serde(default)]
    pub edges: RawEdges,
    /// Images or clips of a batch that are compared with each other.
    #[serde(default)]
    pub partners: RawPartners,
    /// Factor of the penalty in the loss.
    pub weight: RawWeight,
    /// Steps at which the penalty is part of the loss.
    #[serde(default)]
    pub schedule: RawSchedule,
}

/// `topology.between`: kind of things that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawBetween {
    /// Layers, for each image or frame on its own.
    Layers,
    /// Frames of a clip, for each layer on its own.
    Frames,
    /// The samples and their perturbed version from `training.view`, for each layer on its own.
    Views,
}

/// `topology.pairs`: pairs that are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPairs {
    /// Each one with the next.
    #[default]
    Consecutive,
    /// The first one with each later one.
    ToFirst,
    /// Each one with the last.
    ToLast,
    /// Each one with each later one.
    All,
    /// Each one with the one this many positions later.
    Stride(usize),
}

/// `topology.alignment`: correspondence between the tokens of two frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawAlignment {
    /// Tokens at the same position.
    #[default]
    Position,
    /// Tokens that show the same content, according to the known flow; needs `moving_digits`.
    Flow,
}

/// `topology.layers`: layers that the penalty uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    // Serde tries the variants in order, by type: a word is `All`, a list is `Indices`.
    untagged,
    expecting = "expected \"all\" or a list of layer numbers counted from 0"
)]
pub enum RawLayers {
    /// All layers: `"all"`.
    All(All),
    /// Listed layers, counted from 0 and each at most once, such as `[0, 2]`.
    Indices(Vec<usize>),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum All {
    /// All layers.
    All,
}

impl Default for RawLayers {
    fn default() -> Self {
        Self::All(All::All)
    }
}

/// `topology.source`: rows of a layer between which distances are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawSource {
    /// Attention rows.
    #[default]
    Attention,
    /// Attention rows after a second softmax, which makes them nearly uniform.
    DoubleSoftmax,
    /// Hidden states: tokens after the layer, as vectors.
    Hidden,
}

/// `topology.distance`: distance between two rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawDistance {
    /// Square root of the Jensen-Shannon divergence, with the natural logarithm.
    #[default]
    JensenShannon,
    /// Hellinger distance of two distributions.
    Hellinger,
    /// One minus the cosine similarity.
    Cosine,
    /// Euclidean distance.
    Euclidean,
    /// One minus the larger of the two attention weights between two tokens.
    Attention,
}

/// `topology.heads`: attention heads that the penalty uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawHeads {
    /// Mean of all heads.
    #[default]
    Mean,
    /// Each head on its own.
    Each,
}

/// `topology.tokens`: tokens that the penalty uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawTokens {
    /// Patch tokens.
    #[default]
    Patches,
    /// All tokens, class token and register tokens included.
    All,
}

/// `topology.normalize`: scale that each distance matrix is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawNormalize {
    /// No normalisation.
    None,
    /// Mean edge length of the minimum spanning tree, which is the mean finite death in dimension 0.
    SpanningTree,
}

/// `topology.direction`: side of a pair that receives a gradient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawDirection {
    /// Both sides receive a gradient.
    #[default]
    Symmetric,
    /// Only the later layer, frame or view receives a gradient; the earlier one is held constant.
    TowardsFirst,
    /// Only the earlier layer, frame or view receives a gradient; the later one is held constant.
    TowardsSecond,
}

/// `topology.edges`: edges whose lengths serve as births and deaths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawEdges {
    /// Critical edges, which create and destroy the topological features.
    #[default]
    Critical,
    /// Control: the same number of random edges, drawn again at every step.
    Random,
}

/// `topology.partners`: images or clips of a batch that are compared with each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPartners {
    /// Layers or views of the same image or clip, frames of the same clip.
    #[default]
    Same,
    /// Control: the later layer, frame or view is that of another image or clip of the batch.
    Shuffled,
}

/// `topology.penalty`: number that is computed for a pair, or for one layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawPenalty {
    /// Wasserstein distance between two diagrams.
    Wasserstein {
        /// Order of the distance, at least 1.
        order: f64,
        /// Norm in the plane of births and deaths.
        ground_norm: RawGroundNorm,
        /// Power of the distance: `p` for `W_p^p`, `one` for `W_p`.
        power: RawPower,
    },
    /// Sorted Wasserstein distance: bars matched in order of their deaths, in dimension 0.
    SortedWasserstein {
        /// Order of the distance, at least 1.
        order: f64,
        /// Power of the distance: `p` for `W_p^p`, `one` for `W_p`.
        power: RawPower,
    },
    /// Sliced Wasserstein distance: mean distance of projections to lines.
    SlicedWasserstein {
        /// Order of the distance, at least 1.
        order: f64,
        /// Number of lines, at least 1.
        n_directions: usize,
        /// Power of the distance: `p` for `W_p^p`, `one` for `W_p`.
        power: RawPower,
    },
    /// Bottleneck distance between two diagrams.
    Bottleneck {
        /// Norm in the plane of births and deaths.
        ground_norm: RawGroundNorm,
    },
    /// Summary of each layer on its own: sum of powers of persistence.
    TotalPersistence {
        /// Power of each persistence, at least 1.
        order: f64,
        /// Smallest persistence that is counted, after normalisation.
        #[serde(default)]
        min_persistence: f64,
        /// Largest persistence that is counted, after normalisation; absent: no limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_persistence: Option<f64>,
    },
    /// Summary of each layer on its own: persistent entropy, in nats.
    PersistentEntropy,
    /// Topological signature loss: lengths of the critical edges of one side in the other, token by
    /// token.
    Signature,
    /// RTD-Lite: representation topology divergence of connected components, token by token, in
    /// dimension 0.
    RtdLite,
    /// Representation topology divergence (RTD), token by token, in dimension 1.
    Rtd,
    /// Control without topology: mean difference of all distances, token by token.
    DistanceMatrix {
        /// Power of the absolute differences, at least 1.
        order: f64,
    },
    /// Control without topology: one minus the cosine similarity of rows, token by token.
    CosineConsistency,
    /// Control without topology: squared distance of the entropy of each attention row from a band.
    EntropyBand {
        /// Lower end of the band, as a fraction of the entropy of uniform attention.
        low: f64,
        /// Upper end of the band, as a fraction of the entropy of uniform attention.
        high: f64,
    },
}

/// `topology.penalty.ground_norm`: norm in the plane of births and deaths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawGroundNorm {
    /// Larger absolute coordinate (L-infinity).
    Infinity,
    /// Euclidean norm.
    L2,
    /// Sum of the absolute coordinates.
    L1,
}

/// `topology.penalty.power`: power of the distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPower {
    /// `W_p^p`, which is smooth at 0.
    P,
    /// `W_p`.
    One,
}

/// `topology.weight`: factor of the penalty in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawWeight {
    /// Fixed factor.
    Fixed {
        /// Factor; it may be negative.
        value: f64,
    },
    /// Factor found from a gradient share, once, when the penalty begins.
    GradientShare {
        /// Norm of the gradient of the weighted penalty, divided by that of the task loss; a negative number
        /// makes the weight negative.
        share: f64,
    },
}

/// `topology.schedule`: steps at which the penalty is part of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSchedule {
    /// First epoch with the penalty, counted from 0.
    #[serde(default)]
    pub start_epoch: usize,
    /// Number of steps over which the weight rises linearly.
    #[serde(default)]
    pub warmup_steps: usize,
    /// Number of steps between two evaluations of the penalty; 1 evaluates it at every step.
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
