//! Regulariser: values, weights, schedules and errors.

use burn_topology::burn::nn::LinearConfig;
use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::distance::{RowDistance, RowMetric};
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, ItemPairs, Layers, Normalize, PenaltyKind, RowPenalty,
    Schedule, Source, TokenWiseDivergence, TokenWisePenalty, TopologyLoss, TopologyPenalty,
    TopologyRegularizer, Weight,
};
use burn_topology::nn::{AttentionRows, Heads, Persistence, Tokens, gradient_norm};
use burn_topology::topology::{DiagramDistance, GroundNorm, Power, wasserstein};

use super::normalized;
use crate::util::{attention, device, numbers, values};

fn fixed(weight: f64, homology_dim: usize) -> TopologyPenalty {
    TopologyPenalty::new(homology_dim).with_weight(weight)
}

fn value(penalty: TopologyPenalty, attention: &[Tensor<4>]) -> f64 {
    let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    let output = regularizer
        .forward(
            &Activations::from_attention(attention.to_vec(), 0),
            Clock::default(),
        )
        .unwrap();
    assert!(
        (values(output.loss)[0] - output.terms[0].value * output.terms[0].weight).abs() < 1e-12
    );
    output.terms[0].value
}

#[test]
fn value_is_the_mean_over_items_and_pairs() {
    let layers: Vec<_> = (0..3)
        .map(|layer| attention([2, 2, 10, 10], layer))
        .collect();
    let rows = AttentionRows {
        heads: Heads::Mean,
        tokens: Tokens::All,
        n_prefix_tokens: 0,
    };
    let batches: Vec<_> = layers
        .iter()
        .map(|layer| {
            Persistence::new(1)
                .unwrap()
                .rows(
                    rows.select(layer.clone()).unwrap(),
                    RowDistance::JENSEN_SHANNON,
                )
                .unwrap()
        })
        .collect();
    for homology_dim in 0..2 {
        let points = |layer: usize, item: usize| -> Vec<[f64; 2]> {
            let bars = batches[layer].diagrams(item)[homology_dim].finite();
            bars.map(|bar| [bar.birth, bar.death]).collect()
        };
        let mut expected = 0.0;
        for (layer, item) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (a, b) = (points(layer, item), points(layer + 1, item));
            expected += wasserstein(&a, &b, 2.0, GroundNorm::Infinity).unwrap().cost / 4.0;
        }
        let penalty = normalized(&fixed(0.5, homology_dim), Normalize::None);
        assert!((value(penalty, &layers) - expected).abs() < 1e-12);
    }
}

#[test]
fn equal_layers_have_zero_penalty() {
    let layer = attention([2, 1, 12, 12], 4);
    assert_eq!(value(fixed(1.0, 1), &[layer.clone(), layer]), 0.0);
}

#[test]
fn penalties_are_invariant_to_a_permutation_of_tokens() {
    let layers = [attention([1, 1, 9, 9], 1), attention([1, 1, 9, 9], 2)];
    let (device, _) = device();
    let order = Tensor::<1, Int>::from_data([4, 2, 7, 0, 8, 1, 6, 3, 5], &device);
    let permuted = layers
        .clone()
        .map(|x| x.select(2, order.clone()).select(3, order.clone()));
    let difference = value(fixed(1.0, 0), &layers) - value(fixed(1.0, 0), &permuted);
    assert!(difference.abs() < 1e-12, "{difference}");
}

#[test]
fn collapsed_attention_is_gated_and_counted() {
    let (device, dtype) = device();
    let uniform = Tensor::<4>::full([3, 1, 8, 8], 0.125, (&device, dtype)).require_grad();
    let layers = [uniform.clone(), attention([3, 1, 8, 8], 1)];
    let regularizer = TopologyRegularizer::new(vec![fixed(1.0, 0)]).unwrap();
    let output = regularizer
        .forward(
            &Activations::from_attention(layers.to_vec(), 0),
            Clock::default(),
        )
        .unwrap();
    assert_eq!(
        (output.terms[0].n_gated, output.terms[0].n_compared),
        (3, 3)
    );
    assert_eq!(output.terms[0].value, 0.0);
    let gradient = uniform.grad(&output.loss.backward()).expect("a gradient");
    assert!(values(gradient).iter().all(|&g| g == 0.0));
}

#[test]
fn weight_zero_reports_a_penalty_and_adds_nothing() {
    let layers = [1, 2].map(|seed| attention([1, 2, 9, 9], seed).require_grad());
    let evaluate = |penalties| {
        let regularizer = TopologyRegularizer::new(penalties).unwrap();
        let activations = Activations::from_attention(layers.to_vec(), 0);
        let topology = regularizer.forward(&activations, Clock::default()).unwrap();
        (regularizer.is_active(Clock::default()), topology)
    };
    let cosine = || RowPenalty::CosineConsistency {
        pairs: ItemPairs::layers(),
    };
    let off = || TopologyPenalty::from(cosine()).with_weight(0.0);
    let (is_active, watched) = evaluate(vec![fixed(0.0, 0), off()]);
    assert!(!is_active);
    assert_eq!(values(watched.loss), [0.0]);
    let (_, weighted) = evaluate(vec![fixed(1.0, 0), cosine().into()]);
    for (watched, weighted) in watched.terms.iter().zip(&weighted.terms) {
        assert_eq!((watched.weight, watched.value), (0.0, weighted.value));
        assert!(watched.value > 0.0);
    }
    // Beside another penalty, loss and gradient have the same bits as without the one of weight 0.
    let bits = |topology: TopologyLoss| {
        let gradients = topology.loss.backward();
        let gradient = layers
            .clone()
            .map(|layer| values(layer.grad(&gradients).unwrap()));
        (values(topology.loss), gradient)
    };
    let alone = bits(evaluate(vec![fixed(0.5, 0)]).1);
    assert_eq!(
        bits(evaluate(vec![fixed(0.5, 0), fixed(0.0, 1), off()]).1),
        alone
    );
    let other_rows = || fixed(0.0, 1).with_heads(Heads::Each);
    assert_eq!(bits(evaluate(vec![other_rows(), fixed(0.5, 0)]).1), alone);
}

#[test]
fn a_gradient_share_that_was_never_measured_is_refused() {
    let share = || TopologyPenalty::new(0).with_weight(Weight::GradientShare(0.1));
    let layer = attention([1, 1, 6, 6], 1).require_grad();
    let activations = || Activations::from_attention(vec![layer.clone(); 2], 0);
    let regularizer =
        TopologyRegularizer::new(vec![fixed(1.0, 0), share().with_name("late")]).unwrap();
    let error = regularizer
        .forward(&activations(), Clock::default())
        .unwrap_err();
    assert!(error.is_invalid_parameter());
    assert_eq!(
        error.to_string(),
        "penalty late: the weight for its gradient share of 0.1 is not measured; call `calibrate` before `forward` \
         in every step, or give it a fixed weight"
    );
    // Before its schedule begins there is nothing to measure.
    let schedule = Schedule {
        start_epoch: 1,
        ..Schedule::default()
    };
    let later = TopologyRegularizer::new(vec![share().with_schedule(schedule)]).unwrap();
    let topology = later.forward(&activations(), Clock::default()).unwrap();
    assert!(topology.terms.is_empty());
    // A share of 0 is a weight of 0, and a weight that was restored needs no measurement.
    let zero = TopologyPenalty::new(0).with_weight(Weight::GradientShare(0.0));
    let zero = TopologyRegularizer::new(vec![zero]).unwrap();
    assert!(zero.forward(&activations(), Clock::default()).is_ok());
    let mut restored = TopologyRegularizer::new(vec![share()]).unwrap();
    restored.set_weights(vec![Some(0.3)]).unwrap();
    assert!(restored.forward(&activations(), Clock::default()).is_ok());
    // Measured in vain, because equal layers have no gradient: the weight counts as 0 until it can be measured.
    let (device, _) = device();
    let model = LinearConfig::new(6, 6).init(&device);
    let mut vain = TopologyRegularizer::new(vec![share()]).unwrap();
    let task = || model.weight.val().square().mean();
    let measured = vain
        .calibrate(&model, Clock::default(), || (task(), activations()))
        .unwrap();
    assert_eq!(measured[0].weight, None);
    let topology = vain.forward(&activations(), Clock::default()).unwrap();
    assert_eq!(
        topology.term("h0_layers").map(|term| term.weight),
        Some(0.0)
    );
    assert!(topology.term("h1_layers").is_none());
}

#[test]
fn gradient_share_sets_the_ratio_of_norms() {
    let (device, _) = device();
    let model = LinearConfig::new(6, 6).with_bias(false).init(&device);
    let tokens = numbers::<3>([2, 9, 6], 1).cast(burn_topology::burn::tensor::DType::F32);
    let forward = || {
        let keys = model.forward(tokens.clone());
        let first = softmax(tokens.clone().matmul(keys.clone().swap_dims(1, 2)), 2);
        let second = softmax(keys.clone().matmul(keys.clone().swap_dims(1, 2)), 2);
        (
            keys.square().mean(),
            Activations::from_attention(vec![first.unsqueeze_dim(1), second.unsqueeze_dim(1)], 0),
        )
    };
    let share = -0.3;
    let penalties = vec![TopologyPenalty::new(0).with_weight(Weight::GradientShare(share))];
    let mut regularizer = TopologyRegularizer::new(penalties).unwrap();
    assert!(!regularizer.is_active(Clock::default()));
    let measured = regularizer
        .calibrate(&model, Clock::default(), forward)
        .unwrap();
    assert_eq!(measured.len(), 1);
    let task = gradient_norm(&model, &forward().0.backward());
    let topology = regularizer.forward(&forward().1, Clock::default()).unwrap();
    let penalty = gradient_norm(&model, &topology.loss.backward());
    assert!((penalty / task - 0.3).abs() < 1e-4, "{penalty} of {task}");
    assert!(topology.terms[0].weight < 0.0);
    // Measured once.
    assert!(
        regularizer
            .calibrate(&model, Clock::default(), forward)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn penalties_are_on_at_the_steps_of_their_schedule() {
    let schedule = Schedule {
        start_epoch: 1,
        warmup_steps: 2,
        every_steps: 3,
    };
    let penalty = fixed(2.0, 0).with_schedule(schedule);
    let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    let active: Vec<usize> = (0..12)
        .filter(|&step| {
            regularizer.is_active(Clock {
                step,
                steps_per_epoch: 4,
            })
        })
        .collect();
    assert_eq!(active, [4, 7, 10]);
}

#[test]
fn bad_penalties_are_refused_in_one_sentence() {
    let refusal = |penalty| {
        TopologyRegularizer::new(vec![penalty])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refusal(TopologyPenalty::new(9)),
        "penalty h9_layers: homology_dim is 9, expected at most 8"
    );
    assert_eq!(
        refusal(fixed(f64::NAN, 0)),
        "penalty h0_layers: weight is NaN, expected a finite number"
    );
    let hidden = |metric| {
        TopologyPenalty::new(0)
            .with_source(Source::Hidden)
            .with_row_distance(RowDistance {
                metric,
                exponent: 1.0,
            })
    };
    assert_eq!(
        refusal(hidden(RowMetric::JensenShannon)),
        "penalty h0_layers: hidden states are vectors, expected distance `cosine` or `euclidean`, found \
         `jensen_shannon`"
    );
    let sorted = DiagramDistance::SortedWasserstein {
        order: 2.0,
        power: Power::P,
    };
    assert_eq!(
        refusal(DiagramPenalty::new(1).with_distance(sorted).into()),
        "penalty h1_layers: the sorted Wasserstein distance needs equal births: homology_dim is 1, expected 0"
    );
    assert_eq!(
        refusal(TopologyPenalty::new(0).with_layers(Layers::Indices(vec![1, 0, 2, 0]))),
        "penalty h0_layers: layers has the entry 0 more than once, expected each layer at most once"
    );
    let layers = [attention([1, 1, 6, 6], 1), attention([1, 1, 6, 6], 2)];
    let regularizer = TopologyRegularizer::new(vec![hidden(RowMetric::Cosine)]).unwrap();
    let activations = Activations::from_attention(layers.to_vec(), 0);
    assert_eq!(
        regularizer
            .forward(&activations, Clock::default())
            .unwrap_err()
            .to_string(),
        "a penalty uses hidden states, but the list is empty, expected one tensor per layer"
    );
    let penalty = TopologyPenalty::new(0).with_layers(Layers::Indices(vec![0, 2]));
    let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    assert_eq!(
        regularizer
            .forward(
                &Activations::from_attention(layers.to_vec(), 0),
                Clock::default()
            )
            .unwrap_err()
            .to_string(),
        "layers has the entry 2, expected numbers below 2, the number of layers passed"
    );
}

#[test]
fn example_runs_and_lowers_both_losses() {
    let history = crate::regularize_your_model::train(30).unwrap();
    let (first, last) = (history[0], history[29]);
    assert!(last.0 < first.0 && last.1 < first.1, "{first:?} {last:?}");
}

#[test]
fn the_autoencoder_keeps_more_of_the_input_with_its_penalty() {
    let [without, with] =
        [0.0, 0.01].map(|weight| crate::topological_autoencoder::train(60, weight).unwrap());
    assert!(
        with.1 < 0.9 * without.1,
        "signature loss {} and {}",
        with.1,
        without.1
    );
}

#[test]
fn layers_with_different_numbers_of_diagrams_are_refused() {
    let penalty = TopologyPenalty::new(0).with_heads(Heads::Each);
    let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    // Some of these have the same number of matrices, but other images and heads.
    for other in [[3, 2], [2, 4], [1, 3]] {
        let layers = [[2, 3], other].map(|[images, heads]| attention([images, heads, 5, 5], 1));
        let error = regularizer
            .forward(
                &Activations::from_attention(layers.to_vec(), 0),
                Clock::default(),
            )
            .unwrap_err();
        assert!(error.is_invalid_parameter());
        assert_eq!(
            error.to_string(),
            format!(
                "layer 0 has 2 images of 3 heads and layer 1 has {} of {}, expected the same numbers",
                other[0], other[1]
            )
        );
    }
}

#[test]
fn row_penalties_refuse_layers_with_different_numbers_of_images_or_heads() {
    let error = |kind: PenaltyKind, shapes: [[usize; 2]; 2]| {
        let penalty = TopologyPenalty::from(kind).with_heads(Heads::Each);
        let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
        let layers = shapes.map(|[images, heads]| attention([images, heads, 5, 5], 1));
        let activations = Activations::from_attention(layers.to_vec(), 0).with_frames(2);
        let error = regularizer
            .forward(&activations, Clock::default())
            .unwrap_err();
        assert!(error.is_invalid_parameter());
        error.to_string()
    };
    let cosine = |pairs| PenaltyKind::from(RowPenalty::CosineConsistency { pairs });
    for other in [[4, 3], [2, 2], [1, 6]] {
        assert_eq!(
            error(cosine(ItemPairs::layers()), [[2, 3], other]),
            format!(
                "layer 0 has 2 images of 3 heads and layer 1 has {} of {}, expected the same numbers",
                other[0], other[1]
            )
        );
    }
    // Each layer on its own, or with itself: both would look for images that only the first layer has.
    let band = RowPenalty::EntropyBand {
        low: 0.2,
        high: 0.4,
    };
    let diagrams = DiagramPenalty::new(0).with_pairs(ItemPairs::frames());
    for kind in [band.into(), cosine(ItemPairs::frames()), diagrams.into()] {
        assert_eq!(
            error(kind, [[4, 1], [2, 1]]),
            "layer 0 has a batch of 4 and layer 1 a batch of 2, expected the same size"
        );
    }
}

#[test]
fn an_infinite_gradient_leaves_a_gradient_share_unmeasured() {
    let (device, _) = device();
    let model = LinearConfig::new(6, 6).with_bias(false).init(&device);
    let tokens = numbers::<3>([2, 9, 6], 1).cast(burn_topology::burn::tensor::DType::F32);
    let forward = |slope: f64| {
        let keys = model.forward(tokens.clone());
        // Has the values of the tokens, and a gradient that grows with the slope.
        let steep = (keys.clone() - keys.clone().detach()) * slope + tokens.clone();
        let activations = Activations {
            hidden: vec![steep, tokens.clone() * 2.0],
            ..Activations::from_attention(Vec::new(), 0)
        };
        (keys.square().mean(), activations)
    };
    let matrices = TokenWisePenalty::new(TokenWiseDivergence::DistanceMatrix { order: 2.0 })
        .with_normalize(Normalize::None);
    let penalty = TopologyPenalty::from(matrices)
        .with_source(Source::Hidden)
        .with_row_distance(RowDistance {
            metric: RowMetric::Euclidean,
            exponent: 1.0,
        })
        .with_weight(Weight::GradientShare(0.1));
    let mut regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    let mut measure = |slope| {
        let measured = regularizer.calibrate(&model, Clock::default(), || forward(slope));
        measured.unwrap()[0]
    };
    let infinite = measure(1e25);
    assert!(infinite.penalty_norm.is_infinite(), "{infinite:?}");
    assert_eq!(infinite.weight, None);
    assert!(measure(1.0).weight.is_some_and(|weight| weight > 0.0));
}

#[test]
fn a_loss_without_penalties_has_the_precision_of_the_attention() {
    let penalty = fixed(0.0, 0);
    let regularizer = TopologyRegularizer::new(vec![penalty]).unwrap();
    let layers = [1, 2].map(|n| attention([2, 1, 5, 5], n));
    let task = layers[0].clone().sum();
    let off = regularizer
        .forward(
            &Activations::from_attention(layers.to_vec(), 0),
            Clock::default(),
        )
        .unwrap()
        .loss;
    assert_eq!(off.dtype(), task.dtype());
    assert_eq!(values(task.clone() + off), values(task));
}

#[test]
fn a_huge_start_epoch_does_not_overflow() {
    let schedule = Schedule {
        start_epoch: usize::MAX,
        ..Schedule::default()
    };
    assert_eq!(
        schedule.factor(Clock {
            step: 5,
            steps_per_epoch: 10
        }),
        0.0
    );
}
