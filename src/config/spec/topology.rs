//! `[[topology]]`: checked penalties.

use super::penalty_table::PenaltyTable;
use super::simplices::{MAX_SIMPLICES, listed_simplices};
use super::{Errors, all_or, require};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawLayers, RawTopology, RawWeight};
use crate::counted::counted;
use crate::data::DataSpec;
use crate::distance::RowDistance;
use crate::loss::{
    Alignment, Between, Layers, PenaltyKind, PixelComparison, PixelPenalty, Source,
    TopologyPenalty, Weight, repeated_name,
};
use crate::model::{NetworkConfig, Task};
use crate::nn::Tokens;
use crate::topology::MAX_REDUCED_VOXELS;

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
        let penalty = self.convert(&PenaltyTable {
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
        if let PenaltyKind::Pixels(pixels) = &penalty.kind {
            self.check_frames(pixels, &table)?;
            return Ok(penalty);
        }
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

    /// Checks that the model predicts frames or masks, and that there are enough for a penalty on them, and not too many.
    fn check_frames(&self, penalty: &PixelPenalty, table: &str) -> Result<(), ConfigError> {
        let refuse = |key: &str, message: String| {
            Err(self.document.error_at(&format!("{table}.{key}"), message))
        };
        if Task::from_config(self.model).predicts_classes() {
            let message = "the penalty compares predicted frames, but the model predicts classes; set model.head = \
                           \"next_frame\" or \"mask\", or leave source out";
            return refuse("source", message.to_owned());
        }
        let n_frames = self.model.token_layout().n_frames;
        match penalty.comparison {
            PixelComparison::Frames { pairs, .. } | PixelComparison::Change { pairs, .. }
                if pairs.index_pairs(n_frames).is_empty() =>
            {
                refuse(
                    "pairs",
                    format!(
                        "the penalty compares predicted frames (pairs: {pairs}), but a clip has {}",
                        counted(n_frames, "predicted frame")
                    ),
                )
            }
            PixelComparison::Volume { .. } if penalty.homology_dim > 0 => {
                let samples = self.data.sample_spec();
                let n_voxels = n_frames * samples.height * samples.width;
                if n_voxels <= MAX_REDUCED_VOXELS {
                    return Ok(());
                }
                refuse(
                    "homology_dim",
                    format!(
                        "homology_dim is {}, for which the volume of a clip may have {MAX_REDUCED_VOXELS} voxels, found \
                         {n_voxels}; expected homology_dim 0, or smaller or shorter clips",
                        penalty.homology_dim
                    ),
                )
            }
            _ => Ok(()),
        }
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

    fn convert(&self, table: &PenaltyTable<'_>) -> Result<TopologyPenalty, ConfigError> {
        let raw = table.raw;
        Ok(TopologyPenalty {
            name: raw.name.clone(),
            kind: table.kind(self.seed)?,
            layers: match &raw.layers {
                RawLayers::All(_) => Layers::All,
                RawLayers::Indices(layers) => Layers::Indices(layers.clone()),
            },
            // Penalties on predicted frames read no layers.
            source: raw.source.rows().unwrap_or(Source::Attention),
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
