//! `[[topology]]`: checked penalties.

use super::simplices::{MAX_SIMPLICES, listed_simplices};
use super::{Errors, all_or, require};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawEdges, RawLayers, RawPartners, RawPenalty, RawTopology, RawWeight};
use crate::counted::counted;
use crate::data::DataSpec;
use crate::distance::RowDistance;
use crate::loss::{
    Alignment, Between, DiagramPenalty, Direction, EdgeChoice, ItemPairs, Layers, Normalize, Pairs,
    PartnerChoice, PenaltyKind, RowPenalty, SummaryPenalty, TokenWiseDivergence, TokenWisePenalty,
    TopologyPenalty, Weight, repeated_name,
};
use crate::model::NetworkConfig;
use crate::nn::Tokens;
use crate::topology::{DiagramDistance, DiagramSummary};

/// Settings outside of `[[topology]]` that penalties depend on.
pub(super) struct PenaltyContext<'a> {
    pub(super) document: &'a Document,
    pub(super) model: &'a NetworkConfig,
    pub(super) data: &'a DataSpec,
    /// Seed of the run.
    pub(super) seed: u64,
    /// True if `training.view` makes a second view of every batch.
    pub(super) has_view: bool,
    /// True if training starts from pretrained weights, which the model can be compared with.
    pub(super) has_reference: bool,
}

impl PenaltyContext<'_> {
    /// Checks all `[[topology]]` tables against the model and the data.
    pub(super) fn penalties(
        &self,
        tables: &[RawTopology],
    ) -> Result<Vec<TopologyPenalty>, ConfigError> {
        let mut errors = Errors::default();
        let penalties: Vec<_> = tables
            .iter()
            .enumerate()
            .filter_map(|(index, table)| errors.keep(self.penalty(index, table)))
            .collect();
        let penalties = all_or(errors.0, penalties)?;
        // Only names that were given can clash; default names are numbered.
        if let Some(index) = repeated_name(&penalties) {
            let name = penalties[index].effective_name();
            return Err(self.document.error_at(
                &format!("topology.{index}.name"),
                format!("an earlier penalty is named `{name}` too, expected a name of its own"),
            ));
        }
        Ok(penalties)
    }

    /// Checks one table.
    fn penalty(&self, index: usize, raw: &RawTopology) -> Result<TopologyPenalty, ConfigError> {
        let refuse = |path: &str, message: String| self.document.error_at(path, message);
        let table = format!("topology.{index}");
        let at = |key: &str| format!("{table}.{key}");
        let penalty = self.convert(&TopologyTable {
            document: self.document,
            index,
            raw,
        })?;
        penalty
            .validate_name()
            .map_err(|e| refuse(&at("name"), e.to_string()))?;
        // Before the other checks, which are about the table as a whole.
        penalty
            .validate_layers()
            .map_err(|e| refuse(&at("layers"), e.to_string()))?;
        penalty
            .validate()
            .map_err(|e| refuse(&table, e.to_string()))?;
        // Before layers are paired, for a clearer message than that there are none to pair.
        if self.model.n_layers() == 0 {
            let message = "the model has no layers, expected a transformer";
            return Err(refuse(&table, message.to_owned()));
        }
        penalty
            .layer_pairs(self.model.n_layers())
            .map_err(|e| refuse(&at("layers"), e.to_string()))?;
        self.check_n_points(&penalty, &at("homology_dim"))?;
        let n_steps = self.model.token_layout().n_frames;
        require(
            self.document,
            !penalty.is_between(Between::Frames) || n_steps > 1 || self.model.n_frames() == 1,
            &at("between"),
            || {
                "the penalty compares frames, but the model has one token for all frames at each \
                 place; lower tubelet_size"
                    .to_owned()
            },
        )?;
        penalty
            .frame_pairs(n_steps)
            .map_err(|e| refuse(&at("between"), e.to_string()))?;
        require(
            self.document,
            self.has_view || !penalty.is_between(Between::Views),
            &at("between"),
            || {
                "the penalty compares views, but there is only one view of each sample; set \
                 training.view to make a second one"
                    .to_owned()
            },
        )?;
        penalty
            // The samples themselves and the perturbed ones.
            .view_pairs(2)
            .map_err(|e| refuse(&at("pairs"), e.to_string()))?;
        self.check_reference(&penalty, &table)?;
        require(
            self.document,
            penalty.kind.alignment() == Alignment::Position || self.has_known_flow(),
            &at("alignment"),
            || {
                "alignment by flow needs clips with known flow, `moving_digits`, and a model with \
                 one time step for each frame"
                    .to_owned()
            },
        )?;
        Ok(penalty)
    }

    /// Checks that there is a reference to compare with, and that a weight can be found.
    fn check_reference(&self, penalty: &TopologyPenalty, table: &str) -> Result<(), ConfigError> {
        if !penalty.is_between(Between::Reference) {
            return Ok(());
        }
        require(
            self.document,
            self.has_reference,
            &format!("{table}.between"),
            || {
                "the penalty keeps the model close to the weights that it started from, but these are random \
                 and have nothing to keep; set model.init_from"
                    .to_owned()
            },
        )?;
        let is_measured = matches!(penalty.weight, Weight::GradientShare(_));
        require(
            self.document,
            !is_measured || penalty.schedule.start_epoch > 0,
            &format!("{table}.weight"),
            || {
                "the model equals its reference at first, when there is no gradient to measure a share of; set \
                 schedule.start_epoch to at least 1, or a fixed weight"
                    .to_owned()
            },
        )
    }

    fn convert(&self, table: &TopologyTable<'_>) -> Result<TopologyPenalty, ConfigError> {
        let raw = table.raw;
        Ok(TopologyPenalty {
            name: raw.name.clone(),
            kind: table.kind(self.seed)?,
            layers: match &raw.layers {
                RawLayers::All(_) => Layers::All,
                RawLayers::Indices(layers) => Layers::Indices(layers.clone()),
            },
            source: raw.source,
            row_distance: RowDistance {
                metric: raw.distance,
                exponent: raw.exponent,
            },
            heads: raw.heads,
            tokens: raw.tokens,
            weight: match raw.weight {
                RawWeight::Fixed { value } => Weight::Fixed(value),
                RawWeight::GradientShare { share } => Weight::GradientShare(share),
            },
            schedule: raw.schedule,
        })
    }

    /// Checks that there are enough points for bars in the homology dimension of a penalty.
    fn check_n_points(&self, penalty: &TopologyPenalty, key: &str) -> Result<(), ConfigError> {
        // The others have no homology dimension, or take other points than those of one item.
        if !penalty.kind.has_bars() {
            return Ok(());
        }
        let homology_dim = penalty.kind.homology_dim().unwrap_or_default();
        let layout = self.model.token_layout();
        let (n_points, noun) = match penalty.tokens {
            Tokens::Patches => (layout.grid[0] * layout.grid[1], "patch"),
            Tokens::All => (layout.n_tokens(), "token"),
        };
        // The smallest Vietoris-Rips complex with a hole of dimension d is the boundary of a cross-polytope: its
        // points are d + 1 pairs, each of them far apart.
        let least = 2 * homology_dim + 2;
        // Dimension 0 cannot be lowered; training reports a penalty on a single point as one that never acts.
        let is_possible = homology_dim == 0 || n_points >= least;
        require(self.document, is_possible, key, || {
            format!(
                "homology_dim is {homology_dim}, expected at least {least} points for it, found {}; lower \
                 homology_dim or patch_size",
                counted(n_points, noun)
            )
        })?;
        let n_simplices = listed_simplices(n_points, homology_dim);
        require(self.document, n_simplices <= MAX_SIMPLICES, key, || {
            format!(
                "homology_dim is {homology_dim}, for which {} can have {n_simplices:.1e} simplices, expected at most \
                 {MAX_SIMPLICES:.1e}; lower homology_dim, or raise patch_size",
                counted(n_points, noun)
            )
        })
    }

    /// True if the flow between all frames of the model's input is known.
    fn has_known_flow(&self) -> bool {
        matches!(self.data, DataSpec::MovingDigits(_))
            // With tubelets a token covers several frames, and the flow between two tokens is not known.
            && self.model.n_frames() == self.model.token_layout().n_frames
    }
}

/// One `[[topology]]` table, and where it is for messages.
struct TopologyTable<'a> {
    document: &'a Document,
    index: usize,
    raw: &'a RawTopology,
}

impl TopologyTable<'_> {
    /// Returns the kind of penalty of the table.
    ///
    /// A table has the keys of all kinds. One that this kind does not use is refused unless it has its default, so
    /// that no setting is silently without effect.
    fn kind(&self, seed: u64) -> Result<PenaltyKind, ConfigError> {
        let raw = self.raw;
        // Each table draws from its own random stream.
        let seed = seed ^ ((self.index as u64) << 32);
        let normalize = raw.normalize.unwrap_or(Normalize::SpanningTree);
        let edges = match raw.edges {
            RawEdges::Critical => EdgeChoice::Critical,
            RawEdges::Random => EdgeChoice::Random { seed },
        };
        let pairs = ItemPairs {
            between: raw.between,
            pairs: raw.pairs,
            direction: raw.direction,
            partners: match raw.partners {
                RawPartners::Same => PartnerChoice::Same,
                RawPartners::Shuffled => PartnerChoice::Shuffled { seed },
            },
        };
        if raw.between == Between::Reference {
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

    /// Homology dimension of a penalty that computes diagrams.
    fn homology_dim(&self) -> Result<usize, ConfigError> {
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
            self.raw.between == Between::Layers,
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

    fn refuse_unless(&self, is_allowed: bool, key: &str, message: &str) -> Result<(), ConfigError> {
        if is_allowed {
            return Ok(());
        }
        let path = format!("topology.{}.{key}", self.index);
        Err(self.document.error_at(&path, message))
    }
}
