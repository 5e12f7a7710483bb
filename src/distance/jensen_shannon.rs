//! Kernels of the Jensen-Shannon distance between discrete distributions, without cancellation.
//!
//! The distance is the square root of the Jensen-Shannon divergence with natural logarithms: 0 for equal
//! rows, `sqrt(ln 2) = 0.8326` for disjoint distributions. Rows need not sum to one; nothing is
//! renormalised. Masses must not be negative, nor above an eighth of the largest number of their type
//! (the `f32` kernel multiplies them by 8).
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
//! `f64` sums the series where `delta` is small and calls the logarithm elsewhere. `f32` avoids both the
//! branch and the logarithm, so that the compiler vectorises it: `g(delta^2) / delta^2` is a polynomial
//! in `(1 - delta^2)^(1/4) = (4 p q / s^2)^(1/4)`, which costs one reciprocal square root per pair of
//! masses if the fourth root of each mass is stored beforehand.
//!
//! # Source
//!
//! J. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991).

use super::element::Kernel;
use super::extension::Extension;
use super::jensen_shannon_f32::{BLOCK, F32_LANES, F32Lanes};
use super::vectorized;

/// Number of terms of the `f64` series, enough for a relative error of 1e-17 below [`SERIES_LIMIT`].
const SERIES_TERMS: u32 = 12;

/// Upper bound of the `delta^2` for which the `f64` kernel sums the series of `g`.
const SERIES_LIMIT: f64 = 1.0 / 16.0;

impl Kernel for f32 {
    type Lanes = F32Lanes;

    const LANES: usize = F32_LANES;

    #[inline]
    fn prepare(outcomes: &[f32]) -> F32Lanes {
        F32Lanes::new(outcomes)
    }

    #[inline]
    fn divergences<const N: usize>(
        extension: Extension,
        p: &[F32Lanes],
        q: [&[F32Lanes]; N],
    ) -> [f64; N] {
        vectorized::divergences(extension, p, q)
    }

    #[inline]
    fn add_outcome(extension: Extension, i: usize, outcome: &[F32Lanes], divergences: &mut [f64]) {
        vectorized::add_outcome(extension, i, outcome, divergences);
    }

    #[inline]
    fn add_terms(extension: Extension, [p, q]: [&F32Lanes; 2], n: usize, divergence: &mut f64) {
        for term in &vectorized::terms(extension, p, q)[..n] {
            *divergence += 0.25 * f64::from(*term);
        }
    }

    #[inline]
    fn add_log_ratios(
        extension: Extension,
        [p, q]: [&[f32]; 2],
        scale: f64,
        [grad_p, grad_q]: [&mut [f32]; 2],
    ) {
        vectorized::add_log_ratios(extension, [p, q], scale as f32, [grad_p, grad_q]);
    }
}

impl Kernel for f64 {
    type Lanes = f64;

    const LANES: usize = 1;

    #[inline]
    fn prepare(outcomes: &[f64]) -> f64 {
        outcomes[0]
    }

    #[inline]
    fn divergences<const N: usize>(_: Extension, p: &[f64], q: [&[f64]; N]) -> [f64; N] {
        q.map(|q| {
            // Sums of blocks, then the sum of these: see `BLOCK`.
            let blocks = p.chunks(BLOCK).zip(q.chunks(BLOCK));
            let block = |(p, q): (&[f64], &[f64])| -> f64 {
                p.iter().zip(q).map(|(&p, &q)| entropy_term(p, q)).sum()
            };
            0.25 * blocks.map(block).sum::<f64>()
        })
    }

    #[inline]
    fn add_outcome(_: Extension, i: usize, outcome: &[f64], divergences: &mut [f64]) {
        for (divergence, &mass) in divergences.iter_mut().zip(outcome) {
            *divergence += 0.25 * entropy_term(outcome[i], mass);
        }
    }

    #[inline]
    fn add_terms(_: Extension, [p, q]: [&f64; 2], n: usize, divergence: &mut f64) {
        if n > 0 {
            *divergence += 0.25 * entropy_term(*p, *q);
        }
    }

    #[inline]
    fn add_log_ratios(
        _: Extension,
        [p, q]: [&[f64]; 2],
        scale: f64,
        [grad_p, grad_q]: [&mut [f64]; 2],
    ) {
        for ((&p, &q), (grad_p, grad_q)) in p.iter().zip(q).zip(grad_p.iter_mut().zip(grad_q)) {
            // Without mass in either row the ratio is 0 / 0; the gradient is defined as zero.
            if p + q > 0.0 {
                *grad_p += scale * log_relative_mass(p, q);
                *grad_q += scale * log_relative_mass(q, p);
            }
        }
    }
}

/// Returns `s g(delta^2)` for one outcome in `f64`, `s` the sum of the two masses.
#[inline]
fn entropy_term(p: f64, q: f64) -> f64 {
    let sum = p + q;
    if sum == 0.0 {
        return 0.0;
    }
    // `g` is even in `delta`; the absolute value makes the result symmetric bit for bit.
    let delta = (p - q).abs() / sum;
    let square = delta * delta;
    if square < SERIES_LIMIT {
        // g(x) / x = sum_k x^(k - 1) / (k (2 k - 1)), by Horner's rule. The two logarithms below would
        // cancel here.
        let series = (1..=SERIES_TERMS).rev().fold(0.0, |tail, k| {
            tail * square + 1.0 / f64::from(k * (2 * k - 1))
        });
        return sum * square * series;
    }
    // `1 - delta` without the subtraction, which would lose digits near disjoint outcomes.
    let complement = 2.0 * p.min(q) / sum;
    // x ln x tends to 0 as x does.
    let smaller_term = if complement > 0.0 {
        complement * complement.ln()
    } else {
        0.0
    };
    sum * ((1.0 + delta) * delta.ln_1p() + smaller_term)
}

/// Returns `ln(2 p / (p + q))`, accurate where the ratio is near 1 and finite at `p = 0`.
fn log_relative_mass(p: f64, q: f64) -> f64 {
    let sum = p + q;
    let delta = (p - q) / sum;
    // The ratio is `1 + delta`. Near 1 the logarithm needs `delta` itself; near 0 the sum `1 + delta`
    // would cancel, and the ratio is formed directly.
    if delta > -0.5 {
        delta.ln_1p()
    } else {
        ((p + p) / sum).max(f64::MIN_POSITIVE).ln()
    }
}
