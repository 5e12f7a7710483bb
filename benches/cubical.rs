//! Time of persistence diagrams of images and volumes, and of Betti matchings, with critical pixels, on one thread.

use std::hint::black_box;

use burn_topology::topology::{CubicalComplex, GreyImage, Volume};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Reproducible pseudorandom number in `[0, 1)`.
fn noise(k: usize) -> f32 {
    // The multipliers of SplitMix64; `k + 1`, because 0 would stay 0.
    let mixed = (k as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 40) as f32 / (1_u32 << 24) as f32
}

/// Image of independent noise, of waves, or of two values.
fn image(kind: &str, side: usize) -> Vec<f32> {
    let wave = |k: usize| {
        let (row, column) = ((k / side) as f32, (k % side) as f32);
        (0.31 * row).sin() * (0.17 * column).cos() + 0.3 * (0.05 * row + 0.11 * column).sin()
    };
    let value = |k| match kind {
        "noise" => noise(k),
        "waves" => wave(k),
        _ => f32::from(u8::from(noise(k) > 0.5)),
    };
    (0..side * side).map(value).collect()
}

fn images(criterion: &mut Criterion) {
    for kind in ["noise", "waves", "mask"] {
        let mut group = criterion.benchmark_group(format!("cubical/image/{kind}"));
        for side in [16, 64, 512] {
            let values = image(kind, side);
            // Kept between the iterations, as in training, so that its buffers are reused.
            let mut complex = CubicalComplex::default();
            group.bench_function(BenchmarkId::from_parameter(side), |bencher| {
                bencher.iter(|| {
                    let image = GreyImage::new(black_box(&values), [side, side]).expect("numbers");
                    complex.image_diagrams(&image)
                });
            });
        }
    }
}

fn matchings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cubical/betti_matching/noise");
    for side in [16, 64, 512] {
        let values: Vec<f32> = (0..2 * side * side).map(noise).collect();
        let (first, second) = values.split_at(side * side);
        let mut complex = CubicalComplex::default();
        group.bench_function(BenchmarkId::from_parameter(side), |bencher| {
            bencher.iter(|| {
                let images = [first, second].map(|values| GreyImage::new(values, [side, side]));
                let [Ok(first), Ok(second)] = images else {
                    panic!("numbers")
                };
                complex.betti_matching(black_box(&first), &second)
            });
        });
    }
}

fn volumes(criterion: &mut Criterion) {
    let shape = [16, 64, 64];
    let values: Vec<f32> = (0..shape.iter().product()).map(noise).collect();
    let volume = Volume::new(&values, shape).expect("numbers");
    for max_dim in [0, 2] {
        let mut complex = CubicalComplex::default();
        let name = format!("cubical/volume/h{max_dim}/16x64x64");
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| complex.volume_diagrams(black_box(&volume), max_dim));
        });
    }
}

criterion_group!(benches, images, matchings, volumes);
criterion_main!(benches);
