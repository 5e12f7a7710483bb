//! Mean and standard deviation by which a model normalises its input.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of the pixels of every channel, by which a model normalises its input.
///
/// ```text
/// normalised = (pixel - mean) / std          pixel in [0, 1], channel by channel
/// ```
///
/// Models take pixels in [-1, 1] and normalise them in their first layer, so that attacks, corruptions and
/// augmentation have the same pixels with and without statistics. These are constants and are not trained.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::model::{Capture, PixelStatistics, VitConfig};
///
/// let device = Device::flex();
/// let statistics = PixelStatistics { mean: vec![0.3], std: vec![0.2] };
/// let vit = VitConfig::new([8, 8], 1, 10, 2, 16, 2, 4)
///     .with_statistics(Some(statistics))
///     .init(&device);
/// let output = vit.forward(Tensor::zeros([3, 1, 8, 8], &device), Capture::Logits);
/// assert_eq!(output.output.dims(), [3, 10]);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PixelStatistics {
    /// Mean of each channel, for pixels in [0, 1].
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, above 0, for pixels in [0, 1].
    pub std: Vec<f64>,
}

impl PixelStatistics {
    /// Returns the statistics that map pixels in [0, 1] to [-1, 1], the range of a model without statistics.
    pub fn half(n_channels: usize) -> Self {
        Self {
            mean: vec![0.5; n_channels],
            std: vec![0.5; n_channels],
        }
    }

    /// Normalises pixels.
    ///
    /// # Shapes
    ///
    /// - `pixels`: `D` dimensions, in [-1, 1]; dimension `D - 3` has the channels, or those of several frames one
    ///   frame after another
    /// - returns the same shape
    ///
    /// # Panics
    ///
    /// If the number of channels is not a multiple of that of the statistics.
    pub(super) fn normalize<const D: usize>(&self, pixels: Tensor<D>) -> Tensor<D> {
        let channels = D - 3;
        let n_channels = pixels.dims()[channels];
        let n_repeats = n_channels / self.mean.len();
        assert_eq!(
            n_repeats * self.mean.len(),
            n_channels,
            "the pixels have {n_channels} channels, expected a multiple of the {} of the statistics",
            self.mean.len()
        );
        let to_unit = Self::half(self.mean.len());
        let [scales, shifts] = to_unit.change_to(self);
        let mut shape = [1; D];
        shape[channels] = n_channels;
        let constants = |values: Vec<f64>| {
            let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
            Tensor::<1>::from_floats(&values.repeat(n_repeats)[..], &pixels.device()).reshape(shape)
        };
        let [scales, shifts] = [scales, shifts].map(constants);
        pixels * scales + shifts
    }

    /// Scale and shift of each channel that turn pixels normalised by these statistics into pixels normalised by others.
    ///
    /// ```text
    /// (p - mean') / std' = (std / std') (p - mean) / std + (mean - mean') / std'
    /// ```
    pub(super) fn change_to(&self, other: &Self) -> [Vec<f64>; 2] {
        let channels = 0..self.mean.len();
        [
            channels
                .clone()
                .map(|c| self.std[c] / other.std[c])
                .collect(),
            channels
                .map(|c| (self.mean[c] - other.mean[c]) / other.std[c])
                .collect(),
        ]
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn every_channel_of_every_frame_has_its_own_statistics() {
        let device = Device::flex();
        let statistics = PixelStatistics {
            mean: vec![0.25, 0.5],
            std: vec![0.5, 0.125],
        };
        // Two frames of two channels; pixels in [-1, 1], that is 0.5, 1, 0 and 0.75 in [0, 1].
        let pixels = Tensor::<4>::from_floats([[[[0.0]], [[1.0]], [[-1.0]], [[0.5]]]], &device);
        let normalized = statistics.normalize(pixels);
        let values: Vec<f32> = normalized.into_data().try_into_vec().unwrap();
        assert_eq!(values, [0.5, 4.0, -0.5, 2.0]);
    }

    #[test]
    fn changes_of_statistics_are_inverse_and_nothing_for_equal_ones() {
        let a = PixelStatistics {
            mean: vec![0.485, 0.3],
            std: vec![0.229, 0.7],
        };
        let b = PixelStatistics::half(2);
        assert_eq!(a.change_to(&a), [vec![1.0; 2], vec![0.0; 2]]);
        let ([to_scale, to_shift], [back_scale, back_shift]) = (a.change_to(&b), b.change_to(&a));
        for channel in 0..2 {
            assert!((to_scale[channel] * back_scale[channel] - 1.0).abs() < 1e-12);
            let shift = back_scale[channel] * to_shift[channel] + back_shift[channel];
            assert!(shift.abs() < 1e-12, "{shift}");
        }
    }
}
