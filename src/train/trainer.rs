//! The training loop, in the order in which things happen.

use std::io;
use std::time::{Duration, Instant};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use serde::Serialize;

use super::error::TrainError;
use super::evaluate::{Evaluation, evaluate, evaluate_best};
use super::observer::{Observer, StepReport};
use super::optimizer::{clip_global_norm, learning_rate};
use crate::config::Config;
use crate::data::{ImageBatch, ImageBatcher, ImageItem, ImageSplits, epoch_order, random_stream};
use crate::loss::{Clock, TopologyRegularizer};
use crate::model::{Capture, Vit};
use crate::run::{
    CheckpointState, Checkpoints, Manifest, MetricsLog, Record, RunDirectory, write_atomically,
};

/// What a finished training leaves in `summary.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Accuracy on the test split of the checkpoint best on the validation split, a fraction.
    pub test_accuracy: f64,
    /// Its cross-entropy on the test split, in nats.
    pub test_loss: f64,
    /// Its accuracy on the validation split.
    pub validation_accuracy: f64,
    /// The step it was taken at.
    pub best_step: usize,
    /// Normalised 2-Wasserstein distance between neighbouring layers on the test split, dimension 0.
    pub test_h0_distance_to_next: Option<f64>,
    /// The same in dimension 1.
    pub test_h1_distance_to_next: Option<f64>,
    /// Optimiser steps taken.
    pub steps: usize,
    /// Wall-clock seconds of training, evaluations included.
    pub seconds: f64,
    /// Share of the time of training steps that went to the penalties, a fraction.
    pub topology_share: f64,
}

/// Trains a model as the configuration says, and evaluates it once on the test split.
///
/// `device` is without autodiff. The run directory is new.
///
/// # Errors
///
/// [`TrainError::Diverged`] if the loss is not finite; the checkpoints so far stay.
pub fn train(
    config: &Config,
    data: &ImageSplits,
    run: &RunDirectory,
    manifest: &Manifest,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Summary, TrainError> {
    write_records(config, run, manifest)?;
    let log = MetricsLog::create(run).map_err(TrainError::files(format_args!(
        "write in {}",
        run.root().display()
    )))?;
    let mut trainer = Trainer::new(config, data, run, log, device)?;
    let started = Instant::now();
    for epoch in 0..config.spec.training.epochs {
        trainer.epoch(epoch, observer)?;
        let validation = trainer.validate(epoch, observer)?;
        observer.epoch(epoch, &validation, started.elapsed());
    }
    let (test, best) = evaluate_best(&config.spec, run, &data.test, device)?;
    let summary = Summary {
        test_accuracy: test.accuracy,
        test_loss: test.loss,
        validation_accuracy: best.validation_accuracy,
        best_step: best.step,
        test_h0_distance_to_next: test.monitor.mean_distance_to_next(0),
        test_h1_distance_to_next: test.monitor.mean_distance_to_next(1),
        steps: trainer.step,
        seconds: started.elapsed().as_secs_f64(),
        topology_share: trainer.topology_share(),
    };
    let json = serde_json::to_vec_pretty(&summary).expect("a summary can be written");
    write_atomically(&run.summary(), &json).map_err(TrainError::files(format_args!(
        "write {}",
        run.summary().display()
    )))?;
    Ok(summary)
}

fn write_records(
    config: &Config,
    run: &RunDirectory,
    manifest: &Manifest,
) -> Result<(), TrainError> {
    let manifest = serde_json::to_vec_pretty(manifest).expect("a manifest can be written");
    write_atomically(&run.config(), config.to_toml().as_bytes())
        .and_then(|()| write_atomically(&run.manifest(), &manifest))
        .map_err(TrainError::files(format_args!(
            "write in {}",
            run.root().display()
        )))
}

struct Trainer<'a> {
    config: &'a Config,
    data: &'a ImageSplits,
    checkpoints: Checkpoints,
    log: MetricsLog,
    device: Device,
    model: Vit,
    optimizer: ModuleOptimizer,
    regularizer: TopologyRegularizer,
    step: usize,
    in_steps: Duration,
    in_topology: Duration,
}

/// The losses of one step and how long the penalties took.
struct Losses {
    total: Tensor<1>,
    task: Tensor<1>,
    topology: f64,
    terms: Vec<(String, f64)>,
    in_topology: Duration,
}

impl<'a> Trainer<'a> {
    fn new(
        config: &'a Config,
        data: &'a ImageSplits,
        run: &RunDirectory,
        log: MetricsLog,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let spec = &config.spec;
        let device = device.clone().autodiff();
        device.seed(spec.seed);
        Ok(Self {
            config,
            data,
            checkpoints: Checkpoints::of(run),
            log,
            model: spec.model.init(&device),
            optimizer: AdamWConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(spec.training.weight_decay as f32)
                .init(),
            regularizer: TopologyRegularizer::new(spec.penalties.clone())?,
            device,
            step: 0,
            in_steps: Duration::ZERO,
            in_topology: Duration::ZERO,
        })
    }

    fn steps_per_epoch(&self) -> usize {
        self.data
            .train
            .len()
            .div_ceil(self.config.spec.training.batch_size)
    }

    fn clock(&self) -> Clock {
        Clock {
            step: self.step,
            steps_per_epoch: self.steps_per_epoch(),
        }
    }

    fn topology_share(&self) -> f64 {
        self.in_topology.as_secs_f64() / self.in_steps.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn epoch(&mut self, epoch: usize, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let spec = &self.config.spec;
        let order = epoch_order(self.data.train.len(), spec.seed, epoch);
        for indices in order.chunks(spec.training.batch_size) {
            let started = Instant::now();
            let batch = self.batch(indices, epoch)?;
            self.calibrate(&batch, epoch, observer)?;
            let report = self.optimize(batch, epoch, started, observer)?;
            observer.step(&report);
        }
        Ok(())
    }

    /// The augmented images of a step; an image's motion depends on seed, epoch and place alone.
    fn batch(&self, indices: &[usize], epoch: usize) -> Result<ImageBatch, TrainError> {
        let spec = &self.config.spec;
        let mut items = Vec::with_capacity(indices.len());
        for &index in indices {
            let item = self
                .data
                .train
                .get(index)
                .map_err(|e| TrainError::Files(e.to_string()))?;
            let mut random = random_stream(spec.seed, &[epoch as u64, index as u64]);
            let pixels = spec
                .training
                .augment
                .apply(&item.pixels, spec.images, &mut random);
            items.push(ImageItem {
                pixels,
                label: item.label,
            });
        }
        Ok(ImageBatcher { spec: spec.images }.batch(items, &self.device))
    }

    fn forward(&self, batch: &ImageBatch, capture: Capture) -> (Tensor<1>, Vec<Tensor<4>>) {
        // Dropout must repeat whenever the same step is run again.
        self.device
            .seed(step_seed(self.config.spec.seed, self.step));
        let output = self.model.forward(batch.images.clone(), capture);
        let cross_entropy = CrossEntropyLossConfig::new().init(&self.device);
        (
            cross_entropy.forward(output.logits, batch.labels.clone()),
            output.attention,
        )
    }

    fn calibrate(
        &mut self,
        batch: &ImageBatch,
        epoch: usize,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let mut regularizer = self.regularizer.clone();
        let n_prefix_tokens = self.model.token_layout().n_prefix_tokens;
        let forward = || self.forward(batch, Capture::Attention);
        let measured =
            regularizer.calibrate(&self.model, self.clock(), n_prefix_tokens, forward)?;
        self.regularizer = regularizer;
        for calibration in measured {
            let found = match calibration.weight {
                Some(weight) => format!("weight {weight:.4e}"),
                None => "no weight yet, the penalty has no gradient".to_owned(),
            };
            observer.note(&format!(
                "step {}: penalty {}: {found} (gradient norms: task {:.3e}, penalty {:.3e})",
                self.step, calibration.index, calibration.task_norm, calibration.penalty_norm
            ));
            if let Some(weight) = calibration.weight {
                let name = format!("penalty{}_full_weight", calibration.index);
                self.record(epoch, "train", &name, weight, observer)?;
            }
        }
        Ok(())
    }

    fn losses(&self, batch: &ImageBatch) -> Result<Losses, TrainError> {
        let clock = self.clock();
        if !self.regularizer.is_active(clock) {
            let (task, _) = self.forward(batch, Capture::Logits);
            return Ok(Losses {
                total: task.clone(),
                task,
                topology: 0.0,
                terms: Vec::new(),
                in_topology: Duration::ZERO,
            });
        }
        let (task, attention) = self.forward(batch, Capture::Attention);
        let started = Instant::now();
        let n_prefix_tokens = self.model.token_layout().n_prefix_tokens;
        let topology = self
            .regularizer
            .forward(&attention, n_prefix_tokens, clock)?;
        let in_topology = started.elapsed();
        let terms = topology.terms.iter().flat_map(|term| {
            let gated = term.n_gated as f64 / term.n_compared as f64;
            [
                ("value", term.value),
                ("weight", term.weight),
                ("gated", gated),
            ]
            .map(|(name, value)| (format!("penalty{}_{name}", term.index), value))
        });
        Ok(Losses {
            total: task.clone() + topology.loss,
            task,
            topology: topology
                .terms
                .iter()
                .map(|term| term.weight * term.value)
                .sum(),
            terms: terms.collect(),
            in_topology,
        })
    }

    fn optimize(
        &mut self,
        batch: ImageBatch,
        epoch: usize,
        started: Instant,
        observer: &mut dyn Observer,
    ) -> Result<StepReport, TrainError> {
        let spec = &self.config.spec;
        let total_steps = spec.training.epochs * self.steps_per_epoch();
        let lr = learning_rate(&spec.training, self.step, total_steps);
        let losses = self.losses(&batch)?;
        let task_loss = losses.task.into_scalar::<f64>();
        let loss = task_loss + losses.topology;
        self.require_finite("loss", loss, epoch, lr)?;
        let gradients = GradientsParams::from_grads(losses.total.backward(), &self.model);
        let (gradients, norm) = clip_global_norm(&self.model, gradients, spec.training.clip_norm);
        self.require_finite("gradient", norm, epoch, lr)?;
        self.model = self.optimizer.step(lr, self.model.clone(), gradients);
        self.step += 1;
        self.in_steps += started.elapsed();
        self.in_topology += losses.in_topology;
        let is_logged = self.step.is_multiple_of(spec.log_every_steps);
        let report = StepReport {
            step: self.step,
            total_steps,
            epoch,
            batch_size: batch.labels.dims()[0],
            task_loss,
            topology_loss: losses.topology,
            topology_share: self.topology_share(),
            is_logged,
        };
        if is_logged {
            let mut numbers = losses.terms;
            let named = |name: &str, value| (name.to_owned(), value);
            numbers.extend([
                named("loss", loss),
                named("loss_task", task_loss),
                named("loss_topology", losses.topology),
                named("learning_rate", lr),
                named("gradient_norm", norm),
                named("topology_time_share", report.topology_share),
            ]);
            for (name, value) in numbers {
                self.record(epoch, "train", &name, value, observer)?;
            }
        }
        Ok(report)
    }

    fn require_finite(
        &self,
        what: &str,
        value: f64,
        epoch: usize,
        lr: f64,
    ) -> Result<(), TrainError> {
        if value.is_finite() {
            return Ok(());
        }
        let last_good = match self.checkpoints.newest() {
            Ok(Some(path)) => path.display().to_string(),
            _ => "none yet".to_owned(),
        };
        Err(TrainError::Diverged(format!(
            "training {what} became {value} at step {} (epoch {epoch}, learning rate {lr:.2e}); last good checkpoint: {last_good}; lower training.optimizer.lr or set training.clip_norm",
            self.step
        )))
    }

    fn validate(
        &mut self,
        epoch: usize,
        observer: &mut dyn Observer,
    ) -> Result<Evaluation, TrainError> {
        let spec = &self.config.spec;
        let batcher = ImageBatcher { spec: spec.images };
        let model = self.model.valid();
        let device = self.device.clone().inner();
        let validation = evaluate(&model, &self.data.validation, batcher, &device)?;
        self.record(epoch, "validation", "loss", validation.loss, observer)?;
        self.record(
            epoch,
            "validation",
            "accuracy",
            validation.accuracy,
            observer,
        )?;
        for (name, value) in validation.monitor.means() {
            self.record(epoch, "validation", &name, value, observer)?;
        }
        let warning = self
            .log
            .flush()
            .map_err(TrainError::files("write metrics.jsonl"))?;
        warning.iter().for_each(|warning| observer.note(warning));
        self.save(epoch, &validation)?;
        Ok(validation)
    }

    fn save(&self, epoch: usize, validation: &Evaluation) -> Result<(), TrainError> {
        let state = CheckpointState {
            step: self.step,
            epoch: epoch + 1,
            validation_accuracy: validation.accuracy,
            validation_loss: validation.loss,
            penalty_weights: self.regularizer.weights().to_vec(),
        };
        let write = |directory: &std::path::Path| {
            let model = self
                .model
                .valid()
                .into_record()
                .save(directory.join("model.bpk"));
            model.map_err(io::Error::other)?;
            self.optimizer
                .save(directory.join("optimizer.bpk"))
                .map_err(io::Error::other)
        };
        self.checkpoints
            .save(&state, write)
            .map(drop)
            .map_err(TrainError::files(format_args!(
                "write the checkpoint of step {}",
                self.step
            )))
    }

    fn record(
        &mut self,
        epoch: usize,
        split: &str,
        name: &str,
        value: f64,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let record = Record {
            step: self.step,
            epoch,
            split,
            name,
            value,
        };
        let warning = self
            .log
            .log(record)
            .map_err(TrainError::files("write metrics.jsonl"))?;
        warning.iter().for_each(|warning| observer.note(warning));
        Ok(())
    }
}

/// A different seed for every step of every run.
fn step_seed(seed: u64, step: usize) -> u64 {
    // The odd constant of SplitMix64 keeps runs of neighbouring seeds apart.
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(step as u64 + 1)
}
