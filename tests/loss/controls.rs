//! Controls: random edges, shuffled partners, and penalties without topology.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::distance::{RowDistance, RowMetric};
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, Direction, EdgeChoice, ItemPairs, Normalize, PartnerChoice,
    RowPenalty, Source, TokenWiseDivergence, TokenWisePenalty, TopologyPenalty,
    TopologyRegularizer,
};
use burn_topology::nn::Persistence;

use super::{normalized, paired};
use crate::util::{assert_gradient, attention, numbers, values};

fn clock(step: usize) -> Clock {
    Clock {
        step,
        steps_per_epoch: 100,
    }
}

fn value(penalty: &TopologyPenalty, activations: &Activations, step: usize) -> f64 {
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    let output = regularizer.forward(activations, clock(step)).unwrap();
    let term = &output.terms[0];
    let loss = values(output.loss)[0];
    assert!(
        (loss - term.weight * term.value).abs() < 1e-12,
        "{loss} {term:?}"
    );
    term.value
}

/// Returns the gradient of a penalty between two layers, in the attention of both.
fn gradients(penalty: &TopologyPenalty, layers: [Tensor<4>; 2], step: usize) -> [Vec<f64>; 2] {
    let layers = layers.map(Tensor::require_grad);
    let activations = Activations::from_attention(layers.to_vec(), 0);
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    let loss = regularizer.forward(&activations, clock(step)).unwrap().loss;
    let gradients = loss.backward();
    layers.map(|layer| layer.grad(&gradients).map_or_else(Vec::new, values))
}

fn cosine_consistency() -> TopologyPenalty {
    let pairs = ItemPairs::layers();
    RowPenalty::CosineConsistency { pairs }.into()
}

fn distance_matrix(order: f64) -> TopologyPenalty {
    TokenWisePenalty::new(TokenWiseDivergence::DistanceMatrix { order })
        .with_normalize(Normalize::None)
        .into()
}

const BAND: RowPenalty = RowPenalty::EntropyBand {
    low: 0.9,
    high: 0.95,
};

#[test]
fn gradients_of_controls_equal_central_differences() {
    let layers = |scores: Tensor<4>| {
        let layer = |index: usize| {
            softmax(
                scores
                    .clone()
                    .slice_dim(0, index..index + 1)
                    .reshape([2, 2, 7, 7]),
                3,
            )
        };
        Activations::from_attention(vec![layer(0), layer(1)], 1)
    };
    let scores = numbers([2, 4, 7, 7], 5) * 2.0;
    let hellinger = RowDistance {
        metric: RowMetric::Hellinger,
        exponent: 1.0,
    };
    let shuffled = ItemPairs::layers().with_partners(PartnerChoice::Shuffled { seed: 3 });
    let mut penalties = vec![
        BAND.into(),
        cosine_consistency(),
        paired(&cosine_consistency(), shuffled),
    ];
    for order in [1.0, 2.0, 3.0] {
        for normalize in [Normalize::None, Normalize::SpanningTree] {
            penalties.push(normalized(&distance_matrix(order), normalize));
        }
    }
    for homology_dim in 0..2 {
        let random = DiagramPenalty::new(homology_dim).with_edges(EdgeChoice::Random { seed: 3 });
        penalties.push(TopologyPenalty::from(random).with_row_distance(hellinger));
        penalties.push(paired(&TopologyPenalty::new(homology_dim), shuffled));
    }
    for penalty in penalties {
        let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
        assert_gradient(scores.clone(), |scores| {
            let output = regularizer.forward(&layers(scores), clock(4)).unwrap();
            assert!(output.terms[0].value > 1e-6, "nothing to test: {penalty:?}");
            output.loss
        });
    }
}

#[test]
fn random_edges_keep_the_number_of_bars_and_change_every_step() {
    let [a, b] = [1, 2].map(|seed| attention([1, 1, 20, 20], seed));
    let penalty = |edges| {
        let penalty = DiagramPenalty::new(0).with_normalize(Normalize::None);
        TopologyPenalty::from(penalty.with_edges(edges))
    };
    let random = EdgeChoice::Random { seed: 9 };
    let value_at = |edges, step| {
        value(
            &penalty(edges),
            &Activations::from_attention(vec![a.clone(), b.clone()], 0),
            step,
        )
    };
    let critical = EdgeChoice::Critical;
    assert_eq!(value_at(random, 3), value_at(random, 3));
    assert_ne!(value_at(random, 3), value_at(random, 4));
    assert_eq!(value_at(critical, 3), value_at(critical, 4));
    assert_ne!(
        value_at(random, 3),
        value_at(EdgeChoice::Random { seed: 10 }, 3)
    );
    // Random edges are longer on average than those of the minimum spanning tree.
    let rows = a.clone().reshape([1, 20, 20]);
    let batch = Persistence::new(0)
        .unwrap()
        .rows(rows, RowDistance::JENSEN_SHANNON)
        .unwrap();
    let deaths: Vec<f64> = batch.diagrams(0)[0].finite().map(|bar| bar.death).collect();
    assert_eq!(deaths.len(), 19);
    let mean_death = deaths.iter().sum::<f64>() / 19.0;
    assert!(batch.mean_distance(0) > mean_death);
    // A collapsed layer has no bars, so every bar is matched with the diagonal: the value is the sum of the
    // squares of half the lengths.
    let uniform = Tensor::<4>::full([1, 1, 20, 20], 0.05, (&a.device(), a.dtype()));
    let collapsed = Activations::from_attention(vec![a.clone(), uniform], 0);
    let critical = value(&penalty(EdgeChoice::Critical), &collapsed, 0);
    let expected: f64 = deaths.iter().map(|death| 0.25 * death * death).sum();
    assert!((critical - expected).abs() < 1e-9, "{critical} {expected}");
    assert!(value(&penalty(random), &collapsed, 0) > critical);
    // The gradient reaches other rows.
    let [critical, random] = [EdgeChoice::Critical, random]
        .map(|edges| gradients(&penalty(edges), [a.clone(), b.clone()], 0));
    assert_ne!(critical[0], random[0]);
}

#[test]
fn shuffled_partners_are_shifted_by_a_random_offset() {
    let [a, b] = [1, 2].map(|seed| attention([4, 2, 9, 9], seed));
    let activations = Activations::from_attention(vec![a.clone(), b.clone()], 1);
    let shuffled = PartnerChoice::Shuffled { seed: 5 };
    let pairs = ItemPairs::layers().with_partners(shuffled);
    let penalty = paired(&TopologyPenalty::new(0), pairs);
    // The value with the images of the later layer shifted by hand.
    let shifted = |shift: usize| {
        let order: Vec<i64> = (0..4).map(|k| ((k + shift) % 4) as i64).collect();
        let order = Tensor::<1, Int>::from_data(&order[..], &b.device());
        let activations =
            Activations::from_attention(vec![a.clone(), b.clone().select(0, order)], 1);
        value(&TopologyPenalty::new(0), &activations, 0)
    };
    let expected: Vec<f64> = (1..4).map(shifted).collect();
    for step in 0..8 {
        let actual = value(&penalty, &activations, step);
        assert!(
            expected.iter().any(|value| (value - actual).abs() < 1e-12),
            "{actual} {expected:?}"
        );
        assert!((actual - shifted(0)).abs() > 1e-9);
    }
    // Frames of clips that each stand still, and that differ from each other.
    let still = [1, 2, 3].map(|seed| attention([1, 2, 9, 9], seed).repeat_dim(0, 2));
    let clips = Activations::from_attention(vec![Tensor::cat(still.to_vec(), 0)], 1).with_frames(2);
    let between_frames = |partners| {
        let pairs = ItemPairs::frames().with_partners(partners);
        paired(&TopologyPenalty::new(1), pairs)
    };
    assert_eq!(value(&between_frames(PartnerChoice::Same), &clips, 0), 0.0);
    assert!(value(&between_frames(shuffled), &clips, 0) > 1e-6);
    // A batch of one image has no partners.
    let single = Activations::from_attention(
        vec![attention([1, 2, 9, 9], 1), attention([1, 2, 9, 9], 2)],
        1,
    );
    assert_eq!(value(&penalty, &single, 0), 0.0);
}

#[test]
fn controls_without_topology_follow_their_formulas() {
    let [a, b] = [1, 2].map(|seed| attention([3, 2, 6, 6], seed));
    let activations = Activations::from_attention(vec![a.clone(), b.clone()], 0);
    let rows =
        |layer: &Tensor<4>| -> Vec<f64> { values(layer.clone().mean_dim(1).reshape([3 * 6, 6])) };
    let (p, q) = (rows(&a), rows(&b));
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let cosines = p
        .chunks(6)
        .zip(q.chunks(6))
        .map(|(p, q)| 1.0 - dot(p, q) / (dot(p, p) * dot(q, q)).sqrt());
    let expected = cosines.sum::<f64>() / 18.0;
    let actual = value(&cosine_consistency(), &activations, 0);
    assert!((actual - expected).abs() < 1e-12, "{actual} {expected}");

    let entropy = |row: &[f64]| -row.iter().map(|x| x * x.ln()).sum::<f64>() / 6f64.ln();
    let outside = p.chunks(6).chain(q.chunks(6)).map(|row| {
        let entropy = entropy(row);
        (0.9 - entropy).max(0.0).powi(2) + (entropy - 0.95).max(0.0).powi(2)
    });
    let expected = outside.sum::<f64>() / 36.0;
    let actual = value(&BAND.into(), &activations, 0);
    assert!(
        actual > 0.0 && (actual - expected).abs() < 1e-12,
        "{actual} {expected}"
    );

    let distances = |layer: &Tensor<4>, item: usize| {
        let rows = layer.clone().mean_dim(1).squeeze_dim(1);
        let batch = Persistence::new(0)
            .unwrap()
            .rows(rows, RowDistance::JENSEN_SHANNON)
            .unwrap();
        batch.distance_matrix(item)
    };
    let gaps = (0..3).flat_map(|item| {
        let (p, q) = (distances(&a, item), distances(&b, item));
        p.into_iter()
            .zip(q)
            .map(|(p, q)| (p - q).powi(2))
            .collect::<Vec<f64>>()
    });
    // The sum has every pair twice, and the diagonal, which is 0.
    let expected = gaps.sum::<f64>() / (3.0 * 30.0);
    let actual = value(&distance_matrix(2.0), &activations, 0);
    assert!((actual - expected).abs() < 1e-12, "{actual} {expected}");
}

#[test]
fn weight_sign_and_direction_apply_to_controls() {
    let layers = || [1, 2].map(|seed| attention([2, 2, 9, 9], seed));
    for penalty in [
        TopologyPenalty::new(1),
        cosine_consistency(),
        BAND.into(),
        distance_matrix(2.0),
    ] {
        let [plus, minus] =
            [1.0, -1.0].map(|weight| gradients(&penalty.clone().with_weight(weight), layers(), 0));
        assert!(
            plus[0].iter().any(|slope| slope.abs() > 1e-9),
            "{penalty:?}"
        );
        for (plus, minus) in plus.iter().flatten().zip(minus.iter().flatten()) {
            assert!((plus + minus).abs() < 1e-12);
        }
        if let Some(pairs) = penalty.kind.pairs() {
            let pairs = pairs.with_direction(Direction::TowardsFirst);
            let one_sided = paired(&penalty, pairs);
            let [first, second] = gradients(&one_sided, layers(), 0);
            assert!(first.iter().all(|&slope| slope == 0.0), "{penalty:?}");
            assert!(second.iter().any(|&slope| slope != 0.0));
        }
    }
}

#[test]
fn cosine_consistency_ignores_the_length_of_hidden_states() {
    let hidden = numbers([4, 5, 8], 3);
    let activations = Activations {
        hidden: vec![hidden.clone(), hidden * 3.0],
        ..Activations::from_attention(vec![attention([4, 2, 5, 5], 1); 2], 1)
    };
    let penalty = cosine_consistency()
        .with_source(Source::Hidden)
        .with_row_distance(RowDistance {
            metric: RowMetric::Cosine,
            exponent: 1.0,
        });
    assert!(value(&penalty, &activations, 0).abs() < 1e-12);
}

#[test]
fn parameters_of_controls_out_of_range_are_refused() {
    let band = RowPenalty::EntropyBand {
        low: 0.8,
        high: 0.2,
    };
    let cosine = RowDistance {
        metric: RowMetric::Cosine,
        exponent: 1.0,
    };
    let cases = [
        (band.into(), "0.8 to 0.2, expected two numbers from 0 to 1"),
        (
            TopologyPenalty::from(BAND)
                .with_source(Source::Hidden)
                .with_row_distance(cosine),
            "hidden states are not distributions and have no entropy",
        ),
        (
            distance_matrix(0.5),
            "order of the difference of distance matrices is 0.5",
        ),
        (
            distance_matrix(f64::NAN),
            "order of the difference of distance matrices is NaN",
        ),
    ];
    for (penalty, expected) in cases {
        let error = TopologyRegularizer::new(vec![penalty]).unwrap_err();
        assert!(error.is_invalid_parameter());
        assert!(error.to_string().contains(expected), "{error}");
    }
}
