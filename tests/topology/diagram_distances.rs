//! Distances of persistence diagrams and their gradients, compared with published and hand-computed values.

use burn_topology::topology::{DiagramDistance, GroundNorm, Point, Power, bottleneck, wasserstein};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

const INF: f64 = f64::INFINITY;
const NORMS: [GroundNorm; 3] = [GroundNorm::Infinity, GroundNorm::L2, GroundNorm::L1];

/// Two diagrams and their distances, on which Hera, POT and brute force agree.
struct Row {
    first: &'static [Point],
    second: &'static [Point],
    /// Wasserstein distance of order 1 in the norms L-infinity and L2.
    w1: [f64; 2],
    /// Wasserstein distance of order 2 in the norms L-infinity and L2.
    w2: [f64; 2],
    /// Bottleneck distance in the norm L-infinity.
    bottleneck: f64,
}

const ROWS: [Row; 12] = [
    Row {
        first: &[[0.0, 1.0], [0.0, 10.0]],
        second: &[[0.0, 10.0], [0.0, 30.0]],
        w1: [15.5, 21.920310],
        w2: [15.008331, 21.224985],
        bottleneck: 15.0,
    },
    Row {
        first: &[[0.0, 1.0]],
        second: &[[0.0, 2.9]],
        w1: [1.9, 1.9],
        w2: [1.533786, 1.9],
        bottleneck: 1.45,
    },
    Row {
        first: &[[0.0, 1.0]],
        second: &[[0.0, 3.1]],
        w1: [2.05, 2.1],
        w2: [1.628650, 2.1],
        bottleneck: 1.55,
    },
    Row {
        first: &[],
        second: &[[0.0, 2.0], [1.0, 4.0]],
        w1: [2.5, 3.535534],
        w2: [1.802776, 2.549510],
        bottleneck: 1.5,
    },
    Row {
        first: &[[0.0, 4.0], [3.0, 5.0]],
        second: &[[0.0, 5.0], [1.0, 5.0]],
        w1: [3.0, 3.0],
        w2: [2.236068, 2.236068],
        bottleneck: 2.0,
    },
    Row {
        first: &[[0.0, 3.0], [1.0, 1.01], [2.0, 2.02]],
        second: &[[0.1, 3.2]],
        w1: [0.215, 0.244820],
        w2: [0.200312, 0.224165],
        bottleneck: 0.2,
    },
    Row {
        first: &[[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]],
        second: &[[0.0, 1.0], [0.0, 2.0]],
        w1: [1.5, 1.707107],
        w2: [1.118034, 1.224745],
        bottleneck: 1.0,
    },
    Row {
        first: &[[1.0, 1.0], [0.0, 2.0]],
        second: &[[0.0, 2.0], [3.0, 3.0], [4.0, 4.0]],
        w1: [0.0, 0.0],
        w2: [0.0, 0.0],
        bottleneck: 0.0,
    },
    Row {
        first: &[[0.0, 2.0], [10.0, 12.0]],
        second: &[[0.0, 3.0], [10.0, 13.0]],
        w1: [2.0, 2.0],
        w2: [SQRT_2, SQRT_2],
        bottleneck: 1.0,
    },
    Row {
        first: &[[0.5, INF]],
        second: &[[0.0, INF]],
        w1: [0.5, 0.5],
        w2: [0.5, 0.5],
        bottleneck: 0.5,
    },
    Row {
        first: &[[0.0, INF], [2.0, INF]],
        second: &[[1.0, INF], [3.5, INF]],
        w1: [2.5, 2.5],
        w2: [1.802776, 1.802776],
        bottleneck: 1.5,
    },
    Row {
        first: &[[0.0, INF], [1.0, INF]],
        second: &[[0.0, INF]],
        w1: [INF, INF],
        w2: [INF, INF],
        bottleneck: INF,
    },
];

fn assert_close(actual: f64, expected: f64) {
    let close = actual == expected || (actual - expected).abs() < 1e-6;
    assert!(close, "distance {actual}, expected {expected}");
}

#[test]
fn distances_agree_with_other_libraries_in_both_directions() {
    for Row {
        first,
        second,
        w1,
        w2,
        bottleneck: longest,
    } in ROWS
    {
        for (x, y) in [(first, second), (second, first)] {
            for (norm, (w1, w2)) in NORMS.into_iter().zip(w1.into_iter().zip(w2)) {
                assert_close(wasserstein(x, y, 1.0, norm).unwrap().distance, w1);
                assert_close(wasserstein(x, y, 2.0, norm).unwrap().distance, w2);
            }
            assert_close(
                bottleneck(x, y, GroundNorm::Infinity).unwrap().distance,
                longest,
            );
        }
    }
}

#[test]
fn diagonal_is_measured_in_the_ground_norm_too() {
    // Some libraries use L2 between bars but another norm to the diagonal, and give other values here.
    let l2 = |order: f64, first: Point, second: Point| {
        wasserstein(&[first], &[second], order, GroundNorm::L2)
            .unwrap()
            .distance
    };
    assert_close(l2(2.0, [0.0, 4.0], [1.0, 5.0]), SQRT_2);
    assert_close(l2(1.0, [0.0, 1.0], [1.0, 3.0]), 2.121320);
    assert_close(l2(2.0, [0.0, 1.0], [1.0, 3.0]), 1.581139);
}

#[test]
fn bottleneck_ties_select_the_first_pair() {
    let (first, second) = ([[0.0, 2.0], [10.0, 12.0]], [[0.0, 3.0], [10.0, 13.0]]);
    let matching = bottleneck(&first, &second, GroundNorm::Infinity).unwrap();
    assert_eq!(matching.longest(), Some(0));
    assert_eq!(matching.distance, 1.0);
    assert_eq!(matching.cost, 1.0);
}

#[test]
fn different_numbers_of_essential_bars_have_an_empty_matching() {
    let matching = wasserstein(&[[0.0, INF]], &[], 1.0, GroundNorm::L2).unwrap();
    assert!(matching.pairs.is_empty());
    assert_eq!([matching.distance, matching.cost], [INF, INF]);
}

#[test]
fn errors_name_the_invalid_bar() {
    let error = bottleneck(&[[0.0, 1.0]], &[[0.0, 1.0], [3.0, 2.0]], GroundNorm::L2).unwrap_err();
    assert!(error.is_invalid_diagram());
    let expected = "second diagram: bar 1 [3, 2] dies before its birth, expected death >= birth";
    assert_eq!(error.to_string(), expected);
}

fn wasserstein_distance(order: f64, ground_norm: GroundNorm, power: Power) -> DiagramDistance {
    DiagramDistance::Wasserstein {
        order,
        ground_norm,
        power,
    }
}

/// Gradient by the first diagram, after a check that exchanging the diagrams exchanges the gradients.
fn first_gradient(distance: DiagramDistance, first: &[Point], second: &[Point]) -> Vec<[f64; 2]> {
    let actual = distance.value_and_gradient(first, second).unwrap();
    let mirrored = distance.value_and_gradient(second, first).unwrap();
    assert_eq!(actual.first, mirrored.second);
    assert_eq!(actual.second, mirrored.first);
    actual.first
}

fn assert_gradient(actual: &[[f64; 2]], expected: &[[f64; 2]]) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().flatten().zip(expected.iter().flatten()) {
        assert!(
            (actual - expected).abs() < 1e-7,
            "gradient {actual}, expected {expected}"
        );
    }
}

#[test]
fn identical_diagrams_have_gradient_exactly_zero() {
    for bars in [
        vec![[0.0, 1.0]],
        vec![[0.0, 1.0], [0.5, 2.0], [1.0, 1.0], [3.0, INF]],
    ] {
        let zero = vec![[0.0; 2]; bars.len()];
        for norm in NORMS {
            for order in [1.0, 1.5, 2.0] {
                for power in [Power::P, Power::One] {
                    let distance = wasserstein_distance(order, norm, power);
                    assert_eq!(first_gradient(distance, &bars, &bars), zero);
                    assert_eq!(
                        distance.value_and_gradient(&bars, &bars).unwrap().value,
                        0.0
                    );
                }
            }
            let longest = DiagramDistance::Bottleneck { ground_norm: norm };
            assert_eq!(first_gradient(longest, &bars, &bars), zero);
        }
    }
}

#[test]
fn gradient_to_the_diagonal_is_along_its_normal() {
    let (first, second) = ([[0.0, 1.0]], [[0.0, 100.0]]);
    let w1 = wasserstein_distance(1.0, GroundNorm::Infinity, Power::One);
    assert_eq!(first_gradient(w1, &first, &second), [[-0.5, 0.5]]);
    let w2 = wasserstein_distance(2.0, GroundNorm::L2, Power::One);
    assert_gradient(
        &first_gradient(w2, &first, &second),
        &[[-0.00707071, 0.00707071]],
    );
    let squared = wasserstein_distance(2.0, GroundNorm::L2, Power::P);
    assert_gradient(&first_gradient(squared, &first, &second), &[[-1.0, 1.0]]);
}

#[test]
fn gradient_moves_matched_bars_towards_each_other() {
    let w1 = wasserstein_distance(1.0, GroundNorm::Infinity, Power::One);
    assert_eq!(
        first_gradient(w1, &[[0.0, 2.0]], &[[0.0, 3.0]]),
        [[0.0, -1.0]]
    );
    assert_eq!(
        first_gradient(w1, &[[0.5, INF]], &[[0.0, INF]]),
        [[1.0, 0.0]]
    );
}

#[test]
fn birth_takes_the_gradient_at_ties_of_coordinates() {
    let w1 = wasserstein_distance(1.0, GroundNorm::Infinity, Power::One);
    assert_eq!(
        first_gradient(w1, &[[1.0, 3.0]], &[[0.0, 4.0]]),
        [[1.0, 0.0]]
    );
}

#[test]
fn w2_gradient_is_shared_in_proportion_to_length() {
    let (first, second) = ([[0.0, 2.0], [5.0, 9.0]], [[0.0, 3.0], [5.0, 10.0]]);
    let w2 = wasserstein_distance(2.0, GroundNorm::Infinity, Power::One);
    let expected = [[0.0, -FRAC_1_SQRT_2], [0.0, -FRAC_1_SQRT_2]];
    assert_gradient(&first_gradient(w2, &first, &second), &expected);
    let longest = DiagramDistance::Bottleneck {
        ground_norm: GroundNorm::Infinity,
    };
    assert_eq!(
        first_gradient(longest, &first, &second),
        [[0.0, -1.0], [0.0, 0.0]]
    );
}

#[test]
fn bottleneck_gradient_reaches_only_the_longest_pair() {
    let longest = DiagramDistance::Bottleneck {
        ground_norm: GroundNorm::Infinity,
    };
    let actual = first_gradient(longest, &[[0.0, 3.0], [0.0, 8.0]], &[]);
    assert_eq!(actual, [[0.0, 0.0], [-0.5, 0.5]]);
}

#[test]
fn infinite_distance_has_gradient_zero() {
    let w2 = wasserstein_distance(2.0, GroundNorm::L2, Power::One);
    let actual = w2
        .value_and_gradient(&[[0.0, INF], [0.0, 1.0]], &[])
        .unwrap();
    assert_eq!(actual.value, INF);
    assert_eq!(actual.first, [[0.0; 2]; 2]);
}
