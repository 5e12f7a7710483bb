//! Persistence layer and attention rows: gradients, values and errors.

use burn_topology::burn::prelude::*;
use burn_topology::distance::RowDistance;
use burn_topology::nn::{AttentionRows, Heads, Persistence, SelfAttentionConfig, Tokens};

use crate::util::{assert_gradient, attention, numbers, plain_attention, values};

fn rows(heads: Heads, tokens: Tokens, n_prefix_tokens: usize) -> AttentionRows {
    AttentionRows {
        heads,
        tokens,
        n_prefix_tokens,
    }
}

#[test]
fn gradients_of_rows_equal_central_differences() {
    // The loss is symmetric in the bars, whose order may change within a step of the difference.
    let loss = |births: Tensor<1>, deaths: Tensor<1>| (deaths.square() * 3.0 - births).sum();
    for homology_dim in 0..2 {
        assert_gradient(attention([2, 1, 14, 14], 5).squeeze_dim::<3>(1), |rows| {
            let bars = Persistence::new(1)
                .unwrap()
                .rows(rows, RowDistance::JENSEN_SHANNON)
                .unwrap()
                .bars(homology_dim);
            assert!(!bars.deaths.dims().contains(&0), "no bars to test");
            loss(bars.births, bars.deaths)
        });
    }
}

#[test]
fn gradients_of_distances_equal_central_differences() {
    let points = numbers([2, 12, 3], 3);
    let distances = |points: Tensor<3>| {
        let difference = points.clone().unsqueeze_dim::<4>(1) - points.unsqueeze_dim::<4>(2);
        let squared = difference.square().sum_dim(3).squeeze_dim::<3>(3);
        // The root has an infinite slope at 0, so 1 is added to the diagonal before it and subtracted after.
        let eye = Tensor::<2>::eye(12, &squared.device())
            .cast(squared.dtype())
            .unsqueeze::<3>();
        (squared + eye.clone()).sqrt() - eye
    };
    assert_gradient(points, |points| {
        let bars = Persistence::new(1)
            .unwrap()
            .distances(distances(points))
            .unwrap()
            .bars(1);
        (bars.deaths.square() - bars.births).sum()
    });
}

#[test]
fn bar_tensors_equal_the_diagrams() {
    let batch = Persistence::new(1)
        .unwrap()
        .rows(
            plain_attention([3, 1, 17, 17]).squeeze_dim(1),
            RowDistance::JENSEN_SHANNON,
        )
        .unwrap();
    for homology_dim in 0..2 {
        let bars = batch.bars(homology_dim);
        let (births, deaths) = (values(bars.births), values(bars.deaths));
        for item in 0..3 {
            let expected: Vec<(f64, f64)> = batch.diagrams(item)[homology_dim]
                .finite()
                .map(|bar| (bar.birth, bar.death))
                .collect();
            let range = bars.offsets[item]..bars.offsets[item + 1];
            let actual: Vec<(f64, f64)> = range.map(|k| (births[k], deaths[k])).collect();
            assert_eq!(actual, expected);
        }
    }
}

#[test]
fn a_batch_without_bars_has_empty_tensors() {
    let device = Device::flex().autodiff();
    let one_point = Tensor::<3>::ones([2, 1, 1], &device).require_grad();
    let batch = Persistence::new(1)
        .unwrap()
        .rows(one_point, RowDistance::JENSEN_SHANNON)
        .unwrap();
    let bars = batch.bars(0);
    assert_eq!(
        (bars.deaths.dims(), bars.births.dims(), bars.offsets),
        ([0], [0], vec![0, 0, 0])
    );
}

#[test]
fn a_number_without_derivatives_is_part_of_the_graph() {
    let device = Device::flex().autodiff();
    let distances = Tensor::<3>::from_data([[[0.0, 3.0], [3.0, 0.0]]], &device).require_grad();
    let batch = Persistence::new(1)
        .unwrap()
        .distances(distances.clone())
        .unwrap();
    let number = batch.surrogate(2.0, &[Vec::new()]);
    assert_eq!(values(number.clone()), [2.0]);
    let gradient = distances.grad(&number.backward()).unwrap();
    assert_eq!(values(gradient), [0.0; 4]);
}

#[test]
fn equal_rows_have_gradient_zero() {
    let device = Device::flex().autodiff();
    let uniform = Tensor::<3>::full([1, 6, 6], 1.0 / 6.0, &device).require_grad();
    let batch = Persistence::new(1)
        .unwrap()
        .rows(uniform.clone(), RowDistance::JENSEN_SHANNON)
        .unwrap();
    let edges = vec![vec![([0, 1], 1.0), ([2, 5], -3.0)]];
    let surrogate = batch.surrogate(0.25, &edges);
    assert_eq!(values(surrogate.clone()), [0.25]);
    let gradient = uniform.grad(&surrogate.backward()).unwrap();
    assert!(values(gradient).iter().all(|&g| g == 0.0));
}

#[test]
fn only_the_rows_of_critical_edges_receive_gradient() {
    let input = attention([1, 1, 9, 9], 1)
        .squeeze_dim::<3>(1)
        .require_grad();
    let batch = Persistence::new(0)
        .unwrap()
        .rows(input.clone(), RowDistance::JENSEN_SHANNON)
        .unwrap();
    let gradient = input
        .grad(&batch.surrogate(0.0, &[vec![([2, 7], 1.0)]]).backward())
        .unwrap();
    let rows_with_gradient: Vec<usize> = values(gradient)
        .chunks(9)
        .enumerate()
        .filter(|(_, row)| row.iter().any(|&g| g != 0.0))
        .map(|(row, _)| row)
        .collect();
    assert_eq!(rows_with_gradient, [2, 7]);
}

#[test]
fn patches_are_renormalised_without_the_class_token() {
    let weights = plain_attention([2, 3, 10, 10]);
    let selected = rows(Heads::Each, Tokens::Patches, 1)
        .select(weights.clone())
        .unwrap();
    assert_eq!(selected.dims(), [6, 9, 9]);
    for sum in values(selected.sum_dim(2)) {
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
    assert_eq!(
        rows(Heads::Mean, Tokens::All, 1)
            .select(weights)
            .unwrap()
            .dims(),
        [2, 10, 10]
    );
}

#[test]
fn rows_that_are_not_distributions_are_named() {
    let mut broken = vec![1.0 / 3.0; 18];
    broken[15] = 0.2;
    let weights = Tensor::<4>::from_data(TensorData::new(broken, [1, 2, 3, 3]), &Device::flex());
    let error = rows(Heads::Each, Tokens::All, 0)
        .select(weights.clone())
        .unwrap_err();
    assert!(error.is_invalid_distribution());
    assert_eq!(
        error.to_string(),
        "attention row (image 0, head 1, token 2) sums to 0.8667, expected 1 within 1e-4; pass weights from after softmax and before dropout"
    );
    let error = rows(Heads::Mean, Tokens::All, 0)
        .select(weights * f32::NAN)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the model's output is not finite"),
        "{error}"
    );
}

#[test]
fn bad_distances_are_named_with_their_item() {
    let device = Device::flex();
    let distances = Tensor::<3>::from_data(
        [[[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [2.0, 0.0]]],
        &device,
    );
    let error = Persistence::new(1)
        .unwrap()
        .distances(distances)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "item 1: distance matrix is not symmetric: d(0, 1) = 1 but d(1, 0) = 2"
    );
}

#[test]
fn attention_weights_are_returned_from_before_dropout() {
    let device = Device::flex().autodiff();
    let module = SelfAttentionConfig::new(8, 2)
        .with_dropout(0.5)
        .init(&device);
    let tokens = Tensor::<3>::ones([2, 5, 8], &device);
    for sum in values(module.forward(tokens).weights.sum_dim(3)) {
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let input = plain_attention([32, 1, 17, 17]).squeeze_dim::<3>(1);
    let compute = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let batch = Persistence::new(1)
                .unwrap()
                .rows(input.clone(), RowDistance::JENSEN_SHANNON)
                .unwrap();
            (0..32)
                .map(|item| batch.diagrams(item).to_vec())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(compute(1), compute(3));
}

#[test]
fn example_opens_a_loop() {
    let longest = crate::persistence_of_distances::train(40).unwrap();
    assert_eq!(longest.len(), 40);
    assert!(longest[39] > 1.5 * longest[0], "{longest:?}");
}
