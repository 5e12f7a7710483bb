//! The kernels, compiled for each vector extension and chosen when the program runs.
//!
//! The only module of this crate with unsafe code.

#![allow(
    unsafe_code,
    reason = "functions for vector extensions are called once these were found"
)]

use std::sync::LazyLock;

use super::jensen_shannon::{F32Lanes, add_log_ratios_of, add_outcome_of, divergences_of};
use super::vectors::squared_distances_of;

/// What the processor offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// 512-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the target has by itself: SSE2, NEON.
    Baseline,
}

static BEST: LazyLock<Extension> = LazyLock::new(|| Extension::available()[0]);

impl Extension {
    /// The widest of this processor.
    #[inline]
    pub(super) fn best() -> Self {
        *BEST
    }

    /// All of this processor, the widest first.
    pub(super) fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let has_fma = std::arch::is_x86_feature_detected!("fma");
            if has_fma && std::arch::is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
            }
            if has_fma && std::arch::is_x86_feature_detected!("avx2") {
                found.push(Self::Avx2);
            }
        }
        found.push(Self::Baseline);
        found
    }
}

/// Whether the target multiplies and adds in one instruction by itself.
const BASELINE_FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// Divergences of `p` from each of `q`.
#[inline]
pub(super) fn divergences<const N: usize>(
    extension: Extension,
    p: &[F32Lanes],
    q: [&[F32Lanes]; N],
) -> [f64; N] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<const N: usize>(p: &[F32Lanes], q: [&[F32Lanes]; N]) -> [f64; N] {
        divergences_of::<true, N>(p, q)
    }
    match extension {
        // SAFETY: the variants are made only where the processor has these extensions.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512::divergences(p, q) },
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(p, q) },
        Extension::Baseline => divergences_of::<BASELINE_FMA, N>(p, q),
    }
}

/// Adds one outcome's terms to the divergences of point `i` from those before it.
#[inline]
pub(super) fn add_outcome(
    extension: Extension,
    i: usize,
    outcome: &[F32Lanes],
    divergences: &mut [f64],
) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(i: usize, outcome: &[F32Lanes], divergences: &mut [f64]) {
        add_outcome_of::<true>(i, outcome, divergences);
    }
    match extension {
        // SAFETY: the variants are made only where the processor has these extensions.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512::add_outcome(i, outcome, divergences) },
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(i, outcome, divergences) },
        Extension::Baseline => add_outcome_of::<BASELINE_FMA>(i, outcome, divergences),
    }
}

/// Adds `scale * ln(2 p / (p + q))` to the gradient of each row.
#[inline]
pub(super) fn add_log_ratios(
    extension: Extension,
    rows: [&[f32]; 2],
    scale: f32,
    gradients: [&mut [f32]; 2],
) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(rows: [&[f32]; 2], scale: f32, gradients: [&mut [f32]; 2]) {
        add_log_ratios_of::<true>(rows, scale, gradients);
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(rows: [&[f32]; 2], scale: f32, gradients: [&mut [f32]; 2]) {
        add_log_ratios_of::<true>(rows, scale, gradients);
    }
    match extension {
        // SAFETY: the variants are made only where the processor has these extensions.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(rows, scale, gradients) },
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(rows, scale, gradients) },
        Extension::Baseline => add_log_ratios_of::<BASELINE_FMA>(rows, scale, gradients),
    }
}

/// Squared Euclidean distances of `u` to each of `v`.
#[inline]
pub(super) fn squared_distances<const N: usize>(
    extension: Extension,
    u: &[f64],
    v: [&[f64]; N],
) -> [f64; N] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512<const N: usize>(u: &[f64], v: [&[f64]; N]) -> [f64; N] {
        squared_distances_of::<true, N>(u, v)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<const N: usize>(u: &[f64], v: [&[f64]; N]) -> [f64; N] {
        squared_distances_of::<true, N>(u, v)
    }
    match extension {
        // SAFETY: the variants are made only where the processor has these extensions.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(u, v) },
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(u, v) },
        Extension::Baseline => squared_distances_of::<BASELINE_FMA, N>(u, v),
    }
}

/// What the compiler does not find by itself: an approximate reciprocal root, made exact by one
/// Newton step, takes the place of a square root and a division, which cost as much as all the rest.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::super::jensen_shannon::{BLOCK, ENTROPY_QUOTIENT, F32_LANES, F32Lanes};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    pub(super) fn divergences<const N: usize>(p: &[F32Lanes], q: [&[F32Lanes]; N]) -> [f64; N] {
        let q = q.map(|q| &q[..p.len()]);
        let mut totals = [0.0; N];
        for start in (0..p.len()).step_by(BLOCK) {
            let mut sums = [_mm512_setzero_ps(); N];
            for k in start..p.len().min(start + BLOCK) {
                let (mass, root) = (load(&p[k].mass), load(&p[k].root));
                for (sum, q) in sums.iter_mut().zip(q) {
                    *sum = add_terms(*sum, [mass, load(&q[k].mass)], [root, load(&q[k].root)]);
                }
            }
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += 0.25 * f64::from(_mm512_reduce_add_ps(sum));
            }
        }
        totals
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn add_outcome(i: usize, outcome: &[F32Lanes], divergences: &mut [f64]) {
        let of_i = &outcome[i / F32_LANES];
        let mass = _mm512_set1_ps(of_i.mass[i % F32_LANES]);
        let root = _mm512_set1_ps(of_i.root[i % F32_LANES]);
        for (divergences, others) in divergences.chunks_mut(F32_LANES).zip(outcome) {
            let terms = add_terms(
                _mm512_setzero_ps(),
                [mass, load(&others.mass)],
                [root, load(&others.root)],
            );
            let mut of_lanes = [0.0; F32_LANES];
            // SAFETY: sixteen numbers are as many bytes as the vector, and no alignment is asked for.
            unsafe { _mm512_storeu_ps(of_lanes.as_mut_ptr(), terms) };
            for (divergence, term) in divergences.iter_mut().zip(of_lanes) {
                *divergence += 0.25 * f64::from(term);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(values: &[f32; F32_LANES]) -> __m512 {
        // SAFETY: sixteen numbers are as many bytes as the vector, and no alignment is asked for.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add_terms(sum: __m512, mass: [__m512; 2], root: [__m512; 2]) -> __m512 {
        let total = _mm512_add_ps(mass[0], mass[1]);
        // The bound keeps 0 / 0 out: two zero masses contribute exactly zero.
        let total = _mm512_max_ps(total, _mm512_set1_ps(f32::MIN_POSITIVE));
        let seed = _mm512_rsqrt14_ps(total);
        let error = _mm512_fnmadd_ps(_mm512_mul_ps(total, seed), seed, _mm512_set1_ps(1.0));
        let half = _mm512_mul_ps(seed, _mm512_set1_ps(0.5));
        let inverse_root = _mm512_fmadd_ps(half, error, seed);

        let roots = _mm512_mul_ps(root[0], root[1]);
        let t = _mm512_fmsub_ps(roots, inverse_root, _mm512_set1_ps(1.0));
        let difference = _mm512_mul_ps(_mm512_sub_ps(mass[0], mass[1]), inverse_root);
        let term = _mm512_mul_ps(difference, difference);
        _mm512_fmadd_ps(term, entropy_quotient(t), sum)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn entropy_quotient(t: __m512) -> __m512 {
        let square = _mm512_mul_ps(t, t);
        let coefficient = |power: usize| _mm512_set1_ps(ENTROPY_QUOTIENT[power]);
        let (mut even, mut odd) = (coefficient(8), coefficient(9));
        for power in [6, 4, 2, 0] {
            even = _mm512_fmadd_ps(even, square, coefficient(power));
            odd = _mm512_fmadd_ps(odd, square, coefficient(power + 1));
        }
        _mm512_fmadd_ps(odd, t, even)
    }
}
