//! Standard sizes of vision transformers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Standard size of a vision transformer.
///
/// The MLP of every size is four times as wide as the tokens.
///
/// # Source
///
/// Base and Large: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, table 1.
/// Tiny and Small: Touvron et al., "Training data-efficient image transformers", ICML 2021, table 1
/// (DeiT-Ti and DeiT-S).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VitSize {
    /// `d_model` 192, 12 layers, 3 heads; 5 million parameters with patches of 16 pixels.
    Tiny,
    /// `d_model` 384, 12 layers, 6 heads; 22 million parameters.
    Small,
    /// `d_model` 768, 12 layers, 12 heads; 86 million parameters.
    Base,
    /// `d_model` 1024, 24 layers, 16 heads; 307 million parameters.
    Large,
}

impl VitSize {
    /// Width of the tokens.
    pub fn d_model(self) -> usize {
        match self {
            Self::Tiny => 192,
            Self::Small => 384,
            Self::Base => 768,
            Self::Large => 1024,
        }
    }

    /// Number of layers.
    pub fn n_layers(self) -> usize {
        match self {
            Self::Tiny | Self::Small | Self::Base => 12,
            Self::Large => 24,
        }
    }

    /// Number of attention heads per layer.
    pub fn n_heads(self) -> usize {
        match self {
            Self::Tiny => 3,
            Self::Small => 6,
            Self::Base => 12,
            Self::Large => 16,
        }
    }
}
