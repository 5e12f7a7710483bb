//! Time of all pairwise distances between the rows of an attention map, and of the gradient of one distance.

use std::hint::black_box;

use burn_topology::distance::{DistanceElement, PairwiseDistances, RowDistance, RowMetric};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const METRICS: [(&str, RowMetric); 6] = [
    ("jensen_shannon", RowMetric::JensenShannon),
    ("hellinger", RowMetric::Hellinger),
    ("total_variation", RowMetric::TotalVariation),
    ("cosine", RowMetric::Cosine),
    ("euclidean", RowMetric::Euclidean),
    ("attention", RowMetric::Attention),
];

/// Rows of an attention map: the softmax of reproducible pseudorandom scores.
fn rows<T: DistanceElement>(n: usize) -> Vec<T> {
    let score = |k: usize| (((k * 7919 + 13) % 1009) as f64 / 1009.0 - 0.5) * 4.0;
    let mut values: Vec<f64> = (0..n * n).map(|k| score(k).exp()).collect();
    for row in values.chunks_mut(n) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
    values.into_iter().map(T::from_f64_nearest).collect()
}

fn pairwise<T: DistanceElement>(criterion: &mut Criterion, precision: &str) {
    for (name, metric) in METRICS {
        let distance = RowDistance {
            metric,
            exponent: 1.0,
        };
        let mut group = criterion.benchmark_group(format!("pairwise/{name}/{precision}"));
        for n in [17, 65, 197] {
            let rows = rows::<T>(n);
            let mut distances = vec![T::zero(); n * n];
            let mut workspace = PairwiseDistances::default();
            group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
                bencher.iter(|| workspace.compute(distance, black_box(&rows), n, &mut distances));
            });
        }
    }
}

fn gradient(criterion: &mut Criterion) {
    let rows = rows::<f32>(197);
    for (name, metric) in METRICS {
        let distance = RowDistance {
            metric,
            exponent: 1.0,
        };
        let mut distances = vec![0.0; 197 * 197];
        PairwiseDistances::default().compute(distance, &rows, 197, &mut distances);
        // Any two rows will do, because the time of a gradient does not depend on them.
        let value = f64::from(distances[3 * 197 + 90]);
        let ends = [3, 90].map(|vertex| &rows[vertex * 197..][..197]);
        let (mut grad_p, mut grad_q) = ([0.0; 197], [0.0; 197]);
        criterion.bench_function(&format!("gradient/{name}/f32/197"), |bencher| {
            bencher.iter(|| {
                let gradients = [&mut grad_p[..], &mut grad_q[..]];
                distance.accumulate_gradient(black_box(ends), [3, 90], value, 1.0, gradients);
            });
        });
    }
}

fn all(criterion: &mut Criterion) {
    pairwise::<f32>(criterion, "f32");
    pairwise::<f64>(criterion, "f64");
    gradient(criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
