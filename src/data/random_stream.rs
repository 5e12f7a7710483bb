//! Random streams of a run: one for each use, place and time, so that results do not depend on the order of the work.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Use of random numbers, with the place or time that they are for.
///
/// Two different values never have the same stream of the same seed. The numbers that a layer draws on the device, such
/// as those of dropout, come from Burn's generator of that device, which every step seeds anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Random changes of one training sample in an epoch.
    Augmentation {
        /// Epoch, counted from 0.
        epoch: usize,
        /// Index of the sample.
        index: usize,
    },
    /// Order of the samples in an epoch, counted from 0.
    Order(usize),
    /// Mixing weight of mixup at a step.
    Mixup(usize),
    /// Rectangle of CutMix at a step, and the choice between it and mixup.
    CutMix(usize),
    /// Order of the noise levels among the samples of a step.
    Levels(usize),
    /// Noise, noise level and dropped caption of a sample of a step.
    Noise {
        /// Optimiser step.
        step: usize,
        /// Place of the sample in the batch.
        place: usize,
    },
    /// Noise of a sample of an evaluation.
    EvaluationNoise(usize),
    /// Noise that a clip is generated from.
    GenerationNoise {
        /// Digest of the caption.
        caption: u64,
        /// Number of the clip among those of the caption.
        index: usize,
    },
    /// Choice of a subset of the training split.
    Subset,
    /// Start of an attack.
    Attack {
        /// Index of the sample.
        index: usize,
        /// Number of the start.
        start: usize,
    },
    /// Corruption of a sample.
    Corruption {
        /// Index of the sample.
        index: usize,
        /// Number of the kind of corruption.
        kind: usize,
    },
}

impl Stream {
    /// Key of the stream.
    ///
    /// A changed key changes the results of every run that uses it.
    fn key(self) -> [u64; 3] {
        // Indices, epochs and steps never come near the largest number, which marks purposes in the second word. Those that
        // are marked in the third word have two numbers of their own.
        match self {
            Self::Augmentation { epoch, index } => [epoch as u64, index as u64, 0],
            Self::Order(epoch) => [epoch as u64, u64::MAX, 0],
            Self::Mixup(step) => [step as u64, u64::MAX - 1, 0],
            Self::CutMix(step) => [step as u64, u64::MAX - 2, 0],
            Self::Levels(step) => [step as u64, u64::MAX - 3, 0],
            Self::Noise { step, place } => [step as u64, place as u64, 3],
            Self::EvaluationNoise(index) => [index as u64, 0, 4],
            Self::GenerationNoise { caption, index } => [caption, index as u64, 5],
            Self::Subset => [u64::MAX - 7, 0, 0],
            Self::Attack { index, start } => [index as u64, start as u64, 1],
            Self::Corruption { index, kind } => [index as u64, kind as u64, 2],
        }
    }

    /// Random numbers of the stream in a run with this seed.
    pub(super) fn of(self, seed: u64) -> ChaCha8Rng {
        random_stream(seed, &self.key())
    }
}

/// Creates the random stream of a seed and a key of up to three words, such as an epoch and a purpose.
///
/// Streams with different seeds or keys are independent; the same seed and key always give the same
/// numbers. Further words of the key are ignored.
pub fn random_stream(seed: u64, key: &[u64]) -> ChaCha8Rng {
    // The generator takes 32 bytes, which hold four words: seed and key become its state as they are.
    let mut bytes = [0; 32];
    let words = std::iter::once(seed).chain(key.iter().copied());
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_uses_share_a_stream() {
        let mut streams = vec![Stream::Subset];
        // Sizes far beyond any data set and any training.
        for a in [0, 1, 2, 3, 1000, 1 << 40] {
            streams.extend([Stream::Order(a), Stream::Mixup(a), Stream::CutMix(a)]);
            streams.extend([Stream::Levels(a), Stream::EvaluationNoise(a)]);
            for b in [0, 1, 2, 3, 1000, 1 << 40] {
                streams.extend([
                    Stream::Augmentation { epoch: a, index: b },
                    Stream::Attack { index: a, start: b },
                    Stream::Corruption { index: a, kind: b },
                    Stream::Noise { step: a, place: b },
                    Stream::GenerationNoise {
                        caption: a as u64,
                        index: b,
                    },
                ]);
            }
        }
        let keys: BTreeSet<_> = streams.iter().map(|stream| stream.key()).collect();
        assert_eq!(keys.len(), streams.len());
    }
}
