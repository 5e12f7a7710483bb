//! What the video transformers have in common: their configuration.

use burn::module::{Initializer, Param};
use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;

use super::block::{BlockConfig, BlockStyle};
use super::output::TokenLayout;
use super::patch_embed::PatchEmbed;
use super::vit::Pooling;

/// What a video model tells of a clip.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum VideoHead {
    /// Class scores of the clip.
    Clip,
    /// Class scores of every frame; attention over time looks both ways.
    Frames,
    /// After every frame the pixels of the next one. Attention over time is causal: no token sees a
    /// later frame.
    NextFrame,
}

/// How attention goes over space and time.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum VideoAttention {
    /// In every block first over time, then over space: a [`TimeSformer`](super::TimeSformer).
    Divided,
    /// Over the space of each frame, then over the class tokens of the frames: a
    /// [`Vivit`](super::Vivit).
    Factorised {
        /// Blocks over the class tokens; at least 1.
        n_temporal_layers: usize,
    },
    /// Among all tokens of the clip at once: a
    /// [`JointVideoTransformer`](super::JointVideoTransformer).
    Joint,
}

/// Configuration of a video transformer.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::model::{Capture, VideoConfig, VideoHead};
///
/// // Clips of 3 frames of 8 by 8 grey pixels; the next frame is predicted after each.
/// let config = VideoConfig::new(3, [8, 8], 1, 10, 4, 16, 2, 4).with_head(VideoHead::NextFrame);
/// let device = Device::flex();
/// let clips = Tensor::zeros([5, 3, 1, 8, 8], &device);
/// let output = config.init(&device).forward(clips, Capture::Attention);
/// assert_eq!(output.output.dims(), [5 * 3, 64]);
/// assert_eq!(output.attention[1].dims(), [5 * 3, 4, 4, 4]);
/// # }
/// ```
#[derive(Config, Debug)]
pub struct VideoConfig {
    /// Frames of a clip.
    pub n_frames: usize,
    /// Height and width of the frames, in pixels.
    pub image_size: [usize; 2],
    /// Channels of the frames.
    pub n_channels: usize,
    /// Number of classes; of no effect where the next frame is predicted.
    pub n_classes: usize,
    /// Side of a square patch, in pixels; divides height and width.
    pub patch_size: usize,
    /// Width of the tokens.
    pub d_model: usize,
    /// Number of blocks that attend over space.
    pub n_layers: usize,
    /// Number of attention heads; divides `d_model`.
    pub n_heads: usize,
    /// Frames that make a token together; divides `n_frames`. More than 1 only with joint attention,
    /// and not where the next frame is predicted.
    #[config(default = 1)]
    pub tubelet_size: usize,
    /// Width of the MLP over `d_model`.
    #[config(default = 4)]
    pub mlp_ratio: usize,
    /// Dropout probability.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Probability of dropping the last block's branches; rises linearly from 0 at the first.
    #[config(default = 0.0)]
    pub drop_path: f64,
    /// What the model tells of a clip.
    #[config(default = "VideoHead::Clip")]
    pub head: VideoHead,
    /// How attention goes over space and time.
    #[config(default = "VideoAttention::Divided")]
    pub attention: VideoAttention,
    /// What a classifier of clips looks at: the class token, or with joint attention and without such a
    /// token the mean of all tokens before the norm.
    #[config(default = "Pooling::Cls")]
    pub pooling: Pooling,
    /// How the tokens know their place in space and time; other than the sum only with joint attention.
    #[config(default = "VideoPositions::Sum")]
    pub positions: VideoPositions,
    /// What its blocks have of their own; layer scale only with joint or factorised attention.
    #[config(default = "BlockStyle::new()")]
    pub style: BlockStyle,
}

/// The position embedding of a [`JointVideoTransformer`](super::JointVideoTransformer).
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum VideoPositions {
    /// That of the place and that of the time step, both learned, are added.
    Sum,
    /// Each place at each time step has its own, learned.
    Each,
    /// Each has its own: sines and cosines of its number, which are not learned.
    Sinusoidal,
}

impl VideoConfig {
    /// How the tokens of returned attention lie over a clip.
    pub fn token_layout(&self) -> TokenLayout {
        let n_prefix_tokens = match self.attention {
            VideoAttention::Divided => self.n_clip_tokens(),
            VideoAttention::Factorised { .. } => 1,
            VideoAttention::Joint => 0,
        };
        TokenLayout {
            n_frames: self.n_frames / self.tubelet_size,
            n_prefix_tokens,
            grid: self.image_size.map(|side| side / self.patch_size),
        }
    }

    /// Whether the numbers fit each other.
    ///
    /// # Errors
    ///
    /// A sentence on the first that does not.
    pub fn check(&self) -> Result<(), String> {
        let tubelet_size = self.tubelet_size;
        let is_multiple = |number: usize, of: usize| of > 0 && number.is_multiple_of(of);
        for side in self.image_size {
            if !is_multiple(side, self.patch_size) {
                return Err(format!(
                    "image side {side} is not a multiple of patch_size {}",
                    self.patch_size
                ));
            }
        }
        if self.n_frames == 0 || !is_multiple(self.n_frames, tubelet_size) {
            return Err(format!(
                "n_frames {} is not a positive multiple of tubelet_size {tubelet_size}",
                self.n_frames
            ));
        }
        if tubelet_size > 1 && self.attention != VideoAttention::Joint {
            return Err(format!(
                "tubelet_size is {tubelet_size}, expected 1 unless attention is joint"
            ));
        }
        if tubelet_size > 1 && self.head == VideoHead::NextFrame {
            return Err(format!(
                "tubelet_size is {tubelet_size}, expected 1 where the next frame is predicted"
            ));
        }
        if !is_multiple(self.d_model, self.n_heads) {
            return Err(format!(
                "d_model {} is not a multiple of n_heads {}",
                self.d_model, self.n_heads
            ));
        }
        let is_joint = self.attention == VideoAttention::Joint;
        let means = Pooling::MeanBeforeNorm {
            has_class_token: false,
        };
        if self.pooling != Pooling::Cls && !(is_joint && self.pooling == means) {
            return Err(format!(
                "pooling is {:?}, expected Cls, or with joint attention {means:?}",
                self.pooling
            ));
        }
        if self.positions != VideoPositions::Sum && !is_joint {
            return Err(format!(
                "positions are {:?}, expected Sum unless attention is joint",
                self.positions
            ));
        }
        if self.style.layer_scale.is_some() && self.attention == VideoAttention::Divided {
            return Err("layer_scale is set, expected none where attention is divided".into());
        }
        match self.attention {
            VideoAttention::Factorised {
                n_temporal_layers: 0,
            } => Err("n_temporal_layers is 0, expected at least 1".into()),
            _ => Ok(()),
        }
    }

    /// Class tokens that stand for the whole clip.
    pub(super) fn n_clip_tokens(&self) -> usize {
        usize::from(self.head == VideoHead::Clip && self.pooling.has_class_token())
    }

    pub(super) fn blocks(&self, n_layers: usize) -> impl Iterator<Item = BlockConfig> {
        let d_mlp = self.style.d_mlp.unwrap_or(self.mlp_ratio * self.d_model);
        let last = BlockConfig::new(self.d_model, self.n_heads, d_mlp)
            .with_dropout(self.dropout)
            .with_drop_path(self.drop_path)
            .with_style(self.style);
        (0..n_layers).map(move |layer| last.clone().at_depth(layer, n_layers))
    }

    /// Takes tubelets as images whose channels are those of their frames, frame by frame.
    pub(super) fn patch_embed(&self, device: &Device) -> PatchEmbed {
        let n_channels = self.tubelet_size * self.n_channels;
        PatchEmbed::new(n_channels, self.patch_size, self.d_model, device)
    }

    /// Learned tokens or embeddings: `[1, n_tokens, d_model]`.
    pub(super) fn embedding(&self, n_tokens: usize, device: &Device) -> Param<Tensor<3>> {
        let normal = Initializer::Normal {
            mean: 0.0,
            std: 0.02,
        };
        normal.init([1, n_tokens, self.d_model], device)
    }

    /// To class scores, or to what is to be added to the pixels of a patch: 0 at first.
    pub(super) fn linear_head(&self, device: &Device) -> Linear {
        let n_pixels = self.patch_size * self.patch_size;
        match self.head {
            VideoHead::Clip | VideoHead::Frames => LinearConfig::new(self.d_model, self.n_classes),
            VideoHead::NextFrame => LinearConfig::new(self.d_model, self.n_channels * n_pixels)
                .with_initializer(Initializer::Zeros),
        }
        .init(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_are_named() {
        let config = VideoConfig::new(4, [4, 6], 1, 3, 2, 8, 2, 2);
        let factorised = |n_temporal_layers| VideoAttention::Factorised { n_temporal_layers };
        let joint = config.clone().with_attention(VideoAttention::Joint);
        let cases = [
            (config.clone(), ""),
            (joint.clone().with_tubelet_size(2), ""),
            (
                joint.clone().with_tubelet_size(3),
                "n_frames 4 is not a positive multiple of tubelet_size 3",
            ),
            (
                config.clone().with_tubelet_size(2),
                "tubelet_size is 2, expected 1 unless attention is joint",
            ),
            (
                joint.with_tubelet_size(2).with_head(VideoHead::NextFrame),
                "tubelet_size is 2, expected 1 where the next frame is predicted",
            ),
            (
                config.clone().with_attention(factorised(0)),
                "n_temporal_layers is 0, expected at least 1",
            ),
            (
                VideoConfig::new(4, [4, 6], 1, 3, 4, 8, 2, 2),
                "image side 6 is not a multiple of patch_size 4",
            ),
            (
                VideoConfig::new(0, [4, 6], 1, 3, 2, 8, 2, 2),
                "n_frames 0 is not a positive multiple of tubelet_size 1",
            ),
            (
                VideoConfig::new(4, [4, 6], 1, 3, 2, 8, 2, 3),
                "d_model 8 is not a multiple of n_heads 3",
            ),
        ];
        for (config, complaint) in cases {
            assert_eq!(config.check().err().unwrap_or_default(), complaint);
        }
    }
}
