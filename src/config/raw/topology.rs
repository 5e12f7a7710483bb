//! `[[topology]]`: one penalty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::distance::RowMetric;
use crate::loss::{Alignment, Between, Direction, Normalize, Pairs, Schedule, Source};
use crate::nn::{Heads, Tokens};
use crate::topology::{GroundNorm, Power};

/// `[[topology]]`: one penalty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTopology {
    /// Name in logs, messages and `--set topology.<name>.<key>`: letters, digits and `_`, not starting
    /// with a digit. Absent: made of what is compared, such as `h1_layers`, `h1_total_persistence` or
    /// `cosine_consistency_layers`, with `_2`, `_3`, ... if an earlier penalty has that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Kind of things that are compared: layers, frames, views, or the model and its reference.
    pub between: Between,
    /// Pairs of layers, frames or views that are compared.
    #[serde(default)]
    pub pairs: Pairs,
    /// Correspondence between the tokens of two frames, for penalties that compare token by token.
    #[serde(default)]
    pub alignment: Alignment,
    /// Layers that the penalty uses.
    #[serde(default)]
    pub layers: RawLayers,
    /// Rows of a layer between which distances are computed.
    #[serde(default)]
    pub source: Source,
    /// Distance between two rows.
    #[serde(default)]
    pub distance: RowMetric,
    /// Power that every distance is raised to.
    #[serde(default = "unchanged")]
    pub exponent: f64,
    /// Attention heads that the penalty uses.
    #[serde(default)]
    pub heads: Heads,
    /// Tokens that the penalty uses.
    #[serde(default)]
    pub tokens: Tokens,
    /// Homology dimension: 0 for connected components, 1 for cycles; absent for penalties that compute
    /// no diagrams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homology_dim: Option<usize>,
    /// Scale that each distance matrix is divided by.
    pub normalize: Normalize,
    /// Side of a pair that receives a gradient.
    #[serde(default)]
    pub direction: Direction,
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
    pub schedule: Schedule,
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
        ground_norm: GroundNorm,
        /// Power of the distance: `p` for `W_p^p`, `one` for `W_p`.
        power: Power,
    },
    /// Sorted Wasserstein distance: bars matched in order of their deaths, in dimension 0.
    SortedWasserstein {
        /// Order of the distance, at least 1.
        order: f64,
        /// Power of the distance: `p` for `W_p^p`, `one` for `W_p`.
        power: Power,
    },
    /// Sliced Wasserstein distance: mean distance of projections to lines.
    SlicedWasserstein {
        /// Order of the distance, at least 1.
        order: f64,
        /// Number of lines, at least 1.
        n_directions: usize,
        /// Power of the distance: `p` for `W_p^p`, `one` for `W_p`.
        power: Power,
    },
    /// Bottleneck distance between two diagrams.
    Bottleneck {
        /// Norm in the plane of births and deaths.
        ground_norm: GroundNorm,
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

fn unchanged() -> f64 {
    1.0
}
