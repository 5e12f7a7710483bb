//! Predicted and true frames, as penalties on pixels read them.

use burn::prelude::*;

use crate::data::SampleSpec;
use crate::loss::PredictedFrames;

/// Takes predicted and true frames as grey images with pixels from 0 to 1: the mean over the channels.
///
/// # Shapes
///
/// - `prediction`, `truth`: `[n_clips * n_frames, n_channels * height * width]`, pixels from -1 to 1, clip by clip
pub(super) fn grey_frames(
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
        let frames = frames * 0.5 + 0.5;
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
    PredictedFrames {
        prediction: grey(prediction),
        truth: Some(grey(truth)),
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
        let frames = grey_frames(clips.clone(), clips, 2, spec);
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
        let frames = grey_frames(one.clone(), one, 2, grey).prediction;
        let values = frames.into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(values, [0.0, 1.0, 0.5, 0.75]);
    }
}
