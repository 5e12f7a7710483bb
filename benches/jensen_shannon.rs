//! All pairwise distances of a matrix of attention rows.

use std::hint::black_box;

use burn_topology::distance::{JensenShannon, JensenShannonKernel, accumulate_gradient};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Softmax rows of repeatable scores.
fn rows<T: JensenShannonKernel>(n: usize) -> Vec<T> {
    let score = |k: usize| (((k * 7919 + 13) % 1009) as f64 / 1009.0 - 0.5) * 4.0;
    let mut values: Vec<f64> = (0..n * n).map(|k| score(k).exp()).collect();
    for row in values.chunks_mut(n) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
    values.into_iter().map(T::from_f64_nearest).collect()
}

fn pairwise<T: JensenShannonKernel>(criterion: &mut Criterion, name: &str) {
    let mut group = criterion.benchmark_group(name);
    for n in [17, 65, 197] {
        let rows = rows::<T>(n);
        let mut distances = vec![T::zero(); n * n];
        let mut jensen_shannon = JensenShannon::default();
        group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
            bencher.iter(|| jensen_shannon.pairwise(black_box(&rows), n, &mut distances));
        });
    }
}

fn gradient(criterion: &mut Criterion) {
    let rows = rows::<f32>(197);
    let (p, q) = (&rows[..197], &rows[197..394]);
    let (mut grad_p, mut grad_q) = ([0.0; 197], [0.0; 197]);
    criterion.bench_function("gradient_f32/197", |bencher| {
        bencher.iter(|| accumulate_gradient(black_box(p), q, 1.0, &mut grad_p, &mut grad_q));
    });
}

fn all(criterion: &mut Criterion) {
    pairwise::<f32>(criterion, "pairwise_f32");
    pairwise::<f64>(criterion, "pairwise_f64");
    gradient(criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
