//! Sums over the differences of two rows: squared for the Euclidean, cosine and Hellinger distances,
//! absolute for the total variation distance.
//!
//! ```text
//! Euclidean:       |u - v|
//! cosine:          1 - cos(u, v) = 1/2 |u/|u| - v/|v||^2
//! Hellinger:       sqrt(1/2 |sqrt u - sqrt v|^2)
//! total variation: 1/2 sum_k |u_k - v_k|
//! ```
//!
//! The first three are functions of the squared Euclidean distance of prepared rows (unchanged, divided
//! by their lengths, square roots of the entries). All are summed in `f64` for `f32` rows too: in `f32`
//! the differences of nearly equal numbers would not keep the accuracy of an `f32` result.

/// Numbers per step of the kernel: one AVX-512 register, two of AVX2, four of SSE2 or NEON.
const LANES: usize = 8;

/// Squared Euclidean distances between `u` and each of `v`, to be inlined into a function that is
/// compiled for a vector extension.
#[inline(always)]
pub(super) fn squared_distances_f64<const FMA: bool, const N: usize>(
    u: &[f64],
    v: [&[f64]; N],
) -> [f64; N] {
    let mut totals = [0.0; N];
    // A loop, because a closure (as in `v.map(..)`) would not be compiled for the extension.
    for (total, v) in totals.iter_mut().zip(v) {
        *total = squared_distance::<FMA>(u, v);
    }
    totals
}

#[inline(always)]
fn squared_distance<const FMA: bool>(u: &[f64], v: &[f64]) -> f64 {
    let (u_chunks, u_rest) = u.as_chunks::<LANES>();
    let (v_chunks, v_rest) = v.as_chunks::<LANES>();
    // One sum per lane, so that no addition waits for the one before it.
    let mut sums = [0.0; LANES];
    for (u, v) in u_chunks.iter().zip(v_chunks) {
        for (k, sum) in sums.iter_mut().enumerate() {
            let difference = u[k] - v[k];
            // Without the instruction, `mul_add` would be a slow library call.
            *sum = if FMA {
                difference.mul_add(difference, *sum)
            } else {
                difference * difference + *sum
            };
        }
    }
    // The tail that fills no chunk: up to seven numbers, added to the first lanes one by one.
    for (k, (u, v)) in u_rest.iter().zip(v_rest).enumerate() {
        sums[k] += (u - v) * (u - v);
    }
    // A fixed order of additions: the same bits for every extension that rounds alike.
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// Sums of the absolute differences between `u` and each of `v`, to be inlined into a function that is
/// compiled for a vector extension.
#[inline(always)]
pub(super) fn sums_of_differences_f64<const N: usize>(u: &[f64], v: [&[f64]; N]) -> [f64; N] {
    let mut totals = [0.0; N];
    // A loop for the same reason as in `squared_distances_f64`.
    for (total, v) in totals.iter_mut().zip(v) {
        *total = sum_of_differences(u, v);
    }
    totals
}

#[inline(always)]
fn sum_of_differences(u: &[f64], v: &[f64]) -> f64 {
    let (u_chunks, u_rest) = u.as_chunks::<LANES>();
    let (v_chunks, v_rest) = v.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (u, v) in u_chunks.iter().zip(v_chunks) {
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum += (u[k] - v[k]).abs();
        }
    }
    for (k, (u, v)) in u_rest.iter().zip(v_rest).enumerate() {
        sums[k] += (u - v).abs();
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// Divides a row by its Euclidean length; a row of zeros is left as it is.
pub(super) fn normalize(row: &mut [f64]) {
    let largest = row.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    if largest == 0.0 {
        return;
    }
    // Entries are divided by the largest before they are squared: no square overflows or underflows.
    let length = largest
        * row
            .iter()
            .map(|x| (x / largest).powi(2))
            .sum::<f64>()
            .sqrt();
    for x in row {
        *x /= length;
    }
}
