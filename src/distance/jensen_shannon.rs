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

use super::element::Kernel;
use super::vectorized::{self, Extension};

/// Lanes of one `f32` step: one AVX-512 register, two of AVX2, four of SSE2 or NEON.
pub(super) const F32_LANES: usize = 16;

/// Lane groups summed in the precision of the rows before `f64` takes over.
pub(super) const BLOCK: usize = 16;

/// `g(delta^2) / delta^2` in rising powers of `t = 2 y - 1`, `y = (1 - delta^2)^(1/4)`.
///
/// Fitted to a relative error of 4.0e-7 over `y` in `[0, 1]` by `scripts/fit_jensen_shannon.py`.
/// In `y` the quotient is smooth enough up to disjoint outcomes that neither a logarithm nor a case
/// distinction is left.
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

/// Terms of the `f64` series, enough for 1e-17 below [`SERIES_LIMIT`].
const SERIES_TERMS: u32 = 12;

/// Largest `delta^2` for which the `f64` kernel sums the series of `g`.
const SERIES_LIMIT: f64 = 1.0 / 16.0;

/// Masses `m` of sixteen outcomes, with `(8 m)^(1/4)` of each.
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
            if p + q > 0.0 {
                *grad_p += scale * log_relative_mass(p, q);
                *grad_q += scale * log_relative_mass(q, p);
            }
        }
    }
}

/// The divergences of `q` from `p` in `f32`, to be compiled for a vector extension; `FMA` where it
/// multiplies and adds in one instruction.
#[inline(always)]
pub(super) fn divergences_of<const FMA: bool, const N: usize>(
    p: &[F32Lanes],
    q: [&[F32Lanes]; N],
) -> [f64; N] {
    let mut totals = [0.0; N];
    // Loops, not closures, which would not be compiled for the extension.
    for (total, q) in totals.iter_mut().zip(q) {
        for (p, q) in p.chunks(BLOCK).zip(q.chunks(BLOCK)) {
            *total += block_divergence::<FMA>(p, q);
        }
    }
    totals
}

#[inline(always)]
fn block_divergence<const FMA: bool>(p: &[F32Lanes], q: &[F32Lanes]) -> f64 {
    let mut sums = [0.0; F32_LANES];
    for (p, q) in p.iter().zip(q) {
        // A counted loop over fixed arrays; built from array adapters it does not vectorise.
        for (k, total) in sums.iter_mut().enumerate() {
            *total = add_term::<FMA>(*total, [p.mass[k], q.mass[k]], [p.root[k], q.root[k]]);
        }
    }
    0.25 * f64::from(sum_pairwise(sums))
}

/// `total + s g(delta^2)` of one outcome.
#[inline(always)]
fn add_term<const FMA: bool>(total: f32, mass: [f32; 2], root: [f32; 2]) -> f32 {
    // The bound keeps 0 / 0 out: two zero masses contribute exactly zero.
    let sum = (mass[0] + mass[1]).max(f32::MIN_POSITIVE);
    let inverse_root = 1.0 / sum.sqrt();
    let t = mul_add::<FMA>(root[0] * root[1], inverse_root, -1.0);
    let difference = (mass[0] - mass[1]) * inverse_root;
    mul_add::<FMA>(difference * difference, entropy_quotient::<FMA>(t), total)
}

/// One outcome's terms of the divergences of point `i` from those before it, in `f32`.
#[inline(always)]
pub(super) fn add_outcome_of<const FMA: bool>(
    i: usize,
    outcome: &[F32Lanes],
    divergences: &mut [f64],
) {
    let of_i = &outcome[i / F32_LANES];
    let (mass, root) = (of_i.mass[i % F32_LANES], of_i.root[i % F32_LANES]);
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

/// `ln(2 p / (p + q))`, accurate near 1 and finite at `p = 0`.
fn log_relative_mass(p: f64, q: f64) -> f64 {
    let sum = p + q;
    let delta = (p - q) / sum;
    if delta > -0.5 {
        delta.ln_1p()
    } else {
        ((p + p) / sum).max(f64::MIN_POSITIVE).ln()
    }
}

/// Adds `scale * ln(2 p / (p + q))` to the gradient of each row, in `f32`.
#[inline(always)]
pub(super) fn add_log_ratios_of<const FMA: bool>(
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

#[inline(always)]
fn add_lanes<const FMA: bool>(
    [p, q]: [&[f32; F32_LANES]; 2],
    scale: f32,
    [grad_p, grad_q]: [&mut [f32; F32_LANES]; 2],
) {
    for k in 0..F32_LANES {
        // Two zero masses have the difference zero, and so the logarithm zero.
        let inverse = 1.0 / (p[k] + q[k]).max(f32::MIN_POSITIVE);
        let delta = (p[k] - q[k]) * inverse;
        let log_p = log_one_plus::<FMA>(delta, 2.0 * p[k] * inverse);
        let log_q = log_one_plus::<FMA>(-delta, 2.0 * q[k] * inverse);
        grad_p[k] = mul_add::<FMA>(scale, log_p, grad_p[k]);
        grad_q[k] = mul_add::<FMA>(scale, log_q, grad_q[k]);
    }
}

/// Bits of the square root of one half, where mantissas are cut.
const SQRT_HALF: u32 = 0x3f35_04f3;

/// `ln(1 + delta)`, where `ratio = 1 + delta` is known with its own relative accuracy.
///
/// By `ln x = 2 atanh((x - 1) / (x + 1))`, of `1 + delta` itself down to one half, and below of the
/// mantissa of `ratio`. No branch, so that it is vectorised.
#[inline(always)]
fn log_one_plus<const FMA: bool>(delta: f32, ratio: f32) -> f32 {
    let bits = ratio.max(f32::MIN_POSITIVE).to_bits() as i32;
    let exponent = (bits - SQRT_HALF as i32) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)) as u32);
    let is_near = delta > -0.5;
    let numerator = if is_near { delta } else { mantissa - 1.0 };
    let denominator = if is_near { 2.0 + delta } else { mantissa + 1.0 };
    let whole = if is_near { 0.0 } else { exponent as f32 };
    let z = numerator / denominator;
    let square = z * z;
    let mut series = 1.0 / 15.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = mul_add::<FMA>(series, square, 1.0 / odd);
    }
    mul_add::<FMA>(whole, std::f32::consts::LN_2, 2.0 * z * series)
}
