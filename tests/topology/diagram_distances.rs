//! Distances of persistence diagrams against published values.

use burn_topology::topology::{DiagramDistance, GroundNorm, Point, Power, bottleneck, wasserstein};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

const INF: f64 = f64::INFINITY;
const NORMS: [GroundNorm; 3] = [GroundNorm::Infinity, GroundNorm::L2, GroundNorm::L1];

/// Both diagrams, then W1 and W2 in either norm (infinity, L2) and the bottleneck distance in
/// the infinity norm, all as the Hera and POT libraries and brute force give them.
struct Row {
    first: &'static [Point],
    second: &'static [Point],
    w1: [f64; 2],
    w2: [f64; 2],
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

fn assert_close(found: f64, expected: f64) {
    let close = found == expected || (found - expected).abs() < 1e-6;
    assert!(close, "found {found}, expected {expected}");
}

#[test]
fn distances_are_those_of_other_libraries_in_both_directions() {
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
fn published_peers_that_use_one_norm_off_the_diagonal_only_are_not_followed() {
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
fn bottleneck_tie_is_realised_by_the_first_pair() {
    let (first, second) = ([[0.0, 2.0], [10.0, 12.0]], [[0.0, 3.0], [10.0, 13.0]]);
    let matching = bottleneck(&first, &second, GroundNorm::Infinity).unwrap();
    assert_eq!(matching.longest(), Some(0));
    assert_eq!(matching.distance, 1.0);
    assert_eq!(matching.cost, 1.0);
}

#[test]
fn unmatchable_diagrams_have_an_empty_matching() {
    let matching = wasserstein(&[[0.0, INF]], &[], 1.0, GroundNorm::L2).unwrap();
    assert!(matching.pairs.is_empty());
    assert_eq!([matching.distance, matching.cost], [INF, INF]);
}

#[test]
fn invalid_bars_are_reported_with_their_place() {
    let error = bottleneck(&[[0.0, 1.0]], &[[0.0, 1.0], [3.0, 2.0]], GroundNorm::L2).unwrap_err();
    assert!(error.is_invalid_diagram());
    let expected = "second diagram: bar 1 [3, 2] dies before its birth, expected death >= birth";
    assert_eq!(error.to_string(), expected);
}

fn power_of(order: f64, ground_norm: GroundNorm, power: Power) -> DiagramDistance {
    DiagramDistance::Wasserstein {
        order,
        ground_norm,
        power,
    }
}

fn first_gradient(distance: DiagramDistance, first: &[Point], second: &[Point]) -> Vec<[f64; 2]> {
    let found = distance.value_and_gradient(first, second).unwrap();
    let mirrored = distance.value_and_gradient(second, first).unwrap();
    assert_eq!(found.first, mirrored.second);
    assert_eq!(found.second, mirrored.first);
    found.first
}

fn assert_gradient(found: &[[f64; 2]], expected: &[[f64; 2]]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!(
            (found - expected).abs() < 1e-7,
            "found {found}, expected {expected}"
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
                    let distance = power_of(order, norm, power);
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
fn bars_move_to_the_diagonal_along_its_normal() {
    let (first, second) = ([[0.0, 1.0]], [[0.0, 100.0]]);
    let w1 = power_of(1.0, GroundNorm::Infinity, Power::One);
    assert_eq!(first_gradient(w1, &first, &second), [[-0.5, 0.5]]);
    let w2 = power_of(2.0, GroundNorm::L2, Power::One);
    assert_gradient(
        &first_gradient(w2, &first, &second),
        &[[-0.00707071, 0.00707071]],
    );
    let squared = power_of(2.0, GroundNorm::L2, Power::P);
    assert_gradient(&first_gradient(squared, &first, &second), &[[-1.0, 1.0]]);
}

#[test]
fn matched_bars_move_towards_each_other() {
    let w1 = power_of(1.0, GroundNorm::Infinity, Power::One);
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
fn birth_takes_the_gradient_where_both_coordinates_differ_equally() {
    let w1 = power_of(1.0, GroundNorm::Infinity, Power::One);
    assert_eq!(
        first_gradient(w1, &[[1.0, 3.0]], &[[0.0, 4.0]]),
        [[1.0, 0.0]]
    );
}

#[test]
fn pairs_share_the_gradient_of_w2_by_length() {
    let (first, second) = ([[0.0, 2.0], [5.0, 9.0]], [[0.0, 3.0], [5.0, 10.0]]);
    let w2 = power_of(2.0, GroundNorm::Infinity, Power::One);
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
fn bottleneck_gradient_reaches_one_bar_that_goes_to_the_diagonal() {
    let longest = DiagramDistance::Bottleneck {
        ground_norm: GroundNorm::Infinity,
    };
    let found = first_gradient(longest, &[[0.0, 3.0], [0.0, 8.0]], &[]);
    assert_eq!(found, [[0.0, 0.0], [-0.5, 0.5]]);
}

#[test]
fn infinite_distance_has_gradient_zero() {
    let w2 = power_of(2.0, GroundNorm::L2, Power::One);
    let found = w2
        .value_and_gradient(&[[0.0, INF], [0.0, 1.0]], &[])
        .unwrap();
    assert_eq!(found.value, INF);
    assert_eq!(found.first, [[0.0; 2]; 2]);
}
