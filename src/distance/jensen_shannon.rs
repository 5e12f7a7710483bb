//! Kernels of the Jensen-Shannon distance between discrete distributions, without cancellation.
//!
//! The distance is the square root of the Jensen-Shannon divergence with natural logarithms: 0 for equal
//! rows, `sqrt(ln 2) = 0.8326` for disjoint distributions. Rows need not sum to one; nothing is
//! renormalised. Masses must not be negative, nor above an eighth of the largest number of their type
//! (the reciprocal of a sum of larger masses would lose digits in the gradient).
//!
//! # Why not entropies
//!
//! The usual form, the entropy of the mean minus the mean of the entropies, subtracts numbers near
//! `ln n` to obtain one that vanishes as the rows approach each other. For nearly equal rows, as in a
//! collapsing attention map, the distance is then wrong by 14 % in `f32`. That form also turns a
//! rounding error in the sum of a row into an error of the divergence. Here every term is non-negative,
//! and small exactly where both rows give the outcome nearly equal masses. With `s = p + q` and
//! `delta = (p - q) / s` for each outcome,
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
//! # How the two types evaluate it
//!
//! Neither calls the logarithm for a pair of masses, nor branches on them, so that the compiler vectorises
//! both.
//!
//! In `f32`, `g(delta^2) / delta^2` is a polynomial in `(1 - delta^2)^(1/4) = (4 p q / s^2)^(1/4)`, which
//! costs one reciprocal square root per pair of masses if the fourth root of each mass is stored beforehand.
//!
//! A polynomial for `f64` would need many more terms, because that variable leaves `g` with a logarithm at
//! disjoint outcomes. Instead the logarithm of each mass is stored beforehand. With `a` the larger and `b`
//! the smaller mass,
//!
//! ```text
//! g(delta^2) / 2 = delta^2 / 2 + delta^4 / 12 + delta^6 / 30 + ...      for delta < 9/16
//!                = ln(1 + delta) - b / s * (ln a - ln b)                 otherwise
//! ```
//!
//! where the series and `ln(1 + delta)` are one polynomial each. Both lines are evaluated, and one of the
//! results is selected. The second line would cancel for small `delta`; the first needs too many terms for
//! large ones.
//!
//! # Why masses are scaled
//!
//! The term of nearly equal masses near 1e-300 is below the smallest normal number, and loses its digits.
//! All masses are therefore multiplied by a power of 16 beforehand, which brings the largest far above 1.
//! Such a factor changes no digit of the masses, of their fourth roots or of the distance.
//!
//! # Source
//!
//! J. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991).

use super::element::Kernel;
use super::extension::Extension;
use super::jensen_shannon_f32::{F32_LANES, F32Lanes};
use super::jensen_shannon_f64::{F64_LANES, F64Lanes};
use super::vectorized;

impl Kernel for f32 {
    type Lanes = F32Lanes;

    const LANES: usize = F32_LANES;

    #[inline]
    fn prepare(outcomes: &[f32], scale: f32) -> F32Lanes {
        F32Lanes::new(outcomes, scale)
    }

    #[inline]
    fn divergences<const N: usize>(
        extension: Extension,
        p: &[F32Lanes],
        q: [&[F32Lanes]; N],
    ) -> [f64; N] {
        vectorized::divergences_f32(extension, p, q)
    }

    #[inline]
    fn add_outcome(extension: Extension, i: usize, outcome: &[F32Lanes], divergences: &mut [f64]) {
        vectorized::add_outcome_f32(extension, i, outcome, divergences);
    }

    #[inline]
    fn add_terms(extension: Extension, [p, q]: [&F32Lanes; 2], n: usize, divergence: &mut f64) {
        for term in &vectorized::terms_f32(extension, p, q)[..n] {
            *divergence += 0.25 * f64::from(*term);
        }
    }

    #[inline]
    fn add_log_ratios(
        extension: Extension,
        rows: [&[f32]; 2],
        scale: f64,
        gradients: [&mut [f32]; 2],
    ) {
        vectorized::add_log_ratios_f32(extension, rows, scale as f32, gradients);
    }
}

impl Kernel for f64 {
    type Lanes = F64Lanes;

    const LANES: usize = F64_LANES;

    #[inline]
    fn prepare(outcomes: &[f64], scale: f64) -> F64Lanes {
        F64Lanes::new(outcomes, scale)
    }

    #[inline]
    fn divergences<const N: usize>(
        extension: Extension,
        p: &[F64Lanes],
        q: [&[F64Lanes]; N],
    ) -> [f64; N] {
        vectorized::divergences_f64(extension, p, q)
    }

    #[inline]
    fn add_outcome(extension: Extension, i: usize, outcome: &[F64Lanes], divergences: &mut [f64]) {
        vectorized::add_outcome_f64(extension, i, outcome, divergences);
    }

    #[inline]
    fn add_terms(extension: Extension, [p, q]: [&F64Lanes; 2], n: usize, divergence: &mut f64) {
        for term in &vectorized::terms_f64(extension, p, q)[..n] {
            *divergence += 0.5 * term;
        }
    }

    #[inline]
    fn add_log_ratios(
        extension: Extension,
        rows: [&[f64]; 2],
        scale: f64,
        gradients: [&mut [f64]; 2],
    ) {
        vectorized::add_log_ratios_f64(extension, rows, scale, gradients);
    }
}
