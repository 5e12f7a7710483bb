//! Differentiable persistence layer.
//!
//! Distances and diagrams are computed on the host from detached values, in parallel over the batch. No
//! graph of the pairwise distances is recorded; gradients use the critical edges only.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use burn::prelude::*;
use burn::tensor::{DType, Element};
use rayon::prelude::*;

use super::diagram_batch::{DiagramBatch, InputKind};
use super::engine::Engine;
use super::host_values::{HostValues, read_parts};
use super::item::{Item, PersistenceTiming};
#[cfg(feature = "gpu")]
use super::pending_rows::ArrivedBars;
use super::pending_rows::{ArrivedRows, PendingRows, RowSource};
use super::pipeline::{Pipeline, RowDiagrams};
use super::present_points::{PresentPoints, rows_of_points};
#[cfg(feature = "gpu")]
use super::row_values::RowValues;
use crate::distance::{DistanceElement, RowDistance, RowMetric};
use crate::error::{Error, Result};
use crate::fused::HostReads;
#[cfg(feature = "gpu")]
use crate::gpu::DeviceItem;
use crate::topology::{DistanceMatrix, VietorisRips};

/// Vietoris-Rips persistence layer: computes diagrams of a batch of rows or distance matrices.
///
/// ```text
/// rows [batch_size, n_points, n_columns] -> distances [batch_size, n_points, n_points] -> diagrams
/// d(birth or death)/d(input) = d(length of its critical edge)/d(input)
/// ```
///
/// [`Persistence::rows`] begins at the rows, [`Persistence::distances`] at distance matrices. Both return a
/// [`DiagramBatch`], whose [`bars`](DiagramBatch::bars) are births and deaths as tensors that are
/// differentiable with respect to the input. An *item* is one entry of the batch.
///
/// The layer and its clones keep buffers for later batches, for each thread a few times the size of one item.
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
/// // The only death is the mean of the two entries of its edge.
/// let gradient = distances.grad(&total.backward()).unwrap();
/// assert_eq!(gradient.into_data().try_into_vec::<f32>().unwrap(), [0.0, 0.5, 0.5, 0.0]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Persistence {
    max_homology_dim: usize,
    threshold: f64,
    engine: Engine,
    /// Shared with clones.
    idle: Arc<IdlePipelines>,
}

/// Pipelines that no thread uses at the moment, with their buffers.
///
/// New buffers for each batch would cost page faults, a tenth of the time of small batches.
#[derive(Debug, Default)]
struct IdlePipelines {
    f32: Mutex<Vec<Pipeline<f32>>>,
    f64: Mutex<Vec<Pipeline<f64>>>,
}

impl Persistence {
    /// Creates a layer for the homology dimensions `0..=max_homology_dim`.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the dimension is above
    /// [`MAX_HOMOLOGY_DIM`](crate::topology::MAX_HOMOLOGY_DIM).
    pub fn new(max_homology_dim: usize) -> Result<Self> {
        // Only to check the dimension; each precision makes its own later.
        VietorisRips::<f32>::new(max_homology_dim)?;
        Ok(Self {
            max_homology_dim,
            threshold: f64::INFINITY,
            engine: Engine::default(),
            idle: Arc::default(),
        })
    }

    /// Ends the filtration at a diameter, the threshold; by default it has none.
    ///
    /// Edges of exactly this length are kept. Classes that are alive at the threshold are essential: they have no
    /// death, and [`DiagramBatch::bars`] leaves them out.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the threshold is negative or NaN.
    pub fn with_threshold(self, threshold: f64) -> Result<Self> {
        VietorisRips::new(self.max_homology_dim)?.with_threshold(threshold)?;
        Ok(Self {
            threshold,
            // The pipelines of clones have another threshold.
            idle: Arc::default(),
            ..self
        })
    }

    /// Chooses where distances and diagrams of rows are computed; by default where the rows are.
    pub fn with_engine(self, engine: Engine) -> Self {
        Self { engine, ..self }
    }

    /// Computes the diagrams of the distances between the rows of each item.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[batch_size, n_points, n_columns]`. For distances between distributions it is neither checked
    ///   nor enforced that rows sum to one: [`AttentionRows`](super::AttentionRows) does both.
    ///
    /// # Units
    ///
    /// Births and deaths have the unit of the distance, see [`RowMetric`](crate::distance::RowMetric).
    ///
    /// # Gradient
    ///
    /// First order. It reaches both rows of each critical edge, and is exact while the pairing does not
    /// change. It is 0 where a distance is 0.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_distribution`] if an entry is not finite; if an entry is negative, for metrics
    ///   other than Euclidean and cosine; if the rows for [`RowMetric::Attention`](crate::distance::RowMetric::Attention) are not a square matrix; if
    ///   there are no columns, or more than [`MAX_POINTS`](crate::topology::MAX_POINTS) points.
    /// - [`Error::is_device_error`] if the rows cannot be read from their device.
    /// - [`Error::is_invalid_parameter`] if the exponent of the distance is not finite and above 0.
    ///
    /// # Cost
    ///
    /// One copy of `rows` to the host, and O(n_points^2 * n_columns) for the distances of an item. Items run
    /// in parallel, in the precision of `rows` (half precision in 32 bits). On a graphics card its kernels run instead,
    /// and only bars are copied, see [`Engine`]; [`DiagramBatch::bars`] and other lengths then copy the rows after all.
    pub fn rows(&self, rows: Tensor<3>, distance: RowDistance) -> Result<DiagramBatch> {
        self.rows_of_points(rows, distance, None)
    }

    /// Computes the diagrams of items of different sizes, whose padding is left out.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[batch_size, n_points, n_columns]`, as in [`Persistence::rows`]; for
    ///   [`RowMetric::Attention`](crate::distance::RowMetric::Attention) the columns of padding are left out too
    /// - `padding`: `[batch_size, n_points]`, true where a row is padding, whatever it holds
    ///
    /// Diagrams number the points of an item that are not padding, in their order and from 0.
    ///
    /// # Gradient
    ///
    /// As that of [`Persistence::rows`]; it is 0 for padding.
    ///
    /// # Errors
    ///
    /// As [`Persistence::rows`], and [`Error::is_invalid_parameter`] if the mask has another shape.
    ///
    /// # Cost
    ///
    /// As [`Persistence::rows`], with one more copy of the rows, and of the mask to the host.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::prelude::*;
    /// use burn_topology::distance::{RowDistance, RowMetric};
    /// use burn_topology::nn::Persistence;
    ///
    /// // Three points on a line, and two points.
    /// let device = Device::flex();
    /// let points = Tensor::<3>::from_data([[[0.0], [1.0], [3.0]], [[0.0], [5.0], [f32::NAN]]], &device);
    /// let padding = Tensor::from_data([[false, false, false], [false, false, true]], &device);
    /// let euclidean = RowDistance { metric: RowMetric::Euclidean, exponent: 1.0 };
    /// let batch = Persistence::new(0)?.padded_rows(points, euclidean, &padding)?;
    /// assert_eq!((batch.n_points(0), batch.n_points(1)), (3, 2));
    /// let deaths = batch.bars(0).deaths.into_data().try_into_vec::<f32>().unwrap();
    /// assert_eq!(deaths, [1.0, 2.0, 5.0]);
    /// # }
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn padded_rows(
        &self,
        rows: Tensor<3>,
        distance: RowDistance,
        padding: &Tensor<2, Bool>,
    ) -> Result<DiagramBatch> {
        self.rows_of_points(rows, distance, Some(&PresentPoints::read(padding)?))
    }

    /// Computes the diagrams of the rows of some points; of all if `points` is `None`.
    fn rows_of_points(
        &self,
        rows: Tensor<3>,
        distance: RowDistance,
        points: Option<&PresentPoints>,
    ) -> Result<DiagramBatch> {
        distance.validate()?;
        let (mut reads, mut again) = (HostReads::default(), HostReads::default());
        let pending = match points {
            None => self.begin_rows(rows, distance, &mut reads),
            Some(_) => PendingRows::new(rows, &mut reads),
        };
        let mut arrived = pending.arrived(&mut reads.execute()?, &mut again)?;
        arrived.complete(&mut again.execute()?)?;
        self.arrived_rows(arrived, distance, points)
    }

    /// Begins with rows: their device computes the bars if it can, and otherwise the rows are read.
    pub(crate) fn begin_rows(
        &self,
        rows: Tensor<3>,
        distance: RowDistance,
        reads: &mut HostReads,
    ) -> PendingRows {
        // Kernels have no threshold.
        if self.engine == Engine::Device && self.threshold == f64::INFINITY {
            PendingRows::with_bars(rows, distance, self.max_homology_dim, reads)
        } else {
            PendingRows::new(rows, reads)
        }
    }

    /// Computes the diagrams of the rows of some points, whose values were read; of all if `points` is `None`.
    pub(crate) fn arrived_rows(
        &self,
        ArrivedRows { rows, source }: ArrivedRows,
        distance: RowDistance,
        points: Option<&PresentPoints>,
    ) -> Result<DiagramBatch> {
        distance.validate()?;
        let [batch_size, n_points, _] = rows.dims();
        if let Some(points) = points {
            points.check(batch_size, n_points)?;
        }
        // The batch keeps the values, because the gradient of a distance is computed from its two rows.
        let host = match source {
            RowSource::Rows(Some(values)) => values,
            RowSource::Rows(None) => HostValues::read(&rows)?,
            #[cfg(feature = "gpu")]
            RowSource::Bars(bars) => return self.arrived_bars(rows, bars, distance),
        };
        let (items, distances) = match &host {
            HostValues::F32(values) => {
                self.items_of_rows(values, rows.dims(), distance, points, &self.idle.f32)?
            }
            HostValues::F64(values) => {
                self.items_of_rows(values, rows.dims(), distance, points, &self.idle.f64)?
            }
        };
        let kind = InputKind::Rows {
            distance,
            values: host.into(),
            distances,
        };
        Ok(batch(rows, kind, items))
    }

    /// Takes the bars that the device computed, and computes the diagrams of the other items.
    #[cfg(feature = "gpu")]
    fn arrived_bars(
        &self,
        rows: Tensor<3>,
        bars: ArrivedBars,
        distance: RowDistance,
    ) -> Result<DiagramBatch> {
        let [batch_size, n_points, n_columns] = rows.dims();
        let left: Vec<usize> = (0..batch_size)
            .filter(|&item| !matches!(bars.items[item], DeviceItem::Diagrams(_)))
            .collect();
        let dims = [left.len(), n_points, n_columns];
        let mut computed = ItemCollector::new(self, dims, &self.idle.f32)?;
        computed
            .extend(&bars.others, |pipeline, _, values| {
                item_of_rows(pipeline, values, [n_points, n_columns], distance)
            })
            // A place among the items that are left is not that in the batch.
            .map_err(|error| error.within("an item that the device could not compute"))?;
        let mut computed = computed.items.into_iter();
        let items = bars.items.into_iter().map(|item| match item {
            DeviceItem::Diagrams(diagrams) => Item {
                diagrams,
                timing: PersistenceTiming::default(),
                points: None,
            },
            _ => {
                computed
                    .next()
                    .expect("every item that is left was computed")
                    .0
            }
        });
        let items: Vec<Item> = items.collect();
        let kind = InputKind::Rows {
            distance,
            values: RowValues::on_device(bars.device, left, bars.others),
            // Those of items that are left are not kept: only births and deaths have gradients here.
            distances: items.iter().map(|_| OnceLock::new()).collect(),
        };
        Ok(batch(rows, kind, items))
    }

    /// Computes the items of rows, with their distances where all were needed.
    fn items_of_rows<T: DistanceElement>(
        &self,
        values: &[T],
        dims: [usize; 3],
        distance: RowDistance,
        points: Option<&PresentPoints>,
        idle: &Mutex<Vec<Pipeline<T>>>,
    ) -> Result<(Vec<Item>, Vec<OnceLock<HostValues>>)>
    where
        HostValues: From<Vec<T>>,
    {
        let [_, n_points, n_columns] = dims;
        let mut items = ItemCollector::new(self, dims, idle)?;
        items.extend(values, |pipeline, item, values| {
            let Some(points) = points.map(|points| points.of_item(item)) else {
                return item_of_rows(pipeline, values, [n_points, n_columns], distance);
            };
            let is_square = distance.metric == RowMetric::Attention;
            let rows = rows_of_points(values, n_columns, points, is_square);
            let n_columns = if is_square { points.len() } else { n_columns };
            let (mut item, distances) =
                item_of_rows(pipeline, &rows, [points.len(), n_columns], distance)?;
            item.points = Some(points.to_vec());
            Ok((item, distances))
        })?;
        Ok(items.items.into_iter().unzip())
    }

    /// Computes the diagrams of given distance matrices.
    ///
    /// # Shapes
    ///
    /// - `distances`: `[batch_size, n_points, n_points]`, symmetric with a diagonal of zeros, see [`DistanceMatrix`]
    ///
    /// # Gradient
    ///
    /// First order. Half of it goes to each of the two entries of a critical edge. Infinite distances and the diagonal
    /// are never critical and have gradient 0.
    ///
    /// Beware of distances that are square roots: the root has an infinite slope at 0, which turns the
    /// gradient 0 of the diagonal into NaN. `examples/persistence_of_distances.rs` shows how to avoid it.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_distances`] if a matrix is not a valid distance matrix, see [`DistanceMatrix::new`].
    /// - [`Error::is_device_error`] if the matrices cannot be read from their device.
    ///
    /// # Cost
    ///
    /// One copy of `distances` to the host. Items run in parallel, in the precision of `distances` (half precision
    /// in 32 bits).
    pub fn distances(&self, distances: Tensor<3>) -> Result<DiagramBatch> {
        self.distances_of_points(distances, None)
    }

    /// Computes the diagrams of distance matrices of different sizes, whose padding is left out.
    ///
    /// # Shapes
    ///
    /// - `distances`: `[batch_size, n_points, n_points]`, as in [`Persistence::distances`]
    /// - `padding`: `[batch_size, n_points]`, true where a row and its column are padding, whatever they hold
    ///
    /// Diagrams number the points of an item that are not padding, in their order and from 0.
    ///
    /// # Gradient
    ///
    /// As that of [`Persistence::distances`]; it is 0 for padding.
    ///
    /// # Errors
    ///
    /// As [`Persistence::distances`], and [`Error::is_invalid_parameter`] if the mask has another shape.
    ///
    /// # Cost
    ///
    /// As [`Persistence::distances`], and a copy of the mask to the host.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::prelude::*;
    /// use burn_topology::nn::Persistence;
    ///
    /// let distances = [[[0.0, 3.0, 9.0], [3.0, 0.0, 9.0], [9.0, 9.0, 0.0]]];
    /// let distances = Tensor::<3>::from_data(distances, &Device::flex());
    /// let padding = Tensor::from_data([[false, false, true]], &Device::flex());
    /// let batch = Persistence::new(0)?.padded_distances(distances, &padding)?;
    /// assert_eq!(batch.diagrams(0)[0].largest_persistence(), 3.0);
    /// # }
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn padded_distances(
        &self,
        distances: Tensor<3>,
        padding: &Tensor<2, Bool>,
    ) -> Result<DiagramBatch> {
        self.distances_of_points(distances, Some(&PresentPoints::read(padding)?))
    }

    /// Computes the diagrams of the distances between some points; between all if `points` is `None`.
    fn distances_of_points(
        &self,
        distances: Tensor<3>,
        points: Option<&PresentPoints>,
    ) -> Result<DiagramBatch> {
        let [batch_size, n_points, _] = distances.dims();
        if let Some(points) = points {
            points.check(batch_size, n_points)?;
        }
        let (items, values) = match distances.dtype() {
            DType::F64 => self.items_of_distances(&distances, points, &self.idle.f64)?,
            _ => self.items_of_distances(&distances, points, &self.idle.f32)?,
        };
        Ok(batch(distances, InputKind::Distances(values), items))
    }

    /// Computes the items of distance matrices and copies their distances; a few are read from the device at a time.
    fn items_of_distances<T: DistanceElement + Element>(
        &self,
        distances: &Tensor<3>,
        points: Option<&PresentPoints>,
        idle: &Mutex<Vec<Pipeline<T>>>,
    ) -> Result<(Vec<Item>, Vec<HostValues>)>
    where
        HostValues: From<Vec<T>>,
    {
        let [_, n_points, n_columns] = distances.dims();
        let mut items = ItemCollector::new(self, distances.dims(), idle)?;
        read_parts(distances, |part: Vec<T>| {
            items.extend(&part, |pipeline, item, values| {
                let points = points.map(|points| points.of_item(item));
                item_of_distances(pipeline, values, [n_points, n_columns], points)
            })
        })?;
        Ok(items.items.into_iter().unzip())
    }
}

/// Creates a batch of diagrams without any graph yet.
fn batch(input: Tensor<3>, kind: InputKind, items: Vec<Item>) -> DiagramBatch {
    DiagramBatch {
        input,
        kind,
        items,
        ends: OnceLock::new(),
    }
}

/// Items computed so far, and what threads need for the next ones.
struct ItemCollector<'a, T: DistanceElement, D> {
    /// Items, each with its distances.
    items: Vec<(Item, D)>,
    batch_size: usize,
    /// Number of input values of each item.
    item_size: usize,
    /// Pipeline with empty buffers, cloned for each thread that finds none idle.
    prototype: Pipeline<T>,
    idle: &'a Mutex<Vec<Pipeline<T>>>,
}

impl<'a, T: DistanceElement, D: Send> ItemCollector<'a, T, D> {
    /// Prepares for a batch of the given shape.
    fn new(
        layer: &Persistence,
        [batch_size, n_points, n_columns]: [usize; 3],
        idle: &'a Mutex<Vec<Pipeline<T>>>,
    ) -> Result<Self> {
        Ok(Self {
            items: Vec::with_capacity(batch_size),
            batch_size,
            item_size: n_points * n_columns,
            prototype: Pipeline::new(layer.max_homology_dim, layer.threshold)?,
            idle,
        })
    }

    /// Computes the items of the next values in parallel, and adds them in order.
    ///
    /// `compute` gets the index of the item in the batch and its values.
    fn extend(
        &mut self,
        values: &[T],
        compute: impl Fn(&mut Pipeline<T>, usize, &[T]) -> Result<(Item, D)> + Sync,
    ) -> Result<()> {
        let start = self.items.len();
        // Items without points have no values, so their number does not follow from the length.
        let end = match values.len().checked_div(self.item_size) {
            Some(n_items) => start + n_items,
            None => self.batch_size,
        };
        // A pipeline is only memory, so one that a panicking thread left behind is still usable.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let items: Vec<Result<(Item, D)>> = (start..end)
            .into_par_iter()
            // Not `map_init`, which would create buffers for every piece into which rayon splits the work.
            .map(|k| {
                // The lock is released before the computation.
                let reused = idle().pop();
                let mut pipeline = reused.unwrap_or_else(|| self.prototype.clone());
                let item = compute(
                    &mut pipeline,
                    k,
                    &values[(k - start) * self.item_size..][..self.item_size],
                );
                idle().push(pipeline);
                item.map_err(|error| error.within(format_args!("item {k}")))
            })
            .collect();
        // Collecting all results first makes the error that of the first bad item, not of the fastest thread.
        for item in items {
            self.items.push(item?);
        }
        Ok(())
    }
}

/// Computes the distances and diagrams of one item from its rows.
fn item_of_rows<T: DistanceElement>(
    pipeline: &mut Pipeline<T>,
    rows: &[T],
    [n_points, n_columns]: [usize; 2],
    distance: RowDistance,
) -> Result<(Item, OnceLock<HostValues>)>
where
    HostValues: From<Vec<T>>,
{
    // An item of padding alone has no rows, and may have no columns.
    if n_columns == 0 && n_points > 0 {
        return Err(Error::invalid_distribution(
            "rows have no columns, expected a number for each outcome",
        ));
    }
    let RowDiagrams {
        diagrams,
        distances,
        timing,
    } = pipeline.row_diagrams(rows, [n_points, n_columns], distance)?;
    let all = distances.map(|all| OnceLock::from(HostValues::from(all)));
    let item = Item {
        diagrams,
        timing,
        points: None,
    };
    Ok((item, all.unwrap_or_default()))
}

/// Computes the diagrams of one item from its distance matrix, or from that of some points.
fn item_of_distances<T: DistanceElement>(
    pipeline: &mut Pipeline<T>,
    values: &[T],
    [n_points, n_columns]: [usize; 2],
    points: Option<&[u32]>,
) -> Result<(Item, HostValues)>
where
    HostValues: From<Vec<T>>,
{
    if n_points != n_columns {
        return Err(Error::invalid_distances(format!(
            "distance matrix is {n_points} by {n_columns}, expected a square one"
        )));
    }
    let started = Instant::now();
    let values = match points {
        None => values.to_vec(),
        Some(points) => rows_of_points(values, n_columns, points, true),
    };
    let n_points = points.map_or(n_points, <[u32]>::len);
    let matrix = DistanceMatrix::new(&values, n_points)?;
    let diagrams = pipeline.distances(&matrix)?;
    let timing = PersistenceTiming {
        distances: Duration::ZERO,
        persistence: started.elapsed(),
    };
    let item = Item {
        diagrams,
        timing,
        points: points.map(<[u32]>::to_vec),
    };
    Ok((item, values.into()))
}
