//! The encoder block shared by all transformers here.

use burn::module::{Initializer, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::activation::silu;

use super::output::Capture;
use crate::nn::{
    AttentionOutput, Gelu, SelfAttention, SelfAttentionConfig, gelu, layer_norm, linear,
};

/// Between the two layers of an [`Mlp`].
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The GELU.
    Gelu,
    /// Its approximation by a hyperbolic tangent.
    GeluTanh,
    /// One half of what the first layer gives, through a SiLU, times the other.
    SwiGlu,
}

/// What the blocks of published models differ in.
#[derive(Config, Debug, Copy, PartialEq)]
pub struct BlockStyle {
    /// Added to the variance by every norm; by default as in the ViT of Dosovitskiy et al.
    #[config(default = 1e-6)]
    pub norm_epsilon: f64,
    /// The same of the norm before the head, where it is another.
    #[config(default = "None")]
    pub head_norm_epsilon: Option<f64>,
    /// Between the two layers of the MLP.
    #[config(default = "Activation::Gelu")]
    pub activation: Activation,
    /// Whether each residual branch is scaled channel by channel, and by how much at first.
    #[config(default = "None")]
    pub layer_scale: Option<f64>,
    /// Width of the hidden layer of the MLP, where it is not `mlp_ratio * d_model`; of a gated one the
    /// width after the gate.
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
    /// Width of the hidden layer of the MLP.
    pub d_mlp: usize,
    /// Dropout probability in attention and MLP.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Probability that a residual branch is dropped for a whole item of the batch.
    #[config(default = 0.0)]
    pub drop_path: f64,
    /// The rest; its `d_mlp` does not count.
    #[config(default = "BlockStyle::new()")]
    pub style: BlockStyle,
}

/// A pre-norm transformer block: attention and MLP, each on a residual branch.
///
/// Should be created with [`BlockConfig`]. Fields are named as in timm.
#[derive(Module, Debug)]
pub struct Block {
    /// Norm before attention.
    pub norm1: LayerNorm,
    /// Self-attention.
    pub attn: SelfAttention,
    /// Scale of what attention adds, if it is scaled.
    pub ls1: Option<LayerScale>,
    /// Norm before the MLP.
    pub norm2: LayerNorm,
    /// The MLP.
    pub mlp: Mlp,
    /// Scale of what the MLP adds, if it is scaled.
    pub ls2: Option<LayerScale>,
    /// Dropout after each branch.
    pub drop: Dropout,
    /// Stochastic depth of each branch.
    pub drop_path: DropPath,
    norm_epsilon: f64,
}

/// Two linear layers with an activation between them.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `d_model` to `d_mlp`, or to twice that with a gate.
    pub fc1: Linear,
    /// `d_mlp` to `d_model`.
    pub fc2: Linear,
    #[module(skip)]
    activation: Activation,
}

/// A learned factor for each channel of a residual branch.
///
/// # Source
///
/// Touvron et al., "Going deeper with Image Transformers", ICCV 2021, section 2.
#[derive(Module, Debug)]
pub struct LayerScale {
    /// The factors: `[d_model]`.
    pub gamma: Param<Tensor<1>>,
}

/// Stochastic depth: in training, drops a residual branch for whole items of the batch and scales up the rest.
///
/// # Source
///
/// Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, equation 2; scaled as in timm.
#[derive(Module, Debug)]
pub struct DropPath {
    prob: f64,
}

impl BlockStyle {
    /// Of the norm before the head.
    pub(super) fn head_epsilon(&self) -> f64 {
        self.head_norm_epsilon.unwrap_or(self.norm_epsilon)
    }
}

/// A norm of tokens; [`normalize`] applies it.
pub(super) fn norm(d_model: usize, epsilon: f64, device: &Device) -> LayerNorm {
    LayerNormConfig::new(d_model)
        .with_epsilon(epsilon)
        .init(device)
}

/// The tokens after a [`norm`] of this epsilon, which Burn's own does not tell.
pub(super) fn normalize(tokens: Tensor<3>, norm: &LayerNorm, epsilon: f64) -> Tensor<3> {
    match &norm.beta {
        Some(beta) => layer_norm(tokens, norm.gamma.val(), beta.val(), epsilon),
        None => norm.forward(tokens),
    }
}

/// What a sequence of blocks makes of tokens.
pub(super) struct Encoded {
    /// After the last block.
    pub(super) tokens: Tensor<3>,
    /// Of every block, if captured.
    pub(super) attention: Vec<Tensor<4>>,
    /// Tokens after every block, if captured.
    pub(super) hidden: Vec<Tensor<3>>,
}

/// Sends tokens, `[batch_size, n_tokens, d_model]`, through one block after the other.
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
    /// The configuration of block `layer` of `n_layers`, whose drop path rises linearly from 0 at the
    /// first to that of `self` at the last.
    pub(super) fn at_depth(self, layer: usize, n_layers: usize) -> Self {
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
            Activation::SwiGlu => 2 * self.d_mlp,
        };
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
            drop: DropoutConfig::new(self.dropout).init(),
            drop_path: DropPath {
                prob: self.drop_path,
            },
            norm_epsilon,
        }
    }
}

impl Block {
    /// The tokens after the block, and its attention weights.
    ///
    /// # Shapes
    ///
    /// - `tokens`, `context`: `[batch_size, n_tokens, d_model]`
    pub fn forward(&self, tokens: Tensor<3>) -> AttentionOutput {
        self.forward_masked(tokens, None)
    }

    /// The same where a token does not look at those for which `mask` is true.
    ///
    /// # Shapes
    ///
    /// - `tokens`, `context`: `[batch_size, n_tokens, d_model]`
    /// - `mask`: `[batch_size or 1, n_heads or 1, n_tokens or 1, n_tokens]`
    pub fn forward_masked(
        &self,
        tokens: Tensor<3>,
        mask: Option<Tensor<4, Bool>>,
    ) -> AttentionOutput {
        let branch = |output, scale: &Option<LayerScale>| {
            let output = self.drop.forward(output);
            let output = match scale {
                Some(scale) => scale.forward(output),
                None => output,
            };
            self.drop_path.forward(output)
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
    /// Maps `[batch_size, n_tokens, d_model]` to the same shape.
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let hidden = linear(tokens, &self.fc1);
        let hidden = match self.activation {
            Activation::Gelu => gelu(hidden, Gelu::Erf),
            Activation::GeluTanh => gelu(hidden, Gelu::Tanh),
            Activation::SwiGlu => {
                let d_mlp = hidden.dims()[2] / 2;
                let gate = hidden.clone().slice_dim(2, 0..d_mlp);
                silu(gate) * hidden.slice_dim(2, d_mlp..)
            }
        };
        linear(hidden, &self.fc2)
    }
}

impl LayerScale {
    /// Scales `[batch_size, n_tokens, d_model]`.
    pub fn forward(&self, branch: Tensor<3>) -> Tensor<3> {
        branch * self.gamma.val().unsqueeze()
    }
}

impl DropPath {
    /// Drops branches in training (on an autodiff device); the identity otherwise.
    ///
    /// # Shapes
    ///
    /// - `branch`: `[batch_size, n_tokens, d_model]`
    pub fn forward(&self, branch: Tensor<3>) -> Tensor<3> {
        let device = branch.device();
        if self.prob == 0.0 || !device.is_autodiff() {
            return branch;
        }
        let keep = 1.0 - self.prob;
        let shape = [branch.dims()[0], 1, 1];
        branch * (Tensor::random(shape, Distribution::Bernoulli(keep), &device) / keep)
    }
}
