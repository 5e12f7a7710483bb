use super::*;
use proptest::prelude::*;

fn assert_close(found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    assert!(error <= tolerance, "{found:e} is not {expected:e}");
}

fn pairwise<T: JensenShannonKernel>(rows: &[T], n_outcomes: usize) -> Vec<T> {
    let n_points = rows.len() / n_outcomes;
    let mut distances = vec![T::nan(); n_points * n_points];
    JensenShannon::default().pairwise(rows, n_outcomes, &mut distances);
    distances
}

fn widened(row: &[f32]) -> Vec<f64> {
    row.iter().map(|&mass| f64::from(mass)).collect()
}

/// Two rows whose outcomes differ by about `scale`, relatively; every seventh is empty.
fn rows_apart(n_outcomes: u32, scale: f64) -> (Vec<f32>, Vec<f32>) {
    let mass = |k: u32| {
        if k % 7 == 3 {
            0.0
        } else {
            f64::from(k * 37 % 101 + 1)
        }
    };
    let wobble = |k: u32| 1.0 + scale * (f64::from(k * 53 % 97) / 48.0 - 1.0);
    let p = (0..n_outcomes).map(|k| (mass(k) * 1e-4) as f32);
    let q = (0..n_outcomes).map(|k| (mass(k) * 1e-4 * wobble(k)) as f32);
    (p.collect(), q.collect())
}

#[test]
fn known_distances_are_reproduced() {
    let cases: [(&[f64], &[f64], f64); 5] = [
        (&[0.2, 0.3, 0.5], &[0.2, 0.3, 0.5], 0.0),
        (&[1.0, 0.0], &[0.0, 1.0], 0.832554611),
        (&[0.5, 0.5, 0.0], &[0.25, 0.25, 0.5], 0.464501404),
        (&[0.5, 0.5], &[0.25, 0.75], 0.183907791),
        // Not renormalised: four times the mass, twice the distance.
        (&[2.0, 2.0], &[1.0, 3.0], 0.367815582),
    ];
    for (p, q, expected) in cases {
        assert_close(distance(p, q), expected, 1e-9);
        let [p, q] = [p, q].map(|row| row.iter().map(|&m| m as f32).collect::<Vec<_>>());
        assert_close(f64::from(distance(&p, &q)), expected, 8e-7 * expected);
    }
}

#[test]
fn nearly_equal_rows_keep_their_relative_accuracy() {
    let found: f64 = distance(&[0.5, 0.5], &[0.5 + 1e-7, 0.5 - 1e-7]);
    assert_close(found, 7.071067811865e-8, 1e-16);
}

#[test]
fn double_precision_agrees_with_reference_values() {
    // Evaluated with 60 digits; on either side of the switch from series to logarithms.
    let cases = [
        ([0.625, 0.375], [0.375, 0.625], 0.1777187170839449),
        ([0.624, 0.376], [0.376, 0.624], 0.17628173290199828),
        ([0.999, 0.001], [0.001, 0.999], 0.8277921994363762),
    ];
    for (p, q, expected) in cases {
        assert_close(distance(&p, &q), expected, 1e-13 * expected);
    }
}

#[test]
fn single_precision_follows_double_from_collapse_to_disjoint() {
    for n_outcomes in [1, 15, 16, 17, 65, 197, 1000] {
        for exponent in -6..=0 {
            let (p, q) = rows_apart(n_outcomes, 10f64.powi(exponent));
            let expected = distance(&widened(&p), &widened(&q));
            assert_close(f64::from(distance(&p, &q)), expected, 1e-6 * expected);
        }
        let (p, _) = rows_apart(n_outcomes, 0.0);
        let apart = [p.clone(), vec![0.0; p.len()]].concat();
        let mirrored = [vec![0.0; p.len()], p].concat();
        let expected = distance(&widened(&apart), &widened(&mirrored));
        let found = f64::from(distance(&apart, &mirrored));
        assert_close(found, expected, 1e-6 * expected);
    }
}

#[test]
fn rows_without_mass_are_at_distance_zero() {
    assert_eq!(distance(&[0.0_f32; 20], &[0.0; 20]), 0.0);
    assert_eq!(distance(&[0.0_f64; 20], &[0.0; 20]), 0.0);
}

#[test]
fn matrix_holds_the_distances_of_single_pairs() {
    let (p, q) = rows_apart(300, 0.5);
    let matrix = pairwise(&[p.clone(), q.clone()].concat(), 300);
    assert_eq!(matrix, [0.0, distance(&p, &q), distance(&p, &q), 0.0]);
    let (p, q) = (widened(&p), widened(&q));
    let matrix = pairwise(&[p.clone(), q.clone()].concat(), 300);
    assert_eq!(matrix, [0.0, distance(&p, &q), distance(&p, &q), 0.0]);
}

#[test]
fn a_used_workspace_gives_what_a_new_one_gives() {
    let mut workspace = JensenShannon::default();
    workspace.pairwise(&[0.1_f32; 90], 30, &mut [1.0; 9]);
    let mut distances = [1.0; 4];
    workspace.pairwise(&[1.0, 0.0, 0.0, 1.0], 2, &mut distances);
    assert_eq!(distances.to_vec(), pairwise(&[1.0, 0.0, 0.0, 1.0_f32], 2));
}

#[test]
fn no_points_and_one_point_are_accepted() {
    let mut workspace = JensenShannon::<f32>::default();
    workspace.pairwise(&[], 5, &mut []);
    workspace.pairwise(&[], 0, &mut []);
    let mut distances = [1.0];
    workspace.pairwise(&[0.4, 0.6], 2, &mut distances);
    assert_eq!(distances, [0.0]);
}

#[test]
fn gradient_agrees_with_central_differences() {
    let p = [0.3, 0.05, 0.25, 0.4, 1.5];
    let q = [0.1, 0.45, 0.2500001, 0.2, 0.01];
    let (mut grad_p, mut grad_q) = ([1.0; 5], [0.0; 5]);
    accumulate_gradient(&p, &q, 2.0, &mut grad_p, &mut grad_q);
    for k in 0..5 {
        let at = |row: &[f64; 5], step: f64| {
            let mut moved = *row;
            moved[k] += step;
            moved
        };
        let step = 1e-6;
        let slope_p = (distance(&at(&p, step), &q) - distance(&at(&p, -step), &q)) / step;
        let slope_q = (distance(&p, &at(&q, step)) - distance(&p, &at(&q, -step))) / step;
        assert_close(grad_p[k], 1.0 + slope_p, 1e-8);
        assert_close(grad_q[k], slope_q, 1e-8);
    }
}

#[test]
fn single_precision_gradient_follows_double() {
    let (p, q) = rows_apart(65, 1e-3);
    let (mut grad_p, mut grad_q) = ([0.0; 65], [0.0; 65]);
    accumulate_gradient(&p, &q, 1.0, &mut grad_p, &mut grad_q);
    let (mut wide_p, mut wide_q) = ([0.0; 65], [0.0; 65]);
    accumulate_gradient(&widened(&p), &widened(&q), 1.0, &mut wide_p, &mut wide_q);
    for k in 0..65 {
        assert_close(f64::from(grad_p[k]), wide_p[k], 2e-6 * wide_p[k].abs());
        assert_close(f64::from(grad_q[k]), wide_q[k], 2e-6 * wide_q[k].abs());
    }
}

#[test]
fn gradient_of_equal_rows_is_zero() {
    let row = [0.2_f32, 0.3, 0.5];
    let (mut grad_p, mut grad_q) = ([0.0; 3], [0.0; 3]);
    accumulate_gradient(&row, &row, 1.0, &mut grad_p, &mut grad_q);
    assert_eq!((grad_p, grad_q), ([0.0; 3], [0.0; 3]));
}

#[test]
fn gradient_is_finite_at_empty_outcomes() {
    let (mut grad_p, mut grad_q) = ([0.0; 3], [0.0; 3]);
    accumulate_gradient(
        &[0.0_f64, 1.0, 0.0],
        &[1.0, 0.0, 0.0],
        1.0,
        &mut grad_p,
        &mut grad_q,
    );
    // ln 2 and ln of the smallest normal number, over 4 sqrt(ln 2).
    assert_close(grad_q[0], 0.208138653, 1e-9);
    assert_close(grad_p[0], -212.717703, 1e-6);
    assert_eq!(
        [grad_p[0], grad_p[1], grad_p[2]],
        [grad_q[1], grad_q[0], 0.0]
    );
}

proptest! {
    #[test]
    fn single_precision_matrix_is_symmetric_and_accurate(
        n_outcomes in 1_usize..40,
        masses in prop::collection::vec(prop_oneof![Just(0.0_f32), 1e-6_f32..1.0], 160),
    ) {
        let rows = &masses[..4 * n_outcomes];
        let found = pairwise(rows, n_outcomes);
        let expected = pairwise(&widened(rows), n_outcomes);
        for (index, (&found_ij, &expected_ij)) in found.iter().zip(&expected).enumerate() {
            prop_assert_eq!(found_ij, found[index % 4 * 4 + index / 4]);
            prop_assert!((f64::from(found_ij) - expected_ij).abs() <= 1e-6 * expected_ij);
        }
    }
}
