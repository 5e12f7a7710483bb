//! Predicted and true frames or masks, as penalties on pixels read them.

use burn::prelude::*;
use burn::tensor::activation::sigmoid;

use crate::data::SampleSpec;
use crate::loss::PredictedFrames;
use crate::model::Task;

/// Takes predicted and true frames as grey images with pixels from 0 to 1: the mean over the channels.
///
/// A predicted mask is the probability of the foreground.
///
/// # Shapes
///
/// - `prediction`: `[n_clips * n_frames, n_channels * height * width]`, clip by clip: pixels from -1 to 1, or logits of masks
/// - `truth`: the same, pixels from -1 to 1
pub(super) fn grey_frames(
    task: Task,
    prediction: Tensor<2>,
    truth: Tensor<2>,
    n_frames: usize,
    spec: SampleSpec,
) -> PredictedFrames {
    let SampleSpec {
        n_channels,
        height,
        width,
        ..
    } = spec;
    let grey = |frames: Tensor<2>| {
        let n_clips = frames.dims()[0] / n_frames;
        let grey = match n_channels {
            1 => frames,
            _ => {
                let n_images = n_clips * n_frames;
                let channels = frames.reshape([n_images, n_channels, height * width]);
                channels.mean_dim(1).squeeze_dim(1)
            }
        };
        grey.reshape([n_clips, n_frames, height, width])
    };
    let scaled = |frames: Tensor<2>| frames * 0.5 + 0.5;
    let prediction = match task {
        Task::PredictMask => sigmoid(prediction),
        _ => scaled(prediction),
    };
    PredictedFrames {
        prediction: grey(prediction),
        truth: Some(grey(scaled(truth))),
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn channels_are_averaged_and_clips_kept_apart() {
        let spec = SampleSpec {
            n_frames: 3,
            n_channels: 3,
            height: 1,
            width: 2,
            n_classes: 2,
        };
        let device = Device::flex();
        // Each pixel is the mean of its values in the three channels, from -1 to 1.
        let colour = Tensor::from_data([[-1.0, 1.0, 0.0, 1.0, 1.0, 1.0]], &device);
        let black = Tensor::<2>::full([1, 6], -1.0, &device);
        let clips = Tensor::cat(
            vec![colour.clone(), black.clone(), black.clone(), colour],
            0,
        );
        let frames = grey_frames(Task::PredictNextFrame, clips.clone(), clips, 2, spec);
        let expected = Tensor::<4>::from_data(
            [[[[0.5, 1.0]], [[0.0, 0.0]]], [[[0.0, 0.0]], [[0.5, 1.0]]]],
            &device,
        );
        frames
            .prediction
            .into_data()
            .assert_approx_eq::<f32>(&expected.clone().into_data(), Default::default());
        frames
            .truth
            .unwrap()
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Default::default());
        let grey = SampleSpec {
            n_channels: 1,
            ..spec
        };
        let one = Tensor::<2>::from_data([[-1.0, 1.0], [0.0, 0.5]], &device);
        let frames = |task| grey_frames(task, one.clone(), one.clone(), 2, grey);
        let values = |frames: Tensor<4>| frames.into_data().try_into_vec::<f32>().unwrap();
        let prediction = frames(Task::PredictNextFrame).prediction;
        assert_eq!(values(prediction), [0.0, 1.0, 0.5, 0.75]);
        // Masks are predicted as logits.
        let PredictedFrames { prediction, truth } = frames(Task::PredictMask);
        assert!((values(prediction)[1] - 0.731_058_6).abs() < 1e-6);
        assert_eq!(values(truth.unwrap()), [0.0, 1.0, 0.5, 0.75]);
    }
}
