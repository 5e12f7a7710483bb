//! The scale of a layer's distances, and taking it out.

use crate::nn::DiagramBatch;
use crate::topology::{Bar, Diagram, EdgeGradient};

/// Scale below which a normalised pair contributes nothing, in the unit of the distances.
///
/// The gradient of a normalised penalty grows like one over the scale, so near collapse, where
/// attention rows are equal up to rounding, it is gated rather than trusted.
pub const SCALE_FLOOR: f64 = 1e-4;

/// What each diagram is divided by before comparison.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// # use burn::prelude::*;
/// # use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, Normalize, TopologyRegularizer};
///
/// # let device = Device::flex();
/// # let scores = || Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
/// # let attention = vec![softmax(scores(), 3), softmax(scores(), 3)];
/// # let activations = Activations::of_attention(attention, 0);
/// let value = |normalize| {
///     let penalty = TopologyPenalty { normalize, ..TopologyPenalty::new(0) };
///     let regularizer = TopologyRegularizer::new(vec![penalty])?;
///     let topology = regularizer.forward(&activations, Clock::default())?;
///     Ok::<f64, burn_topology::Error>(topology.terms[0].value)
/// };
/// // Distances between rows of attention are small; relative to their scale they are not.
/// assert!(value(Normalize::SpanningTree)? > value(Normalize::None)?);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalize {
    /// Nothing: scales are compared too, and a penalty can fall by shrinking both sides.
    None,
    /// The mean finite death in dimension 0 (the mean edge of the minimum spanning tree) of the
    /// diagram's own matrix, with the gradient through it: the penalty does not change when all
    /// distances of one side are multiplied by a number.
    SpanningTree,
}

/// The mean finite death in dimension 0: the mean edge of the minimum spanning tree of `n_points`
/// points.
///
/// `diagrams` are those of the points, by homology dimension. Deaths at zero, which diagrams leave
/// out, are counted; 0 without any finite death.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::spanning_tree_scale;
/// use burn_topology::nn::Persistence;
///
/// // Three points on a line, at 0, 1 and 3: the tree has edges of length 1 and 2.
/// let line = [[[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]]];
/// let batch = Persistence::new(0)?.distances(Tensor::from_data(line, &Device::flex()))?;
/// assert_eq!(spanning_tree_scale(batch.diagrams(0), batch.n_points()), 1.5);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn spanning_tree_scale(diagrams: &[Diagram<f64>], n_points: usize) -> f64 {
    let components = &diagrams[0];
    let n_deaths = n_points - components.essential().count();
    components.total_persistence() / n_deaths.max(1) as f64
}

/// The mean finite death in dimension 0 of one item.
pub(super) struct Scale<'a> {
    value: f64,
    n_deaths: usize,
    components: Vec<&'a Bar<f64>>,
}

impl<'a> Scale<'a> {
    /// The scale to divide by: `Some(None)` if none, `None` if it lies below the floor.
    pub(super) fn new(
        normalize: Normalize,
        batch: &'a DiagramBatch,
        item: usize,
    ) -> Option<Option<Self>> {
        if normalize == Normalize::None {
            return Some(None);
        }
        let diagrams = batch.diagrams(item);
        let value = spanning_tree_scale(diagrams, batch.n_points());
        (value >= SCALE_FLOOR).then(|| {
            Some(Self {
                value,
                n_deaths: batch.n_points() - diagrams[0].essential().count(),
                components: diagrams[0].finite().collect(),
            })
        })
    }

    pub(super) fn value(&self) -> f64 {
        self.value
    }

    /// From derivatives in scaled distances to derivatives in the distances: `gradient` is divided
    /// in place, and gets what flows through the scale. `along` is the sum of scaled distance times
    /// derivative.
    pub(super) fn pull_back(&self, gradient: &mut EdgeGradient, along: f64) {
        for (_, derivative) in gradient.iter_mut() {
            *derivative /= self.value;
        }
        let share = -along / (self.value * self.n_deaths as f64);
        let deaths = self.components.iter().filter_map(|bar| bar.death_edge);
        gradient.extend(deaths.map(|edge| (edge, share)));
    }
}
