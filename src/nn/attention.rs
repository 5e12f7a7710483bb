//! Self-attention that returns its weights.

use burn::module::{Initializer, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::prelude::*;

use crate::fused::{MixedTokens, attention, linear};

/// Configuration of a [`SelfAttention`] module.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::SelfAttentionConfig;
///
/// let attention = SelfAttentionConfig::new(64, 4).with_dropout(0.1).init(&Device::flex());
/// assert_eq!(attention.num_params(), 4 * 64 * 64 + 4 * 64);
/// # }
/// ```
#[derive(Config, Debug)]
pub struct SelfAttentionConfig {
    /// Width of the tokens.
    pub d_model: usize,
    /// Number of heads; divides `d_model`.
    pub n_heads: usize,
    /// Dropout probability on the weights that mix the values.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// True to normalise queries and keys, see [`QueryKeyNorm`].
    #[config(default = false)]
    pub qk_norm: bool,
}

/// Multi-head self-attention that returns its attention weights from before dropout.
///
/// Burn's own `MultiHeadAttention` returns the weights after dropout. Their rows no longer sum to one, but
/// the topology of attention needs distributions. Queries, keys and values come from one projection; the
/// fields are named as in timm.
///
/// Create it with [`SelfAttentionConfig`].
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::SelfAttentionConfig;
///
/// let device = Device::flex();
/// let attention = SelfAttentionConfig::new(8, 2).init(&device);
/// let output = attention.forward(Tensor::ones([1, 5, 8], &device));
/// assert_eq!(output.weights.dims(), [1, 2, 5, 5]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// Projection to queries, keys and values: `d_model` to `3 * d_model`.
    pub qkv: Linear,
    /// Output projection: `d_model` to `d_model`.
    pub proj: Linear,
    /// Dropout on the weights that mix the values.
    pub dropout: Dropout,
    /// Norm of queries and keys; `None` without one.
    pub qk_norm: Option<QueryKeyNorm>,
    n_heads: usize,
}

/// Root-mean-square norm of the queries and of the keys of every head, which bounds the scores of attention.
///
/// ```text
/// norm(u) = gamma u / sqrt(mean(u^2) + 1e-6)          over the channels of a head
/// ```
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::SelfAttentionConfig;
///
/// let device = Device::flex();
/// let attention = SelfAttentionConfig::new(8, 2).with_qk_norm(true).init(&device);
/// let norm = attention.qk_norm.as_ref().unwrap();
/// assert_eq!([norm.query.dims(), norm.key.dims()], [[4], [4]]);
/// // Tokens that are a hundred times longer have the same queries and keys, but for the shift of their projection.
/// let tokens = Tensor::<3>::random([1, 5, 8], burn::tensor::Distribution::Default, &device) * 1e4;
/// let weights = |tokens| attention.forward(tokens).weights;
/// let change = (weights(tokens.clone()) - weights(tokens * 100.0)).abs().max().into_scalar::<f32>();
/// assert!(change < 1e-2, "{change}");
/// # }
/// ```
///
/// # Source
///
/// Henry et al., "Query-Key Normalization for Transformers", 2020; with the norm of Zhang and Sennrich, "Root Mean Square
/// Layer Normalization", 2019.
#[derive(Module, Debug)]
pub struct QueryKeyNorm {
    /// Factors of the channels of queries: `[d_head]`.
    pub query: Param<Tensor<1>>,
    /// Factors of the channels of keys: `[d_head]`.
    pub key: Param<Tensor<1>>,
}

impl QueryKeyNorm {
    /// Normalises the queries and the keys of `[queries, keys, values]`: `[batch_size, n_tokens, 3 * d_model]`.
    fn forward(&self, qkv: Tensor<3>) -> Tensor<3> {
        let [batch_size, n_tokens, width] = qkv.dims();
        let d_model = width / 3;
        let d_head = self.query.dims()[0];
        let normalized = |index: usize, gamma: &Param<Tensor<1>>| {
            let part = qkv
                .clone()
                .slice_dim(2, index * d_model..(index + 1) * d_model);
            let part = part.reshape([batch_size, n_tokens, d_model / d_head, d_head]);
            let size = (part.clone().square().mean_dim(3) + 1e-6).sqrt();
            let part = part / size * gamma.val().unsqueeze();
            part.reshape([batch_size, n_tokens, d_model])
        };
        let values = qkv.clone().slice_dim(2, 2 * d_model..);
        let (queries, keys) = (normalized(0, &self.query), normalized(1, &self.key));
        Tensor::cat(vec![queries, keys, values], 2)
    }
}

/// Output of [`SelfAttention`]: the new tokens and the attention weights.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::{AttentionOutput, SelfAttentionConfig};
///
/// let device = Device::flex();
/// let attention = SelfAttentionConfig::new(8, 2).init(&device);
/// let AttentionOutput { context, weights } = attention.forward(Tensor::ones([1, 5, 8], &device));
/// assert_eq!((context.dims(), weights.dims()), ([1, 5, 8], [1, 2, 5, 5]));
/// // Five equal tokens attend to each other equally.
/// assert!((weights.sum().into_scalar::<f32>() - 2.0 * 5.0).abs() < 1e-5);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AttentionOutput {
    /// Tokens after attention and output projection: `[batch_size, n_tokens, d_model]`.
    pub context: Tensor<3>,
    /// Attention weights before dropout: `[batch_size, n_heads, n_tokens, n_tokens]`, rows sum to one.
    pub weights: Tensor<4>,
}

impl SelfAttentionConfig {
    /// Initialises the module.
    ///
    /// # Panics
    ///
    /// If `n_heads` does not divide `d_model`.
    pub fn init(&self, device: &Device) -> SelfAttention {
        assert!(
            self.n_heads > 0 && self.d_model.is_multiple_of(self.n_heads),
            "d_model {} is not a multiple of n_heads {}",
            self.d_model,
            self.n_heads
        );
        SelfAttention {
            qkv: LinearConfig::new(self.d_model, 3 * self.d_model).init(device),
            proj: LinearConfig::new(self.d_model, self.d_model).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            qk_norm: self.qk_norm.then(|| {
                let ones = || Initializer::Ones.init([self.d_model / self.n_heads], device);
                QueryKeyNorm {
                    query: ones(),
                    key: ones(),
                }
            }),
            n_heads: self.n_heads,
        }
    }
}

impl SelfAttention {
    /// Returns the new tokens and the attention weights.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_tokens, d_model]`
    pub fn forward(&self, tokens: Tensor<3>) -> AttentionOutput {
        self.forward_masked(tokens, None)
    }

    /// Returns the new tokens and the attention weights under a mask.
    ///
    /// A token does not attend to tokens for which `mask` is true.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_tokens, d_model]`
    /// - `mask`: `[batch_size or 1, n_heads or 1, n_tokens or 1, n_tokens]`
    pub fn forward_masked(
        &self,
        tokens: Tensor<3>,
        mask: Option<Tensor<4, Bool>>,
    ) -> AttentionOutput {
        let qkv = linear(tokens, &self.qkv);
        let qkv = match &self.qk_norm {
            Some(norm) => norm.forward(qkv),
            None => qkv,
        };
        // Dropout acts on a copy of the weights, inside `attention`; those that come back are before it.
        let drop = |weights| self.dropout.forward(weights);
        let MixedTokens { mixed, weights } = attention(qkv, self.n_heads, mask, drop);
        AttentionOutput {
            context: linear(mixed, &self.proj),
            weights,
        }
    }
}
