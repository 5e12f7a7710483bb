//! Trains a topological autoencoder, whose latent space has the same connected components as its input.
//!
//! Run it with `cargo run --release --example topological_autoencoder`. The points lie on a knot in ten dimensions
//! and are compressed to two. It prints the error of reconstruction and the signature loss, which compares the lengths of
//! critical edges in the input and in the latent space, for some weights of the penalty.
//!
//! Source: Moor, Horn, Rieck, Borgwardt, "Topological autoencoders", 2020.

use burn_topology::burn;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::activation::tanh;
use burn_topology::prelude::*;

const N_POINTS: usize = 64;
const D_INPUT: usize = 10;
const D_LATENT: usize = 2;

/// Encoder and decoder with one hidden layer each.
#[derive(Module, Debug)]
struct Autoencoder {
    encoder: [Linear; 2],
    decoder: [Linear; 2],
}

impl Autoencoder {
    fn new(device: &Device) -> Self {
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            encoder: [linear(D_INPUT, 32), linear(32, D_LATENT)],
            decoder: [linear(D_LATENT, 32), linear(32, D_INPUT)],
        }
    }

    /// Returns the latent points and the reconstruction of the input.
    fn forward(&self, x: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let apply = |layers: &[Linear; 2], x: Tensor<3>| {
            let hidden = tanh(layers[0].forward(x));
            layers[1].forward(hidden)
        };
        let latent = apply(&self.encoder, x);
        (latent.clone(), apply(&self.decoder, latent))
    }
}

/// Points on a trefoil knot in a random space of three dimensions, with some noise: `[1, n_points, d_input]`.
fn knot(device: &Device) -> Tensor<3> {
    let points: Vec<f32> = (0..N_POINTS)
        .map(|k| std::f32::consts::TAU * k as f32 / N_POINTS as f32)
        .flat_map(|t| {
            let radius = 2.0 + (3.0 * t).cos();
            [
                radius * (2.0 * t).cos(),
                radius * (2.0 * t).sin(),
                (3.0 * t).sin(),
            ]
        })
        .collect();
    let points = Tensor::<2>::from_data(TensorData::new(points, [N_POINTS, 3]), device);
    let axes = Tensor::random([3, D_INPUT], Distribution::Normal(0.0, 0.3), device);
    let noise = Tensor::random([N_POINTS, D_INPUT], Distribution::Normal(0.0, 0.02), device);
    (points.matmul(axes) + noise).unsqueeze()
}

/// Trains for some steps, and returns the task loss and the signature loss (before its weight) of the last step.
pub fn train(n_steps: usize, weight: f64) -> burn_topology::Result<(f64, f64)> {
    let device = Device::flex().autodiff();
    device.seed(0);
    let x = knot(&device);
    let mut model = Autoencoder::new(&device);
    let mut optimizer = AdamConfig::new().init();

    // The distances along the critical edges of the input should be the same in the plane, and the other way round.
    let signature = TokenWiseDivergence::Signature {
        homology_dim: 0,
        edges: EdgeChoice::Critical,
    };
    let euclidean = RowDistance {
        metric: RowMetric::Euclidean,
        exponent: 1.0,
    };
    let penalty = TopologyPenalty::from(TokenWisePenalty::new(signature))
        .with_source(Source::Hidden)
        .with_tokens(Tokens::All)
        .with_row_distance(euclidean)
        .with_name("signature")
        .with_weight(weight);
    let regularizer = TopologyRegularizer::new(vec![penalty])?;

    let mut last = (f64::NAN, f64::NAN);
    for _ in 0..n_steps {
        let (latent, reconstruction) = model.forward(x.clone());
        let task = (reconstruction - x.clone()).square().mean();
        // The two "layers" that are compared are the input and the latent space.
        let activations = Activations::from_hidden(vec![x.clone(), latent], 0);
        let topology = regularizer.forward(&activations, Clock::default())?;
        // With weight 0 the value is still computed, so that both trainings can be compared.
        let signature = topology
            .term("signature")
            .map_or(f64::NAN, |term| term.value);
        last = (task.clone().into_scalar::<f64>(), signature);
        let gradients = (task + topology.loss).backward();
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = optimizer.step(3e-3, model, gradients);
    }
    Ok(last)
}

#[allow(
    dead_code,
    reason = "tests include this file as a module and call `train`"
)]
fn main() -> burn_topology::Result<()> {
    println!("weight   reconstruction error   signature loss");
    for weight in [0.0, 0.001, 0.01] {
        let (error, signature) = train(300, weight)?;
        println!("{weight:<6}   {error:20.4}   {signature:14.2}");
    }
    Ok(())
}
