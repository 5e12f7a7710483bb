//! Row distances and their gradients: published values, values computed with 60 digits, both precisions against
//! each other, gradients against central differences, and the kernels of all vector extensions.

use super::*;
use crate::distance::element::Kernel;
use proptest::prelude::*;

fn assert_close(actual: f64, expected: f64, tolerance: f64) {
    let error = (actual - expected).abs();
    assert!(error <= tolerance, "{actual:e}, expected {expected:e}");
}

const ALL_METRICS: [RowMetric; 6] = [
    RowMetric::JensenShannon,
    RowMetric::Hellinger,
    RowMetric::TotalVariation,
    RowMetric::Cosine,
    RowMetric::Euclidean,
    RowMetric::Attention,
];

/// Matrix of all distances between the rows.
fn distance_matrix<T: DistanceElement>(
    distance: RowDistance,
    rows: &[T],
    n_columns: usize,
) -> Vec<T> {
    let n_points = rows.len() / n_columns;
    let mut distances = vec![T::nan(); n_points * n_points];
    PairwiseDistances::default().compute(distance, rows, n_columns, &mut distances);
    distances
}

/// Matrix of all Jensen-Shannon distances between the rows.
fn jensen_shannon_matrix<T: DistanceElement>(rows: &[T], n_columns: usize) -> Vec<T> {
    distance_matrix(RowDistance::JENSEN_SHANNON, rows, n_columns)
}

/// Jensen-Shannon distance between two rows.
fn distance<T: DistanceElement>(p: &[T], q: &[T]) -> T {
    jensen_shannon_matrix(&[p, q].concat(), p.len())[1]
}

/// The metric itself as a distance, with exponent 1.
fn with_exponent_1(metric: RowMetric) -> RowDistance {
    RowDistance {
        metric,
        exponent: 1.0,
    }
}

/// Adds the gradient of the Jensen-Shannon distance of `p` and `q`.
fn accumulate_gradient<T: DistanceElement>(
    p: &[T],
    q: &[T],
    upstream: f64,
    grad_p: &mut [T],
    grad_q: &mut [T],
) {
    let value = distance(p, q).to_f64_exact();
    let gradients = [grad_p, grad_q];
    RowDistance::JENSEN_SHANNON.accumulate_gradient([p, q], [0, 1], value, upstream, gradients);
}

/// Gradient of the distance between the rows `edge` with respect to all entries of the matrix.
fn gradient_by_matrix(
    distance: RowDistance,
    rows: &[f64],
    edge: [usize; 2],
    upstream: f64,
) -> Vec<f64> {
    let n_columns = rows.len().isqrt();
    let mut gradients = [0, 1].map(|_| vec![0.0; n_columns]);
    let [grad_p, grad_q] = &mut gradients;
    let ends = edge.map(|vertex| &rows[vertex * n_columns..][..n_columns]);
    let [i, j] = edge;
    let value = distance_matrix(distance, rows, n_columns)[i * rows.len() / n_columns + j];
    distance.accumulate_gradient(ends, edge, value, upstream, [grad_p, grad_q]);
    let mut whole = vec![0.0; rows.len()];
    for (vertex, gradient) in edge.into_iter().zip(gradients) {
        whole[vertex * n_columns..][..n_columns].copy_from_slice(&gradient);
    }
    whole
}

/// Lanes of a row for the Jensen-Shannon kernel, not scaled.
fn lanes<T: DistanceElement>(row: &[T]) -> Vec<T::Lanes> {
    let chunks = row.chunks(T::LANES);
    chunks.map(|chunk| T::prepare(chunk, T::one())).collect()
}

/// Numbers of a row, converted to `f64`.
fn widened(row: &[f32]) -> Vec<f64> {
    row.iter().map(|&mass| f64::from(mass)).collect()
}

/// Two rows whose masses differ by a relative amount of about `scale`; every seventh outcome has no mass.
fn rows_apart(n_outcomes: u32, scale: f64) -> (Vec<f32>, Vec<f32>) {
    let mass = |k: u32| {
        if k % 7 == 3 {
            0.0
        } else {
            f64::from(k * 37 % 101 + 1)
        }
    };
    let factor = |k: u32| 1.0 + scale * (f64::from(k * 53 % 97) / 48.0 - 1.0);
    let p = (0..n_outcomes).map(|k| (mass(k) * 1e-4) as f32);
    let q = (0..n_outcomes).map(|k| (mass(k) * 1e-4 * factor(k)) as f32);
    (p.collect(), q.collect())
}

#[test]
fn known_jensen_shannon_distances_are_reproduced() {
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
    let actual: f64 = distance(&[0.5, 0.5], &[0.5 + 1e-7, 0.5 - 1e-7]);
    assert_close(actual, 7.071067811865e-8, 1e-16);
}

/// Scale and shape of rows that [`hard_rows`] makes, and their Jensen-Shannon distance.
///
/// Printed by `scripts/jensen_shannon_references.py`, which computes with 60 digits. The masses of 1e-310 and
/// 1e-320 are below the smallest normal number.
const HARD_DISTANCES: [(&str, f64, f64); 30] = [
    ("nearly equal", 1.0, 8.827779292525056e-08),
    ("apart", 1.0, 0.8793647225854384),
    ("disjoint", 1.0, 1.8746927252040126),
    ("one outcome", 1.0, 1.8596246877069387),
    ("few outcomes", 1.0, 1.1877132720848291),
    ("nearly equal", 1e-30, 8.827779289581634e-23),
    ("apart", 1e-30, 8.793647225854385e-16),
    ("disjoint", 1e-30, 1.874692725204013e-15),
    ("one outcome", 1e-30, 1.8596246877069387e-15),
    ("few outcomes", 1e-30, 1.1877132720848291e-15),
    ("nearly equal", 1e-300, 8.82777929388165e-158),
    ("apart", 1e-300, 8.793647225854384e-151),
    ("disjoint", 1e-300, 1.8746927252040126e-150),
    ("one outcome", 1e-300, 1.8596246877069386e-150),
    ("few outcomes", 1e-300, 1.1877132720848291e-150),
    ("nearly equal", 1e-310, 8.827778955267087e-163),
    ("apart", 1e-310, 8.793647225854131e-156),
    ("disjoint", 1e-310, 1.874692725204005e-155),
    ("one outcome", 1e-310, 1.859624687706932e-155),
    ("few outcomes", 1e-310, 1.1877132720848271e-155),
    ("nearly equal", 1e-320, 0.0),
    ("apart", 1e-320, 8.793933938275543e-161),
    ("disjoint", 1e-320, 1.874745083829539e-160),
    ("one outcome", 1e-320, 1.859677638992835e-160),
    ("few outcomes", 1e-320, 1.1877562177197842e-160),
    ("nearly equal", f64::MAX / 8.0, 4.184699268575392e+146),
    ("apart", f64::MAX / 8.0, 4.168519385787896e+153),
    ("disjoint", f64::MAX / 8.0, 8.886748315798167e+153),
    ("one outcome", f64::MAX / 8.0, 8.815320153172244e+153),
    ("few outcomes", f64::MAX / 8.0, 5.630207435302418e+153),
];

/// Two rows of 27 outcomes, so that the last three fill no lanes.
fn hard_rows(shape: &str, scale: f64) -> [Vec<f64>; 2] {
    let pair = |k: u32| {
        let mass = f64::from(k * 37 % 101 + 1) / 128.0;
        let only_if = |condition: bool| if condition { mass } else { 0.0 };
        match shape {
            "nearly equal" => [mass, mass * (1.0 + 1e-7 * (f64::from(k % 3) - 1.0))],
            "apart" => [mass, mass * f64::from(k + 1) / 32.0],
            "disjoint" => [only_if(k % 2 == 1), only_if(k.is_multiple_of(2))],
            "one outcome" => [f64::from(u8::from(k == 4)), mass],
            _ => [only_if(k.is_multiple_of(5)), only_if(k.is_multiple_of(3))],
        }
    };
    [0, 1].map(|row| (0..27).map(|k| pair(k)[row] * scale).collect())
}

#[test]
fn double_precision_agrees_with_60_digits_for_hard_rows() {
    for (shape, scale, expected) in HARD_DISTANCES {
        let [p, q] = hard_rows(shape, scale);
        assert_close(distance(&p, &q), expected, 1e-13 * expected);
        assert_eq!(distance(&q, &p), distance(&p, &q));
        let scale = mass_scale(&p).min(mass_scale(&q));
        let scaled = |row: &[f64]| -> Vec<_> {
            let chunks = row.chunks(f64::LANES);
            chunks.map(|chunk| f64::prepare(chunk, scale)).collect()
        };
        let [p, q] = [scaled(&p), scaled(&q)];
        for extension in Extension::available() {
            let [divergence] = f64::divergences(extension, &p, [&q]);
            assert_close(divergence.sqrt() / scale.sqrt(), expected, 1e-13 * expected);
        }
    }
}

/// Jensen-Shannon distance of two rows of one outcome, from logarithms of the standard library.
fn distance_of_one_outcome(p: f64, q: f64) -> f64 {
    let sum = p + q;
    let delta = (p - q).abs() / sum;
    let square = delta * delta;
    // The two logarithms would cancel below; the first term left out of the series is below 1e-17 there.
    if delta < 0.25 {
        let series = (1..=12).rev().fold(0.0, |tail, k| {
            tail * square + 1.0 / f64::from(k * (2 * k - 1))
        });
        return (0.25 * sum * square * series).sqrt();
    }
    let smaller = 2.0 * p.min(q) / sum;
    let smaller_term = smaller * smaller.max(f64::MIN_POSITIVE).ln();
    (0.25 * sum * ((1.0 + delta) * delta.ln_1p() + smaller_term)).sqrt()
}

#[test]
fn double_precision_is_accurate_at_all_differences() {
    for extension in Extension::available() {
        for k in 0..=10_000 {
            let (p, q) = (0.3, 0.3 * f64::from(k) / 10_000.0);
            let expected = distance_of_one_outcome(p, q);
            for [p, q] in [[p, q], [q, p]] {
                let [divergence] = f64::divergences(extension, &lanes(&[p]), [&lanes(&[q])]);
                assert_close(divergence.sqrt(), expected, 5e-15 * expected);
            }
        }
    }
}

#[test]
fn double_precision_log_ratios_are_accurate_at_all_ratios() {
    // From the standard library: near 1 of the difference, and near 0 of the ratio itself.
    let expected = |p: f64, q: f64| {
        let (sum, difference) = (p + q, p - q);
        if difference > -0.5 * sum {
            (difference / sum).ln_1p()
        } else {
            (2.0 * p / sum).max(f64::MIN_POSITIVE).ln()
        }
    };
    let mut pairs: Vec<[f64; 2]> = (0..=10_000)
        .map(|k| [0.3, 0.3 * f64::from(k) / 10_000.0])
        .chain((-320..=0).map(|exponent| [0.7, 0.7 * 10f64.powi(exponent)]))
        .chain((-16..=0).map(|exponent| [0.7, 0.7 * (1.0 + 10f64.powi(exponent))]))
        .collect();
    // Masses below the smallest normal number, and the largest that are allowed.
    pairs.extend([[2e-310, 3e-310], [5e-324, 1e-323], [0.0, 5e-324]]);
    pairs.extend([[f64::MAX / 8.0, f64::MAX / 16.0], [f64::MAX / 8.0; 2]]);
    let p: Vec<f64> = pairs.iter().map(|pair| pair[0]).collect();
    let q: Vec<f64> = pairs.iter().map(|pair| pair[1]).collect();
    for extension in Extension::available() {
        let (mut logs_p, mut logs_q) = (vec![0.0; p.len()], vec![0.0; p.len()]);
        f64::add_log_ratios(extension, [&p, &q], 1.0, [&mut logs_p, &mut logs_q]);
        for (k, [p, q]) in pairs.iter().copied().enumerate() {
            let (own, other) = (expected(p, q), expected(q, p));
            assert_close(logs_p[k], own, 1e-14 * own.abs());
            assert_close(logs_q[k], other, 1e-14 * other.abs());
        }
    }
}

#[test]
fn double_precision_agrees_with_reference_values() {
    // Computed with 60 digits. The first two lie on either side of the limit between the two polynomials.
    let cases = [
        ([0.78125, 0.21875], [0.21875, 0.78125], 0.40966554778788805),
        ([0.7812, 0.2188], [0.2188, 0.7812], 0.40958786612208653),
        ([0.999, 0.001], [0.001, 0.999], 0.8277921994363762),
    ];
    for (p, q, expected) in cases {
        assert_close(distance(&p, &q), expected, 5e-15 * expected);
    }
}

#[test]
fn single_precision_agrees_with_double_at_all_distances() {
    for n_outcomes in [1, 15, 16, 17, 65, 197, 1000] {
        for exponent in -6..=0 {
            let (p, q) = rows_apart(n_outcomes, 10f64.powi(exponent));
            let expected = distance(&widened(&p), &widened(&q));
            assert_close(f64::from(distance(&p, &q)), expected, 1e-6 * expected);
        }
        let (p, _) = rows_apart(n_outcomes, 0.0);
        let first = [p.clone(), vec![0.0; p.len()]].concat();
        let second = [vec![0.0; p.len()], p].concat();
        let expected = distance(&widened(&first), &widened(&second));
        let actual = f64::from(distance(&first, &second));
        assert_close(actual, expected, 1e-6 * expected);
    }
}

#[test]
fn single_precision_keeps_its_accuracy_for_small_and_large_masses() {
    // Masses of 1e-42 are below the smallest normal number.
    for scale in [1e-42, 1e-36, 1e-20, 1e20, f64::from(f32::MAX / 8.0)] {
        for shape in ["nearly equal", "apart", "disjoint", "one outcome"] {
            let [p, q] = hard_rows(shape, scale).map(|row| {
                let narrow = row.iter().map(|&mass| mass as f32);
                narrow.collect::<Vec<_>>()
            });
            let expected = distance(&widened(&p), &widened(&q));
            assert_close(f64::from(distance(&p, &q)), expected, 1e-6 * expected);
        }
    }
}

#[test]
fn rows_without_mass_are_at_distance_zero() {
    assert_eq!(distance(&[0.0_f32; 20], &[0.0; 20]), 0.0);
    assert_eq!(distance(&[0.0_f64; 20], &[0.0; 20]), 0.0);
}

fn assert_matrix_entries_equal_distances_of_single_pairs<T: DistanceElement>(n_outcomes: usize) {
    let rows: Vec<T> = (0..11 * n_outcomes)
        .map(|k| T::from_f64_nearest((k * 71 % 53 + 1) as f64 * 1e-3))
        .collect();
    for distance in [
        RowMetric::JensenShannon,
        RowMetric::Hellinger,
        RowMetric::TotalVariation,
        RowMetric::Cosine,
        RowMetric::Euclidean,
    ] {
        let matrix = distance_matrix(with_exponent_1(distance), &rows, n_outcomes);
        for i in 0..11 {
            for j in 0..11 {
                let row = |k: usize| &rows[k * n_outcomes..][..n_outcomes];
                let pair = distance_matrix(
                    with_exponent_1(distance),
                    &[row(i), row(j)].concat(),
                    n_outcomes,
                );
                assert_eq!(matrix[i * 11 + j], pair[1]);
            }
        }
    }
}

#[test]
fn matrix_entries_equal_distances_of_single_pairs() {
    for n_outcomes in [27, 37] {
        assert_matrix_entries_equal_distances_of_single_pairs::<f32>(n_outcomes);
        assert_matrix_entries_equal_distances_of_single_pairs::<f64>(n_outcomes);
    }
}

#[test]
fn all_vector_extensions_are_accurate() {
    for n_outcomes in [1, 15, 16, 17, 197, 300] {
        for scale in [0.0, 1e-6, 1e-4, 1e-2, 1.0] {
            let (p, q) = rows_apart(n_outcomes, scale);
            let expected = distance(&widened(&p), &widened(&q));
            let [lanes_p, lanes_q] = [&p, &q].map(|row| lanes(row));
            for extension in Extension::available() {
                let actual = f32::divergences(extension, &lanes_p, [&lanes_q])[0].sqrt();
                assert_close(actual, expected, 1e-6 * expected);
                let (mut grad_p, mut grad_q) = (vec![0.0; p.len()], vec![0.0; p.len()]);
                f32::add_log_ratios(extension, [&p, &q], 0.5, [&mut grad_p, &mut grad_q]);
                let (mut wide_p, mut wide_q) = (vec![0.0; p.len()], vec![0.0; p.len()]);
                let rows = [widened(&p), widened(&q)];
                let gradients = [&mut wide_p[..], &mut wide_q[..]];
                f64::add_log_ratios(extension, [&rows[0], &rows[1]], 0.5, gradients);
                for (actual, wide) in [(grad_p, wide_p), (grad_q, wide_q)] {
                    for (actual, expected) in actual.into_iter().zip(wide) {
                        // Without mass the logarithm is that of the smallest normal number of `f32`.
                        let expected = expected.max(0.5 * f64::from(f32::MIN_POSITIVE.ln()));
                        assert_close(f64::from(actual), expected, 1e-6 * expected.abs());
                    }
                }
            }
        }
    }
}

#[test]
fn other_known_distances_are_reproduced() {
    let cases: [(RowMetric, &[f64], &[f64], f64); 12] = [
        (RowMetric::Hellinger, &[1.0, 0.0], &[0.0, 1.0], 1.0),
        // sqrt(1 - (sqrt(1/8) + sqrt(1/8))) of (1/2, 1/2, 0) and (1/4, 1/4, 1/2).
        (
            RowMetric::Hellinger,
            &[0.5, 0.5, 0.0],
            &[0.25, 0.25, 0.5],
            0.541196100,
        ),
        (RowMetric::TotalVariation, &[1.0, 0.0], &[0.0, 1.0], 1.0),
        (
            RowMetric::TotalVariation,
            &[0.5, 0.5, 0.0],
            &[0.25, 0.25, 0.5],
            0.5,
        ),
        (
            RowMetric::TotalVariation,
            &[0.2, 0.3, 0.5],
            &[0.5, 0.3, 0.2],
            0.3,
        ),
        (RowMetric::TotalVariation, &[0.4, 0.6], &[0.4, 0.6], 0.0),
        (RowMetric::Euclidean, &[0.0, 3.0], &[4.0, 0.0], 5.0),
        (RowMetric::Cosine, &[1.0, 0.0], &[3.0, 3.0], 0.292893219),
        (RowMetric::Cosine, &[1.0, 2.0], &[-2.0, -4.0], 2.0),
        (RowMetric::Cosine, &[0.0, 0.0], &[3.0, 3.0], 1.0),
        (RowMetric::Cosine, &[0.0, 0.0], &[0.0, 0.0], 0.0),
        (RowMetric::Attention, &[0.7, 0.3], &[0.4, 0.6], 0.6),
    ];
    for (metric, p, q, expected) in cases {
        let rows = [p, q].concat();
        assert_close(
            distance_matrix(with_exponent_1(metric), &rows, p.len())[1],
            expected,
            1e-9,
        );
        let narrow: Vec<f32> = rows.iter().map(|&x| x as f32).collect();
        let actual = f64::from(distance_matrix(with_exponent_1(metric), &narrow, p.len())[1]);
        assert_close(actual, expected, 1e-6 * expected);
    }
}

#[test]
fn exponent_raises_the_metric_to_a_power() {
    let rows = [0.7, 0.3, 0.4, 0.6];
    for metric in ALL_METRICS {
        let base = distance_matrix(with_exponent_1(metric), &rows, 2)[1];
        for exponent in [0.5, 2.0, 3.0] {
            let distance = RowDistance { metric, exponent };
            assert_close(
                distance_matrix(distance, &rows, 2)[1],
                base.powf(exponent),
                1e-15,
            );
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
    for metric in ALL_METRICS {
        for exponent in [0.5, 1.0, 2.0] {
            let distance = RowDistance { metric, exponent };
            for [i, j] in [[0, 1], [1, 3], [0, 2]] {
                let gradient = gradient_by_matrix(distance, &rows, [i, j], 2.0);
                for k in 0..16 {
                    let at = |step: f64| {
                        let mut moved = rows;
                        moved[k] += step;
                        distance_matrix(distance, &moved, 4)[i * 4 + j]
                    };
                    let slope = (at(1e-6) - at(-1e-6)) / 1e-6;
                    assert_close(gradient[k], slope, 1e-7);
                }
            }
        }
    }
}

#[test]
fn zero_distances_have_zero_gradient() {
    let equal = [0.25, 0.75, 0.25, 0.75];
    let zeros = [0.0, 0.0, 1.0, 0.0];
    for metric in ALL_METRICS {
        for exponent in [0.5, 1.0, 2.0] {
            let distance = RowDistance { metric, exponent };
            // The attention distance of these rows is not zero.
            if metric != RowMetric::Attention {
                assert_eq!(gradient_by_matrix(distance, &equal, [0, 1], 1.0), [0.0; 4]);
            }
            let gradient = gradient_by_matrix(distance, &zeros, [0, 1], 1.0);
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{metric:?} {gradient:?}"
            );
        }
    }
    let attention = |rows: [f64; 4]| {
        gradient_by_matrix(with_exponent_1(RowMetric::Attention), &rows, [0, 1], 1.0)
    };
    assert_eq!(attention([0.0, 1.0, 0.2, 0.8]), [0.0; 4]); // full attention is distance zero
    assert_eq!(attention([0.5, 0.5, 0.5, 0.5]), [0.0, -0.5, -0.5, 0.0]); // a tie
}

#[test]
fn total_variation_has_zero_gradient_where_entries_are_equal() {
    let distance = with_exponent_1(RowMetric::TotalVariation);
    let rows = [0.5, 0.3, 0.2, 0.1, 0.3, 0.6, 0.2, 0.2, 0.6];
    assert_eq!(
        gradient_by_matrix(distance, &rows, [0, 1], 2.0),
        [1.0, 0.0, -1.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn sums_of_differences_are_accurate_for_all_vector_extensions() {
    for n_outcomes in [1, 7, 8, 9, 197] {
        let (p, q) = rows_apart(n_outcomes, 1e-2);
        let [p, q] = [widened(&p), widened(&q)];
        let expected: f64 = p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum();
        for extension in Extension::available() {
            let [actual] = sums_of_differences(extension, &p, [&q]);
            assert_close(actual, expected, 1e-14 * expected);
        }
    }
}

#[test]
fn reused_workspace_gives_the_same_distances() {
    for distance in ALL_METRICS.map(with_exponent_1) {
        let mut workspace = PairwiseDistances::default();
        workspace.compute(distance, &[0.1_f32; 900], 30, &mut [1.0; 900]);
        let mut distances = [1.0; 4];
        workspace.compute(distance, &[0.9, 0.1, 0.2, 0.8], 2, &mut distances);
        assert_eq!(
            distances.to_vec(),
            distance_matrix(distance, &[0.9, 0.1, 0.2, 0.8_f32], 2)
        );
    }
}

#[test]
fn zero_points_and_one_point_are_accepted() {
    for distance in ALL_METRICS.map(with_exponent_1) {
        let mut workspace = PairwiseDistances::<f32>::default();
        workspace.compute(distance, &[], 0, &mut []);
        let mut distances = [1.0];
        workspace.compute(distance, &[1.0], 1, &mut distances);
        assert_eq!(distances, [0.0]);
    }
}

#[test]
fn jensen_shannon_gradient_agrees_with_central_differences() {
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
fn single_precision_gradient_agrees_with_double() {
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
fn equal_rows_have_zero_gradient() {
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
    fn double_precision_kernels_are_symmetric_and_zero_for_equal_rows(
        n_outcomes in 1_usize..40,
        masses in prop::collection::vec(prop_oneof![Just(0.0_f64), 1e-300..1e-290_f64, 1e-6..1.0_f64], 160),
    ) {
        let rows: Vec<_> = masses.chunks(40).map(|row| lanes(&row[..n_outcomes])).collect();
        let rows: [&[_]; 4] = std::array::from_fn(|i| &rows[i][..]);
        for extension in Extension::available() {
            let divergences = rows.map(|row| f64::divergences(extension, row, rows));
            for i in 0..4 {
                prop_assert_eq!(divergences[i][i], 0.0);
                for j in 0..4 {
                    prop_assert_eq!(divergences[i][j], divergences[j][i]);
                    let [single] = f64::divergences(extension, rows[i], [rows[j]]);
                    prop_assert_eq!(divergences[i][j], single);
                }
            }
        }
    }
    #[test]
    fn single_precision_matrix_is_symmetric_and_accurate(
        n_outcomes in 1_usize..40,
        masses in prop::collection::vec(prop_oneof![Just(0.0_f32), 1e-6_f32..1.0], 160),
    ) {
        let rows = &masses[..4 * n_outcomes];
        let actual = jensen_shannon_matrix(rows, n_outcomes);
        let expected = jensen_shannon_matrix(&widened(rows), n_outcomes);
        for (index, (&actual_ij, &expected_ij)) in actual.iter().zip(&expected).enumerate() {
            prop_assert_eq!(actual_ij, actual[index % 4 * 4 + index / 4]);
            prop_assert!((f64::from(actual_ij) - expected_ij).abs() <= 1e-6 * expected_ij);
        }
    }
    #[test]
    fn total_variation_is_a_metric_of_distributions(
        n_outcomes in 1_usize..40,
        masses in prop::collection::vec(prop_oneof![Just(0.0_f64), 1e-6..1.0_f64], 120),
    ) {
        let mut rows = masses[..3 * n_outcomes].to_vec();
        for row in rows.chunks_mut(n_outcomes) {
            // The first outcome always has mass, so that every row can be normalised.
            row[0] += 1e-3;
            let total: f64 = row.iter().sum();
            row.iter_mut().for_each(|mass| *mass /= total);
        }
        let distances =
            distance_matrix(with_exponent_1(RowMetric::TotalVariation), &rows, n_outcomes);
        let d = |i: usize, j: usize| distances[i * 3 + j];
        for [i, j, k] in [[0, 1, 2], [1, 2, 0], [2, 0, 1]] {
            prop_assert_eq!(d(i, j), d(j, i));
            prop_assert!((0.0..=1.0 + 1e-14).contains(&d(i, j)));
            prop_assert!(d(i, j) <= d(i, k) + d(k, j) + 1e-14);
        }
    }
}
