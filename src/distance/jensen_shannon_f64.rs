//! Portable `f64` kernels of the Jensen-Shannon distance, which the compiler turns into vector instructions.
//!
//! [`jensen_shannon`](super::jensen_shannon) has the formulas. [`vectorized`](super::vectorized) compiles these kernels for
//! each vector extension.

use super::jensen_shannon_f32::BLOCK;
use std::hint::select_unpredictable;

/// Outcomes per step of the `f64` kernel: one AVX-512 register, two of AVX2, four of SSE2 or NEON.
pub(super) const F64_LANES: usize = 8;

/// Upper bound of the `delta` for which the divergence is computed without logarithms, which would cancel there.
///
/// Above it, the rounding of the stored logarithms costs at most about 7.4e-14 of the distance. That is for masses
/// near the smallest or largest number, whose logarithms are near 700, and proportionally less for others.
const NEAR_LIMIT: f64 = 0.5625;

/// Coefficients of `g(delta^2) / (2 delta^2)` in ascending powers of `delta^2`, below [`NEAR_LIMIT`].
///
/// Fitted to a relative error of 3.3e-15 by `scripts/fit_jensen_shannon_f64.py`.
const NEAR: [f64; 12] = [
    0.49999999999999883,
    0.08333333333440474,
    0.03333333317271112,
    0.017857152247790133,
    0.011110828860596009,
    0.007580732963347168,
    0.0054393421123265125,
    0.0045648700666073684,
    0.0013822446902684283,
    0.008365867800291313,
    -0.008297170361464346,
    0.011304631760085252,
];

/// Coefficients of `ln(1 + delta)` in ascending powers of `delta`, from [`NEAR_LIMIT`] to 1.
///
/// Fitted by the same script to an error of 3.3e-15 of the divergence.
const FAR: [f64; 12] = [
    5.805751170259896e-06,
    0.999901987461864,
    -0.49923486770243386,
    0.3296641178287042,
    -0.23787665315724388,
    0.1706067887199846,
    -0.11210583633100656,
    0.062493300244399835,
    -0.027407782688428937,
    0.008675912222975923,
    -0.0017405409525639206,
    0.00016494916252415877,
];

/// Lower bound of a sum of two scaled masses.
///
/// It is above the smallest normal number, because its products would otherwise be below: many processors
/// take a hundred times longer for those.
const LEAST_SUM: f64 = f64::MIN_POSITIVE / f64::EPSILON;

/// Scaled masses of eight outcomes, and the natural logarithm of each mass before it was scaled.
///
/// Each logarithm is computed once per mass rather than once per pair of masses. The alignment is that of
/// an AVX-512 register and of a cache line, so that no load crosses a line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub struct F64Lanes {
    mass: [f64; F64_LANES],
    log: [f64; F64_LANES],
}

impl F64Lanes {
    /// Prepares 1 to 8 outcomes.
    #[inline]
    pub(super) fn new(outcomes: &[f64], scale: f64) -> Self {
        // Missing outcomes stay 0, which contributes exactly nothing (see `add_term`).
        let mut lanes = Self::default();
        for (k, &mass) in outcomes.iter().enumerate() {
            lanes.mass[k] = mass * scale;
            // Any finite number will do for a mass of zero, by which it is multiplied.
            lanes.log[k] = if mass > 0.0 { mass.ln() } else { 0.0 };
        }
        lanes
    }
}

/// Divergences between `p` and each of `q` in `f64`, to be inlined into a function that is compiled for a
/// vector extension.
///
/// `FMA` is true if that extension multiplies and adds in one instruction.
#[inline(always)]
pub(super) fn divergences<const FMA: bool, const N: usize>(
    p: &[F64Lanes],
    q: [&[F64Lanes]; N],
) -> [f64; N] {
    let mut totals = [0.0; N];
    // A loop, because a closure (as in `q.map(..)`) would not be compiled for the extension.
    for (total, q) in totals.iter_mut().zip(q) {
        *total = divergence::<FMA>(p, q);
    }
    totals
}

#[inline(always)]
fn divergence<const FMA: bool>(p: &[F64Lanes], q: &[F64Lanes]) -> f64 {
    // Sums of blocks, then the sum of these, so that rounding errors stay small in long rows.
    let mut totals = [0.0; F64_LANES];
    for (p, q) in p.chunks(BLOCK).zip(q.chunks(BLOCK)) {
        let mut sums = [0.0; F64_LANES];
        for (p, q) in p.iter().zip(q) {
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum = add_term::<FMA>(*sum, [p.mass[k], q.mass[k]], [p.log[k], q.log[k]]);
            }
        }
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    // A fixed order of additions: the same bits for every extension that rounds alike.
    let [a, b, c, d, e, f, g, h] = totals;
    0.5 * (((a + b) + (c + d)) + ((e + f) + (g + h)))
}

/// Returns `total + s g(delta^2) / 2` for one outcome, `s` the sum of the two masses.
///
/// With `a` the larger and `b` the smaller mass, the second summand is `s ln(1 + delta) - b ln(a / b)`. Both
/// forms are even in `p - q`, hence symmetric bit for bit.
#[inline(always)]
fn add_term<const FMA: bool>(total: f64, mass: [f64; 2], log: [f64; 2]) -> f64 {
    // The bound avoids 0 / 0: two zero masses have the difference zero and contribute exactly zero.
    let sum = (mass[0] + mass[1]).max(LEAST_SUM);
    let difference = (mass[0] - mass[1]).abs();
    let delta = difference / sum;
    let near = difference * delta * polynomial::<FMA, 12>(&NEAR, delta * delta);
    // A comparison rather than `f64::min`, whose treatment of NaN costs instructions.
    let smaller = if mass[0] < mass[1] { mass[0] } else { mass[1] };
    // The logarithms are in the order of the masses, so their distance is that of `a` and `b`.
    let log_ratio = (log[0] - log[1]).abs();
    let log_larger = polynomial::<FMA, 12>(&FAR, delta);
    let far = mul_add::<FMA>(sum, log_larger, -(smaller * log_ratio));
    // An `if` would become a branch, with either polynomial in its own arm and no vectors.
    total + select_unpredictable(delta < NEAR_LIMIT, near, far)
}

/// Terms that the outcomes of one pair of lanes add to a divergence, before the factor 1/2.
#[inline(always)]
pub(super) fn terms<const FMA: bool>(p: &F64Lanes, q: &F64Lanes) -> [f64; F64_LANES] {
    let mut terms = [0.0; F64_LANES];
    for (k, term) in terms.iter_mut().enumerate() {
        *term = add_term::<FMA>(0.0, [p.mass[k], q.mass[k]], [p.log[k], q.log[k]]);
    }
    terms
}

/// Adds the terms of one outcome to the divergences between point `i` and all points before it, in `f64`.
///
/// `outcome` holds the masses of all points in lanes, so that a step handles eight points and not
/// eight outcomes.
#[inline(always)]
pub(super) fn add_outcome<const FMA: bool>(
    i: usize,
    outcome: &[F64Lanes],
    divergences: &mut [f64],
) {
    let own_lanes = &outcome[i / F64_LANES];
    let (mass, log) = (own_lanes.mass[i % F64_LANES], own_lanes.log[i % F64_LANES]);
    // The last chunk of divergences can be shorter than the lanes: all lanes are computed, and the zip
    // below drops those of point `i` and later ones.
    for (divergences, others) in divergences.chunks_mut(F64_LANES).zip(outcome) {
        let mut terms = [0.0; F64_LANES];
        for (k, term) in terms.iter_mut().enumerate() {
            *term = add_term::<FMA>(0.0, [mass, others.mass[k]], [log, others.log[k]]);
        }
        for (divergence, term) in divergences.iter_mut().zip(terms) {
            *divergence += 0.5 * term;
        }
    }
}

/// Returns `a * b + c`, rounded once if `FMA` and twice otherwise.
///
/// Where the target has no such instruction, `f64::mul_add` is a slow library call.
#[inline(always)]
fn mul_add<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Evaluates a polynomial at `x`, given its coefficients in ascending powers.
///
/// By Horner's rule for even and odd powers separately, which halves the chain of operations that wait
/// for each other. The number of coefficients is even.
#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    const { assert!(N >= 2 && N.is_multiple_of(2)) };
    let square = x * x;
    let (mut even, mut odd) = (coefficients[N - 2], coefficients[N - 1]);
    for pair in coefficients[..N - 2].rchunks_exact(2) {
        even = mul_add::<FMA>(even, square, pair[0]);
        odd = mul_add::<FMA>(odd, square, pair[1]);
    }
    mul_add::<FMA>(odd, x, even)
}

/// Adds `scale * ln(2 p / (p + q))` to the gradient of `p`, and likewise for `q`, in `f64`.
///
/// To be inlined into a function that is compiled for a vector extension.
#[inline(always)]
pub(super) fn add_log_ratios<const FMA: bool>(
    [p, q]: [&[f64]; 2],
    scale: f64,
    [grad_p, grad_q]: [&mut [f64]; 2],
) {
    let (p_chunks, p_rest) = p.as_chunks::<F64_LANES>();
    let (q_chunks, q_rest) = q.as_chunks::<F64_LANES>();
    let (grad_p_chunks, grad_p_rest) = grad_p.as_chunks_mut::<F64_LANES>();
    let (grad_q_chunks, grad_q_rest) = grad_q.as_chunks_mut::<F64_LANES>();
    let gradients = grad_p_chunks.iter_mut().zip(grad_q_chunks);
    for ((p, q), (grad_p, grad_q)) in p_chunks.iter().zip(q_chunks).zip(gradients) {
        add_lanes::<FMA>([p, q], scale, [grad_p, grad_q]);
    }
    // The tail that fills no lanes is padded with zero masses, which add nothing: one more vector step
    // instead of a scalar loop.
    let mut rest = [[0.0; F64_LANES]; 4];
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

/// Adds `scale * ln(2 p / (p + q))` to eight entries of either gradient.
#[inline(always)]
fn add_lanes<const FMA: bool>(
    [p, q]: [&[f64; F64_LANES]; 2],
    scale: f64,
    [grad_p, grad_q]: [&mut [f64; F64_LANES]; 2],
) {
    // Local arrays, because the compiler does not know that the gradients and rows are apart in memory.
    let (mut logs_p, mut logs_q) = ([0.0; F64_LANES], [0.0; F64_LANES]);
    for k in 0..F64_LANES {
        // Equal masses instead of none avoid 0 / 0; their logarithm is exactly zero too.
        let is_empty = p[k] + q[k] == 0.0;
        let p = select_unpredictable(is_empty, 1.0, p[k]);
        let q = select_unpredictable(is_empty, 1.0, q[k]);
        logs_p[k] = log_relative_mass::<FMA>(p, q);
        logs_q[k] = log_relative_mass::<FMA>(q, p);
    }
    for (gradient, log) in grad_p.iter_mut().zip(logs_p) {
        *gradient = mul_add::<FMA>(scale, log, *gradient);
    }
    for (gradient, log) in grad_q.iter_mut().zip(logs_q) {
        *gradient = mul_add::<FMA>(scale, log, *gradient);
    }
}

/// Coefficients of `atanh(z) / z` in ascending powers of `z^2`.
///
/// The kernel has `|z|` up to 0.172, where the first term left out is below 3e-17 of the sum.
const ATANH: [f64; 10] = [
    1.0,
    1.0 / 3.0,
    1.0 / 5.0,
    1.0 / 7.0,
    1.0 / 9.0,
    1.0 / 11.0,
    1.0 / 13.0,
    1.0 / 15.0,
    1.0 / 17.0,
    1.0 / 19.0,
];

/// Bits of the `f64` number 1.
const ONE: u64 = 0x3ff0_0000_0000_0000;

/// Bits of the `f64` number nearest to `sqrt(1/2)`, the lower end of the range of mantissas.
const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;

/// Number of bits after the exponent in an `f64`.
const MANTISSA_BITS: u32 = 52;

/// The number `2^52`, from which on the bits of an `f64` count by ones.
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// Returns `ln(2 p / (p + q))`, accurate where the ratio is near 1 and finite at `p = 0`; not both may be 0.
///
/// ```text
/// ln x = 2 atanh(z) = 2 (z + z^3 / 3 + z^5 / 5 + ...),   z = (x - 1) / (x + 1)
/// ```
///
/// with `x` the mantissa of the ratio, whose exponent adds a multiple of `ln 2`. There is no branch, so that
/// the compiler vectorises it.
#[inline(always)]
fn log_relative_mass<const FMA: bool>(p: f64, q: f64) -> f64 {
    let sum = p + q;
    // The bound keeps the logarithm finite at zero.
    let ratio = (2.0 * p / sum).max(f64::MIN_POSITIVE);
    // `ratio = 2^exponent * mantissa` with the mantissa in `[sqrt(1/2), sqrt 2)`, around 1, where `z` is
    // smallest. Unsigned numbers only, because AVX2 has no arithmetic shift of 64 bits.
    let biased = (ratio.to_bits() + (ONE - SQRT_HALF)) >> MANTISSA_BITS;
    let mantissa = f64::from_bits(ratio.to_bits() + ONE - (biased << MANTISSA_BITS));
    // AVX2 does not convert integers of 64 bits either: as the last bits of 2^52 they are numbers already.
    let exponent = f64::from_bits(TWO_52.to_bits() | biased) - (TWO_52 + 1023.0);
    // Where the ratio is near 1, `x - 1` has lost digits, and `z = (p - q) / (3 p + q)` comes from the masses.
    let is_near = exponent == 0.0;
    let numerator = select_unpredictable(is_near, p - q, mantissa - 1.0);
    let denominator = select_unpredictable(is_near, 2.0 * p + sum, mantissa + 1.0);
    let z = numerator / denominator;
    let series = polynomial::<FMA, 10>(&ATANH, z * z);
    mul_add::<FMA>(exponent, std::f64::consts::LN_2, 2.0 * z * series)
}
