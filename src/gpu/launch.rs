//! Launches of the kernels on tensors of Burn.

#![allow(
    unsafe_code,
    reason = "kernels are launched without bounds checks; each buffer is made here, or made contiguous, with the length that \
              the kernel expects"
)]

use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::{empty_device_contiguous_dtype, zeros_client};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::bars::BarLayout;
use super::kernels::lunes::{self, COUNTS};
use super::kernels::{Room, long_loop, pairing, row_distances, row_gradients, spanning_trees};
use super::metric::DeviceMetric;

/// Largest number of units of a cube. On an H100, 256 are best for the distances.
const MAX_BLOCK: usize = 256;

/// Largest number of units of a cube whose units wait for each other often.
const MAX_SHORT_BLOCK: usize = 64;

/// Number of units of a cube.
fn block(client: &Client, at_most: usize) -> usize {
    (client.properties().hardware.max_units_per_cube as usize).min(at_most)
}

/// Passes a contiguous tensor to a kernel.
fn argument(tensor: &CubeTensor) -> BufferArg {
    let length = tensor.shape().num_elements();
    // SAFETY: the tensor is contiguous, and its buffer has as many elements.
    unsafe { BufferArg::from_raw_parts(tensor.handle.clone(), length) }
}

/// Makes new contiguous tensors beside another one.
struct Beside<'a>(&'a CubeTensor);

impl Beside<'_> {
    /// Memory that is not cleared. Rows have no padding between them, which they get by default on CUDA.
    fn empty(&self, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
        let (client, device) = (self.0.client.clone(), self.0.device.clone());
        let tensor = empty_device_contiguous_dtype(client, device, shape.into(), dtype);
        // What a kernel forgets to write must not look like a result.
        #[cfg(test)]
        poison(&tensor);
        tensor
    }

    fn words(&self, shape: impl Into<Shape>) -> CubeTensor {
        self.empty(shape, DType::U32)
    }

    fn zeros(&self, n: usize) -> CubeTensor {
        let (client, device) = (self.0.client.clone(), self.0.device.clone());
        // A single dimension has no padding.
        zeros_client(client, device, Shape::from([n]), DType::U32)
    }
}

/// Launches [`long_loop`] on a word, `[1]`.
pub(super) fn long_loop(word: CubeTensor) -> CubeTensor {
    let word = into_contiguous(word);
    let last = Beside(&word).words([1]);
    // SAFETY: see the head of this file.
    unsafe {
        long_loop::long_loop::launch_unchecked(
            &word.client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(1),
            argument(&word),
            argument(&last),
        );
    }
    last
}

/// Launches the kernels from rows, `[g, n, m]` in 32 bits, to bars, `[g, width]`.
pub(super) fn bars_of_rows(
    rows: CubeTensor,
    metric: DeviceMetric,
    layout: BarLayout,
    mark: u32,
) -> CubeTensor {
    let rows = into_contiguous(rows);
    let [g, n, m] = rows.shape().dims();
    let new = Beside(&rows);
    let lengths = new.words([g, n, n]);
    let bars = new.words([g, layout.width()]);
    let client = &rows.client;
    let block = block(client, MAX_BLOCK);
    let groups = n.div_ceil(4);
    let tiles = groups * (groups + 1) / 2;
    let chunk = chunk(
        client.properties().hardware.max_shared_memory_size,
        4 * groups,
    );
    // SAFETY: see the head of this file.
    unsafe {
        row_distances::row_distances::launch_unchecked(
            client,
            CubeCount::Static(tiles.div_ceil(block) as u32, g as u32, 1),
            CubeDim::new_1d(block as u32),
            argument(&rows),
            argument(&lengths),
            argument(&bars),
            mark,
            n,
            m,
            layout.width(),
            block,
            chunk,
            metric,
        );
    }
    bars_of_lengths(&lengths, bars, layout, mark)
}

/// Number of columns of all rows that fit in the shared memory of a cube: a power of two of at most 8.
fn chunk(shared_bytes: usize, n_rows: usize) -> usize {
    // A value and a root for each row and column, and one word for each row.
    let fits = |chunk: &usize| 4 * n_rows * (2 * chunk + 1) <= shared_bytes;
    [8, 4, 2].into_iter().find(fits).unwrap_or(1)
}

/// Launches the kernels from distance matrices, `[g, n, n]` in 32 bits, to bars, `[g, width]`.
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "tests compare the kernels on given distances")
)]
pub(super) fn bars_of_distances(distances: CubeTensor, layout: BarLayout, mark: u32) -> CubeTensor {
    let lengths = into_contiguous(distances);
    let [g, ..] = lengths.shape().dims::<3>();
    let bars = Beside(&lengths).words([g, layout.width()]);
    bars_of_lengths(&lengths, bars, layout, mark)
}

/// Launches the kernels from lengths to bars.
fn bars_of_lengths(
    lengths: &CubeTensor,
    bars: CubeTensor,
    layout: BarLayout,
    mark: u32,
) -> CubeTensor {
    let [g, n, _] = lengths.shape().dims();
    let width = layout.width();
    let client = &lengths.client;
    let block = block(client, MAX_SHORT_BLOCK);
    let (one_cube, units) = (
        CubeCount::Static(g as u32, 1, 1),
        CubeDim::new_1d(block as u32),
    );
    if layout.max_homology_dim == 0 {
        // SAFETY: see the head of this file.
        unsafe {
            spanning_trees::spanning_trees::launch_unchecked(
                client,
                one_cube,
                units,
                argument(lengths),
                argument(&bars),
                mark,
                n,
                width,
                block,
            );
        }
        return bars;
    }
    let room = Room::new(n);
    let new = Beside(lengths);
    let counts = new.zeros(g * COUNTS);
    let (empty, cells) = (new.words([g, room.empty]), new.words([g, 2 * room.cells]));
    let sorted = new.words([g, room.sorted()]);
    let known = new.words([g, n, n]);
    let n_edges = n * (n - 1) / 2;
    // SAFETY: see the head of this file.
    unsafe {
        lunes::lunes::launch_unchecked(
            client,
            CubeCount::Static(n_edges.div_ceil(block) as u32, g as u32, 1),
            units,
            argument(lengths),
            argument(&counts),
            argument(&empty),
            argument(&cells),
            argument(&known),
            argument(&bars),
            mark,
            n,
            room,
            width,
            block,
        );
        lunes::order::launch_unchecked(
            client,
            one_cube.clone(),
            units,
            argument(lengths),
            argument(&counts),
            argument(&empty),
            argument(&cells),
            argument(&sorted),
            argument(&bars),
            mark,
            n,
            room,
            width,
            block,
        );
        pairing::pairs::launch_unchecked(
            client,
            one_cube,
            units,
            argument(lengths),
            argument(&counts),
            argument(&sorted),
            argument(&bars),
            argument(&known),
            argument(&new.words([g, room.births])),
            argument(&new.words([g, room.columns * room.words()])),
            argument(&new.words([g, room.stack])),
            mark,
            n,
            room,
            width,
            block,
        );
    }
    bars
}

/// Launches the kernel for the gradient of rows, `[g, n, m]`, see [`row_gradients`].
pub(super) fn row_gradients(
    rows: CubeTensor,
    offsets: CubeTensor,
    edges: CubeTensor,
    slopes: CubeTensor,
    metric: DeviceMetric,
) -> CubeTensor {
    let [rows, offsets, edges, slopes] = [rows, offsets, edges, slopes].map(into_contiguous);
    let [g, n, m] = rows.shape().dims();
    let gradient = Beside(&rows).empty([g, n, m], DType::F32);
    let block = block(&rows.client, MAX_BLOCK);
    // SAFETY: see the head of this file.
    unsafe {
        row_gradients::row_gradients::launch_unchecked(
            &rows.client,
            CubeCount::Static(m.div_ceil(block) as u32, g as u32, 1),
            CubeDim::new_1d(block as u32),
            argument(&rows),
            argument(&offsets),
            argument(&edges),
            argument(&slopes),
            argument(&gradient),
            n,
            m,
            block,
            metric,
        );
    }
    gradient
}

/// Fills a tensor of 32-bit numbers with words of ones, which are a NaN.
#[cfg(test)]
fn poison(tensor: &CubeTensor) {
    #[cube(launch_unchecked)]
    fn fill(words: &mut [u32], #[comptime] block: usize) {
        let at = CUBE_POS_X as usize * block + UNIT_POS as usize;
        if at < words.len() {
            words[at] = 0xffff_ffffu32;
        }
    }
    let block = block(&tensor.client, MAX_BLOCK);
    let cubes = tensor.shape().num_elements().div_ceil(block) as u32;
    // SAFETY: see the head of this file.
    unsafe {
        fill::launch_unchecked(
            &tensor.client,
            CubeCount::Static(cubes, 1, 1),
            CubeDim::new_1d(block as u32),
            argument(tensor),
            block,
        );
    }
}
