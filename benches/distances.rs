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
        // The largest maps only for the default metric, so that the benchmark stays short.
        let sizes: &[usize] = match metric {
            RowMetric::JensenShannon => &[17, 65, 197, 257, 1370],
            _ => &[17, 65, 197, 257],
        };
        for &n in sizes {
            if n > 1000 {
                group.sample_size(10);
            }
            let rows = rows::<T>(n);
            let mut distances = vec![T::zero(); n * n];
            let mut workspace = PairwiseDistances::default();
            group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
                bencher.iter(|| workspace.compute(distance, black_box(&rows), n, &mut distances));
            });
        }
    }
}

fn gradient<T: DistanceElement>(criterion: &mut Criterion, precision: &str) {
    let rows = rows::<T>(197);
    for (name, metric) in METRICS {
        let distance = RowDistance {
            metric,
            exponent: 1.0,
        };
        let mut distances = vec![T::zero(); 197 * 197];
        PairwiseDistances::default().compute(distance, &rows, 197, &mut distances);
        // Any two rows will do, because the time of a gradient does not depend on them.
        let value = distances[3 * 197 + 90].to_f64_exact();
        let ends = [3, 90].map(|vertex| &rows[vertex * 197..][..197]);
        let (mut grad_p, mut grad_q) = ([T::zero(); 197], [T::zero(); 197]);
        criterion.bench_function(&format!("gradient/{name}/{precision}/197"), |bencher| {
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
    gradient::<f32>(criterion, "f32");
    gradient::<f64>(criterion, "f64");
}

criterion_group!(benches, all);
criterion_main!(benches);
