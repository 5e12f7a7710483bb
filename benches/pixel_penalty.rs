//! Time of a training step of a TimeSformer that predicts frames, without and with penalties on these frames.
//!
//! A batch has 16 clips of moving digits, of which 8 frames of 16 by 16 pixels are predicted; the model is that of
//! `configs/moving_digits_predict.toml`. A penalty takes the share `1 - plain / penalised` of a step.

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn_topology::burn;
use burn_topology::data::{ClipKind, MovingDigits};
use burn_topology::fused::AdamW;
use burn_topology::loss::{
    Activations, Clock, FrameComparison, PartnerChoice, PixelComparison, PixelPenalty,
    TopologyRegularizer,
};
use burn_topology::model::{Capture, Network, VideoConfig, VideoHead};
use burn_topology::topology::{DiagramDistance, GroundNorm, Power};
use criterion::{Criterion, criterion_group, criterion_main};

// The same allocator as in the command-line program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const N_CLIPS: usize = 16;
const N_FRAMES: usize = 8;
const SIDE: usize = 16;

/// Steps before the time is taken, so that predictions are no copies of the last frame any more.
const N_WARM_UP: usize = 60;

struct Training {
    model: Network,
    optimizer: ModuleOptimizer,
    /// Clips with one frame more than are predicted, pixels from -1 to 1.
    clips: Tensor<5>,
}

impl Training {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        device.seed(0);
        let kinds = vec![ClipKind::Constant, ClipKind::Merge];
        let digits = MovingDigits::new(kinds, N_FRAMES + 1, SIDE, 1, 0.2).expect("valid clips");
        let samples = digits.splits().train;
        let pixels = (0..N_CLIPS).flat_map(|index| samples.get(index).expect("a clip").pixels);
        let pixels: Vec<f32> = pixels.map(|pixel| 2.0 * pixel - 1.0).collect();
        let shape = [N_CLIPS, N_FRAMES + 1, 1, SIDE, SIDE];
        let config = VideoConfig::new(N_FRAMES, [SIDE; 2], 1, 10, 2, 48, 3, 4);
        let config = config.with_head(VideoHead::NextFrame).with_mlp_ratio(2);
        Self {
            model: config.init(&device),
            optimizer: ModuleOptimizer::from(AdamW::default()),
            clips: Tensor::from_data(TensorData::new(pixels, shape), &device),
        }
    }

    fn step(&mut self, regularizer: &TopologyRegularizer) {
        let input = self.clips.clone().slice_dim(1, 0..N_FRAMES);
        let truth = self.clips.clone().slice_dim(1, 1..N_FRAMES + 1);
        let truth = truth.reshape([N_CLIPS, N_FRAMES, SIDE, SIDE]);
        let output = self.model.forward(input, Capture::Logits).output;
        let output = output.reshape([N_CLIPS, N_FRAMES, SIDE, SIDE]);
        let mut loss = (output.clone() - truth.clone()).square().mean();
        if !regularizer.penalties().is_empty() {
            let [prediction, truth] = [output, truth].map(|frames| frames * 0.5 + 0.5);
            let activations = Activations::from_frames(prediction, Some(truth));
            let topology = regularizer.forward(&activations, Clock::default());
            loss = loss + topology.expect("finite predictions").loss;
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        self.model = self.optimizer.step(2e-3, self.model.clone(), gradients);
    }
}

fn pixel_penalty(criterion: &mut Criterion) {
    let partners = PartnerChoice::Same;
    let matching = PixelComparison::Truth {
        frames: FrameComparison::BETTI_MATCHING,
        partners,
    };
    let distance = DiagramDistance::Wasserstein {
        order: 2.0,
        ground_norm: GroundNorm::Infinity,
        power: Power::P,
    };
    let volume = PixelComparison::Volume { distance, partners };
    let kinds: [(&str, Option<PixelComparison>, &[usize]); 6] = [
        ("plain", None, &[]),
        ("truth_h0_and_h1", Some(PixelComparison::truth()), &[0, 1]),
        ("frames_h0_and_h1", Some(PixelComparison::frames()), &[0, 1]),
        ("betti_matching_h0_and_h1", Some(matching), &[0, 1]),
        ("volume_h0", Some(volume), &[0]),
        (
            "betti_number_h0",
            Some(PixelComparison::BettiNumber(1)),
            &[0],
        ),
    ];
    let mut group = criterion.benchmark_group("predictor_step");
    group.sample_size(20);
    for (name, comparison, dims) in kinds {
        let penalties = comparison.into_iter().flat_map(|comparison| {
            dims.iter().map(move |&dim| {
                let penalty = PixelPenalty::new(dim, comparison).with_min_persistence(0.05);
                penalty.into()
            })
        });
        let regularizer = TopologyRegularizer::new(penalties.collect()).expect("valid penalties");
        let plain = TopologyRegularizer::new(Vec::new()).expect("no penalties");
        group.bench_function(name, |bencher| {
            let mut training = Training::new();
            // Within the pool, so that no operation begins by handing its work to another thread.
            rayon::scope(|_| {
                for _ in 0..N_WARM_UP {
                    training.step(&plain);
                }
                bencher.iter(|| training.step(&regularizer));
            });
        });
    }
}

criterion_group!(benches, pixel_penalty);
criterion_main!(benches);
