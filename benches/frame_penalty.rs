//! Time of a training step of a TimeSformer, without and with the penalty between consecutive frames.
//!
//! Clips have 8 frames of 64 tokens, the model has 4 layers of 4 heads; the width of the tokens varies. The
//! penalty takes the share `1 - plain / penalised` of a step.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn_topology::burn;
use burn_topology::fused::AdamW;
use burn_topology::loss::{
    Activations, Clock, DiagramPenalty, ItemPairs, TopologyPenalty, TopologyRegularizer,
};
use burn_topology::model::{Capture, Network, VideoConfig, VideoHead};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

// The same allocator as in the command-line program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const N_CLIPS: usize = 8;
const N_FRAMES: usize = 8;
const N_CLASSES: usize = 10;

struct Training {
    model: Network,
    optimizer: ModuleOptimizer,
    clips: Tensor<5>,
    labels: Tensor<1, Int>,
}

impl Training {
    fn new(d_model: usize) -> Self {
        let device = Device::flex().autodiff();
        device.seed(0);
        let config = VideoConfig::new(N_FRAMES, [16, 16], 1, N_CLASSES, 2, d_model, 4, 4);
        let labels: Vec<i32> = (0..N_CLIPS * N_FRAMES)
            .map(|k| (k % N_CLASSES) as i32)
            .collect();
        let shape = [N_CLIPS, N_FRAMES, 1, 16, 16];
        Self {
            model: config.with_head(VideoHead::Frames).init(&device),
            optimizer: ModuleOptimizer::from(AdamW::default()),
            clips: Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &device),
            labels: Tensor::from_data(&labels[..], &device),
        }
    }

    fn step(&mut self, regularizer: Option<&TopologyRegularizer>) {
        let output = self.model.forward(self.clips.clone(), Capture::Attention);
        let cross_entropy = CrossEntropyLossConfig::new().init(&self.clips.device());
        let mut loss = cross_entropy.forward(output.output, self.labels.clone());
        if let Some(regularizer) = regularizer {
            let layout = output.tokens;
            let activations = Activations::from_attention(output.attention, layout.n_prefix_tokens)
                .with_frames(layout.n_frames);
            let topology = regularizer.forward(&activations, Clock::default());
            loss = loss + topology.expect("attention of a transformer").loss;
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        self.model = self.optimizer.step(1e-4, self.model.clone(), gradients);
    }
}

fn frame_penalty(criterion: &mut Criterion) {
    let penalty = |homology_dim| {
        let penalty = DiagramPenalty::new(homology_dim).with_pairs(ItemPairs::frames());
        TopologyPenalty::from(penalty).with_weight(0.05)
    };
    let regularizer = |dims: &[usize]| {
        let penalties = dims.iter().copied().map(penalty).collect();
        TopologyRegularizer::new(penalties).expect("valid penalties")
    };
    let kinds = [
        ("plain", None),
        ("h0", Some(regularizer(&[0]))),
        ("h1", Some(regularizer(&[1]))),
        ("h0_and_h1", Some(regularizer(&[0, 1]))),
    ];
    let mut group = criterion.benchmark_group("video_step");
    group.sample_size(20);
    for d_model in [64, 128, 192] {
        for (name, regularizer) in &kinds {
            group.bench_function(BenchmarkId::new(*name, d_model), |bencher| {
                let mut training = Training::new(d_model);
                // Within the pool, so that no operation begins by handing its work to another thread.
                rayon::scope(|_| bencher.iter(|| training.step(regularizer.as_ref())));
            });
        }
    }
}

criterion_group!(benches, frame_penalty);
criterion_main!(benches);
