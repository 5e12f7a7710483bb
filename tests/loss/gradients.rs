//! The whole chain against central differences, in 64 bits.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::loss::{Clock, Direction, LayerPenalty, Normalize, TopologyRegularizer};
use burn_topology::nn::{Heads, Tokens};
use burn_topology::topology::{DiagramDistance, GroundNorm, Power};

use crate::util::{assert_gradient, attention, numbers};

const LAYERS: usize = 3;

/// Attention of every layer from query and key weights: `[layer, query or key, d, d]` to
/// `[batch, head, n, n]`.
fn layers(weights: Tensor<4>) -> Vec<Tensor<4>> {
    let tokens = numbers([2, 11, 6], 8) * 2.0;
    let project = |layer: usize, which: usize| -> Tensor<4> {
        let matrix = weights.clone().slice([layer..layer + 1, which..which + 1]);
        let projected = tokens
            .clone()
            .matmul(matrix.reshape([1, 6, 6]).expand([2, 6, 6]));
        projected.reshape([2, 11, 2, 3]).swap_dims(1, 2)
    };
    (0..LAYERS)
        .map(|layer| {
            softmax(
                project(layer, 0).matmul(project(layer, 1).swap_dims(2, 3)),
                3,
            )
        })
        .collect()
}

fn assert_chain(penalty: LayerPenalty) {
    let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    assert_gradient(numbers([LAYERS, 2, 6, 6], 2), |weights| {
        let output = regularizer
            .forward(&layers(weights), 1, Clock::default())
            .unwrap();
        assert_eq!(output.terms[0].n_gated, 0);
        assert!(
            output.terms[0].value > 1e-6,
            "nothing to test: {:?}",
            output.terms
        );
        output.loss
    });
}

#[test]
fn every_distance_normalisation_and_dimension_has_the_slope_of_central_differences() {
    let wasserstein = |order, power| DiagramDistance::Wasserstein {
        order,
        ground_norm: GroundNorm::Infinity,
        power,
    };
    let distances = [
        wasserstein(1.0, Power::One),
        wasserstein(2.0, Power::P),
        wasserstein(2.0, Power::One),
        DiagramDistance::Wasserstein {
            order: 2.0,
            ground_norm: GroundNorm::L2,
            power: Power::P,
        },
        DiagramDistance::Bottleneck {
            ground_norm: GroundNorm::Infinity,
        },
    ];
    for distance in distances {
        for normalize in [Normalize::None, Normalize::SpanningTree] {
            for homology_dim in 0..2 {
                assert_chain(LayerPenalty {
                    distance,
                    normalize,
                    ..LayerPenalty::new(homology_dim)
                });
            }
        }
    }
}

#[test]
fn each_head_and_all_tokens_have_the_slope_of_central_differences() {
    assert_chain(LayerPenalty {
        heads: Heads::Each,
        tokens: Tokens::All,
        ..LayerPenalty::new(1)
    });
}

#[test]
fn a_side_that_is_held_constant_receives_no_gradient() {
    let first = attention([2, 1, 9, 9], 1).require_grad();
    let second = attention([2, 1, 9, 9], 2).require_grad();
    for (direction, moved) in [
        (Direction::TowardsFirst, [false, true]),
        (Direction::TowardsSecond, [true, false]),
        (Direction::Symmetric, [true; 2]),
    ] {
        let penalty = LayerPenalty {
            direction,
            ..LayerPenalty::new(0)
        };
        let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
        let layers = [first.clone(), second.clone()];
        let output = regularizer.forward(&layers, 0, Clock::default()).unwrap();
        let gradients = output.loss.backward();
        let found = layers.map(|layer| {
            let gradient = layer.grad(&gradients).expect("a gradient");
            gradient.abs().max().into_scalar::<f64>() > 0.0
        });
        assert_eq!(found, moved, "{direction:?}");
    }
}
