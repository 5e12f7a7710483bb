//! Penalty on the distance between two persistence diagrams.

use super::controls::EdgeChoice;
use super::item_comparison::{ItemComparison, ScaledGradient, ScaledItem, ScaledPenalty};
use super::item_pairs::ItemPairs;
use super::scale::Normalize;
use crate::error::{Error, Result};
use crate::topology::{DiagramDistance, GroundNorm, Power};

/// Distance between the persistence diagrams of two items.
///
/// ```text
/// C(a, b) = d(D_a / s_a, D_b / s_b)      by default d = W_2^2
/// ```
///
/// # Example
///
/// ```
/// use burn_topology::loss::{DiagramPenalty, ItemPairs, TopologyPenalty, TopologyRegularizer};
/// use burn_topology::topology::{DiagramDistance, GroundNorm};
///
/// // The bottleneck distance between the cycles of consecutive frames.
/// let bottleneck = DiagramDistance::Bottleneck { ground_norm: GroundNorm::Infinity };
/// let penalty = DiagramPenalty::new(1).with_distance(bottleneck).with_pairs(ItemPairs::frames());
/// let penalty = TopologyPenalty::from(penalty).with_weight(0.1);
/// assert!(TopologyRegularizer::new(vec![penalty]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct DiagramPenalty {
    /// Homology dimension of the diagrams: 0 for connected components, 1 for cycles, 2 for voids.
    ///
    /// At most [`MAX_HOMOLOGY_DIM`](crate::topology::MAX_HOMOLOGY_DIM). Dimensions above 1 are slow.
    pub homology_dim: usize,
    /// Distance between two diagrams.
    pub distance: DiagramDistance,
    /// Pairs of items that are compared.
    pub pairs: ItemPairs,
    /// Number that the distances of each item are divided by.
    pub normalize: Normalize,
    /// Edges whose lengths serve as births and deaths: the critical ones, or as a control random ones.
    pub edges: EdgeChoice,
}

impl DiagramPenalty {
    /// Returns the squared 2-Wasserstein distance between consecutive layers, with ground norm L-infinity.
    ///
    /// Diagrams are divided by their scale ([`Normalize::SpanningTree`]), and their edges are critical.
    pub fn new(homology_dim: usize) -> Self {
        Self {
            homology_dim,
            distance: DiagramDistance::Wasserstein {
                order: 2.0,
                ground_norm: GroundNorm::Infinity,
                power: Power::P,
            },
            pairs: ItemPairs::layers(),
            normalize: Normalize::SpanningTree,
            edges: EdgeChoice::Critical,
        }
    }

    /// Sets the distance between two diagrams.
    #[must_use]
    pub fn with_distance(self, distance: DiagramDistance) -> Self {
        Self { distance, ..self }
    }

    /// Sets the pairs of items that are compared.
    #[must_use]
    pub fn with_pairs(self, pairs: ItemPairs) -> Self {
        Self { pairs, ..self }
    }

    /// Sets the number that the distances of each item are divided by.
    #[must_use]
    pub fn with_normalize(self, normalize: Normalize) -> Self {
        Self { normalize, ..self }
    }

    /// Sets the edges whose lengths serve as births and deaths.
    #[must_use]
    pub fn with_edges(self, edges: EdgeChoice) -> Self {
        Self { edges, ..self }
    }

    /// Checks the parameters of the distance.
    pub(super) fn validate(&self) -> Result<()> {
        self.distance.validate()?;
        // Refused here, since the distance itself would only fail at the first diagram.
        let is_sorted = matches!(self.distance, DiagramDistance::SortedWasserstein { .. });
        if is_sorted && self.homology_dim != 0 {
            return Err(Error::invalid_parameter(format!(
                "the sorted Wasserstein distance needs equal births: homology_dim is {}, expected 0",
                self.homology_dim
            )));
        }
        Ok(())
    }
}

impl ItemComparison for DiagramPenalty {
    fn homology_dim(&self) -> usize {
        self.homology_dim
    }

    fn normalize(&self) -> Normalize {
        self.normalize
    }

    fn edges(&self) -> EdgeChoice {
        self.edges
    }

    fn compare(&self, [first, second]: [&ScaledItem<'_>; 2]) -> Result<ScaledPenalty> {
        let cost = self
            .distance
            .value_and_gradient(&first.points(), &second.points())?;
        let gradients: [ScaledGradient; 2] = [
            first.gradient_from_bars(&cost.first),
            second.gradient_from_bars(&cost.second),
        ];
        Ok(ScaledPenalty {
            value: cost.value,
            gradients,
        })
    }
}
