//! Enum over all models, and over their configurations.

use burn::prelude::*;

use super::generator::{Generator, GeneratorConfig, ModelInput};
use super::joint::JointVideoTransformer;
use super::linear_probe::{LinearProbe, LinearProbeConfig};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::pixel_statistics::PixelStatistics;
use super::timesformer::TimeSformer;
use super::video::{VideoAttention, VideoConfig};
use super::vit::{Vit, VitConfig};
use super::vivit::Vivit;

/// Configuration of a [`Network`].
#[derive(Config, Debug)]
pub enum NetworkConfig {
    /// Configures a vision transformer.
    Vit(VitConfig),
    /// Configures one of the video transformers.
    Video(VideoConfig),
    /// Configures a generator of clips from captions.
    Generator(GeneratorConfig),
    /// Configures a linear classifier of pixels.
    LinearProbe(LinearProbeConfig),
}

/// Model for images or clips, of any architecture.
///
/// Should be created with [`NetworkConfig`] or [`VideoConfig`].
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a program has one of them; Burn has no modules in boxes"
)]
pub enum Network {
    /// Vision transformer for images.
    Vit(Vit),
    /// Video transformer with attention divided into time and space.
    TimeSformer(TimeSformer),
    /// Video transformer with an encoder for space, then one for time.
    Vivit(Vivit),
    /// Video transformer with attention among all tokens of a clip.
    Joint(JointVideoTransformer),
    /// Generator of clips from captions.
    Generator(Generator),
    /// Linear classifier of pixels.
    LinearProbe(LinearProbe),
}

impl VideoConfig {
    /// Initialises the model.
    ///
    /// # Panics
    ///
    /// If [`VideoConfig::check`] returns an error.
    pub fn init(&self, device: &Device) -> Network {
        if let Err(message) = self.check() {
            panic!("{message}");
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

impl NetworkConfig {
    /// Initialises the model.
    ///
    /// # Panics
    ///
    /// In the same cases as the configuration of the variant: [`VitConfig::init`], [`VideoConfig::init`],
    /// [`GeneratorConfig::init`] or [`LinearProbeConfig::init`].
    pub fn init(&self, device: &Device) -> Network {
        match self {
            Self::Vit(config) => Network::Vit(config.init(device)),
            Self::Video(config) => config.init(device),
            Self::Generator(config) => Network::Generator(config.init(device)),
            Self::LinearProbe(config) => Network::LinearProbe(config.init(device)),
        }
    }

    /// Returns the same configuration without dropout and stochastic depth.
    #[must_use]
    pub fn without_dropout(&self) -> Self {
        match self.clone() {
            Self::Vit(config) => Self::Vit(config.with_dropout(0.0).with_drop_path(0.0)),
            Self::Video(config) => Self::Video(config.with_dropout(0.0).with_drop_path(0.0)),
            // These have neither.
            Self::Generator(config) => Self::Generator(config),
            Self::LinearProbe(config) => Self::LinearProbe(config),
        }
    }

    /// Statistics by which the first layer normalises pixels; `None` if it leaves them in [-1, 1].
    pub fn statistics(&self) -> Option<&PixelStatistics> {
        match self {
            Self::Vit(config) => config.statistics.as_ref(),
            Self::Video(config) => config.statistics.as_ref(),
            Self::LinearProbe(config) => config.statistics.as_ref(),
            Self::Generator(_) => None,
        }
    }

    /// Statistics by which the first layer normalises pixels; [-1, 1] is that of the mean 0.5 and the deviation 0.5.
    pub(super) fn statistics_or_half(&self) -> PixelStatistics {
        self.statistics()
            .cloned()
            .unwrap_or_else(|| PixelStatistics::half(self.n_channels()))
    }

    /// Returns the same configuration with these statistics of pixels; a generator has none.
    #[must_use]
    pub fn with_statistics(self, statistics: Option<PixelStatistics>) -> Self {
        match self {
            Self::Vit(config) => Self::Vit(config.with_statistics(statistics)),
            Self::Video(config) => Self::Video(config.with_statistics(statistics)),
            Self::LinearProbe(config) => Self::LinearProbe(config.with_statistics(statistics)),
            Self::Generator(config) => Self::Generator(config),
        }
    }

    /// Returns the arrangement of the tokens in the attention maps of an image or clip.
    pub fn token_layout(&self) -> TokenLayout {
        match self {
            Self::Vit(config) => config.token_layout(),
            Self::Video(config) => config.token_layout(),
            Self::Generator(config) => config.token_layout(),
            Self::LinearProbe(config) => config.token_layout(),
        }
    }

    /// Height and width of the images or frames, in pixels.
    pub fn image_size(&self) -> [usize; 2] {
        match self {
            Self::Vit(config) => config.image_size,
            Self::Video(config) => config.image_size,
            Self::Generator(config) => config.image_size,
            Self::LinearProbe(config) => config.image_size,
        }
    }

    /// Number of channels of the images or frames.
    pub fn n_channels(&self) -> usize {
        match self {
            Self::Vit(config) => config.n_channels,
            Self::Video(config) => config.n_channels,
            Self::Generator(config) => config.n_channels,
            Self::LinearProbe(config) => config.n_channels,
        }
    }

    /// Number of classes; 0 for a generator.
    pub fn n_classes(&self) -> usize {
        match self {
            Self::Generator(_) => 0,
            Self::Vit(config) => config.n_classes,
            Self::Video(config) => config.n_classes,
            Self::LinearProbe(config) => config.n_classes,
        }
    }

    /// Number of frames of a clip; 1 for images.
    pub fn n_frames(&self) -> usize {
        match self {
            Self::Vit(_) => 1,
            Self::Video(config) => config.n_frames,
            Self::Generator(config) => config.n_frames,
            Self::LinearProbe(config) => config.n_frames,
        }
    }

    /// Number of layers whose attention maps are returned.
    pub fn n_layers(&self) -> usize {
        match self {
            Self::Vit(config) => config.n_layers,
            // The temporal layers of a ViViT do not count: their maps are not returned.
            Self::Video(config) => config.n_layers,
            Self::Generator(config) => config.n_layers,
            Self::LinearProbe(_) => 0,
        }
    }
}

impl Network {
    /// Computes the predictions for clips, and returns what `capture` selects.
    ///
    /// The input is a tensor of clips or, for a generator, a [`ModelInput`] with its conditions. A vision transformer processes every frame as a separate image. A linear probe has no attention
    /// maps or hidden states to return.
    ///
    /// # Shapes
    ///
    /// - clips: `[batch_size, n_frames, n_channels, height, width]`, pixels in [-1, 1]
    ///
    /// # Panics
    ///
    /// If the shape of the clips is not that of the configuration.
    pub fn forward(&self, input: impl Into<ModelInput>, capture: Capture) -> ModelOutput {
        let input = input.into();
        let clips = input.clips.clone();
        match self {
            // Every frame is an image: [batch_size * n_frames, n_channels, height, width].
            Self::Vit(model) => model.forward(clips.flatten(0, 1), capture),
            Self::TimeSformer(model) => model.forward(clips, capture),
            Self::Vivit(model) => model.forward(clips, capture),
            Self::Joint(model) => model.forward(clips, capture),
            Self::Generator(model) => model.forward(input, capture),
            Self::LinearProbe(model) => model.forward(clips),
        }
    }

    /// Returns the arrangement of the tokens in the attention maps of an image or clip.
    pub fn token_layout(&self) -> TokenLayout {
        match self {
            Self::Vit(model) => model.token_layout(),
            Self::TimeSformer(model) => model.token_layout(),
            Self::Vivit(model) => model.token_layout(),
            Self::Joint(model) => model.token_layout(),
            Self::Generator(model) => model.token_layout(),
            Self::LinearProbe(model) => model.token_layout(),
        }
    }
}
