use super::*;
use proptest::prelude::*;

fn assert_close(found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    assert!(error <= tolerance, "{found:e} is not {expected:e}");
}

const ALL: [Metric; 5] = [
    Metric::JensenShannon,
    Metric::Hellinger,
    Metric::Cosine,
    Metric::Euclidean,
    Metric::Attention,
];

fn of<T: DistanceElement>(distance: RowDistance, rows: &[T], n_columns: usize) -> Vec<T> {
    let n_points = rows.len() / n_columns;
    let mut distances = vec![T::nan(); n_points * n_points];
    PairwiseDistances::default().compute(distance, rows, n_columns, &mut distances);
    distances
}

fn pairwise<T: DistanceElement>(rows: &[T], n_columns: usize) -> Vec<T> {
    of(RowDistance::JENSEN_SHANNON, rows, n_columns)
}

fn distance<T: DistanceElement>(p: &[T], q: &[T]) -> T {
    pairwise(&[p, q].concat(), p.len())[1]
}

fn metric(metric: Metric) -> RowDistance {
    RowDistance {
        metric,
        exponent: 1.0,
    }
}

fn accumulate_gradient<T: DistanceElement>(
    p: &[T],
    q: &[T],
    upstream: f64,
    grad_p: &mut [T],
    grad_q: &mut [T],
) {
    let apart = distance(p, q).to_f64_exact();
    let gradients = [grad_p, grad_q];
    RowDistance::JENSEN_SHANNON.accumulate_gradient([p, q], [0, 1], apart, upstream, gradients);
}

/// The gradient of one distance in the whole matrix.
fn gradient_in(distance: RowDistance, rows: &[f64], edge: [usize; 2], upstream: f64) -> Vec<f64> {
    let n_columns = rows.len().isqrt();
    let mut gradients = [0, 1].map(|_| vec![0.0; n_columns]);
    let [on_p, on_q] = &mut gradients;
    let ends = edge.map(|vertex| &rows[vertex * n_columns..][..n_columns]);
    let [i, j] = edge;
    let apart = of(distance, rows, n_columns)[i * rows.len() / n_columns + j];
    distance.accumulate_gradient(ends, edge, apart, upstream, [on_p, on_q]);
    let mut whole = vec![0.0; rows.len()];
    for (vertex, gradient) in edge.into_iter().zip(gradients) {
        whole[vertex * n_columns..][..n_columns].copy_from_slice(&gradient);
    }
    whole
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
fn every_entry_is_the_distance_of_its_rows() {
    let n_outcomes = 37;
    let rows: Vec<f32> = (0..11 * n_outcomes)
        .map(|k| (k * 71 % 53 + 1) as f32 * 1e-3)
        .collect();
    for distance in [
        Metric::JensenShannon,
        Metric::Hellinger,
        Metric::Cosine,
        Metric::Euclidean,
    ] {
        let matrix = of(metric(distance), &rows, n_outcomes);
        for i in 0..11 {
            for j in 0..11 {
                let row = |k: usize| &rows[k * n_outcomes..][..n_outcomes];
                let pair = of(metric(distance), &[row(i), row(j)].concat(), n_outcomes);
                assert_eq!(matrix[i * 11 + j], pair[1]);
            }
        }
    }
}

#[test]
fn every_extension_has_the_accuracy_of_the_kernel() {
    use crate::distance::element::Kernel;
    for n_outcomes in [1, 15, 16, 17, 197, 300] {
        for scale in [0.0, 1e-6, 1e-4, 1e-2, 1.0] {
            let (p, q) = rows_apart(n_outcomes, scale);
            let expected = distance(&widened(&p), &widened(&q));
            let [lanes_p, lanes_q] =
                [&p, &q].map(|row| row.chunks(16).map(f32::prepare).collect::<Vec<_>>());
            for extension in Extension::available() {
                let found = f32::divergences(extension, &lanes_p, [&lanes_q])[0].sqrt();
                assert_close(found, expected, 1e-6 * expected);
                let (mut grad_p, mut grad_q) = (vec![0.0; p.len()], vec![0.0; p.len()]);
                f32::add_log_ratios(extension, [&p, &q], 0.5, [&mut grad_p, &mut grad_q]);
                let (mut wide_p, mut wide_q) = (vec![0.0; p.len()], vec![0.0; p.len()]);
                let rows = [widened(&p), widened(&q)];
                let gradients = [&mut wide_p[..], &mut wide_q[..]];
                f64::add_log_ratios(extension, [&rows[0], &rows[1]], 0.5, gradients);
                for (found, wide) in [(grad_p, wide_p), (grad_q, wide_q)] {
                    for (found, expected) in found.into_iter().zip(wide) {
                        // At no mass the logarithm is that of the smallest number of the type.
                        let expected = expected.max(0.5 * f64::from(f32::MIN_POSITIVE.ln()));
                        assert_close(f64::from(found), expected, 1e-6 * expected.abs());
                    }
                }
            }
        }
    }
}

#[test]
fn vector_distances_are_reproduced() {
    let cases: [(Metric, &[f64], &[f64], f64); 8] = [
        (Metric::Hellinger, &[1.0, 0.0], &[0.0, 1.0], 1.0),
        // sqrt(1 - (sqrt(1/8) + sqrt(1/8))) of (1/2, 1/2, 0) and (1/4, 1/4, 1/2).
        (
            Metric::Hellinger,
            &[0.5, 0.5, 0.0],
            &[0.25, 0.25, 0.5],
            0.541196100,
        ),
        (Metric::Euclidean, &[0.0, 3.0], &[4.0, 0.0], 5.0),
        (Metric::Cosine, &[1.0, 0.0], &[3.0, 3.0], 0.292893219),
        (Metric::Cosine, &[1.0, 2.0], &[-2.0, -4.0], 2.0),
        (Metric::Cosine, &[0.0, 0.0], &[3.0, 3.0], 1.0),
        (Metric::Cosine, &[0.0, 0.0], &[0.0, 0.0], 0.0),
        (Metric::Attention, &[0.7, 0.3], &[0.4, 0.6], 0.6),
    ];
    for (which, p, q, expected) in cases {
        let rows = [p, q].concat();
        assert_close(of(metric(which), &rows, p.len())[1], expected, 1e-9);
        let narrow: Vec<f32> = rows.iter().map(|&x| x as f32).collect();
        let found = f64::from(of(metric(which), &narrow, p.len())[1]);
        assert_close(found, expected, 1e-6 * expected);
    }
}

#[test]
fn exponents_are_powers() {
    let rows = [0.7, 0.3, 0.4, 0.6];
    for which in ALL {
        let base = of(metric(which), &rows, 2)[1];
        for exponent in [0.5, 2.0, 3.0] {
            let distance = RowDistance {
                metric: which,
                exponent,
            };
            assert_close(of(distance, &rows, 2)[1], base.powf(exponent), 1e-15);
        }
    }
    for exponent in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let distance = RowDistance {
            exponent,
            ..RowDistance::JENSEN_SHANNON
        };
        assert!(distance.validate().unwrap_err().is_invalid_parameter());
    }
}

#[test]
fn gradients_of_all_metrics_agree_with_central_differences() {
    let rows = [
        0.30, 0.05, 0.25, 0.40, 0.10, 0.45, 0.26, 0.19, 0.22, 0.33, 0.15, 0.30, 0.01, 0.02, 0.9,
        0.07,
    ];
    for which in ALL {
        for exponent in [0.5, 1.0, 2.0] {
            let distance = RowDistance {
                metric: which,
                exponent,
            };
            for [i, j] in [[0, 1], [1, 3], [0, 2]] {
                let gradient = gradient_in(distance, &rows, [i, j], 2.0);
                for k in 0..16 {
                    let at = |step: f64| {
                        let mut moved = rows;
                        moved[k] += step;
                        of(distance, &moved, 4)[i * 4 + j]
                    };
                    let slope = (at(1e-6) - at(-1e-6)) / 1e-6;
                    assert_close(gradient[k], slope, 1e-7);
                }
            }
        }
    }
}

#[test]
fn distances_of_zero_have_gradient_zero() {
    let equal = [0.25, 0.75, 0.25, 0.75];
    let zeros = [0.0, 0.0, 1.0, 0.0];
    for which in ALL {
        for exponent in [0.5, 1.0, 2.0] {
            let distance = RowDistance {
                metric: which,
                exponent,
            };
            if which != Metric::Attention {
                assert_eq!(gradient_in(distance, &equal, [0, 1], 1.0), [0.0; 4]);
            }
            let gradient = gradient_in(distance, &zeros, [0, 1], 1.0);
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{which:?} {gradient:?}"
            );
        }
    }
    let attention = |rows: [f64; 4]| gradient_in(metric(Metric::Attention), &rows, [0, 1], 1.0);
    assert_eq!(attention([0.0, 1.0, 0.2, 0.8]), [0.0; 4]); // nothing is nearer than full attention
    assert_eq!(attention([0.5, 0.5, 0.5, 0.5]), [0.0, -0.5, -0.5, 0.0]); // a tie
}

#[test]
fn a_used_workspace_gives_what_a_new_one_gives() {
    for distance in ALL.map(metric) {
        let mut workspace = PairwiseDistances::default();
        workspace.compute(distance, &[0.1_f32; 900], 30, &mut [1.0; 900]);
        let mut distances = [1.0; 4];
        workspace.compute(distance, &[0.9, 0.1, 0.2, 0.8], 2, &mut distances);
        assert_eq!(
            distances.to_vec(),
            of(distance, &[0.9, 0.1, 0.2, 0.8_f32], 2)
        );
    }
}

#[test]
fn no_points_and_one_point_are_accepted() {
    for distance in ALL.map(metric) {
        let mut workspace = PairwiseDistances::<f32>::default();
        workspace.compute(distance, &[], 0, &mut []);
        let mut distances = [1.0];
        workspace.compute(distance, &[1.0], 1, &mut distances);
        assert_eq!(distances, [0.0]);
    }
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
