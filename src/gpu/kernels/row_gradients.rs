//! Gradient of row distances.

use cubecl::prelude::*;

use super::super::metric::DeviceMetric;
use super::row_distances::difference_of_roots;

/// Computes the gradient of a weighted sum of distances with respect to the rows, both `[g, n, m]`.
///
/// The edges of matrix `k` are `edges[offsets[k]..offsets[k + 1]]`, packed. The slope of an edge is the derivative with
/// respect to its length times the factor of [`DeviceMetric::slope`].
///
/// A unit owns a column of one matrix, and adds the edges in their order, so every run adds the same numbers in the same
/// order. Launch `(ceil(m / block), g)` cubes of `block` units.
#[cube(launch_unchecked)]
pub(in crate::gpu) fn row_gradients(
    rows: &[f32],
    offsets: &[u32],
    edges: &[u32],
    slopes: &[f32],
    gradient: &mut [f32],
    #[comptime] n: usize,
    #[comptime] m: usize,
    #[comptime] block: usize,
    #[comptime] metric: DeviceMetric,
) {
    let matrix = CUBE_POS_Y as usize;
    let column = CUBE_POS_X as usize * block + UNIT_POS as usize;
    if column < m {
        let base = matrix * comptime!(n * m) + column;
        for row in 0..n {
            gradient[base + row * m] = 0.0;
        }
        for k in offsets[matrix]..offsets[matrix + 1] {
            let edge = edges[k as usize];
            let slope = slopes[k as usize];
            let at_i = base + (edge >> 16) as usize * m;
            let at_j = base + (edge & 0xffff) as usize * m;
            let p = rows[at_i];
            let q = rows[at_j];
            if comptime!(metric == DeviceMetric::JensenShannon) {
                gradient[at_i] += slope * log_ratio(p, q);
                gradient[at_j] += slope * log_ratio(q, p);
            } else if comptime!(metric == DeviceMetric::Hellinger) {
                // The root of the smallest normal number, at which an infinite slope is taken.
                let least = 1.0842022e-19f32;
                let root_p = f32::sqrt(p);
                let root_q = f32::sqrt(q);
                let difference = difference_of_roots(p, q, root_p, root_q);
                gradient[at_i] += slope * difference / f32::max(root_p, least);
                gradient[at_j] -= slope * difference / f32::max(root_q, least);
            } else {
                gradient[at_i] += slope * (p - q);
                gradient[at_j] += slope * (q - p);
            }
        }
    }
}

/// Returns `ln(2 p / (p + q))`, and 0 for an outcome without mass; for `p = 0` at the smallest normal number.
#[cube]
fn log_ratio(p: f32, q: f32) -> f32 {
    let sum = p + q;
    let mut result = 0.0f32;
    if sum > 0.0 {
        let relative = (p - q) / sum;
        if f32::abs(relative) < 0.5 {
            // ln(1 + r) = 2 artanh(r / (2 + r)), without the rounding error of 1 + r.
            let z = relative / (2.0 + relative);
            let square = z * z;
            let mut series = fma(square, 0.09090909f32, 0.11111111);
            series = fma(series, square, 0.14285715);
            series = fma(series, square, 0.2);
            series = fma(series, square, 0.33333334);
            result = 2.0 * fma(z * square, series, z);
        } else {
            result = f32::ln(2.0 * f32::max(p, 1.1754944e-38) / sum);
        }
    }
    result
}
