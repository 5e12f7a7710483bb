//! Batches of samples as tensors, and the order in which a run visits its samples.

use burn::data::dataloader::batcher::Batcher;
use burn::prelude::*;
use rand::seq::SliceRandom;

use super::random_stream::Stream;
use super::{Sample, SampleSpec};

/// Batch of samples with their labels.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Pixels in `[-1, 1]`: `[batch_size, n_frames, n_channels, height, width]`.
    pub clips: Tensor<5>,
    /// Labels: `[batch_size]`.
    pub labels: Tensor<1, Int>,
}

/// Builds batches of samples that share one shape.
#[derive(Debug, Clone, Copy)]
pub struct SampleBatcher {
    /// Shape of the samples.
    pub spec: SampleSpec,
}

impl SampleBatcher {
    /// Stacks samples into a tensor with pixels in `[-1, 1]`:
    /// `[batch_size, n_frames, n_channels, height, width]`.
    pub fn clips(&self, samples: &[Sample], device: &Device) -> Tensor<5> {
        let SampleSpec {
            n_frames,
            n_channels,
            height,
            width,
            ..
        } = self.spec;
        let pixels: Vec<f32> = samples
            .iter()
            .flat_map(|sample| &sample.pixels)
            // Models expect pixels centred at 0.
            .map(|pixel| 2.0 * pixel - 1.0)
            .collect();
        let shape = [samples.len(), n_frames, n_channels, height, width];
        Tensor::from_data(TensorData::new(pixels, shape), device)
    }
}

impl Batcher<Sample, Batch> for SampleBatcher {
    fn batch(&self, samples: Vec<Sample>, device: &Device) -> Batch {
        let labels: Vec<i64> = samples.iter().map(|sample| sample.label as i64).collect();
        Batch {
            clips: self.clips(&samples, device),
            labels: Tensor::from_data(TensorData::new(labels, [samples.len()]), device),
        }
    }
}

/// Returns the order in which an epoch visits `len` samples: a permutation of their indices.
pub fn epoch_order(len: usize, seed: u64, epoch: usize) -> Vec<usize> {
    // A function of seed and epoch alone, so that a resumed run continues in the same order.
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut Stream::Order(epoch).of(seed));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_visits_all_samples_in_another_order() {
        let first = epoch_order(50, 1, 0);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_ne!(first, epoch_order(50, 1, 1));
        assert_ne!(first, epoch_order(50, 2, 0));
        assert_eq!(first, epoch_order(50, 1, 0));
    }
}
