//! Fused operations of the CPU backend, against the same functions in double precision.
//!
//! Double precision runs on Burn's own operations.

use burn::nn::LinearConfig;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, Optimizer};
use burn::prelude::*;
use burn::tensor::{DType, Distribution, activation::softmax};
use burn_topology::distance::RowDistance;
use burn_topology::fused::{AdamW, Gelu, MixedTokens, attention, gelu, layer_norm, linear};
use burn_topology::nn::{AttentionRows, Heads, Persistence, Tokens};
use proptest::prelude::*;

/// Returns the outputs of a function, then the gradients of its inputs for a weighted sum of the outputs.
fn run<const D: usize>(
    inputs: &[Tensor<D>],
    dtype: DType,
    function: impl Fn(Vec<Tensor<D>>) -> Tensor<1>,
) -> Vec<Vec<f64>> {
    let prepare = |tensor: &Tensor<D>| tensor.clone().cast(dtype).detach().require_grad();
    let inputs: Vec<_> = inputs.iter().map(prepare).collect();
    let output = function(inputs.clone());
    let weights: Vec<f64> = (0..output.dims()[0])
        .map(|k| (0.7 * k as f64).sin())
        .collect();
    let weights = Tensor::<1>::from_data(weights.as_slice(), (&output.device(), dtype));
    let numbers = |tensor: Tensor<1>| -> Vec<f64> { tensor.into_data().iter::<f64>().collect() };
    let mut results = vec![numbers(output.clone().inner())];
    let gradients = (output * weights).sum().backward();
    for input in &inputs {
        let gradient = input.grad(&gradients).expect("a gradient");
        results.push(numbers(gradient.flatten(0, D - 1)));
    }
    results
}

/// Asserts equality up to rounding in single precision, relative to the largest number and at least to 1.
fn assert_close(actual: &[Vec<f64>], expected: &[Vec<f64>]) -> Result<(), TestCaseError> {
    prop_assert_eq!(actual.len(), expected.len());
    for (part, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        prop_assert_eq!(actual.len(), expected.len());
        let scale = expected
            .iter()
            .fold(1.0_f64, |largest, x| largest.max(x.abs()));
        for (x, y) in actual.iter().zip(expected) {
            prop_assert!(
                (x - y).abs() <= 4e-6 * scale,
                "part {part}: {x} {y} (scale {scale})"
            );
        }
    }
    Ok(())
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn random<const D: usize>(shape: [usize; D], scale: f64) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, scale), &device())
}

/// Asserts that values and gradients in single precision equal those in double precision, and that the gradients
/// equal central differences.
fn assert_both_precisions<const D: usize>(
    inputs: &[Tensor<D>],
    function: impl Fn(Vec<Tensor<D>>) -> Tensor<1>,
) -> Result<(), TestCaseError> {
    let actual = run(inputs, DType::F32, &function);
    assert_close(&actual, &run(inputs, DType::F64, &function))?;
    assert_slope(inputs, &actual[1..], function)
}

/// Asserts that the slope of the weighted sum along one direction equals a central difference in double precision.
fn assert_slope<const D: usize>(
    inputs: &[Tensor<D>],
    gradients: &[Vec<f64>],
    function: impl Fn(Vec<Tensor<D>>) -> Tensor<1>,
) -> Result<(), TestCaseError> {
    let direction = |k: usize| (0.3 + 1.1 * k as f64).sin();
    let value_after = |step: f64| -> f64 {
        let shifted = inputs.iter().map(|input| {
            let data = input.to_data();
            let values = data.iter::<f64>().enumerate();
            let values: Vec<f64> = values.map(|(k, x)| x + step * direction(k)).collect();
            let data = TensorData::new(values, input.dims());
            Tensor::<D>::from_data(data, (&input.device(), DType::F64))
        });
        let output: Vec<f64> = function(shifted.collect())
            .into_data()
            .iter::<f64>()
            .collect();
        output
            .iter()
            .enumerate()
            .map(|(k, y)| y * (0.7 * k as f64).sin())
            .sum()
    };
    let expected = (value_after(1e-5) - value_after(-1e-5)) / 2e-5;
    let terms: Vec<f64> = gradients
        .iter()
        .flat_map(|gradient| gradient.iter().enumerate())
        .map(|(k, slope)| slope * direction(k))
        .collect();
    let size: f64 = terms.iter().map(|term| term.abs()).sum();
    let actual: f64 = terms.iter().sum();
    prop_assert!(
        (actual - expected).abs() < 4e-6 * (1.0 + size),
        "{actual} {expected}"
    );
    Ok(())
}

/// Returns a mask: none (0), a causal one (1), or one with some hidden tokens and a fully masked row (2).
fn mask(kind: usize, n: usize) -> Option<Tensor<4, Bool>> {
    let hides = |query: usize, key: usize| match kind {
        1 => key > query,
        2 => query == 0 || key % 3 == 1,
        _ => false,
    };
    let values: Vec<i32> = (0..n * n).map(|i| i32::from(hides(i / n, i % n))).collect();
    let data = TensorData::new(values, [1, 1, n, n]);
    (kind > 0).then(|| Tensor::<4, Int>::from_data(data, &device()).equal_elem(1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn attention_equals_burns_operations(
        (batch_size, n_heads, n_tokens, d_head) in (1..3_usize, 1..4_usize, 1..40_usize, 1..20_usize),
        kind in 0..3_usize,
        drops in any::<bool>(),
        parts in 0..3_usize,
    ) {
        let qkv = random([batch_size, n_tokens, 3 * n_heads * d_head], 1.0);
        assert_both_precisions(&[qkv], |inputs| {
            let drop = |weights: Tensor<4>| if drops { weights * 0.5 } else { weights };
            let qkv = inputs[0].clone();
            let MixedTokens { mixed, weights } =
                attention(qkv, n_heads, mask(kind, n_tokens), drop);
            match parts {
                0 => mixed.flatten(0, 2),
                1 => weights.flatten(0, 3),
                _ => Tensor::cat(vec![mixed.flatten(0, 2), weights.flatten(0, 3)], 0),
            }
        })?;
    }

    #[test]
    fn gelu_equals_burns_operations(n in 1..70_usize, scale in 0.1..6.0) {
        for form in [Gelu::Erf, Gelu::Tanh] {
            assert_both_precisions(&[random([3, n], scale)], |inputs| gelu(inputs[0].clone(), form).flatten(0, 1))?;
        }
    }

    #[test]
    fn layer_norm_equals_burns_operations(rows in 1..150_usize, width in 1..70_usize) {
        let scaled = random([1, width], 1.0);
        assert_both_precisions(&[random([rows, width], 2.0)], |inputs| {
            let dtype = inputs[0].dtype();
            let [gamma, beta] = [1.0, 2.0].map(|shift| {
                (scaled.clone().cast(dtype) + shift).reshape([width])
            });
            // Few values can be nearly equal, so that rounding dominates their small variance.
            let epsilon = if width < 16 { 1.0 } else { 1e-2 };
            layer_norm(inputs[0].clone(), gamma, beta, epsilon).flatten(0, 1)
        })?;
    }

    #[test]
    fn selected_rows_equal_burns_operations(
        (batch_size, n_heads, n_tokens) in (1..4_usize, 1..4_usize, 2..40_usize),
        heads in prop_oneof![Just(Heads::Mean), Just(Heads::Each)],
        tokens in prop_oneof![Just(Tokens::All), Just(Tokens::Patches)],
    ) {
        let rows = AttentionRows { heads, tokens, n_prefix_tokens: 1 };
        assert_both_precisions(&[random([batch_size, n_heads, n_tokens, n_tokens], 1.0)], |inputs| {
            rows.select(softmax(inputs[0].clone(), 3)).unwrap().flatten(0, 2)
        })?;
    }

    #[test]
    fn surrogate_gradients_equal_burns_operations(
        (batch_size, n_points) in (1..4_usize, 3..40_usize),
    ) {
        let edges = |item: usize| vec![([0, 1], 0.5), ([1, 2], -0.7 + item as f64), ([0, 1], 0.25)];
        let gradient: Vec<_> = (0..batch_size).map(edges).collect();
        let inputs = [random([batch_size, n_points, n_points], 1.0)];
        let surrogate = |inputs: Vec<Tensor<3>>| {
            let rows = softmax(inputs[0].clone(), 2);
            let layer = Persistence::new(0).unwrap();
            let batch = layer.rows(rows, RowDistance::JENSEN_SHANNON).unwrap();
            // The factor 2 makes the gradient that arrives at the node differ from 1.
            Tensor::cat(vec![Tensor::zeros([1], (&inputs[0].device(), inputs[0].dtype())),
                batch.surrogate(2.5, &gradient) * 2.0], 0)
        };
        let actual = run(&inputs, DType::F32, surrogate);
        assert_close(&actual, &run(&inputs, DType::F64, surrogate))?;
        prop_assert_eq!(&actual[0], &[0.0, 5.0]);
    }

    #[test]
    fn linear_equals_burns_operations(
        (rows, d_input, d_output) in (1..230_usize, 1..40_usize, 1..40_usize),
    ) {
        let layer = LinearConfig::new(d_input, d_output).init(&device());
        assert_both_precisions(&[random([rows, d_input], 1.0)], |inputs| match inputs[0].dtype() {
            DType::F32 => linear(inputs[0].clone(), &layer).flatten(0, 1),
            dtype => {
                let weight = layer.weight.val().cast(dtype);
                let bias = layer.bias.as_ref().unwrap().val().cast(dtype);
                (inputs[0].clone().matmul(weight) + bias.unsqueeze()).flatten(0, 1)
            }
        })?;
    }
}

#[test]
fn parameter_gradients_equal_those_of_burns_layers() {
    let layer = LinearConfig::new(7, 5).init(&device());
    let norm = burn::nn::LayerNormConfig::new(5).init(&device());
    let x = random([130, 7], 1.0);
    let slopes = random([130, 5], 1.0);
    let gradients = |y: Tensor<2>| {
        let gradients = (y * slopes.clone()).sum().backward();
        let beta = norm.beta.as_ref().unwrap().val();
        let bias = layer.bias.as_ref().unwrap().val();
        let vectors = [norm.gamma.val(), beta, bias].map(|p| p.grad(&gradients).unwrap());
        let weight = layer.weight.val().grad(&gradients).unwrap().flatten(0, 1);
        Tensor::cat(vectors.into_iter().chain([weight]).collect(), 0)
    };
    let beta = norm.beta.as_ref().unwrap().val();
    let ours = layer_norm(linear(x.clone(), &layer), norm.gamma.val(), beta, 1e-5);
    let actual = gradients(ours);
    let expected = gradients(norm.forward(layer.forward(x)));
    let scale = expected.clone().abs().max().into_scalar::<f32>();
    let difference = (actual - expected).abs().max().into_scalar::<f32>();
    assert!(difference < 4e-6 * scale, "{difference} {scale}");
}

#[test]
fn linear_equals_burns_operations_across_tiles() {
    // Several tiles along each dimension, and a weight so small that the batch is divided.
    for [rows, d_input, d_output] in [[500, 260, 300], [1100, 5, 3]] {
        let layer = LinearConfig::new(d_input, d_output).init(&device());
        let x = random([rows, d_input], 1.0).require_grad();
        let slopes = random([rows, d_output], 1.0);
        let results = |y: Tensor<2>| {
            let gradients = (y.clone() * slopes.clone()).sum().backward();
            let gradient_of = |tensor: &Tensor<2>| tensor.grad(&gradients).unwrap();
            [y.inner(), gradient_of(&x), gradient_of(&layer.weight.val())]
        };
        let expected = results(layer.forward(x.clone()));
        for (actual, expected) in results(linear(x.clone(), &layer)).into_iter().zip(expected) {
            let scale = expected.clone().abs().max().into_scalar::<f32>();
            let difference = (actual - expected).abs().max().into_scalar::<f32>();
            assert!(difference < 4e-6 * scale, "{difference} {scale}");
        }
    }
}

#[test]
fn adamw_equals_burns_optimiser() {
    let layer = LinearConfig::new(90, 100).init(&device());
    let decay = 0.02;
    let burns = AdamWConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(decay);
    let ours = AdamW {
        weight_decay: decay,
        ..AdamW::default()
    };
    let x = random([7, 90], 1.0);
    let train = |mut optimizer: ModuleOptimizer| {
        let mut layer = layer.clone();
        for step in 1..6 {
            let loss = layer.forward(x.clone()).square().mean() * step;
            let gradients = GradientsParams::from_grads(loss.backward(), &layer);
            layer = optimizer.step(1e-2 / f64::from(step), layer, gradients);
        }
        layer.weight.val().inner()
    };
    let expected = train(burns.init());
    let difference = (train(ours.into()) - expected)
        .abs()
        .max()
        .into_scalar::<f32>();
    assert!(difference < 1e-6, "{difference}");
}

#[test]
fn adamw_updates_a_slice_of_a_larger_tensor_as_it_does_a_copy() {
    let device = Device::flex();
    let larger = Tensor::<2>::random([7, 3], Distribution::Default, &device);
    let gradients = Tensor::<2>::random([9, 3], Distribution::Default, &device);
    let copied = |tensor: Tensor<2>| Tensor::<2>::from_data(tensor.into_data(), &device);
    let numbers = |tensor: Tensor<2>| -> Vec<f32> { tensor.into_data().iter().collect() };
    // Two steps: the second one has moments.
    let train = |mut parameter: Tensor<2>, gradient: Tensor<2>| {
        let mut state = None;
        for _ in 0..2 {
            (parameter, state) = AdamW::default().step(1e-2, parameter, gradient.clone(), state);
        }
        numbers(parameter)
    };
    let before = numbers(larger.clone());
    // From the start, from the middle and up to the end.
    for first in [0, 2, 4] {
        let slice = larger.clone().slice_dim(0, first..first + 3);
        let gradient = gradients.clone().slice_dim(0, 5..8);
        let expected = train(copied(slice.clone()), copied(gradient.clone()));
        assert_eq!(train(slice, gradient), expected, "rows from {first} on");
    }
    assert_eq!(numbers(larger), before);
}

#[test]
fn extreme_scores_give_weights_of_zero_and_one() {
    for size in [1e4_f32, -1e4] {
        let values = vec![100.0, size / 100.0, 1.0, 1.0, 0.0, 2.0];
        let qkv = Tensor::<3>::from_data(TensorData::new(values, [1, 2, 3]), &device());
        let weights: Vec<f32> = attention(qkv, 1, None, |weights| weights)
            .weights
            .into_data()
            .iter::<f32>()
            .collect();
        assert!(
            weights.iter().all(|w| (0.0..=1.0).contains(w)),
            "{weights:?}"
        );
        assert_eq!(weights[0], f32::from(u8::from(size > 0.0)));
    }
}

#[test]
fn nan_is_propagated() {
    let values = vec![f32::NAN, 1.0, 1.0, 1.0, 1.0, 1.0];
    let x = Tensor::<3>::from_data(TensorData::new(values, [1, 2, 3]), &device());
    let weights = attention(x.clone(), 1, None, |weights| weights).weights;
    assert!(weights.into_data().iter::<f32>().take(2).all(f32::is_nan));
    for form in [Gelu::Erf, Gelu::Tanh] {
        assert!(
            gelu(x.clone(), form)
                .into_data()
                .iter::<f32>()
                .next()
                .unwrap()
                .is_nan()
        );
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    // Enough rows for several tiles of the linear layer, and for a division of the batch.
    let qkv = random([36, 33, 48], 1.0);
    let layer = LinearConfig::new(16, 24).init(&device());
    let step = || {
        let qkv = qkv.clone().detach().require_grad();
        let MixedTokens { mixed, weights } = attention(qkv.clone(), 2, None, |weights| weights);
        let output = gelu(linear(mixed, &layer), Gelu::Erf);
        let loss = output.square().sum() + weights.square().sum();
        let gradients = loss.backward();
        let qkv_gradient = qkv.grad(&gradients).unwrap().flatten::<1>(0, 2);
        let weight_gradient = layer
            .weight
            .val()
            .grad(&gradients)
            .unwrap()
            .flatten::<1>(0, 1);
        Tensor::cat(vec![qkv_gradient, weight_gradient], 0)
            .into_data()
            .iter::<f32>()
            .collect::<Vec<_>>()
    };
    let pool = |n| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .unwrap()
    };
    let expected = pool(1).install(step);
    for n in [2, 3, 7] {
        assert!(pool(n).install(step) == expected, "{n} threads");
    }
}
