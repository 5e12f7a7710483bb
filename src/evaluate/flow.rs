//! Noisy clips for a generator, the velocities that it has to predict, and its losses by noise level.

use burn::prelude::*;

use super::task::{FLOW_METRICS, Metrics};
use crate::config::Spec;
use crate::data::{
    EVALUATION_LEVELS, HeldOut, Noising, Sample, SampleSpec, Vocabulary, evaluation_noise,
};
use crate::error::{Error, Result};
use crate::model::{Conditions, ModelInput, NetworkConfig};

/// What turns captioned clips into the input of a generator: words with their numbers, and the length of captions.
#[derive(Debug, Clone)]
pub struct CaptionEncoder {
    /// Words that the model knows.
    pub vocabulary: Vocabulary,
    /// Largest number of words of a caption.
    pub max_words: usize,
}

/// Input of a generator, and the velocities that it has to predict.
#[derive(Debug, Clone)]
pub(crate) struct FlowBatch {
    pub(crate) input: ModelInput,
    /// Noise minus clean clip: `[n_samples * n_frames, n_channels * height * width]`.
    pub(crate) velocities: Tensor<2>,
}

impl CaptionEncoder {
    /// Encoder of the captions of a configuration; `None` unless its model is a generator.
    pub fn from_spec(spec: &Spec) -> Option<Self> {
        let NetworkConfig::Generator(generator) = &spec.model else {
            return None;
        };
        Some(Self {
            vocabulary: spec.data.vocabulary()?,
            max_words: generator.max_words,
        })
    }

    /// Stacks encoded captions, `None` for an absent one: `[n_captions, max_words]`.
    ///
    /// # Errors
    ///
    /// The errors of [`Vocabulary::encode`].
    pub fn stack(&self, captions: &[Option<&str>], device: &Device) -> Result<Tensor<2, Int>> {
        let mut numbers = Vec::with_capacity(captions.len() * self.max_words);
        for caption in captions {
            let encoded = match caption {
                Some(caption) => self.vocabulary.encode(caption, self.max_words)?,
                None => self.vocabulary.null_caption(self.max_words),
            };
            numbers.extend(encoded.into_iter().map(|number| number as i64));
        }
        let shape = [captions.len(), self.max_words];
        Ok(Tensor::from_data(TensorData::new(numbers, shape), device))
    }

    /// Mixes noise into clips.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if a sample has no caption, or one that cannot be encoded.
    pub(crate) fn flow_batch(
        &self,
        samples: &[Sample],
        noise: &[Noising],
        spec: SampleSpec,
        device: &Device,
    ) -> Result<FlowBatch> {
        let n_values = samples.iter().map(|sample| sample.pixels.len()).sum();
        let mut noisy = Vec::with_capacity(n_values);
        let mut velocities = Vec::with_capacity(n_values);
        let mut captions = Vec::with_capacity(samples.len());
        for (sample, noising) in samples.iter().zip(noise) {
            for (pixel, noise) in sample.pixels.iter().zip(&noising.noise) {
                // Models expect pixels centred at 0.
                let clean = 2.0 * pixel - 1.0;
                noisy.push((1.0 - noising.level) * clean + noising.level * noise);
                velocities.push(noise - clean);
            }
            let caption = sample.caption.as_ref().ok_or_else(|| {
                Error::invalid_parameter(
                    "a clip has no caption, expected data with captions for a generator",
                )
            })?;
            captions.push((!noising.drops_caption).then_some(caption.text.as_str()));
        }
        let n = samples.len();
        let levels: Vec<f32> = noise.iter().take(n).map(|noising| noising.level).collect();
        let SampleSpec {
            n_frames,
            n_channels,
            height,
            width,
            ..
        } = spec;
        let clips = TensorData::new(noisy, [n, n_frames, n_channels, height, width]);
        let velocities = TensorData::new(velocities, [n * n_frames, spec.frame_len()]);
        Ok(FlowBatch {
            input: ModelInput {
                clips: Tensor::from_data(clips, device),
                conditions: Some(Conditions {
                    level: Tensor::from_data(TensorData::new(levels, [n]), device),
                    captions: self.stack(&captions, device)?,
                }),
            },
            velocities: Tensor::from_data(velocities, device),
        })
    }
}

/// Noise of consecutive samples of an evaluation, the first of which has this place.
pub(super) fn noise_of_evaluation(first: usize, n: usize, spec: SampleSpec) -> Vec<Noising> {
    let n_values = spec.n_frames * spec.frame_len();
    (first..first + n)
        .map(|place| evaluation_noise(place, n_values))
        .collect()
}

/// Number of parts of the range of noise levels.
const N_PARTS: usize = 5;

/// Sums of the losses of samples, for each of [`FLOW_METRICS`].
#[derive(Debug, Clone, Default)]
pub(super) struct FlowScores {
    sums: [f64; FLOW_METRICS.len()],
    n: [usize; FLOW_METRICS.len()],
}

impl FlowScores {
    /// Adds the loss of a sample.
    pub(super) fn add(&mut self, sample: &Sample, level: f32, loss: f64) {
        let held_out = sample.caption.as_ref().map(|caption| caption.held_out);
        let mut add = |metric: usize| {
            self.sums[metric] += loss;
            self.n[metric] += 1;
        };
        match held_out {
            Some(HeldOut::Combination) => add(1 + N_PARTS),
            Some(HeldOut::Paraphrase) => add(2 + N_PARTS),
            Some(HeldOut::Nothing) | None => {
                add(0);
                let [low, high] = EVALUATION_LEVELS;
                let part = (N_PARTS as f32 * (level - low) / (high - low)) as usize;
                add(1 + part.min(N_PARTS - 1));
            }
        }
    }

    /// Means of the losses, without those of no sample.
    pub(super) fn metrics(&self) -> Metrics {
        FLOW_METRICS
            .into_iter()
            .zip(self.sums.iter().zip(self.n))
            .filter(|(_, (_, n))| *n > 0)
            .map(|(name, (sum, n))| (name, sum / n as f64))
            .collect()
    }
}
