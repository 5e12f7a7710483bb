//! Noise and noise levels of a generator, drawn on the host, so that they do not depend on devices or parts of a batch.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use statrs::distribution::{ContinuousCDF, Normal};

use super::random_stream::Stream;

/// Distribution of the noise levels of training, from 0 (clean) to 1 (noise alone).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Levels {
    /// Logistic function of a normal number, which prefers levels in the middle.
    LogitNormal {
        /// Mean of the normal number.
        #[serde(default)]
        mean: f64,
        /// Standard deviation of the normal number.
        #[serde(default = "one")]
        deviation: f64,
        /// Share of the levels that are drawn evenly instead, which reaches 0 and 1.
        #[serde(default = "twentieth")]
        uniform_share: f64,
    },
    /// Every level is equally probable.
    // With braces: serde lets a variant without them take any key.
    Uniform {},
}

fn one() -> f64 {
    1.0
}

fn twentieth() -> f64 {
    0.05
}

impl Default for Levels {
    fn default() -> Self {
        Self::LogitNormal {
            mean: 0.0,
            deviation: one(),
            uniform_share: twentieth(),
        }
    }
}

impl Levels {
    /// Level below which a share of all levels lies; with several parts of the distribution, one after the other.
    fn quantile(self, share: f64) -> f64 {
        match self {
            Self::Uniform {} => share,
            Self::LogitNormal { uniform_share, .. } if share < uniform_share => {
                share / uniform_share
            }
            Self::LogitNormal {
                mean,
                deviation,
                uniform_share,
            } => {
                let share = (share - uniform_share) / (1.0 - uniform_share);
                let normal = Normal::standard().inverse_cdf(share);
                // Beyond the range of numbers the logistic function is 0 or 1.
                1.0 / (1.0 + (-(mean + deviation * normal)).exp())
            }
        }
    }
}

/// Noise that is mixed into a clip.
///
/// ```text
/// noisy clip = (1 - level) clip + level noise          pixels in [-1, 1]
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Noising {
    /// Noise level, from 0 to 1.
    pub level: f32,
    /// Independent standard normal numbers, one for each value of the clip.
    pub noise: Vec<f32>,
    /// True if the model is not told the caption.
    pub drops_caption: bool,
}

/// Noise of the samples of a training step, in their order; `n_values` for each.
///
/// The levels of a step are spread over the distribution: each of as many equally probable parts has one of them, in a
/// random order. Everything is a function of the seed, the step and the place in the batch.
///
/// # Source
///
/// Kingma et al., "Variational Diffusion Models", NeurIPS 2021, appendix I.1, for levels that are spread over a batch;
/// Esser et al., "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", ICML 2024, section 3.1, for
/// the logit-normal distribution; Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022, for dropped captions.
pub fn training_noise(
    seed: u64,
    step: usize,
    [n_samples, n_values]: [usize; 2],
    levels: Levels,
    caption_dropout: f64,
) -> Vec<Noising> {
    let mut parts: Vec<usize> = (0..n_samples).collect();
    parts.shuffle(&mut Stream::Levels(step).of(seed));
    parts
        .into_par_iter()
        .enumerate()
        .map(|(place, part)| {
            let mut random = Stream::Noise { step, place }.of(seed);
            let within: f64 = random.random();
            let share = (part as f64 + within) / n_samples as f64;
            Noising {
                level: levels.quantile(share) as f32,
                drops_caption: random.random_bool(caption_dropout),
                noise: normal_numbers(&mut random, n_values),
            }
        })
        .collect()
}

/// Range of the noise levels of an evaluation.
pub const EVALUATION_LEVELS: [f32; 2] = [0.05, 0.95];

/// Seed of the noise of evaluations: the same for every run, so that losses can be compared.
const EVALUATION_SEED: u64 = 3;

/// Noise of a sample of an evaluation, always the same for the same place in the evaluation.
///
/// The levels of consecutive samples are spread evenly over [`EVALUATION_LEVELS`].
pub fn evaluation_noise(place: usize, n_values: usize) -> Noising {
    // Multiples of the golden ratio, without their whole parts, are spread evenly and follow no period of the samples.
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let share = (0.5 + golden * place as f64).fract() as f32;
    let [low, high] = EVALUATION_LEVELS;
    let mut random = Stream::EvaluationNoise(place).of(EVALUATION_SEED);
    Noising {
        level: low + (high - low) * share,
        drops_caption: false,
        noise: normal_numbers(&mut random, n_values),
    }
}

/// Noise that the clip with a number among those of a caption is generated from.
pub fn generation_noise(seed: u64, caption: &str, index: usize, n_values: usize) -> Vec<f32> {
    let digest = Sha256::digest(caption.as_bytes());
    let mut word = [0; 8];
    word.copy_from_slice(&digest[..8]);
    let caption = u64::from_le_bytes(word);
    normal_numbers(
        &mut Stream::GenerationNoise { caption, index }.of(seed),
        n_values,
    )
}

fn normal_numbers(random: &mut impl rand::Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| StandardNormal.sample(random)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_a_step_are_spread_over_the_distribution() {
        let levels = |step| -> Vec<f32> {
            let noise = training_noise(1, step, [200, 1], Levels::default(), 0.25);
            noise.iter().map(|noising| noising.level).collect()
        };
        let mut first = levels(0);
        assert_ne!(first, levels(1));
        assert_eq!(first, levels(0));
        first.sort_by(f32::total_cmp);
        // The median of the logit-normal distribution and of the even levels is 0.5, the quartiles those of the normal.
        assert!((first[100] - 0.5).abs() < 0.02, "{}", first[100]);
        assert!((first[50] - 0.3375).abs() < 0.02, "{}", first[50]);
        assert!(first[0] < 0.1 && first[199] > 0.9);
    }

    #[test]
    fn dropped_captions_and_noise_have_the_moments_that_are_asked_for() {
        let noise = training_noise(5, 3, [400, 50], Levels::Uniform {}, 0.25);
        let n_dropped = noise.iter().filter(|noising| noising.drops_caption).count();
        assert!((60..140).contains(&n_dropped), "{n_dropped}");
        let values: Vec<f32> = noise
            .iter()
            .flat_map(|noising| &noising.noise)
            .copied()
            .collect();
        let n = values.len() as f32;
        let mean = values.iter().sum::<f32>() / n;
        let square = values.iter().map(|value| value * value).sum::<f32>() / n;
        assert!(
            mean.abs() < 0.03 && (square - 1.0).abs() < 0.05,
            "{mean} {square}"
        );
    }

    #[test]
    fn noise_depends_on_place_and_step_but_not_on_the_size_of_the_batch() {
        let noise = |step, n| training_noise(5, step, [n, 4], Levels::Uniform {}, 0.0);
        assert_eq!(noise(3, 2)[1].noise, noise(3, 7)[1].noise);
        assert_ne!(noise(3, 2)[1].noise, noise(4, 2)[1].noise);
        assert_ne!(noise(3, 2)[0].noise, noise(3, 2)[1].noise);
        assert_eq!(evaluation_noise(7, 3), evaluation_noise(7, 3));
        assert_ne!(
            generation_noise(0, "a", 0, 3),
            generation_noise(0, "a", 1, 3)
        );
        assert_ne!(
            generation_noise(0, "a", 0, 3),
            generation_noise(0, "b", 0, 3)
        );
    }

    #[test]
    fn evaluation_levels_are_even() {
        let mut fifths = [0; 5];
        for place in 0..100 {
            let share = (evaluation_noise(place, 1).level - 0.05) / 0.9;
            fifths[(5.0 * share) as usize] += 1;
        }
        assert!(fifths.iter().all(|n| (18..=22).contains(n)), "{fifths:?}");
    }
}
