//! Whose names a file has.

use crate::model::{
    Activation, Distillation, Pooling, VideoAttention, VideoConfig, VideoHead, VideoPositions,
    VitConfig,
};

/// Whose names and order of numbers a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `ViT*` of transformers; the first DeiT without distillation are stored as such.
    Vit,
    /// `DeiT*` of transformers, with a token that learned from a teacher.
    Deit,
    /// `Dinov2*` of transformers.
    Dinov2,
    /// `Dinov2WithRegisters*` of transformers.
    Dinov2WithRegisters,
    /// `Timesformer*` of transformers.
    Timesformer,
    /// `Vivit*` of transformers.
    Vivit,
    /// `VideoMAE*` of transformers.
    VideoMae,
    /// `VisionTransformer` of timm, ViT, DeiT and DINOv2 alike, and their authors' own files.
    Timm,
}

impl Family {
    /// `model_type` of transformers, or `timm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vit => "vit",
            Self::Deit => "deit",
            Self::Dinov2 => "dinov2",
            Self::Dinov2WithRegisters => "dinov2_with_registers",
            Self::Timesformer => "timesformer",
            Self::Vivit => "vivit",
            Self::VideoMae => "videomae",
            Self::Timm => "timm",
        }
    }

    /// That which has such a model: timm, unless its norms have another epsilon or transformers alone looks
    /// at the class token and the mean.
    pub(super) fn of_image_model(config: &VitConfig) -> Option<Self> {
        let style = config.style;
        let epsilons = [style.norm_epsilon, style.head_epsilon()];
        let is_plain = style.layer_scale.is_none() && style.activation != Activation::SwiGlu;
        match (config.pooling, config.distillation) {
            _ if epsilons[0] != epsilons[1] => None,
            (Pooling::ClsAndMean, Distillation::None) => {
                let has_ratio = dinov2_ratio(config).is_some() && style.layer_scale.is_some();
                let family = match config.n_registers {
                    0 => Self::Dinov2,
                    _ => Self::Dinov2WithRegisters,
                };
                has_ratio.then_some(family)
            }
            (Pooling::ClsAndMean, _) => None,
            _ if epsilons[0] == TIMM_EPSILON => Some(Self::Timm),
            (Pooling::Cls, distillation) if is_plain && config.n_registers == 0 => {
                Some(match distillation {
                    Distillation::None => Self::Vit,
                    Distillation::Token | Distillation::Head => Self::Deit,
                })
            }
            _ => None,
        }
    }

    /// The same of clips. The sum of two position embeddings becomes one for each place and step.
    pub(super) fn of_video_model(config: &mut VideoConfig) -> Option<Self> {
        let style = config.style;
        let is_plain = style.layer_scale.is_none() && style.activation != Activation::SwiGlu;
        if config.head != VideoHead::Clip || !is_plain {
            return None;
        }
        let has_one_epsilon = style.norm_epsilon == style.head_epsilon();
        match (config.attention, config.pooling) {
            (VideoAttention::Divided, _) if has_one_epsilon => Some(Self::Timesformer),
            (VideoAttention::Joint, Pooling::Cls) if has_one_epsilon => {
                let is_learned = config.positions != VideoPositions::Sinusoidal;
                config.positions = VideoPositions::Each;
                is_learned.then_some(Self::Vivit)
            }
            (VideoAttention::Joint, Pooling::MeanBeforeNorm { .. }) => {
                let is_theirs = config.positions == VideoPositions::Sinusoidal
                    && style.head_epsilon() == FC_NORM_EPSILON;
                is_theirs.then_some(Self::VideoMae)
            }
            _ => None,
        }
    }

    pub(super) fn is_dinov2(self) -> bool {
        matches!(self, Self::Dinov2 | Self::Dinov2WithRegisters)
    }

    pub(super) fn is_video(self) -> bool {
        matches!(self, Self::Timesformer | Self::Vivit | Self::VideoMae)
    }
}

/// Of all norms of timm's vision transformers.
const TIMM_EPSILON: f64 = 1e-6;
/// Of the norm of a classifier of VideoMAE, which its configuration does not tell.
pub(super) const FC_NORM_EPSILON: f64 = 1e-5;

/// `mlp_ratio` of a DINOv2, if its MLP is as wide as one of these is.
pub(super) fn dinov2_ratio(config: &VitConfig) -> Option<usize> {
    let d_model = config.d_model;
    let d_mlp = config.style.d_mlp.unwrap_or(config.mlp_ratio * d_model);
    let is_gated = config.style.activation == Activation::SwiGlu;
    (1..=16).find(|ratio| d_mlp == dinov2_width(ratio * d_model, is_gated))
}

/// Of the hidden layer of a DINOv2 from `mlp_ratio` times the width of its tokens; a gated one keeps two
/// thirds, rounded up to a multiple of 8.
pub(super) fn dinov2_width(width: usize, is_gated: bool) -> usize {
    match is_gated {
        true => (width.saturating_mul(2) / 3).div_ceil(8) * 8,
        false => width,
    }
}
