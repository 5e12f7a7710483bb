//! `[[topology]]`: kinds of penalties, and the keys that each of them uses.

use crate::choice::word;
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawBetween, RawEdges, RawPartners, RawPenalty, RawSource, RawTopology};
use crate::loss::{
    Alignment, Between, DiagramPenalty, Direction, EdgeChoice, ItemPairs, Normalize, Pairs,
    PartnerChoice, PenaltyKind, RowPenalty, SummaryPenalty, TokenWiseDivergence, TokenWisePenalty,
};
use crate::topology::{DiagramDistance, DiagramSummary};

/// One `[[topology]]` table, and where it is for messages.
pub(super) struct PenaltyTable<'a> {
    pub(super) document: &'a Document,
    pub(super) index: usize,
    pub(super) raw: &'a RawTopology,
}

impl PenaltyTable<'_> {
    /// Returns the kind of penalty of the table.
    ///
    /// A table has the keys of all kinds. One that this kind does not use is refused unless it has its default, so
    /// that no setting is silently without effect.
    pub(super) fn kind(&self, seed: u64) -> Result<PenaltyKind, ConfigError> {
        let raw = self.raw;
        // Each table draws from its own random stream.
        let seed = seed ^ ((self.index as u64) << 32);
        if raw.source == RawSource::Prediction {
            return Ok(PenaltyKind::Pixels(self.pixels(seed)?));
        }
        self.refuse_keys_of_frames()?;
        let normalize = raw.normalize.unwrap_or(Normalize::SpanningTree);
        let edges = match raw.edges {
            RawEdges::Critical => EdgeChoice::Critical,
            RawEdges::Random => EdgeChoice::Random { seed },
        };
        let between = self.items()?;
        let pairs = ItemPairs {
            between,
            pairs: raw.pairs,
            direction: raw.direction,
            partners: self.partners(seed),
        };
        if between == Between::Reference {
            self.refuse_choices_of_pairs()?;
        }
        let diagrams = |distance| {
            self.refuse_alignment()?;
            Ok(PenaltyKind::Diagrams(DiagramPenalty {
                homology_dim: self.homology_dim()?,
                distance,
                pairs,
                normalize,
                edges,
            }))
        };
        let summary = |summary| {
            self.refuse_alignment()?;
            self.refuse_pairs()?;
            Ok(PenaltyKind::Summary(SummaryPenalty {
                homology_dim: self.homology_dim()?,
                summary,
                normalize,
                edges,
            }))
        };
        let token_wise = |divergence| {
            if !matches!(divergence, TokenWiseDivergence::Signature { .. }) {
                self.refuse_edges()?;
            }
            Ok(PenaltyKind::TokenWise(TokenWisePenalty {
                divergence,
                pairs,
                normalize,
                alignment: raw.alignment,
            }))
        };
        let rows = |penalty| {
            self.refuse_homology_dim()?;
            self.refuse_alignment()?;
            self.refuse_edges()?;
            self.refuse_unless(
                normalize == Normalize::None,
                "normalize",
                "a row penalty has no scale to divide by, expected normalize `none`",
            )?;
            Ok(PenaltyKind::Rows(penalty))
        };
        match raw.penalty {
            RawPenalty::Wasserstein {
                order,
                ground_norm,
                power,
            } => diagrams(DiagramDistance::Wasserstein {
                order,
                ground_norm,
                power,
            }),
            RawPenalty::SortedWasserstein { order, power } => {
                diagrams(DiagramDistance::SortedWasserstein { order, power })
            }
            RawPenalty::SlicedWasserstein {
                order,
                n_directions,
                power,
            } => diagrams(DiagramDistance::SlicedWasserstein {
                order,
                n_directions,
                power,
            }),
            RawPenalty::Bottleneck { ground_norm } => {
                diagrams(DiagramDistance::Bottleneck { ground_norm })
            }
            RawPenalty::TotalPersistence {
                order,
                min_persistence,
                max_persistence,
            } => summary(DiagramSummary::TotalPersistence {
                order,
                window: [min_persistence, max_persistence.unwrap_or(f64::INFINITY)],
            }),
            RawPenalty::PersistentEntropy => summary(DiagramSummary::PersistentEntropy),
            RawPenalty::Signature => token_wise(TokenWiseDivergence::Signature {
                homology_dim: self.homology_dim()?,
                edges,
            }),
            RawPenalty::RtdLite => {
                self.require_homology_dim("RTD-Lite", 0)?;
                token_wise(TokenWiseDivergence::RtdLite)
            }
            RawPenalty::Rtd => {
                self.require_homology_dim("RTD", 1)?;
                token_wise(TokenWiseDivergence::Rtd)
            }
            RawPenalty::BettiMatching { .. } | RawPenalty::BettiNumber { .. } => Err(self.error(
                "penalty",
                "this penalty needs the pixels of grey images, expected source `prediction` for it",
            )),
            RawPenalty::DistanceMatrix { order } => {
                self.refuse_homology_dim()?;
                token_wise(TokenWiseDivergence::DistanceMatrix { order })
            }
            RawPenalty::CosineConsistency => rows(RowPenalty::CosineConsistency { pairs }),
            RawPenalty::EntropyBand { low, high } => {
                self.refuse_pairs()?;
                rows(RowPenalty::EntropyBand { low, high })
            }
        }
    }

    /// Items that are compared.
    fn items(&self) -> Result<Between, ConfigError> {
        let between = self.raw.between.unwrap_or(RawBetween::Layers);
        between.items().ok_or_else(|| {
            self.error(
                "between",
                &format!(
                    "`{}` compares predicted frames, expected source `prediction` for it, or one of `layers`, `frames`, \
                     `views` and `reference`",
                    word(&between)
                ),
            )
        })
    }

    /// Image or clip that each one is compared with.
    pub(super) fn partners(&self, seed: u64) -> PartnerChoice {
        match self.raw.partners {
            RawPartners::Same => PartnerChoice::Same,
            RawPartners::Shuffled => PartnerChoice::Shuffled { seed },
        }
    }

    /// Homology dimension of a penalty that computes diagrams.
    pub(super) fn homology_dim(&self) -> Result<usize, ConfigError> {
        self.raw.homology_dim.ok_or_else(|| {
            self.document.error_at(
                &format!("topology.{}", self.index),
                "missing key `homology_dim`, expected the homology dimension that is compared",
            )
        })
    }

    /// Checks the homology dimension of a divergence that is defined for one only.
    fn require_homology_dim(&self, name: &str, required: usize) -> Result<(), ConfigError> {
        let homology_dim = self.homology_dim()?;
        let message =
            format!("{name} is defined for homology_dim {required} only, found {homology_dim}");
        self.refuse_unless(homology_dim == required, "homology_dim", &message)
    }

    fn refuse_homology_dim(&self) -> Result<(), ConfigError> {
        self.refuse_unless(
            self.raw.homology_dim.is_none(),
            "homology_dim",
            "this penalty computes no diagrams and has no dimension; leave homology_dim out",
        )
    }

    fn refuse_alignment(&self) -> Result<(), ConfigError> {
        self.refuse_unless(
            self.raw.alignment == Alignment::Position,
            "alignment",
            "alignment by flow needs frames that are compared token by token, expected `signature`, \
             `rtd_lite`, `rtd` or `distance_matrix` between `frames`; other penalties align no tokens",
        )
    }

    fn refuse_edges(&self) -> Result<(), ConfigError> {
        self.refuse_unless(
            self.raw.edges == RawEdges::Critical,
            "edges",
            "random edges replace the edges of bars, but this penalty has no bars; expected edges `critical`",
        )
    }

    /// Refuses the keys about pairs in a table that compares the model with its reference.
    fn refuse_choices_of_pairs(&self) -> Result<(), ConfigError> {
        self.refuse_unless(
            self.raw.pairs == Pairs::Consecutive,
            "pairs",
            "each layer is compared with the same layer of the reference, so there are no other pairs; leave \
             pairs out",
        )?;
        self.refuse_unless(
            self.raw.direction == Direction::Symmetric,
            "direction",
            "the reference is constant, so only the model receives a gradient; leave direction out",
        )
    }

    /// Refuses the keys about pairs in a table whose penalty compares nothing.
    fn refuse_pairs(&self) -> Result<(), ConfigError> {
        self.refuse_unless(
            self.raw.pairs == Pairs::Consecutive,
            "pairs",
            "the penalty is computed from each layer on its own and has no pairs, leave pairs out",
        )?;
        self.refuse_unless(
            matches!(self.raw.between, None | Some(RawBetween::Layers)),
            "between",
            "the penalty is computed from each layer on its own and compares nothing, expected between \
             `layers`",
        )?;
        self.refuse_unless(
            self.raw.direction == Direction::Symmetric,
            "direction",
            "the penalty is computed from each layer on its own and has no direction, expected \
             direction `symmetric`",
        )?;
        self.refuse_unless(
            self.raw.partners == RawPartners::Same,
            "partners",
            "the penalty is computed from each layer on its own and has no partners to shuffle, \
             expected partners `same`",
        )
    }

    pub(super) fn refuse_unless(
        &self,
        is_allowed: bool,
        key: &str,
        message: &str,
    ) -> Result<(), ConfigError> {
        if is_allowed {
            Ok(())
        } else {
            Err(self.error(key, message))
        }
    }

    /// Error about one key of the table.
    pub(super) fn error(&self, key: &str, message: &str) -> ConfigError {
        let path = format!("topology.{}.{key}", self.index);
        self.document.error_at(&path, message)
    }
}
