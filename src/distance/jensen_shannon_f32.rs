//! Portable `f32` kernels of the Jensen-Shannon distance, which the compiler turns into vector instructions.
//!
//! [`jensen_shannon`](super::jensen_shannon) has the formulas. [`vectorized`](super::vectorized) compiles these kernels for
//! each vector extension.

/// Outcomes per step of the `f32` kernel: one AVX-512 register, two of AVX2, four of SSE2 or NEON.
pub(super) const F32_LANES: usize = 16;

/// Number of steps summed in `f32` before their sum is added to a total in `f64`.
///
/// Short sums keep the rounding errors of `f32` small, and the conversion to `f64` is rare enough to cost
/// nothing. The `f64` kernel sums blocks of as many steps, for the same reason.
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

/// Scaled masses `m` of sixteen outcomes, and `(8 m)^(1/4)` of each.
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

impl F32Lanes {
    /// Prepares 1 to 16 outcomes.
    #[inline]
    pub(super) fn new(outcomes: &[f32], scale: f32) -> Self {
        // Missing outcomes stay 0, which contributes exactly nothing (see `add_term`).
        let mut mass = [0.0; F32_LANES];
        mass[..outcomes.len()].copy_from_slice(outcomes);
        let mass = mass.map(|m| m * scale);
        let root = mass.map(|m| (8.0 * m).sqrt().sqrt());
        Self { mass, root }
    }
}

/// Divergences between `p` and each of `q` in `f32`, to be inlined into a function that is compiled for a
/// vector extension.
///
/// `FMA` is true if that extension multiplies and adds in one instruction.
#[inline(always)]
pub(super) fn divergences<const FMA: bool, const N: usize>(
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

/// Terms that the outcomes of one pair of lanes add to a divergence, before the factor 1/4.
#[inline(always)]
pub(super) fn terms<const FMA: bool>(p: &F32Lanes, q: &F32Lanes) -> [f32; F32_LANES] {
    let mut terms = [0.0; F32_LANES];
    for (k, term) in terms.iter_mut().enumerate() {
        *term = add_term::<FMA>(0.0, [p.mass[k], q.mass[k]], [p.root[k], q.root[k]]);
    }
    terms
}

/// Adds the terms of one outcome to the divergences between point `i` and all points before it, in `f32`.
///
/// `outcome` holds the masses of all points in lanes, so that a step handles sixteen points and not
/// sixteen outcomes.
#[inline(always)]
pub(super) fn add_outcome<const FMA: bool>(
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
pub(super) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
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

/// Adds `scale * ln(2 p / (p + q))` to the gradient of `p`, and likewise for `q`, in `f32`.
///
/// To be inlined into a function that is compiled for a vector extension.
#[inline(always)]
pub(super) fn add_log_ratios<const FMA: bool>(
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
pub(super) const SQRT_HALF: u32 = 0x3f35_04f3;

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
