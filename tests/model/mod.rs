//! Video transformers: agreement with slow loops, and properties that hold for any parameters.

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;
use burn_topology::model::{
    Capture, LinearProbeConfig, ModelOutput, Network, NetworkConfig, VideoAttention, VideoConfig,
    VideoHead, VitConfig, count_parameters,
};

use crate::util::{TestDir, values};

mod generator;
mod gradients;
mod layers;
mod preprocessing;
mod pretrained;
mod reference;
mod statistics;
mod weight_files;

use layers::numbers;
use reference::{Expected, expected};

/// All heads of video models.
const HEADS: [VideoHead; 3] = [VideoHead::Clip, VideoHead::Frames, VideoHead::NextFrame];
/// All attention schemes of video models.
const ATTENTIONS: [VideoAttention; 3] = [
    VideoAttention::Divided,
    VideoAttention::Factorised {
        n_temporal_layers: 2,
    },
    VideoAttention::Joint,
];

/// Configurations with every attention scheme and every head; frames have 2 by 3 patches and two channels.
fn configs() -> Vec<VideoConfig> {
    let config = |n_frames, n_heads| VideoConfig::new(n_frames, [4, 6], 2, 3, 2, 8, 2, n_heads);
    let mut configs = Vec::new();
    for attention in ATTENTIONS {
        for head in HEADS {
            for (n_frames, n_heads) in [(3, 2), (1, 2), (4, 1)] {
                let config = config(n_frames, n_heads);
                configs.push(config.with_attention(attention).with_head(head));
            }
        }
    }
    for head in [VideoHead::Clip, VideoHead::Frames] {
        let config = config(4, 2).with_tubelet_size(2);
        configs.push(config.with_attention(VideoAttention::Joint).with_head(head));
    }
    configs
}

/// Reproducible numbers between -1 and 1.
fn noise<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let data = values(crate::util::numbers(shape, seed));
    Tensor::from_data(TensorData::new(data, shape), device)
}

/// Mapper that replaces every parameter by noise, so that none keeps a special value such as 0.
#[derive(Default)]
struct Randomise {
    n_replaced: u64,
}

impl ModuleMapper for Randomise {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.n_replaced += 1;
        param.map(|tensor| {
            let device = tensor.device();
            let values = noise(tensor.dims(), self.n_replaced, &device) * 0.7;
            if device.is_autodiff() {
                values.detach().require_grad()
            } else {
                values
            }
        })
    }
}

/// Model with random parameters.
fn network(config: &VideoConfig, device: &Device) -> Network {
    config.init(device).map(&mut Randomise::default())
}

/// Random clips of the shape of a model input.
fn clips(config: &VideoConfig, n_clips: usize, device: &Device) -> Tensor<5> {
    let [height, width] = config.image_size;
    let shape = [n_clips, config.n_frames, config.n_channels, height, width];
    noise(shape, 1000, device)
}

/// One clip of a batch, as a batch of 1.
fn clip(clips: &Tensor<5>, clip: usize) -> Tensor<5> {
    clips.clone().slice_dim(0, clip..clip + 1)
}

fn forward(network: &Network, clips: Tensor<5>) -> ModelOutput {
    network.forward(clips, Capture::AttentionAndHidden)
}

fn assert_close(actual: &[f64], expected: &[f64], name: &str) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    let scale = expected.iter().fold(1.0_f64, |most, x| most.max(x.abs()));
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (actual - expected).abs() <= 1e-5 * scale,
            "{name}, index {index}: {actual} instead of {expected} (scale {scale})"
        );
    }
}

/// Numbers of each tensor in row-major order.
fn by_layer<const D: usize>(tensors: Vec<Tensor<D>>) -> Vec<Vec<f64>> {
    tensors.into_iter().map(numbers).collect()
}

#[test]
fn outputs_agree_with_plain_loops() {
    let device = Device::flex();
    for config in configs() {
        let network = network(&config, &device);
        let clips = clips(&config, 2, &device);
        let output = forward(&network, clips.clone());
        let mut all = Expected::default();
        let append = |all: &mut Vec<Vec<f64>>, layers: Vec<Vec<f64>>| {
            all.resize(layers.len(), Vec::new());
            for (all, layer) in all.iter_mut().zip(layers) {
                all.extend(layer);
            }
        };
        for index in 0..2 {
            let one = expected(&network, &config, &numbers(clip(&clips, index)));
            all.output.extend(one.output);
            append(&mut all.attention, one.attention);
            append(&mut all.within_frame_attention, one.within_frame_attention);
            append(&mut all.hidden, one.hidden);
        }
        assert_close(&numbers(output.output), &all.output, &format!("{config}"));
        let lists = [
            ("attention", by_layer(output.attention), all.attention),
            (
                "within-frame attention",
                by_layer(output.within_frame_attention),
                all.within_frame_attention,
            ),
            ("hidden", by_layer(output.hidden), all.hidden),
        ];
        for (name, actual, expected) in lists {
            assert_eq!(actual.len(), expected.len(), "{name} {config}");
            for (actual, expected) in actual.iter().zip(&expected) {
                assert_close(actual, expected, &format!("{name} {config}"));
            }
        }
    }
}

#[test]
fn shapes_follow_the_layout_and_rows_sum_to_one() {
    let device = Device::flex();
    for config in configs() {
        let network = network(&config, &device);
        let output = forward(&network, clips(&config, 5, &device));
        let layout = config.token_layout();
        assert_eq!(output.tokens, layout);
        assert_eq!(network.token_layout(), layout);
        assert_eq!(layout.grid, [2, 3]);
        assert_eq!(layout.n_frames, config.n_frames / config.tubelet_size);
        let n_prefix_tokens = match (config.attention, config.head) {
            (VideoAttention::Factorised { .. }, _) | (VideoAttention::Divided, VideoHead::Clip) => {
                1
            }
            _ => 0,
        };
        assert_eq!(layout.n_prefix_tokens, n_prefix_tokens);
        let expected = match config.head {
            VideoHead::Clip => [5, 3],
            VideoHead::Frames => [5 * config.n_frames, 3],
            VideoHead::NextFrame => [5 * config.n_frames, 2 * 4 * 6],
        };
        assert_eq!(output.output.dims(), expected);
        let (n_images, n_tokens) = (5 * layout.n_frames, layout.n_tokens());
        assert_eq!((output.attention.len(), output.hidden.len()), (2, 2));
        for (weights, hidden) in output.attention.into_iter().zip(output.hidden) {
            assert_eq!(
                weights.dims(),
                [n_images, config.n_heads, n_tokens, n_tokens]
            );
            assert_eq!(hidden.dims(), [n_images, n_tokens, 8]);
            for sum in numbers(weights.sum_dim(3)) {
                assert!((sum - 1.0).abs() < 1e-5, "{sum} {config}");
            }
        }
        let is_joint = config.attention == VideoAttention::Joint;
        assert_eq!(
            output.within_frame_attention.len(),
            if is_joint { 2 } else { 0 }
        );
        for fraction in output.within_frame_attention {
            assert_eq!(fraction.dims(), [n_images, config.n_heads]);
        }
    }
}

#[test]
fn only_captured_tensors_are_returned() {
    let device = Device::flex();
    for config in configs() {
        let network = network(&config, &device);
        let clips = clips(&config, 1, &device);
        let logits_only = network.forward(clips.clone(), Capture::Logits);
        assert!(
            logits_only.attention.is_empty()
                && logits_only.within_frame_attention.is_empty()
                && logits_only.hidden.is_empty()
        );
        let attention = network.forward(clips, Capture::Attention);
        assert_eq!((attention.attention.len(), attention.hidden.len()), (2, 0));
        assert_eq!(numbers(logits_only.output), numbers(attention.output));
    }
}

#[test]
fn clips_do_not_depend_on_the_batch() {
    let device = Device::flex();
    for config in configs() {
        let network = network(&config, &device);
        let batch = clips(&config, 3, &device);
        let all = forward(&network, batch.clone());
        let order = [2, 0, 1];
        let reordered = order.map(|index| clip(&batch, index)).to_vec();
        let reordered = forward(&network, Tensor::cat(reordered, 0));
        for (position, index) in order.into_iter().enumerate() {
            let alone = forward(&network, clip(&batch, index));
            for (batch, position) in [(&all, index), (&reordered, position)] {
                let part = |numbers: Vec<f64>| {
                    let size = numbers.len() / 3;
                    numbers[position * size..(position + 1) * size].to_vec()
                };
                let name = format!("{config}");
                let actual = part(numbers(batch.output.clone()));
                assert_close(&actual, &numbers(alone.output.clone()), &name);
                for layer in 0..config.n_layers {
                    let actual = part(numbers(batch.attention[layer].clone()));
                    let expected = numbers(alone.attention[layer].clone());
                    assert_close(&actual, &expected, &name);
                }
            }
        }
    }
}

#[test]
fn predictions_do_not_depend_on_later_frames() {
    let device = Device::flex();
    for attention in ATTENTIONS {
        let config = VideoConfig::new(4, [4, 6], 1, 3, 2, 8, 2, 2)
            .with_attention(attention)
            .with_head(VideoHead::NextFrame);
        let network = network(&config, &device);
        let clips = clips(&config, 1, &device);
        let before = forward(&network, clips.clone());
        for changed in 0..4 {
            let other = noise([1, 1, 1, 4, 6], 2000, &device);
            let range = [0..1, changed..changed + 1, 0..1, 0..4, 0..6];
            let after = forward(&network, clips.clone().slice_assign(range, other));
            let changes: Vec<bool> = numbers(before.output.clone())
                .chunks(24)
                .zip(numbers(after.output).chunks(24))
                .map(|(before, after)| before != after)
                .collect();
            let expected: Vec<bool> = (0..4).map(|frame| frame >= changed).collect();
            assert_eq!(changes, expected, "{config}");
            for (before, after) in before.attention.iter().zip(after.attention) {
                let earlier = |weights: Tensor<4>| numbers(weights.slice_dim(0, 0..changed));
                if changed > 0 {
                    assert_eq!(earlier(before.clone()), earlier(after), "{config}");
                }
            }
        }
    }
}

#[test]
fn a_new_predictor_copies_the_last_frame() {
    let device = Device::flex();
    for attention in ATTENTIONS {
        let config = VideoConfig::new(3, [4, 6], 2, 3, 2, 8, 2, 2)
            .with_attention(attention)
            .with_head(VideoHead::NextFrame);
        let clips = clips(&config, 2, &device);
        let output = config.init(&device).forward(clips.clone(), Capture::Logits);
        assert_eq!(numbers(output.output), numbers(clips), "{config}");
    }
}

#[test]
fn a_new_timesformer_processes_frames_independently() {
    let device = Device::flex();
    let config = VideoConfig::new(3, [4, 6], 2, 3, 2, 8, 2, 2).with_head(VideoHead::Frames);
    let network = config.init(&device);
    let batch = clips(&config, 1, &device);
    let together = numbers(network.forward(batch.clone(), Capture::Logits).output);
    let reversed = batch.flip([1]);
    let reversed = numbers(network.forward(reversed, Capture::Logits).output);
    assert_close(&together[..3], &reversed[6..], "first frame");
    assert_close(&together[6..], &reversed[..3], "last frame");
}

#[test]
fn equal_frames_have_equal_attention_in_the_first_layer() {
    let device = Device::flex();
    let without_time = |network| match network {
        Network::TimeSformer(mut model) => {
            model.time_embed = model.time_embed.map(|embedding| embedding.zeros_like());
            Network::TimeSformer(model)
        }
        Network::Joint(mut model) => {
            let time_embed = model.time_embed.expect("an embedding of time");
            model.time_embed = Some(time_embed.map(|embedding| embedding.zeros_like()));
            Network::Joint(model)
        }
        other => other,
    };
    for config in configs() {
        let network = without_time(network(&config, &device));
        let clips = clips(&config, 1, &device);
        let still = clips.slice_dim(1, 0..1).repeat_dim(1, config.n_frames);
        let output = forward(&network, still);
        let frames = numbers(output.attention[0].clone());
        let size = frames.len() / output.tokens.n_frames;
        for frame in frames.chunks(size) {
            assert_close(frame, &frames[..size], &format!("{config}"));
        }
    }
}

#[test]
fn networks_load_from_saved_files() {
    let device = Device::flex();
    let vit = VitConfig::new([4, 6], 2, 3, 2, 8, 2, 2);
    let probe = LinearProbeConfig::new(4, [4, 6], 2, 3);
    let mut all = vec![NetworkConfig::Vit(vit), NetworkConfig::LinearProbe(probe)];
    all.extend(configs().into_iter().map(NetworkConfig::Video));
    for config in all {
        let directory = TestDir::new();
        let path = directory.path().join("model.bpk");
        let saved = config.init(&device).map(&mut Randomise::default());
        saved.clone().save_file(&path).unwrap();
        let loaded = config.init(&device).try_load_file(&path).unwrap();
        let n_frames = match &config {
            NetworkConfig::Video(config) => config.n_frames,
            _ => 4,
        };
        let shape = [2, n_frames, 2, 4, 6];
        let clips = noise(shape, 1000, &device);
        let [before, after] = [saved, loaded].map(|model| forward(&model, clips.clone()));
        assert_eq!(numbers(before.output), numbers(after.output));
        assert_eq!(before.attention.len(), config.n_layers());
        assert_eq!(by_layer(before.attention), by_layer(after.attention));
        assert_eq!(before.tokens, config.token_layout());
    }
}

#[test]
fn parameters_are_counted_by_part() {
    let device = Device::flex();
    let video = VideoConfig::new(3, [4, 6], 1, 3, 2, 8, 2, 2);
    let names = |config: NetworkConfig| -> Vec<(String, usize)> {
        let counts = count_parameters(&config.init(&device));
        let count = |count: burn_topology::model::ParameterCount| (count.name, count.n_parts);
        counts.into_iter().map(count).collect()
    };
    let parts = |parts: &[(&str, usize)]| -> Vec<(String, usize)> {
        let owned = |(name, n): &(&str, usize)| ((*name).to_owned(), *n);
        parts.iter().map(owned).collect()
    };
    let blocks = ("blocks", 2);
    let ends = [("norm", 1), ("head", 1)];
    let starts = [("patch_embed", 1), ("cls_token", 1), ("pos_embed", 1)];
    let with_time = [&starts[..], &[("time_embed", 1), blocks], &ends].concat();
    let vit = VitConfig::new([4, 6], 1, 3, 2, 8, 2, 2);
    assert_eq!(
        names(NetworkConfig::Vit(vit)),
        parts(&[&starts[..], &[blocks], &ends].concat())
    );
    for attention in [VideoAttention::Divided, VideoAttention::Joint] {
        let config = video.clone().with_attention(attention);
        assert_eq!(names(NetworkConfig::Video(config)), parts(&with_time));
    }
}

#[test]
fn a_vision_transformer_takes_frames_as_images() {
    let device = Device::flex();
    let vit = VitConfig::new([4, 6], 1, 3, 2, 8, 2, 2).init(&device);
    let clips = noise([2, 3, 1, 4, 6], 1000, &device);
    let images = vit.forward(clips.clone().reshape([6, 1, 4, 6]), Capture::Attention);
    let frames = Network::Vit(vit).forward(clips, Capture::Attention);
    assert_eq!(frames.tokens.n_frames, 1);
    assert_eq!(numbers(frames.output), numbers(images.output));
    assert_eq!(by_layer(frames.attention), by_layer(images.attention));
}
