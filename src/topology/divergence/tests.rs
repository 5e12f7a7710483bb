//! Divergences: hand-computed values, gradients against central differences, symmetry and errors.

use super::*;
use crate::topology::Diagram;

const N: usize = 8;

/// Distances that are multiples of 1/16, many of them tied.
fn sixteenths(seed: usize) -> Vec<f64> {
    symmetric(|i, j| ((i * 7 + j * 13 + i * j * seed + seed * 5) % 29 + 1) as f64 / 16.0)
}

/// Distances without ties.
fn generic(seed: u64) -> Vec<f64> {
    symmetric(|i, j| {
        let mixed = ((i * 31 + j) as u64 + seed * 977).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        0.2 + (mixed >> 40) as f64 / (1u64 << 24) as f64
    })
}

/// Symmetric matrix of a function of two points, `i < j`.
fn symmetric(distance: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let entry = |(i, j): (usize, usize)| match i.cmp(&j) {
        std::cmp::Ordering::Equal => 0.0,
        std::cmp::Ordering::Less => distance(i, j),
        std::cmp::Ordering::Greater => distance(j, i),
    };
    (0..N * N).map(|k| entry((k / N, k % N))).collect()
}

fn matrix(values: &[f64]) -> DistanceMatrix<'_, f64> {
    DistanceMatrix::new(values, N).unwrap()
}

type Loss = fn(&DistanceMatrix<'_, f64>, &DistanceMatrix<'_, f64>) -> Result<Divergence>;

/// Critical edges of the finite bars of a diagram.
fn critical_edges(diagram: &Diagram<f64>) -> Vec<Edge> {
    let ends = diagram.finite().map(|bar| [bar.birth_edge, bar.death_edge]);
    ends.flatten().flatten().collect()
}

/// Signature loss with the critical edges of one homology dimension.
fn signature(
    first: &DistanceMatrix<'_, f64>,
    second: &DistanceMatrix<'_, f64>,
    homology_dim: usize,
) -> Result<Divergence> {
    let [a, b] = [first, second].map(|matrix| {
        let diagrams = VietorisRips::new(1).unwrap().diagrams(matrix).unwrap();
        critical_edges(&diagrams[homology_dim])
    });
    signature_loss([first, second], [&a, &b])
}

const LOSSES: [Loss; 4] = [
    rtd_lite,
    rtd,
    |a, b| signature(a, b, 0),
    |a, b| signature(a, b, 1),
];

#[test]
fn divergences_agree_with_their_definitions() {
    let (a, b) = (sixteenths(3), sixteenths(5));
    // A separate program reduced the boundary matrix of the mapping cone of VR(A) in VR(min(A, B)): 1.8125 in
    // one direction and 1.375 in the other. The trees have the lengths 3.375, 2.9375 and 1.875.
    assert!((rtd(&matrix(&a), &matrix(&b)).unwrap().value - 1.59375).abs() < 1e-12);
    assert!((rtd_lite(&matrix(&a), &matrix(&b)).unwrap().value - 1.28125).abs() < 1e-12);
}

#[test]
fn signature_loss_compares_critical_edges_of_both_matrices() {
    let line = [0.0, 1.0, 3.0, 1.0, 0.0, 2.0, 3.0, 2.0, 0.0];
    let other = [0.0, 5.0, 1.0, 5.0, 0.0, 2.5, 1.0, 2.5, 0.0];
    let [first, second] = [&line, &other].map(|d| DistanceMatrix::<f64>::new(d, 3).unwrap());
    // Trees {01, 12} and {02, 12}: ((1 - 5)^2 + 0.5^2) / 2 + ((3 - 1)^2 + 0.5^2) / 2.
    let loss = signature_loss([&first, &second], [&[[0, 1], [1, 2]], &[[0, 2], [1, 2]]]).unwrap();
    assert_eq!(loss.value, 8.125 + 2.125);
    assert_eq!(
        loss.gradients[0],
        [
            ([0, 1], -4.0),
            ([1, 2], -0.5),
            ([0, 2], 2.0),
            ([1, 2], -0.5)
        ]
    );
}

#[test]
fn equal_matrices_have_zero_divergence_and_gradient() {
    for values in [sixteenths(3), generic(1), vec![0.0; N * N]] {
        for loss in LOSSES {
            let divergence = loss(&matrix(&values), &matrix(&values)).unwrap();
            assert_eq!(divergence.value, 0.0);
            assert_eq!(divergence.gradients, [vec![], vec![]]);
        }
    }
}

#[test]
fn gradients_equal_central_differences() {
    let values = [generic(1), generic(2)];
    for loss in LOSSES {
        let at = |values: &[Vec<f64>; 2]| loss(&matrix(&values[0]), &matrix(&values[1])).unwrap();
        let actual = at(&values);
        assert!(actual.value > 0.1, "a zero value would test nothing");
        for side in 0..2 {
            for i in 0..N {
                for j in i + 1..N {
                    let moved = |step: f64| {
                        let mut values = values.clone();
                        values[side][i * N + j] += step;
                        values[side][j * N + i] += step;
                        at(&values).value
                    };
                    let expected = (moved(1e-7) - moved(-1e-7)) / 2e-7;
                    let slopes = actual.gradients[side].iter();
                    let slope: f64 = slopes
                        .filter(|(edge, _)| *edge == [i as u32, j as u32])
                        .map(|(_, slope)| slope)
                        .sum();
                    assert!((slope - expected).abs() < 1e-6, "{slope} {expected}");
                }
            }
        }
    }
}

#[test]
fn divergences_are_symmetric_and_invariant_under_renumbering() {
    let order = [3, 7, 0, 5, 1, 6, 2, 4];
    let permuted = |values: &[f64]| -> Vec<f64> {
        (0..N * N)
            .map(|k| values[order[k / N] * N + order[k % N]])
            .collect()
    };
    let (a, b) = (generic(3), generic(4));
    for loss in LOSSES {
        let value = loss(&matrix(&a), &matrix(&b)).unwrap().value;
        let swapped = loss(&matrix(&b), &matrix(&a)).unwrap().value;
        let moved = loss(&matrix(&permuted(&a)), &matrix(&permuted(&b)))
            .unwrap()
            .value;
        assert!((value - swapped).abs() < 1e-12 && (value - moved).abs() < 1e-12);
        // Renumbering one matrix alone changes which points correspond.
        let renumbered = loss(&matrix(&a), &matrix(&permuted(&a))).unwrap().value;
        assert!(renumbered > 0.05);
    }
}

#[test]
fn different_sizes_and_infinite_distances_are_errors() {
    let three = DistanceMatrix::<f64>::new(&[0.0; 9], 3).unwrap();
    let values = generic(1);
    let far = [0.0, f64::INFINITY, f64::INFINITY, 0.0];
    let far = DistanceMatrix::new(&far, 2).unwrap();
    for loss in [rtd_lite as Loss, rtd] {
        assert!(
            loss(&three, &matrix(&values))
                .unwrap_err()
                .is_invalid_distances()
        );
        assert!(loss(&far, &far).unwrap_err().is_invalid_distances());
        let empty = DistanceMatrix::new(&[], 0).unwrap();
        assert_eq!(loss(&empty, &empty).unwrap().value, 0.0);
    }
}
