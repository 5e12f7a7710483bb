//! Linear classifier of pixels: the baseline that a video model should outperform.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;

use super::output::{ModelOutput, TokenLayout};
use super::pixel_statistics::PixelStatistics;
use super::video::VideoHead;
use crate::fused::linear;

/// Configuration of a [`LinearProbe`].
#[derive(Config, Debug)]
pub struct LinearProbeConfig {
    /// Number of frames of a clip.
    pub n_frames: usize,
    /// Height and width of the frames, in pixels.
    pub image_size: [usize; 2],
    /// Number of channels of the frames.
    pub n_channels: usize,
    /// Number of classes.
    pub n_classes: usize,
    /// Output of the model: classes of clips or of frames.
    #[config(default = "VideoHead::Clip")]
    pub head: VideoHead,
    /// Statistics by which the first layer normalises pixels; `None` to leave them in [-1, 1].
    #[config(default = "None")]
    pub statistics: Option<PixelStatistics>,
}

/// Linear classifier of the pixels of single frames.
///
/// ```text
/// scores(frame) = W pixels + b          scores(clip) = mean over frames of scores(frame)
/// ```
///
/// It has no layers and no attention, and ignores the order of frames. Should be created with
/// [`LinearProbeConfig`].
#[derive(Module, Debug)]
pub struct LinearProbe {
    /// Linear layer from `n_channels * height * width` to `n_classes`.
    pub head: Linear,
    n_frames: usize,
    #[module(skip)]
    kind: VideoHead,
    #[module(skip)]
    statistics: Option<PixelStatistics>,
}

impl LinearProbeConfig {
    /// Returns the layout of a clip: its frames, without tokens.
    pub fn token_layout(&self) -> TokenLayout {
        without_tokens(self.n_frames)
    }

    /// Initialises the model.
    ///
    /// # Panics
    ///
    /// If the head is [`VideoHead::NextFrame`], since a linear probe is a classifier.
    pub fn init(&self, device: &Device) -> LinearProbe {
        // The linear layer has one output for each class and none for pixels.
        assert!(
            self.head != VideoHead::NextFrame,
            "head is `next_frame`, expected `clip` or `frames`, since a linear probe is a classifier"
        );
        let [height, width] = self.image_size;
        LinearProbe {
            head: LinearConfig::new(self.n_channels * height * width, self.n_classes).init(device),
            n_frames: self.n_frames,
            kind: self.head,
            statistics: self.statistics.clone(),
        }
    }
}

impl LinearProbe {
    /// Classifies clips or frames.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`, pixels in [-1, 1]
    pub fn forward(&self, clips: Tensor<5>) -> ModelOutput {
        let clips = match &self.statistics {
            Some(statistics) => statistics.normalize(clips),
            None => clips,
        };
        let scores = linear(clips.flatten::<3>(2, 4), &self.head); // [batch, frame, class]
        let output = match self.kind {
            VideoHead::Frames => scores.flatten(0, 1),
            // `LinearProbeConfig::init` rejects `NextFrame`.
            VideoHead::Clip | VideoHead::NextFrame => scores.mean_dim(1).squeeze_dim(1),
        };
        ModelOutput {
            output,
            tokens: self.token_layout(),
            attention: Vec::new(),
            within_frame_attention: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// Returns the layout of a clip: its frames, without tokens.
    pub fn token_layout(&self) -> TokenLayout {
        without_tokens(self.n_frames)
    }
}

/// Layout of a model without tokens.
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
    fn clip_scores_are_the_mean_of_frame_scores() {
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
        for (actual, expected) in scores(&frames).iter().zip(expected) {
            assert!((actual - expected).abs() < 1e-6, "{actual} {expected}");
        }
        let mean = scores(&clips)[0];
        assert!((mean - (expected[0] + expected[1]) / 2.0).abs() < 1e-6);
    }
}
