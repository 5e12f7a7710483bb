//! What a model tells.

use burn::prelude::*;

use super::network::NetworkConfig;
use super::video::VideoHead;

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The class of an image or of a clip.
    Classify,
    /// The class of a clip, of every frame of it.
    ClassifyFrames,
    /// The frame after each frame; the model is shown all frames but the last.
    PredictNextFrame,
}

impl Task {
    /// The task of a model.
    pub fn of(model: &NetworkConfig) -> Self {
        match model.head() {
            VideoHead::Clip => Self::Classify,
            VideoHead::Frames => Self::ClassifyFrames,
            VideoHead::NextFrame => Self::PredictNextFrame,
        }
    }

    /// What the model is shown: `[batch_size, n_shown, n_channels, height, width]`.
    pub fn shown(self, clips: Tensor<5>) -> Tensor<5> {
        match self {
            Self::Classify | Self::ClassifyFrames => clips,
            Self::PredictNextFrame => {
                let n_frames = clips.dims()[1];
                clips.slice_dim(1, 0..n_frames - 1)
            }
        }
    }

    /// Predicted pixels in `[0, 1]`, from the output of a model that predicts frames, in `[-1, 1]`.
    pub fn as_pixels(output: &[f32]) -> Vec<f32> {
        let pixel = |value: &f32| (0.5 * value + 0.5).clamp(0.0, 1.0);
        output.iter().map(pixel).collect()
    }
}
