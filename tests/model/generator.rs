//! Generator: properties of a new model, attention, gradients, and the parts of its input that it must not confuse.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::Gradients;
use burn_topology::model::{
    Capture, Conditions, Generator, GeneratorConfig, ModelInput, ModelOutput, Predict,
};

use super::gradients::unreached;
use super::layers::numbers;
use super::{Randomise, noise};

/// Small generator of clips of 3 frames of 2 by 3 patches and two channels, with captions of up to 4 of 7 words.
fn config() -> GeneratorConfig {
    GeneratorConfig::new(3, [4, 6], 2, 2, 8, 2, 2, 9).with_max_words(4)
}

/// Model with random parameters.
fn generator(config: &GeneratorConfig, device: &Device) -> Generator {
    config.init(device).map(&mut Randomise::default())
}

/// Random clips at these levels with these captions.
fn input(levels: &[f32], captions: &[[i32; 4]], device: &Device) -> ModelInput {
    let n = levels.len();
    ModelInput {
        clips: noise([n, 3, 2, 4, 6], 1000, device),
        conditions: Some(Conditions {
            level: Tensor::from_floats(levels, device),
            captions: Tensor::<1, Int>::from_ints(captions.concat().as_slice(), device)
                .reshape([n, 4]),
        }),
    }
}

fn forward(model: &Generator, input: ModelInput) -> ModelOutput {
    model.forward(input, Capture::AttentionAndHidden)
}

/// Largest difference between two tensors.
fn difference<const D: usize>(first: Tensor<D>, second: Tensor<D>) -> f64 {
    let gaps = numbers(first - second).into_iter().map(f64::abs);
    gaps.fold(0.0, f64::max)
}

#[test]
fn a_new_generator_predicts_the_velocity_zero() {
    let device = Device::flex();
    let model = config().init(&device);
    let output = forward(
        &model,
        input(&[0.2, 0.9], &[[2, 3, 4, 0], [5, 0, 0, 0]], &device),
    );
    assert_eq!(output.output.dims(), [2 * 3, 2 * 4 * 6]);
    assert!(
        numbers(output.output)
            .iter()
            .all(|velocity| *velocity == 0.0)
    );
}

// Frames differ in nothing but their time here. A model whose embedding of time begins near 0 fails.
#[test]
fn frames_of_the_same_noise_differ() {
    let device = Device::flex();
    // Only the last layer and the gates are changed: everything else is as in a new model, whose tokens are wide enough
    // for its random parameters not to matter.
    let wide = GeneratorConfig {
        d_model: 64,
        ..config()
    };
    let mut model = wide.init(&device);
    model.head.weight = model
        .head
        .weight
        .map(|weight| noise(weight.dims(), 1, &weight.device()));
    // Of each branch the shift, the scale and the gate.
    let gates = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
    let gates = Tensor::<1>::from_floats(gates, &device).reshape([1, 9, 1]);
    for block in &mut model.blocks {
        let gates = gates.clone();
        block.table = block.table.clone().map(|table| table.zeros_like() + gates);
    }
    let frame: Tensor<5> = noise([1, 1, 2, 4, 6], 5, &device);
    let mut input = input(&[0.9], &[[2, 3, 0, 0]], &device);
    input.clips = frame.repeat_dim(1, 3);
    let output = forward(&model, input).output;
    let size = |tensor: Tensor<2>| {
        let squares = numbers(tensor).into_iter().map(|value| value * value);
        squares.sum::<f64>().sqrt()
    };
    for (first, second) in [(0, 1), (1, 2), (0, 2)] {
        let row = |frame: usize| output.clone().slice_dim(0, frame..frame + 1);
        let share = size(row(first) - row(second)) / size(row(first));
        // 0.09 to 0.12 between neighbours for different random parameters; 0.01 with an embedding of strength 0.02.
        assert!(share > 0.05, "frames {first} and {second}: {share}");
    }
}

#[test]
fn attention_of_every_layer_is_a_distribution() {
    let device = Device::flex();
    let model = generator(&config(), &device);
    let output = forward(
        &model,
        input(&[0.0, 1.0], &[[2, 3, 4, 8], [1, 0, 0, 0]], &device),
    );
    assert_eq!((output.attention.len(), output.hidden.len()), (2, 2));
    assert_eq!(output.tokens.n_prefix_tokens, 0);
    for weights in output.attention {
        assert_eq!(weights.dims(), [2 * 3, 2, 6, 6]);
        assert!(numbers(weights.clone()).iter().all(|weight| *weight >= 0.0));
        for sum in numbers(weights.sum_dim(3)) {
            assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        }
    }
}

#[test]
fn caption_and_level_matter_and_captions_of_no_word_are_no_nan() {
    let device = Device::flex();
    let model = generator(&config(), &device);
    let output = |level: f32, caption: [i32; 4]| {
        forward(&model, input(&[level], &[caption], &device)).output
    };
    let first = output(0.5, [2, 3, 4, 0]);
    for (level, caption) in [
        (0.5, [2, 3, 5, 0]),
        (0.5, [3, 2, 4, 0]),
        (0.51, [2, 3, 4, 0]),
        (0.5, [1, 0, 0, 0]),
    ] {
        assert!(
            difference(first.clone(), output(level, caption)) > 1e-3,
            "{level} {caption:?}"
        );
    }
    let empty = output(0.5, [0; 4]);
    assert!(numbers(empty).iter().all(|velocity| velocity.is_finite()));
    // A clip's result depends on its own conditions alone.
    let both = forward(
        &model,
        input(&[0.5, 0.1], &[[2, 3, 4, 0], [6, 0, 0, 0]], &device),
    )
    .output;
    assert!(difference(first, both.slice_dim(0, 0..3)) < 1e-5);
}

#[test]
fn words_after_the_end_of_a_caption_do_not_matter() {
    let device = Device::flex();
    let model = generator(&config(), &device);
    // The same caption in a model with room for two words: the places after them are padding, and have embeddings too.
    let mut short = generator(&config().with_max_words(4), &device);
    let table = short.text.pos_embed.val();
    let changed = Tensor::cat(
        vec![
            table.clone().slice_dim(1, 0..2),
            table.slice_dim(1, 2..4) * 5.0,
        ],
        1,
    );
    short.text.pos_embed = Param::from_tensor(changed);
    let given = input(&[0.4], &[[2, 7, 0, 0]], &device);
    let gap = difference(
        forward(&model, given.clone()).output,
        forward(&short, given).output,
    );
    assert!(gap < 1e-6, "{gap}");
}

#[test]
fn a_predicted_clean_clip_gives_the_velocity_towards_noise() {
    let device = Device::flex();
    let [velocity, clean] = [Predict::Velocity, Predict::Clean]
        .map(|predict| generator(&config().with_predict(predict), &device));
    for (level, divisor) in [(0.5, 0.5), (0.01, 0.05)] {
        let input = input(&[level], &[[2, 3, 4, 0]], &device);
        let predicted = forward(&velocity, input.clone()).output;
        let noisy = input.clips.clone().reshape([3, 48]);
        let expected = (noisy - predicted) / divisor;
        assert!(difference(expected, forward(&clean, input).output) < 1e-4);
    }
}

/// Weighted sum of the outputs and the attention, which depends on every parameter.
fn loss(model: &Generator, device: &Device) -> Tensor<1> {
    let output = forward(
        model,
        input(&[0.3, 0.8], &[[2, 3, 4, 5], [6, 7, 0, 0]], device),
    );
    let weighted = |tensor: Tensor<1>| (tensor.clone() * noise(tensor.dims(), 2000, device)).sum();
    let mut loss = weighted(output.output.flatten(0, 1));
    for weights in output.attention {
        loss = loss + weighted(weights.flatten(0, 3));
    }
    loss
}

#[test]
fn gradients_reach_every_parameter_of_a_generator() {
    let device = Device::flex().autodiff();
    let model = generator(&config(), &device);
    let gradients = loss(&model, &device).backward();
    let (names, n_visited) = unreached(&model, &gradients);
    assert_eq!(names, Vec::<String>::new());
    assert!(n_visited > 60, "{n_visited}");
}

/// Visitor that adds up the products of gradients and a direction.
struct Slope<'a> {
    gradients: &'a Gradients,
    n_visited: u64,
    slope: f64,
}

/// Direction in which a parameter is moved.
fn direction<const D: usize>(shape: [usize; D], index: u64, device: &Device) -> Tensor<D> {
    noise(shape, 5000 + index, device)
}

impl ModuleVisitor for Slope<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.n_visited += 1;
        let gradient = param.val().grad(self.gradients).unwrap();
        let direction = direction(gradient.dims(), self.n_visited, &gradient.device());
        self.slope += numbers(gradient * direction).iter().sum::<f64>();
    }
}

/// Mapper that moves every parameter along its direction.
struct Move {
    length: f64,
    n_moved: u64,
}

impl ModuleMapper for Move {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.n_moved += 1;
        param.map(|tensor| {
            let direction = direction(tensor.dims(), self.n_moved, &tensor.device());
            tensor + direction * self.length
        })
    }
}

#[test]
fn the_gradient_is_that_of_a_central_difference() {
    let training = Device::flex().autodiff();
    let model = generator(&config(), &training);
    let gradients = loss(&model, &training).backward();
    let mut slope = Slope {
        gradients: &gradients,
        n_visited: 0,
        slope: 0.0,
    };
    model.visit(&mut slope);
    let device = Device::flex();
    let length = 1e-3;
    let moved = |length| {
        let model = generator(&config(), &device).map(&mut Move { length, n_moved: 0 });
        loss(&model, &device).into_scalar::<f64>()
    };
    let expected = (moved(length) - moved(-length)) / (2.0 * length);
    let error = (slope.slope - expected).abs();
    assert!(
        error < 0.01 * expected.abs().max(1.0),
        "{} instead of {expected}",
        slope.slope
    );
}

#[test]
fn bad_settings_are_refused() {
    let message = |config: GeneratorConfig| config.check().unwrap_err().to_string();
    let bad = |change: fn(&mut GeneratorConfig)| {
        let mut config = config();
        change(&mut config);
        message(config)
    };
    assert!(
        bad(|config| config.patch_size = 4).contains("image side 6 is not a positive multiple")
    );
    assert!(bad(|config| config.d_model = 9).contains("even multiple of n_heads 2"));
    assert!(bad(|config| config.n_words = 1).contains("n_words is 1"));
    assert!(bad(|config| config.max_words = 0).contains("max_words is 0"));
}
