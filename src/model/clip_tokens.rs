//! The tokens of clips in one sequence: those of the whole clip, then frame by frame the patches.

use burn::prelude::*;

/// The extents of such a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClipTokens {
    pub(super) n_frames: usize,
    /// Patches of one frame.
    pub(super) n_patches: usize,
}

impl ClipTokens {
    /// Adds embeddings of position and time to the patches, and puts the class token, if there is
    /// one, before them: `[batch_size, n_prefix_tokens + n_frames * n_patches, d_model]`.
    ///
    /// # Shapes
    ///
    /// - `patches`: `[batch_size * n_frames, n_patches, d_model]`
    /// - `position`: `[1, n_prefix_tokens + n_patches, d_model]`; `time`: `[1, n_frames, d_model]`
    pub(super) fn embed(
        self,
        class: Option<Tensor<3>>,
        patches: Tensor<3>,
        [position, time]: [Tensor<3>; 2],
    ) -> Tensor<3> {
        let [n_images, n_patches, d_model] = patches.dims();
        let batch_size = n_images / self.n_frames;
        let n_prefix_tokens = position.dims()[1] - n_patches;
        let of_frames = position.clone().slice_dim(1, n_prefix_tokens..);
        let added = of_frames.unsqueeze_dim::<4>(1) + time.unsqueeze_dim(2);
        let patches = patches.reshape([batch_size, self.n_frames, n_patches, d_model]) + added;
        let class = class.map(|class| {
            let class = class + position.slice_dim(1, 0..n_prefix_tokens);
            class.expand([batch_size, n_prefix_tokens, d_model])
        });
        join(class, patches.flatten(1, 2))
    }

    /// The tokens of the whole clip, if there are any, and the patches.
    pub(super) fn split(self, tokens: Tensor<3>) -> (Option<Tensor<3>>, Tensor<3>) {
        match tokens.dims()[1] - self.n_frames * self.n_patches {
            0 => (None, tokens),
            n_prefix_tokens => (
                Some(tokens.clone().slice_dim(1, 0..n_prefix_tokens)),
                tokens.slice_dim(1, n_prefix_tokens..),
            ),
        }
    }

    /// Every frame by itself, each with a copy of the tokens of the clip:
    /// `[batch_size * n_frames, n_prefix_tokens + n_patches, d_model]`.
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

    /// The inverse; copies of the tokens of the clip are averaged.
    pub(super) fn join_frames(self, frames: Tensor<3>) -> Tensor<3> {
        let [n_images, n_tokens, d_model] = frames.dims();
        let batch_size = n_images / self.n_frames;
        let n_prefix_tokens = n_tokens - self.n_patches;
        let class = (n_prefix_tokens > 0).then(|| {
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

    /// Every place by itself, over time: `[batch_size * n_patches, n_frames, d_model]` of
    /// `[batch_size, n_frames * n_patches, d_model]`.
    pub(super) fn to_places(self, patches: Tensor<3>) -> Tensor<3> {
        let [batch_size, _, d_model] = patches.dims();
        patches
            .reshape([batch_size, self.n_frames, self.n_patches, d_model])
            .swap_dims(1, 2)
            .reshape([batch_size * self.n_patches, self.n_frames, d_model])
    }

    /// The inverse.
    pub(super) fn join_places(self, places: Tensor<3>) -> Tensor<3> {
        let [n_places, n_frames, d_model] = places.dims();
        let batch_size = n_places / self.n_patches;
        places
            .reshape([batch_size, self.n_patches, n_frames, d_model])
            .swap_dims(1, 2)
            .reshape([batch_size, n_frames * self.n_patches, d_model])
    }
}

/// One sequence of both: `[batch_size, n_tokens, d_model]`.
pub(super) fn join(class: Option<Tensor<3>>, patches: Tensor<3>) -> Tensor<3> {
    match class {
        Some(class) => Tensor::cat(vec![class, patches], 1),
        None => patches,
    }
}

/// True where a token would see a later frame: `[1, 1, n_tokens, n_tokens]` with
/// `n_tokens = n_frames * tokens_per_frame`.
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
    let of_query: Tensor<2, Int> = frame.clone().unsqueeze_dim(1);
    of_query.lower(frame.unsqueeze_dim(0)).unsqueeze()
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn values(tensor: Tensor<3>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn frames_and_places_return_as_they_were() {
        let device = Device::flex();
        let extents = ClipTokens {
            n_frames: 3,
            n_patches: 4,
        };
        for n_prefix_tokens in [0, 1, 2] {
            let n_tokens = n_prefix_tokens + 12;
            let tokens = Tensor::random([2, n_tokens, 5], Distribution::Default, &device);
            let frames = extents.to_frames(tokens.clone());
            assert_eq!(frames.dims(), [6, n_prefix_tokens + 4, 5]);
            // Patch 3 of frame 2 of the second clip.
            let row = |tokens: Tensor<3>, item, token| {
                values(tokens.slice([item..item + 1, token..token + 1, 0..5]))
            };
            assert_eq!(
                row(frames.clone(), 5, n_prefix_tokens + 3),
                row(tokens.clone(), 1, n_prefix_tokens + 11)
            );
            let returned = extents.join_frames(frames);
            for (found, expected) in values(returned).into_iter().zip(values(tokens.clone())) {
                assert!((found - expected).abs() < 1e-6);
            }
            let (_, patches) = extents.split(tokens);
            let places = extents.to_places(patches.clone());
            assert_eq!(row(places.clone(), 7, 2), row(patches.clone(), 1, 11));
            assert_eq!(values(extents.join_places(places)), values(patches));
        }
    }

    #[test]
    fn a_token_sees_its_own_frame_and_those_before() {
        let mask = later_frames(2, 2, &Device::flex());
        let hides: Vec<bool> = mask.into_data().iter::<bool>().collect();
        let row = |hides: [i32; 4]| hides.map(|hides| hides == 1);
        let expected = [[0, 0, 1, 1], [0, 0, 1, 1], [0; 4], [0; 4]].map(row);
        assert_eq!(hides, expected.concat());
    }
}
