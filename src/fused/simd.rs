//! Functions of whole SIMD vectors of single precision.

use pulp::Simd;

/// Loads a slice of at most one vector, filled up with zeros.
///
/// A whole vector is loaded directly: a partial load is a call on some processors, several times as slow.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values) {
        ([vector], []) => *vector,
        _ => simd.partial_load_f32s(values),
    }
}

/// Stores the first lanes of a vector in a slice of at most one vector, see [`load`].
#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, values: &mut [f32], vector: S::f32s) {
    match S::as_mut_simd_f32s(values) {
        ([whole], []) => *whole = vector,
        _ => simd.partial_store_f32s(values, vector),
    }
}

/// Returns `exp(x)` for `x <= 0`, with a relative error of 2e-7; exactly 0 below -87. NaN stays NaN.
///
/// # Source
///
/// Muller et al., "Handbook of Floating-Point Arithmetic", section 10.2: `2^k exp(r)` with `k` the
/// nearest integer to `x / ln 2`, `ln 2` in two parts, and the Taylor polynomial of `exp(r)`.
#[inline(always)]
pub(super) fn exp_of_negative<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // From 2^23 on, single precision has no fraction: adding 1.5 * 2^23 rounds to the nearest integer and
    // leaves it in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    const COEFFICIENTS: [f32; 6] = [
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ];
    let splat = |value| simd.splat_f32s(value);
    let shifted = simd.mul_add_f32s(x, splat(std::f32::consts::LOG2_E), splat(ROUNDER));
    let k = simd.sub_f32s(shifted, splat(ROUNDER));
    // The high part of ln 2 has few bits, so that k times it is exact.
    let r = simd.mul_add_f32s(k, splat(-LN_2_HIGH), x);
    let r = simd.mul_add_f32s(k, splat(-LN_2_LOW), r);
    let mut polynomial = splat(COEFFICIENTS[0]);
    for coefficient in &COEFFICIENTS[1..] {
        polynomial = simd.mul_add_f32s(polynomial, r, splat(*coefficient));
    }
    let polynomial = simd.mul_add_f32s(polynomial, r, splat(1.0));
    let polynomial = simd.mul_add_f32s(polynomial, r, splat(1.0));
    // 2^k: the low bits of `shifted` plus the bias 127, moved into the exponent field. The bits of the
    // rounder above them are shifted out.
    let biased = simd.add_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(127));
    let power = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(biased, simd.splat_u32s(23)));
    // Shortly below -87 results are subnormal, which the exponent field cannot express. Minus infinity, whose
    // `r` is NaN, becomes 0 here too.
    let vanishes = simd.less_than_f32s(x, splat(-87.0));
    simd.select_f32s(vanishes, splat(0.0), simd.mul_f32s(polynomial, power))
}

/// Returns the error function of `x`, with an error of at most 5e-7.
///
/// # Source
///
/// Eigen, `generic_fast_erf_float`: a rational approximation on [-4, 4]. Beyond it the function is 1 or -1 up
/// to 2e-8.
#[inline(always)]
pub(super) fn erf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const NUMERATOR: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_5e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const DENOMINATOR: [f32; 5] = [
        -1.456_607_2e-5,
        -2.133_740_6e-4,
        -1.682_827e-3,
        -7.373_329e-3,
        -1.426_473_9e-2,
    ];
    let splat = |value| simd.splat_f32s(value);
    let x = simd.max_f32s(simd.min_f32s(x, splat(4.0)), splat(-4.0));
    let square = simd.mul_f32s(x, x);
    let horner = |coefficients: &[f32]| {
        let mut sum = splat(coefficients[0]);
        for coefficient in &coefficients[1..] {
            sum = simd.mul_add_f32s(sum, square, splat(*coefficient));
        }
        sum
    };
    simd.div_f32s(simd.mul_f32s(x, horner(&NUMERATOR)), horner(&DENOMINATOR))
}

/// Returns the inner product of two slices of the same length.
///
/// The tail of both slices is filled up with zeros, which do not change the sum.
#[inline(always)]
pub(super) fn inner_product<S: Simd>(simd: S, left: &[f32], right: &[f32]) -> f32 {
    let mut sums = simd.splat_f32s(0.0);
    for (left, right) in left.chunks(S::F32_LANES).zip(right.chunks(S::F32_LANES)) {
        let left = load(simd, left);
        sums = simd.mul_add_f32s(left, load(simd, right), sums);
    }
    simd.reduce_sum_f32s(sums)
}
