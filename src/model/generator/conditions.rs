//! Conditions under which a generator predicts: the noise level of the clip, and its caption.

use burn::prelude::*;

/// Noise level and caption of every clip of a batch.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// Noise level of each clip, from 0 (clean) to 1 (noise alone): `[batch_size]`.
    pub level: Tensor<1>,
    /// Numbers of the words of each caption, 0 after its last word: `[batch_size, max_words]`.
    pub captions: Tensor<2, Int>,
}

/// Input of a model: clips, and conditions for a generator.
#[derive(Debug, Clone)]
pub struct ModelInput {
    /// Pixels: `[batch_size, n_frames, n_channels, height, width]`.
    pub clips: Tensor<5>,
    /// Conditions of a generator, which takes clips without them as clean and without a caption; other models have none.
    pub conditions: Option<Conditions>,
}

impl From<Tensor<5>> for ModelInput {
    fn from(clips: Tensor<5>) -> Self {
        Self {
            clips,
            conditions: None,
        }
    }
}

/// Number in the place of the first word of an absent caption.
const NULL_CAPTION: i64 = 1;

impl Conditions {
    /// Conditions of clean clips without captions.
    pub(super) fn clean(batch_size: usize, max_words: usize, device: &Device) -> Self {
        let mut numbers = vec![0; batch_size * max_words];
        for caption in numbers.chunks_exact_mut(max_words) {
            caption[0] = NULL_CAPTION;
        }
        Self {
            level: Tensor::zeros([batch_size], device),
            captions: Tensor::from_data(TensorData::new(numbers, [batch_size, max_words]), device),
        }
    }
}
