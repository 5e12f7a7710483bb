//! `[[topology]]` with `source = "prediction"`: penalties on predicted frames.

use super::penalty_table::PenaltyTable;
use crate::config::error::ConfigError;
use crate::config::raw::{RawBetween, RawEdges, RawLayers, RawPartners, RawPenalty, RawPixels};
use crate::distance::RowMetric;
use crate::loss::{
    Alignment, Direction, FrameComparison, Normalize, Pairs, PixelChoice, PixelComparison,
    PixelPenalty,
};
use crate::nn::{Heads, Tokens};
use crate::topology::{DiagramDistance, DiagramSummary};

/// Number that a penalty computes from frames.
enum FramePenalty {
    /// Comparison of two frames.
    Pair(FrameComparison),
    /// Number that each frame has on its own.
    Single(PixelComparison),
}

impl PenaltyTable<'_> {
    /// Returns the penalty on predicted frames that the table describes.
    pub(super) fn pixels(&self, seed: u64) -> Result<PixelPenalty, ConfigError> {
        let raw = self.raw;
        self.refuse_keys_of_layers()?;
        let comparison = match self.frame_penalty()? {
            FramePenalty::Pair(frames) => self.pixel_comparison(frames, seed)?,
            FramePenalty::Single(comparison) => {
                self.refuse_keys_of_pairs_of_frames()?;
                comparison
            }
        };
        let pixels = match raw.pixels.unwrap_or_default() {
            RawPixels::Critical => PixelChoice::Critical,
            RawPixels::Random => PixelChoice::Random { seed },
        };
        Ok(PixelPenalty::new(self.homology_dim()?, comparison)
            .with_min_persistence(raw.min_persistence.unwrap_or_default())
            .with_filtration(raw.filtration.unwrap_or_default())
            .with_pixels(pixels))
    }

    /// Number that the penalty computes from frames.
    fn frame_penalty(&self) -> Result<FramePenalty, ConfigError> {
        let distance = |distance| Ok(FramePenalty::Pair(FrameComparison::Distance(distance)));
        let summary = |summary| Ok(FramePenalty::Single(PixelComparison::Summary(summary)));
        match self.raw.penalty {
            RawPenalty::Wasserstein {
                order,
                ground_norm,
                power,
            } => distance(DiagramDistance::Wasserstein {
                order,
                ground_norm,
                power,
            }),
            RawPenalty::SlicedWasserstein {
                order,
                n_directions,
                power,
            } => distance(DiagramDistance::SlicedWasserstein {
                order,
                n_directions,
                power,
            }),
            RawPenalty::Bottleneck { ground_norm } => {
                distance(DiagramDistance::Bottleneck { ground_norm })
            }
            RawPenalty::BettiMatching { order, ground_norm } => {
                Ok(FramePenalty::Pair(FrameComparison::BettiMatching {
                    order,
                    ground_norm,
                }))
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
            RawPenalty::BettiNumber { number } => {
                Ok(FramePenalty::Single(PixelComparison::BettiNumber(number)))
            }
            RawPenalty::SortedWasserstein { .. } => Err(self.error(
                "penalty",
                "the sorted Wasserstein distance needs equal births, which bars of frames do not have; expected another \
                 distance, such as `wasserstein`",
            )),
            RawPenalty::Signature
            | RawPenalty::RtdLite
            | RawPenalty::Rtd
            | RawPenalty::DistanceMatrix { .. }
            | RawPenalty::CosineConsistency
            | RawPenalty::EntropyBand { .. } => Err(self.error(
                "penalty",
                "this penalty compares tokens, and predicted frames have none; expected `wasserstein`, \
                 `sliced_wasserstein`, `bottleneck`, `betti_matching`, `total_persistence`, `persistent_entropy` or \
                 `betti_number`",
            )),
        }
    }

    /// Frames that the penalty compares.
    fn pixel_comparison(
        &self,
        frames: FrameComparison,
        seed: u64,
    ) -> Result<PixelComparison, ConfigError> {
        let pairs = self.raw.pairs;
        let partners = self.partners(seed);
        match self.raw.between.unwrap_or(RawBetween::Truth) {
            RawBetween::Truth => {
                self.refuse_pairs_of_frames()?;
                Ok(PixelComparison::Truth { frames, partners })
            }
            RawBetween::Frames => {
                self.refuse_unless(
                    self.raw.partners == RawPartners::Same,
                    "partners",
                    "the frames of one clip are compared with each other, so that there is no other clip to take the \
                     truth from; expected partners `same`",
                )?;
                Ok(PixelComparison::Frames { frames, pairs })
            }
            RawBetween::Change => Ok(PixelComparison::Change {
                frames,
                pairs,
                partners,
            }),
            RawBetween::Volume => {
                self.refuse_pairs_of_frames()?;
                match frames {
                    FrameComparison::Distance(distance) => {
                        Ok(PixelComparison::Volume { distance, partners })
                    }
                    FrameComparison::BettiMatching { .. } => Err(self.error(
                        "penalty",
                        "Betti matching compares frames and not volumes; expected a distance such as `wasserstein`, or \
                         between `truth`",
                    )),
                }
            }
            RawBetween::Layers | RawBetween::Views | RawBetween::Reference => Err(self.error(
                "between",
                "predicted frames have no layers, views or reference; expected one of `truth`, `frames`, `change` and \
                 `volume`",
            )),
        }
    }

    /// Refuses pairs of frames in a table that compares the prediction with the truth of the same time.
    fn refuse_pairs_of_frames(&self) -> Result<(), ConfigError> {
        self.refuse_unless(
            self.raw.pairs == Pairs::Consecutive,
            "pairs",
            "the prediction is compared with the truth of the same time, so there are no other pairs; leave pairs out",
        )
    }

    /// Refuses the keys about pairs in a table whose penalty is computed from each frame on its own.
    fn refuse_keys_of_pairs_of_frames(&self) -> Result<(), ConfigError> {
        const ALONE: &str = "the penalty is computed from each predicted frame on its own and compares nothing; leave";
        let is_default = matches!(self.raw.between, None | Some(RawBetween::Truth));
        self.refuse_unless(is_default, "between", &format!("{ALONE} between out"))?;
        let is_default = self.raw.pairs == Pairs::Consecutive;
        self.refuse_unless(is_default, "pairs", &format!("{ALONE} pairs out"))?;
        let is_default = self.raw.partners == RawPartners::Same;
        self.refuse_unless(is_default, "partners", &format!("{ALONE} partners out"))
    }

    /// Refuses the keys about layers, rows and distances in a table on predicted frames.
    fn refuse_keys_of_layers(&self) -> Result<(), ConfigError> {
        let raw = self.raw;
        let keys = [
            ("layers", raw.layers == RawLayers::default()),
            ("distance", raw.distance == RowMetric::default()),
            ("exponent", raw.exponent == 1.0),
            ("heads", raw.heads == Heads::default()),
            ("tokens", raw.tokens == Tokens::default()),
            ("alignment", raw.alignment == Alignment::default()),
            ("edges", raw.edges == RawEdges::Critical),
            ("direction", raw.direction == Direction::Symmetric),
            (
                "normalize",
                matches!(raw.normalize, None | Some(Normalize::None)),
            ),
        ];
        for (key, is_default) in keys {
            self.refuse_unless(
                is_default,
                key,
                &format!(
                    "the penalty is computed from the pixels of predicted frames and does not use {key}; leave {key} out"
                ),
            )?;
        }
        Ok(())
    }

    /// Refuses the keys about predicted frames in a table on layers.
    pub(super) fn refuse_keys_of_frames(&self) -> Result<(), ConfigError> {
        let raw = self.raw;
        let keys = [
            ("filtration", raw.filtration.is_none()),
            ("min_persistence", raw.min_persistence.is_none()),
            ("pixels", raw.pixels.is_none()),
        ];
        for (key, is_absent) in keys {
            self.refuse_unless(
                is_absent,
                key,
                &format!(
                    "{key} is a setting of penalties on predicted frames, expected source `prediction` for it; otherwise \
                     leave {key} out"
                ),
            )?;
        }
        Ok(())
    }
}
