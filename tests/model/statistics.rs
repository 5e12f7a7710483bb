//! Statistics of pixels: a model that has them computes what it computes without them on normalised pixels.

use burn::prelude::*;
use burn_topology::model::{
    Capture, LinearProbeConfig, NetworkConfig, PixelStatistics, VideoHead, VitConfig,
};

use super::layers::numbers;
use super::{Randomise, assert_close, configs, noise};
use crate::util::TestDir;
use burn::module::Module;

#[test]
fn models_normalise_their_input() {
    let device = Device::flex();
    let statistics = PixelStatistics {
        mean: vec![0.25, 0.6],
        std: vec![0.2, 0.4],
    };
    let vit = VitConfig::new([4, 6], 2, 3, 2, 8, 2, 2);
    let probe = LinearProbeConfig::new(4, [4, 6], 2, 3);
    let videos = configs().into_iter();
    // A predicted frame is the last one, which has the pixels of the input, plus a change.
    let videos = videos.filter(|video| video.head != VideoHead::NextFrame);
    let all = [NetworkConfig::Vit(vit), NetworkConfig::LinearProbe(probe)];
    for config in all.into_iter().chain(videos.map(NetworkConfig::Video)) {
        let directory = TestDir::new();
        let path = directory.path().join("model.bpk");
        let plain = config.init(&device).map(&mut Randomise::default());
        plain.clone().save_file(&path).unwrap();
        // Statistics are constants: a file from before they existed fits.
        let with = config.clone().with_statistics(Some(statistics.clone()));
        let normalizing = with.init(&device).try_load_file(&path).unwrap();
        let n_frames = match &config {
            NetworkConfig::Video(config) => config.n_frames,
            _ => 4,
        };
        let shape = [2, n_frames, 2, 4, 6];
        let clips = noise::<5>(shape, 77, &device);
        // By hand, from pixels in [0, 1].
        let pixels: Vec<f64> = numbers(clips.clone());
        let by_hand: Vec<f32> = pixels
            .iter()
            .enumerate()
            .map(|(index, pixel)| {
                let channel = index / 24 % 2;
                let pixel = (pixel + 1.0) / 2.0;
                ((pixel - statistics.mean[channel]) / statistics.std[channel]) as f32
            })
            .collect();
        let by_hand = Tensor::from_data(TensorData::new(by_hand, shape), &device);
        let expected = plain.forward(by_hand, Capture::Attention);
        let actual = normalizing.forward(clips, Capture::Attention);
        let name = format!("{config:?}");
        assert_close(&numbers(actual.output), &numbers(expected.output), &name);
        for (actual, expected) in actual.attention.into_iter().zip(expected.attention) {
            assert_close(&numbers(actual), &numbers(expected), &name);
        }
    }
}

#[test]
fn gradients_reach_the_pixels_through_the_statistics() {
    let device = Device::flex().autodiff();
    let statistics = PixelStatistics {
        mean: vec![0.5],
        std: vec![0.125],
    };
    let config = LinearProbeConfig::new(1, [1, 2], 1, 1);
    let gradient = |statistics| {
        let model = config.clone().with_statistics(statistics).init(&device);
        let clips = Tensor::<5>::from_floats([[[[[0.5, -0.25]]]]], &device).require_grad();
        let gradients = model.forward(clips.clone()).output.sum().backward();
        let weight = numbers(model.head.weight.val());
        (numbers(clips.grad(&gradients).unwrap()), weight)
    };
    let (plain, weight) = gradient(None);
    assert_close(&plain, &weight, "without statistics");
    // The change of a pixel in [-1, 1] is half of that in [0, 1], and 8 standard deviations make 1.
    let (normalized, weight) = gradient(Some(statistics));
    let expected: Vec<f64> = weight.iter().map(|weight| 4.0 * weight).collect();
    assert_close(&normalized, &expected, "with statistics");
}
