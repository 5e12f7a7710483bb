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
use super::vectorized::{self, Extension};

/// Outcomes per step of the `f32` kernel: one AVX-512 register, two of AVX2, four of SSE2 or NEON.
pub(super) const F32_LANES: usize = 16;

/// Number of steps summed in `f32` before their sum is added to a total in `f64`.
///
/// Short sums keep the rounding errors of `f32` small, and the conversion to `f64` is rare enough to cost
/// nothing. The `f64` kernel sums blocks of as many outcomes, also to keep rounding errors of long rows
/// small.
pub(super) const BLOCK: usize = 16;

/// Coefficients of `g(delta^2) / delta^2` in ascending powers of `t = 2 y - 1`, `y = (1 - delta^2)^(1/4)`.
///
/// Fitted to a relative error of 4.0e-7 over `y` in `[0, 1]` by `scripts/fit_jensen_shannon.py`.
/// As a function of `delta` the quotient has an infinite slope at disjoint outcomes (`delta = 1`), where
/// no polynomial fits it. As a function of `y` it is smooth enough there, so that neither a logarithm nor
/// a case distinction is needed. The shift to `t` in `[-1, 1]` keeps the coefficients small.
pub(super) const ENTROPY_QUOTIENT: [f32; 10] = [
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

/// Number of terms of the `f64` series, enough for a relative error of 1e-17 below [`SERIES_LIMIT`].
const SERIES_TERMS: u32 = 12;

/// Upper bound of the `delta^2` for which the `f64` kernel sums the series of `g`.
const SERIES_LIMIT: f64 = 1.0 / 16.0;

/// Masses `m` of sixteen outcomes, and `(8 m)^(1/4)` of each.
///
/// The product of two such roots is `(64 p q)^(1/4) = 2 sqrt(s) y` with `y = (4 p q / s^2)^(1/4)`: divided by
/// `sqrt(s)` it is `2 y`, of which the polynomial needs `t = 2 y - 1`. Each root is computed once per
/// mass rather than once per pair of masses. The alignment is that of an AVX-512 register and of a cache
/// line, so that no load crosses a line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub struct F32Lanes {
    pub(super) mass: [f32; F32_LANES],
    pub(super) root: [f32; F32_LANES],
}

impl Kernel for f32 {
    type Lanes = F32Lanes;

    const LANES: usize = F32_LANES;

    #[inline]
    fn prepare(outcomes: &[f32]) -> F32Lanes {
        // Missing outcomes stay 0, which contributes exactly nothing (see `add_term`).
        let mut mass = [0.0; F32_LANES];
        mass[..outcomes.len()].copy_from_slice(outcomes);
        let root = mass.map(|m| (8.0 * m).sqrt().sqrt());
        F32Lanes { mass, root }
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

/// Divergences between `p` and each of `q` in `f32`, to be inlined into a function that is compiled for a
/// vector extension.
///
/// `FMA` is true if that extension multiplies and adds in one instruction.
#[inline(always)]
pub(super) fn divergences_f32<const FMA: bool, const N: usize>(
    p: &[F32Lanes],
    q: [&[F32Lanes]; N],
) -> [f64; N] {
    let mut totals = [0.0; N];
    // Loops, because closures (as in `q.map(..)`) would not be compiled for the extension.
    for (total, q) in totals.iter_mut().zip(q) {
        for (p, q) in p.chunks(BLOCK).zip(q.chunks(BLOCK)) {
            *total += block_divergence::<FMA>(p, q);
        }
    }
    totals
}

/// Part of a divergence that belongs to at most [`BLOCK`] lanes, summed in `f32`.
#[inline(always)]
fn block_divergence<const FMA: bool>(p: &[F32Lanes], q: &[F32Lanes]) -> f64 {
    let mut sums = [0.0; F32_LANES];
    for (p, q) in p.iter().zip(q) {
        // A counted loop over fixed arrays; built from array adapters it does not vectorise.
        for (k, total) in sums.iter_mut().enumerate() {
            *total = add_term::<FMA>(*total, [p.mass[k], q.mass[k]], [p.root[k], q.root[k]]);
        }
    }
    // Multiplying by a power of two is exact.
    0.25 * f64::from(sum_pairwise(sums))
}

/// Returns `total + s g(delta^2)` for one outcome, `s` the sum of the two masses.
#[inline(always)]
fn add_term<const FMA: bool>(total: f32, mass: [f32; 2], root: [f32; 2]) -> f32 {
    // The bound avoids 0 / 0: two zero masses have the difference zero and contribute exactly zero.
    let sum = (mass[0] + mass[1]).max(f32::MIN_POSITIVE);
    // One reciprocal root serves twice: `t = roots / sqrt(s) - 1`, and `s delta^2 = ((p - q) / sqrt(s))^2`,
    // which saves dividing by `s` and multiplying by it again.
    let inverse_root = 1.0 / sum.sqrt();
    let t = mul_add::<FMA>(root[0] * root[1], inverse_root, -1.0);
    let difference = (mass[0] - mass[1]) * inverse_root;
    mul_add::<FMA>(difference * difference, entropy_quotient::<FMA>(t), total)
}

/// Adds the terms of one outcome to the divergences between point `i` and all points before it, in `f32`.
///
/// `outcome` holds the masses of all points in lanes, so that a step handles sixteen points and not
/// sixteen outcomes.
#[inline(always)]
pub(super) fn add_outcome_f32<const FMA: bool>(
    i: usize,
    outcome: &[F32Lanes],
    divergences: &mut [f64],
) {
    let own_lanes = &outcome[i / F32_LANES];
    let (mass, root) = (own_lanes.mass[i % F32_LANES], own_lanes.root[i % F32_LANES]);
    // The last chunk of divergences can be shorter than the lanes: all lanes are computed, and the zip
    // below drops those of point `i` and later ones.
    for (divergences, others) in divergences.chunks_mut(F32_LANES).zip(outcome) {
        let mut terms = [0.0; F32_LANES];
        for (k, term) in terms.iter_mut().enumerate() {
            *term = add_term::<FMA>(0.0, [mass, others.mass[k]], [root, others.root[k]]);
        }
        for (divergence, term) in divergences.iter_mut().zip(terms) {
            *divergence += 0.25 * f64::from(term);
        }
    }
}

/// Returns `a * b + c`, rounded once if `FMA` and twice otherwise.
///
/// Where the target has no such instruction, `f32::mul_add` is a slow library call.
#[inline(always)]
fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Evaluates the polynomial [`ENTROPY_QUOTIENT`] at `t`.
///
/// By Horner's rule for even and odd powers separately, which halves the chain of operations that wait
/// for each other.
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

/// Sums the lanes in a fixed order: the upper half is added to the lower half until one number is left.
#[inline(always)]
fn sum_pairwise(mut lanes: [f32; F32_LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for k in 0..half {
            lanes[k] += lanes[k + half];
        }
    }
    lanes[0]
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

/// Adds `scale * ln(2 p / (p + q))` to the gradient of `p`, and likewise for `q`, in `f32`.
///
/// To be inlined into a function that is compiled for a vector extension.
#[inline(always)]
pub(super) fn add_log_ratios_f32<const FMA: bool>(
    [p, q]: [&[f32]; 2],
    scale: f32,
    [grad_p, grad_q]: [&mut [f32]; 2],
) {
    let (p_chunks, p_rest) = p.as_chunks::<F32_LANES>();
    let (q_chunks, q_rest) = q.as_chunks::<F32_LANES>();
    let (grad_p_chunks, grad_p_rest) = grad_p.as_chunks_mut::<F32_LANES>();
    let (grad_q_chunks, grad_q_rest) = grad_q.as_chunks_mut::<F32_LANES>();
    let gradients = grad_p_chunks.iter_mut().zip(grad_q_chunks);
    for ((p, q), (grad_p, grad_q)) in p_chunks.iter().zip(q_chunks).zip(gradients) {
        add_lanes::<FMA>([p, q], scale, [grad_p, grad_q]);
    }
    // The tail that fills no lanes is padded with zero masses, which add nothing: one more vector step
    // instead of a scalar loop.
    let mut rest = [[0.0; F32_LANES]; 4];
    let [p, q, grad_p, grad_q] = &mut rest;
    p[..p_rest.len()].copy_from_slice(p_rest);
    q[..q_rest.len()].copy_from_slice(q_rest);
    add_lanes::<FMA>([p, q], scale, [grad_p, grad_q]);
    for (sum, part) in grad_p_rest.iter_mut().zip(grad_p) {
        *sum += *part;
    }
    for (sum, part) in grad_q_rest.iter_mut().zip(grad_q) {
        *sum += *part;
    }
}

/// Adds `scale * ln(2 p / (p + q))` to sixteen entries of either gradient.
#[inline(always)]
fn add_lanes<const FMA: bool>(
    [p, q]: [&[f32; F32_LANES]; 2],
    scale: f32,
    [grad_p, grad_q]: [&mut [f32; F32_LANES]; 2],
) {
    for k in 0..F32_LANES {
        // The bound avoids 0 / 0: two zero masses have the difference zero, hence the logarithm zero.
        let inverse = 1.0 / (p[k] + q[k]).max(f32::MIN_POSITIVE);
        let delta = (p[k] - q[k]) * inverse;
        let log_p = log_one_plus::<FMA>(delta, 2.0 * p[k] * inverse);
        let log_q = log_one_plus::<FMA>(-delta, 2.0 * q[k] * inverse);
        grad_p[k] = mul_add::<FMA>(scale, log_p, grad_p[k]);
        grad_q[k] = mul_add::<FMA>(scale, log_q, grad_q[k]);
    }
}

/// Bits of the `f32` number nearest to `sqrt(1/2)`, the lower end of the range of mantissas.
const SQRT_HALF: u32 = 0x3f35_04f3;

/// Returns `ln(1 + delta)`, given `ratio = 1 + delta` with a small relative error of its own.
///
/// ```text
/// ln x = 2 atanh(z) = 2 (z + z^3 / 3 + z^5 / 5 + ...),   z = (x - 1) / (x + 1)
/// ```
///
/// with `x = 1 + delta` where that exceeds one half, and otherwise with the mantissa of `ratio`, whose
/// exponent adds a multiple of `ln 2`. There is no branch, so that the compiler vectorises it.
#[inline(always)]
fn log_one_plus<const FMA: bool>(delta: f32, ratio: f32) -> f32 {
    // `ratio = 2^exponent * mantissa` with the mantissa in `[sqrt(1/2), sqrt 2)`, around 1, where `z` is
    // smallest. The bound keeps the logarithm finite at zero.
    let bits = ratio.max(f32::MIN_POSITIVE).to_bits() as i32;
    let exponent = (bits - SQRT_HALF as i32) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)) as u32);
    // Near 0 the numerator is `delta` itself, because `ratio - 1` has lost its digits there. The
    // selections become blends of vectors.
    let is_near = delta > -0.5;
    let numerator = if is_near { delta } else { mantissa - 1.0 };
    let denominator = if is_near { 2.0 + delta } else { mantissa + 1.0 };
    let whole = if is_near { 0.0 } else { exponent as f32 };
    let z = numerator / denominator;
    let square = z * z;
    // |z| is at most 1/3: the first term left out is below 1e-8 of the sum.
    let mut series = 1.0 / 15.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = mul_add::<FMA>(series, square, 1.0 / odd);
    }
    mul_add::<FMA>(whole, std::f32::consts::LN_2, 2.0 * z * series)
}
