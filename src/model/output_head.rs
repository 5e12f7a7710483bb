//! Output head of video transformers: from the tokens after the last block to predictions.

use burn::nn::{LayerNorm, Linear};
use burn::prelude::*;

use super::block::normalize;
use super::clip_tokens::ClipTokens;
use super::patch_embed::assemble;
use super::video::VideoHead;
use super::vit::Pooling;
use crate::fused::linear;

/// Norm, pooling and linear layer after the last block of a model whose tokens form one sequence per clip.
pub(super) struct OutputHead<'a> {
    /// Selects what is predicted.
    pub(super) kind: VideoHead,
    /// Norm before the linear layer.
    pub(super) norm: &'a LayerNorm,
    /// Epsilon of the norm.
    pub(super) norm_epsilon: f64,
    /// Input of the classifier of a clip.
    pub(super) pooling: Pooling,
    /// Linear layer to class scores, or to changes of pixels.
    pub(super) head: &'a Linear,
    /// Numbers of rows and columns of patches.
    pub(super) grid: [usize; 2],
}

impl OutputHead<'_> {
    /// Computes class scores of clips or frames, or the pixels of the next frames.
    ///
    /// The shape of the result is that of [`ModelOutput::output`](super::ModelOutput::output).
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_prefix_tokens + n_steps * n_patches, d_model]`
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    pub(super) fn forward(
        &self,
        tokens: Tensor<3>,
        clips: Tensor<5>,
        sequence: ClipTokens,
    ) -> Tensor<2> {
        let normalized = |tokens| normalize(tokens, self.norm, self.norm_epsilon);
        match self.kind {
            VideoHead::Clip => {
                let pooled = match self.pooling {
                    Pooling::MeanBeforeNorm => sequence.split(tokens).1.mean_dim(1),
                    // `VideoConfig::check` allows no other pooling than that of the class token.
                    _ => tokens.slice_dim(1, 0..1),
                };
                // The norm acts on each token alone, so only the pooled one is normalised.
                linear(normalized(pooled).squeeze_dim(1), self.head)
            }
            VideoHead::Frames => {
                // Only a head for clips has a class token, so the mean is one of patches.
                let frames = normalized(sequence.to_frames(tokens)).mean_dim(1);
                let scores = linear(frames.squeeze_dim(1), self.head);
                // All frames of a tubelet get the scores of its time step.
                let frames_per_step = clips.dims()[1] / sequence.n_frames;
                repeat_rows(scores, frames_per_step)
            }
            VideoHead::NextFrame => {
                let changes = linear(normalized(sequence.to_frames(tokens)), self.head);
                next_frames(clips, changes, self.grid)
            }
        }
    }
}

/// Adds predicted changes to the pixels of every frame.
///
/// ```text
/// next frame = frame + change
/// ```
///
/// # Shapes
///
/// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
/// - `changes`: `[batch_size * n_frames, n_patches, n_channels * patch_size^2]`
/// - returns `[batch_size * n_frames, n_channels * height * width]`
pub(super) fn next_frames(clips: Tensor<5>, changes: Tensor<3>, grid: [usize; 2]) -> Tensor<2> {
    let [batch_size, n_frames, n_channels, height, width] = clips.dims();
    let frames = clips.reshape([batch_size * n_frames, n_channels * height * width]);
    frames + assemble(changes, grid, n_channels)
}

/// Repeats every row, its copies one after the other: `[n_rows * n_copies, n_columns]`.
fn repeat_rows(rows: Tensor<2>, n_copies: usize) -> Tensor<2> {
    let [n_rows, n_columns] = rows.dims();
    rows.unsqueeze_dim::<3>(1)
        .expand([n_rows, n_copies, n_columns])
        .reshape([n_rows * n_copies, n_columns])
}
