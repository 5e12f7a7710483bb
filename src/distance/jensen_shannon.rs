//! The Jensen-Shannon distance between discrete distributions, free of cancellation.
//!
//! The distance is the square root of the Jensen-Shannon divergence, with natural logarithms: 0
//! for equal rows, `sqrt(ln 2) = 0.8326` for disjoint distributions. Rows need not sum to one;
//! nothing is renormalised. Masses must not be negative, nor above an eighth of the largest number
//! of their type.
//!
//! # Why not entropies
//!
//! The usual form, the entropy of the mean less the mean of the entropies, subtracts numbers near
//! `ln n` to obtain one that vanishes as the rows approach each other. On nearly equal rows, where
//! a collapsing attention map puts all of them, `f32` then gets the distance wrong by 14 %. It
//! also turns a rounding error in the sum of a row into an error of the divergence. Here every
//! term is positive and small exactly when the outcome agrees. With `s = p + q` and
//! `delta = (p - q) / s`,
//!
//! ```text
//! divergence = sum s / 4 * g(delta^2)
//! g(delta^2) = (1 + delta) ln(1 + delta) + (1 - delta) ln(1 - delta)
//!            = delta^2 + delta^4 / 6 + delta^6 / 15 + ...
//! ```
//!
//! so that the sum keeps the relative accuracy of its terms: 1e-6 of the distance in `f32`, 1e-13
//! in `f64`.
//!
//! # Source
//!
//! J. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991).

use crate::real::Real;
use std::fmt::Debug;

/// Lanes of one `f32` step: one AVX-512 register, two of AVX2, four of SSE2 or NEON.
const F32_LANES: usize = 16;

/// Lane groups summed in the precision of the rows before `f64` takes over.
const BLOCK: usize = 16;

/// `g(delta^2) / delta^2` in rising powers of `t = 2 y - 1`, `y = (1 - delta^2)^(1/4)`.
///
/// Fitted to a relative error of 4.0e-7 over `y` in `[0, 1]` by `scripts/fit_jensen_shannon.py`.
/// In `y` the quotient is smooth enough up to disjoint outcomes that neither a logarithm nor a case
/// distinction is left.
const ENTROPY_QUOTIENT: [f32; 10] = [
    1.3047894,
    -0.22034727,
    -0.1427381,
    0.046664458,
    0.03153289,
    -0.024579164,
    0.0018868692,
    0.0047397474,
    -0.0023234752,
    0.00037496994,
];

/// Terms of the `f64` series, enough for 1e-17 below [`SERIES_LIMIT`].
const SERIES_TERMS: u32 = 12;

/// Largest `delta^2` for which the `f64` kernel sums the series of `g`.
const SERIES_LIMIT: f64 = 1.0 / 16.0;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A floating-point type with a Jensen-Shannon kernel: `f32` (fast) or `f64` (accurate).
///
/// # Example
///
/// ```
/// use burn_topology::distance::{JensenShannonKernel, distance};
///
/// fn apart<T: JensenShannonKernel>(rows: &[[T; 2]; 2]) -> T {
///     distance(&rows[0], &rows[1])
/// }
/// let nearly_equal = apart(&[[0.5, 0.5], [0.5 + 1e-7, 0.5 - 1e-7]]);
/// assert!((nearly_equal / 7.071067811865e-8 - 1.0_f64).abs() < 1e-8);
/// assert_eq!(apart(&[[0.25_f32, 0.75], [0.25, 0.75]]), 0.0);
/// ```
pub trait JensenShannonKernel: Real + sealed::Sealed {
    /// Up to [`LANES`](Self::LANES) consecutive outcomes of a row, prepared for the kernel.
    type Lanes: Copy + Debug + Default + Send + Sync;

    /// Outcomes in one [`Lanes`](Self::Lanes).
    const LANES: usize;

    /// Prepares 1 to `LANES` outcomes; absent ones count as zero mass, which adds nothing.
    fn prepare(outcomes: &[Self]) -> Self::Lanes;

    /// Divergence of the outcomes of `p` from those of `q`, symmetric bit for bit.
    fn divergence(p: &[Self::Lanes], q: &[Self::Lanes]) -> f64;
}

/// Masses `m` of sixteen outcomes, with `(8 m)^(1/4)` of each.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub struct F32Lanes {
    mass: [f32; F32_LANES],
    root: [f32; F32_LANES],
}

impl JensenShannonKernel for f32 {
    type Lanes = F32Lanes;

    const LANES: usize = F32_LANES;

    #[inline]
    fn prepare(outcomes: &[f32]) -> F32Lanes {
        let mut mass = [0.0; F32_LANES];
        mass[..outcomes.len()].copy_from_slice(outcomes);
        let root = mass.map(|m| (8.0 * m).sqrt().sqrt());
        F32Lanes { mass, root }
    }

    #[inline]
    fn divergence(p: &[F32Lanes], q: &[F32Lanes]) -> f64 {
        let mut sums = [0.0; F32_LANES];
        for (p, q) in p.iter().zip(q) {
            // A counted loop over fixed arrays; built from array adapters it does not vectorise.
            for (k, total) in sums.iter_mut().enumerate() {
                // The bound keeps 0 / 0 out: two zero masses contribute exactly zero.
                let sum = (p.mass[k] + q.mass[k]).max(f32::MIN_POSITIVE);
                let inverse_root = 1.0 / sum.sqrt();
                let t = mul_add(p.root[k] * q.root[k], inverse_root, -1.0);
                let difference = (p.mass[k] - q.mass[k]) * inverse_root;
                let term = difference * difference;
                *total = mul_add(term, entropy_quotient(t), *total);
            }
        }
        0.25 * f64::from(sum_pairwise(sums))
    }
}

impl JensenShannonKernel for f64 {
    type Lanes = f64;

    const LANES: usize = 1;

    #[inline]
    fn prepare(outcomes: &[f64]) -> f64 {
        outcomes[0]
    }

    #[inline]
    fn divergence(p: &[f64], q: &[f64]) -> f64 {
        let terms = p.iter().zip(q).map(|(&p, &q)| entropy_term(p, q));
        0.25 * terms.sum::<f64>()
    }
}

/// `a * b + c`, fused only where the target does it in one instruction.
#[inline(always)]
fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

/// [`ENTROPY_QUOTIENT`] at `t`; even and odd powers apart, which halves the dependency chain.
#[inline(always)]
fn entropy_quotient(t: f32) -> f32 {
    let square = t * t;
    let (mut even, mut odd) = (ENTROPY_QUOTIENT[8], ENTROPY_QUOTIENT[9]);
    for power in [6, 4, 2, 0] {
        even = mul_add(even, square, ENTROPY_QUOTIENT[power]);
        odd = mul_add(odd, square, ENTROPY_QUOTIENT[power + 1]);
    }
    mul_add(odd, t, even)
}

/// Sum of the lanes in a fixed order, halves onto halves.
#[inline(always)]
fn sum_pairwise(mut lanes: [f32; F32_LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for k in 0..half {
            lanes[k] += lanes[k + half];
        }
    }
    lanes[0]
}

/// `s g(delta^2)` of one outcome.
#[inline]
fn entropy_term(p: f64, q: f64) -> f64 {
    let sum = p + q;
    if sum == 0.0 {
        return 0.0;
    }
    let delta = (p - q).abs() / sum;
    let square = delta * delta;
    if square < SERIES_LIMIT {
        let series = (1..=SERIES_TERMS).rev().fold(0.0, |tail, k| {
            tail * square + 1.0 / f64::from(k * (2 * k - 1))
        });
        return sum * square * series;
    }
    let complement = 2.0 * p.min(q) / sum;
    let lesser = if complement > 0.0 {
        complement * complement.ln()
    } else {
        0.0
    };
    sum * ((1.0 + delta) * delta.ln_1p() + lesser)
}

/// All Jensen-Shannon distances between the rows of a matrix; keeps its scratch between matrices.
///
/// # Example
///
/// ```
/// use burn_topology::distance::JensenShannon;
///
/// let rows = [0.5, 0.5, 0.0, 0.25, 0.25, 0.5];
/// let mut distances = [0.0_f64; 4];
/// JensenShannon::default().pairwise(&rows, 3, &mut distances);
/// assert_eq!(distances[0], 0.0);
/// assert!((distances[1] - 0.464501404).abs() < 1e-9);
/// assert_eq!(distances[1], distances[2]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct JensenShannon<T: JensenShannonKernel> {
    rows: Vec<T::Lanes>,
}

impl<T: JensenShannonKernel> JensenShannon<T> {
    /// Distances between all rows, symmetric bit for bit, with a zero diagonal.
    ///
    /// # Shapes
    ///
    /// `rows` is `[n_points, n_outcomes]`, `distances` is `[n_points, n_points]`, both row-major.
    ///
    /// # Cost
    ///
    /// `n_points^2 / 2 * n_outcomes` kernel steps on the calling thread. Nothing is allocated once
    /// a matrix of this size has been seen.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit the shapes.
    pub fn pairwise(&mut self, rows: &[T], n_outcomes: usize, distances: &mut [T]) {
        let n_points = rows.len().checked_div(n_outcomes).unwrap_or(0);
        assert_eq!(rows.len(), n_points * n_outcomes, "rows are incomplete");
        assert_eq!(distances.len(), n_points * n_points, "not a square matrix");
        let width = n_outcomes.div_ceil(T::LANES);
        self.rows.clear();
        for row in rows.chunks_exact(n_outcomes.max(1)) {
            self.rows.extend(row.chunks(T::LANES).map(T::prepare));
        }
        for i in 0..n_points {
            let p = &self.rows[i * width..][..width];
            for j in 0..i {
                let q = &self.rows[j * width..][..width];
                let blocks = p.chunks(BLOCK).zip(q.chunks(BLOCK));
                let divergence = blocks.map(|(p, q)| T::divergence(p, q)).sum();
                let distance = root::<T>(divergence);
                distances[i * n_points + j] = distance;
                distances[j * n_points + i] = distance;
            }
            distances[i * n_points + i] = T::zero();
        }
    }
}

/// Jensen-Shannon distance of two rows, the same bits as [`JensenShannon::pairwise`] gives.
///
/// # Panics
///
/// If the rows differ in length.
///
/// # Example
///
/// ```
/// use burn_topology::distance::distance;
///
/// let disjoint = distance(&[1.0, 0.0], &[0.0, 1.0]);
/// assert!((disjoint - 2f64.ln().sqrt()).abs() < 1e-15);
/// ```
pub fn distance<T: JensenShannonKernel>(p: &[T], q: &[T]) -> T {
    assert_eq!(p.len(), q.len(), "rows differ in length");
    let length = BLOCK * T::LANES;
    let blocks = p.chunks(length).zip(q.chunks(length));
    root(blocks.map(|(p, q)| block_divergence(p, q)).sum())
}

/// Divergence of at most [`BLOCK`] lane groups, prepared on the stack.
fn block_divergence<T: JensenShannonKernel>(p: &[T], q: &[T]) -> f64 {
    let width = p.len().div_ceil(T::LANES);
    let [p, q] = [p, q].map(|row| {
        let mut prepared = [T::Lanes::default(); BLOCK];
        for (lanes, outcomes) in prepared.iter_mut().zip(row.chunks(T::LANES)) {
            *lanes = T::prepare(outcomes);
        }
        prepared
    });
    T::divergence(&p[..width], &q[..width])
}

#[inline]
fn root<T: Real>(divergence: f64) -> T {
    T::from_f64_nearest(divergence.sqrt())
}

/// Adds `upstream` times the gradient of [`distance`] to the gradients of its two rows.
///
/// # Shapes
///
/// All four slices have one entry for each outcome.
///
/// # Gradient
///
/// `d distance / d p_k = ln(2 p_k / (p_k + q_k)) / (4 distance)`, and the same with `p` and `q`
/// exchanged: the free derivative, not projected onto rows of constant sum. It is defined as 0
/// where the distance is 0 and for an outcome without mass in either row. Where `p_k = 0 < q_k`
/// the derivative is infinite; the logarithm is then taken at the smallest normal number.
///
/// # Panics
///
/// If the slices differ in length.
///
/// # Example
///
/// ```
/// use burn_topology::distance::accumulate_gradient;
///
/// let (p, q) = ([0.9, 0.1], [0.5, 0.5]);
/// let (mut grad_p, mut grad_q) = ([0.0; 2], [0.0; 2]);
/// accumulate_gradient(&p, &q, 1.0, &mut grad_p, &mut grad_q);
/// // Mass that moves from the first outcome of `p` to the second brings the rows together.
/// assert!(grad_p[0] > 0.0 && grad_p[1] < 0.0);
/// ```
pub fn accumulate_gradient<T: JensenShannonKernel>(
    p: &[T],
    q: &[T],
    upstream: T,
    grad_p: &mut [T],
    grad_q: &mut [T],
) {
    assert_eq!(p.len(), grad_p.len(), "row and gradient differ in length");
    assert_eq!(q.len(), grad_q.len(), "row and gradient differ in length");
    let distance = distance(p, q);
    if distance == T::zero() {
        return;
    }
    let scale = upstream * T::from_f64_nearest(0.25) / distance;
    let gradients = grad_p.iter_mut().zip(grad_q);
    for ((&p, &q), (grad_p, grad_q)) in p.iter().zip(q).zip(gradients) {
        if p + q > T::zero() {
            *grad_p = *grad_p + scale * log_relative_mass(p, q);
            *grad_q = *grad_q + scale * log_relative_mass(q, p);
        }
    }
}

/// `ln(2 p / (p + q))`, accurate near 1 and finite at `p = 0`.
fn log_relative_mass<T: Real>(p: T, q: T) -> T {
    let sum = p + q;
    let delta = (p - q) / sum;
    if delta > T::from_f64_nearest(-0.5) {
        delta.ln_1p()
    } else {
        ((p + p) / sum).max(T::min_positive_value()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        let error = (found - expected).abs();
        assert!(error <= tolerance, "{found:e} is not {expected:e}");
    }

    fn pairwise<T: JensenShannonKernel>(rows: &[T], n_outcomes: usize) -> Vec<T> {
        let n_points = rows.len() / n_outcomes;
        let mut distances = vec![T::nan(); n_points * n_points];
        JensenShannon::default().pairwise(rows, n_outcomes, &mut distances);
        distances
    }

    fn widened(row: &[f32]) -> Vec<f64> {
        row.iter().map(|&mass| f64::from(mass)).collect()
    }

    /// Two rows whose outcomes differ by about `scale`, relatively; every seventh is empty.
    fn rows_apart(n_outcomes: u32, scale: f64) -> (Vec<f32>, Vec<f32>) {
        let mass = |k: u32| {
            if k % 7 == 3 {
                0.0
            } else {
                f64::from(k * 37 % 101 + 1)
            }
        };
        let wobble = |k: u32| 1.0 + scale * (f64::from(k * 53 % 97) / 48.0 - 1.0);
        let p = (0..n_outcomes).map(|k| (mass(k) * 1e-4) as f32);
        let q = (0..n_outcomes).map(|k| (mass(k) * 1e-4 * wobble(k)) as f32);
        (p.collect(), q.collect())
    }

    #[test]
    fn known_distances_are_reproduced() {
        let cases: [(&[f64], &[f64], f64); 5] = [
            (&[0.2, 0.3, 0.5], &[0.2, 0.3, 0.5], 0.0),
            (&[1.0, 0.0], &[0.0, 1.0], 0.832554611),
            (&[0.5, 0.5, 0.0], &[0.25, 0.25, 0.5], 0.464501404),
            (&[0.5, 0.5], &[0.25, 0.75], 0.183907791),
            // Not renormalised: four times the mass, twice the distance.
            (&[2.0, 2.0], &[1.0, 3.0], 0.367815582),
        ];
        for (p, q, expected) in cases {
            assert_close(distance(p, q), expected, 1e-9);
            let [p, q] = [p, q].map(|row| row.iter().map(|&m| m as f32).collect::<Vec<_>>());
            assert_close(f64::from(distance(&p, &q)), expected, 8e-7 * expected);
        }
    }

    #[test]
    fn nearly_equal_rows_keep_their_relative_accuracy() {
        let found: f64 = distance(&[0.5, 0.5], &[0.5 + 1e-7, 0.5 - 1e-7]);
        assert_close(found, 7.071067811865e-8, 1e-16);
    }

    #[test]
    fn double_precision_agrees_with_reference_values() {
        // Evaluated with 60 digits; on either side of the switch from series to logarithms.
        let cases = [
            ([0.625, 0.375], [0.375, 0.625], 0.1777187170839449),
            ([0.624, 0.376], [0.376, 0.624], 0.17628173290199828),
            ([0.999, 0.001], [0.001, 0.999], 0.8277921994363762),
        ];
        for (p, q, expected) in cases {
            assert_close(distance(&p, &q), expected, 1e-13 * expected);
        }
    }

    #[test]
    fn single_precision_follows_double_from_collapse_to_disjoint() {
        for n_outcomes in [1, 15, 16, 17, 65, 197, 1000] {
            for exponent in -6..=0 {
                let (p, q) = rows_apart(n_outcomes, 10f64.powi(exponent));
                let expected = distance(&widened(&p), &widened(&q));
                assert_close(f64::from(distance(&p, &q)), expected, 1e-6 * expected);
            }
            let (p, _) = rows_apart(n_outcomes, 0.0);
            let apart = [p.clone(), vec![0.0; p.len()]].concat();
            let mirrored = [vec![0.0; p.len()], p].concat();
            let expected = distance(&widened(&apart), &widened(&mirrored));
            let found = f64::from(distance(&apart, &mirrored));
            assert_close(found, expected, 1e-6 * expected);
        }
    }

    #[test]
    fn rows_without_mass_are_at_distance_zero() {
        assert_eq!(distance(&[0.0_f32; 20], &[0.0; 20]), 0.0);
        assert_eq!(distance(&[0.0_f64; 20], &[0.0; 20]), 0.0);
    }

    #[test]
    fn matrix_holds_the_distances_of_single_pairs() {
        let (p, q) = rows_apart(300, 0.5);
        let matrix = pairwise(&[p.clone(), q.clone()].concat(), 300);
        assert_eq!(matrix, [0.0, distance(&p, &q), distance(&p, &q), 0.0]);
        let (p, q) = (widened(&p), widened(&q));
        let matrix = pairwise(&[p.clone(), q.clone()].concat(), 300);
        assert_eq!(matrix, [0.0, distance(&p, &q), distance(&p, &q), 0.0]);
    }

    #[test]
    fn a_used_workspace_gives_what_a_new_one_gives() {
        let mut workspace = JensenShannon::default();
        workspace.pairwise(&[0.1_f32; 90], 30, &mut [1.0; 9]);
        let mut distances = [1.0; 4];
        workspace.pairwise(&[1.0, 0.0, 0.0, 1.0], 2, &mut distances);
        assert_eq!(distances.to_vec(), pairwise(&[1.0, 0.0, 0.0, 1.0_f32], 2));
    }

    #[test]
    fn no_points_and_one_point_are_accepted() {
        let mut workspace = JensenShannon::<f32>::default();
        workspace.pairwise(&[], 5, &mut []);
        workspace.pairwise(&[], 0, &mut []);
        let mut distances = [1.0];
        workspace.pairwise(&[0.4, 0.6], 2, &mut distances);
        assert_eq!(distances, [0.0]);
    }

    #[test]
    fn gradient_agrees_with_central_differences() {
        let p = [0.3, 0.05, 0.25, 0.4, 1.5];
        let q = [0.1, 0.45, 0.2500001, 0.2, 0.01];
        let (mut grad_p, mut grad_q) = ([1.0; 5], [0.0; 5]);
        accumulate_gradient(&p, &q, 2.0, &mut grad_p, &mut grad_q);
        for k in 0..5 {
            let at = |row: &[f64; 5], step: f64| {
                let mut moved = *row;
                moved[k] += step;
                moved
            };
            let step = 1e-6;
            let slope_p = (distance(&at(&p, step), &q) - distance(&at(&p, -step), &q)) / step;
            let slope_q = (distance(&p, &at(&q, step)) - distance(&p, &at(&q, -step))) / step;
            assert_close(grad_p[k], 1.0 + slope_p, 1e-8);
            assert_close(grad_q[k], slope_q, 1e-8);
        }
    }

    #[test]
    fn single_precision_gradient_follows_double() {
        let (p, q) = rows_apart(65, 1e-3);
        let (mut grad_p, mut grad_q) = ([0.0; 65], [0.0; 65]);
        accumulate_gradient(&p, &q, 1.0, &mut grad_p, &mut grad_q);
        let (mut wide_p, mut wide_q) = ([0.0; 65], [0.0; 65]);
        accumulate_gradient(&widened(&p), &widened(&q), 1.0, &mut wide_p, &mut wide_q);
        for k in 0..65 {
            assert_close(f64::from(grad_p[k]), wide_p[k], 2e-6 * wide_p[k].abs());
            assert_close(f64::from(grad_q[k]), wide_q[k], 2e-6 * wide_q[k].abs());
        }
    }

    #[test]
    fn gradient_of_equal_rows_is_zero() {
        let row = [0.2_f32, 0.3, 0.5];
        let (mut grad_p, mut grad_q) = ([0.0; 3], [0.0; 3]);
        accumulate_gradient(&row, &row, 1.0, &mut grad_p, &mut grad_q);
        assert_eq!((grad_p, grad_q), ([0.0; 3], [0.0; 3]));
    }

    #[test]
    fn gradient_is_finite_at_empty_outcomes() {
        let (mut grad_p, mut grad_q) = ([0.0; 3], [0.0; 3]);
        accumulate_gradient(
            &[0.0_f64, 1.0, 0.0],
            &[1.0, 0.0, 0.0],
            1.0,
            &mut grad_p,
            &mut grad_q,
        );
        // ln 2 and ln of the smallest normal number, over 4 sqrt(ln 2).
        assert_close(grad_q[0], 0.208138653, 1e-9);
        assert_close(grad_p[0], -212.717703, 1e-6);
        assert_eq!(
            [grad_p[0], grad_p[1], grad_p[2]],
            [grad_q[1], grad_q[0], 0.0]
        );
    }

    proptest! {
        #[test]
        fn single_precision_matrix_is_symmetric_and_accurate(
            n_outcomes in 1_usize..40,
            masses in prop::collection::vec(prop_oneof![Just(0.0_f32), 1e-6_f32..1.0], 160),
        ) {
            let rows = &masses[..4 * n_outcomes];
            let found = pairwise(rows, n_outcomes);
            let expected = pairwise(&widened(rows), n_outcomes);
            for (index, (&found_ij, &expected_ij)) in found.iter().zip(&expected).enumerate() {
                prop_assert_eq!(found_ij, found[index % 4 * 4 + index / 4]);
                prop_assert!((f64::from(found_ij) - expected_ij).abs() <= 1e-6 * expected_ij);
            }
        }
    }
}
