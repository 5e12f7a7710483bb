//! Penalties between views of the same images.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::loss::{
    Activations, Between, Clock, Comparison, Direction, Normalize, Pairs, Partners, Schedule,
    TopologyPenalty, TopologyRegularizer, TopologyTerm,
};
use burn_topology::nn::Heads;
use burn_topology::topology::DiagramSummary;

use crate::util::{assert_gradient, attention, numbers, values};

fn between_views(homology_dim: usize) -> TopologyPenalty {
    TopologyPenalty {
        between: Between::Views,
        ..TopologyPenalty::new(homology_dim)
    }
}

/// Of each way of comparing.
fn kinds() -> Vec<TopologyPenalty> {
    let with = |comparison, normalize| TopologyPenalty {
        comparison,
        normalize,
        ..between_views(0)
    };
    let rtd_lite = with(Comparison::RtdLite, Normalize::SpanningTree);
    let each_head = TopologyPenalty {
        heads: Heads::Each,
        ..between_views(1)
    };
    let cosine = with(Comparison::CosineConsistency, Normalize::None);
    vec![between_views(0), each_head, rtd_lite, cosine]
}

fn evaluate(penalty: &TopologyPenalty, activations: &Activations) -> (Tensor<1>, TopologyTerm) {
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    let found = regularizer.forward(activations, Clock::default()).unwrap();
    (found.loss, found.terms[0])
}

fn views(layers: Vec<Tensor<4>>, n_views: usize) -> Activations {
    Activations::of_attention(layers, 0).with_views(n_views)
}

#[test]
fn views_are_compared_as_layers_that_hold_them_would_be() {
    let (n_views, n_images) = (3, 2);
    let all = attention([n_views * n_images, 2, 9, 9], 3).require_grad();
    for penalty in kinds() {
        for pairs in [Pairs::Consecutive, Pairs::ToFirst, Pairs::All] {
            let penalty = TopologyPenalty {
                pairs,
                ..penalty.clone()
            };
            let (loss, term) = evaluate(&penalty, &views(vec![all.clone()], n_views));
            let as_layers = (0..n_views).map(|view| {
                let first = view * n_images;
                all.clone().slice_dim(0, first..first + n_images)
            });
            let of_layers = TopologyPenalty {
                between: Between::Layers,
                ..penalty.clone()
            };
            let as_layers = Activations::of_attention(as_layers.collect(), 0);
            let (layer_loss, layer_term) = evaluate(&of_layers, &as_layers);
            assert_eq!(term.n_compared, layer_term.n_compared, "{penalty:?}");
            assert!(
                term.value > 1e-4 && (term.value - layer_term.value).abs() < 1e-12,
                "{penalty:?}: {} {}",
                term.value,
                layer_term.value
            );
            let of_views = all.grad(&loss.backward()).unwrap();
            let of_layers = all.grad(&layer_loss.backward()).unwrap();
            let apart = values((of_views - of_layers).abs().max())[0];
            assert!(apart < 1e-12, "{penalty:?}: {apart}");
        }
    }
}

#[test]
fn penalties_between_layers_or_frames_see_the_first_view_alone() {
    let clean: Vec<_> = (0..2)
        .map(|layer| attention([4, 2, 7, 7], layer).require_grad())
        .collect();
    let with_others =
        |layer: &Tensor<4>| Tensor::cat(vec![layer.clone(), attention([4, 2, 7, 7], 9)], 0);
    let entropy = Comparison::EntropyBand {
        low: 0.0,
        high: 0.1,
    };
    for penalty in [
        TopologyPenalty::new(1),
        TopologyPenalty {
            between: Between::Frames,
            ..TopologyPenalty::new(0)
        },
        TopologyPenalty {
            comparison: Comparison::Summary(DiagramSummary::PersistentEntropy),
            ..TopologyPenalty::new(0)
        },
        TopologyPenalty {
            comparison: entropy,
            normalize: Normalize::None,
            ..TopologyPenalty::new(0)
        },
    ] {
        let alone = Activations::of_attention(clean.clone(), 0).with_frames(2);
        let both = clean.iter().map(with_others).collect();
        let both = views(both, 2).with_frames(2);
        let [(alone, of_one), (both, of_both)] =
            [alone, both].map(|activations| evaluate(&penalty, &activations));
        assert_eq!(of_one, of_both, "{penalty:?}");
        let [alone, both] = [alone, both].map(|loss| clean[0].grad(&loss.backward()).unwrap());
        assert!(values((alone - both).abs().max())[0] < 1e-12);
    }
}

#[test]
fn a_view_that_changes_nothing_costs_nothing_and_other_partners_cost_something() {
    let clean = attention([3, 2, 8, 8], 5);
    let same = clean.clone().repeat_dim(0, 2).require_grad();
    for penalty in kinds() {
        let (loss, term) = evaluate(&penalty, &views(vec![same.clone()], 2));
        assert!(term.value.abs() < 1e-12 && term.n_gated == 0, "{penalty:?}");
        let gradient = same.grad(&loss.backward()).unwrap();
        assert!(
            values(gradient.abs().max())[0] < 1e-12,
            "{penalty:?}: at a minimum"
        );
        let shuffled = TopologyPenalty {
            partners: Partners::Shuffled { seed: 1 },
            ..penalty
        };
        assert!(evaluate(&shuffled, &views(vec![same.clone()], 2)).1.value > 1e-4);
    }
}

#[test]
fn the_clean_view_can_be_held_constant() {
    let both = attention([4, 2, 8, 8], 7).require_grad();
    let penalty = TopologyPenalty {
        direction: Direction::TowardsFirst,
        ..between_views(0)
    };
    let loss = evaluate(&penalty, &views(vec![both.clone()], 2)).0;
    let gradient = both.grad(&loss.backward()).unwrap();
    let size = |range| values(gradient.clone().slice_dim(0, range).abs().max())[0];
    assert!(size(0..2) == 0.0 && size(2..4) > 0.0);
}

#[test]
fn gradients_equal_central_differences() {
    for penalty in kinds() {
        let scores = numbers([4, 2, 7, 7], 12) * 2.0;
        assert_gradient(scores, |scores| {
            evaluate(&penalty, &views(vec![softmax(scores, 3)], 2)).0
        });
    }
}

#[test]
fn a_batch_that_is_not_one_of_views_is_told() {
    let layers = vec![attention([3, 1, 6, 6], 2)];
    let error = |n_views| {
        let regularizer = TopologyRegularizer::new(vec![between_views(0)]).unwrap();
        let found = regularizer.forward(&views(layers.clone(), n_views), Clock::default());
        found.unwrap_err().to_string()
    };
    assert!(
        error(1).contains("there are 1 of each image"),
        "{}",
        error(1)
    );
    assert!(
        error(2).contains("a batch of 3 is not one of 2 views"),
        "{}",
        error(2)
    );
    let alone = TopologyPenalty {
        comparison: Comparison::Summary(DiagramSummary::PersistentEntropy),
        ..between_views(0)
    };
    let refused = TopologyRegularizer::new(vec![alone]).unwrap_err();
    assert!(refused.to_string().contains("compares no frames or views"));
}

#[test]
fn a_second_view_is_needed_while_the_penalty_is_on() {
    let later = TopologyPenalty {
        schedule: Schedule {
            start_epoch: 2,
            ..Schedule::default()
        },
        ..between_views(0)
    };
    let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(0), later]).unwrap();
    let at = |step| {
        regularizer.reads_views(Clock {
            step,
            steps_per_epoch: 10,
        })
    };
    assert!(!at(19) && at(20));
}
