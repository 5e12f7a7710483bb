//! From the last tokens of clips to what their model tells.

use burn::nn::{LayerNorm, Linear};
use burn::prelude::*;

use super::block::normalize;
use super::clip_tokens::ClipTokens;
use super::patch_embed::assemble;
use super::video::VideoHead;
use super::vit::Pooling;
use crate::nn::linear;

/// The parts of a model whose tokens are one sequence that read it.
pub(super) struct ReadOut<'a> {
    pub(super) kind: VideoHead,
    pub(super) norm: &'a LayerNorm,
    pub(super) norm_epsilon: f64,
    /// What a classifier of clips looks at.
    pub(super) pooling: Pooling,
    pub(super) head: &'a Linear,
    pub(super) grid: [usize; 2],
}

impl ReadOut<'_> {
    /// Scores of clips or frames, or the next frames; see
    /// [`ModelOutput::output`](super::ModelOutput::output).
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_prefix_tokens + n_steps * n_patches, d_model]`
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    pub(super) fn forward(
        &self,
        tokens: Tensor<3>,
        clips: Tensor<5>,
        extents: ClipTokens,
    ) -> Tensor<2> {
        let normalized = |tokens| normalize(tokens, self.norm, self.norm_epsilon);
        match self.kind {
            VideoHead::Clip => {
                let pooled = match self.pooling {
                    Pooling::MeanBeforeNorm { .. } => extents.split(tokens).1.mean_dim(1),
                    _ => tokens.slice_dim(1, 0..1),
                };
                linear(normalized(pooled).squeeze_dim(1), self.head)
            }
            VideoHead::Frames => {
                let frames = normalized(extents.to_frames(tokens)).mean_dim(1);
                let scores = linear(frames.squeeze_dim(1), self.head);
                let frames_per_step = clips.dims()[1] / extents.n_frames;
                repeat_rows(scores, frames_per_step)
            }
            VideoHead::NextFrame => {
                let changes = linear(normalized(extents.to_frames(tokens)), self.head);
                next_frames(clips, changes, self.grid)
            }
        }
    }
}

/// Every frame changed: `[batch_size * n_frames, n_channels * height * width]`.
///
/// # Shapes
///
/// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
/// - `changes`: `[batch_size * n_frames, n_patches, n_channels * patch_size^2]`
pub(super) fn next_frames(clips: Tensor<5>, changes: Tensor<3>, grid: [usize; 2]) -> Tensor<2> {
    let [batch_size, n_frames, n_channels, height, width] = clips.dims();
    let frames = clips.reshape([batch_size * n_frames, n_channels * height * width]);
    frames + assemble(changes, grid, n_channels)
}

/// Every row so many times, one copy after the other.
fn repeat_rows(rows: Tensor<2>, times: usize) -> Tensor<2> {
    let [n_rows, n_columns] = rows.dims();
    rows.unsqueeze_dim::<3>(1)
        .expand([n_rows, times, n_columns])
        .reshape([n_rows * times, n_columns])
}
