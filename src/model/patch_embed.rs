//! Patch embedding: pixels to tokens, and patches back to pixels.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;

use super::pixel_statistics::PixelStatistics;

/// Normalises the pixels of an image, cuts it into square patches and projects each of them to a token.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// Convolution with a stride equal to its kernel size, so that patches do not overlap.
    pub proj: Conv2d,
    /// Statistics by which pixels are normalised; `None` to leave them in [-1, 1].
    #[module(skip)]
    statistics: Option<PixelStatistics>,
}

impl PatchEmbed {
    /// Initialises the projection of patches.
    pub(super) fn new(
        n_channels: usize,
        patch_size: usize,
        d_model: usize,
        statistics: Option<PixelStatistics>,
        device: &Device,
    ) -> Self {
        let patch = [patch_size; 2];
        Self {
            proj: Conv2dConfig::new([n_channels, d_model], patch)
                .with_stride(patch)
                .init(device),
            statistics,
        }
    }

    /// Projects patches to tokens, row by row over the image.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch_size, n_channels, height, width]`, pixels in [-1, 1]
    /// - returns `[batch_size, n_patches, d_model]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        let images = match &self.statistics {
            Some(statistics) => statistics.normalize(images),
            None => images,
        };
        let patches = self.proj.forward(images); // [batch, d_model, row, column]
        let patches: Tensor<3> = patches.flatten(2, 3);
        patches.swap_dims(1, 2) // [batch, patch, d_model]
    }
}

/// Assembles patches to images.
///
/// # Shapes
///
/// - `patches`: `[batch_size, n_patches, n_channels * patch_size^2]`, pixels of a patch channel by
///   channel and row by row
/// - returns `[batch_size, n_channels * height * width]`
pub(super) fn assemble(patches: Tensor<3>, grid: [usize; 2], n_channels: usize) -> Tensor<2> {
    let [batch_size, n_patches, n_values] = patches.dims();
    // Patches are square, so their side follows from the number of values.
    let patch_size = (n_values / n_channels).isqrt();
    let [n_rows, n_columns] = grid;
    patches
        .reshape([
            batch_size, n_rows, n_columns, n_channels, patch_size, patch_size,
        ])
        .permute([0, 3, 1, 4, 2, 5]) // [batch, channel, row, pixel row, column, pixel column]
        .reshape([batch_size, n_patches * n_values])
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn patches_are_assembled_to_the_image() {
        let device = Device::flex();
        // Two channels of 2 by 4 pixels in two patches; each value is its index in the image.
        let patches = [
            [0.0, 1.0, 4.0, 5.0, 8.0, 9.0, 12.0, 13.0],
            [2.0, 3.0, 6.0, 7.0, 10.0, 11.0, 14.0, 15.0],
        ];
        let image = assemble(Tensor::from_floats([patches], &device), [1, 2], 2);
        let expected: Vec<f32> = (0_u8..16).map(f32::from).collect();
        assert_eq!(image.into_data().try_into_vec::<f32>().unwrap(), expected);
    }
}
