//! Kernels: functions that run on the device, one call for each unit.
//!
//! A *cube* is a group of units that share memory, and what CUDA calls a block. Lengths are compared by the bits of their 32-bit
//! numbers, which for numbers of at least 0 is the order of the numbers. So no comparison depends on what a device does with
//! infinities and NaN.

#![allow(
    unsafe_code,
    reason = "launches without bounds checks; every index is below the length that the launch passes"
)]
#![allow(
    clippy::too_many_arguments,
    reason = "a kernel takes each buffer as an argument of its own"
)]

pub(super) mod long_loop;
pub(super) mod lunes;
pub(super) mod pairing;
pub(super) mod row_distances;
pub(super) mod row_gradients;
pub(super) mod spanning_trees;

use cubecl::prelude::*;

/// Bits of infinity; those of finite lengths are smaller, and those of NaN larger.
pub(super) const INFINITY: u32 = 0x7f80_0000;

/// Bits of a NaN, which marks a distance that the device cannot compute.
pub(super) const NOT_A_NUMBER: u32 = 0x7fc0_0000;

/// Sizes of the lists and of the scratch memory of one matrix of `n_points` points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Room {
    /// Edges with an empty lune.
    pub(super) empty: usize,
    /// Further components of lunes.
    pub(super) cells: usize,
    /// Classes in dimension 1, a multiple of 32.
    pub(super) births: usize,
    /// Annotations that are sums of classes, and relations between classes.
    pub(super) columns: usize,
    /// Edges whose annotation waits for that of another.
    pub(super) stack: usize,
}

impl Room {
    /// Room for `n_points` points, twice what attention without any structure needs.
    pub(super) fn new(n_points: usize) -> Self {
        Self {
            empty: 4 * n_points,
            cells: 6 * n_points,
            births: (3 * n_points).next_multiple_of(32),
            columns: 8 * n_points,
            stack: 4 * n_points,
        }
    }

    /// Number of 32-bit words of a set of classes.
    pub(super) fn words(self) -> usize {
        self.births / 32
    }

    /// Length of both lists in order, with two words for each cell.
    pub(super) fn sorted(self) -> usize {
        self.empty + 2 * self.cells
    }
}

/// Packs an edge into one word, the smaller vertex in the high half.
#[cube]
pub(super) fn pack(a: u32, b: u32) -> u32 {
    (u32::min(a, b) << 16) | u32::max(a, b)
}

/// Position of an edge in a matrix of `n` points, above the diagonal.
#[cube]
pub(super) fn position(edge: u32, n: usize) -> usize {
    (edge >> 16) as usize * n + (edge & 0xffff) as usize
}

/// The order of the filtration: length, then smaller and larger vertex.
#[cube]
pub(super) fn comes_before(length: u32, edge: u32, limit: u32, last: u32) -> bool {
    length < limit || (length == limit && edge < last)
}

/// True if the edge between `a` and `b` comes before the edge `last` of length `limit`.
#[cube]
pub(super) fn is_within(
    lengths: &[u32],
    base: usize,
    n: usize,
    a: u32,
    b: u32,
    limit: u32,
    last: u32,
) -> bool {
    let length = lengths[base + a as usize * n + b as usize];
    comes_before(length, pack(a, b), limit, last)
}
