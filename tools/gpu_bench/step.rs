//! Times of training steps.

use burn_topology::burn::nn::loss::CrossEntropyLossConfig;
use burn_topology::burn::optim::{GradientsParams, ModuleOptimizer};
use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::Distribution;
use burn_topology::fused::{AdamW, ReadCount};
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, TopologyPenalty, TopologyRegularizer,
};
use burn_topology::model::{Capture, VitConfig};
use burn_topology::nn::{Engine, Tokens};
use burn_topology::topology::{DiagramDistance, GroundNorm, Power};
use clap::{Args, ValueEnum};

use crate::{Outcome, time};

/// Size of the model and of the batch; by default ViT-S/16 with 64 images of 224 pixels.
#[derive(Args)]
pub struct Options {
    /// Device, as for `burn-topology --device`.
    pub device: String,
    #[arg(long, default_value_t = 224)]
    image_size: usize,
    #[arg(long, default_value_t = 16)]
    patch_size: usize,
    #[arg(long, default_value_t = 384)]
    d_model: usize,
    #[arg(long, default_value_t = 12)]
    layers: usize,
    #[arg(long, default_value_t = 6)]
    heads: usize,
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Number of timed steps of each kind.
    #[arg(long, default_value_t = 7)]
    times: usize,
    /// Time only this kind of step, which can be given several times.
    #[arg(long)]
    only: Vec<StepKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum StepKind {
    Plain,
    PenalisedByDevice,
    PenalisedByHost,
}

/// Times the kinds of steps, and prints a line for each.
pub fn run(device: &Device, options: &Options) -> Outcome {
    let device = device.clone().autodiff();
    let mut plain = None;
    for kind in [
        StepKind::Plain,
        StepKind::PenalisedByDevice,
        StepKind::PenalisedByHost,
    ] {
        if !options.only.is_empty() && !options.only.contains(&kind) {
            continue;
        }
        let median = steps(&device, options, kind)?;
        match (kind, plain) {
            (StepKind::Plain, _) => plain = Some(median),
            (_, Some(plain)) => println!("{kind:?}\t{:.2} times the plain step", median / plain),
            _ => {}
        }
    }
    Ok(())
}

/// Times one kind of step; returns the median, in ms.
fn steps(
    device: &Device,
    options: &Options,
    kind: StepKind,
) -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
    let size = options.image_size;
    device.seed(0);
    let config = VitConfig::new(
        [size, size],
        3,
        10,
        options.patch_size,
        options.d_model,
        options.layers,
        options.heads,
    );
    let mut model = config.init(device);
    let mut optimizer = ModuleOptimizer::from(AdamW::default());
    let images = Tensor::<4>::random(
        [options.batch, 3, size, size],
        Distribution::Normal(0.0, 1.0),
        device,
    );
    let labels: Vec<i32> = (0..options.batch as i32).map(|i| i % 10).collect();
    let labels = Tensor::<1, Int>::from_data(labels.as_slice(), device);
    let cross_entropy = CrossEntropyLossConfig::new().init(device);
    let engine = match kind {
        StepKind::PenalisedByHost => Engine::Host,
        _ => Engine::Device,
    };
    let regularizer = regularizer()?.with_engine(engine);
    let (mut step, mut on_host) = (0, 0);
    let before = ReadCount::now();
    let median = time(&format!("{kind:?}"), options.times, || {
        let is_penalised = kind != StepKind::Plain;
        let capture = if is_penalised {
            Capture::Attention
        } else {
            Capture::Logits
        };
        let output = model.forward(images.clone(), capture);
        let mut loss = cross_entropy.forward(output.output, labels.clone());
        if is_penalised {
            let clock = Clock {
                step,
                ..Clock::default()
            };
            let activations = Activations::from_attention(output.attention, 1);
            let topology = regularizer.forward(&activations, clock)?;
            on_host += topology.n_items_on_host;
            loss = loss + topology.loss;
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-3, model.clone(), gradients);
        step += 1;
        device.sync()?;
        Ok(())
    })?;
    let reads = ReadCount::now().since(before);
    println!(
        "{kind:?}\t{:.1} reads and {:.1} MB a step\t{on_host} items left to the processor in {step} steps",
        reads.n_reads as f64 / step as f64,
        reads.n_bytes as f64 / step as f64 / 1e6
    );
    Ok(median)
}

/// 2-Wasserstein penalties between consecutive layers, in dimensions 0 and 1.
fn regularizer() -> burn_topology::Result<TopologyRegularizer> {
    let distance = DiagramDistance::Wasserstein {
        order: 2.0,
        ground_norm: GroundNorm::Infinity,
        power: Power::One,
    };
    let penalty = |homology_dim| {
        TopologyPenalty::from(DiagramPenalty::new(homology_dim).with_distance(distance))
            .with_tokens(Tokens::All)
            .with_weight(0.05)
    };
    TopologyRegularizer::new(vec![penalty(0), penalty(1)])
}
