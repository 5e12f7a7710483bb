//! The diagrams of a batch, and how gradient reaches the input through them.
//!
//! It enters the graph through one of two doors that share the same derivative:
//! [`DiagramBatch::bars`], births and deaths as tensors, and [`DiagramBatch::surrogate`], a scalar
//! whose gradient in the distances is given. Both touch the critical edges alone.

use std::sync::OnceLock;
use std::time::Duration;

use burn::prelude::*;

use super::fused::{linearised, with_gradient};
use super::host_values::HostValues;
use crate::distance::RowDistance;
use crate::topology::{Bar, Diagram, Edge, EdgeGradient};

/// The diagrams of a batch, each number tied to the tensor it came from.
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
/// assert_eq!((batch.batch_size(), batch.n_points(), batch.mean_distance(0)), (1, 2, 3.0));
///
/// // A loss computed outside of Burn: the square of the first death, by way of its derivative.
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
    /// Births and deaths of all dimensions, made when the first bars are asked for: their gradient
    /// is as large as the input, once for all of them.
    pub(super) ends: OnceLock<Tensor<1>>,
}

/// Finite bars of a batch as tensors, flat and ragged.
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
    /// Births: `[n_bars]` over the whole batch; the constant 0 in dimension 0.
    pub births: Tensor<1>,
    /// Deaths: `[n_bars]` over the whole batch.
    pub deaths: Tensor<1>,
    /// Item `k` owns the bars `offsets[k]..offsets[k + 1]`; `batch_size + 1` entries.
    pub offsets: Vec<usize>,
}

/// What the input is, and what its gradient needs of it on the host.
#[derive(Debug)]
pub(super) enum InputKind {
    Rows(RowDistance, HostValues),
    Distances,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) diagrams: Vec<Diagram<f64>>,
    pub(super) mean_distance: f64,
    /// Row-major.
    pub(super) distances: HostValues,
    /// What a thread spent on distances and on bars.
    pub(super) times: [Duration; 2],
}

impl DiagramBatch {
    /// Number of items.
    pub fn batch_size(&self) -> usize {
        self.items.len()
    }

    /// Number of points of every item.
    pub fn n_points(&self) -> usize {
        self.input.dims()[1]
    }

    /// The diagrams of one item, by homology dimension.
    ///
    /// # Panics
    ///
    /// If there is no such item.
    pub fn diagrams(&self, item: usize) -> &[Diagram<f64>] {
        &self.items[item].diagrams
    }

    /// Mean distance of two different points of an item; 0 below two points, infinite if one
    /// distance is.
    ///
    /// # Panics
    ///
    /// If there is no such item.
    pub fn mean_distance(&self, item: usize) -> f64 {
        self.items[item].mean_distance
    }

    /// One distance of an item.
    pub(crate) fn distance(&self, item: usize, [i, j]: Edge) -> f64 {
        let place = i as usize * self.n_points() + j as usize;
        self.items[item].distances.get(place)
    }

    /// All distances of an item, exact, `[n_points, n_points]` row-major.
    ///
    /// # Panics
    ///
    /// If there is no such item.
    pub fn distance_matrix(&self, item: usize) -> Vec<f64> {
        self.items[item].distances.to_f64()
    }

    /// Time that the threads spent on distances and on bars, in sum.
    pub(crate) fn times(&self) -> [Duration; 2] {
        [0, 1].map(|part| self.items.iter().map(|item| item.times[part]).sum())
    }

    /// Finite bars of one homology dimension as tensors on the input's device.
    ///
    /// # Shapes
    ///
    /// Births and deaths are `[n_bars]`, all items one after the other; essential bars and bars of
    /// length zero are left out.
    ///
    /// # Gradient
    ///
    /// Recorded: each number reaches its critical edge, and through it two rows (rows) or
    /// two entries (distances) of the input. First order.
    ///
    /// # Cost
    ///
    /// O(n_bars) for distances, O(n_bars * n_columns) memory and time for rows, for the bars of all
    /// dimensions when the first are asked for.
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
        // All ends go by dimension, births before deaths; dimension 0 has no births.
        let before: usize = (0..homology_dim).map(|dim| self.n_ends(dim)).sum();
        let n_births = self.n_ends(homology_dim) - n_bars;
        let options = (&self.input.device(), self.input.dtype());
        let part = |start: usize, length: usize| match length {
            0 => Tensor::zeros([0], options),
            _ => self.ends().clone().narrow(0, start, length),
        };
        BarTensors {
            births: match homology_dim {
                0 => Tensor::zeros([n_bars], options),
                _ => part(before, n_births),
            },
            deaths: part(before + n_births, n_bars),
            offsets,
        }
    }

    fn n_ends(&self, homology_dim: usize) -> usize {
        let bars = self.finite_bars(homology_dim);
        let ends = bars.flat_map(|(_, bar)| [bar.birth_edge, bar.death_edge]);
        ends.flatten().count()
    }

    fn finite_bars(&self, homology_dim: usize) -> impl Iterator<Item = (usize, &Bar<f64>)> {
        let items = self.items.iter().enumerate();
        items.flat_map(move |(item, diagrams)| {
            let bars = diagrams.diagrams[homology_dim].finite();
            bars.map(move |bar| (item, bar))
        })
    }

    fn ends(&self) -> &Tensor<1> {
        self.ends.get_or_init(|| {
            let n_dims = self.items.first().map_or(0, |item| item.diagrams.len());
            let mut edges = Vec::new();
            for dim in 0..n_dims {
                let births = self
                    .finite_bars(dim)
                    .map(|(k, bar)| (k, bar.birth_edge, bar.birth));
                let deaths = self
                    .finite_bars(dim)
                    .map(|(k, bar)| (k, bar.death_edge, bar.death));
                let ends = births.chain(deaths);
                edges.extend(ends.filter_map(|(k, edge, value)| Some((k, edge?, value))));
            }
            self.critical_distances(&edges)
        })
    }

    /// Distances of edges, given as (item, edge, value), linearised at the input.
    fn critical_distances(&self, edges: &[(usize, Edge, f64)]) -> Tensor<1> {
        let options = (&self.input.device(), self.input.dtype());
        let n_edges = edges.len();
        let [batch_size, n_points, n_columns] = self.input.dims();
        let values = edges.iter().map(|&(_, _, value)| value).collect::<Vec<_>>();
        let values = Tensor::<1>::from_data(TensorData::new(values, [n_edges]), options);
        if n_edges == 0 {
            return values;
        }
        let end = |index: usize| {
            let rows = edges
                .iter()
                .map(|&(item, edge, _)| (item * n_points + edge[index] as usize) as i64)
                .collect::<Vec<_>>();
            Tensor::<1, Int>::from_data(TensorData::new(rows, [n_edges]), &self.input.device())
        };
        let InputKind::Rows(distance, host) = &self.kind else {
            return self.gathered(edges).mean_dim(0).squeeze_dim(0);
        };
        let rows = self
            .input
            .clone()
            .reshape([batch_size * n_points, n_columns]);
        let [first, second] = match host {
            HostValues::F32(values) => self.edge_jacobian(values, *distance, edges),
            HostValues::F64(values) => self.edge_jacobian(values, *distance, edges),
        };
        let constant = |data: TensorData| Tensor::<2>::from_data(data, options);
        let linear = rows.clone().select(0, end(0)) * constant(first)
            + rows.select(0, end(1)) * constant(second);
        let linear = linear.sum_dim(1).squeeze_dim::<1>(1);
        linear.clone() - linear.detach() + values
    }

    /// The two entries of each edge, above and below the diagonal: `[2, n_edges]`.
    fn gathered(&self, edges: &[(usize, Edge, f64)]) -> Tensor<2> {
        let [batch_size, n_points, n_columns] = self.input.dims();
        let place = |item: usize, i: u32, j: u32| {
            ((item * n_points + i as usize) * n_columns + j as usize) as i64
        };
        let above = edges.iter().map(|&(item, [i, j], _)| place(item, i, j));
        let below = edges.iter().map(|&(item, [i, j], _)| place(item, j, i));
        let places: Vec<i64> = above.chain(below).collect();
        let places = TensorData::new(places, [2 * edges.len()]);
        self.input
            .clone()
            .reshape([batch_size * n_points * n_columns])
            .select(0, Tensor::from_data(places, &self.input.device()))
            .reshape([2, edges.len()])
    }

    /// A scalar with the given value, whose derivatives in the distances are the given ones.
    ///
    /// The door for losses computed on the host: what they need of the graph is a product with
    /// constants, as large as the input for rows, one for each edge for distances.
    ///
    /// # Shapes
    ///
    /// - `gradient`: one list per item
    /// - output: `[1]`, on the input's device
    ///
    /// # Gradient
    ///
    /// Exact, first order; repeated edges add up.
    ///
    /// # Panics
    ///
    /// If `gradient` does not have one list per item, or an edge is not one of two points of the
    /// item, the smaller first.
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
        let InputKind::Rows(distance, host) = &self.kind else {
            return linearised(self.weighted_entries(gradient), value);
        };
        let data = match host {
            HostValues::F32(values) => self.input_gradient(values, *distance, gradient),
            HostValues::F64(values) => self.input_gradient(values, *distance, gradient),
        };
        with_gradient(&self.input, value, data)
    }

    /// Sum over all edges of derivative times distance.
    fn weighted_entries(&self, gradient: &[EdgeGradient]) -> Tensor<1> {
        let options = (&self.input.device(), self.input.dtype());
        let items = gradient.iter().enumerate();
        let edges: Vec<_> = items
            .flat_map(|(item, edges)| edges.iter().map(move |&(edge, g)| (item, edge, 0.5 * g)))
            .filter(|(_, _, half)| *half != 0.0)
            .collect();
        if edges.is_empty() {
            let [_, n_points, n_columns] = self.input.dims();
            let nothing = self.input.clone().slice([0..0, 0..n_points, 0..n_columns]);
            return nothing.sum();
        }
        let halves: Vec<f64> = edges.iter().map(|&(_, _, half)| half).collect();
        let halves = TensorData::new(halves, [1, edges.len()]);
        (self.gathered(&edges) * Tensor::from_data(halves, options)).sum()
    }
}
