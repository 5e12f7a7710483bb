//! Time of persistence diagrams of matrices with and without structure, of distances between diagrams, and of
//! divergences.

use std::hint::black_box;

use burn_topology::topology::{
    Diagram, DistanceMatrix, GroundNorm, Point, Power, VietorisRips, bottleneck, rtd, rtd_lite,
    sliced_wasserstein, sorted_wasserstein, wasserstein,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Reproducible pseudorandom number in `[0, 1)`.
fn noise(k: usize) -> f64 {
    // The multipliers of SplitMix64; `k + 1`, because 0 would stay 0.
    let mixed = (k as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 40) as f64 / (1_u64 << 24) as f64
}

/// Distance matrix of noisy points on a grid, or a matrix of independent random entries.
fn distances(kind: &str, n: usize) -> Vec<f64> {
    let side = n.isqrt().max(1);
    let point = |i: usize| {
        [
            (i % side) as f64 + 0.5 * noise(2 * i),
            (i / side) as f64 + 0.5 * noise(2 * i + 1),
        ]
    };
    let entry = |i: usize, j: usize| match kind {
        _ if i == j => 0.0,
        "grid" => {
            let (a, b) = (point(i), point(j));
            (a[0] - b[0]).hypot(a[1] - b[1])
        }
        // Sorted indices make the matrix symmetric.
        _ => 0.5 + noise(i.min(j) * n + i.max(j)),
    };
    (0..n * n).map(|k| entry(k / n, k % n)).collect()
}

fn diagrams(kind: &str, n: usize) -> Vec<Diagram<f64>> {
    let values = distances(kind, n);
    let matrix = DistanceMatrix::new(&values, n).expect("distances");
    let mut rips = VietorisRips::new(1).expect("dimension 1");
    rips.diagrams(&matrix).expect("a small matrix")
}

fn persistence(criterion: &mut Criterion) {
    for (kind, max_dim, sizes) in [
        ("grid", 0, &[65, 197][..]),
        ("grid", 1, &[17, 65, 197, 1024]),
        ("noise", 1, &[17, 65, 197]),
        ("grid", 2, &[65]),
    ] {
        let mut group = criterion.benchmark_group(format!("persistence/h{max_dim}/{kind}"));
        for &n in sizes {
            let values: Vec<f32> = distances(kind, n).iter().map(|&d| d as f32).collect();
            // Kept between the iterations, as in training, so that its buffers are reused.
            let mut rips = VietorisRips::new(max_dim).expect("a dimension");
            group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
                bencher.iter(|| {
                    let matrix = DistanceMatrix::new(black_box(&values), n).expect("distances");
                    rips.diagrams(&matrix).expect("a small matrix")
                });
            });
        }
    }
}

fn matching(criterion: &mut Criterion) {
    let (first, second) = (diagrams("grid", 197), diagrams("noise", 197));
    let norm = GroundNorm::Infinity;
    for dim in 0..2 {
        let points = |diagram: &Diagram<f64>| -> Vec<Point> {
            diagram.finite().map(|b| [b.birth, b.death]).collect()
        };
        let (x, y) = (points(&first[dim]), points(&second[dim]));
        let mut bench = |name: &str, distance: &dyn Fn() -> f64| {
            let name = format!("matching/h{dim}/{}x{}/{name}", x.len(), y.len());
            criterion.bench_function(&name, |bencher| bencher.iter(distance));
        };
        for order in [1.0, 2.0, 3.0] {
            let name = format!("wasserstein{order}");
            bench(&name, &|| {
                wasserstein(&x, &y, order, norm).expect("bars").distance
            });
        }
        bench("bottleneck", &|| {
            bottleneck(&x, &y, norm).expect("bars").distance
        });
        let sliced = || {
            sliced_wasserstein(&x, &y, 2.0, 20, Power::P)
                .expect("bars")
                .value
        };
        bench("sliced20", &sliced);
        if dim == 0 {
            bench("sorted", &|| {
                sorted_wasserstein(&x, &y, 2.0, Power::P)
                    .expect("bars")
                    .value
            });
        }
    }
}

fn divergence(criterion: &mut Criterion) {
    let (first, second) = (distances("grid", 197), distances("noise", 197));
    let [first, second] =
        [&first, &second].map(|d| DistanceMatrix::new(d, 197).expect("distances"));
    criterion.bench_function("divergence/rtd_lite/197", |bencher| {
        bencher.iter(|| rtd_lite(black_box(&first), &second).expect("finite").value);
    });
    criterion.bench_function("divergence/rtd/197", |bencher| {
        bencher.iter(|| rtd(black_box(&first), &second).expect("finite").value);
    });
}

criterion_group!(benches, persistence, matching, divergence);
criterion_main!(benches);
