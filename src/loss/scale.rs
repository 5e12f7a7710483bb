//! Scale of the distances of an item, and division by it.

use crate::nn::DiagramBatch;
use crate::topology::{Bar, Diagram, EdgeGradient};

/// Scale below which a normalised pair is gated (contributes 0), in the unit of the distances: 1e-4.
///
/// The gradient of a normalised penalty grows like 1 / scale. Near collapse, where attention rows are
/// equal up to rounding, it would be large and meaningless.
pub const SCALE_FLOOR: f64 = 1e-4;

/// Normalisation: number that the distances of each item are divided by before comparison.
///
/// ```text
/// None:          s = 1
/// SpanningTree:  s = 1/k * sum over finite bars of dimension 0 of death
///                k = number of points - number of components that never merge
/// ```
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// # use burn::prelude::*;
/// # use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Activations, Clock, DiagramPenalty, Normalize, TopologyRegularizer};
///
/// # let device = Device::flex();
/// # let scores = || Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
/// # let attention = vec![softmax(scores(), 3), softmax(scores(), 3)];
/// # let activations = Activations::from_attention(attention, 0);
/// let value = |normalize| {
///     let penalty = DiagramPenalty::new(0).with_normalize(normalize);
///     let regularizer = TopologyRegularizer::new(vec![penalty.into()])?;
///     let topology = regularizer.forward(&activations, Clock::default())?;
///     Ok::<f64, burn_topology::Error>(topology.terms[0].value)
/// };
/// // Distances between attention rows are small, but not relative to their scale.
/// assert!(value(Normalize::SpanningTree)? > value(Normalize::None)?);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Normalize {
    /// No division: a penalty also compares scales, and can fall by shrinking both sides.
    None,
    /// Mean finite death in dimension 0, which is the mean edge of the minimum spanning tree.
    ///
    /// The gradient flows through the scale too. The penalty does not change when all distances of one
    /// side are multiplied by a positive number.
    SpanningTree,
}

/// Mean finite death in dimension 0: the mean edge of the minimum spanning tree of `n_points` points.
///
/// `diagrams` holds the diagrams of the points by homology dimension. Deaths at 0, which diagrams leave
/// out, count in the denominator. The result is 0 if there is no finite death.
///
/// # Panics
///
/// If `diagrams` is empty.
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
/// assert_eq!(spanning_tree_scale(batch.diagrams(0), batch.n_points(0)), 1.5);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn spanning_tree_scale(diagrams: &[Diagram<f64>], n_points: usize) -> f64 {
    let components = &diagrams[0];
    // One bar of each component is essential. If no components merge, `max(1)` avoids 0 / 0.
    let n_deaths = n_points - components.essential().count();
    components.total_persistence() / n_deaths.max(1) as f64
}

/// Scale that one item is divided by.
pub(super) enum ItemScale<'a> {
    /// The penalty does not normalise.
    NotNormalized,
    /// The scale lies below [`SCALE_FLOOR`], so the pair is gated.
    BelowFloor,
    /// The scale is the mean finite death in dimension 0.
    SpanningTree(SpanningTreeScale<'a>),
}

impl<'a> ItemScale<'a> {
    /// Computes the scale of an item.
    pub(super) fn new(normalize: Normalize, batch: &'a DiagramBatch, item: usize) -> Self {
        if normalize == Normalize::None {
            return Self::NotNormalized;
        }
        let diagrams = batch.diagrams(item);
        let value = spanning_tree_scale(diagrams, batch.n_points(item));
        if value >= SCALE_FLOOR {
            Self::SpanningTree(SpanningTreeScale {
                value,
                n_deaths: batch.n_points(item) - diagrams[0].essential().count(),
                components: diagrams[0].finite().collect(),
            })
        } else {
            Self::BelowFloor
        }
    }
}

/// Mean finite death in dimension 0 of one item, and the bars that it is the mean of.
pub(super) struct SpanningTreeScale<'a> {
    value: f64,
    n_deaths: usize,
    components: Vec<&'a Bar<f64>>,
}

impl SpanningTreeScale<'_> {
    /// Mean finite death, in the unit of the distances; at least [`SCALE_FLOOR`].
    pub(super) fn value(&self) -> f64 {
        self.value
    }

    /// Converts derivatives with respect to the scaled distances to those with respect to the distances, in place.
    ///
    /// ```text
    /// dC/d(distance of e) = g_e / s - [e is a death edge] * along_scale / (s * k)
    /// along_scale         = sum over e of g_e * (distance of e) / s
    /// ```
    ///
    /// with `g_e` the derivatives with respect to scaled distances, `s` the scale and `k` the number of its deaths.
    pub(super) fn pull_back(&self, gradient: &mut EdgeGradient, along_scale: f64) {
        for (_, derivative) in gradient.iter_mut() {
            *derivative /= self.value;
        }
        // The scale is a mean, so each of its death edges gets the same derivative.
        let derivative = -along_scale / (self.value * self.n_deaths as f64);
        // Deaths at 0 have no bar and get nothing, since a distance of 0 has gradient 0 anyway.
        let death_edges = self.components.iter().filter_map(|bar| bar.death_edge);
        gradient.extend(death_edges.map(|edge| (edge, derivative)));
    }
}
