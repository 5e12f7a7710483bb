//! `[model]`: architecture, and pretrained weights to start from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    Activation, Distillation, ImageHead, Pooling, Predict, VideoHead, VideoPositions, VitSize,
};

/// `[model]`: architecture, and pretrained weights to start from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawModel {
    /// Vision transformer, for images.
    Vit {
        /// Quantity that the model predicts: the class of an image, or its mask.
        #[serde(default, skip_serializing_if = "is_default")]
        head: ImageHead,
        /// Standard size, in place of `d_model`, `n_layers` and `n_heads`.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<VitSize>,
        /// Width of the tokens; required unless `size` is set.
        #[serde(skip_serializing_if = "Option::is_none")]
        d_model: Option<usize>,
        /// Number of layers; required unless `size` is set.
        #[serde(skip_serializing_if = "Option::is_none")]
        n_layers: Option<usize>,
        /// Number of attention heads of a layer, a divisor of `d_model`; required unless `size` is set.
        #[serde(skip_serializing_if = "Option::is_none")]
        n_heads: Option<usize>,
        /// Height and width of a patch, in pixels; a divisor of height and width of the images.
        patch_size: usize,
        /// Width of the hidden layer of the MLP, as a multiple of `d_model`.
        #[serde(default = "four")]
        mlp_ratio: usize,
        /// Tokens that the classifier uses.
        #[serde(default)]
        pooling: Pooling,
        /// Number of register tokens, between the class token and the patch tokens.
        #[serde(default)]
        n_registers: usize,
        /// Dropout probability.
        #[serde(default)]
        dropout: f64,
        /// Probability of dropping the residual branches of the last layer (stochastic depth); it rises
        /// linearly from 0 at the first layer.
        #[serde(default)]
        drop_path: f64,
        /// Distillation token, which some published models (DeiT) have.
        #[serde(default, skip_serializing_if = "is_default")]
        distillation: Distillation,
        /// Details of a layer in which published models differ.
        #[serde(default, skip_serializing_if = "is_default")]
        block: RawBlock,
        /// Pretrained weights to start from: a file of transformers or timm, or its directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        init_from: Option<String>,
        /// Height and width in pixels, beside `init_from`: images are scaled to this size, and position embeddings
        /// interpolated; absent: the size of the images of the data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image_size: Option<usize>,
        /// Number of first layers that keep the weights of `init_from`, with the embedding of patches;
        /// absent: everything is trained.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        freeze: Option<usize>,
    },
    /// TimeSformer: each layer attends over the frames at one position, then over one frame.
    Timesformer(RawVideo),
    /// ViViT with a factorised encoder: layers within frames, then layers over frames.
    Vivit(RawVideo),
    /// Joint space-time attention: every token of a clip attends to every other.
    Joint(RawVideo),
    /// Linear classifier of single frames, a simple model to compare with.
    LinearProbe(RawLinearProbe),
    /// Generator of clips from captions: a rectified flow, whose blocks attend over time, over space and to the caption.
    Generator(RawGenerator),
}

/// Video transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawVideo {
    /// Quantity that the model predicts.
    pub head: VideoHead,
    /// Standard size, in place of `d_model`, `n_layers` and `n_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<VitSize>,
    /// Width of the tokens; required unless `size` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_model: Option<usize>,
    /// Number of layers, in `vivit` of those within frames; required unless `size` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_layers: Option<usize>,
    /// Number of attention heads of a layer, a divisor of `d_model`; required unless `size` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_heads: Option<usize>,
    /// Height and width of a patch, in pixels; a divisor of height and width of the frames.
    pub patch_size: usize,
    /// Number of layers over frames, of `vivit` only; 2 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_temporal_layers: Option<usize>,
    /// Number of consecutive frames in one token, of `joint` only; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tubelet_size: Option<usize>,
    /// Width of the hidden layer of the MLP, as a multiple of `d_model`.
    #[serde(default = "four")]
    pub mlp_ratio: usize,
    /// Dropout probability.
    #[serde(default)]
    pub dropout: f64,
    /// Probability of dropping the residual branches of the last layer (stochastic depth); it rises
    /// linearly from 0 at the first layer.
    #[serde(default)]
    pub drop_path: f64,
    /// Tokens that the classifier uses, of `joint` only: `cls` or `mean_before_norm`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pooling: Pooling,
    /// Position embedding, of `joint` only.
    #[serde(default, skip_serializing_if = "is_default")]
    pub positions: VideoPositions,
    /// Details of a layer in which published models differ.
    #[serde(default, skip_serializing_if = "is_default")]
    pub block: RawBlock,
    /// Pretrained weights to start from: a file of transformers, or its directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<String>,
    /// Number of first layers that keep the weights of `init_from`, with the embedding of patches;
    /// absent: everything is trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<usize>,
}

/// `model.block`: details of a layer in which published models differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBlock {
    /// Number added to the variance by every layer normalisation.
    #[serde(default = "norm_epsilon")]
    pub norm_epsilon: f64,
    /// `norm_epsilon` of the normalisation before the classifier; absent: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_norm_epsilon: Option<f64>,
    /// Activation function of the MLP.
    #[serde(default)]
    pub activation: Activation,
    /// Initial value of the learned factors of residual branches, one per channel (LayerScale);
    /// absent: no such factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_scale: Option<f64>,
    /// Width of the hidden layer of the MLP, in place of `mlp_ratio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_mlp: Option<usize>,
}

impl Default for RawBlock {
    fn default() -> Self {
        Self {
            norm_epsilon: norm_epsilon(),
            head_norm_epsilon: None,
            activation: Activation::default(),
            layer_scale: None,
            d_mlp: None,
        }
    }
}

// That of the original vision transformer.
fn norm_epsilon() -> f64 {
    1e-6
}

// Defaults are left out of resolved configurations: a new key must not change their digests.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Linear classifier of single frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLinearProbe {
    /// Quantity that the model predicts: `clip` or `frames`.
    pub head: VideoHead,
}

/// Generator of clips from captions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGenerator {
    /// Width of the tokens, an even number.
    pub d_model: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Number of attention heads of a layer, a divisor of `d_model`.
    pub n_heads: usize,
    /// Height and width of a patch, in pixels; a divisor of height and width of the frames.
    pub patch_size: usize,
    /// Width of the hidden layer of the MLP, as a multiple of `d_model`.
    #[serde(default = "four")]
    pub mlp_ratio: usize,
    /// Quantity that the last layer predicts.
    #[serde(default)]
    pub predict: Predict,
    /// Encoder of the captions.
    #[serde(default)]
    pub text: RawText,
}

/// `model.text`: the encoder of captions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawText {
    /// Embeddings of words and layers that are trained with the generator.
    Learned {
        /// Number of layers.
        #[serde(default = "one")]
        n_layers: usize,
        /// Largest number of words of a caption.
        #[serde(default = "sixteen")]
        max_words: usize,
    },
}

impl Default for RawText {
    fn default() -> Self {
        Self::Learned {
            n_layers: one(),
            max_words: sixteen(),
        }
    }
}

fn one() -> usize {
    1
}

fn sixteen() -> usize {
    16
}

// The ratio of the original transformer and of most since.
fn four() -> usize {
    4
}
