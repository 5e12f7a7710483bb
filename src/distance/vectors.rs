//! Distances between vectors: Euclidean, cosine, and Hellinger by way of square roots.
//!
//! All three are Euclidean distances of prepared rows, in `f64` whatever the rows are: differences
//! of nearly equal numbers would not keep the accuracy of an `f32` result.

/// Lanes of one step: one AVX-512 register, two of AVX2, four of SSE2 or NEON.
const LANES: usize = 8;

/// Squared Euclidean distances, to be compiled for a vector extension.
#[inline(always)]
pub(super) fn squared_distances_of<const FMA: bool, const N: usize>(
    u: &[f64],
    v: [&[f64]; N],
) -> [f64; N] {
    let mut totals = [0.0; N];
    // Loops, not closures, which would not be compiled for the extension.
    for (total, v) in totals.iter_mut().zip(v) {
        *total = squared_distance::<FMA>(u, v);
    }
    totals
}

#[inline(always)]
fn squared_distance<const FMA: bool>(u: &[f64], v: &[f64]) -> f64 {
    let (u_chunks, u_rest) = u.as_chunks::<LANES>();
    let (v_chunks, v_rest) = v.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (u, v) in u_chunks.iter().zip(v_chunks) {
        for (k, sum) in sums.iter_mut().enumerate() {
            let apart = u[k] - v[k];
            *sum = if FMA {
                apart.mul_add(apart, *sum)
            } else {
                apart * apart + *sum
            };
        }
    }
    for (k, (u, v)) in u_rest.iter().zip(v_rest).enumerate() {
        sums[k] += (u - v) * (u - v);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// The row divided by its length; a row of zeros stays one.
pub(super) fn normalize(row: &mut [f64]) {
    let largest = row.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    if largest == 0.0 {
        return;
    }
    // By the largest first, so that squares neither overflow nor vanish.
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
