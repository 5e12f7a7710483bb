//! Token sequence of a clip: prefix tokens of the whole clip, then the patch tokens frame by frame.

use burn::prelude::*;

/// Numbers of frames and patches of a token sequence, and rearrangements of such sequences.
///
/// A sequence of one clip has `n_prefix_tokens + n_frames * n_patches` tokens, where `n_prefix_tokens` is 0
/// or the number of tokens of the whole clip.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClipTokens {
    /// Number of time steps of the clip.
    pub(super) n_frames: usize,
    /// Number of patches of one frame.
    pub(super) n_patches: usize,
}

impl ClipTokens {
    /// Adds position and time embeddings to the patches, and puts the class token, if any, before them.
    ///
    /// # Shapes
    ///
    /// - `class`: `[1, n_prefix_tokens, d_model]`
    /// - `patches`: `[batch_size * n_frames, n_patches, d_model]`
    /// - `position`: `[1, n_prefix_tokens + n_patches, d_model]`
    /// - `time`: `[1, n_frames, d_model]`
    /// - returns `[batch_size, n_prefix_tokens + n_frames * n_patches, d_model]`
    pub(super) fn embed(
        self,
        class: Option<Tensor<3>>,
        patches: Tensor<3>,
        position: Tensor<3>,
        time: Tensor<3>,
    ) -> Tensor<3> {
        let [n_images, n_patches, d_model] = patches.dims();
        let batch_size = n_images / self.n_frames;
        // The position embedding covers one frame, so its surplus belongs to the class token.
        let n_prefix_tokens = position.dims()[1] - n_patches;
        let patch_position = position.clone().slice_dim(1, n_prefix_tokens..);
        let embedding = patch_position.unsqueeze_dim::<4>(1) + time.unsqueeze_dim(2); // [1, frame, patch, d_model]
        let patches = patches.reshape([batch_size, self.n_frames, n_patches, d_model]) + embedding;
        let class = class.map(|class| {
            let class = class + position.slice_dim(1, 0..n_prefix_tokens);
            class.expand([batch_size, n_prefix_tokens, d_model])
        });
        join(class, patches.flatten(1, 2))
    }

    /// Splits a sequence into the prefix tokens of the whole clip, `None` without any, and the patches.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_prefix_tokens + n_frames * n_patches, d_model]`
    /// - returns `[batch_size, n_prefix_tokens, d_model]` and `[batch_size, n_frames * n_patches, d_model]`
    pub(super) fn split(self, tokens: Tensor<3>) -> (Option<Tensor<3>>, Tensor<3>) {
        match tokens.dims()[1] - self.n_frames * self.n_patches {
            0 => (None, tokens),
            n_prefix_tokens => (
                Some(tokens.clone().slice_dim(1, 0..n_prefix_tokens)),
                tokens.slice_dim(1, n_prefix_tokens..),
            ),
        }
    }

    /// Splits a sequence into frames, each with a copy of the prefix tokens of the clip.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_prefix_tokens + n_frames * n_patches, d_model]`
    /// - returns `[batch_size * n_frames, n_prefix_tokens + n_patches, d_model]`
    pub(super) fn to_frames(self, tokens: Tensor<3>) -> Tensor<3> {
        let [batch_size, _, d_model] = tokens.dims();
        let (class, patches) = self.split(tokens);
        let n_images = batch_size * self.n_frames;
        let class = class.map(|class| {
            let n_prefix_tokens = class.dims()[1];
            class
                .unsqueeze_dim::<4>(1)
                .expand([batch_size, self.n_frames, n_prefix_tokens, d_model])
                .reshape([n_images, n_prefix_tokens, d_model])
        });
        join(class, patches.reshape([n_images, self.n_patches, d_model]))
    }

    /// Joins frames to a sequence, the inverse of [`ClipTokens::to_frames`]; copies of prefix tokens are averaged.
    ///
    /// # Shapes
    ///
    /// - `frames`: `[batch_size * n_frames, n_prefix_tokens + n_patches, d_model]`
    /// - returns `[batch_size, n_prefix_tokens + n_frames * n_patches, d_model]`
    pub(super) fn join_frames(self, frames: Tensor<3>) -> Tensor<3> {
        let [n_images, n_tokens, d_model] = frames.dims();
        let batch_size = n_images / self.n_frames;
        let n_prefix_tokens = n_tokens - self.n_patches;
        let class = (n_prefix_tokens > 0).then(|| {
            // Every frame changed its own copy of the prefix tokens; the sequence has only one.
            let copies = frames.clone().slice_dim(1, 0..n_prefix_tokens);
            copies
                .reshape([batch_size, self.n_frames, n_prefix_tokens, d_model])
                .mean_dim(1)
                .squeeze_dim(1)
        });
        let patches = frames.slice_dim(1, n_prefix_tokens..);
        let n_patches = self.n_frames * self.n_patches;
        join(class, patches.reshape([batch_size, n_patches, d_model]))
    }

    /// Splits patches by their position in the frame, so that each sequence runs over time.
    ///
    /// # Shapes
    ///
    /// - `patches`: `[batch_size, n_frames * n_patches, d_model]`
    /// - returns `[batch_size * n_patches, n_frames, d_model]`
    pub(super) fn to_positions(self, patches: Tensor<3>) -> Tensor<3> {
        let [batch_size, _, d_model] = patches.dims();
        patches
            .reshape([batch_size, self.n_frames, self.n_patches, d_model])
            .swap_dims(1, 2)
            .reshape([batch_size * self.n_patches, self.n_frames, d_model])
    }

    /// Joins sequences over time to one per clip, the inverse of [`ClipTokens::to_positions`].
    ///
    /// # Shapes
    ///
    /// - `positions`: `[batch_size * n_patches, n_frames, d_model]`
    /// - returns `[batch_size, n_frames * n_patches, d_model]`
    pub(super) fn join_positions(self, positions: Tensor<3>) -> Tensor<3> {
        let [n_positions, n_frames, d_model] = positions.dims();
        let batch_size = n_positions / self.n_patches;
        positions
            .reshape([batch_size, self.n_patches, n_frames, d_model])
            .swap_dims(1, 2)
            .reshape([batch_size, n_frames * self.n_patches, d_model])
    }
}

/// Concatenates the class token, if any, and the patches: `[batch_size, n_tokens, d_model]`.
pub(super) fn join(class: Option<Tensor<3>>, patches: Tensor<3>) -> Tensor<3> {
    match class {
        Some(class) => Tensor::cat(vec![class, patches], 1),
        None => patches,
    }
}

/// Causal mask over frames: true where the key belongs to a later frame than the query.
///
/// # Shapes
///
/// - returns `[1, 1, n_tokens, n_tokens]` with `n_tokens = n_frames * tokens_per_frame`
pub(super) fn later_frames(
    n_frames: usize,
    tokens_per_frame: usize,
    device: &Device,
) -> Tensor<4, Bool> {
    let frames: Vec<i32> = (0_i32..)
        .take(n_frames)
        .flat_map(|frame| std::iter::repeat_n(frame, tokens_per_frame))
        .collect();
    let frame = Tensor::<1, Int>::from_ints(frames.as_slice(), device);
    let query_frame: Tensor<2, Int> = frame.clone().unsqueeze_dim(1);
    // Broadcast over keys and queries: true where query frame < key frame.
    query_frame.lower(frame.unsqueeze_dim(0)).unsqueeze()
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn values(tensor: Tensor<3>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn splitting_and_joining_are_inverse() {
        let device = Device::flex();
        let sequence = ClipTokens {
            n_frames: 3,
            n_patches: 4,
        };
        for n_prefix_tokens in [0, 1, 2] {
            let n_tokens = n_prefix_tokens + 12;
            let tokens = Tensor::random([2, n_tokens, 5], Distribution::Default, &device);
            let frames = sequence.to_frames(tokens.clone());
            assert_eq!(frames.dims(), [6, n_prefix_tokens + 4, 5]);
            // Patch 3 of frame 2 of the second clip.
            let row = |tokens: Tensor<3>, item, token| {
                values(tokens.slice([item..item + 1, token..token + 1, 0..5]))
            };
            assert_eq!(
                row(frames.clone(), 5, n_prefix_tokens + 3),
                row(tokens.clone(), 1, n_prefix_tokens + 11)
            );
            let joined = sequence.join_frames(frames);
            for (actual, expected) in values(joined).into_iter().zip(values(tokens.clone())) {
                assert!((actual - expected).abs() < 1e-6);
            }
            let (_, patches) = sequence.split(tokens);
            let positions = sequence.to_positions(patches.clone());
            assert_eq!(row(positions.clone(), 7, 2), row(patches.clone(), 1, 11));
            assert_eq!(values(sequence.join_positions(positions)), values(patches));
        }
    }

    #[test]
    fn mask_hides_later_frames_only() {
        let mask = later_frames(2, 2, &Device::flex());
        let hides: Vec<bool> = mask.into_data().iter::<bool>().collect();
        let row = |hides: [i32; 4]| hides.map(|hides| hides == 1);
        let expected = [[0, 0, 1, 1], [0, 0, 1, 1], [0; 4], [0; 4]].map(row);
        assert_eq!(hides, expected.concat());
    }
}
