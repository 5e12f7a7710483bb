//! `[[topology]]`: one penalty.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::penalty_source::{RawBetween, RawPixels, RawSource};
use crate::distance::RowMetric;
use crate::loss::{Alignment, Direction, Normalize, Pairs, Schedule};
use crate::nn::{Heads, Tokens};
use crate::topology::{Filtration, GroundNorm, Power};

/// `[[topology]]`: one penalty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTopology {
    /// Name in logs, messages and `--set topology.<name>.<key>`: letters, digits and `_`, not starting
    /// with a digit. Absent: made of what is compared, such as `h1_layers`, `h1_total_persistence` or
    /// `cosine_consistency_layers`, with `_2`, `_3`, ... if an earlier penalty has that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Kind of things that are compared; absent: `layers`, or `truth` for predicted frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<RawBetween>,
    /// Pairs of layers, frames or views that are compared.
    #[serde(default)]
    pub pairs: Pairs,
    /// Correspondence between the tokens of two frames, for penalties that compare token by token.
    #[serde(default)]
    pub alignment: Alignment,
    /// Layers that the penalty uses.
    #[serde(default)]
    pub layers: RawLayers,
    /// Source of the diagrams: rows of a layer, between which distances are computed, or the predicted frames.
    #[serde(default)]
    pub source: RawSource,
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
    /// Homology dimension: 0 for connected components, 1 for cycles or holes; absent for penalties that compute
    /// no diagrams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homology_dim: Option<usize>,
    /// Scale that each distance matrix is divided by; absent: `spanning_tree`, or `none` for penalties without a scale, such
    /// as those on predicted frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<Normalize>,
    /// Side of a pair that receives a gradient.
    #[serde(default)]
    pub direction: Direction,
    /// Number that is computed for a pair, or for one layer.
    #[serde(default)]
    pub penalty: RawPenalty,
    /// Edges whose lengths serve as births and deaths.
    #[serde(default)]
    pub edges: RawEdges,
    /// Images or clips of a batch that are compared with each other.
    #[serde(default)]
    pub partners: RawPartners,
    /// Filtration of predicted frames, which says what enters first; absent: `superlevel`, bright pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtration: Option<Filtration>,
    /// Persistence below which bars of predicted frames are left out, from 0 to 1; absent: 0, all bars count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_persistence: Option<f64>,
    /// Pixels of predicted frames whose values serve as births and deaths; absent: the critical ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<RawPixels>,
    /// Factor of the penalty in the loss: a number, or a table.
    #[serde(default, deserialize_with = "number_or_table")]
    #[schemars(with = "NumberOrTable")]
    pub weight: RawWeight,
    /// Steps at which the penalty is part of the loss.
    #[serde(default)]
    pub schedule: Schedule,
}

impl RawTopology {
    /// Fills in the defaults that depend on other keys.
    pub(in crate::config) fn complete(&mut self) {
        let is_of_frames = self.source == RawSource::Prediction;
        if is_of_frames {
            self.filtration.get_or_insert_default();
            self.min_persistence.get_or_insert_default();
            self.pixels.get_or_insert_default();
        }
        let has_scale = !is_of_frames
            && !matches!(
                self.penalty,
                RawPenalty::CosineConsistency | RawPenalty::EntropyBand { .. }
            );
        let default = if has_scale {
            Normalize::SpanningTree
        } else {
            Normalize::None
        };
        self.normalize.get_or_insert(default);
        self.between
            .get_or_insert(RawBetween::default_of(self.source));
    }
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
        #[serde(default = "two")]
        order: f64,
        /// Norm in the plane of births and deaths.
        #[serde(default = "infinity")]
        ground_norm: GroundNorm,
        /// Power of the distance: `p` for `W_p^p`, `one` for `W_p`.
        #[serde(default = "p")]
        power: Power,
    },
    /// Sorted Wasserstein distance: bars matched in order of their deaths, in dimension 0.
    SortedWasserstein {
        /// Order of the distance, at least 1.
        #[serde(default = "two")]
        order: f64,
        /// Power of the distance: `p` for `W_p^p`, `one` for `W_p`.
        #[serde(default = "p")]
        power: Power,
    },
    /// Sliced Wasserstein distance: mean distance of projections to lines.
    SlicedWasserstein {
        /// Order of the distance, at least 1.
        #[serde(default = "one")]
        order: f64,
        /// Number of lines, at least 1.
        n_directions: usize,
        /// Power of the distance: `p` for `W_p^p`, `one` for `W_p`.
        #[serde(default = "p")]
        power: Power,
    },
    /// Bottleneck distance between two diagrams.
    Bottleneck {
        /// Norm in the plane of births and deaths.
        #[serde(default = "infinity")]
        ground_norm: GroundNorm,
    },
    /// Summary of each layer on its own: sum of powers of persistence.
    TotalPersistence {
        /// Power of each persistence, at least 1.
        #[serde(default = "one")]
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
    /// Betti matching of predicted frames: bars are matched only if they belong to the same place.
    BettiMatching {
        /// Power of the lengths of matched pairs, at least 1.
        #[serde(default = "two")]
        order: f64,
        /// Norm by which the lengths of pairs are measured.
        #[serde(default = "l2")]
        ground_norm: GroundNorm,
    },
    /// Number of bars that each predicted frame should have: the longest are made longer, all others shorter.
    BettiNumber {
        /// Number of bars, such as 1 component, or 0 holes.
        number: usize,
    },
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
        #[serde(default = "two")]
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

impl Default for RawPenalty {
    fn default() -> Self {
        Self::Wasserstein {
            order: two(),
            ground_norm: infinity(),
            power: p(),
        }
    }
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

impl Default for RawWeight {
    fn default() -> Self {
        Self::Fixed { value: 1.0 }
    }
}

/// The two forms of `topology.weight`, for the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum NumberOrTable {
    /// Fixed factor; it may be negative.
    Number(f64),
    /// Fixed factor or gradient share.
    Table(RawWeight),
}

/// Reads a weight; a number is a fixed factor, as in `TopologyPenalty::with_weight`.
// Written out, because the error of an untagged enum would not say what is wrong in the table.
fn number_or_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RawWeight, D::Error> {
    struct WeightVisitor;

    impl<'de> Visitor<'de> for WeightVisitor {
        type Value = RawWeight;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number or a table with `kind`")
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<RawWeight, E> {
            Ok(RawWeight::Fixed { value })
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<RawWeight, E> {
            self.visit_f64(value as f64)
        }

        fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<RawWeight, A::Error> {
            RawWeight::deserialize(MapAccessDeserializer::new(table))
        }
    }

    deserializer.deserialize_any(WeightVisitor)
}

// The usual orders: 1 of sliced distances and of total persistence, 2 of the others.
fn one() -> f64 {
    1.0
}

fn two() -> f64 {
    2.0
}

fn infinity() -> GroundNorm {
    GroundNorm::Infinity
}

fn l2() -> GroundNorm {
    GroundNorm::L2
}

fn p() -> Power {
    Power::P
}

fn unchanged() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{FrameComparison, PenaltyKind, PixelPenalty, TopologyPenalty};
    use crate::topology::DiagramDistance;

    #[test]
    fn defaults_are_those_of_the_library() {
        let mut raw: RawTopology = toml::from_str("homology_dim = 1").unwrap();
        raw.complete();
        let PenaltyKind::Diagrams(library) = TopologyPenalty::new(1).kind else {
            panic!("expected a penalty on diagrams");
        };
        assert_eq!(raw.normalize, Some(library.normalize));
        assert_eq!(
            raw.between.and_then(RawBetween::items),
            Some(library.pairs.between)
        );
        let DiagramDistance::Wasserstein {
            order,
            ground_norm,
            power,
        } = library.distance
        else {
            panic!("expected a Wasserstein distance");
        };
        let expected = RawPenalty::Wasserstein {
            order,
            ground_norm,
            power,
        };
        assert_eq!(raw.penalty, expected);
        assert_eq!(raw.weight, RawWeight::Fixed { value: 1.0 });
    }

    #[test]
    fn defaults_of_predicted_frames_are_those_of_the_library() {
        let mut raw: RawTopology =
            toml::from_str("source = \"prediction\"\nhomology_dim = 1").unwrap();
        raw.complete();
        let library = PixelPenalty::new(1, crate::loss::PixelComparison::truth());
        assert_eq!(raw.filtration, Some(library.filtration));
        assert_eq!(raw.min_persistence, Some(library.min_persistence));
        assert_eq!(raw.pixels, Some(RawPixels::Critical));
        assert_eq!(raw.between, Some(RawBetween::Truth));
        assert_eq!(raw.normalize, Some(Normalize::None));
        let matching: RawPenalty = toml::from_str("kind = \"betti_matching\"").unwrap();
        let RawPenalty::BettiMatching { order, ground_norm } = matching else {
            panic!("expected a Betti matching");
        };
        let expected = FrameComparison::BettiMatching { order, ground_norm };
        assert_eq!(FrameComparison::BETTI_MATCHING, expected);
    }
}
