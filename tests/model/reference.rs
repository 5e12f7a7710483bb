//! Video transformers as plain loops in double precision, the reference for the tests.

use burn::nn::{LayerNorm, Linear};
use burn_topology::model::{
    JointVideoTransformer, Network, PatchEmbed, TimeSformer, VideoConfig, VideoHead, Vivit,
};

use super::layers::{
    Rows, add_to, apply_block, attend, linear, mlp, normalize, numbers, rows, sum,
};

/// Expected output of a model for one clip; lists by layer, numbers in the order of the tensors.
#[derive(Default)]
pub struct Expected {
    pub output: Vec<f64>,
    pub attention: Vec<Vec<f64>>,
    pub within_frame_attention: Vec<Vec<f64>>,
    pub hidden: Vec<Vec<f64>>,
}

/// Pixels of one clip and the configuration of a model for it.
struct Clip<'a> {
    config: &'a VideoConfig,
    pixels: &'a [f64],
}

/// Computes the expected output for one clip.
pub fn expected(network: &Network, config: &VideoConfig, pixels: &[f64]) -> Expected {
    let clip = Clip { config, pixels };
    match network {
        Network::TimeSformer(model) => timesformer(model, &clip),
        Network::Vivit(model) => vivit(model, &clip),
        Network::Joint(model) => joint(model, &clip),
        Network::Vit(_) | Network::Generator(_) | Network::LinearProbe(_) => {
            panic!("not a video transformer")
        }
    }
}

fn timesformer(model: &TimeSformer, clip: &Clip) -> Expected {
    let config = clip.config;
    let n_heads = config.n_heads;
    let is_causal = config.head == VideoHead::NextFrame;
    let (mut class, mut frames) = embedded(
        clip,
        &model.patch_embed,
        model.cls_token.as_ref().map(|token| rows(token.val())),
        &rows(model.pos_embed.val()),
        &rows(model.time_embed.val()),
    );
    let mut expected = Expected::default();
    for block in &model.blocks {
        for patch in 0..frames[0].len() {
            let sequence: Rows = frames.iter().map(|frame| frame[patch].clone()).collect();
            let (mixed, _) = attend(
                &normalize(&sequence, &block.temporal_norm1),
                &block.temporal_attn,
                n_heads,
                |query, key| !is_causal || key <= query,
            );
            let update = linear(&mixed, &block.temporal_fc);
            for (frame, update) in frames.iter_mut().zip(update) {
                add_to(&mut frame[patch], &update);
            }
        }
        let mut class_update = vec![vec![0.0; config.d_model]; class.len()];
        let mut attention = Vec::new();
        for frame in &mut frames {
            let tokens = [class.clone(), frame.clone()].concat();
            let (mixed, weights) = attend(
                &normalize(&tokens, &block.norm1),
                &block.attn,
                n_heads,
                |_, _| true,
            );
            attention.extend(weights.concat().concat());
            let (mixed_class, mixed_frame) = mixed.split_at(class.len());
            for (sum, mixed) in class_update.iter_mut().zip(mixed_class) {
                let part: Vec<f64> = mixed.iter().map(|x| x / config.n_frames as f64).collect();
                add_to(sum, &part);
            }
            *frame = sum(frame, mixed_frame);
        }
        class = sum(&class, &class_update);
        for tokens in frames.iter_mut().chain([&mut class]) {
            *tokens = sum(tokens, &mlp(&normalize(tokens, &block.norm2), &block.mlp));
        }
        expected.attention.push(attention);
        let with_class = frames
            .iter()
            .flat_map(|frame| [class.concat(), frame.concat()]);
        expected.hidden.push(with_class.flatten().collect());
    }
    expected.output = predict(clip, &class, &frames, &model.norm, &model.head);
    expected
}

fn vivit(model: &Vivit, clip: &Clip) -> Expected {
    let config = clip.config;
    let (position, time) = (rows(model.pos_embed.val()), rows(model.time_embed.val()));
    let mut frames: Vec<Rows> = patches(clip, &model.patch_embed)
        .into_iter()
        .map(|patches| sum(&[rows(model.cls_token.val()), patches].concat(), &position))
        .collect();
    let mut expected = Expected::default();
    for block in &model.blocks {
        let mut attention = Vec::new();
        for frame in &mut frames {
            let (tokens, weights) = apply_block(frame, block, config.n_heads, |_, _| true);
            *frame = tokens;
            attention.extend(weights.concat().concat());
        }
        expected.attention.push(attention);
        expected.hidden.push(frames.concat().concat());
    }
    let frames: Vec<Rows> = frames
        .iter()
        .map(|frame| normalize(frame, &model.norm))
        .collect();
    let mut temporal: Rows = frames.iter().map(|frame| frame[0].clone()).collect();
    if let Some(token) = &model.temporal_cls_token {
        temporal.splice(0..0, rows(token.val()));
    }
    temporal = sum(&temporal, &time);
    let is_causal = config.head == VideoHead::NextFrame;
    for block in &model.temporal_blocks {
        (temporal, _) = apply_block(&temporal, block, config.n_heads, |query, key| {
            !is_causal || key <= query
        });
    }
    let temporal = normalize(&temporal, &model.temporal_norm);
    expected.output = match config.head {
        VideoHead::Clip => linear(&temporal[..1].to_vec(), &model.head).concat(),
        VideoHead::Frames => linear(&temporal, &model.head).concat(),
        VideoHead::NextFrame => {
            let changes = frames.iter().zip(&temporal).map(|(frame, temporal)| {
                let add_temporal = |patch: &Vec<f64>| {
                    let mut patch = patch.clone();
                    add_to(&mut patch, temporal);
                    patch
                };
                linear(&frame[1..].iter().map(add_temporal).collect(), &model.head)
            });
            next_frames(clip, &changes.collect::<Vec<_>>())
        }
    };
    expected
}

fn joint(model: &JointVideoTransformer, clip: &Clip) -> Expected {
    let config = clip.config;
    let (class, frames) = embedded(
        clip,
        &model.patch_embed,
        model.cls_token.as_ref().map(|token| rows(token.val())),
        &rows(model.pos_embed.val()),
        &rows(model.time_embed.as_ref().unwrap().val()),
    );
    let (n_prefix_tokens, n_patches) = (class.len(), frames[0].len());
    let n_steps = frames.len();
    let is_causal = config.head == VideoHead::NextFrame;
    let mut tokens = [class, frames.concat()].concat();
    let mut expected = Expected::default();
    for block in &model.blocks {
        let (after, weights) = apply_block(&tokens, block, config.n_heads, |query, key| {
            !is_causal || key / n_patches <= query / n_patches
        });
        tokens = after;
        let (mut attention, mut fractions) = (Vec::new(), Vec::new());
        for step in 0..n_steps {
            let own = n_prefix_tokens + step * n_patches..n_prefix_tokens + (step + 1) * n_patches;
            for head in &weights {
                let mut fraction = 0.0;
                for row in &head[own.clone()] {
                    let row_sum: f64 = row[own.clone()].iter().sum();
                    fraction += row_sum / n_patches as f64;
                    attention.extend(row[own.clone()].iter().map(|weight| weight / row_sum));
                }
                fractions.push(fraction);
            }
        }
        expected.attention.push(attention);
        expected.within_frame_attention.push(fractions);
        expected.hidden.push(tokens[n_prefix_tokens..].concat());
    }
    let (class, patches) = tokens.split_at(n_prefix_tokens);
    let frames: Vec<Rows> = patches.chunks(n_patches).map(<[_]>::to_vec).collect();
    expected.output = predict(clip, class, &frames, &model.norm, &model.head);
    expected
}

/// Class token, if any, and patches of every time step, with position and time embeddings.
fn embedded(
    clip: &Clip,
    patch_embed: &PatchEmbed,
    class: Option<Rows>,
    position: &Rows,
    time: &Rows,
) -> (Rows, Vec<Rows>) {
    let class = class.unwrap_or_default();
    let (class_position, patch_position) = position.split_at(class.len());
    let mut frames = patches(clip, patch_embed);
    for (frame, time) in frames.iter_mut().zip(time) {
        *frame = sum(frame, patch_position);
        for patch in frame {
            add_to(patch, time);
        }
    }
    (sum(&class, class_position), frames)
}

/// Projected patches of every time step.
fn patches(clip: &Clip, patch_embed: &PatchEmbed) -> Vec<Rows> {
    let config = clip.config;
    let size = config.patch_size;
    let [height, width] = config.image_size;
    let n_values = config.tubelet_size * config.n_channels;
    let weight = numbers(patch_embed.proj.weight.val());
    let bias = numbers(patch_embed.proj.bias.as_ref().unwrap().val());
    let project = |step: usize, row: usize, column: usize, output: usize| {
        let mut value = bias[output];
        for channel in 0..n_values {
            for y in 0..size {
                for x in 0..size {
                    let frame = step * config.tubelet_size + channel / config.n_channels;
                    let plane = frame * config.n_channels + channel % config.n_channels;
                    let pixel = (plane * height + row * size + y) * width + column * size + x;
                    let index = ((output * n_values + channel) * size + y) * size + x;
                    value += weight[index] * clip.pixels[pixel];
                }
            }
        }
        value
    };
    let mut steps = Vec::new();
    for step in 0..config.n_frames / config.tubelet_size {
        let mut patches = Vec::new();
        for row in 0..height / size {
            for column in 0..width / size {
                let token = (0..config.d_model).map(|output| project(step, row, column, output));
                patches.push(token.collect());
            }
        }
        steps.push(patches);
    }
    steps
}

/// Applies norm, pooling and head to the tokens after the last block.
fn predict(
    clip: &Clip,
    class: &[Vec<f64>],
    frames: &[Rows],
    norm: &LayerNorm,
    head: &Linear,
) -> Vec<f64> {
    let config = clip.config;
    match config.head {
        VideoHead::Clip => linear(&normalize(class, norm), head).concat(),
        VideoHead::Frames => {
            let mut scores = Vec::new();
            for frame in frames {
                let mut mean = vec![0.0; config.d_model];
                for patch in normalize(frame, norm) {
                    let part: Vec<f64> = patch.iter().map(|x| x / frame.len() as f64).collect();
                    add_to(&mut mean, &part);
                }
                let frame_scores = linear(&vec![mean], head).concat();
                for _ in 0..config.tubelet_size {
                    scores.extend(frame_scores.clone());
                }
            }
            scores
        }
        VideoHead::NextFrame => {
            let changes = frames
                .iter()
                .map(|frame| linear(&normalize(frame, norm), head));
            next_frames(clip, &changes.collect::<Vec<_>>())
        }
    }
}

/// Adds predicted changes to the pixels of every frame.
fn next_frames(clip: &Clip, changes: &[Rows]) -> Vec<f64> {
    let config = clip.config;
    let size = config.patch_size;
    let [height, width] = config.image_size;
    let mut output = Vec::new();
    for (frame, changes) in changes.iter().enumerate() {
        for channel in 0..config.n_channels {
            for y in 0..height {
                for x in 0..width {
                    let patch = y / size * (width / size) + x / size;
                    let within = (channel * size + y % size) * size + x % size;
                    let pixel = ((frame * config.n_channels + channel) * height + y) * width + x;
                    output.push(clip.pixels[pixel] + changes[patch][within]);
                }
            }
        }
    }
    output
}
