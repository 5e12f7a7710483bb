//! Task of a model: classification of images, clips or frames, prediction of frames or masks, or generation of clips.

use burn::prelude::*;

use super::network::NetworkConfig;
use super::video::VideoHead;
use super::vit::ImageHead;

/// Task of a model: the quantity that it predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Predicts the class of an image or of a clip.
    Classify,
    /// Predicts the class of every frame of a clip.
    ClassifyFrames,
    /// Predicts the next frame after each frame; the model input is all frames but the last.
    PredictNextFrame,
    /// Predicts the velocity of noisy clips, from which clips are generated.
    Generate,
    /// Predicts the mask of an image: for every pixel, whether it is foreground. A sample has two frames, the image and
    /// its mask; the model input is the image.
    PredictMask,
}

impl Task {
    /// Returns the task of a model, which follows from its head.
    pub fn from_config(model: &NetworkConfig) -> Self {
        let head = match model {
            NetworkConfig::Vit(config) => match config.head {
                ImageHead::Class => VideoHead::Clip,
                ImageHead::Mask => return Self::PredictMask,
            },
            NetworkConfig::Video(config) => config.head,
            NetworkConfig::Generator(_) => return Self::Generate,
            NetworkConfig::LinearProbe(config) => config.head,
        };
        match head {
            VideoHead::Clip => Self::Classify,
            VideoHead::Frames => Self::ClassifyFrames,
            VideoHead::NextFrame => Self::PredictNextFrame,
        }
    }

    /// Returns the model of the task in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Classify => "a classifier",
            Self::ClassifyFrames => "a classifier of frames",
            Self::PredictNextFrame => "a model that predicts frames",
            Self::PredictMask => "a model that predicts masks",
            Self::Generate => "a model that generates clips",
        }
    }

    /// True if the model predicts classes, of which the task says whether images, clips or frames have them.
    pub fn predicts_classes(self) -> bool {
        match self {
            Self::Classify | Self::ClassifyFrames => true,
            Self::PredictNextFrame | Self::PredictMask | Self::Generate => false,
        }
    }

    /// Selects the frames that are the model input: all of them, or all but the last to predict frames or masks.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    /// - returns `[batch_size, n_frames or n_frames - 1, n_channels, height, width]`
    pub fn model_input(self, clips: Tensor<5>) -> Tensor<5> {
        match self {
            Self::Classify | Self::ClassifyFrames | Self::Generate => clips,
            Self::PredictNextFrame | Self::PredictMask => {
                // The last frame is only a target: there is no next frame to predict from it.
                let n_frames = clips.dims()[1];
                clips.slice_dim(1, 0..n_frames - 1)
            }
        }
    }

    /// Converts an output to pixels in `[0, 1]`: frames from the range `[-1, 1]`, clamped; masks from logits to
    /// probabilities of the foreground.
    pub fn as_pixels(self, output: &[f32]) -> Vec<f32> {
        let pixel = |&value: &f32| match self {
            Self::PredictMask => 1.0 / (1.0 + (-value).exp()),
            // Predictions may leave the range, because the output layer is linear.
            _ => (0.5 * value + 0.5).clamp(0.0, 1.0),
        };
        output.iter().map(pixel).collect()
    }
}
