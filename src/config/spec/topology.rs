//! `[[topology]]`: checked penalties.

use super::require;
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawEdges, RawLayers, RawPartners, RawPenalty, RawTopology, RawWeight};
use crate::counted::counted;
use crate::data::DataSpec;
use crate::distance::RowDistance;
use crate::loss::{
    Alignment, Between, Comparison, EdgeChoice, Layers, PartnerChoice, TopologyPenalty, Weight,
    repeated_name,
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
}

impl PenaltyContext<'_> {
    /// Checks all `[[topology]]` tables against the model and the data.
    pub(super) fn penalties(
        &self,
        tables: &[RawTopology],
    ) -> Result<Vec<TopologyPenalty>, ConfigError> {
        let penalties = tables
            .iter()
            .enumerate()
            .map(|(index, table)| self.penalty(index, table))
            .collect::<Result<Vec<_>, _>>()?;
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
        let penalty = self.convert(index, raw)?;
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
            penalty.between != Between::Frames || n_steps > 1 || self.model.n_frames() == 1,
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
            self.has_view || penalty.between != Between::Views,
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
        require(
            self.document,
            penalty.alignment == Alignment::Position || self.has_known_flow(),
            &at("alignment"),
            || {
                "alignment by flow needs clips with known flow, `moving_digits`, and a model with \
                 one time step for each frame"
                    .to_owned()
            },
        )?;
        Ok(penalty)
    }

    fn convert(&self, index: usize, raw: &RawTopology) -> Result<TopologyPenalty, ConfigError> {
        // Each table draws from its own random stream.
        let seed = self.seed ^ ((index as u64) << 32);
        Ok(TopologyPenalty {
            name: raw.name.clone(),
            homology_dim: self.homology_dim(index, raw)?,
            between: raw.between,
            pairs: raw.pairs,
            alignment: raw.alignment,
            layers: match &raw.layers {
                RawLayers::All(_) => Layers::All,
                RawLayers::Indices(layers) => Layers::Indices(layers.clone()),
            },
            source: raw.source,
            distance: RowDistance {
                metric: raw.distance,
                exponent: raw.exponent,
            },
            heads: raw.heads,
            tokens: raw.tokens,
            normalize: raw.normalize,
            direction: raw.direction,
            comparison: comparison(raw.penalty),
            edges: match raw.edges {
                RawEdges::Critical => EdgeChoice::Critical,
                RawEdges::Random => EdgeChoice::Random { seed },
            },
            partners: match raw.partners {
                RawPartners::Same => PartnerChoice::Same,
                RawPartners::Shuffled => PartnerChoice::Shuffled { seed },
            },
            weight: match raw.weight {
                RawWeight::Fixed { value } => Weight::Fixed(value),
                RawWeight::GradientShare { share } => Weight::GradientShare(share),
            },
            schedule: raw.schedule,
        })
    }

    /// Homology dimension of a penalty that computes diagrams; 0 for one that does not.
    fn homology_dim(&self, index: usize, raw: &RawTopology) -> Result<usize, ConfigError> {
        let has_diagrams = !matches!(
            raw.penalty,
            RawPenalty::DistanceMatrix { .. }
                | RawPenalty::CosineConsistency
                | RawPenalty::EntropyBand { .. }
        );
        match (raw.homology_dim, has_diagrams) {
            (Some(homology_dim), true) => Ok(homology_dim),
            // Any number would do: nothing reads it.
            (None, false) => Ok(0),
            (Some(_), false) => Err(self.document.error_at(
                &format!("topology.{index}.homology_dim"),
                "this penalty computes no diagrams and has no dimension; leave homology_dim out",
            )),
            (None, true) => Err(self.document.error_at(
                &format!("topology.{index}"),
                "missing key `homology_dim`, expected the homology dimension that is compared",
            )),
        }
    }

    /// Checks that there are enough points for bars in the homology dimension of a penalty.
    fn check_n_points(&self, penalty: &TopologyPenalty, key: &str) -> Result<(), ConfigError> {
        // The others have no homology dimension, or take other points than those of one item.
        let has_bars = matches!(
            penalty.comparison,
            Comparison::Diagrams(_) | Comparison::Summary(_) | Comparison::Signature
        );
        let layout = self.model.token_layout();
        let (n_points, noun) = match penalty.tokens {
            Tokens::Patches => (layout.grid[0] * layout.grid[1], "patch"),
            Tokens::All => (layout.n_tokens(), "token"),
        };
        // The smallest Vietoris-Rips complex with a hole of dimension d is the boundary of a cross-polytope: its
        // points are d + 1 pairs, each of them far apart.
        let least = 2 * penalty.homology_dim + 2;
        // Dimension 0 cannot be lowered; training reports a penalty on a single point as one that never acts.
        let is_possible = penalty.homology_dim == 0 || n_points >= least;
        require(self.document, !has_bars || is_possible, key, || {
            format!(
                "homology_dim is {}, expected at least {least} points for it, found {}; lower \
                 homology_dim or patch_size",
                penalty.homology_dim,
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

fn comparison(raw: RawPenalty) -> Comparison {
    match raw {
        RawPenalty::Wasserstein {
            order,
            ground_norm,
            power,
        } => Comparison::Diagrams(DiagramDistance::Wasserstein {
            order,
            ground_norm,
            power,
        }),
        RawPenalty::SortedWasserstein { order, power } => {
            Comparison::Diagrams(DiagramDistance::SortedWasserstein { order, power })
        }
        RawPenalty::SlicedWasserstein {
            order,
            n_directions,
            power,
        } => Comparison::Diagrams(DiagramDistance::SlicedWasserstein {
            order,
            n_directions,
            power,
        }),
        RawPenalty::Bottleneck { ground_norm } => {
            Comparison::Diagrams(DiagramDistance::Bottleneck { ground_norm })
        }
        RawPenalty::TotalPersistence {
            order,
            min_persistence,
            max_persistence,
        } => Comparison::Summary(DiagramSummary::TotalPersistence {
            order,
            window: [min_persistence, max_persistence.unwrap_or(f64::INFINITY)],
        }),
        RawPenalty::PersistentEntropy => Comparison::Summary(DiagramSummary::PersistentEntropy),
        RawPenalty::Signature => Comparison::Signature,
        RawPenalty::RtdLite => Comparison::RtdLite,
        RawPenalty::Rtd => Comparison::Rtd,
        RawPenalty::DistanceMatrix { order } => Comparison::DistanceMatrix { order },
        RawPenalty::CosineConsistency => Comparison::CosineConsistency,
        RawPenalty::EntropyBand { low, high } => Comparison::EntropyBand { low, high },
    }
}
