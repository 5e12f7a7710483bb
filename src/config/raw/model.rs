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
}
