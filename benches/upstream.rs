//! Time of operations that are slow on the CPU backend of Burn 0.22.1, and of the versions of this crate.
//!
//! Each is a minimal reproduction for a report to Burn: `cargo bench --bench upstream`.

use burn::nn::{LayerNormConfig, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::{Distribution, activation};
use burn_topology::burn;
use burn_topology::fused::{AdamW, Gelu, attention, gelu, layer_norm, linear};
use criterion::{Criterion, criterion_group, criterion_main};

/// Times forward and backward passes of Burn's version and this crate's, on 64 sequences of 65 tokens.
fn bench_both<const D: usize>(
    criterion: &mut Criterion,
    name: &str,
    shape: [usize; D],
    burn_version: impl Fn(Tensor<D>) -> Tensor<1>,
    own_version: impl Fn(Tensor<D>) -> Tensor<1>,
) {
    let device = Device::flex().autodiff();
    let x = Tensor::<D>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let mut time = |form: &str, function: &dyn Fn(Tensor<D>) -> Tensor<1>| {
        criterion.bench_function(&format!("{name}/{form}"), |bencher| {
            bencher.iter(|| function(x.clone().require_grad()).backward());
        });
    };
    time("burn", &burn_version);
    time("here", &own_version);
}

fn operations(criterion: &mut Criterion) {
    let device = Device::flex().autodiff();
    bench_both(
        criterion,
        "gelu",
        [4160, 256],
        |x| activation::gelu(x).sum(),
        |x| gelu(x, Gelu::Erf).sum(),
    );
    let norm = LayerNormConfig::new(64).init(&device);
    let beta = norm.beta.as_ref().map(|beta| beta.val()).expect("a shift");
    bench_both(
        criterion,
        "layer_norm",
        [4160, 64],
        |x| norm.forward(x).sum(),
        |x| layer_norm(x, norm.gamma.val(), beta.clone(), 1e-5).sum(),
    );
    let layer = LinearConfig::new(64, 256).init(&device);
    bench_both(
        criterion,
        "linear",
        [4160, 64],
        |x| layer.forward(x).sum(),
        |x| linear(x, &layer).sum(),
    );
    let part = |qkv: &Tensor<3>, index: usize| -> Tensor<4> {
        let columns = qkv.clone().slice_dim(2, index * 64..(index + 1) * 64);
        columns.reshape([64, 65, 4, 16]).swap_dims(1, 2)
    };
    bench_both(
        criterion,
        "attention",
        [64, 65, 192],
        |qkv| {
            // Heads have width 16, so that 0.25 is one over the square root of the width.
            let scores = part(&qkv, 0).matmul(part(&qkv, 1).swap_dims(2, 3)) * 0.25;
            let mixed = activation::softmax(scores, 3).matmul(part(&qkv, 2));
            mixed.sum()
        },
        |qkv| attention(qkv, 4, None, |weights| weights).mixed.sum(),
    );
}

fn optimizer(criterion: &mut Criterion) {
    let device = Device::flex().autodiff();
    let optimizers = [
        ("burn", AdamWConfig::new().init()),
        ("here", ModuleOptimizer::from(AdamW::default())),
    ];
    for (form, mut optimizer) in optimizers {
        let mut layer = Some(LinearConfig::new(1024, 1024).init(&device));
        criterion.bench_function(&format!("adamw/{form}"), |bencher| {
            bencher.iter(|| {
                // A step takes the layer by value and returns the new one.
                let old = layer.take().expect("put back below");
                let loss = old.weight.val().sum();
                let gradients = GradientsParams::from_grads(loss.backward(), &old);
                layer = Some(optimizer.step(1e-3, old, gradients));
            });
        });
    }
}

criterion_group!(benches, operations, optimizer);
criterion_main!(benches);
