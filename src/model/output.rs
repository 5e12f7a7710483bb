//! What a model returns.

use burn::tensor::Tensor;

/// What a forward pass keeps beside the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// Nothing.
    Logits,
    /// The attention of every layer.
    Attention,
    /// The attention and the tokens after every layer.
    AttentionAndHidden,
}

/// How a sequence of tokens lies over the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLayout {
    /// Tokens before the first patch: class token, registers.
    pub n_prefix_tokens: usize,
    /// Rows and columns of patches; tokens follow row by row.
    pub grid: [usize; 2],
}

impl TokenLayout {
    /// Length of the sequence.
    pub fn n_tokens(&self) -> usize {
        self.n_prefix_tokens + self.grid[0] * self.grid[1]
    }
}

/// The result of a forward pass.
#[derive(Debug, Clone)]
pub struct ModelOutput {
    /// Class scores: `[batch_size, n_classes]`.
    pub logits: Tensor<2>,
    /// Meaning of the token axes below.
    pub tokens: TokenLayout,
    /// Attention weights before dropout, one `[batch_size, n_heads, n_tokens, n_tokens]` per layer;
    /// empty if not captured.
    pub attention: Vec<Tensor<4>>,
    /// Tokens after each layer, `[batch_size, n_tokens, d_model]`; empty if not captured.
    pub hidden: Vec<Tensor<3>>,
}
