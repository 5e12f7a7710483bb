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

use super::vectorized;
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
        vectorized::divergence(p, q)
    }
}

/// The divergence in `f32`, to be compiled for a vector extension; `FMA` where it multiplies and
/// adds in one instruction.
#[inline(always)]
pub(super) fn divergence_of<const FMA: bool>(p: &[F32Lanes], q: &[F32Lanes]) -> f64 {
    let mut sums = [0.0; F32_LANES];
    for (p, q) in p.iter().zip(q) {
        // A counted loop over fixed arrays; built from array adapters it does not vectorise.
        for (k, total) in sums.iter_mut().enumerate() {
            // The bound keeps 0 / 0 out: two zero masses contribute exactly zero.
            let sum = (p.mass[k] + q.mass[k]).max(f32::MIN_POSITIVE);
            let inverse_root = 1.0 / sum.sqrt();
            let t = mul_add::<FMA>(p.root[k] * q.root[k], inverse_root, -1.0);
            let difference = (p.mass[k] - q.mass[k]) * inverse_root;
            let term = difference * difference;
            *total = mul_add::<FMA>(term, entropy_quotient::<FMA>(t), *total);
        }
    }
    0.25 * f64::from(sum_pairwise(sums))
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

/// `a * b + c`; fused only where the target does it in one instruction, else a slow call.
#[inline(always)]
fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// [`ENTROPY_QUOTIENT`] at `t`; even and odd powers apart, which halves the dependency chain.
#[inline(always)]
fn entropy_quotient<const FMA: bool>(t: f32) -> f32 {
    let square = t * t;
    let (mut even, mut odd) = (ENTROPY_QUOTIENT[8], ENTROPY_QUOTIENT[9]);
    for power in [6, 4, 2, 0] {
        even = mul_add::<FMA>(even, square, ENTROPY_QUOTIENT[power]);
        odd = mul_add::<FMA>(odd, square, ENTROPY_QUOTIENT[power + 1]);
    }
    mul_add::<FMA>(odd, t, even)
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
mod tests;
