//! Kernels compiled for each vector extension, one of which is chosen when the program runs.
//!
//! A release build targets the oldest processors of an architecture. Each function here therefore holds
//! copies of one generic kernel, compiled for wider vectors by `#[target_feature]`, and calls the one that
//! suits the processor. The compiler vectorises the generic kernels by itself; those that it does not
//! vectorise well enough for AVX-512 are written out in intrinsics, in the module `avx512` below.
//!
//! The code is unsafe for two reasons: a function with `#[target_feature]` may only be called on a processor
//! that has the feature, and loads and stores of vectors take raw pointers.

#![allow(
    unsafe_code,
    reason = "functions for vector extensions are called only after these were detected"
)]

use super::divergence_planes::{Coordinates, PointTerms, bounds_f32, coordinates_f32};
use super::extension::Extension;
use super::gram::{Block, PANEL, inner_products_f32};
use super::jensen_shannon_f32::{self, F32_LANES, F32Lanes};
use super::jensen_shannon_f64::{self, F64_LANES, F64Lanes};
use super::spanning_search::{Points, Search, search_candidates_f32};
use super::vectors::{squared_distances_f64, sums_of_differences_f64};

/// True if every processor of the target multiplies and adds in one instruction.
const BASELINE_FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// Jensen-Shannon divergences between `p` and each of `q` in `f32`.
#[inline]
pub(super) fn divergences_f32<const N: usize>(
    extension: Extension,
    p: &[F32Lanes],
    q: [&[F32Lanes]; N],
) -> [f64; N] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<const N: usize>(p: &[F32Lanes], q: [&[F32Lanes]; N]) -> [f64; N] {
        jensen_shannon_f32::divergences::<true, N>(p, q)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512::divergences(p, q) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(p, q) },
        Extension::Baseline => jensen_shannon_f32::divergences::<BASELINE_FMA, N>(p, q),
    }
}

/// Adds the terms of one outcome to the divergences between point `i` and all points before it, in `f32`.
#[inline]
pub(super) fn add_outcome_f32(
    extension: Extension,
    i: usize,
    outcome: &[F32Lanes],
    divergences: &mut [f64],
) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(i: usize, outcome: &[F32Lanes], divergences: &mut [f64]) {
        jensen_shannon_f32::add_outcome::<true>(i, outcome, divergences);
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512::add_outcome(i, outcome, divergences) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(i, outcome, divergences) },
        Extension::Baseline => {
            jensen_shannon_f32::add_outcome::<BASELINE_FMA>(i, outcome, divergences)
        }
    }
}

/// Terms that the outcomes of one pair of lanes add to a divergence in `f32`, one each.
#[inline]
pub(super) fn terms_f32(extension: Extension, p: &F32Lanes, q: &F32Lanes) -> [f32; F32_LANES] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(p: &F32Lanes, q: &F32Lanes) -> [f32; F32_LANES] {
        jensen_shannon_f32::terms::<true>(p, q)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512::terms(p, q) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(p, q) },
        Extension::Baseline => jensen_shannon_f32::terms::<BASELINE_FMA>(p, q),
    }
}

/// Terms that the outcomes of one pair of lanes add to a divergence in `f64`, one each.
#[inline]
pub(super) fn terms_f64(extension: Extension, p: &F64Lanes, q: &F64Lanes) -> [f64; F64_LANES] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(p: &F64Lanes, q: &F64Lanes) -> [f64; F64_LANES] {
        jensen_shannon_f64::terms::<true>(p, q)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(p: &F64Lanes, q: &F64Lanes) -> [f64; F64_LANES] {
        jensen_shannon_f64::terms::<true>(p, q)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(p, q) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(p, q) },
        Extension::Baseline => jensen_shannon_f64::terms::<BASELINE_FMA>(p, q),
    }
}

/// Adds `scale * ln(2 p / (p + q))` to the gradient of `p`, and likewise for `q`, in `f32`.
#[inline]
pub(super) fn add_log_ratios_f32(
    extension: Extension,
    rows: [&[f32]; 2],
    scale: f32,
    gradients: [&mut [f32]; 2],
) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(rows: [&[f32]; 2], scale: f32, gradients: [&mut [f32]; 2]) {
        jensen_shannon_f32::add_log_ratios::<true>(rows, scale, gradients);
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(rows: [&[f32]; 2], scale: f32, gradients: [&mut [f32]; 2]) {
        jensen_shannon_f32::add_log_ratios::<true>(rows, scale, gradients);
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(rows, scale, gradients) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(rows, scale, gradients) },
        Extension::Baseline => {
            jensen_shannon_f32::add_log_ratios::<BASELINE_FMA>(rows, scale, gradients)
        }
    }
}

/// Jensen-Shannon divergences between `p` and each of `q` in `f64`.
#[inline]
pub(super) fn divergences_f64<const N: usize>(
    extension: Extension,
    p: &[F64Lanes],
    q: [&[F64Lanes]; N],
) -> [f64; N] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512<const N: usize>(p: &[F64Lanes], q: [&[F64Lanes]; N]) -> [f64; N] {
        jensen_shannon_f64::divergences::<true, N>(p, q)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<const N: usize>(p: &[F64Lanes], q: [&[F64Lanes]; N]) -> [f64; N] {
        jensen_shannon_f64::divergences::<true, N>(p, q)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(p, q) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(p, q) },
        Extension::Baseline => jensen_shannon_f64::divergences::<BASELINE_FMA, N>(p, q),
    }
}

/// Adds the terms of one outcome to the divergences between point `i` and all points before it, in `f64`.
#[inline]
pub(super) fn add_outcome_f64(
    extension: Extension,
    i: usize,
    outcome: &[F64Lanes],
    divergences: &mut [f64],
) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(i: usize, outcome: &[F64Lanes], divergences: &mut [f64]) {
        jensen_shannon_f64::add_outcome::<true>(i, outcome, divergences);
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(i: usize, outcome: &[F64Lanes], divergences: &mut [f64]) {
        jensen_shannon_f64::add_outcome::<true>(i, outcome, divergences);
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(i, outcome, divergences) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(i, outcome, divergences) },
        Extension::Baseline => {
            jensen_shannon_f64::add_outcome::<BASELINE_FMA>(i, outcome, divergences)
        }
    }
}

/// Adds `scale * ln(2 p / (p + q))` to the gradient of `p`, and likewise for `q`, in `f64`.
#[inline]
pub(super) fn add_log_ratios_f64(
    extension: Extension,
    rows: [&[f64]; 2],
    scale: f64,
    gradients: [&mut [f64]; 2],
) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(rows: [&[f64]; 2], scale: f64, gradients: [&mut [f64]; 2]) {
        jensen_shannon_f64::add_log_ratios::<true>(rows, scale, gradients);
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(rows: [&[f64]; 2], scale: f64, gradients: [&mut [f64]; 2]) {
        jensen_shannon_f64::add_log_ratios::<true>(rows, scale, gradients);
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(rows, scale, gradients) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(rows, scale, gradients) },
        Extension::Baseline => {
            jensen_shannon_f64::add_log_ratios::<BASELINE_FMA>(rows, scale, gradients)
        }
    }
}

/// Squared Euclidean distances between `u` and each of `v`.
#[inline]
pub(super) fn squared_distances<const N: usize>(
    extension: Extension,
    u: &[f64],
    v: [&[f64]; N],
) -> [f64; N] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512<const N: usize>(u: &[f64], v: [&[f64]; N]) -> [f64; N] {
        squared_distances_f64::<true, N>(u, v)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<const N: usize>(u: &[f64], v: [&[f64]; N]) -> [f64; N] {
        squared_distances_f64::<true, N>(u, v)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(u, v) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(u, v) },
        Extension::Baseline => squared_distances_f64::<BASELINE_FMA, N>(u, v),
    }
}

/// Sums of the absolute differences between `u` and each of `v`.
#[inline]
pub(super) fn sums_of_differences<const N: usize>(
    extension: Extension,
    u: &[f64],
    v: [&[f64]; N],
) -> [f64; N] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512<const N: usize>(u: &[f64], v: [&[f64]; N]) -> [f64; N] {
        sums_of_differences_f64(u, v)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<const N: usize>(u: &[f64], v: [&[f64]; N]) -> [f64; N] {
        sums_of_differences_f64(u, v)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(u, v) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(u, v) },
        Extension::Baseline => sums_of_differences_f64(u, v),
    }
}

/// Inner products of each point of one panel with each of another.
#[inline]
pub(super) fn inner_products(
    extension: Extension,
    rows: &[[f32; PANEL]],
    columns: &[[f32; PANEL]],
) -> Block {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(rows: &[[f32; PANEL]], columns: &[[f32; PANEL]]) -> Block {
        inner_products_f32::<true, 4, 16>(rows, columns)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512::inner_products(rows, columns) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(rows, columns) },
        Extension::Baseline => inner_products_f32::<BASELINE_FMA, 4, 8>(rows, columns),
    }
}

/// Coordinates of all masses of a panel relative to an origin, for bounds of divergences; returns the sums of the masses.
#[inline]
pub(super) fn coordinates(
    extension: Extension,
    masses: &[[f32; PANEL]],
    origin: &[Coordinates],
    coordinates: &mut [[f32; PANEL]],
) -> [f64; PANEL] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(
        masses: &[[f32; PANEL]],
        origin: &[Coordinates],
        coordinates: &mut [[f32; PANEL]],
    ) -> [f64; PANEL] {
        coordinates_f32::<true>(masses, origin, coordinates)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(
        masses: &[[f32; PANEL]],
        origin: &[Coordinates],
        coordinates: &mut [[f32; PANEL]],
    ) -> [f64; PANEL] {
        coordinates_f32::<true>(masses, origin, coordinates)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(masses, origin, coordinates) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(masses, origin, coordinates) },
        Extension::Baseline => coordinates_f32::<BASELINE_FMA>(masses, origin, coordinates),
    }
}

/// Bounds of the divergences between each point of one panel and each of another.
#[inline]
pub(super) fn bounds(
    extension: Extension,
    products: [&Block; 2],
    [rows, columns]: [&PointTerms; 2],
    relative: f32,
) -> [[[f32; 2]; PANEL]; PANEL] {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(
        products: [&Block; 2],
        [rows, columns]: [&PointTerms; 2],
        relative: f32,
    ) -> [[[f32; 2]; PANEL]; PANEL] {
        bounds_f32::<true>(products, rows, columns, relative)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(
        products: [&Block; 2],
        [rows, columns]: [&PointTerms; 2],
        relative: f32,
    ) -> [[[f32; 2]; PANEL]; PANEL] {
        bounds_f32::<true>(products, rows, columns, relative)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(products, [rows, columns], relative) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(products, [rows, columns], relative) },
        Extension::Baseline => bounds_f32::<BASELINE_FMA>(products, rows, columns, relative),
    }
}

/// Candidates for edges of the minimum spanning tree; false if there are too many.
#[inline]
pub(super) fn search_candidates(
    extension: Extension,
    search: Search,
    products: &[f32],
    points: &mut Points,
    pairs: &mut Vec<[u32; 2]>,
) -> bool {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(s: Search, products: &[f32], points: &mut Points, pairs: &mut Vec<[u32; 2]>) -> bool {
        search_candidates_f32(s, products, points, pairs)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(s: Search, products: &[f32], points: &mut Points, pairs: &mut Vec<[u32; 2]>) -> bool {
        search_candidates_f32(s, products, points, pairs)
    }
    match extension {
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX-512F and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(search, products, points, pairs) },
        // SAFETY: `Extension::available` makes this variant only if the processor has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(search, products, points, pairs) },
        Extension::Baseline => search_candidates_f32(search, products, points, pairs),
    }
}

/// Kernels of `f32` in AVX-512 intrinsics.
///
/// The generic kernel of the divergence spends half of its time on a square root and a division. Here an
/// approximate reciprocal square root and one Newton step replace both, which a compiler may not do by itself
/// because the result differs in the last bit. The generic kernel of the inner products is not vectorised for
/// as many registers as AVX-512 has.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::super::gram::{Block, PANEL};
    use super::super::jensen_shannon_f32::{BLOCK, ENTROPY_QUOTIENT, F32_LANES, F32Lanes};
    use std::arch::x86_64::*;

    /// Divergences between `p` and each of `q`; see [`super::divergences_f32`].
    #[target_feature(enable = "avx512f")]
    pub(super) fn divergences<const N: usize>(p: &[F32Lanes], q: [&[F32Lanes]; N]) -> [f64; N] {
        // One check of the lengths here, so that the compiler needs none in the inner loop.
        let q = q.map(|q| &q[..p.len()]);
        let mut totals = [0.0; N];
        // Blocks are summed in `f32`, and their sums in `f64`, as in the generic kernel.
        for start in (0..p.len()).step_by(BLOCK) {
            let mut sums = [_mm512_setzero_ps(); N];
            for k in start..p.len().min(start + BLOCK) {
                // Loaded once for all `N` rows.
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

    /// Adds the terms of one outcome; see [`super::add_outcome_f32`].
    #[target_feature(enable = "avx512f")]
    pub(super) fn add_outcome(i: usize, outcome: &[F32Lanes], divergences: &mut [f64]) {
        let own_lanes = &outcome[i / F32_LANES];
        let mass = _mm512_set1_ps(own_lanes.mass[i % F32_LANES]);
        let root = _mm512_set1_ps(own_lanes.root[i % F32_LANES]);
        // The last chunk of divergences can be shorter than a vector: all sixteen terms are computed and
        // stored, and the zip below drops those of point `i` and later ones.
        for (divergences, others) in divergences.chunks_mut(F32_LANES).zip(outcome) {
            let terms = add_terms(
                _mm512_setzero_ps(),
                [mass, load(&others.mass)],
                [root, load(&others.root)],
            );
            let mut term_lanes = [0.0; F32_LANES];
            store(&mut term_lanes, terms);
            for (divergence, term) in divergences.iter_mut().zip(term_lanes) {
                *divergence += 0.25 * f64::from(term);
            }
        }
    }

    /// Inner products of two panels; see [`super::inner_products`].
    #[target_feature(enable = "avx512f")]
    pub(super) fn inner_products(rows: &[[f32; PANEL]], columns: &[[f32; PANEL]]) -> Block {
        let mut sums = [_mm512_setzero_ps(); PANEL];
        for (left, right) in rows.iter().zip(columns) {
            let right = load(right);
            for (sum, &x) in sums.iter_mut().zip(left) {
                *sum = _mm512_fmadd_ps(_mm512_set1_ps(x), right, *sum);
            }
        }
        let mut block = [[0.0; PANEL]; PANEL];
        for (line, sum) in block.iter_mut().zip(sums) {
            store(line, sum);
        }
        block
    }

    /// Terms of one pair of lanes; see [`super::terms_f32`].
    #[target_feature(enable = "avx512f")]
    pub(super) fn terms(p: &F32Lanes, q: &F32Lanes) -> [f32; F32_LANES] {
        let terms = add_terms(
            _mm512_setzero_ps(),
            [load(&p.mass), load(&q.mass)],
            [load(&p.root), load(&q.root)],
        );
        let mut lanes = [0.0; F32_LANES];
        store(&mut lanes, terms);
        lanes
    }

    /// Loads sixteen numbers into a vector.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(values: &[f32; F32_LANES]) -> __m512 {
        // SAFETY: the pointer is valid for reading the 64 bytes of the vector, since the array has
        // sixteen numbers of 4 bytes, and `loadu` requires no alignment.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }

    /// Stores sixteen numbers of a vector.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(values: &mut [f32; F32_LANES], vector: __m512) {
        // SAFETY: the pointer is valid for writing the 64 bytes of the vector, since the array has
        // sixteen numbers of 4 bytes, and `storeu` requires no alignment.
        unsafe { _mm512_storeu_ps(values.as_mut_ptr(), vector) };
    }

    /// Returns `sum + s g(delta^2)` for sixteen pairs of masses, `s` the sum of each pair.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add_terms(sum: __m512, mass: [__m512; 2], root: [__m512; 2]) -> __m512 {
        let total = _mm512_add_ps(mass[0], mass[1]);
        // The bound avoids 0 / 0: two zero masses have the difference zero and contribute exactly zero.
        let total = _mm512_max_ps(total, _mm512_set1_ps(f32::MIN_POSITIVE));
        // Newton's step for 1 / sqrt(s): r + r / 2 * (1 - s r^2). It raises the 14 bits of the
        // approximation to those of an `f32`.
        let seed = _mm512_rsqrt14_ps(total);
        let error = _mm512_fnmadd_ps(_mm512_mul_ps(total, seed), seed, _mm512_set1_ps(1.0));
        let half = _mm512_mul_ps(seed, _mm512_set1_ps(0.5));
        let inverse_root = _mm512_fmadd_ps(half, error, seed);

        // From here on as in the generic `add_term`, with a fused operation wherever one fits.
        let roots = _mm512_mul_ps(root[0], root[1]);
        let t = _mm512_fmsub_ps(roots, inverse_root, _mm512_set1_ps(1.0));
        let difference = _mm512_mul_ps(_mm512_sub_ps(mass[0], mass[1]), inverse_root);
        let term = _mm512_mul_ps(difference, difference);
        _mm512_fmadd_ps(term, entropy_quotient(t), sum)
    }

    /// Evaluates the polynomial [`ENTROPY_QUOTIENT`] at `t`, even and odd powers separately.
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

#[cfg(test)]
mod tests;
