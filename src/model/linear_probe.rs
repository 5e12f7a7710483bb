//! The baseline that a video model has to beat.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;

use super::output::{ModelOutput, TokenLayout};
use super::video::VideoHead;
use crate::nn::linear;

/// Configuration of a [`LinearProbe`].
#[derive(Config, Debug)]
pub struct LinearProbeConfig {
    /// Frames of a clip.
    pub n_frames: usize,
    /// Height and width of the frames, in pixels.
    pub image_size: [usize; 2],
    /// Channels of the frames.
    pub n_channels: usize,
    /// Number of classes.
    pub n_classes: usize,
    /// Whether clips or frames are classified.
    #[config(default = "VideoHead::Clip")]
    pub head: VideoHead,
}

/// A linear classifier of the pixels of single frames; the scores of a clip are the mean of those of
/// its frames.
///
/// It has no layers and no attention, and knows nothing of the order of frames. Should be created with
/// [`LinearProbeConfig`].
#[derive(Module, Debug)]
pub struct LinearProbe {
    /// `n_channels * height * width` to `n_classes`.
    pub head: Linear,
    n_frames: usize,
    #[module(skip)]
    kind: VideoHead,
}

impl LinearProbeConfig {
    /// The frames of a clip; no tokens.
    pub fn token_layout(&self) -> TokenLayout {
        without_tokens(self.n_frames)
    }

    /// Initialises the model.
    ///
    /// # Panics
    ///
    /// If the head is to predict the next frame: a probe classifies.
    pub fn init(&self, device: &Device) -> LinearProbe {
        assert!(
            self.head != VideoHead::NextFrame,
            "a linear probe classifies clips or frames, it does not predict the next frame"
        );
        let [height, width] = self.image_size;
        LinearProbe {
            head: LinearConfig::new(self.n_channels * height * width, self.n_classes).init(device),
            n_frames: self.n_frames,
            kind: self.head,
        }
    }
}

impl LinearProbe {
    /// Classifies clips or frames.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    pub fn forward(&self, clips: Tensor<5>) -> ModelOutput {
        let scores = linear(clips.flatten::<3>(2, 4), &self.head); // [batch, frame, class]
        let output = match self.kind {
            VideoHead::Frames => scores.flatten(0, 1),
            VideoHead::Clip | VideoHead::NextFrame => scores.mean_dim(1).squeeze_dim(1),
        };
        ModelOutput {
            output,
            tokens: self.token_layout(),
            attention: Vec::new(),
            mass: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// The frames of a clip; no tokens.
    pub fn token_layout(&self) -> TokenLayout {
        without_tokens(self.n_frames)
    }
}

fn without_tokens(n_frames: usize) -> TokenLayout {
    TokenLayout {
        n_frames,
        n_prefix_tokens: 0,
        grid: [0, 0],
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_clip_are_the_mean_of_those_of_its_frames() {
        let device = Device::flex();
        let frames = LinearProbeConfig::new(2, [1, 2], 1, 1)
            .with_head(VideoHead::Frames)
            .init(&device);
        let clips = LinearProbe {
            kind: VideoHead::Clip,
            ..frames.clone()
        };
        let [weight, bias] = [
            frames.head.weight.val().flatten(0, 1),
            frames.head.bias.as_ref().unwrap().val(),
        ]
        .map(|values: Tensor<1>| values.into_data().try_into_vec::<f32>().unwrap());
        let pixels = Tensor::<5>::from_floats([[[[[1.0, 2.0]]], [[[-3.0, 0.5]]]]], &device);
        let scores = |model: &LinearProbe| -> Vec<f32> {
            let output = model.forward(pixels.clone()).output;
            output.into_data().try_into_vec().unwrap()
        };
        let expected = [
            weight[0] + 2.0 * weight[1] + bias[0],
            -3.0 * weight[0] + 0.5 * weight[1] + bias[0],
        ];
        let found = scores(&frames);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        let mean = scores(&clips)[0];
        assert!((mean - (expected[0] + expected[1]) / 2.0).abs() < 1e-6);
    }
}
