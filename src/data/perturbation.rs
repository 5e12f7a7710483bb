//! Perturbations of samples: attacks and corruptions.

use burn::prelude::*;

use super::attack::Attack;
use super::corruption::Corruption;
use super::{Sample, SampleBatcher, SampleSpec};

/// Change of samples before they become the input of a model.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::data::{Corruption, DIGITS_SPEC, Perturbation, digits};
///
/// let samples = [digits().test.get(0).unwrap()];
/// let noise = Perturbation::Corrupt { corruption: Corruption::Noise, severity: 2 };
/// let losses = |_: Tensor<5>| unreachable!("corruptions do not use the model");
/// let clips = noise.apply(&samples, DIGITS_SPEC, 0, 0, &Device::flex().autodiff(), &losses);
/// assert_eq!(clips.dims(), [1, 1, 1, 8, 8]);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Perturbation {
    /// No change.
    None,
    /// Attack: pixels change so as to raise the loss of a model.
    Attack {
        /// Algorithm of the attack.
        attack: Attack,
        /// Largest change of a pixel, as a fraction of the range of pixels.
        epsilon: f64,
    },
    /// Corruption: frames change independently of any model.
    Corrupt {
        /// Kind of corruption.
        corruption: Corruption,
        /// Severity from 1 to 5.
        severity: usize,
    },
}

impl Perturbation {
    /// Returns the perturbed samples as model input: `[n_samples, n_frames, n_channels, height, width]`,
    /// pixels in `[-1, 1]`.
    ///
    /// Random numbers depend on `seed` and on the index of a sample in its data set, `first_index` for the
    /// first sample. `losses` and `device` must meet the requirements of [`Attack::apply`]; only attacks
    /// call `losses`.
    pub fn apply(
        self,
        samples: &[Sample],
        spec: SampleSpec,
        seed: u64,
        first_index: usize,
        device: &Device,
        losses: &dyn Fn(Tensor<5>) -> Tensor<1>,
    ) -> Tensor<5> {
        let batcher = SampleBatcher { spec };
        match self {
            Self::None => batcher.clips(samples, device),
            Self::Attack { attack, epsilon } => {
                let clips = batcher.clips(samples, device);
                attack.apply(&clips, epsilon, seed, first_index, losses)
            }
            Self::Corrupt {
                corruption,
                severity,
            } => {
                let corrupted: Vec<Sample> = samples
                    .iter()
                    .enumerate()
                    .map(|(offset, sample)| {
                        let index = first_index + offset;
                        let pixels = corruption.apply(sample, spec, severity, seed, index);
                        // Without ground truth: only the pixels become model input.
                        Sample::new(pixels, sample.label)
                    })
                    .collect();
                batcher.clips(&corrupted, device)
            }
        }
    }
}
