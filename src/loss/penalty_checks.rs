//! Whether the parts of a penalty go together.

use super::controls::{Edges, Partners};
use super::pairs::{Alignment, Between};
use super::penalty::{Comparison, Direction, TopologyPenalty};
use super::reading::Source;
use super::scale::Normalize;
use crate::error::{Error, Result};
use crate::topology::{DiagramDistance, MAX_HOMOLOGY_DIM};

impl TopologyPenalty {
    /// Checks what does not depend on the model.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.homology_dim > MAX_HOMOLOGY_DIM {
            return Err(Error::invalid_parameter(format!(
                "homology_dim is {}, expected at most {MAX_HOMOLOGY_DIM}",
                self.homology_dim
            )));
        }
        self.reading().validate()?;
        self.pairs.validate()?;
        let is_by_token = matches!(
            self.comparison,
            Comparison::Signature
                | Comparison::RtdLite
                | Comparison::Rtd
                | Comparison::DistanceMatrix { .. }
        );
        if self.alignment == Alignment::Flow && !(is_by_token && self.between == Between::Frames) {
            return Err(Error::invalid_parameter(
                "alignment by flow is for frames compared token by token, by Signature, RtdLite, Rtd or \
                 DistanceMatrix; diagrams do not know their tokens",
            ));
        }
        match self.comparison {
            Comparison::Diagrams(distance) => {
                distance.validate()?;
                let is_sorted = matches!(distance, DiagramDistance::SortedWasserstein { .. });
                if is_sorted && self.homology_dim != 0 {
                    return Err(Error::invalid_parameter(format!(
                        "sorted matching is that of dimension 0, where all births are equal, found \
                         homology_dim {}",
                        self.homology_dim
                    )));
                }
            }
            Comparison::Summary(summary) => {
                summary.validate()?;
                if self.direction != Direction::Symmetric {
                    return Err(Error::invalid_parameter(
                        "a number of each layer by itself has no direction, expected Symmetric",
                    ));
                }
                if self.between != Between::Layers {
                    return Err(Error::invalid_parameter(
                        "a number of each layer by itself compares no frames or views, expected Layers",
                    ));
                }
            }
            Comparison::Signature => {}
            Comparison::RtdLite => self.require_dim("RTD-Lite", 0)?,
            Comparison::Rtd => self.require_dim("RTD", 1)?,
            Comparison::DistanceMatrix { order } => {
                if !(order >= 1.0 && order.is_finite()) {
                    return Err(Error::invalid_parameter(format!(
                        "order of the difference of matrices is {order}, expected at least 1"
                    )));
                }
            }
            Comparison::CosineConsistency => {}
            Comparison::EntropyBand { low, high } => self.check_band(low, high)?,
        }
        self.check_controls()?;
        self.weight.validate()?;
        self.schedule.validate()
    }

    fn check_band(&self, low: f64, high: f64) -> Result<()> {
        let refuse = |message: String| Err(Error::invalid_parameter(message));
        if !(0.0 <= low && low <= high && high <= 1.0) {
            return refuse(format!(
                "the band of entropies is {low} to {high}, expected two numbers from 0 to 1, the lower first"
            ));
        }
        if self.source == Source::Hidden {
            return refuse("hidden states have no entropy, expected attention".to_owned());
        }
        if self.between != Between::Layers || self.direction != Direction::Symmetric {
            return refuse(
                "an entropy of each layer by itself compares nothing, expected Layers and Symmetric"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether the controls mean anything for what is compared.
    fn check_controls(&self) -> Result<()> {
        let refuse = |message| Err(Error::invalid_parameter(message));
        let has_bars = matches!(
            self.comparison,
            Comparison::Diagrams(_) | Comparison::Summary(_) | Comparison::Signature
        );
        if self.edges != Edges::Critical && !has_bars {
            return refuse("random edges stand for those of bars, which this penalty has none of");
        }
        if self.partners != Partners::Same {
            if self.is_alone() {
                return refuse("a penalty of each layer by itself has no partners to shuffle");
            }
            if self.alignment == Alignment::Flow {
                return refuse(
                    "nothing flows from a clip to another, expected alignment by position",
                );
            }
        }
        if self.is_direct() && self.normalize != Normalize::None {
            return refuse(
                "a penalty of rows themselves has no scale to divide by, expected Normalize::None",
            );
        }
        Ok(())
    }

    fn require_dim(&self, name: &str, homology_dim: usize) -> Result<()> {
        if self.homology_dim == homology_dim {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "{name} compares dimension {homology_dim}, found homology_dim {}",
            self.homology_dim
        )))
    }
}
