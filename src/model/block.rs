//! Encoder block shared by all transformers of this module.

use burn::module::{Flag, Initializer, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::activation::silu;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::output::Capture;
use crate::fused::{Gelu, gelu, layer_norm, linear};
use crate::nn::{AttentionOutput, SelfAttention, SelfAttentionConfig};

/// Activation function between the two layers of the MLP of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// GELU, `x Phi(x)` with the cumulative distribution function `Phi` of the standard normal distribution.
    #[default]
    Gelu,
    /// Approximation of the GELU, `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
    GeluTanh,
    /// SwiGLU: SiLU of the first half of the hidden channels, times the second half.
    #[serde(rename = "swiglu")]
    SwiGlu,
}

/// Options in which the blocks of published models differ.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct BlockStyle {
    /// Epsilon that every norm adds to the variance; the default is that of the ViT of Dosovitskiy et al.
    #[config(default = 1e-6)]
    pub norm_epsilon: f64,
    /// Epsilon of the norms outside of the blocks, such as that before the head; `None` for `norm_epsilon`.
    #[config(default = "None")]
    pub head_norm_epsilon: Option<f64>,
    /// Activation function of the MLP.
    #[config(default = "Activation::Gelu")]
    pub activation: Activation,
    /// Initial value of layer scale, see [`LayerScale`]; `None` without layer scale.
    #[config(default = "None")]
    pub layer_scale: Option<f64>,
    /// Width of the hidden layer of the MLP, after the gate of a SwiGLU; `None` for `mlp_ratio * d_model`.
    #[config(default = "None")]
    pub d_mlp: Option<usize>,
}

/// Configuration of a [`Block`].
#[derive(Config, Debug)]
pub struct BlockConfig {
    /// Width of the tokens.
    pub d_model: usize,
    /// Number of attention heads.
    pub n_heads: usize,
    /// Width of the hidden layer of the MLP, after the gate of a SwiGLU.
    pub d_mlp: usize,
    /// Dropout probability in attention and MLP.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Probability that a residual branch is dropped for a whole item of the batch, see [`DropPath`].
    #[config(default = 0.0)]
    pub drop_path: f64,
    /// Further options; `style.d_mlp` is ignored in favour of `d_mlp`.
    #[config(default = "BlockStyle::new()")]
    pub style: BlockStyle,
}

/// Pre-norm transformer block: attention and MLP, each on a residual branch.
///
/// ```text
/// y = x + branch(attn(norm1(x)))       branch(u) = drop_path(ls(dropout(u)))
/// z = y + branch(mlp(norm2(y)))        ls: layer scale, the identity without it
/// ```
///
/// Should be created with [`BlockConfig`]. Fields are named as in timm.
#[derive(Module, Debug)]
pub struct Block {
    /// Norm before attention.
    pub norm1: LayerNorm,
    /// Self-attention.
    pub attn: SelfAttention,
    /// Layer scale of the attention branch; `None` without layer scale.
    pub ls1: Option<LayerScale>,
    /// Norm before the MLP.
    pub norm2: LayerNorm,
    /// Two-layer MLP.
    pub mlp: Mlp,
    /// Layer scale of the MLP branch; `None` without layer scale.
    pub ls2: Option<LayerScale>,
    /// Dropout after each branch.
    pub drop: Dropout,
    /// Stochastic depth of each branch.
    pub drop_path: DropPath,
    norm_epsilon: f64,
}

/// Multilayer perceptron: two linear layers with an activation between them.
///
/// ```text
/// mlp(x) = fc2(activation(fc1(x)))
/// mlp(x) = fc2(silu(a) * b) with [a, b] = fc1(x)      for SwiGLU
/// ```
#[derive(Module, Debug)]
pub struct Mlp {
    /// First layer, `d_model` to `d_mlp`, or to `2 * d_mlp` for SwiGLU.
    pub fc1: Linear,
    /// Second layer, `d_mlp` to `d_model`.
    pub fc2: Linear,
    #[module(skip)]
    activation: Activation,
}

/// Layer scale: a learned factor for each channel of a residual branch.
///
/// ```text
/// ls(u) = gamma * u          elementwise over channels
/// ```
///
/// # Source
///
/// Touvron et al., "Going deeper with Image Transformers", ICCV 2021, section 2.
#[derive(Module, Debug)]
pub struct LayerScale {
    /// Factors of the channels: `[d_model]`.
    pub gamma: Param<Tensor<1>>,
}

/// Stochastic depth: in training, drops a residual branch for whole items of the batch.
///
/// ```text
/// drop_path(u) = b u / (1 - p)          b = 0 with probability p, otherwise 1; one b per item
/// ```
///
/// # Source
///
/// Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, equation 2; scaled as in timm.
#[derive(Module, Debug)]
pub struct DropPath {
    prob: f64,
    /// False once [`Module::freeze`] has ended the training of this layer, as for Burn's dropout.
    training: Param<Flag>,
}

impl BlockStyle {
    /// Epsilon of the norms outside of the blocks, such as that before the head.
    pub(super) fn head_epsilon(&self) -> f64 {
        self.head_norm_epsilon.unwrap_or(self.norm_epsilon)
    }
}

/// Initialises a layer norm over the channels of tokens; [`normalize`] applies it.
pub(super) fn norm(d_model: usize, epsilon: f64, device: &Device) -> LayerNorm {
    LayerNormConfig::new(d_model)
        .with_epsilon(epsilon)
        .init(device)
}

/// Applies a layer norm, `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, to every token.
///
/// # Shapes
///
/// - `tokens` and the result: `[batch_size, n_tokens, d_model]`
pub(super) fn normalize(tokens: Tensor<3>, norm: &LayerNorm, epsilon: f64) -> Tensor<3> {
    // The epsilon is an argument because the field of Burn's `LayerNorm` is private.
    match &norm.beta {
        Some(beta) => layer_norm(tokens, norm.gamma.val(), beta.val(), epsilon),
        // `norm` always creates a shift; a layer without one applies its own epsilon.
        None => norm.forward(tokens),
    }
}

/// Result of a sequence of blocks.
pub(super) struct Encoded {
    /// Tokens after the last block: `[batch_size, n_tokens, d_model]`.
    pub(super) tokens: Tensor<3>,
    /// Attention maps of every block, if captured: `[batch_size, n_heads, n_tokens, n_tokens]` each.
    pub(super) attention: Vec<Tensor<4>>,
    /// Tokens after every block, if captured: `[batch_size, n_tokens, d_model]` each.
    pub(super) hidden: Vec<Tensor<3>>,
}

/// Applies blocks to tokens, one after the other.
///
/// # Shapes
///
/// - `tokens`: `[batch_size, n_tokens, d_model]`
pub(super) fn encode(blocks: &[Block], tokens: Tensor<3>, capture: Capture) -> Encoded {
    let mut encoded = Encoded {
        tokens,
        attention: Vec::new(),
        hidden: Vec::new(),
    };
    for block in blocks {
        let output = block.forward(encoded.tokens);
        encoded.tokens = output.context;
        if capture.keeps_attention() {
            encoded.attention.push(output.weights);
        }
        if capture.keeps_hidden() {
            encoded.hidden.push(encoded.tokens.clone());
        }
    }
    encoded
}

impl BlockConfig {
    /// Sets the drop-path probability of one of `n_layers` blocks, which rises linearly with depth.
    ///
    /// ```text
    /// p_l = p l / (n_layers - 1)         l: layer, counted from 0; p: probability of the last block
    /// ```
    pub(super) fn at_depth(self, layer: usize, n_layers: usize) -> Self {
        // A single block is the first one and drops nothing; `max` avoids the division by 0.
        let depth = layer as f64 / n_layers.saturating_sub(1).max(1) as f64;
        let drop_path = self.drop_path * depth;
        self.with_drop_path(drop_path)
    }

    /// Initialises the block.
    pub fn init(&self, device: &Device) -> Block {
        let BlockStyle {
            norm_epsilon,
            activation,
            layer_scale,
            ..
        } = self.style;
        let d_hidden = match activation {
            Activation::Gelu | Activation::GeluTanh => self.d_mlp,
            // Gate and value side by side.
            Activation::SwiGlu => 2 * self.d_mlp,
        };
        // Called once for each branch, because the branches have separate factors.
        let scale = || {
            layer_scale.map(|value| LayerScale {
                gamma: Initializer::Constant { value }.init([self.d_model], device),
            })
        };
        Block {
            norm1: norm(self.d_model, norm_epsilon, device),
            attn: SelfAttentionConfig::new(self.d_model, self.n_heads)
                .with_dropout(self.dropout)
                .init(device),
            ls1: scale(),
            norm2: norm(self.d_model, norm_epsilon, device),
            mlp: Mlp {
                fc1: LinearConfig::new(self.d_model, d_hidden).init(device),
                fc2: LinearConfig::new(self.d_mlp, self.d_model).init(device),
                activation,
            },
            ls2: scale(),
            // Dropout and drop path have no weights, so both branches share them.
            drop: DropoutConfig::new(self.dropout).init(),
            drop_path: DropPath {
                prob: self.drop_path,
                training: Param::from_bool(true),
            },
            norm_epsilon,
        }
    }
}

impl Block {
    /// Computes the tokens after the block, and its attention maps.
    ///
    /// # Shapes
    ///
    /// - `tokens`, `context`: `[batch_size, n_tokens, d_model]`
    /// - `weights`: `[batch_size, n_heads, n_tokens, n_tokens]`
    pub fn forward(&self, tokens: Tensor<3>) -> AttentionOutput {
        self.forward_masked(tokens, None)
    }

    /// Computes the same as [`Block::forward`] without attention to keys where `mask` is true.
    ///
    /// # Shapes
    ///
    /// - `tokens`, `context`: `[batch_size, n_tokens, d_model]`
    /// - `weights`: `[batch_size, n_heads, n_tokens, n_tokens]`
    /// - `mask`: `[batch_size or 1, n_heads or 1, n_tokens or 1, n_tokens]`
    pub fn forward_masked(
        &self,
        tokens: Tensor<3>,
        mask: Option<Tensor<4, Bool>>,
    ) -> AttentionOutput {
        // The order of timm: dropout, layer scale, drop path.
        let branch = |output, scale: &Option<LayerScale>| {
            let dropped = self.drop.forward(output);
            let scaled = match scale {
                Some(scale) => scale.forward(dropped),
                None => dropped,
            };
            self.drop_path.forward(scaled)
        };
        let normalized = normalize(tokens.clone(), &self.norm1, self.norm_epsilon);
        let AttentionOutput { context, weights } = self.attn.forward_masked(normalized, mask);
        let tokens = tokens + branch(context, &self.ls1);
        let normalized = normalize(tokens.clone(), &self.norm2, self.norm_epsilon);
        let update = self.mlp.forward(normalized);
        AttentionOutput {
            context: tokens + branch(update, &self.ls2),
            weights,
        }
    }
}

impl Mlp {
    /// Applies the MLP to every token.
    ///
    /// # Shapes
    ///
    /// - `tokens` and the result: `[batch_size, n_tokens, d_model]`
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let hidden = linear(tokens, &self.fc1);
        let activated = match self.activation {
            Activation::Gelu => gelu(hidden, Gelu::Erf),
            Activation::GeluTanh => gelu(hidden, Gelu::Tanh),
            Activation::SwiGlu => {
                let d_mlp = hidden.dims()[2] / 2;
                // The gate is the first half, as in the published weights of DINOv2.
                let gate = hidden.clone().slice_dim(2, 0..d_mlp);
                silu(gate) * hidden.slice_dim(2, d_mlp..)
            }
        };
        linear(activated, &self.fc2)
    }
}

impl LayerScale {
    /// Scales the channels of a branch.
    ///
    /// # Shapes
    ///
    /// - `branch` and the result: `[batch_size, n_tokens, d_model]`
    pub fn forward(&self, branch: Tensor<3>) -> Tensor<3> {
        branch * self.gamma.val().unsqueeze()
    }
}

impl DropPath {
    /// Drops branches in training (on an autodiff device, and not frozen); the identity otherwise.
    ///
    /// # Shapes
    ///
    /// - `branch` and the result: `[batch_size, n_tokens, d_model]`
    pub fn forward(&self, branch: Tensor<3>) -> Tensor<3> {
        let device = branch.device();
        // Burn marks training by an autodiff device. Outside of it nothing is drawn, which leaves the random
        // stream as it is.
        if self.prob == 0.0 || !device.is_autodiff() || !self.training.is_enabled() {
            return branch;
        }
        let keep = 1.0 - self.prob;
        // One number for each item, broadcast over tokens and channels.
        let shape = [branch.dims()[0], 1, 1];
        branch * (Tensor::random(shape, Distribution::Bernoulli(keep), &device) / keep)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn frozen_drop_path_is_the_identity() {
        let device = Device::flex().autodiff();
        device.seed(3);
        let layer = DropPath {
            prob: 0.5,
            training: Param::from_bool(true),
        };
        let branch = Tensor::<3>::ones([64, 1, 1], &device);
        let sums = |layer: &DropPath| layer.forward(branch.clone()).sum().into_scalar::<f32>();
        // Every item is dropped or doubled.
        assert!(sums(&layer) != 64.0 || sums(&layer) != 64.0);
        let frozen = layer.freeze();
        assert_eq!([sums(&frozen), sums(&frozen)], [64.0; 2]);
    }
}
