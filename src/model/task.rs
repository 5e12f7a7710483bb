//! Task of a model: classification of images, clips or frames, prediction of frames, or generation of clips.

use burn::prelude::*;

use super::network::NetworkConfig;
use super::video::VideoHead;

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
}

impl Task {
    /// Returns the task of a model, which follows from its head.
    pub fn from_config(model: &NetworkConfig) -> Self {
        match model.head() {
            Some(VideoHead::Clip) => Self::Classify,
            Some(VideoHead::Frames) => Self::ClassifyFrames,
            Some(VideoHead::NextFrame) => Self::PredictNextFrame,
            None => Self::Generate,
        }
    }

    /// Returns the model of the task in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Classify => "a classifier",
            Self::ClassifyFrames => "a classifier of frames",
            Self::PredictNextFrame => "a model that predicts frames",
            Self::Generate => "a model that generates clips",
        }
    }

    /// Returns the model of a task that predicts no classes, in words; `None` for classifiers.
    pub fn other_than_classes(self) -> Option<&'static str> {
        match self {
            Self::Classify | Self::ClassifyFrames => None,
            Self::PredictNextFrame | Self::Generate => Some(self.in_words()),
        }
    }

    /// Selects the frames that are the model input: all of them, or all but the last to predict frames.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    /// - returns `[batch_size, n_frames or n_frames - 1, n_channels, height, width]`
    pub fn model_input(self, clips: Tensor<5>) -> Tensor<5> {
        match self {
            Self::Classify | Self::ClassifyFrames | Self::Generate => clips,
            Self::PredictNextFrame => {
                // The last frame is only a target: there is no next frame to predict from it.
                let n_frames = clips.dims()[1];
                clips.slice_dim(1, 0..n_frames - 1)
            }
        }
    }

    /// Converts predicted pixels from the range `[-1, 1]` of the output to `[0, 1]`, clamped.
    pub fn as_pixels(output: &[f32]) -> Vec<f32> {
        // Predictions may leave the range, because the output layer is linear.
        let pixel = |value: &f32| (0.5 * value + 0.5).clamp(0.0, 1.0);
        output.iter().map(pixel).collect()
    }
}
