//! Penalties between views of the same images.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, Direction, ItemPairs, Pairs, PartnerChoice, RowPenalty,
    Schedule, SummaryPenalty, TokenWiseDivergence, TokenWisePenalty, TopologyPenalty,
    TopologyRegularizer, TopologyTerm,
};
use burn_topology::nn::Heads;
use burn_topology::topology::DiagramSummary;

use super::paired;
use crate::util::{assert_gradient, attention, numbers, values};

fn between_views(homology_dim: usize) -> TopologyPenalty {
    DiagramPenalty::new(homology_dim)
        .with_pairs(ItemPairs::views())
        .into()
}

/// One penalty of every kind.
fn penalties() -> Vec<TopologyPenalty> {
    let pairs = ItemPairs::views();
    vec![
        between_views(0),
        between_views(1).with_heads(Heads::Each),
        TokenWisePenalty::new(TokenWiseDivergence::RtdLite)
            .with_pairs(pairs)
            .into(),
        RowPenalty::CosineConsistency { pairs }.into(),
    ]
}

fn evaluate(penalty: &TopologyPenalty, activations: &Activations) -> (Tensor<1>, TopologyTerm) {
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    let topology = regularizer.forward(activations, Clock::default()).unwrap();
    (topology.loss, topology.terms[0].clone())
}

fn views(layers: Vec<Tensor<4>>, n_views: usize) -> Activations {
    Activations::from_attention(layers, 0).with_views(n_views)
}

#[test]
fn views_are_compared_like_layers_with_the_same_attention() {
    let (n_views, n_images) = (3, 2);
    let all = attention([n_views * n_images, 2, 9, 9], 3).require_grad();
    for penalty in penalties() {
        for pairs in [Pairs::Consecutive, Pairs::ToFirst, Pairs::All] {
            let penalty = paired(&penalty, ItemPairs::views().with_pairs(pairs));
            let (loss, term) = evaluate(&penalty, &views(vec![all.clone()], n_views));
            let as_layers = (0..n_views).map(|view| {
                let first = view * n_images;
                all.clone().slice_dim(0, first..first + n_images)
            });
            let between_layers = paired(&penalty, ItemPairs::layers().with_pairs(pairs));
            let as_layers = Activations::from_attention(as_layers.collect(), 0);
            let (layer_loss, layer_term) = evaluate(&between_layers, &as_layers);
            assert_eq!(term.n_compared, layer_term.n_compared, "{penalty:?}");
            assert!(
                term.value > 1e-4 && (term.value - layer_term.value).abs() < 1e-12,
                "{penalty:?}: {} {}",
                term.value,
                layer_term.value
            );
            let view_gradient = all.grad(&loss.backward()).unwrap();
            let layer_gradient = all.grad(&layer_loss.backward()).unwrap();
            let difference = values((view_gradient - layer_gradient).abs().max())[0];
            assert!(difference < 1e-12, "{penalty:?}: {difference}");
        }
    }
}

#[test]
fn penalties_between_layers_or_frames_use_the_first_view_only() {
    let clean: Vec<_> = (0..2)
        .map(|layer| attention([4, 2, 7, 7], layer).require_grad())
        .collect();
    let with_second_view =
        |layer: &Tensor<4>| Tensor::cat(vec![layer.clone(), attention([4, 2, 7, 7], 9)], 0);
    let entropy_band = RowPenalty::EntropyBand {
        low: 0.0,
        high: 0.1,
    };
    for penalty in [
        TopologyPenalty::new(1),
        paired(&TopologyPenalty::new(0), ItemPairs::frames()),
        SummaryPenalty::new(0, DiagramSummary::PersistentEntropy).into(),
        entropy_band.into(),
    ] {
        let one_view = Activations::from_attention(clean.clone(), 0).with_frames(2);
        let two_views = views(clean.iter().map(with_second_view).collect(), 2).with_frames(2);
        let (loss, term) = evaluate(&penalty, &one_view);
        let (loss_of_two, term_of_two) = evaluate(&penalty, &two_views);
        assert_eq!(term, term_of_two, "{penalty:?}");
        let gradient = clean[0].grad(&loss.backward()).unwrap();
        let gradient_of_two = clean[0].grad(&loss_of_two.backward()).unwrap();
        assert!(values((gradient - gradient_of_two).abs().max())[0] < 1e-12);
    }
}

#[test]
fn identical_views_have_zero_penalty_unless_shuffled() {
    let clean = attention([3, 2, 8, 8], 5);
    let same = clean.clone().repeat_dim(0, 2).require_grad();
    for penalty in penalties() {
        let (loss, term) = evaluate(&penalty, &views(vec![same.clone()], 2));
        assert!(term.value.abs() < 1e-12 && term.n_gated == 0, "{penalty:?}");
        let gradient = same.grad(&loss.backward()).unwrap();
        assert!(
            values(gradient.abs().max())[0] < 1e-12,
            "{penalty:?}: the gradient at a minimum"
        );
        let shuffled = PartnerChoice::Shuffled { seed: 1 };
        let shuffled = paired(&penalty, ItemPairs::views().with_partners(shuffled));
        assert!(evaluate(&shuffled, &views(vec![same.clone()], 2)).1.value > 1e-4);
    }
}

#[test]
fn the_clean_view_can_be_held_constant() {
    let both = attention([4, 2, 8, 8], 7).require_grad();
    let pairs = ItemPairs::views().with_direction(Direction::TowardsFirst);
    let penalty = paired(&between_views(0), pairs);
    let loss = evaluate(&penalty, &views(vec![both.clone()], 2)).0;
    let gradient = both.grad(&loss.backward()).unwrap();
    let size = |range| values(gradient.clone().slice_dim(0, range).abs().max())[0];
    assert!(size(0..2) == 0.0 && size(2..4) > 0.0);
}

#[test]
fn gradients_equal_central_differences() {
    for penalty in penalties() {
        let scores = numbers([4, 2, 7, 7], 12) * 2.0;
        assert_gradient(scores, |scores| {
            evaluate(&penalty, &views(vec![softmax(scores, 3)], 2)).0
        });
    }
}

#[test]
fn batches_that_cannot_be_divided_into_views_are_refused() {
    let layers = vec![attention([3, 1, 6, 6], 2)];
    let error = |n_views| {
        let regularizer = TopologyRegularizer::new(vec![between_views(0)]).unwrap();
        let topology = regularizer.forward(&views(layers.clone(), n_views), Clock::default());
        topology.unwrap_err().to_string()
    };
    let one_view = error(1);
    assert!(one_view.contains("each image has 1 view"), "{one_view}");
    let ragged = error(2);
    assert!(
        ragged.contains("a batch of 3 cannot be divided into 2 views"),
        "{ragged}"
    );
}

#[test]
fn a_second_view_is_needed_while_the_penalty_is_on() {
    let later = between_views(0).with_schedule(Schedule {
        start_epoch: 2,
        ..Schedule::default()
    });
    let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(0), later]).unwrap();
    let reads_views_at = |step| {
        regularizer.reads_views(Clock {
            step,
            steps_per_epoch: 10,
        })
    };
    assert!(!reads_views_at(19) && reads_views_at(20));
}
