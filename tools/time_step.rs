//! Times a training step of a small ViT with and without penalties, like `scripts/peers/torch_step.py`.
//!
//! ```text
//! cargo run --release --example time_step -- --tokens 65 --dim 64 --layers 4 --heads 4 --batch 64
//! ```
//!
//! The penalties are the 2-Wasserstein distances between the diagrams of consecutive layers in dimensions 0 and 1,
//! with Jensen-Shannon distances of the mean of the heads. `--burn-linear` keeps the forward pass of Burn's own
//! `Linear`. Prints lines `NAME MINIMUM MEDIAN` in ms: `plain`, `penalised_h0` (dimension 0 alone) and `penalised`.

use std::error::Error;
use std::time::Instant;

use burn::module::{Module, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn_topology::burn;
use burn_topology::fused::{AdamW, Gelu, MixedTokens, attention, gelu, layer_norm, linear};
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, TopologyPenalty, TopologyRegularizer,
};
use burn_topology::model::{Block, BlockConfig};
use burn_topology::nn::Tokens;
use burn_topology::topology::{DiagramDistance, GroundNorm, Power};
use clap::Parser;

// The same allocator as in the command-line program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PATCH_VALUES: usize = 16;
const N_CLASSES: usize = 10;

#[derive(Parser, Clone)]
struct Options {
    /// Number of tokens, class token included.
    #[arg(long, default_value_t = 65)]
    tokens: usize,
    #[arg(long, default_value_t = 64)]
    dim: usize,
    #[arg(long, default_value_t = 4)]
    layers: usize,
    #[arg(long, default_value_t = 4)]
    heads: usize,
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Number of timed steps of each kind.
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Time only this kind of step.
    #[arg(long, value_parser = ["plain", "penalised_h0", "penalised"])]
    only: Option<String>,
    /// Use the forward pass of Burn's own `Linear`.
    #[arg(long)]
    burn_linear: bool,
}

#[derive(Module, Debug)]
struct Net {
    embed: Linear,
    class_token: Param<Tensor<3>>,
    position: Param<Tensor<3>>,
    blocks: Vec<Block>,
    head: Linear,
}

impl Net {
    fn new(options: &Options, device: &Device) -> Self {
        let dim = options.dim;
        let parameter = |shape, std| {
            let values = Tensor::random(shape, Distribution::Normal(0.0, std), device);
            Param::from_tensor(values)
        };
        let block = BlockConfig::new(dim, options.heads, 4 * dim);
        Self {
            embed: LinearConfig::new(PATCH_VALUES, dim).init(device),
            class_token: parameter([1, 1, dim], 1e-6),
            position: parameter([1, options.tokens, dim], 0.02),
            blocks: (0..options.layers).map(|_| block.init(device)).collect(),
            head: LinearConfig::new(dim, N_CLASSES).init(device),
        }
    }

    /// Logits and the attention of every layer.
    fn forward(&self, patches: Tensor<3>, options: &Options) -> (Tensor<2>, Vec<Tensor<4>>) {
        let [batch_size, ..] = patches.dims();
        let class_tokens = self.class_token.val().repeat_dim(0, batch_size);
        let tokens = Tensor::cat(vec![class_tokens, linear(patches, &self.embed)], 1);
        let mut tokens = tokens + self.position.val();
        let mut layers = Vec::new();
        for block in &self.blocks {
            let (next, weights) = if options.burn_linear {
                forward_with_burn_linear(block, tokens, options.heads)
            } else {
                let output = block.forward(tokens);
                (output.context, output.weights)
            };
            tokens = next;
            layers.push(weights);
        }
        let class_tokens: Tensor<2> = tokens.slice_dim(1, 0..1).squeeze_dim(1);
        (linear(class_tokens, &self.head), layers)
    }
}

/// Forward pass of a block that uses only attention, layer norm and GELU of this crate.
fn forward_with_burn_linear(
    block: &Block,
    tokens: Tensor<3>,
    n_heads: usize,
) -> (Tensor<3>, Tensor<4>) {
    let norm = |tokens, norm: &burn::nn::LayerNorm| match &norm.beta {
        Some(beta) => layer_norm(tokens, norm.gamma.val(), beta.val(), 1e-6),
        None => tokens,
    };
    let qkv = block.attn.qkv.forward(norm(tokens.clone(), &block.norm1));
    let MixedTokens { mixed, weights } = attention(qkv, n_heads, None, |weights| weights);
    let tokens = tokens + block.attn.proj.forward(mixed);
    let inner = block.mlp.fc1.forward(norm(tokens.clone(), &block.norm2));
    let update = block.mlp.fc2.forward(gelu(inner, Gelu::Erf));
    (tokens + update, weights)
}

/// 2-Wasserstein penalties between consecutive layers, in some dimensions.
fn regularizer(homology_dims: &[usize]) -> burn_topology::Result<TopologyRegularizer> {
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
    TopologyRegularizer::new(homology_dims.iter().copied().map(penalty).collect())
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    // Within the pool, so that no operation begins by handing its work to another thread.
    rayon::scope(|_| run())
}

fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = Options::parse();
    let device = Device::flex().autodiff();
    device.seed(0);
    let mut net = Net::new(&options, &device);
    let mut optimizer = ModuleOptimizer::from(AdamW::default());
    let shape = [options.batch, options.tokens - 1, PATCH_VALUES];
    let patches = Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let labels: Vec<i32> = (0..options.batch as i32)
        .map(|i| i % N_CLASSES as i32)
        .collect();
    let labels = Tensor::<1, Int>::from_data(labels.as_slice(), &device);
    let cross_entropy = CrossEntropyLossConfig::new().init(&device);
    let kinds: [(&str, &[usize]); 3] = [
        ("plain", &[]),
        ("penalised_h0", &[0]),
        ("penalised", &[0, 1]),
    ];
    let is_timed = |name: &str| options.only.as_ref().is_none_or(|only| only == name);
    for (name, homology_dims) in kinds.into_iter().filter(|(name, _)| is_timed(name)) {
        let regularizer = regularizer(homology_dims)?;
        let mut times = Vec::new();
        for step in 0..options.steps + 3 {
            let started = Instant::now();
            let (logits, layers) = net.forward(patches.clone(), &options);
            let mut loss = cross_entropy.forward(logits, labels.clone());
            if !homology_dims.is_empty() {
                let clock = Clock {
                    step,
                    ..Clock::default()
                };
                let activations = Activations::from_attention(layers, 1);
                loss = loss + regularizer.forward(&activations, clock)?.loss;
            }
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = optimizer.step(1e-3, net, gradients);
            // The first three steps warm up caches and the thread pool.
            if step >= 3 {
                times.push(started.elapsed().as_secs_f64() * 1e3);
            }
        }
        times.sort_by(f64::total_cmp);
        println!("{name} {:.2} {:.2}", times[0], times[times.len() / 2]);
    }
    Ok(())
}
