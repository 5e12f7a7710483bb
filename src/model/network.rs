//! Any of the models.

use burn::prelude::*;

use super::joint::JointVideoTransformer;
use super::linear_probe::{LinearProbe, LinearProbeConfig};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::timesformer::TimeSformer;
use super::video::{VideoAttention, VideoConfig, VideoHead};
use super::vit::{Vit, VitConfig};
use super::vivit::Vivit;

/// Configuration of a [`Network`].
#[derive(Config, Debug)]
pub enum NetworkConfig {
    /// Of a vision transformer.
    Vit(VitConfig),
    /// Of one of the video transformers.
    Video(VideoConfig),
    /// Of a linear classifier of pixels.
    LinearProbe(LinearProbeConfig),
}

/// Any of the models, for images or clips.
///
/// Should be created with [`NetworkConfig`] or [`VideoConfig`].
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a program has one of them; Burn has no modules in boxes"
)]
pub enum Network {
    /// A vision transformer.
    Vit(Vit),
    /// Attention divided into time and space.
    TimeSformer(TimeSformer),
    /// An encoder for space, then one for time.
    Vivit(Vivit),
    /// Attention among all tokens of a clip.
    Joint(JointVideoTransformer),
    /// A linear classifier of pixels.
    LinearProbe(LinearProbe),
}

impl NetworkConfig {
    /// Initialises the model.
    ///
    /// # Panics
    ///
    /// As the configuration at hand: [`VitConfig::init`], [`VideoConfig::init`],
    /// [`LinearProbeConfig::init`].
    pub fn init(&self, device: &Device) -> Network {
        match self {
            Self::Vit(config) => Network::Vit(config.init(device)),
            Self::Video(config) => config.init(device),
            Self::LinearProbe(config) => Network::LinearProbe(config.init(device)),
        }
    }

    /// The same without dropout, of tokens and of branches.
    #[must_use]
    pub fn without_dropout(&self) -> Self {
        match self.clone() {
            Self::Vit(config) => Self::Vit(config.with_dropout(0.0).with_drop_path(0.0)),
            Self::Video(config) => Self::Video(config.with_dropout(0.0).with_drop_path(0.0)),
            Self::LinearProbe(config) => Self::LinearProbe(config),
        }
    }

    /// How the tokens of returned attention lie over an image or clip.
    pub fn token_layout(&self) -> TokenLayout {
        match self {
            Self::Vit(config) => config.token_layout(),
            Self::Video(config) => config.token_layout(),
            Self::LinearProbe(config) => config.token_layout(),
        }
    }

    /// What the model tells of a clip; of an image its class.
    pub fn head(&self) -> VideoHead {
        match self {
            Self::Vit(_) => VideoHead::Clip,
            Self::Video(config) => config.head,
            Self::LinearProbe(config) => config.head,
        }
    }

    /// Height and width of the images or frames, in pixels.
    pub fn image_size(&self) -> [usize; 2] {
        match self {
            Self::Vit(config) => config.image_size,
            Self::Video(config) => config.image_size,
            Self::LinearProbe(config) => config.image_size,
        }
    }

    /// Channels of the images or frames.
    pub fn n_channels(&self) -> usize {
        match self {
            Self::Vit(config) => config.n_channels,
            Self::Video(config) => config.n_channels,
            Self::LinearProbe(config) => config.n_channels,
        }
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        match self {
            Self::Vit(config) => config.n_classes,
            Self::Video(config) => config.n_classes,
            Self::LinearProbe(config) => config.n_classes,
        }
    }

    /// Frames that the model looks at.
    pub fn n_frames(&self) -> usize {
        match self {
            Self::Vit(_) => 1,
            Self::Video(config) => config.n_frames,
            Self::LinearProbe(config) => config.n_frames,
        }
    }

    /// Layers whose attention is returned.
    pub fn n_layers(&self) -> usize {
        match self {
            Self::Vit(config) => config.n_layers,
            Self::Video(config) => config.n_layers,
            Self::LinearProbe(_) => 0,
        }
    }
}

impl VideoConfig {
    /// Initialises the model.
    ///
    /// # Panics
    ///
    /// If [`VideoConfig::check`] complains.
    pub fn init(&self, device: &Device) -> Network {
        if let Err(complaint) = self.check() {
            panic!("{complaint}");
        }
        match self.attention {
            VideoAttention::Divided => Network::TimeSformer(TimeSformer::new(self, device)),
            VideoAttention::Factorised { n_temporal_layers } => {
                Network::Vivit(Vivit::new(self, n_temporal_layers, device))
            }
            VideoAttention::Joint => Network::Joint(JointVideoTransformer::new(self, device)),
        }
    }
}

impl Network {
    /// The output for clips, and what `capture` asks for. To a vision transformer every frame is an
    /// image of its own; a linear probe has nothing to keep.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`, pixels in [-1, 1]
    ///
    /// # Panics
    ///
    /// If the clips have other extents than the model was made for.
    pub fn forward(&self, clips: Tensor<5>, capture: Capture) -> ModelOutput {
        match self {
            Self::Vit(model) => model.forward(clips.flatten(0, 1), capture),
            Self::TimeSformer(model) => model.forward(clips, capture),
            Self::Vivit(model) => model.forward(clips, capture),
            Self::Joint(model) => model.forward(clips, capture),
            Self::LinearProbe(model) => model.forward(clips),
        }
    }

    /// How the tokens of returned attention lie over an image or clip.
    pub fn token_layout(&self) -> TokenLayout {
        match self {
            Self::Vit(model) => model.token_layout(),
            Self::TimeSformer(model) => model.token_layout(),
            Self::Vivit(model) => model.token_layout(),
            Self::Joint(model) => model.token_layout(),
            Self::LinearProbe(model) => model.token_layout(),
        }
    }
}
