//! From items to tensors, in an order that the seed decides.

use burn::data::dataloader::batcher::Batcher;
use burn::prelude::*;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Sample, SampleSpec};

/// Samples of one step, with their classes.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Pixels in `[-1, 1]`: `[batch_size, n_frames, n_channels, height, width]`.
    pub clips: Tensor<5>,
    /// Classes: `[batch_size]`.
    pub labels: Tensor<1, Int>,
}

/// Makes batches of samples of one shape.
#[derive(Debug, Clone, Copy)]
pub struct SampleBatcher {
    /// Shape of the samples.
    pub spec: SampleSpec,
}

impl SampleBatcher {
    /// Pixels in `[-1, 1]`: `[batch_size, n_frames, n_channels, height, width]`.
    pub fn clips(&self, samples: &[Sample], device: &Device) -> Tensor<5> {
        let SampleSpec {
            n_frames,
            n_channels,
            height,
            width,
            ..
        } = self.spec;
        let pixels = samples.iter().flat_map(|sample| &sample.pixels);
        let pixels: Vec<f32> = pixels.map(|pixel| 2.0 * pixel - 1.0).collect();
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

/// An independent, repeatable stream of random numbers for a seed and a place in the run.
pub fn random_stream(seed: u64, place: &[u64]) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    let words = std::iter::once(seed).chain(place.iter().copied());
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

/// The order in which an epoch visits `len` items.
pub fn epoch_order(len: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut random_stream(seed, &[epoch as u64, ORDER_STREAM]));
    order
}

/// Keeps the order of an epoch apart from every other use of its random numbers.
const ORDER_STREAM: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_visit_every_item_in_different_orders() {
        let first = epoch_order(50, 1, 0);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_ne!(first, epoch_order(50, 1, 1));
        assert_ne!(first, epoch_order(50, 2, 0));
        assert_eq!(first, epoch_order(50, 1, 0));
    }
}
