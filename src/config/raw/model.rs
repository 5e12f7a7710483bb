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
