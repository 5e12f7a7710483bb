//! What may be done to samples before a model is shown them.

use burn::prelude::*;

use super::attack::Attack;
use super::corruption::Corruption;
use super::{Sample, SampleBatcher, SampleSpec};

/// What is done to samples.
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
/// let losses = |_: Tensor<5>| unreachable!("noise asks no model");
/// let clips = noise.apply(&samples, DIGITS_SPEC, 0, 0, &Device::flex().autodiff(), &losses);
/// assert_eq!(clips.dims(), [1, 1, 1, 8, 8]);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Perturbation {
    /// Nothing.
    None,
    /// Pixels are moved against a model.
    Attack {
        /// How.
        attack: Attack,
        /// Largest change of a pixel, a fraction of the range of pixels.
        epsilon: f64,
    },
    /// Frames are corrupted.
    Corrupt {
        /// How.
        corruption: Corruption,
        /// How much, 1 to 5.
        severity: usize,
    },
}

impl Perturbation {
    /// The perturbed samples as a model sees them: `[n_samples, n_frames, n_channels, height, width]`, pixels in
    /// [-1, 1].
    ///
    /// What is drawn depends on `seed` and on the place of a sample in the data, `first_place` for the first.
    /// `losses` and the device are as [`Attack::apply`] asks for; only attacks call `losses`.
    pub fn apply(
        self,
        samples: &[Sample],
        spec: SampleSpec,
        seed: u64,
        first_place: usize,
        device: &Device,
        losses: &dyn Fn(Tensor<5>) -> Tensor<1>,
    ) -> Tensor<5> {
        let batcher = SampleBatcher { spec };
        match self {
            Self::None => batcher.clips(samples, device),
            Self::Attack { attack, epsilon } => {
                let clips = batcher.clips(samples, device);
                attack.apply(&clips, epsilon, seed, first_place, losses)
            }
            Self::Corrupt {
                corruption,
                severity,
            } => {
                let corrupted = samples.iter().enumerate().map(|(place, sample)| {
                    let pixels =
                        corruption.apply(sample, spec, severity, seed, first_place + place);
                    Sample::new(pixels, sample.label)
                });
                batcher.clips(&corrupted.collect::<Vec<_>>(), device)
            }
        }
    }
}
