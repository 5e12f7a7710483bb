//! Collapse by matching with the diagonal, and normalisation against it.
//!
//! In dimension 0 every birth is 0. With ground norm L-infinity and order 2, matching both of two deaths
//! a > b with the diagonal costs less than matching them with each other if a / b > (4 + sqrt 7) / 3 = 2.2.
//! The gradient of the Wasserstein distance then pulls both deaths to 0, which means uniform attention.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::DType;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::distance::RowDistance;
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, Direction, ItemPairs, Normalize, TopologyPenalty,
    TopologyRegularizer,
};
use burn_topology::nn::Persistence;

use crate::util::numbers;

const N_STEPS: usize = 300;
/// Largest norm of the change of the logits in one step.
const STEP_SIZE: f64 = 0.5;

fn rows(logits: &Tensor<4>) -> Tensor<4> {
    softmax(logits.clone(), 3)
}

/// Returns the mean Jensen-Shannon distance between two rows.
fn mean_distance(logits: &Tensor<4>) -> f64 {
    let rows: Tensor<3> = rows(logits).without_autodiff().squeeze_dim(1);
    let diagrams = Persistence::new(0)
        .unwrap()
        .rows(rows, RowDistance::JENSEN_SHANNON)
        .unwrap();
    diagrams.mean_distance(0)
}

/// Minimises a penalty over the logits of two attention maps by gradient descent, and returns the mean distances
/// of both before and after.
fn descend(penalty: TopologyPenalty, sharpness: [f64; 2]) -> [[f64; 2]; 2] {
    let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    let mut logits = [0, 1].map(|side| numbers([1, 1, 17, 17], 40 + side as u64) * sharpness[side]);
    let before = [0, 1].map(|side| mean_distance(&logits[side]));
    for _ in 0..N_STEPS {
        let tracked = logits.map(Tensor::require_grad);
        let attention = [rows(&tracked[0]), rows(&tracked[1])];
        let output = regularizer
            .forward(
                &Activations::from_attention(attention.to_vec(), 0),
                Clock::default(),
            )
            .unwrap();
        let gradients = output.loss.backward();
        logits = tracked.map(|side| {
            let gradient = side.grad(&gradients).expect("a gradient");
            let norm = gradient.clone().square().sum().into_scalar::<f64>().sqrt();
            let device = side.device();
            // The floor of the norm shortens steps where the gradient almost vanishes.
            let step = gradient * (STEP_SIZE / norm.max(STEP_SIZE / 20.0));
            Tensor::from_data(
                (side.without_autodiff() - step).into_data(),
                (&device, DType::F64),
            )
        });
    }
    [before, [0, 1].map(|side| mean_distance(&logits[side]))]
}

fn unnormalised() -> DiagramPenalty {
    DiagramPenalty::new(0).with_normalize(Normalize::None)
}

fn one_sided(direction: Direction) -> TopologyPenalty {
    unnormalised()
        .with_pairs(ItemPairs::layers().with_direction(direction))
        .into()
}

/// Factors of the logits for a sharp and a nearly uniform attention map, as early in training.
const FAR_APART: [f64; 2] = [6.0, 0.45];

#[test]
fn without_normalisation_different_scales_collapse() {
    let [before, after] = descend(unnormalised().into(), FAR_APART);
    assert!(before[0] / before[1] > 3.0, "{before:?}");
    assert!(after[0] < 0.9 * before[0], "{before:?} {after:?}");
    assert!(after[1] < 0.2 * before[1], "{before:?} {after:?}");
}

#[test]
fn similar_scales_do_not_collapse() {
    let [before, after] = descend(unnormalised().into(), [6.0, 5.0]);
    for side in 0..2 {
        assert!(after[side] > 0.95 * before[side], "{before:?} {after:?}");
    }
}

#[test]
fn with_normalisation_different_scales_do_not_collapse() {
    let [before, after] = descend(TopologyPenalty::new(0), FAR_APART);
    for side in 0..2 {
        assert!(after[side] > 0.95 * before[side], "{before:?} {after:?}");
    }
}

/// With a direction one side stays constant. A larger other side stops near it, but a smaller one still shrinks
/// to 0, so a direction alone does not prevent collapse.
#[test]
fn a_constant_side_prevents_collapse_of_a_larger_side_only() {
    let [before, after] = descend(one_sided(Direction::TowardsSecond), FAR_APART);
    assert_eq!(after[1], before[1]);
    assert!(after[0] > 3.0 * after[1], "{before:?} {after:?}");
    let [before, after] = descend(one_sided(Direction::TowardsFirst), FAR_APART);
    assert_eq!(after[0], before[0]);
    assert!(after[1] < 0.2 * before[1], "{before:?} {after:?}");
}
