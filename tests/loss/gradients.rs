//! Gradients of the whole chain, from weights of a model to the loss, against central differences in 64 bits.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::distance::{RowDistance, RowMetric};
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, Direction, EdgeChoice, ItemPairs, Normalize, Source,
    SummaryPenalty, TokenWiseDivergence, TokenWisePenalty, TopologyPenalty, TopologyRegularizer,
};
use burn_topology::nn::{Heads, Tokens};
use burn_topology::topology::{DiagramDistance, DiagramSummary, GroundNorm, Power};

use crate::util::{assert_gradient, attention, numbers};

const LAYERS: usize = 3;

/// Computes every layer from query and key weights, `[layer, query or key, d, d]`.
///
/// The attention is `[batch, head, n, n]`; the queries are the hidden states, `[batch, n, d]`.
fn layers(weights: Tensor<4>) -> Activations {
    let tokens = numbers([2, 11, 6], 8) * 2.0;
    let project = |layer: usize, part: usize| -> Tensor<4> {
        let matrix = weights.clone().slice([layer..layer + 1, part..part + 1]);
        tokens
            .clone()
            .matmul(matrix.reshape([1, 6, 6]).expand([2, 6, 6]))
            .unsqueeze()
    };
    let heads = |projected: Tensor<4>| projected.reshape([2, 11, 2, 3]).swap_dims(1, 2);
    let attention = |layer: usize| {
        let [queries, keys] = [0, 1].map(|part| heads(project(layer, part)));
        softmax(queries.matmul(keys.swap_dims(2, 3)), 3)
    };
    Activations {
        hidden: (0..LAYERS)
            .map(|layer| project(layer, 0).squeeze_dim(0))
            .collect(),
        ..Activations::from_attention((0..LAYERS).map(attention).collect(), 1)
    }
}

fn assert_gradient_of_chain(penalty: impl Into<TopologyPenalty>) {
    let regularizer = TopologyRegularizer::new(vec![penalty.into()]).unwrap();
    assert_gradient(numbers([LAYERS, 2, 6, 6], 2), |weights| {
        let output = regularizer
            .forward(&layers(weights), Clock::default())
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
fn gradients_of_diagram_distances_equal_central_differences() {
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
                let penalty = DiagramPenalty::new(homology_dim).with_distance(distance);
                assert_gradient_of_chain(penalty.with_normalize(normalize));
            }
        }
    }
}

#[test]
fn gradients_of_sources_and_metrics_equal_central_differences() {
    for (source, metric) in [
        (Source::Attention, RowMetric::JensenShannon),
        (Source::Attention, RowMetric::Hellinger),
        (Source::Attention, RowMetric::TotalVariation),
        (Source::Attention, RowMetric::Cosine),
        (Source::Attention, RowMetric::Attention),
        (Source::DoubleSoftmax, RowMetric::JensenShannon),
        (Source::DoubleSoftmax, RowMetric::Euclidean),
        (Source::Hidden, RowMetric::Cosine),
        (Source::Hidden, RowMetric::Euclidean),
    ] {
        for exponent in [1.0, 2.0] {
            let penalty = TopologyPenalty::new(0)
                .with_source(source)
                .with_row_distance(RowDistance { metric, exponent });
            assert_gradient_of_chain(penalty);
        }
    }
}

#[test]
fn gradients_of_kinds_equal_central_differences() {
    let total = DiagramSummary::TotalPersistence {
        order: 2.0,
        window: [0.1, 5.0],
    };
    let sliced = DiagramDistance::SlicedWasserstein {
        order: 2.0,
        n_directions: 8,
        power: Power::P,
    };
    let sorted = DiagramDistance::SortedWasserstein {
        order: 2.0,
        power: Power::P,
    };
    assert_gradient_of_chain(DiagramPenalty::new(0).with_distance(sorted));
    assert_gradient_of_chain(DiagramPenalty::new(1).with_distance(sliced));
    assert_gradient_of_chain(SummaryPenalty::new(1, total));
    let entropy = DiagramSummary::PersistentEntropy;
    assert_gradient_of_chain(SummaryPenalty::new(0, entropy));
    let signature = |homology_dim| TokenWiseDivergence::Signature {
        homology_dim,
        edges: EdgeChoice::Critical,
    };
    for divergence in [
        signature(0),
        signature(1),
        TokenWiseDivergence::RtdLite,
        TokenWiseDivergence::Rtd,
    ] {
        assert_gradient_of_chain(TokenWisePenalty::new(divergence));
    }
}

#[test]
fn gradients_of_single_heads_equal_central_differences() {
    let penalty = TopologyPenalty::new(1)
        .with_heads(Heads::Each)
        .with_tokens(Tokens::All);
    assert_gradient_of_chain(penalty);
}

#[test]
fn a_constant_side_receives_no_gradient() {
    let first = attention([2, 1, 9, 9], 1).require_grad();
    let second = attention([2, 1, 9, 9], 2).require_grad();
    for (direction, expected) in [
        (Direction::TowardsFirst, [false, true]),
        (Direction::TowardsSecond, [true, false]),
        (Direction::Symmetric, [true; 2]),
    ] {
        let pairs = ItemPairs::layers().with_direction(direction);
        let penalty = DiagramPenalty::new(0).with_pairs(pairs);
        let regularizer = TopologyRegularizer::new(vec![penalty.into()]).unwrap();
        let layers = [first.clone(), second.clone()];
        let output = regularizer
            .forward(
                &Activations::from_attention(layers.to_vec(), 0),
                Clock::default(),
            )
            .unwrap();
        let gradients = output.loss.backward();
        let has_gradient = layers.map(|layer| {
            let gradient = layer.grad(&gradients).expect("a gradient");
            gradient.abs().max().into_scalar::<f64>() > 0.0
        });
        assert_eq!(has_gradient, expected, "{direction:?}");
    }
}
