//! Distances between all rows of a matrix.

use cubecl::prelude::*;

use super::super::bars::MARK_OF_DISTANCES;
use super::super::metric::DeviceMetric;
use super::{INFINITY, NOT_A_NUMBER};

/// Computes the distances between the rows of each matrix of `rows`, `[g, n, m]`: bits of `lengths`, `[g, n, n]`.
///
/// A row with an entry that the metric does not take has NaN as its distances, and so has a pair whose distance
/// overflows. Writes `mark` to each matrix of `bars`, `[g, width]`.
///
/// A unit owns the distances between four rows and four others; these tiles are numbered along the triangle above the
/// diagonal. Launch `(ceil(tiles / block), g)` cubes of `block` units. `chunk` columns of all rows are in shared memory at
/// a time.
#[cube(launch_unchecked)]
pub(in crate::gpu) fn row_distances(
    rows: &[f32],
    lengths: &mut [u32],
    bars: &mut [u32],
    mark: u32,
    #[comptime] n: usize,
    #[comptime] m: usize,
    #[comptime] width: usize,
    #[comptime] block: usize,
    #[comptime] chunk: usize,
    #[comptime] metric: DeviceMetric,
) {
    let groups = comptime!(n.div_ceil(4));
    let padded = comptime!(groups * 4);
    let tiles = comptime!(groups * (groups + 1) / 2);
    let chunks = comptime!(m.div_ceil(chunk));
    let is_jensen_shannon = comptime!(metric == DeviceMetric::JensenShannon);
    let has_roots = comptime!(metric.takes_distributions());
    let mut values = Shared::<[f32]>::new_slice(comptime!(chunk * padded));
    let mut roots = Shared::<[f32]>::new_slice(comptime!(if metric.takes_distributions() {
        chunk * padded
    } else {
        1
    }));
    let mut is_bad = Shared::<[u32]>::new_slice(padded);
    let unit = UNIT_POS as usize;
    let matrix = CUBE_POS_Y as usize;
    let tile = CUBE_POS_X as usize * block + unit;

    // The row of groups of the tile, and the place in it; later rows are shorter.
    let mut row_of_groups = 0usize;
    let mut rest = tile;
    while row_of_groups < groups && rest >= groups - row_of_groups {
        rest -= groups - row_of_groups;
        row_of_groups += 1;
    }
    let is_tile = tile < tiles;
    if !is_tile {
        row_of_groups = 0usize;
        rest = 0usize;
    }
    let first = row_of_groups * 4;
    let second = (row_of_groups + rest) * 4;

    let mut slot = unit;
    while slot < padded {
        is_bad[slot] = 0u32;
        slot += block;
    }
    let mut sums = Array::<f32>::new(16usize);
    #[unroll]
    for k in 0..16usize {
        sums[k] = 0.0;
    }
    for part in 0..chunks {
        sync_cube();
        let mut slot = unit;
        while slot < comptime!(chunk * padded) {
            // Columns fastest, as they lie in memory.
            let row = slot / chunk;
            let column = slot % chunk;
            let outcome = part * chunk + column;
            let mut value = 0.0f32;
            if row < n && outcome < m {
                value = rows[(matrix * n + row) * m + outcome];
                let bits = u32::reinterpret(value);
                let mut is_valid = (bits & 0x7fff_ffff) < INFINITY;
                if comptime!(metric.takes_distributions()) {
                    // A negative zero is no negative number.
                    is_valid = bits < INFINITY || bits == 0x8000_0000;
                }
                if !is_valid {
                    // All units that find this row bad write the same word.
                    is_bad[row] = 1u32;
                    value = 0.0f32;
                }
            }
            let at = column * padded + row;
            values[at] = value;
            if is_jensen_shannon {
                roots[at] = f32::sqrt(f32::sqrt(8.0 * value));
            } else if has_roots {
                roots[at] = f32::sqrt(value);
            }
            slot += block;
        }
        sync_cube();
        for column in 0..chunk {
            let base = column * padded;
            let mut value_j = Array::<f32>::new(4usize);
            let mut root_j = Array::<f32>::new(4usize);
            #[unroll]
            for b in 0..4usize {
                value_j[b] = values[base + second + b];
                root_j[b] = 0.0;
                if has_roots {
                    root_j[b] = roots[base + second + b];
                }
            }
            #[unroll]
            for a in 0..4usize {
                let value_i = values[base + first + a];
                let mut root_i = 0.0f32;
                if has_roots {
                    root_i = roots[base + first + a];
                }
                #[unroll]
                for b in 0..4usize {
                    if is_jensen_shannon {
                        sums[a * 4 + b] += divergence(value_i, value_j[b], root_i, root_j[b]);
                    } else if has_roots {
                        let difference =
                            difference_of_roots(value_i, value_j[b], root_i, root_j[b]);
                        sums[a * 4 + b] += difference * difference;
                    } else {
                        let difference = value_i - value_j[b];
                        sums[a * 4 + b] += difference * difference;
                    }
                }
            }
        }
    }
    if is_tile {
        #[unroll]
        for a in 0..4usize {
            #[unroll]
            for b in 0..4usize {
                let i = first + a;
                let j = second + b;
                if i < j && j < n {
                    let mut bits = u32::reinterpret(from_sum(sums[a * 4 + b], metric));
                    if is_bad[i] + is_bad[j] > 0u32 || bits >= INFINITY {
                        bits = NOT_A_NUMBER.runtime();
                    }
                    lengths[(matrix * n + i) * n + j] = bits;
                    lengths[(matrix * n + j) * n + i] = bits;
                }
                if i == j && i < n {
                    lengths[(matrix * n + i) * n + i] = 0u32;
                }
            }
        }
    }
    if tile == 0 {
        bars[matrix * width + MARK_OF_DISTANCES] = mark;
    }
}

/// Distance from the sum over all columns.
#[cube]
fn from_sum(sum: f32, #[comptime] metric: DeviceMetric) -> f32 {
    let mut distance = f32::sqrt(sum);
    if comptime!(metric == DeviceMetric::JensenShannon) {
        distance = f32::sqrt(0.25 * sum);
    } else if comptime!(metric == DeviceMetric::Hellinger) {
        distance = f32::sqrt(0.5 * sum);
    } else if comptime!(metric == DeviceMetric::Cosine) {
        distance = 0.5 * sum;
    }
    distance
}

/// Returns `1 / sqrt(x)` of a positive normal number, to 1e-7.
///
/// A seed from the exponent, a step of Newton's method with constants that even its error out, and one of third order.
/// `inverse_sqrt` of CubeCL 0.11 is a division and a square root on CUDA, and takes twice as long as the whole term.
#[cube]
fn inverse_root(x: f32) -> f32 {
    let seed = f32::reinterpret(0x5f1f_fff9u32 - (u32::reinterpret(x) >> 1u32));
    let first = seed * 0.703_952_25 * fma(x * seed, -seed, 2.389_244_6);
    let t = x * first * first;
    first * fma(t, fma(t, 0.375, -1.25), 1.875)
}

/// Returns the root of `p` minus that of `q`, without cancellation where both are nearly equal.
#[cube]
pub(super) fn difference_of_roots(p: f32, q: f32, root_p: f32, root_q: f32) -> f32 {
    // The root of the smallest normal number, where both are 0.
    (p - q) / f32::max(root_p + root_q, 1.0842022e-19)
}

/// One outcome's part of four times the Jensen-Shannon divergence of two distributions.
///
/// `root_p` is the fourth root of `8 p`. It is the polynomial of the kernel for processors
/// (`distance/jensen_shannon_f32.rs`), which loses nothing where the distributions are nearly equal.
#[cube]
fn divergence(p: f32, q: f32, root_p: f32, root_q: f32) -> f32 {
    let sum = f32::max(p + q, 1.1754944e-38);
    let inverse = inverse_root(sum);
    let t = fma(root_p * root_q, inverse, -1.0);
    let difference = (p - q) * inverse;
    let square = t * t;
    let mut even = fma(-0.0023234752f32, square, 0.0018868692);
    let mut odd = fma(0.00037496994f32, square, 0.0047397474);
    even = fma(even, square, 0.03153289);
    odd = fma(odd, square, -0.024579164);
    even = fma(even, square, -0.1427381);
    odd = fma(odd, square, 0.046664458);
    even = fma(even, square, 1.3047894);
    odd = fma(odd, square, -0.22034727);
    difference * difference * fma(odd, t, even)
}
