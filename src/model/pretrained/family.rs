//! Families of published models, by which names and shapes of tensors differ.

use crate::model::{
    Activation, Distillation, Pooling, VideoAttention, VideoConfig, VideoHead, VideoPositions,
    VitConfig,
};

/// Family of published models, which determines the names of tensors and their memory layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `ViT*` of transformers; also DeiT without a distillation token, which transformers stores as a ViT.
    Vit,
    /// `DeiT*` of transformers, with a distillation token.
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
    /// `VisionTransformer` of timm: ViT, DeiT and DINOv2, also in the files of their authors.
    Timm,
}

impl Family {
    /// Name of the family: `model_type` of transformers, or `timm`.
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

    /// Returns the family in which an image model can be saved; `None` if there is none.
    ///
    /// That is timm, unless the norms have another epsilon, or the classifier takes class token and mean, which
    /// only transformers has.
    pub(super) fn for_image_model(config: &VitConfig) -> Option<Self> {
        let style = config.style;
        let is_plain = style.layer_scale.is_none() && style.activation != Activation::SwiGlu;
        match (config.pooling, config.distillation) {
            // Both libraries have a single epsilon for all norms of an image model.
            _ if style.norm_epsilon != style.head_epsilon() => None,
            (Pooling::ClsAndMean, Distillation::None) => {
                let has_ratio = dinov2_ratio(config).is_some() && style.layer_scale.is_some();
                let family = match config.n_registers {
                    0 => Self::Dinov2,
                    _ => Self::Dinov2WithRegisters,
                };
                has_ratio.then_some(family)
            }
            (Pooling::ClsAndMean, _) => None,
            _ if style.norm_epsilon == TIMM_EPSILON => Some(Self::Timm),
            (Pooling::Cls, distillation) if is_plain && config.n_registers == 0 => {
                Some(match distillation {
                    Distillation::None => Self::Vit,
                    Distillation::Token | Distillation::Head => Self::Deit,
                })
            }
            _ => None,
        }
    }

    /// Returns the family in which a video model can be saved; `None` if there is none.
    ///
    /// For a ViViT, the sum of position and time embeddings becomes one embedding for each patch at each time
    /// step, in `config`, too.
    pub(super) fn for_video_model(config: &mut VideoConfig) -> Option<Self> {
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
                config.positions = VideoPositions::PerToken;
                is_learned.then_some(Self::Vivit)
            }
            (VideoAttention::Joint, Pooling::MeanBeforeNorm) => {
                let is_videomae = config.positions == VideoPositions::Sinusoidal
                    && style.head_epsilon() == FC_NORM_EPSILON;
                is_videomae.then_some(Self::VideoMae)
            }
            _ => None,
        }
    }

    /// True for DINOv2, with or without registers.
    pub(super) fn is_dinov2(self) -> bool {
        matches!(self, Self::Dinov2 | Self::Dinov2WithRegisters)
    }

    /// True if transformers runs the model on images of any size, and then interpolates position embeddings.
    pub(super) fn takes_any_image_size(self) -> bool {
        self.is_dinov2() || self == Self::Timesformer
    }

    /// True for models of clips.
    pub(super) fn is_video(self) -> bool {
        matches!(self, Self::Timesformer | Self::Vivit | Self::VideoMae)
    }
}

/// Epsilon of all norms of timm's vision transformers.
const TIMM_EPSILON: f64 = 1e-6;
/// Epsilon of the norm before the classifier of VideoMAE, which its configuration does not state.
pub(super) const FC_NORM_EPSILON: f64 = 1e-5;

/// `mlp_ratio` of a DINOv2; `None` if no ratio gives the width of the MLP.
pub(super) fn dinov2_ratio(config: &VitConfig) -> Option<usize> {
    let d_model = config.d_model;
    let d_mlp = config.style.d_mlp.unwrap_or(config.mlp_ratio * d_model);
    let is_gated = config.style.activation == Activation::SwiGlu;
    // Configurations state a whole ratio; that of the published models is 4.
    (1..=16).find(|ratio| d_mlp == dinov2_width(ratio * d_model, is_gated))
}

/// Width of the hidden layer of a DINOv2 from `width = mlp_ratio * d_model`.
///
/// ```text
/// d_mlp = 8 ceil(floor(2 width / 3) / 8)      if gated, otherwise width
/// ```
pub(super) fn dinov2_width(width: usize, is_gated: bool) -> usize {
    if is_gated {
        // A damaged ratio must not overflow; the shapes of the tensors reject it later.
        (width.saturating_mul(2) / 3).div_ceil(8) * 8
    } else {
        width
    }
}
