//! Diagrams of dimension 0 from some of the distances: the same bars and edges as from all of them.

use burn_topology::distance::{DistanceElement, PairwiseDistances, RowDistance, RowMetric};
use burn_topology::topology::{Diagram, DistanceMatrix, VietorisRips};
use proptest::prelude::*;

/// Metrics that have the bounds by which distances are left out.
const METRICS: [RowMetric; 4] = [
    RowMetric::JensenShannon,
    RowMetric::Hellinger,
    RowMetric::Cosine,
    RowMetric::Euclidean,
];

fn diagram_of_all<T: DistanceElement>(
    distance: RowDistance,
    rows: &[T],
    n_columns: usize,
) -> Diagram<T> {
    let n_points = rows.len() / n_columns;
    let mut distances = vec![T::zero(); n_points * n_points];
    PairwiseDistances::default().compute(distance, rows, n_columns, &mut distances);
    let matrix = DistanceMatrix::new(&distances, n_points).expect("a distance matrix");
    let mut rips = VietorisRips::new(0).expect("dimension 0");
    rips.diagrams(&matrix).expect("a small matrix").remove(0)
}

/// Asserts that both ways give the same diagram, and returns true if distances were left out.
fn assert_equal_diagrams<T: DistanceElement>(
    distance: RowDistance,
    rows: &[T],
    n_columns: usize,
) -> bool {
    let n_points = rows.len() / n_columns;
    let mut pairwise = PairwiseDistances::default();
    let Some(edges) = pairwise.spanning_edges(distance, rows, n_columns) else {
        return false;
    };
    let mut rips = VietorisRips::new(0).expect("dimension 0");
    assert_eq!(
        rips.component_diagram(n_points, edges).bars,
        diagram_of_all(distance, rows, n_columns).bars,
        "{distance:?}"
    );
    true
}

/// Kind of rows that bounds, ties or rounding could get wrong.
#[derive(Debug, Clone, Copy)]
enum Rows {
    /// Softmax of smooth scores and noise of this size, with a temperature.
    Smooth(f64, f64),
    /// Softmax of independent scores of this size; near collapse if it is small.
    Independent(f64),
    /// Few distinct masses, so that many distances are equal, and some rows too.
    Tied,
    /// One outcome has all mass.
    OneHot,
    /// Two groups of rows without a common outcome.
    Disjoint,
    /// Smooth rows, each twice.
    Duplicated,
    /// Smooth rows whose sums lie between 1e-30 and 1.
    Scaled,
}

impl Rows {
    /// Draws the rows; `draw(k)` is uniform in `[0, 1)`.
    fn draw(self, [n, m]: [usize; 2], draw: impl Fn(usize) -> f64) -> Vec<f64> {
        let wave =
            |i: usize, k: usize| (i as f64 * 0.37 - k as f64 * 0.61 * n as f64 / m as f64).cos();
        let softmax = |score: &dyn Fn(usize, usize) -> f64| {
            let mut rows: Vec<f64> = (0..n * m).map(|at| score(at / m, at % m).exp()).collect();
            for row in rows.chunks_exact_mut(m) {
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|x| *x /= sum);
            }
            rows
        };
        match self {
            Self::Smooth(noise, inverse_temperature) => {
                softmax(&|i, k| inverse_temperature * (wave(i, k) + noise * draw(i * m + k)))
            }
            Self::Independent(size) => softmax(&|i, k| size * (draw(i * m + k) - 0.5)),
            Self::Tied => (0..n * m)
                .map(|at| (draw(at) * 3.0).floor() / m as f64)
                .collect(),
            Self::OneHot => (0..n * m)
                .map(|at| f64::from(u8::from((draw(at / m) * m as f64) as usize == at % m)))
                .collect(),
            Self::Disjoint => softmax(&|i, k| {
                // A single column has mass in every row, since a row without any is no distribution.
                if i % 2 == k % 2 || m == 1 {
                    2.0 * wave(i, k) + draw(i * m + k)
                } else {
                    f64::NEG_INFINITY
                }
            }),
            Self::Duplicated => softmax(&|i, k| 3.0 * wave(i / 2, k) + draw(i / 2 * m + k)),
            Self::Scaled => {
                let mut rows = softmax(&|i, k| 3.0 * wave(i, k));
                for (i, row) in rows.chunks_exact_mut(m).enumerate() {
                    let scale = 10f64.powf(-30.0 * draw(i));
                    row.iter_mut().for_each(|x| *x *= scale);
                }
                rows
            }
        }
    }
}

fn kinds() -> impl Strategy<Value = Rows> {
    prop_oneof![
        (0.0..2.0, 0.1..8.0).prop_map(|(noise, sharpness)| Rows::Smooth(noise, sharpness)),
        (-18.0..2.0).prop_map(|log: f64| Rows::Independent(log.exp())),
        Just(Rows::Tied),
        Just(Rows::OneHot),
        Just(Rows::Disjoint),
        Just(Rows::Duplicated),
        Just(Rows::Scaled),
    ]
}

/// Number in `[0, 1)` that depends on the seed and an index.
fn noise(seed: u64, k: usize) -> f64 {
    let mixed = (seed ^ (k as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 40) as f64
        / (1_u64 << 24) as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn some_distances_give_the_same_diagram_as_all(
        kind in kinds(),
        n in 24..90usize,
        m in 1..70usize,
        seed in any::<u64>(),
        metric in prop::sample::select(&METRICS[..]),
        exponent in prop_oneof![Just(1.0), Just(2.0), Just(0.5), 0.25..2.0],
        scale in prop_oneof![Just(1.0), Just(1e-30), Just(1e-12), Just(1e12)],
    ) {
        let mut rows = kind.draw([n, m], |k| noise(seed, k));
        rows.iter_mut().for_each(|x| *x *= scale);
        let distance = RowDistance { metric, exponent };
        assert_equal_diagrams(distance, &rows, m);
        let narrow: Vec<f32> = rows.iter().map(|&x| x as f32).collect();
        assert_equal_diagrams(distance, &narrow, m);
    }
}

#[test]
fn distances_are_left_out_of_rows_with_structure() {
    let rows = Rows::Smooth(0.5, 3.0).draw([80, 80], |k| noise(7, k));
    let near_collapse = Rows::Independent(1e-3).draw([80, 80], |k| noise(7, k));
    for metric in METRICS {
        let distance = RowDistance {
            metric,
            exponent: 1.0,
        };
        assert!(assert_equal_diagrams(distance, &rows, 80), "{metric:?}");
        assert!(
            assert_equal_diagrams(distance, &near_collapse, 80),
            "{metric:?}"
        );
    }
}

#[test]
fn all_distances_are_computed_where_bounds_are_not_known() {
    let rows = Rows::Smooth(0.5, 3.0).draw([40, 40], |k| noise(7, k));
    let leaves_out = |metric, exponent, rows: &[f64]| {
        let distance = RowDistance { metric, exponent };
        let mut pairwise = PairwiseDistances::default();
        pairwise.spanning_edges(distance, rows, 40).is_some()
    };
    assert!(leaves_out(RowMetric::JensenShannon, 1.0, &rows));
    assert!(!leaves_out(RowMetric::TotalVariation, 1.0, &rows));
    assert!(!leaves_out(RowMetric::Attention, 1.0, &rows));
    assert!(!leaves_out(RowMetric::JensenShannon, 1e-3, &rows));
    assert!(!leaves_out(RowMetric::JensenShannon, 30.0, &rows));
    assert!(!leaves_out(RowMetric::JensenShannon, 1.0, &rows[..400]));
    // A vector of zeros has no angle, and numbers can be too large for single precision.
    let mut with_zero = rows.clone();
    with_zero[..40].fill(0.0);
    assert!(!leaves_out(RowMetric::Cosine, 1.0, &with_zero));
    assert!(leaves_out(RowMetric::Euclidean, 1.0, &with_zero));
    let large: Vec<f64> = rows.iter().map(|x| x * 1e200).collect();
    assert!(!leaves_out(RowMetric::Euclidean, 1.0, &large));
    let invalid: Vec<f64> = rows.iter().map(|_| f64::NAN).collect();
    assert!(!leaves_out(RowMetric::JensenShannon, 1.0, &invalid));
}

#[test]
fn the_distance_of_two_rows_is_that_of_the_matrix() {
    for m in [1, 7, 16, 19, 33] {
        let rows = Rows::Smooth(1.0, 2.0).draw([30, m], |k| noise(3, k));
        let narrow: Vec<f32> = rows.iter().map(|&x| x as f32).collect();
        for metric in METRICS {
            let distance = RowDistance {
                metric,
                exponent: 1.0,
            };
            let mut all = vec![0.0_f32; 900];
            PairwiseDistances::default().compute(distance, &narrow, m, &mut all);
            let mut all_wide = vec![0.0; 900];
            PairwiseDistances::default().compute(distance, &rows, m, &mut all_wide);
            for (i, j) in (0..900).map(|at| (at / 30, at % 30)) {
                let pair = [i, j].map(|row| row * m..(row + 1) * m);
                let single = distance.between(pair.clone().map(|row| &narrow[row]));
                assert_eq!(single, all[i * 30 + j]);
                assert_eq!(
                    distance.between(pair.map(|row| &rows[row])),
                    all_wide[i * 30 + j]
                );
            }
        }
    }
}
