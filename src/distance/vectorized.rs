//! The `f32` kernel, compiled for each vector extension and chosen when the program runs.
//!
//! The only module of this crate with unsafe code.

#![allow(
    unsafe_code,
    reason = "functions for vector extensions are called once these were found"
)]

use std::sync::LazyLock;

use super::jensen_shannon::{F32Lanes, divergence_of};

/// What the processor offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extension {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the target has by itself: SSE2, NEON.
    Baseline,
}

static EXTENSION: LazyLock<Extension> = LazyLock::new(|| available()[0]);

/// The extensions of this processor, the widest first.
fn available() -> Vec<Extension> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let has_fma = std::arch::is_x86_feature_detected!("fma");
        if has_fma && std::arch::is_x86_feature_detected!("avx512f") {
            found.push(Extension::Avx512);
        }
        if has_fma && std::arch::is_x86_feature_detected!("avx2") {
            found.push(Extension::Avx2);
        }
    }
    found.push(Extension::Baseline);
    found
}

/// Divergence of the outcomes of `p` from those of `q`.
#[inline]
pub(super) fn divergence(p: &[F32Lanes], q: &[F32Lanes]) -> f64 {
    divergence_with(*EXTENSION, p, q)
}

#[inline]
fn divergence_with(extension: Extension, p: &[F32Lanes], q: &[F32Lanes]) -> f64 {
    match extension {
        // SAFETY: the variants are made only where the processor has these extensions.
        #[cfg(target_arch = "x86_64")]
        Extension::Avx512 => unsafe { avx512(p, q) },
        #[cfg(target_arch = "x86_64")]
        Extension::Avx2 => unsafe { avx2(p, q) },
        Extension::Baseline => {
            const HAS_FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
            divergence_of::<HAS_FMA>(p, q)
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,fma")]
fn avx512(p: &[F32Lanes], q: &[F32Lanes]) -> f64 {
    divergence_of::<true>(p, q)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(p: &[F32Lanes], q: &[F32Lanes]) -> f64 {
    divergence_of::<true>(p, q)
}

#[cfg(test)]
mod tests {
    use super::super::{JensenShannonKernel, distance};
    use super::*;

    #[test]
    fn every_extension_has_the_accuracy_of_the_kernel() {
        for n_outcomes in [1, 15, 16, 17, 197] {
            for scale in [1e-5, 1e-2, 1.0] {
                let mass = |k: usize| (k * 37 % 101 + 1) as f32 * 1e-3;
                let p: Vec<f32> = (0..n_outcomes).map(mass).collect();
                let wobble = |k: usize| 1.0 + scale * ((k * 53 % 97) as f32 / 48.0 - 1.0);
                let q: Vec<f32> = (0..n_outcomes).map(|k| mass(k) * wobble(k)).collect();
                let widened = |row: &[f32]| row.iter().map(|&m| f64::from(m)).collect::<Vec<_>>();
                let expected = distance(&widened(&p), &widened(&q));
                let prepare = |row: &[f32]| -> Vec<F32Lanes> {
                    row.chunks(f32::LANES).map(f32::prepare).collect()
                };
                for extension in available() {
                    let found = divergence_with(extension, &prepare(&p), &prepare(&q)).sqrt();
                    assert!(
                        (found - expected).abs() <= 1e-6 * expected,
                        "{extension:?}, {n_outcomes} outcomes: {found}, expected {expected}"
                    );
                }
            }
        }
    }
}
