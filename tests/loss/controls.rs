//! Controls do what they say: other entries, other partners, no topology.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use burn_topology::distance::{Metric, RowDistance};
use burn_topology::loss::{
    Activations, Between, Clock, Comparison, Direction, Edges, Normalize, Partners, Source,
    TopologyPenalty, TopologyRegularizer, Weight,
};
use burn_topology::nn::Persistence;

use crate::util::{assert_gradient, attention, numbers, values};

fn at(step: usize) -> Clock {
    Clock {
        step,
        steps_per_epoch: 100,
    }
}

fn value(penalty: &TopologyPenalty, activations: &Activations, step: usize) -> f64 {
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    let output = regularizer.forward(activations, at(step)).unwrap();
    let term = output.terms[0];
    let loss = values(output.loss)[0];
    assert!(
        (loss - term.weight * term.value).abs() < 1e-12,
        "{loss} {term:?}"
    );
    term.value
}

/// The gradient of a penalty between two layers of given attention, in both.
fn gradients(penalty: &TopologyPenalty, layers: [Tensor<4>; 2], step: usize) -> [Vec<f64>; 2] {
    let layers = layers.map(Tensor::require_grad);
    let activations = Activations::of_attention(layers.to_vec(), 0);
    let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
    let loss = regularizer.forward(&activations, at(step)).unwrap().loss;
    let gradients = loss.backward();
    layers.map(|layer| layer.grad(&gradients).map_or_else(Vec::new, values))
}

fn direct(comparison: Comparison) -> TopologyPenalty {
    TopologyPenalty {
        comparison,
        normalize: Normalize::None,
        ..TopologyPenalty::new(0)
    }
}

const BAND: Comparison = Comparison::EntropyBand {
    low: 0.9,
    high: 0.95,
};

#[test]
fn slopes_of_controls_are_those_of_central_differences() {
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
        Activations::of_attention(vec![layer(0), layer(1)], 1)
    };
    let scores = numbers([2, 4, 7, 7], 5) * 2.0;
    let hellinger = RowDistance {
        metric: Metric::Hellinger,
        exponent: 1.0,
    };
    let mut penalties = vec![direct(BAND), direct(Comparison::CosineConsistency)];
    for order in [1.0, 2.0, 3.0] {
        for normalize in [Normalize::None, Normalize::SpanningTree] {
            penalties.push(TopologyPenalty {
                comparison: Comparison::DistanceMatrix { order },
                normalize,
                ..TopologyPenalty::new(0)
            });
        }
    }
    for homology_dim in 0..2 {
        penalties.push(TopologyPenalty {
            edges: Edges::Random { seed: 3 },
            distance: hellinger,
            ..TopologyPenalty::new(homology_dim)
        });
        penalties.push(TopologyPenalty {
            partners: Partners::Shuffled { seed: 3 },
            ..TopologyPenalty::new(homology_dim)
        });
    }
    penalties.push(TopologyPenalty {
        partners: Partners::Shuffled { seed: 3 },
        ..direct(Comparison::CosineConsistency)
    });
    for penalty in penalties {
        let regularizer = TopologyRegularizer::new(vec![penalty.clone()]).unwrap();
        assert_gradient(scores.clone(), |scores| {
            let output = regularizer.forward(&layers(scores), at(4)).unwrap();
            assert!(output.terms[0].value > 1e-6, "nothing to test: {penalty:?}");
            output.loss
        });
    }
}

#[test]
fn random_edges_are_as_many_and_others_at_each_step() {
    let [a, b] = [1, 2].map(|seed| attention([1, 1, 20, 20], seed));
    let penalty = |edges| TopologyPenalty {
        edges,
        normalize: Normalize::None,
        ..TopologyPenalty::new(0)
    };
    // The rows that are reached: each of the 19 edges reaches two of 20.
    let random = Edges::Random { seed: 9 };
    let of = |edges, step| {
        value(
            &penalty(edges),
            &Activations::of_attention(vec![a.clone(), b.clone()], 0),
            step,
        )
    };
    assert_eq!(of(random, 3), of(random, 3));
    assert_ne!(of(random, 3), of(random, 4));
    assert_eq!(of(Edges::Critical, 3), of(Edges::Critical, 4));
    assert_ne!(of(random, 3), of(Edges::Random { seed: 10 }, 3));
    // Deaths at random are those of random pairs: longer than those of the shortest tree.
    let rows = a.clone().reshape([1, 20, 20]);
    let batch = Persistence::new(0)
        .unwrap()
        .rows(rows, RowDistance::JENSEN_SHANNON)
        .unwrap();
    let deaths: Vec<f64> = batch.diagrams(0)[0].finite().map(|bar| bar.death).collect();
    assert_eq!(deaths.len(), 19);
    let mean_death = deaths.iter().sum::<f64>() / 19.0;
    assert!(batch.mean_distance(0) > mean_death);
    // Against a collapsed layer, whose bars are all of length zero and so none, every bar goes to the
    // diagonal: the value is the mean square of half the lengths, of other ones than the topology's.
    let uniform = Tensor::<4>::full([1, 1, 20, 20], 0.05, (&a.device(), a.dtype()));
    let collapsed = Activations::of_attention(vec![a.clone(), uniform], 0);
    let critical = value(&penalty(Edges::Critical), &collapsed, 0);
    let expected: f64 = deaths.iter().map(|death| 0.25 * death * death).sum();
    assert!((critical - expected).abs() < 1e-9, "{critical} {expected}");
    assert!(value(&penalty(random), &collapsed, 0) > critical);
    // Other rows are moved.
    let [critical, random] = [Edges::Critical, random]
        .map(|edges| gradients(&penalty(edges), [a.clone(), b.clone()], 0));
    assert_ne!(critical[0], random[0]);
}

#[test]
fn shuffled_partners_are_other_images_with_the_same_diagrams() {
    let [a, b] = [1, 2].map(|seed| attention([4, 2, 9, 9], seed));
    let activations = Activations::of_attention(vec![a.clone(), b.clone()], 1);
    let penalty = TopologyPenalty {
        partners: Partners::Shuffled { seed: 5 },
        ..TopologyPenalty::new(0)
    };
    // One of the three shifts: the later layer's images moved on.
    let moved = |shift: usize| {
        let order: Vec<i64> = (0..4).map(|k| ((k + shift) % 4) as i64).collect();
        let order = Tensor::<1, Int>::from_data(&order[..], &b.device());
        let activations = Activations::of_attention(vec![a.clone(), b.clone().select(0, order)], 1);
        value(&TopologyPenalty::new(0), &activations, 0)
    };
    let shifts: Vec<f64> = (1..4).map(moved).collect();
    for step in 0..8 {
        let found = value(&penalty, &activations, step);
        assert!(
            shifts.iter().any(|shift| (shift - found).abs() < 1e-12),
            "{found} {shifts:?}"
        );
        assert!((found - moved(0)).abs() > 1e-9);
    }
    // Frames: of clips that each stand still, and differ from each other.
    let still = [1, 2, 3].map(|seed| attention([1, 2, 9, 9], seed).repeat_dim(0, 2));
    let clips = Activations::of_attention(vec![Tensor::cat(still.to_vec(), 0)], 1).with_frames(2);
    let between = |partners| TopologyPenalty {
        between: Between::Frames,
        partners,
        ..TopologyPenalty::new(1)
    };
    assert_eq!(value(&between(Partners::Same), &clips, 0), 0.0);
    assert!(value(&between(Partners::Shuffled { seed: 5 }), &clips, 0) > 1e-6);
    // A batch of one has nobody else.
    let alone = Activations::of_attention(
        vec![attention([1, 2, 9, 9], 1), attention([1, 2, 9, 9], 2)],
        1,
    );
    assert_eq!(value(&penalty, &alone, 0), 0.0);
}

#[test]
fn controls_without_topology_are_their_formulas() {
    let [a, b] = [1, 2].map(|seed| attention([3, 2, 6, 6], seed));
    let activations = Activations::of_attention(vec![a.clone(), b.clone()], 0);
    let rows =
        |layer: &Tensor<4>| -> Vec<f64> { values(layer.clone().mean_dim(1).reshape([3 * 6, 6])) };
    let (p, q) = (rows(&a), rows(&b));
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let cosines = p
        .chunks(6)
        .zip(q.chunks(6))
        .map(|(p, q)| 1.0 - dot(p, q) / (dot(p, p) * dot(q, q)).sqrt());
    let expected = cosines.sum::<f64>() / 18.0;
    let found = value(&direct(Comparison::CosineConsistency), &activations, 0);
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");

    let entropy = |row: &[f64]| -row.iter().map(|x| x * x.ln()).sum::<f64>() / 6f64.ln();
    let outside = p.chunks(6).chain(q.chunks(6)).map(|row| {
        let entropy = entropy(row);
        (0.9 - entropy).max(0.0).powi(2) + (entropy - 0.95).max(0.0).powi(2)
    });
    let expected = outside.sum::<f64>() / 36.0;
    let found = value(&direct(BAND), &activations, 0);
    assert!(
        found > 0.0 && (found - expected).abs() < 1e-12,
        "{found} {expected}"
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
    // Every pair twice, and the diagonal, which is 0 on both sides.
    let expected = gaps.sum::<f64>() / (3.0 * 30.0);
    let matrices = TopologyPenalty {
        normalize: Normalize::None,
        ..direct(Comparison::DistanceMatrix { order: 2.0 })
    };
    let found = value(&matrices, &activations, 0);
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}

#[test]
fn a_negative_weight_is_the_opposite_and_a_direction_holds_one_side() {
    let layers = || [1, 2].map(|seed| attention([2, 2, 9, 9], seed));
    for penalty in [
        TopologyPenalty::new(1),
        direct(Comparison::CosineConsistency),
        direct(BAND),
        direct(Comparison::DistanceMatrix { order: 2.0 }),
    ] {
        let with = |weight| TopologyPenalty {
            weight: Weight::Fixed(weight),
            ..penalty.clone()
        };
        let [plus, minus] = [1.0, -1.0].map(|weight| gradients(&with(weight), layers(), 0));
        assert!(
            plus[0].iter().any(|slope| slope.abs() > 1e-9),
            "{penalty:?}"
        );
        for (plus, minus) in plus.iter().flatten().zip(minus.iter().flatten()) {
            assert!((plus + minus).abs() < 1e-12);
        }
        if penalty.comparison != BAND {
            let held = TopologyPenalty {
                direction: Direction::TowardsFirst,
                ..penalty.clone()
            };
            let [first, second] = gradients(&held, layers(), 0);
            assert!(first.iter().all(|&slope| slope == 0.0), "{penalty:?}");
            assert!(second.iter().any(|&slope| slope != 0.0));
        }
    }
}

#[test]
fn hidden_states_that_stay_cost_nothing_however_long_they_are() {
    let hidden = numbers([4, 5, 8], 3);
    let activations = Activations {
        hidden: vec![hidden.clone(), hidden * 3.0],
        ..Activations::of_attention(vec![attention([4, 2, 5, 5], 1); 2], 1)
    };
    let penalty = TopologyPenalty {
        source: Source::Hidden,
        distance: RowDistance {
            metric: Metric::Cosine,
            exponent: 1.0,
        },
        ..direct(Comparison::CosineConsistency)
    };
    assert!(value(&penalty, &activations, 0).abs() < 1e-12);
}

#[test]
fn controls_that_mean_nothing_are_refused() {
    let cases = [
        (
            TopologyPenalty {
                comparison: Comparison::Rtd,
                edges: Edges::Random { seed: 0 },
                ..TopologyPenalty::new(1)
            },
            "random edges stand for those of bars",
        ),
        (
            TopologyPenalty {
                partners: Partners::Shuffled { seed: 0 },
                ..direct(BAND)
            },
            "no partners to shuffle",
        ),
        (
            TopologyPenalty {
                normalize: Normalize::SpanningTree,
                ..direct(BAND)
            },
            "no scale to divide by",
        ),
        (
            direct(Comparison::EntropyBand {
                low: 0.8,
                high: 0.2,
            }),
            "0.8 to 0.2, expected two numbers from 0 to 1",
        ),
        (
            direct(Comparison::DistanceMatrix { order: 0.5 }),
            "order of the difference of matrices is 0.5",
        ),
        (
            TopologyPenalty {
                between: Between::Frames,
                ..direct(BAND)
            },
            "compares nothing",
        ),
    ];
    for (penalty, expected) in cases {
        let error = TopologyRegularizer::new(vec![penalty]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
