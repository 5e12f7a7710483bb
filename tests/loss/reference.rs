//! Penalties between a model and its reference, a frozen copy of the weights that it started from.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::distance::{RowDistance, RowMetric};
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, Direction, EdgeChoice, ItemPairs, Pairs, PartnerChoice,
    RowPenalty, Schedule, Source, TokenWiseDivergence, TokenWisePenalty, TopologyLoss,
    TopologyPenalty, TopologyRegularizer, Weight,
};
use burn_topology::nn::Heads;
use burn_topology::topology::{DiagramDistance, GroundNorm, Power};

use super::paired;
use crate::util::{assert_gradient, attention, numbers, values};

/// One penalty of every kind that compares two items, all distances among them.
fn penalties() -> Vec<TopologyPenalty> {
    let token_wise = [
        TokenWiseDivergence::Signature {
            homology_dim: 1,
            edges: EdgeChoice::Critical,
        },
        TokenWiseDivergence::RtdLite,
        TokenWiseDivergence::Rtd,
        TokenWiseDivergence::DistanceMatrix { order: 1.0 },
        TokenWiseDivergence::DistanceMatrix { order: 2.0 },
    ];
    let distances = [
        DiagramDistance::Wasserstein {
            order: 1.0,
            ground_norm: GroundNorm::L2,
            power: Power::One,
        },
        DiagramDistance::Bottleneck {
            ground_norm: GroundNorm::Infinity,
        },
    ];
    let pairs = ItemPairs::reference();
    let diagrams = DiagramPenalty::new(0).with_pairs(pairs);
    let mut penalties: Vec<TopologyPenalty> = vec![
        diagrams.into(),
        DiagramPenalty::new(1).with_pairs(pairs).into(),
        TopologyPenalty::from(diagrams).with_heads(Heads::Each),
        TopologyPenalty::from(diagrams)
            .with_source(Source::Hidden)
            .with_row_distance(RowDistance {
                metric: RowMetric::Euclidean,
                exponent: 1.0,
            }),
        RowPenalty::CosineConsistency { pairs }.into(),
    ];
    penalties.extend(distances.map(|distance| diagrams.with_distance(distance).into()));
    penalties.extend(
        token_wise.map(|divergence| TokenWisePenalty::new(divergence).with_pairs(pairs).into()),
    );
    penalties
}

/// Activations of two layers, without prefix tokens.
fn activations(layers: [Tensor<4>; 2]) -> Activations {
    // The first head serves as hidden states, so that every penalty finds what it needs.
    let hidden = layers.clone().map(|layer| {
        let [batch_size, _, n_tokens, _] = layer.dims();
        let head = layer.slice_dim(1, 0..1);
        head.reshape([batch_size, n_tokens, n_tokens])
    });
    Activations {
        hidden: hidden.to_vec(),
        ..Activations::from_attention(layers.to_vec(), 0)
    }
}

fn layers(shape: [usize; 4], seed: u64) -> [Tensor<4>; 2] {
    [seed, seed + 1].map(|seed| attention(shape, seed))
}

fn evaluate(penalty: &TopologyPenalty, activations: &Activations) -> TopologyLoss {
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    regularizer.forward(activations, Clock::default()).unwrap()
}

fn message(penalty: &TopologyPenalty, activations: &Activations) -> String {
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    let error = regularizer
        .forward(activations, Clock::default())
        .unwrap_err();
    assert!(error.is_invalid_parameter());
    error.to_string()
}

#[test]
fn each_layer_is_compared_with_the_same_layer_of_the_reference() {
    let shape = [2, 2, 8, 8];
    let model = layers(shape, 1).map(Tensor::require_grad);
    let reference = layers(shape, 5);
    let both = activations(model.clone()).with_reference(activations(reference.clone()));
    for penalty in penalties() {
        let topology = evaluate(&penalty, &both);
        let gradients = topology.loss.backward();
        let towards_reference = ItemPairs::layers().with_direction(Direction::TowardsSecond);
        let as_layers = paired(&penalty, towards_reference);
        let mut mean = 0.0;
        for (layer, other) in model.iter().zip(&reference) {
            let pair = activations([layer.clone(), other.clone()]);
            let alone = evaluate(&as_layers, &pair);
            mean += 0.5 * alone.terms[0].value;
            let expected = layer.grad(&alone.loss.backward()).unwrap() * 0.5;
            let difference = (layer.grad(&gradients).unwrap() - expected).abs().max();
            assert!(values(difference)[0] < 1e-12, "{penalty:?}");
        }
        let term = &topology.terms[0];
        assert!(
            term.value > 1e-4 && (term.value - mean).abs() < 1e-12,
            "{penalty:?}"
        );
        let n_items = if penalty.heads == Heads::Each { 4 } else { 2 };
        assert_eq!((term.n_compared, term.n_gated), (2 * n_items, 0));
    }
}

#[test]
fn gradients_equal_central_differences() {
    let reference = activations(layers([2, 2, 7, 7], 5));
    for penalty in penalties() {
        assert_gradient(numbers([2, 4, 7, 7], 12) * 2.0, |scores| {
            let layer = |index: usize| {
                let scores = scores.clone().slice_dim(0, index..index + 1);
                softmax(scores.reshape([2, 2, 7, 7]), 3)
            };
            let both = activations([layer(0), layer(1)]).with_reference(reference.clone());
            let topology = evaluate(&penalty, &both);
            assert!(
                topology.terms[0].value > 1e-6,
                "nothing to test: {penalty:?}"
            );
            topology.loss
        });
    }
}

#[test]
fn a_model_that_equals_its_reference_has_no_penalty_and_no_gradient() {
    let model = layers([2, 2, 9, 9], 3).map(Tensor::require_grad);
    let same = activations(model.clone());
    for penalty in penalties() {
        let topology = evaluate(&penalty, &same.clone().with_reference(same.clone()));
        let term = &topology.terms[0];
        assert!(term.value.abs() < 1e-12 && term.n_gated == 0, "{penalty:?}");
        let gradients = topology.loss.backward();
        for layer in &model {
            let largest = values(layer.grad(&gradients).unwrap().abs().max())[0];
            assert!(largest < 1e-12, "{penalty:?}: {largest}");
        }
    }
}

#[test]
fn no_gradient_flows_into_the_reference() {
    let model = layers([2, 2, 8, 8], 1).map(Tensor::require_grad);
    let tracked = layers([2, 2, 8, 8], 5).map(Tensor::require_grad);
    let plain = tracked.clone().map(Tensor::without_autodiff);
    for penalty in penalties() {
        let with = |reference: &[Tensor<4>; 2]| {
            let reference = activations(reference.clone());
            evaluate(
                &penalty,
                &activations(model.clone()).with_reference(reference),
            )
        };
        let (topology, constant) = (with(&tracked), with(&plain));
        assert_eq!(topology.terms, constant.terms);
        let gradients = [topology.loss.backward(), constant.loss.backward()];
        for layer in &tracked {
            let gradient = layer
                .grad(&gradients[0])
                .map_or(0.0, |g| values(g.abs().max())[0]);
            assert_eq!(gradient, 0.0, "{penalty:?}");
        }
        for layer in &model {
            let [with_graph, without] = gradients.each_ref().map(|g| layer.grad(g).unwrap());
            assert_eq!(values(with_graph), values(without), "{penalty:?}");
        }
    }
}

#[test]
fn other_penalties_do_not_see_the_reference() {
    let model = layers([3, 2, 8, 8], 1).map(Tensor::require_grad);
    let alone = activations(model.clone());
    let both = alone
        .clone()
        .with_reference(activations(layers([3, 2, 8, 8], 5)));
    let penalties = vec![
        TopologyPenalty::new(1),
        DiagramPenalty::new(1)
            .with_pairs(ItemPairs::reference())
            .into(),
    ];
    let regularizer = TopologyRegularizer::new(penalties).unwrap();
    assert_eq!(regularizer.names(), ["h1_layers", "h1_reference"]);
    let topology = regularizer.forward(&both, Clock::default()).unwrap();
    assert_eq!(
        topology.terms[0],
        evaluate(&TopologyPenalty::new(1), &alone).terms[0]
    );
}

#[test]
fn the_first_view_and_every_frame_are_compared() {
    let shape = [6, 2, 8, 8];
    let (model, reference) = (layers(shape, 1), activations(layers(shape, 5)));
    let one_view = activations(model.clone()).with_reference(reference.clone());
    let second_view = layers(shape, 9);
    let two_views = [0, 1].map(|l| Tensor::cat(vec![model[l].clone(), second_view[l].clone()], 0));
    let two_views = activations(two_views)
        .with_views(2)
        .with_reference(reference.clone());
    for penalty in penalties() {
        let term = &evaluate(&penalty, &one_view).terms[0];
        assert_eq!(term, &evaluate(&penalty, &two_views).terms[0]);
        let clips = one_view.clone().with_frames(3);
        assert_eq!(term, &evaluate(&penalty, &clips).terms[0]);
    }
    // Frames that the reference hardly attends within are gated like those of the model.
    let penalty = DiagramPenalty::new(0).with_pairs(ItemPairs::reference());
    let fractions = |first: f64| {
        let mut fractions = [0.5; 12];
        fractions[..2].fill(first);
        let fractions = Tensor::<1>::from_data(&fractions[..], &reference.attention[0].device());
        vec![fractions.reshape([6, 2]); 2]
    };
    let gated = Activations {
        within_frame_attention: fractions(1e-5),
        ..reference.clone()
    };
    let both = Activations {
        within_frame_attention: fractions(0.5),
        ..activations(model)
    };
    let term = &evaluate(&penalty.into(), &both.with_reference(gated)).terms[0];
    assert_eq!((term.n_compared, term.n_gated), (12, 2));
}

#[test]
fn a_shuffled_reference_is_that_of_another_image() {
    let same = activations(layers([3, 2, 8, 8], 3));
    let same = same.clone().with_reference(same);
    let shuffled = PartnerChoice::Shuffled { seed: 1 };
    for penalty in penalties() {
        let penalty = paired(&penalty, ItemPairs::reference().with_partners(shuffled));
        assert!(
            evaluate(&penalty, &same).terms[0].value > 1e-4,
            "{penalty:?}"
        );
    }
}

#[test]
fn a_reference_that_does_not_fit_is_refused() {
    let model = activations(layers([2, 3, 8, 8], 1));
    let with = |reference: Activations| model.clone().with_reference(reference);
    let one_layer = Activations::from_attention(vec![attention([2, 3, 8, 8], 1)], 0);
    let fewer_images = activations(layers([1, 3, 8, 8], 5));
    let fewer_heads = activations(layers([2, 2, 8, 8], 5));
    let fewer_tokens = activations(layers([2, 3, 7, 7], 5));
    let diagrams = DiagramPenalty::new(0).with_pairs(ItemPairs::reference());
    let diagrams = TopologyPenalty::from(diagrams);
    let each_head = diagrams.clone().with_heads(Heads::Each);
    let cases = [
        (
            &diagrams,
            model.clone(),
            "no activations of the reference were passed",
        ),
        (
            &diagrams,
            with(one_layer),
            "the model has 2 layers and the reference 1,",
        ),
        (
            &diagrams,
            with(Activations::from_attention(Vec::new(), 0)),
            "the reference: a penalty uses attention, but the list is empty",
        ),
        (
            &diagrams,
            with(fewer_images),
            "layer 0 has 2 images of 3 heads and layer 0 of the reference has 1 of 3,",
        ),
        (
            &each_head,
            with(fewer_heads),
            "layer 0 has 2 images of 3 heads and layer 0 of the reference has 2 of 2,",
        ),
    ];
    for (penalty, activations, expected) in cases {
        let message = message(penalty, &activations);
        assert!(message.contains(expected), "{message}");
    }
    let rtd = TokenWisePenalty::new(TokenWiseDivergence::Rtd).with_pairs(ItemPairs::reference());
    let regularizer = TopologyRegularizer::new(vec![rtd.into()]).unwrap();
    let error = regularizer.forward(&with(fewer_tokens), Clock::default());
    assert!(error.unwrap_err().is_invalid_distances());
    // Rows that are no distributions name the layer of the reference.
    let damaged = activations(layers([2, 3, 8, 8], 5).map(|layer| layer * 2.0));
    let regularizer = TopologyRegularizer::new(vec![diagrams]).unwrap();
    let error = regularizer.forward(&with(damaged), Clock::default());
    let message = error.unwrap_err().to_string();
    assert!(
        message.starts_with("layer 0 of the reference: "),
        "{message}"
    );
}

#[test]
fn a_reference_leaves_no_choice_of_pairs_and_direction() {
    let refused = |pairs| {
        let penalty = DiagramPenalty::new(0).with_pairs(pairs);
        let error = TopologyRegularizer::new(vec![penalty.into()]).unwrap_err();
        assert!(error.is_invalid_parameter());
        error.to_string()
    };
    assert_eq!(
        refused(ItemPairs::reference().with_pairs(Pairs::All)),
        "penalty h0_reference: each layer is compared with the same layer of the reference, so there are no \
         other pairs; leave pairs out"
    );
    assert_eq!(
        refused(ItemPairs::reference().with_direction(Direction::TowardsFirst)),
        "penalty h0_reference: the reference is constant, so only the model receives a gradient; leave \
         direction out"
    );
}

#[test]
fn a_reference_is_needed_only_while_a_penalty_with_a_weight_is_on() {
    let penalty = |weight: Weight, start_epoch| {
        let schedule = Schedule {
            start_epoch,
            ..Schedule::default()
        };
        let diagrams = DiagramPenalty::new(0).with_pairs(ItemPairs::reference());
        TopologyPenalty::from(diagrams)
            .with_weight(weight)
            .with_schedule(schedule)
    };
    let reads = |penalty: TopologyPenalty, step| {
        let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(0), penalty]).unwrap();
        regularizer.reads_reference(Clock {
            step,
            steps_per_epoch: 10,
        })
    };
    let (fixed, share) = (Weight::Fixed(0.5), Weight::GradientShare(0.5));
    assert!(!reads(penalty(fixed, 2), 19) && reads(penalty(fixed, 2), 20));
    assert!(!reads(penalty(share, 2), 19) && reads(penalty(share, 2), 20));
    assert!(!reads(penalty(Weight::Fixed(0.0), 0), 0));
    assert!(!reads(TopologyPenalty::new(1), 0));
    // At weight 0 the reference can be left out, and then there is no term.
    let off = evaluate(
        &penalty(Weight::Fixed(0.0), 0),
        &activations(layers([2, 2, 8, 8], 1)),
    );
    assert!(off.terms.is_empty() && values(off.loss)[0] == 0.0);
}
