//! What a model returns.

use burn::tensor::Tensor;

/// What a forward pass keeps beside the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// Nothing.
    Logits,
    /// The attention of every layer.
    Attention,
    /// The attention and the tokens after every layer.
    AttentionAndHidden,
}

impl Capture {
    pub(super) fn keeps_attention(self) -> bool {
        self != Self::Logits
    }

    pub(super) fn keeps_hidden(self) -> bool {
        self == Self::AttentionAndHidden
    }
}

/// How tokens lie over an image, or over each frame of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLayout {
    /// Time steps of a clip whose attention is returned; 1 for an image.
    pub n_frames: usize,
    /// Tokens before the first patch of each frame: class token, registers.
    pub n_prefix_tokens: usize,
    /// Rows and columns of patches; tokens follow row by row.
    pub grid: [usize; 2],
}

impl TokenLayout {
    /// Tokens of one frame.
    pub fn n_tokens(&self) -> usize {
        self.n_prefix_tokens + self.grid[0] * self.grid[1]
    }
}

/// The result of a forward pass.
///
/// Of a batch of clips the frames of a clip follow one another; `n_frames` is that of
/// [`TokenLayout`], and 1 for images.
#[derive(Debug, Clone)]
pub struct ModelOutput {
    /// Class scores, `[n_items, n_classes]` (items: images, clips, or frames clip by clip), or for a
    /// predictor the pixels of the next frame after each frame, in the unit of the input:
    /// `[batch_size * n_frames, n_channels * height * width]`.
    pub output: Tensor<2>,
    /// Meaning of the token axes below.
    pub tokens: TokenLayout,
    /// Attention within each frame, rows summing to one, before dropout, per layer:
    /// `[batch_size * n_frames, n_heads, n_tokens, n_tokens]`; empty if not captured.
    pub attention: Vec<Tensor<4>>,
    /// Share of their attention that a frame's tokens give to tokens of their own frame, mean over
    /// its tokens, per layer: `[batch_size * n_frames, n_heads]`; empty if not captured, and where
    /// attention never leaves a frame.
    pub mass: Vec<Tensor<2>>,
    /// Tokens of each frame after each layer: `[batch_size * n_frames, n_tokens, d_model]`; empty if
    /// not captured.
    pub hidden: Vec<Tensor<3>>,
}
