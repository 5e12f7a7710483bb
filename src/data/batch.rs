//! From items to tensors, in an order that the seed decides.

use burn::data::dataloader::batcher::Batcher;
use burn::prelude::*;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{ImageItem, ImageSpec};

/// Images and labels of one step.
#[derive(Debug, Clone)]
pub struct ImageBatch {
    /// Pixels in `[-1, 1]`: `[batch_size, n_channels, height, width]`.
    pub images: Tensor<4>,
    /// Classes: `[batch_size]`.
    pub labels: Tensor<1, Int>,
}

/// Makes batches of images of one shape.
#[derive(Debug, Clone, Copy)]
pub struct ImageBatcher {
    /// Shape of the images.
    pub spec: ImageSpec,
}

impl Batcher<ImageItem, ImageBatch> for ImageBatcher {
    fn batch(&self, items: Vec<ImageItem>, device: &Device) -> ImageBatch {
        let batch_size = items.len();
        let ImageSpec {
            n_channels,
            height,
            width,
            ..
        } = self.spec;
        let pixels: Vec<f32> = items
            .iter()
            .flat_map(|item| &item.pixels)
            .map(|pixel| 2.0 * pixel - 1.0)
            .collect();
        let labels: Vec<i64> = items.iter().map(|item| item.label as i64).collect();
        let shape = [batch_size, n_channels, height, width];
        ImageBatch {
            images: Tensor::from_data(TensorData::new(pixels, shape), device),
            labels: Tensor::from_data(TensorData::new(labels, [batch_size]), device),
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
