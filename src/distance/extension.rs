//! Vector extensions of a processor, detected when the program runs.

use std::sync::LazyLock;

/// Vector extension of the processor for which a kernel is compiled.
///
/// A value proves that the processor has the extension: [`Extension::available`] is the only place where
/// the variants other than `Baseline` are made, and the calls of unsafe functions rest on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// AVX-512F: vectors of 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2: vectors of 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The extension that the target of the build always has, such as SSE2 or NEON.
    Baseline,
}

/// Widest extension of this processor, detected once rather than in every call.
static BEST: LazyLock<Extension> = LazyLock::new(|| Extension::available()[0]);

impl Extension {
    /// Widest extension of this processor.
    #[inline]
    pub(super) fn best() -> Self {
        *BEST
    }

    /// All extensions of this processor, the widest first.
    pub(super) fn available() -> Vec<Self> {
        let mut extensions = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            // The copies are compiled with `fma` too, so it is required beside either.
            let has_fma = std::arch::is_x86_feature_detected!("fma");
            if has_fma && std::arch::is_x86_feature_detected!("avx512f") {
                extensions.push(Self::Avx512);
            }
            if has_fma && std::arch::is_x86_feature_detected!("avx2") {
                extensions.push(Self::Avx2);
            }
        }
        extensions.push(Self::Baseline);
        extensions
    }
}
