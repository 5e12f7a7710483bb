//! Configuration of the video transformers.

use burn::module::{Initializer, Param};
use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{BlockConfig, BlockStyle};
use super::output::TokenLayout;
use super::patch_embed::PatchEmbed;
use super::pixel_statistics::PixelStatistics;
use super::vit::Pooling;
use crate::choice::word;
use crate::error::{Error, Result};

/// Output of a video model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VideoHead {
    /// Predicts class scores of the clip.
    Clip,
    /// Predicts class scores of every frame; attention over time is bidirectional.
    Frames,
    /// Predicts the pixels of the next frame after every frame; attention over time is causal.
    NextFrame,
}

/// Scheme of attention over space and time.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum VideoAttention {
    /// Attends over time, then over space, in every block: a [`TimeSformer`](super::TimeSformer).
    Divided,
    /// Attends over each frame, then over the class tokens of the frames: a [`Vivit`](super::Vivit).
    Factorised {
        /// Number of layers over the class tokens of the frames; at least 1.
        n_temporal_layers: usize,
    },
    /// Attends among all tokens of the clip: a [`JointVideoTransformer`](super::JointVideoTransformer).
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
    /// Number of frames of a clip.
    pub n_frames: usize,
    /// Height and width of the frames, in pixels.
    pub image_size: [usize; 2],
    /// Number of channels of the frames.
    pub n_channels: usize,
    /// Number of classes; without effect if the next frame is predicted.
    pub n_classes: usize,
    /// Side of a square patch, in pixels; must divide height and width.
    pub patch_size: usize,
    /// Width of the tokens.
    pub d_model: usize,
    /// Number of layers that attend over space.
    pub n_layers: usize,
    /// Number of attention heads; must divide `d_model`.
    pub n_heads: usize,
    /// Number of frames that form a tubelet, which has one token per patch; must divide `n_frames`.
    ///
    /// More than 1 is possible only with joint attention, and not if the next frame is predicted.
    #[config(default = 1)]
    pub tubelet_size: usize,
    /// Width of the hidden layer of the MLP in multiples of `d_model`.
    #[config(default = 4)]
    pub mlp_ratio: usize,
    /// Dropout probability.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Drop-path probability of the last block, see [`DropPath`](super::DropPath); rises linearly from 0 at the first.
    #[config(default = 0.0)]
    pub drop_path: f64,
    /// Output of the model.
    #[config(default = "VideoHead::Clip")]
    pub head: VideoHead,
    /// Scheme of attention over space and time.
    #[config(default = "VideoAttention::Divided")]
    pub attention: VideoAttention,
    /// Input of a classifier of clips: the class token or, with joint attention, the mean of all tokens.
    ///
    /// The mean is selected by [`Pooling::MeanBeforeNorm`].
    #[config(default = "Pooling::Cls")]
    pub pooling: Pooling,
    /// Position embedding in space and time; must be the sum unless attention is joint.
    #[config(default = "VideoPositions::Sum")]
    pub positions: VideoPositions,
    /// Further options of the blocks; divided attention does not support layer scale.
    #[config(default = "BlockStyle::new()")]
    pub style: BlockStyle,
    /// Statistics by which the first layer normalises pixels; `None` to leave them in [-1, 1].
    #[config(default = "None")]
    pub statistics: Option<PixelStatistics>,
}

/// Position embedding in space and time of a video transformer with joint attention.
///
/// ```text
/// Sum:        e[t, i] = position[i] + time[t]      i: patch of a frame, t: time step
/// PerToken:   e[t, i] = position[t, i]
/// Sinusoidal: e[t, i] = sines and cosines of the index of the token in the sequence
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VideoPositions {
    /// Adds two learned embeddings, of the patch and of the time step.
    #[default]
    Sum,
    /// Learns one embedding for each patch at each time step, as in the published ViViT.
    PerToken,
    /// Computes one embedding for each patch at each time step, which is not learned, as in VideoMAE.
    Sinusoidal,
}

impl VideoConfig {
    /// Returns the arrangement of the tokens in the attention maps of a clip.
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

    /// Checks that the settings are consistent, so that a model can be initialised.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] for the first inconsistency.
    pub fn check(&self) -> Result<()> {
        let tubelet_size = self.tubelet_size;
        // A divisor of 0 is rejected, too: the token layout divides by it. And 0 is a multiple of everything, but
        // leaves no frames, patches or channels.
        let is_multiple = |number: usize, divisor: usize| {
            number > 0 && divisor > 0 && number.is_multiple_of(divisor)
        };
        for side in self.image_size {
            if !is_multiple(side, self.patch_size) {
                return Err(Error::invalid_parameter(format!(
                    "image side {side} is not a positive multiple of patch_size {}",
                    self.patch_size
                )));
            }
        }
        if !is_multiple(self.n_frames, tubelet_size) {
            return Err(Error::invalid_parameter(format!(
                "n_frames {} is not a positive multiple of tubelet_size {tubelet_size}",
                self.n_frames
            )));
        }
        if tubelet_size > 1 && self.attention != VideoAttention::Joint {
            return Err(Error::invalid_parameter(format!(
                "tubelet_size is {tubelet_size}, expected 1 unless attention is joint"
            )));
        }
        // A token of several frames would contain the frame that is to be predicted.
        if tubelet_size > 1 && self.head == VideoHead::NextFrame {
            return Err(Error::invalid_parameter(format!(
                "tubelet_size is {tubelet_size}, expected 1 if the next frame is predicted"
            )));
        }
        if !is_multiple(self.d_model, self.n_heads) {
            return Err(Error::invalid_parameter(format!(
                "d_model {} is not a positive multiple of n_heads {}",
                self.d_model, self.n_heads
            )));
        }
        let is_joint = self.attention == VideoAttention::Joint;
        let mean = Pooling::MeanBeforeNorm;
        if self.pooling != Pooling::Cls && !(is_joint && self.pooling == mean) {
            return Err(Error::invalid_parameter(format!(
                "pooling is `{}`, expected `cls`, or with joint attention `{}`",
                word(&self.pooling),
                word(&mean)
            )));
        }
        if self.positions != VideoPositions::Sum && !is_joint {
            return Err(Error::invalid_parameter(format!(
                "positions is `{}`, expected `sum` unless attention is joint",
                word(&self.positions)
            )));
        }
        // A `DividedBlock` has no parameters for it.
        if self.style.layer_scale.is_some() && self.attention == VideoAttention::Divided {
            return Err(Error::invalid_parameter(
                "layer_scale is set, expected none with divided attention",
            ));
        }
        match self.attention {
            VideoAttention::Factorised {
                n_temporal_layers: 0,
            } => Err(Error::invalid_parameter(
                "n_temporal_layers is 0, expected at least 1",
            )),
            _ => Ok(()),
        }
    }

    /// Number of class tokens of the whole clip, 0 or 1.
    pub(super) fn n_clip_tokens(&self) -> usize {
        usize::from(self.head == VideoHead::Clip && self.pooling.has_class_token())
    }

    /// Configurations of `n_layers` blocks, with drop-path probabilities that rise with depth.
    pub(super) fn blocks(&self, n_layers: usize) -> impl Iterator<Item = BlockConfig> {
        let d_mlp = self.style.d_mlp.unwrap_or(self.mlp_ratio * self.d_model);
        let last = BlockConfig::new(self.d_model, self.n_heads, d_mlp)
            .with_dropout(self.dropout)
            .with_drop_path(self.drop_path)
            .with_style(self.style);
        (0..n_layers).map(move |layer| last.clone().at_depth(layer, n_layers))
    }

    /// Initialises the projection of tubelets, as images with the channels of all their frames, frame by frame.
    pub(super) fn patch_embed(&self, device: &Device) -> PatchEmbed {
        let n_channels = self.tubelet_size * self.n_channels;
        PatchEmbed::new(
            n_channels,
            self.patch_size,
            self.d_model,
            self.statistics.clone(),
            device,
        )
    }

    /// Initialises learned tokens or embeddings: `[1, n_tokens, d_model]`.
    pub(super) fn embedding(&self, n_tokens: usize, device: &Device) -> Param<Tensor<3>> {
        // Standard deviation as in the code of DeiT.
        let normal = Initializer::Normal {
            mean: 0.0,
            std: 0.02,
        };
        normal.init([1, n_tokens, self.d_model], device)
    }

    /// Initialises the linear layer to class scores, or to changes of the pixels of a patch.
    pub(super) fn linear_head(&self, device: &Device) -> Linear {
        let n_pixels = self.patch_size * self.patch_size;
        match self.head {
            VideoHead::Clip | VideoHead::Frames => LinearConfig::new(self.d_model, self.n_classes),
            // A new model predicts no change, so that training starts from copying the last frame.
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
    fn inconsistent_settings_are_named() {
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
                "tubelet_size is 2, expected 1 if the next frame is predicted",
            ),
            (
                config.clone().with_attention(factorised(0)),
                "n_temporal_layers is 0, expected at least 1",
            ),
            (
                VideoConfig::new(4, [4, 6], 1, 3, 4, 8, 2, 2),
                "image side 6 is not a positive multiple of patch_size 4",
            ),
            (
                VideoConfig::new(4, [4, 0], 1, 3, 2, 8, 2, 2),
                "image side 0 is not a positive multiple of patch_size 2",
            ),
            (
                VideoConfig::new(4, [4, 6], 1, 3, 2, 0, 2, 2),
                "d_model 0 is not a positive multiple of n_heads 2",
            ),
            (
                config.clone().with_pooling(Pooling::ClsAndMean),
                "pooling is `cls_and_mean`, expected `cls`, or with joint attention `mean_before_norm`",
            ),
            (
                config.clone().with_positions(VideoPositions::PerToken),
                "positions is `per_token`, expected `sum` unless attention is joint",
            ),
            (
                VideoConfig::new(0, [4, 6], 1, 3, 2, 8, 2, 2),
                "n_frames 0 is not a positive multiple of tubelet_size 1",
            ),
            (
                VideoConfig::new(4, [4, 6], 1, 3, 2, 8, 2, 3),
                "d_model 8 is not a positive multiple of n_heads 3",
            ),
        ];
        for (config, message) in cases {
            // The message of a consistent configuration is empty.
            let error = config.check().err();
            assert!(error.iter().all(Error::is_invalid_parameter));
            let actual = error.map_or(String::new(), |error| error.to_string());
            assert_eq!(actual, message);
        }
    }
}
