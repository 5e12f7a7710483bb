//! Output of a forward pass: predictions, attention maps and hidden states.

use burn::tensor::Tensor;

/// Selects what a forward pass returns in addition to the predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// Returns the predictions only.
    Logits,
    /// Also returns the attention maps of every layer.
    Attention,
    /// Also returns the attention maps and the hidden states of every layer.
    AttentionAndHidden,
}

impl Capture {
    /// True if attention maps are returned.
    pub(super) fn keeps_attention(self) -> bool {
        self != Self::Logits
    }

    /// True if hidden states are returned.
    pub(super) fn keeps_hidden(self) -> bool {
        self == Self::AttentionAndHidden
    }
}

/// Arrangement of the tokens of an image, or of each frame of a clip: prefix tokens, then a grid of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLayout {
    /// Number of time steps of a clip for which attention is returned; 1 for an image.
    pub n_frames: usize,
    /// Number of prefix tokens of each frame: class token, distillation token and register tokens.
    pub n_prefix_tokens: usize,
    /// Numbers of rows and columns of patches; patch tokens follow each other row by row.
    pub grid: [usize; 2],
}

impl TokenLayout {
    /// Number of tokens of one frame, prefix tokens included.
    pub fn n_tokens(&self) -> usize {
        self.n_prefix_tokens + self.grid[0] * self.grid[1]
    }
}

/// Result of a forward pass.
///
/// In the axis `batch_size * n_frames`, the frames of the first clip come first, in order of time, then
/// those of the second clip, and so on. `n_frames` is that of [`TokenLayout`], and 1 for images.
#[derive(Debug, Clone)]
pub struct ModelOutput {
    /// Predictions: class scores (logits), pixels of the next frame after each frame, or the velocity of a generator.
    ///
    /// - class scores: `[n_items, n_classes]`, where the items are images, clips, or frames clip by clip
    /// - pixels and velocities: `[batch_size * n_frames, n_channels * height * width]`, in the range of the model input
    pub output: Tensor<2>,
    /// Arrangement of the tokens in the axes `n_tokens` of attention and hidden states.
    pub tokens: TokenLayout,
    /// Attention maps within each frame, one tensor per layer; empty if not captured.
    ///
    /// Rows sum to 1, before dropout: `[batch_size * n_frames, n_heads, n_tokens, n_tokens]`.
    pub attention: Vec<Tensor<4>>,
    /// Within-frame attention, one tensor per layer; empty if not captured or if it is always 1.
    ///
    /// It is the fraction of their attention that the tokens of a frame give to tokens of the same frame,
    /// averaged over the tokens of the frame: `[batch_size * n_frames, n_heads]`. It is below 1 only in a model
    /// with joint attention, whose tokens attend to other frames, too.
    pub within_frame_attention: Vec<Tensor<2>>,
    /// Hidden states of each frame after each layer, one tensor per layer; empty if not captured.
    ///
    /// `[batch_size * n_frames, n_tokens, d_model]`.
    pub hidden: Vec<Tensor<3>>,
}
