//! Diagrams of a batch, and the gradient of the input through their births and deaths.
//!
//! There are two ways into the graph, with the same derivative: [`DiagramBatch::bars`] returns births and
//! deaths as tensors; [`DiagramBatch::surrogate`] returns a number whose gradient with respect to
//! the distances is given. Both touch the critical edges only.

use std::sync::OnceLock;

use burn::prelude::*;

#[cfg(feature = "gpu")]
use super::edge_gradients::sum_by_edge;
use super::edge_gradients::{edge_jacobian, input_gradient};
use super::host_values::HostValues;
use super::item::{BarEnd, Item, KnownLengths, PersistenceTiming};
use super::present_points::rows_of_points;
use super::row_values::RowValues;
use crate::distance::{DistanceElement, PairwiseDistances, RowDistance, RowMetric};
use crate::fused::{linearised, with_gradient};
use crate::topology::{Bar, Diagram, DistanceMatrix, Edge, EdgeGradient};

/// Persistence diagrams of a batch, whose births and deaths are differentiable in the input.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::Persistence;
///
/// let device = Device::flex().autodiff();
/// let distances = Tensor::<3>::from_data([[[0.0, 3.0], [3.0, 0.0]]], &device).require_grad();
/// let batch = Persistence::new(1)?.distances(distances.clone())?;
/// assert_eq!((batch.batch_size(), batch.n_points(0), batch.mean_distance(0)), (1, 2, 3.0));
///
/// // A loss that is computed outside of Burn: the square of the first death, given with its derivative.
/// let [merged, _] = batch.diagrams(0)[0].bars[..] else { panic!("two components") };
/// let edge = merged.death_edge.expect("a finite bar");
/// let loss = batch.surrogate(merged.death.powi(2), &[vec![(edge, 2.0 * merged.death)]]);
/// let gradient = distances.grad(&loss.backward()).unwrap();
/// assert_eq!(gradient.into_data().try_into_vec::<f32>().unwrap(), [0.0, 3.0, 3.0, 0.0]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug)]
pub struct DiagramBatch {
    pub(super) input: Tensor<3>,
    pub(super) kind: InputKind,
    pub(super) items: Vec<Item>,
    /// Births and deaths of all dimensions, computed at the first call of `bars`.
    ///
    /// Their gradient is as large as the input, so one tensor for all dimensions needs it only once.
    pub(super) ends: OnceLock<Tensor<1>>,
}

/// Finite bars of a batch as flat tensors; offsets mark where each item's bars begin.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::Persistence;
///
/// let pairs = [[[0.0, 3.0], [3.0, 0.0]], [[0.0, 5.0], [5.0, 0.0]]];
/// let pairs = Tensor::<3>::from_data(pairs, &Device::flex());
/// let bars = Persistence::new(0)?.distances(pairs)?.bars(0);
/// assert_eq!(bars.offsets, [0, 1, 2]);
/// let second = bars.deaths.slice([bars.offsets[1]..bars.offsets[2]]);
/// assert_eq!(second.into_scalar::<f32>(), 5.0);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BarTensors {
    /// Births over the whole batch: `[n_bars]`; the constant 0 in dimension 0 of distances.
    pub births: Tensor<1>,
    /// Deaths over the whole batch: `[n_bars]`.
    pub deaths: Tensor<1>,
    /// Offsets of the items, `batch_size + 1` entries: item `k` has the bars `offsets[k]..offsets[k + 1]`.
    pub offsets: Vec<usize>,
}

/// Kind of input, with what its gradient needs on the host.
#[derive(Debug)]
#[cfg_attr(
    feature = "gpu",
    allow(
        clippy::large_enum_variant,
        reason = "there is one for each layer of a step"
    )
)]
pub(super) enum InputKind {
    /// Rows.
    Rows {
        distance: RowDistance,
        /// Values of the rows, `[batch_size, n_points, n_columns]`.
        values: RowValues,
        /// Distances between all points of each item, row-major; empty until they are needed if the diagrams did not
        /// need all of them.
        distances: Vec<OnceLock<HostValues>>,
    },
    /// Distance matrices, one per item.
    Distances(Vec<HostValues>),
}

impl DiagramBatch {
    /// Number of items.
    pub fn batch_size(&self) -> usize {
        self.items.len()
    }

    /// Number of points of an item, without padding.
    ///
    /// # Panics
    ///
    /// If there is no such item.
    pub fn n_points(&self, item: usize) -> usize {
        self.items[item].n_points(self.input.dims()[1])
    }

    /// Diagrams of one item, by homology dimension.
    ///
    /// Where some points of the item are padding, edges number the other points, in their order and from 0.
    ///
    /// # Panics
    ///
    /// If there is no such item.
    pub fn diagrams(&self, item: usize) -> &[Diagram<f64>] {
        &self.items[item].diagrams
    }

    /// Mean distance between two different points of an item.
    ///
    /// It is 0 with fewer than two points, and infinite if one distance is.
    ///
    /// # Panics
    ///
    /// If there is no such item.
    ///
    /// # Cost
    ///
    /// O(n_points^2), and that of [`distance_matrix`](Self::distance_matrix) if it is not known yet.
    pub fn mean_distance(&self, item: usize) -> f64 {
        let n_points = self.n_points(item);
        match self.distances(item) {
            HostValues::F32(values) => DistanceMatrix::from_symmetric(values, n_points).mean(),
            HostValues::F64(values) => DistanceMatrix::from_symmetric(values, n_points).mean(),
        }
    }

    /// Length of an edge of an item.
    pub(crate) fn distance(&self, item: usize, edge: Edge) -> f64 {
        let [_, n_input_points, n_columns] = self.input.dims();
        let n_points = self.n_points(item);
        match &self.kind {
            InputKind::Distances(distances) => {
                distances[item].get(edge[0] as usize * n_points + edge[1] as usize)
            }
            InputKind::Rows {
                distance,
                values,
                distances,
            } => {
                let lengths = KnownLengths::new(&self.items[item], &distances[item], n_points);
                let row = |point: u32| {
                    let start = (item * n_input_points + point as usize) * n_columns;
                    start..start + n_columns
                };
                let rows = self.items[item].in_input(edge).map(row);
                lengths
                    .get(edge)
                    .unwrap_or_else(|| match values.on_host(&self.input) {
                        HostValues::F32(values) => {
                            f64::from(distance.between(rows.map(|row| &values[row])))
                        }
                        HostValues::F64(values) => distance.between(rows.map(|row| &values[row])),
                    })
            }
        }
    }

    /// All distances of an item, converted to 64 bits without rounding: `[n_points, n_points]`, row-major.
    ///
    /// Padding has no rows and columns.
    ///
    /// # Cost
    ///
    /// O(n_points^2). Diagrams of rows up to dimension 1 may take only some of the distances; then the first call
    /// for an item computes them, at O(n_points^2 * n_columns).
    ///
    /// # Panics
    ///
    /// If there is no such item.
    pub fn distance_matrix(&self, item: usize) -> Vec<f64> {
        self.distances(item).to_f64()
    }

    /// All distances of an item, computed now if they are not known.
    fn distances(&self, item: usize) -> &HostValues {
        match &self.kind {
            InputKind::Distances(distances) => &distances[item],
            InputKind::Rows {
                distance,
                values,
                distances,
            } => distances[item].get_or_init(|| match values.on_host(&self.input) {
                HostValues::F32(values) => self.all_distances(item, values, *distance).into(),
                HostValues::F64(values) => self.all_distances(item, values, *distance).into(),
            }),
        }
    }

    /// Computes the distances between all points of an item from the rows of the batch, row-major.
    fn all_distances<T: DistanceElement>(
        &self,
        item: usize,
        values: &[T],
        distance: RowDistance,
    ) -> Vec<T> {
        let [_, n_points, n_columns] = self.input.dims();
        let size = n_points * n_columns;
        let rows = &values[item * size..][..size];
        match &self.items[item].points {
            None => all_distances(distance, rows, n_columns),
            Some(points) => {
                let is_square = distance.metric == RowMetric::Attention;
                let n_columns = if is_square { points.len() } else { n_columns };
                let rows = rows_of_points(rows, self.input.dims()[2], points, is_square);
                all_distances(distance, &rows, n_columns)
            }
        }
    }

    /// Number of items that a device could not compute, and the host did.
    pub(crate) fn n_items_left(&self) -> usize {
        match &self.kind {
            InputKind::Rows { values, .. } => values.n_items_left(),
            InputKind::Distances(_) => 0,
        }
    }

    /// Time that the threads spent on all items.
    pub(crate) fn timing(&self) -> PersistenceTiming {
        self.items
            .iter()
            .fold(PersistenceTiming::default(), |sum, item| sum + item.timing)
    }

    /// Returns the finite bars of one homology dimension as tensors on the input's device.
    ///
    /// # Shapes
    ///
    /// Births and deaths are `[n_bars]`, one item after the other; essential bars and bars of length 0 are
    /// left out.
    ///
    /// # Gradient
    ///
    /// First order. The gradient of a birth or death reaches its critical edge, and through it two rows (if the
    /// input is rows) or two entries (if it is distances).
    ///
    /// # Cost
    ///
    /// O(n_bars) for distances, O(n_bars * n_columns) memory and time for rows; the first call does this for
    /// all dimensions.
    ///
    /// # Panics
    ///
    /// If the dimension was not computed.
    pub fn bars(&self, homology_dim: usize) -> BarTensors {
        let mut offsets = vec![0];
        for item in &self.items {
            let n_bars = item.diagrams[homology_dim].finite().count();
            offsets.push(offsets[offsets.len() - 1] + n_bars);
        }
        let n_bars = offsets[offsets.len() - 1];
        // `ends` is ordered by dimension, births before deaths; births in dimension 0 have no edge and are
        // not in it.
        let n_lower_ends: usize = (0..homology_dim).map(|dim| self.n_ends(dim)).sum();
        let n_births = self.n_ends(homology_dim) - n_bars;
        let options = (&self.input.device(), self.input.dtype());
        // An empty part does not touch `ends`, so that no graph is recorded for it.
        let part = |start: usize, length: usize| match length {
            0 => Tensor::zeros([0], options),
            _ => self.ends().clone().narrow(0, start, length),
        };
        BarTensors {
            births: match homology_dim {
                0 => Tensor::zeros([n_bars], options),
                _ => part(n_lower_ends, n_births),
            },
            deaths: part(n_lower_ends + n_births, n_bars),
            offsets,
        }
    }

    /// Number of births and deaths of a dimension that are lengths of edges.
    fn n_ends(&self, homology_dim: usize) -> usize {
        self.finite_bars(homology_dim)
            .flat_map(|(_, bar)| [bar.birth_edge, bar.death_edge])
            .flatten()
            .count()
    }

    /// Finite bars of a dimension with the index of their item, one item after the other.
    fn finite_bars(&self, homology_dim: usize) -> impl Iterator<Item = (usize, &Bar<f64>)> {
        self.items
            .iter()
            .enumerate()
            .flat_map(move |(index, item)| {
                item.diagrams[homology_dim]
                    .finite()
                    .map(move |bar| (index, bar))
            })
    }

    /// Returns the births and deaths of all dimensions as one tensor with its graph: `[n_ends]`.
    fn ends(&self) -> &Tensor<1> {
        self.ends.get_or_init(|| {
            // All items have the same dimensions.
            let n_dims = self.items.first().map_or(0, |item| item.diagrams.len());
            let mut ends = Vec::new();
            for dim in 0..n_dims {
                let births = self
                    .finite_bars(dim)
                    .map(|(item, bar)| (item, bar.birth_edge, bar.birth));
                let deaths = self
                    .finite_bars(dim)
                    .map(|(item, bar)| (item, bar.death_edge, bar.death));
                ends.extend(births.chain(deaths).filter_map(|(item, edge, length)| {
                    Some(BarEnd {
                        item,
                        edge: self.items[item].in_input(edge?),
                        length,
                    })
                }));
            }
            self.critical_distances(&ends)
        })
    }

    /// Returns the lengths of edges as a tensor whose graph is linear in the input: `[n_edges]`.
    fn critical_distances(&self, ends: &[BarEnd]) -> Tensor<1> {
        let options = (&self.input.device(), self.input.dtype());
        let n_edges = ends.len();
        let [batch_size, n_points, n_columns] = self.input.dims();
        let lengths = ends.iter().map(|end| end.length).collect::<Vec<_>>();
        let lengths = Tensor::<1>::from_data(TensorData::new(lengths, [n_edges]), options);
        if n_edges == 0 {
            return lengths;
        }
        let InputKind::Rows {
            distance, values, ..
        } = &self.kind
        else {
            let edges = ends.iter().map(|end| (end.item, end.edge));
            // A length is the mean of both entries, so that each of them gets half of the gradient.
            return self.edge_entries(edges).mean_dim(0).squeeze_dim(0);
        };
        let vertices = |side: usize| {
            let rows = ends
                .iter()
                .map(|end| (end.item * n_points + end.edge[side] as usize) as i64)
                .collect::<Vec<_>>();
            Tensor::<1, Int>::from_data(TensorData::new(rows, [n_edges]), &self.input.device())
        };
        let rows = self
            .input
            .clone()
            .reshape([batch_size * n_points, n_columns]);
        let [first, second] = match values.on_host(&self.input) {
            HostValues::F32(values) => edge_jacobian(self.input.dims(), values, *distance, ends),
            HostValues::F64(values) => edge_jacobian(self.input.dims(), values, *distance, ends),
        };
        let constant = |data: TensorData| Tensor::<2>::from_data(data, options);
        let linear = rows.clone().select(0, vertices(0)) * constant(first)
            + rows.select(0, vertices(1)) * constant(second);
        let linear = linear.sum_dim(1).squeeze_dim::<1>(1);
        // The linear part contributes its gradient only: its value cancels exactly, and the lengths that
        // were computed on the host take its place.
        linear.clone() - linear.detach() + lengths
    }

    /// Returns the two entries of each edge, above and below the diagonal: `[2, n_edges]`.
    fn edge_entries(
        &self,
        edges: impl ExactSizeIterator<Item = (usize, Edge)> + Clone,
    ) -> Tensor<2> {
        let [batch_size, n_points, n_columns] = self.input.dims();
        let n_edges = edges.len();
        let index = |item: usize, i: u32, j: u32| {
            ((item * n_points + i as usize) * n_columns + j as usize) as i64
        };
        let above = edges.clone().map(|(item, [i, j])| index(item, i, j));
        let below = edges.map(|(item, [i, j])| index(item, j, i));
        let indices: Vec<i64> = above.chain(below).collect();
        let indices = TensorData::new(indices, [2 * n_edges]);
        self.input
            .clone()
            .reshape([batch_size * n_points * n_columns])
            .select(0, Tensor::from_data(indices, &self.input.device()))
            .reshape([2, n_edges])
    }

    /// Returns a number with the given value and the given derivatives with respect to the distances: `[1]`.
    ///
    /// It is meant for losses that are computed on the host. The graph only holds a product with constants,
    /// as large as the input for rows and with one factor per edge for distances.
    ///
    /// # Shapes
    ///
    /// - `gradient`: one list per item, with points numbered as in its diagrams
    /// - output: `[1]`, on the input's device
    ///
    /// # Gradient
    ///
    /// Exact, first order; the derivatives of repeated edges are added.
    ///
    /// # Panics
    ///
    /// If `gradient` does not have one list per item, or an edge does not join two points of the item in
    /// ascending order.
    ///
    /// # Cost
    ///
    /// O(n_edges) for distances; O(n_edges * n_columns) and one pass over the input for rows.
    pub fn surrogate(&self, value: f64, gradient: &[EdgeGradient]) -> Tensor<1> {
        assert_eq!(
            gradient.len(),
            self.items.len(),
            "one gradient list per item"
        );
        let InputKind::Rows {
            distance,
            values,
            distances,
        } = &self.kind
        else {
            return linearised(self.weighted_entries(gradient), value);
        };
        let (dims, items) = (self.input.dims(), &self.items);
        #[cfg(feature = "gpu")]
        if let RowValues::Device(values) = values {
            let edges = gradient.iter().map(sum_by_edge).collect();
            let [_, n_points, n_columns] = dims;
            let lengths: Vec<KnownLengths<'_>> = (items.iter().zip(distances))
                .map(|(item, distances)| KnownLengths::new(item, distances, n_points))
                .collect();
            let length = |item: usize, edge: Edge| lengths[item].get(edge);
            if let Some(zero) = values.surrogate([n_points, n_columns], edges, length) {
                // Adding 0 would be another operation on the device.
                return if value == 0.0 { zero } else { zero + value };
            }
        }
        let data = match values.on_host(&self.input) {
            HostValues::F32(values) => {
                input_gradient(dims, items, distances, values, *distance, gradient)
            }
            HostValues::F64(values) => {
                input_gradient(dims, items, distances, values, *distance, gradient)
            }
        };
        with_gradient(&self.input, value, data)
    }

    /// Returns the sum over all edges of derivative times distance, with its graph: `[1]`.
    fn weighted_entries(&self, gradient: &[EdgeGradient]) -> Tensor<1> {
        let options = (&self.input.device(), self.input.dtype());
        // Half of each derivative goes to either of the two entries of an edge.
        let (edges, halves): (Vec<(usize, Edge)>, Vec<f64>) = gradient
            .iter()
            .enumerate()
            .flat_map(|(item, edges)| {
                edges.iter().map(move |&(edge, derivative)| {
                    ((item, self.items[item].in_input(edge)), 0.5 * derivative)
                })
            })
            .filter(|(_, half)| *half != 0.0)
            .unzip();
        if edges.is_empty() {
            // Something of the graph, so that `backward` can be called, without a derivative: a sign has none. An empty
            // slice would not do, since it is not part of the graph.
            return self.input.clone().sign().sum();
        }
        let halves = TensorData::new(halves, [1, edges.len()]);
        (self.edge_entries(edges.iter().copied()) * Tensor::from_data(halves, options)).sum()
    }
}

/// Computes the distances between all rows, `[n_points, n_points]`, row-major.
fn all_distances<T: DistanceElement>(
    distance: RowDistance,
    rows: &[T],
    n_columns: usize,
) -> Vec<T> {
    let n_points = rows.len().checked_div(n_columns).unwrap_or(0);
    let mut distances = vec![T::zero(); n_points * n_points];
    PairwiseDistances::default().compute(distance, rows, n_columns, &mut distances);
    distances
}
