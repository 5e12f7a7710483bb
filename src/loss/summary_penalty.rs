//! Penalty on a summary of the persistence diagram of one item.

use super::controls::EdgeChoice;
use super::item_comparison::{ItemComparison, ScaledGradient, ScaledItem, ScaledPenalty};
use super::scale::Normalize;
use crate::error::Result;
use crate::topology::DiagramSummary;

/// Summary of the persistence diagram of each layer on its own: total persistence or persistent entropy.
///
/// ```text
/// C(a) = sum of (death - birth)^order over the finite bars within a window,
///        or the entropy of the shares that the finite bars have in their total persistence
/// ```
///
/// Births, deaths and the window are those after division by the scale. With it, the total persistence of
/// order 1 of all bars in dimension 0 is constant and has no gradient: use [`Normalize::None`] for it.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{Normalize, SummaryPenalty, TopologyPenalty, TopologyRegularizer};
/// use burn_topology::topology::DiagramSummary;
///
/// // Against collapse: a negative weight rewards long bars. Without normalisation, because dividing by the
/// // mean death would make the sum of deaths constant.
/// let total = DiagramSummary::TotalPersistence { order: 1.0, window: [0.0, f64::INFINITY] };
/// let penalty = SummaryPenalty::new(0, total).with_normalize(Normalize::None);
/// let reward = TopologyPenalty::from(penalty).with_weight(-0.1);
/// assert!(TopologyRegularizer::new(vec![reward]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SummaryPenalty {
    /// Homology dimension of the diagrams: 0 for connected components, 1 for cycles, 2 for voids.
    ///
    /// At most [`MAX_HOMOLOGY_DIM`](crate::topology::MAX_HOMOLOGY_DIM). Dimensions above 1 are slow.
    pub homology_dim: usize,
    /// Summary of a diagram.
    pub summary: DiagramSummary,
    /// Number that the distances of each item are divided by.
    pub normalize: Normalize,
    /// Edges whose lengths serve as births and deaths: the critical ones, or as a control random ones.
    pub edges: EdgeChoice,
}

impl SummaryPenalty {
    /// Returns a summary of diagrams that are divided by their scale ([`Normalize::SpanningTree`]).
    pub fn new(homology_dim: usize, summary: DiagramSummary) -> Self {
        Self {
            homology_dim,
            summary,
            normalize: Normalize::SpanningTree,
            edges: EdgeChoice::Critical,
        }
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
}

impl ItemComparison for SummaryPenalty {
    fn homology_dim(&self) -> usize {
        self.homology_dim
    }

    fn normalize(&self) -> Normalize {
        self.normalize
    }

    fn edges(&self) -> EdgeChoice {
        self.edges
    }

    fn compare(&self, [item, _]: [&ScaledItem<'_>; 2]) -> Result<ScaledPenalty> {
        // Each item is paired with itself; the second side is ignored.
        let summary = self.summary.value_and_gradient(&item.points())?;
        Ok(ScaledPenalty {
            value: summary.value,
            gradients: [
                item.gradient_from_bars(&summary.gradient),
                ScaledGradient::default(),
            ],
        })
    }
}
