//! `[model]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[model]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawModel {
    /// A vision transformer.
    Vit {
        /// A standard size; gives `d_model`, `n_layers` and `n_heads`.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<RawSize>,
        /// Width of the tokens.
        #[serde(skip_serializing_if = "Option::is_none")]
        d_model: Option<usize>,
        /// Number of blocks.
        #[serde(skip_serializing_if = "Option::is_none")]
        n_layers: Option<usize>,
        /// Number of heads.
        #[serde(skip_serializing_if = "Option::is_none")]
        n_heads: Option<usize>,
        /// Side of a patch, in pixels.
        patch_size: usize,
        /// Width of the MLP over `d_model`.
        #[serde(default = "four")]
        mlp_ratio: usize,
        /// What the classifier looks at.
        #[serde(default)]
        pooling: RawPooling,
        /// Learned tokens that stand for nothing.
        #[serde(default)]
        n_registers: usize,
        /// Dropout probability.
        #[serde(default)]
        dropout: f64,
        /// Stochastic depth at the last block.
        #[serde(default)]
        drop_path: f64,
        /// A token that learns from a teacher, as published models have.
        #[serde(default, skip_serializing_if = "is_default")]
        distillation: RawDistillation,
        /// What its blocks have of their own, as those of published models.
        #[serde(default, skip_serializing_if = "is_default")]
        block: RawBlock,
        /// Pretrained weights to start from: a file of transformers or timm, or its directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        init_from: Option<String>,
        /// So many first blocks, and all before them, stay as they are in `init_from`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        freeze: Option<usize>,
    },
    /// Divided space-time attention: over the frames at each place, then over the places of a frame.
    Timesformer(RawVideo),
    /// Factorised encoder: over the places of each frame, then over the frames.
    Vivit(RawVideo),
    /// Joint attention of all tokens of a clip.
    Joint(RawVideo),
    /// A linear classifier of single frames, the mean of their scores: what to be better than.
    LinearProbe(RawLinearProbe),
}

/// A video transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawVideo {
    /// What is told of a clip.
    pub head: RawHead,
    /// A standard size; gives `d_model`, `n_layers` and `n_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<RawSize>,
    /// Width of the tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d_model: Option<usize>,
    /// Number of blocks; of `vivit` those within frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_layers: Option<usize>,
    /// Number of heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_heads: Option<usize>,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Blocks over the frames, of `vivit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_temporal_layers: Option<usize>,
    /// Frames of a tubelet, of `joint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tubelet_size: Option<usize>,
    /// Width of the MLP over `d_model`.
    #[serde(default = "four")]
    pub mlp_ratio: usize,
    /// Dropout probability.
    #[serde(default)]
    pub dropout: f64,
    /// Stochastic depth at the last block.
    #[serde(default)]
    pub drop_path: f64,
    /// What the classifier looks at, of `joint`: `cls` or `mean_before_norm`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pooling: RawPooling,
    /// How the tokens know their place, of `joint`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub positions: RawPositions,
    /// What its blocks have of their own, as those of published models.
    #[serde(default, skip_serializing_if = "is_default")]
    pub block: RawBlock,
    /// Pretrained weights to start from: a file of transformers, or its directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<String>,
    /// So many first blocks, and all before them, stay as they are in `init_from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<usize>,
}

/// `model.block`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBlock {
    /// Added to the variance by every norm.
    #[serde(default = "norm_epsilon")]
    pub norm_epsilon: f64,
    /// The same of the norm before the head, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_norm_epsilon: Option<f64>,
    /// Between the two layers of the MLP.
    #[serde(default)]
    pub activation: RawActivation,
    /// Factor of each residual branch at first, learned channel by channel; absent: none.
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
            activation: RawActivation::default(),
            layer_scale: None,
            d_mlp: None,
        }
    }
}

/// `model.block.activation`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawActivation {
    /// The GELU.
    #[default]
    Gelu,
    /// Its approximation by a hyperbolic tangent.
    GeluTanh,
    /// One half of the hidden layer, through a SiLU, times the other.
    Swiglu,
}

/// `model.distillation`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawDistillation {
    /// There is no such token.
    #[default]
    None,
    /// A token whose output nothing looks at.
    Token,
    /// A token with a classifier of its own; the scores are the mean of both.
    Head,
}

/// `model.positions`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPositions {
    /// The place and the time step have an embedding each, which are added.
    #[default]
    Sum,
    /// Each place at each time step has its own, as in the published ViViT.
    Each,
    /// Sines and cosines that are not learned, as in VideoMAE.
    Sinusoidal,
}

fn norm_epsilon() -> f64 {
    1e-6
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A linear classifier of frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLinearProbe {
    /// What is told of a clip.
    pub head: RawHead,
}

/// `model.head`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawHead {
    /// The class of a clip.
    Clip,
    /// The class of every frame.
    Frames,
    /// The frame after each frame.
    NextFrame,
}

fn four() -> usize {
    4
}

/// `model.size`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum RawSize {
    Tiny,
    Small,
    Base,
    Large,
}

/// `model.pooling`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPooling {
    /// A class token.
    #[default]
    Cls,
    /// The mean of the patches, without a class token.
    Mean,
    /// A class token and the mean of the patches, as in DINOv2.
    ClsAndMean,
    /// The mean of the patches before the norm, without a class token.
    MeanBeforeNorm,
    /// The same beside a class token that is not looked at.
    MeanBesideCls,
}
