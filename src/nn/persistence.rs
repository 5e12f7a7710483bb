//! The differentiable persistence layer.
//!
//! Distances and diagrams are computed on the host from detached values, in parallel over the
//! batch; no graph of the pairwise distances is ever recorded.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use burn::prelude::*;
use burn::tensor::{DType, Element};
use rayon::prelude::*;

use super::diagram_batch::{DiagramBatch, InputKind, Item};
use super::host_values::{HostValues, read_parts};
use crate::distance::{DistanceElement, Metric, PairwiseDistances, RowDistance};
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Persistence {
    max_homology_dim: usize,
    threshold: f64,
}

impl Persistence {
    /// A layer for the homology dimensions `0..=max_homology_dim`.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the engine does not reach the dimension.
    pub fn new(max_homology_dim: usize) -> Result<Self> {
        VietorisRips::<f32>::new(max_homology_dim)?;
        Ok(Self {
            max_homology_dim,
            threshold: f64::INFINITY,
        })
    }

    /// Ends the filtration at this diameter, see [`VietorisRips::with_threshold`].
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the threshold is negative or NaN.
    pub fn with_threshold(self, threshold: f64) -> Result<Self> {
        VietorisRips::new(self.max_homology_dim)?.with_threshold(threshold)?;
        Ok(Self { threshold, ..self })
    }

    /// Diagrams of the distances between the rows of each item.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[batch_size, n_points, n_columns]`; of distributions the sums are neither checked
    ///   nor made one, see [`AttentionRows`](super::AttentionRows)
    ///
    /// # Units
    ///
    /// Those of the distance, see [`Metric`].
    ///
    /// # Gradient
    ///
    /// Exact within a pairing, first order, to both rows of each critical edge. Zero where a
    /// distance is zero.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distribution`] if an entry is not finite or, where the metric compares
    /// distributions, negative, if attention is not square, there are no columns, or there are more
    /// than [`MAX_POINTS`] points; [`Error::is_invalid_parameter`] if the exponent is out of range.
    ///
    /// # Cost
    ///
    /// One copy of `rows` to the host; O(n_points^2 * n_columns) for the distances of an item,
    /// items in parallel, in the precision of `rows` (half precision runs in 32 bits).
    pub fn rows(&self, rows: Tensor<3>, distance: RowDistance) -> Result<DiagramBatch> {
        distance.validate()?;
        let [_, n_points, n_columns] = rows.dims();
        let host = HostValues::read(&rows)?;
        let size = [n_points, n_columns];
        let items = match &host {
            HostValues::F32(values) => {
                let mut items = Items::new(self, rows.dims())?;
                items.extend(values, |w, values| w.rows(values, size, distance))?;
                items.found
            }
            HostValues::F64(values) => {
                let mut items = Items::new(self, rows.dims())?;
                items.extend(values, |w, values| w.rows(values, size, distance))?;
                items.found
            }
        };
        Ok(batch(rows, InputKind::Rows(distance, host), items))
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
        let items = match distances.dtype() {
            DType::F64 => self.items_of_distances::<f64>(&distances)?,
            _ => self.items_of_distances::<f32>(&distances)?,
        };
        Ok(batch(distances, InputKind::Distances, items))
    }

    fn items_of_distances<T: DistanceElement + Element>(
        &self,
        distances: &Tensor<3>,
    ) -> Result<Vec<Item>>
    where
        HostValues: From<Vec<T>>,
    {
        let [_, n_points, n_columns] = distances.dims();
        let mut items = Items::<T>::new(self, distances.dims())?;
        read_parts(distances, |part: Vec<T>| {
            items.extend(&part, |w, values| w.distances(values, n_points, n_columns))
        })?;
        Ok(items.found)
    }
}

fn batch(input: Tensor<3>, kind: InputKind, items: Vec<Item>) -> DiagramBatch {
    DiagramBatch {
        input,
        kind,
        items,
        ends: OnceLock::new(),
    }
}

/// The items found so far, and memory that threads reuse for the next ones.
struct Items<T: DistanceElement> {
    found: Vec<Item>,
    /// Items in all, and numbers in each.
    batch_size: usize,
    size: usize,
    fresh: Workspace<T>,
    idle: Mutex<Vec<Workspace<T>>>,
}

impl<T: DistanceElement> Items<T>
where
    HostValues: From<Vec<T>>,
{
    fn new(layer: &Persistence, [batch_size, n_points, n_columns]: [usize; 3]) -> Result<Self> {
        let rips = VietorisRips::new(layer.max_homology_dim)?
            .with_threshold(T::from_f64_nearest(layer.threshold))?;
        Ok(Self {
            found: Vec::with_capacity(batch_size),
            batch_size,
            size: n_points * n_columns,
            fresh: Workspace::new(rips),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Adds the items of the next values, in parallel.
    fn extend(
        &mut self,
        values: &[T],
        compute: impl Fn(&mut Workspace<T>, &[T]) -> Result<Item> + Sync,
    ) -> Result<()> {
        let start = self.found.len();
        // Items without points have no values to tell them by.
        let end = match values.len().checked_div(self.size) {
            Some(n_items) => start + n_items,
            None => self.batch_size,
        };
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let items = (start..end).into_par_iter().map(|k| {
            let waiting = idle().pop();
            let mut workspace = waiting.unwrap_or_else(|| self.fresh.clone());
            let item = compute(
                &mut workspace,
                &values[(k - start) * self.size..][..self.size],
            );
            idle().push(workspace);
            item.map_err(|error| error.within(format_args!("item {k}")))
        });
        // By way of a list, so that of several bad items the first is named, not the fastest.
        for item in items.collect::<Vec<_>>() {
            self.found.push(item?);
        }
        Ok(())
    }
}

/// Memory that one thread reuses over its items.
#[derive(Clone)]
struct Workspace<T: DistanceElement> {
    rips: VietorisRips<T>,
    pairwise: PairwiseDistances<T>,
}

impl<T: DistanceElement> Workspace<T>
where
    HostValues: From<Vec<T>>,
{
    fn new(rips: VietorisRips<T>) -> Self {
        Self {
            rips,
            pairwise: PairwiseDistances::default(),
        }
    }

    fn rows(
        &mut self,
        rows: &[T],
        [n_points, n_columns]: [usize; 2],
        distance: RowDistance,
    ) -> Result<Item> {
        check_rows(rows, [n_points, n_columns], distance.metric)?;
        let started = Instant::now();
        let mut distances = vec![T::zero(); n_points * n_points];
        self.pairwise
            .compute(distance, rows, n_columns, &mut distances);
        let in_distances = started.elapsed();
        let (diagrams, mean_distance) =
            self.diagrams(&DistanceMatrix::from_symmetric(&distances, n_points))?;
        Ok(Item {
            diagrams,
            mean_distance,
            distances: distances.into(),
            times: [in_distances, started.elapsed() - in_distances],
        })
    }

    fn distances(&mut self, values: &[T], n_points: usize, n_columns: usize) -> Result<Item> {
        if n_points != n_columns {
            return Err(Error::invalid_distances(format!(
                "distance matrix is {n_points} by {n_columns}, expected a square one"
            )));
        }
        let started = Instant::now();
        let (diagrams, mean_distance) = self.diagrams(&DistanceMatrix::new(values, n_points)?)?;
        Ok(Item {
            diagrams,
            mean_distance,
            distances: values.to_vec().into(),
            times: [Duration::ZERO, started.elapsed()],
        })
    }

    /// The diagrams, and the mean distance.
    fn diagrams(&mut self, distances: &DistanceMatrix<'_, T>) -> Result<(Vec<Diagram<f64>>, f64)> {
        let diagrams = self.rips.diagrams(distances)?;
        let diagrams = diagrams.iter().map(Diagram::to_f64).collect();
        Ok((diagrams, distances.mean()))
    }
}

/// Whether the metric can compare the rows.
fn check_rows<T: DistanceElement>(
    rows: &[T],
    [n_points, n_columns]: [usize; 2],
    metric: Metric,
) -> Result<()> {
    if n_columns == 0 {
        return Err(Error::invalid_distribution(
            "rows have no columns, expected a number for each outcome",
        ));
    }
    if n_points > MAX_POINTS {
        return Err(Error::invalid_distribution(format!(
            "{n_points} rows were passed, expected at most {MAX_POINTS}"
        )));
    }
    if metric == Metric::Attention && n_points != n_columns {
        return Err(Error::invalid_distribution(format!(
            "attention has {n_points} rows and {n_columns} columns, expected a square matrix to read \
             distances off its entries"
        )));
    }
    let (lowest, expected) = match metric {
        Metric::Cosine | Metric::Euclidean => (T::neg_infinity(), "a finite number"),
        _ => (T::zero(), "a probability"),
    };
    let is_valid = |x: &T| x.is_finite() & (*x >= lowest);
    // To the end, so that it is vectorised.
    if rows.iter().fold(true, |all, x| all & is_valid(x)) {
        return Ok(());
    }
    let bad = rows.iter().position(|x| !is_valid(x)).unwrap_or_default();
    Err(Error::invalid_distribution(format!(
        "row {} has the entry {} at column {}, expected {expected}",
        bad / n_columns,
        rows[bad],
        bad % n_columns
    )))
}
