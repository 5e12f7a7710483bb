//! Uses the regulariser in Burn's own training loop.
//!
//! Run it with `cargo run --release --features train --example burn_train -- DIR`. It trains a small vision
//! transformer on a part of the embedded digits. Metrics are written to TensorBoard files (`DIR/tensorboard`)
//! and to Burn's own files, checkpoints to `DIR/checkpoint`. A number after `DIR` trains on that many devices at once;
//! here all of them are the CPU, on other backends list its devices, such as `Device::cuda(0)` and `Device::cuda(1)`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn_topology::burn;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataset::transform::PartialDataset;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::AdamWConfig;
use burn::prelude::*;
use burn::train::logger::FileMetricLogger;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::renderer::CliMetricsRenderer;
use burn::train::{
    ClassificationOutput, ExecutionStrategy, InferenceStep, Learner, MultiDeviceOptim,
    SupervisedTraining, TrainOutput, TrainStep,
};
use burn_topology::data::{Batch, DIGITS_SPEC, SampleBatcher, digits};
use burn_topology::learner::{
    RegularizedOutput, SharedRegularizer, TensorBoardMetricLogger, TopologyMetric,
};
use burn_topology::loss::{Activations, TopologyPenalty, TopologyRegularizer, Weight};
use burn_topology::model::{Capture, Vit, VitConfig};

const N_IMAGES: usize = 256;
const BATCH_SIZE: usize = 64;

/// Model together with the regulariser that its training uses.
#[derive(Module, Debug)]
struct RegularizedVit {
    vit: Vit,
    #[module(skip)]
    regularizer: SharedRegularizer,
}

impl RegularizedVit {
    /// Returns the logits, the task loss and the activations for the regulariser.
    fn forward(&self, batch: &Batch) -> (Tensor<2>, Tensor<1>, Activations) {
        let output = self
            .vit
            .forward(batch.clips.clone().squeeze_dim(1), Capture::Attention);
        let cross_entropy = CrossEntropyLossConfig::new().init(&batch.clips.device());
        let task = cross_entropy.forward(output.output.clone(), batch.labels.clone());
        let n_prefix_tokens = output.tokens.n_prefix_tokens;
        let activations = Activations::from_attention(output.attention, n_prefix_tokens);
        (output.output, task, activations)
    }

    /// Returns the output whose loss includes the penalties.
    fn output(&self, batch: Batch) -> RegularizedOutput<ClassificationOutput> {
        let (logits, task, activations) = self.forward(&batch);
        let topology = self
            .regularizer
            .forward(&activations)
            .expect("valid attention weights");
        RegularizedOutput {
            task: ClassificationOutput::new(task + topology.loss, logits, batch.labels),
            terms: topology.terms,
        }
    }
}

impl TrainStep for RegularizedVit {
    type Input = Batch;
    type Output = RegularizedOutput<ClassificationOutput>;

    fn step(&self, batch: Batch) -> TrainOutput<Self::Output> {
        let losses = || {
            let (_, task, activations) = self.forward(&batch);
            (task, activations)
        };
        // Measures the weight of the gradient share at the first step, and does nothing afterwards.
        self.regularizer
            .calibrate(&self.vit, losses)
            .expect("valid attention weights");
        let output = self.output(batch);
        TrainOutput::new(self, output.task.loss.backward(), output)
    }
}

impl InferenceStep for RegularizedVit {
    type Input = Batch;
    type Output = RegularizedOutput<ClassificationOutput>;

    fn step(&self, batch: Batch) -> Self::Output {
        self.output(batch)
    }
}

/// Trains the model on some devices at once, and returns the measured weight of the penalty.
pub fn train(directory: &Path, devices: Vec<Device>) -> Option<f64> {
    let n_devices = devices.len();
    let device = devices[0].clone();
    device.seed(0);
    let data = digits();
    let loader = |images, device: &Device| {
        let part = PartialDataset::new(Arc::clone(images), 0, N_IMAGES);
        DataLoaderBuilder::new(SampleBatcher { spec: DIGITS_SPEC })
            .batch_size(BATCH_SIZE)
            .shuffle(0)
            .set_device(device.clone())
            .build(part)
    };
    let penalty = TopologyPenalty::new(0).with_weight(Weight::GradientShare(0.1));
    let regularizer = TopologyRegularizer::new(vec![penalty]).expect("a valid penalty");
    // The number of steps in an epoch, which schedules with a start epoch need. Each device has a batch of its own in
    // every step.
    let steps_per_epoch = N_IMAGES / BATCH_SIZE / n_devices;
    let shared =
        SharedRegularizer::new(regularizer, steps_per_epoch).with_passes_per_step(n_devices);
    let model = RegularizedVit {
        vit: VitConfig::new([8, 8], 1, 10, 2, 16, 2, 4).init(&device),
        // The clone shares its weights with `shared`, from which the measured one is read at the end.
        regularizer: shared.clone(),
    };
    let training = SupervisedTraining::new(
        directory,
        loader(&data.train, &device),
        // Validation needs no gradients, and without autodiff the regulariser does not count its steps.
        loader(&data.validation, &device.clone().inner()),
    );
    let strategy = match n_devices {
        1 => ExecutionStrategy::single(device),
        _ => ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice),
    };
    let result = training
        .with_training_strategy(strategy.into())
        .metrics((LossMetric::new(), AccuracyMetric::new()))
        .metric_train_numeric(TopologyMetric::total())
        .metric_valid_numeric(TopologyMetric::total())
        .metric_train_numeric(TopologyMetric::for_penalty("h0_layers"))
        .with_metric_logger(TensorBoardMetricLogger::new(directory.join("tensorboard")))
        // Burn reads metrics back to find the best checkpoint, and event files cannot be read back.
        .with_metric_logger(FileMetricLogger::new(directory))
        .with_default_checkpointers()
        .renderer(Box::new(CliMetricsRenderer::new()))
        .num_epochs(2)
        .summary()
        .launch(Learner::new(model, AdamWConfig::new().init(), 2e-3));
    if let Some(error) = result.error {
        panic!("{error}");
    }
    shared.weights()[0]
}

#[allow(
    dead_code,
    reason = "tests include this file as a module and call `train`"
)]
fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let directory = arguments
        .next()
        .map(PathBuf::from)
        .expect("usage: burn_train DIR [DEVICES], with DIR the directory to write to");
    let n_devices = match arguments.next() {
        None => 1,
        Some(number) => (number.to_str().and_then(|text| text.parse().ok()))
            .filter(|n| (1..=N_IMAGES / BATCH_SIZE).contains(n))
            .expect("DEVICES is a number from 1 to 4"),
    };
    let devices = vec![Device::flex().autodiff(); n_devices];
    let weight = train(&directory, devices).expect("a measured weight");
    println!("weight of the penalty: {weight:.4}");
    println!(
        "tensorboard --logdir {}",
        directory.join("tensorboard").display()
    );
}
