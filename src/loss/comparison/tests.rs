//! Scale, gradients, and points by their partners.

use super::*;
use crate::loss::Normalize;
use crate::nn::Persistence;
use crate::topology::{DiagramDistance, DiagramSummary, Power};
use burn::tensor::{DType, Device, Tensor, TensorData};

const N_POINTS: usize = 12;

/// Distances of points on a bent curve, times `scale`.
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

fn compare(
    penalty: &TopologyPenalty,
    first: &DiagramBatch,
    second: &DiagramBatch,
    matched: Option<&[[u32; 2]]>,
) -> PairPenalty {
    let places = [first, second].map(|batch| Place { batch, item: 0 });
    penalty.compare(places, matched, 0).unwrap().unwrap()
}

/// Every kind of penalty.
fn penalties() -> Vec<TopologyPenalty> {
    let everything = [0.0, f64::INFINITY];
    let total = DiagramSummary::TotalPersistence {
        order: 2.0,
        window: everything,
    };
    let mut found = vec![
        (0, Comparison::RtdLite),
        (1, Comparison::Rtd),
        (
            0,
            Comparison::Diagrams(DiagramDistance::SortedWasserstein {
                order: 2.0,
                power: Power::P,
            }),
        ),
    ];
    for homology_dim in 0..2 {
        found.extend([
            (homology_dim, TopologyPenalty::new(0).comparison),
            (homology_dim, Comparison::Signature),
            (homology_dim, Comparison::Summary(total)),
            (
                homology_dim,
                Comparison::Summary(DiagramSummary::PersistentEntropy),
            ),
            (
                homology_dim,
                Comparison::Diagrams(DiagramDistance::SlicedWasserstein {
                    order: 2.0,
                    n_directions: 4,
                    power: Power::P,
                }),
            ),
        ]);
    }
    let penalty = |(homology_dim, comparison)| TopologyPenalty {
        comparison,
        ..TopologyPenalty::new(homology_dim)
    };
    found.into_iter().map(penalty).collect()
}

#[test]
fn a_normalised_penalty_does_not_change_with_the_scale_of_a_side() {
    for penalty in penalties() {
        penalty.validate().unwrap();
        let first = diagrams(&distances(0.1, 1.0));
        let compare = |scale| {
            let values = distances(0.7, scale);
            let pair = compare(&penalty, &diagrams(&values), &first, None);
            // By Euler's theorem the gradient is orthogonal to the distances.
            let along: f64 = pair.gradients[0]
                .iter()
                .map(|&([i, j], g)| g * values[i as usize * N_POINTS + j as usize])
                .sum();
            (pair.value, along)
        };
        let ((value, along), (scaled, _)) = (compare(1.0), compare(3.0));
        assert!(value > 1e-6, "nothing to test: {penalty:?}");
        assert!((value - scaled).abs() < 1e-12 * value, "{penalty:?}");
        assert!(along.abs() < 1e-11, "{penalty:?}: {along}");
    }
}

/// Compares the gradient in the distances of the first side with central differences.
fn assert_gradient(penalty: &TopologyPenalty, matched: Option<&[[u32; 2]]>) {
    let second = diagrams(&distances(0.1, 1.3));
    let values = distances(0.7, 1.0);
    let at = |values: &[f64]| compare(penalty, &diagrams(values), &second, matched);
    let found = at(&values);
    assert!(found.value > 1e-6, "nothing to test: {penalty:?}");
    for i in 0..N_POINTS {
        for j in i + 1..N_POINTS {
            let moved = |step: f64| {
                let mut values = values.clone();
                values[i * N_POINTS + j] += step;
                values[j * N_POINTS + i] += step;
                at(&values).value
            };
            let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            let edge = [i as u32, j as u32];
            let on_edge = found.gradients[0].iter().filter(|(e, _)| *e == edge);
            let slope: f64 = on_edge.map(|(_, slope)| slope).sum();
            let tolerance = 1e-6 * (1.0 + expected.abs());
            assert!((slope - expected).abs() < tolerance, "{penalty:?} {edge:?}");
        }
    }
}

#[test]
fn gradients_of_every_penalty_equal_central_differences() {
    for normalize in [Normalize::None, Normalize::SpanningTree] {
        for penalty in penalties() {
            let penalty = TopologyPenalty {
                normalize,
                ..penalty
            };
            assert_gradient(&penalty, None);
        }
    }
}

#[test]
fn points_by_their_partners_are_compared_as_if_they_had_been_renumbered() {
    // The second matrix has its points in another order, and one more of them.
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
    for penalty in penalties() {
        let plain = compare(&penalty, &first, &second, None);
        let aligned = compare(&penalty, &first, &shuffled, Some(&matched));
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
        let found = sum_by_edge(aligned.gradients[1].clone());
        assert!(expected.keys().eq(found.keys()), "{penalty:?}");
        for (edge, slope) in &expected {
            assert!((slope - found[edge]).abs() < 1e-12, "{penalty:?} {edge:?}");
        }
    }
}

#[test]
fn gradients_of_some_points_equal_central_differences() {
    let matched = [[3, 7], [9, 2], [1, 4], [11, 0], [6, 5], [4, 10]];
    let by_token = |penalty: &TopologyPenalty| {
        use Comparison::{Rtd, RtdLite, Signature};
        matches!(penalty.comparison, RtdLite | Rtd | Signature)
    };
    for penalty in penalties().into_iter().filter(by_token) {
        assert_gradient(&penalty, Some(&matched));
    }
}

#[test]
fn fewer_than_two_partners_are_nothing_to_compare() {
    let batch = diagrams(&distances(0.1, 1.0));
    let penalty = TopologyPenalty {
        comparison: Comparison::RtdLite,
        ..TopologyPenalty::new(0)
    };
    let places = [Place {
        batch: &batch,
        item: 0,
    }; 2];
    assert!(
        penalty
            .compare(places, Some(&[[1, 2]]), 0)
            .unwrap()
            .is_none()
    );
}
