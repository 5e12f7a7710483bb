//! Tests of scale invariance, gradients and correspondence of points.

use super::*;
use crate::loss::penalty_kind::Evaluation;
use crate::loss::{
    DiagramPenalty, PenaltyKind, SummaryPenalty, TokenWiseDivergence, TokenWisePenalty,
};
use crate::nn::Persistence;
use crate::topology::{DiagramDistance, DiagramSummary, Power};
use burn::tensor::{DType, Device, Tensor, TensorData};

const N_POINTS: usize = 12;

/// Distances between points on a bent curve, multiplied by `scale`.
fn distances(bend: f64, scale: f64) -> Vec<f64> {
    let point = |k: usize| {
        let t = k as f64;
        [(0.5 * t).cos(), (0.6 * t).sin(), bend * (t * t).sin()]
    };
    let distance = |index: usize| {
        let (a, b) = (point(index / N_POINTS), point(index % N_POINTS));
        scale * (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
    };
    (0..N_POINTS * N_POINTS).map(distance).collect()
}

fn diagrams(values: &[f64]) -> DiagramBatch {
    let data = TensorData::new(values.to_vec(), [1, N_POINTS, N_POINTS]);
    let tensor = Tensor::from_data(data, (&Device::flex(), DType::F64));
    let persistence = Persistence::new(1).unwrap();
    persistence.distances(tensor).unwrap()
}

fn evaluate(
    kind: &PenaltyKind,
    first: &DiagramBatch,
    second: &DiagramBatch,
    matched: Option<&[[u32; 2]]>,
) -> PairPenalty {
    let items = [first, second].map(|batch| BatchItem { batch, index: 0 });
    let Evaluation::Items(comparison) = kind.evaluation() else {
        panic!("{kind:?} is not computed from items");
    };
    evaluate_pair(comparison, Direction::Symmetric, items, matched, 0)
        .unwrap()
        .unwrap()
}

/// One penalty of every kind.
fn penalties(normalize: Normalize) -> Vec<PenaltyKind> {
    let total = DiagramSummary::TotalPersistence {
        order: 2.0,
        window: [0.0, f64::INFINITY],
    };
    let sorted = DiagramDistance::SortedWasserstein {
        order: 2.0,
        power: Power::P,
    };
    let sliced = DiagramDistance::SlicedWasserstein {
        order: 2.0,
        n_directions: 4,
        power: Power::P,
    };
    let token_wise = |divergence| {
        TokenWisePenalty::new(divergence)
            .with_normalize(normalize)
            .into()
    };
    let diagrams = |homology_dim| DiagramPenalty::new(homology_dim).with_normalize(normalize);
    let summary = |homology_dim, summary| {
        let penalty = SummaryPenalty::new(homology_dim, summary);
        penalty.with_normalize(normalize).into()
    };
    let mut kinds = vec![
        token_wise(TokenWiseDivergence::RtdLite),
        token_wise(TokenWiseDivergence::Rtd),
        diagrams(0).with_distance(sorted).into(),
    ];
    for homology_dim in 0..2 {
        kinds.extend([
            diagrams(homology_dim).into(),
            token_wise(TokenWiseDivergence::Signature {
                homology_dim,
                edges: EdgeChoice::Critical,
            }),
            summary(homology_dim, total),
            summary(homology_dim, DiagramSummary::PersistentEntropy),
            diagrams(homology_dim).with_distance(sliced).into(),
        ]);
    }
    kinds
}

#[test]
fn normalised_penalties_are_invariant_to_the_scale_of_one_side() {
    for penalty in penalties(Normalize::SpanningTree) {
        penalty.validate().unwrap();
        let first = diagrams(&distances(0.1, 1.0));
        let values = distances(0.7, 1.0);
        let pair = evaluate(&penalty, &diagrams(&values), &first, None);
        let scaled = evaluate(&penalty, &diagrams(&distances(0.7, 3.0)), &first, None);
        assert!(pair.value > 1e-6, "nothing to test: {penalty:?}");
        let change = (pair.value - scaled.value).abs();
        assert!(change < 1e-12 * pair.value, "{penalty:?}");
        // By Euler's theorem on homogeneous functions the gradient is orthogonal to the distances.
        let product: f64 = pair.gradients[0]
            .iter()
            .map(|&([i, j], slope)| slope * values[i as usize * N_POINTS + j as usize])
            .sum();
        assert!(product.abs() < 1e-11, "{penalty:?}: {product}");
    }
}

/// Compares the gradient with respect to the distances of the first side with central differences.
fn assert_gradient(penalty: &PenaltyKind, matched: Option<&[[u32; 2]]>) {
    let second = diagrams(&distances(0.1, 1.3));
    let values = distances(0.7, 1.0);
    let evaluate_at = |values: &[f64]| evaluate(penalty, &diagrams(values), &second, matched);
    let pair = evaluate_at(&values);
    assert!(pair.value > 1e-6, "nothing to test: {penalty:?}");
    for i in 0..N_POINTS {
        for j in i + 1..N_POINTS {
            let value_after = |step: f64| {
                let mut values = values.clone();
                values[i * N_POINTS + j] += step;
                values[j * N_POINTS + i] += step;
                evaluate_at(&values).value
            };
            let expected = (value_after(1e-6) - value_after(-1e-6)) / 2e-6;
            let edge = [i as u32, j as u32];
            let slope: f64 = pair.gradients[0]
                .iter()
                .filter(|(other, _)| *other == edge)
                .map(|(_, slope)| slope)
                .sum();
            let tolerance = 1e-6 * (1.0 + expected.abs());
            assert!((slope - expected).abs() < tolerance, "{penalty:?} {edge:?}");
        }
    }
}

#[test]
fn gradients_of_every_penalty_equal_central_differences() {
    for normalize in [Normalize::None, Normalize::SpanningTree] {
        for penalty in penalties(normalize) {
            assert_gradient(&penalty, None);
        }
    }
}

#[test]
fn matched_points_are_compared_as_if_renumbered() {
    // The shuffled matrix has the points of the second in another order.
    let order: Vec<u32> = (0..N_POINTS as u32).map(|k| (5 * k + 2) % 12).collect();
    let values = distances(0.7, 1.0);
    let mut shuffled = vec![0.0; N_POINTS * N_POINTS];
    for (i, &a) in order.iter().enumerate() {
        for (j, &b) in order.iter().enumerate() {
            shuffled[a as usize * N_POINTS + b as usize] = values[i * N_POINTS + j];
        }
    }
    let (first, second) = (diagrams(&distances(0.1, 1.3)), diagrams(&values));
    let shuffled = diagrams(&shuffled);
    let matched: Vec<[u32; 2]> = (0..).zip(order.iter().copied()).map(Into::into).collect();
    for penalty in penalties(Normalize::SpanningTree) {
        let plain = evaluate(&penalty, &first, &second, None);
        let aligned = evaluate(&penalty, &first, &shuffled, Some(&matched));
        assert!((plain.value - aligned.value).abs() < 1e-12, "{penalty:?}");
        let renumbered = plain.gradients[1].iter().map(|&([i, j], slope)| {
            let edge = ascending([order[i as usize], order[j as usize]]);
            (edge, slope)
        });
        let sum_by_edge = |gradient: Vec<(Edge, f64)>| {
            let mut sums = std::collections::BTreeMap::new();
            for (edge, slope) in gradient {
                *sums.entry(edge).or_insert(0.0) += slope;
            }
            sums.retain(|_, sum: &mut f64| sum.abs() > 1e-13);
            sums
        };
        let expected = sum_by_edge(renumbered.collect());
        let actual = sum_by_edge(aligned.gradients[1].clone());
        assert!(expected.keys().eq(actual.keys()), "{penalty:?}");
        for (edge, slope) in &expected {
            assert!((slope - actual[edge]).abs() < 1e-12, "{penalty:?} {edge:?}");
        }
    }
}

#[test]
fn gradients_with_matched_points_equal_central_differences() {
    let matched = [[3, 7], [9, 2], [1, 4], [11, 0], [6, 5], [4, 10]];
    let penalties = penalties(Normalize::SpanningTree).into_iter();
    for penalty in penalties.filter(|kind| matches!(kind, PenaltyKind::TokenWise(_))) {
        assert_gradient(&penalty, Some(&matched));
    }
}

#[test]
fn fewer_than_two_matched_points_are_gated() {
    let batch = diagrams(&distances(0.1, 1.0));
    let rtd_lite = TokenWisePenalty::new(TokenWiseDivergence::RtdLite);
    let items = [BatchItem {
        batch: &batch,
        index: 0,
    }; 2];
    let outcome =
        evaluate_pair(&rtd_lite, Direction::Symmetric, items, Some(&[[1, 2]]), 0).unwrap();
    assert!(outcome.is_none());
}
