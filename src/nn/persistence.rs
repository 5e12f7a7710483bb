//! The differentiable persistence layer.
//!
//! Distances and diagrams are computed on the host from detached values, in parallel over the
//! batch; no graph of the pairwise distances is ever recorded.

use burn::prelude::*;
use rayon::prelude::*;

use super::diagram_batch::{DiagramBatch, HostValues, InputKind, Item};
use crate::distance::{JensenShannon, JensenShannonKernel};
use crate::error::{Error, Result};
use crate::topology::{Diagram, DistanceMatrix, MAX_POINTS, VietorisRips};

/// The Vietoris-Rips persistence layer: batches of distributions or distances in, diagrams out.
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
/// let diagrams = Persistence::new(1)?.distances(distances.clone())?;
/// let bars = diagrams.bars(0);
/// let total = (bars.deaths - bars.births).sum();
/// assert_eq!(total.clone().into_scalar::<f32>(), 3.0);
/// // The one death is the average of the two entries of its edge.
/// let gradient = distances.grad(&total.backward()).unwrap();
/// assert_eq!(gradient.into_data().try_into_vec::<f32>().unwrap(), [0.0, 0.5, 0.5, 0.0]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    max_homology_dim: usize,
}

impl Persistence {
    /// A layer for the homology dimensions `0..=max_homology_dim`.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the engine does not reach the dimension.
    pub fn new(max_homology_dim: usize) -> Result<Self> {
        VietorisRips::<f32>::new(max_homology_dim)?;
        Ok(Self { max_homology_dim })
    }

    /// Diagrams of the Jensen-Shannon distances between the rows of each item.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[batch_size, n_points, n_outcomes]`, every row a distribution; sums are neither
    ///   checked nor made one, see [`AttentionRows`](super::AttentionRows)
    ///
    /// # Units
    ///
    /// Births and deaths are Jensen-Shannon distances (square root of the divergence, natural
    /// logarithm): 0 to 0.8326, dimensionless.
    ///
    /// # Gradient
    ///
    /// Exact within a pairing, first order, to both rows of each critical edge. Zero where a
    /// distance is zero.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distribution`] if an entry is negative or not finite, there are no
    /// outcomes, or there are more than [`MAX_POINTS`] points.
    ///
    /// # Cost
    ///
    /// One copy of `rows` to the host; O(n_points^2 * n_outcomes) for the distances of an item,
    /// items in parallel, in the precision of `rows` (half precision runs in 32 bits).
    pub fn distributions(&self, rows: Tensor<3>) -> Result<DiagramBatch> {
        self.compute(rows, InputKind::Distributions)
    }

    /// Diagrams of given distances.
    ///
    /// # Shapes
    ///
    /// - `distances`: `[batch_size, n_points, n_points]`, see [`DistanceMatrix`]
    ///
    /// # Gradient
    ///
    /// Half to each of the two entries of a critical edge, first order. Infinite distances are
    /// never critical and have gradient zero. Nor is the diagonal, but a root taken there makes a
    /// NaN of it; `examples/persistence_of_distances.rs` shows how to compute distances of points.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distances`], see [`DistanceMatrix::new`].
    ///
    /// # Cost
    ///
    /// One copy of `distances` to the host; items in parallel.
    pub fn distances(&self, distances: Tensor<3>) -> Result<DiagramBatch> {
        self.compute(distances, InputKind::Distances)
    }

    fn compute(&self, input: Tensor<3>, kind: InputKind) -> Result<DiagramBatch> {
        let dims = input.dims();
        let host = HostValues::read(input.clone())?;
        let items = match &host {
            HostValues::F32(values) => self.items(values, dims, kind)?,
            HostValues::F64(values) => self.items(values, dims, kind)?,
        };
        Ok(DiagramBatch {
            input,
            host,
            kind,
            items,
        })
    }

    fn items<T: JensenShannonKernel>(
        &self,
        values: &[T],
        [batch_size, n_points, n_columns]: [usize; 3],
        kind: InputKind,
    ) -> Result<Vec<Item>> {
        let size = n_points * n_columns;
        (0..batch_size)
            .into_par_iter()
            .map_init(
                || Workspace::<T>::new(self.max_homology_dim),
                |workspace, k| {
                    let values = &values[k * size..(k + 1) * size];
                    match kind {
                        InputKind::Distributions => workspace.distributions(values, n_columns),
                        InputKind::Distances => workspace.distances(values, n_points, n_columns),
                    }
                    .map_err(|error| error.within(format_args!("item {k}")))
                },
            )
            // By way of a list, so that of several bad items the first is named, not the fastest.
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }
}

/// Memory that one thread reuses over its items.
struct Workspace<T: JensenShannonKernel> {
    rips: Result<VietorisRips<T>>,
    jensen_shannon: JensenShannon<T>,
    distances: Vec<T>,
}

impl<T: JensenShannonKernel> Workspace<T> {
    fn new(max_homology_dim: usize) -> Self {
        Self {
            rips: VietorisRips::new(max_homology_dim),
            jensen_shannon: JensenShannon::default(),
            distances: Vec::new(),
        }
    }

    fn distributions(&mut self, rows: &[T], n_outcomes: usize) -> Result<Item> {
        let n_points = check_rows(rows, n_outcomes)?;
        let mut distances = std::mem::take(&mut self.distances);
        distances.resize(n_points * n_points, T::zero());
        self.jensen_shannon
            .pairwise(rows, n_outcomes, &mut distances);
        let item = self.diagrams(&DistanceMatrix::from_symmetric(&distances, n_points));
        self.distances = distances;
        item
    }

    fn distances(&mut self, values: &[T], n_points: usize, n_columns: usize) -> Result<Item> {
        if n_points != n_columns {
            return Err(Error::invalid_distances(format!(
                "distance matrix is {n_points} by {n_columns}, expected a square one"
            )));
        }
        self.diagrams(&DistanceMatrix::new(values, n_points)?)
    }

    fn diagrams(&mut self, distances: &DistanceMatrix<'_, T>) -> Result<Item> {
        let rips = self.rips.as_mut().map_err(|error| error.clone())?;
        let diagrams = rips.diagrams(distances)?;
        Ok(Item {
            diagrams: diagrams.iter().map(Diagram::to_f64).collect(),
            mean_distance: distances.mean(),
        })
    }
}

/// The number of rows, if the engine can take them.
fn check_rows<T: JensenShannonKernel>(rows: &[T], n_outcomes: usize) -> Result<usize> {
    let Some(n_points) = rows.len().checked_div(n_outcomes) else {
        return Err(Error::invalid_distribution(
            "rows have no columns, expected a probability for each outcome",
        ));
    };
    if n_points > MAX_POINTS {
        return Err(Error::invalid_distribution(format!(
            "{n_points} rows were passed, expected at most {MAX_POINTS}"
        )));
    }
    let is_probability = |x: &T| x.is_finite() && *x >= T::zero();
    if let Some(bad) = rows.iter().position(|x| !is_probability(x)) {
        return Err(Error::invalid_distribution(format!(
            "row {} has the entry {} at column {}, expected a probability",
            bad / n_outcomes,
            rows[bad],
            bad % n_outcomes
        )));
    }
    Ok(n_points)
}
