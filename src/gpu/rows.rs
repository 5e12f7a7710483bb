//! Rows whose distances and bars the device computes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use burn::backend::{Cube, Dispatch};
use burn::prelude::*;
use burn::tensor::DType;

use super::bars::{BarLayout, DeviceItem, unpack};
use super::kernels::{Room, long_loop};
use super::metric::DeviceMetric;
use super::operations::{LengthSurrogate, TopologyKernels};
use crate::distance::RowDistance;
use crate::topology::Edge;

/// Largest number of points of an item.
const MAX_POINTS: usize = 1024;

/// Largest number of points of an item on a device that ends long loops early.
const MAX_POINTS_OF_SHORT_LOOPS: usize = 65;

/// Largest dimension of a grid of cubes on every device.
const MAX_ITEMS: usize = 65_535;

/// Largest size of a buffer, in words: the smallest limit among devices is 128 MiB.
const MAX_WORDS: usize = 1 << 25;

/// Squares of the lengths of vectors that are normalised on the device; others could overflow or lose their digits.
const NORMAL_SQUARES: [f32; 2] = [1e-30, 1e36];

/// Number of launches so far, from which marks are made.
static N_LAUNCHES: AtomicU32 = AtomicU32::new(0);

/// Returns a mark that no launch before had, so that the result of an earlier one in the same memory is not taken for it.
fn next_mark() -> u32 {
    let n_launches = N_LAUNCHES.fetch_add(1, Ordering::Relaxed);
    // Neither 0 nor a word of ones, which fresh memory may hold.
    0x5bd1_0000 ^ (n_launches & 0x00ff_ffff)
}

/// Batch of rows on a device, and what is asked about them.
#[derive(Debug)]
pub(crate) struct DeviceRows {
    /// Rows with their graph: `[batch_size, n_points, n_columns]`; unit vectors for the cosine distance.
    tracked: Tensor<3>,
    /// Rows without a graph; those that the device cannot compute with are infinite.
    rows: Tensor<3>,
    metric: DeviceMetric,
    layout: BarLayout,
}

/// Bars of some items that the device computes.
#[derive(Debug)]
pub(crate) struct DeviceBars {
    /// Words of each item: `[n_items, width]`.
    words: Tensor<2, Int>,
    layout: BarLayout,
    /// True if the distances were computed from rows.
    has_rows: bool,
    mark: u32,
}

impl DeviceRows {
    /// Takes rows, `[batch_size, n_points, n_columns]`, up to a homology dimension.
    ///
    /// `None` if the host has to compute: for rows on another backend or in 64 bits, other distances, dimension 2, and
    /// items that are too small or too large.
    pub(crate) fn new(
        rows: &Tensor<3>,
        distance: RowDistance,
        max_homology_dim: usize,
    ) -> Option<Self> {
        let metric = DeviceMetric::of(distance)?;
        let [batch_size, n_points, n_columns] = rows.dims();
        let detached = rows.clone().without_autodiff();
        let fits = rows.dtype() == DType::F32
            && max_homology_dim <= 1
            && (2..=MAX_POINTS).contains(&n_points)
            && batch_size > 0
            && n_columns > 0
            && n_points * n_columns <= MAX_WORDS;
        if !fits {
            return None;
        }
        // Only these backends have the kernels.
        detached.clone().try_into_primitive::<Cube>().ok()?;
        if n_points > MAX_POINTS_OF_SHORT_LOOPS && !finishes_long_loops(&detached.device()) {
            return None;
        }
        let (tracked, rows) = match metric {
            DeviceMetric::Cosine => unit_vectors(rows.clone()),
            _ => (rows.clone(), detached),
        };
        Some(Self {
            tracked,
            rows,
            metric,
            layout: BarLayout {
                n_points,
                max_homology_dim,
            },
        })
    }

    /// Launches the kernels, and returns what will be their result, for a few items at a time.
    pub(crate) fn bars(&self) -> Vec<DeviceBars> {
        let [batch_size, n_points, n_columns] = self.rows.dims();
        let room = Room::new(n_points);
        let largest = (n_points * n_points.max(n_columns)).max(room.columns * room.words());
        let at_once = (MAX_WORDS / largest).clamp(1, MAX_ITEMS);
        (0..batch_size)
            .step_by(at_once)
            .map(|first| {
                let items = first..batch_size.min(first + at_once);
                let rows = if items.len() == batch_size {
                    self.rows.clone()
                } else {
                    self.rows.clone().slice_dim(0, items)
                };
                let (layout, mark) = (self.layout, next_mark());
                let words = <Dispatch as TopologyKernels>::bars_of_rows(
                    rows.into_dispatch(),
                    self.metric,
                    layout,
                    mark,
                );
                DeviceBars {
                    words: Tensor::from_dispatch(words),
                    layout,
                    has_rows: true,
                    mark,
                }
            })
            .collect()
    }

    /// True if the device can compute gradients at this row: for the cosine distance, if it has a direction.
    ///
    /// A vector of zeros has the gradient 0.
    pub(crate) fn takes(&self, row: &[f32]) -> bool {
        let [least, largest] = NORMAL_SQUARES.map(f64::from);
        let square: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
        self.metric != DeviceMetric::Cosine || (least..=largest).contains(&square)
    }

    /// Returns 0, `[1]`, with the given derivatives with respect to the lengths of edges.
    ///
    /// `gradient` lists for each item the edges, their lengths, and the derivatives; each edge occurs once.
    pub(crate) fn surrogate(&self, gradient: &[Vec<(Edge, f64, f64)>]) -> Tensor<1> {
        let mut offsets = vec![0u32];
        let (mut edges, mut slopes) = (Vec::new(), Vec::new());
        for item in gradient {
            for &([i, j], length, derivative) in item {
                edges.push(i << 16 | j);
                slopes.push((derivative * self.metric.slope(length)) as f32);
            }
            offsets.push(edges.len() as u32);
        }
        if edges.is_empty() {
            // An edge that no item has, because buffers are never empty.
            edges.push(1);
            slopes.push(0.0);
        }
        let device = self.tracked.device();
        let words = |words: Vec<u32>| {
            let data = TensorData::new(words.clone(), [words.len()]);
            Tensor::<1, Int>::from_data(data, (&device, DType::U32)).into_dispatch()
        };
        let n_edges = slopes.len();
        let slopes = TensorData::new(slopes, [n_edges]);
        let slopes = Tensor::<1>::from_data(slopes, (&device, DType::F32));
        Tensor::from_dispatch(<Dispatch as LengthSurrogate>::length_surrogate(
            self.tracked.clone().into_dispatch(),
            words(offsets),
            words(edges),
            slopes.into_dispatch(),
            self.metric,
        ))
    }
}

/// True if a device finishes loops of many steps.
///
/// Mesa's software driver ends all loops of a unit after 65,535 steps together, without an error, and would return wrong bars
/// of large items. Each device is asked once.
fn finishes_long_loops(device: &Device) -> bool {
    static ANSWERS: Mutex<Vec<(String, bool)>> = Mutex::new(Vec::new());
    let name = format!("{device:?}");
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, answer)) = answers.iter().find(|(known, _)| *known == name) {
        return *answer;
    }
    let word = Tensor::<1, Int>::zeros([1], (device, DType::U32)).into_dispatch();
    let last = <Dispatch as TopologyKernels>::long_loop(word);
    let last = Tensor::<1, Int>::from_dispatch(last).try_into_vec_as::<u32>();
    let answer = last.is_ok_and(|last| last == [long_loop::expected(0)]);
    answers.push((name, answer));
    answer
}

/// Returns rows of length one with their graph, and without it.
///
/// In the second result, vectors without a direction and those that 32 bits cannot normalise are infinite.
fn unit_vectors(rows: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let shape = rows.dims();
    let squares = rows.clone().square().sum_dim(2);
    let [least, largest] = NORMAL_SQUARES;
    let is_beyond =
        (squares.clone().lower_elem(least)).bool_or(squares.clone().greater_elem(largest));
    // Before the root, whose slope is infinite at 0.
    let lengths = squares.mask_fill(is_beyond.clone(), 1.0).sqrt();
    let units = rows / lengths;
    let detached = units.clone().without_autodiff();
    let is_beyond = is_beyond.without_autodiff().expand(shape);
    (units, detached.mask_fill(is_beyond, f32::INFINITY))
}

/// Launches the kernels for distance matrices, `[batch_size, n_points, n_points]`, whose symmetry is not checked.
///
/// `None` if the host has to compute, as for [`DeviceRows::new`].
#[cfg(test)]
pub(crate) fn bars_of_distances(
    distances: Tensor<3>,
    max_homology_dim: usize,
) -> Option<DeviceBars> {
    let [batch_size, n_points, _] = distances.dims();
    let fits = max_homology_dim <= 1
        && (2..=MAX_POINTS).contains(&n_points)
        && (1..=MAX_ITEMS).contains(&batch_size);
    if !fits || distances.dtype() != DType::F32 {
        return None;
    }
    let (layout, mark) = (
        BarLayout {
            n_points,
            max_homology_dim,
        },
        next_mark(),
    );
    let distances = distances.without_autodiff().into_dispatch();
    let words = <Dispatch as TopologyKernels>::bars_of_distances(distances, layout, mark);
    Some(DeviceBars {
        words: Tensor::from_dispatch(words),
        layout,
        has_rows: false,
        mark,
    })
}

impl DeviceBars {
    /// Words that have to be read: `[n_items, width]`.
    pub(crate) fn words(&self) -> Tensor<2, Int> {
        self.words.clone()
    }

    /// Makes items of the words that were read.
    pub(crate) fn items(&self, words: &[u32]) -> Vec<DeviceItem> {
        words
            .chunks_exact(self.layout.width())
            .map(|words| unpack(words, self.layout, self.has_rows, self.mark))
            .collect()
    }
}
