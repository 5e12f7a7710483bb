//! One optimiser step.

use std::time::{Duration, Instant};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::*;
use rayon::prelude::*;

use super::error::TrainError;
use super::observer::{Observer, StepReport};
use super::optimizer::{clip_global_norm, learning_rate};
use super::trainer::Trainer;
use crate::data::{ImageBatch, ImageBatcher, ImageItem, epoch_order, random_stream};
use crate::model::Capture;

/// The losses of one part of a batch and how long the penalties took.
struct Losses {
    total: Tensor<1>,
    task: Tensor<1>,
    topology: f64,
    terms: Vec<(String, f64)>,
    in_topology: Duration,
}

/// The losses of a whole step, summed over its parts.
#[derive(Default)]
struct StepLosses {
    task: f64,
    topology: f64,
    terms: Vec<(String, f64)>,
    in_topology: Duration,
}

impl StepLosses {
    fn add(&mut self, part: Losses, share: f64) {
        self.task += share * part.task.into_scalar::<f64>();
        self.topology += share * part.topology;
        self.in_topology += part.in_topology;
        for (name, value) in part.terms {
            match self.terms.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += share * value,
                None => self.terms.push((name, share * value)),
            }
        }
    }
}

impl Trainer<'_> {
    /// Takes the next step: the gradient is that of the whole batch, whatever parts it is cut into.
    pub(super) fn take_step(
        &mut self,
        observer: &mut dyn Observer,
    ) -> Result<StepReport, TrainError> {
        let started = Instant::now();
        let spec = &self.job.config.spec;
        let (step_of_epoch, epoch) = (
            self.step % self.steps_per_epoch(),
            self.step / self.steps_per_epoch(),
        );
        let indices = self.indices(epoch, step_of_epoch);
        let parts = indices.chunks(indices.len().div_ceil(spec.training.gradient_accumulation));
        let lr = learning_rate(&spec.training, self.step, self.total_steps());
        let mut losses = StepLosses::default();
        let mut accumulator = GradientsAccumulator::new();
        for (part, part_indices) in parts.enumerate() {
            let batch = self.batch(part_indices, epoch)?;
            if part == 0 {
                self.calibrate(&batch, epoch, observer)?;
            }
            let share = part_indices.len() as f64 / indices.len() as f64;
            let mut of_part = self.losses(&batch, part)?;
            let total = std::mem::replace(&mut of_part.total, Tensor::zeros([1], &self.device));
            losses.add(of_part, share);
            self.require_finite("training loss", losses.task + losses.topology, lr)?;
            let gradients = GradientsParams::from_grads((total * share).backward(), &self.model);
            accumulator.accumulate(&self.model, gradients);
        }
        let (gradients, norm) =
            clip_global_norm(&self.model, accumulator.grads(), spec.training.clip_norm);
        self.require_finite("norm of the gradient", norm, lr)?;
        self.model = self.optimizer.step(lr, self.model.clone(), gradients);
        self.step += 1;
        self.timing.add(started.elapsed(), losses.in_topology);
        let is_logged = self.step.is_multiple_of(spec.logging.log_every_steps);
        let report = StepReport {
            step: self.step,
            total_steps: self.total_steps(),
            epoch,
            batch_size: indices.len(),
            task_loss: losses.task,
            topology_loss: losses.topology,
            topology_share: self.timing.topology_share(),
            is_logged,
        };
        if is_logged {
            self.record_step(epoch, &report, losses.terms, lr, norm);
        }
        Ok(report)
    }

    fn record_step(
        &mut self,
        epoch: usize,
        report: &StepReport,
        mut numbers: Vec<(String, f64)>,
        lr: f64,
        norm: f64,
    ) {
        let named = |name: &str, value| (name.to_owned(), value);
        numbers.extend([
            named("loss", report.task_loss + report.topology_loss),
            named("loss_task", report.task_loss),
            named("loss_topology", report.topology_loss),
            named("learning_rate", lr),
            named("gradient_norm", norm),
        ]);
        for (name, value) in numbers {
            self.record(epoch, "train", &name, value);
        }
        self.record_timing("topology_share", report.topology_share);
    }

    /// The images of a step of an epoch.
    fn indices(&mut self, epoch: usize, step: usize) -> Vec<usize> {
        let spec = &self.job.config.spec;
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let order = epoch_order(self.job.data.train.len(), spec.seed, epoch);
            self.order = Some((epoch, order));
        }
        let order = self.order.as_ref().map_or(&[][..], |(_, order)| order);
        let mut steps = order.chunks(spec.training.batch_size);
        steps.nth(step).unwrap_or_default().to_vec()
    }

    /// The augmented images; an image's motion depends on seed, epoch and place alone.
    fn batch(&self, indices: &[usize], epoch: usize) -> Result<ImageBatch, TrainError> {
        let spec = &self.job.config.spec;
        let images = &self.job.data.train;
        let augment = spec.training.augment;
        let items = indices.par_iter().map(|&index| {
            let item = images
                .get(index)
                .map_err(|e| TrainError::Files(e.to_string()))?;
            let mut random = random_stream(spec.seed, &[epoch as u64, index as u64]);
            Ok(ImageItem {
                pixels: augment.apply(&item.pixels, spec.images, &mut random),
                label: item.label,
            })
        });
        let items = items.collect::<Result<Vec<_>, TrainError>>()?;
        Ok(ImageBatcher { spec: spec.images }.batch(items, &self.device))
    }

    fn forward(
        &self,
        batch: &ImageBatch,
        part: usize,
        capture: Capture,
    ) -> (Tensor<1>, Vec<Tensor<4>>) {
        // Dropout must repeat whenever the same step is run again.
        let seed = step_seed(self.job.config.spec.seed, self.step, part);
        self.device.seed(seed);
        let output = self.model.forward(batch.images.clone(), capture);
        let cross_entropy = CrossEntropyLossConfig::new().init(&self.device);
        (
            cross_entropy.forward(output.logits, batch.labels.clone()),
            output.attention,
        )
    }

    /// Measures gradient shares where they are due, on the first part of the batch.
    fn calibrate(
        &mut self,
        batch: &ImageBatch,
        epoch: usize,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let mut regularizer = self.regularizer.clone();
        let n_prefix_tokens = self.model.token_layout().n_prefix_tokens;
        let forward = || self.forward(batch, 0, Capture::Attention);
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
                self.record(epoch, "train", &name, weight);
            }
        }
        Ok(())
    }

    fn losses(&self, batch: &ImageBatch, part: usize) -> Result<Losses, TrainError> {
        let clock = self.clock();
        if !self.regularizer.is_active(clock) {
            let (task, _) = self.forward(batch, part, Capture::Logits);
            return Ok(Losses {
                total: task.clone(),
                task,
                topology: 0.0,
                terms: Vec::new(),
                in_topology: Duration::ZERO,
            });
        }
        let (task, attention) = self.forward(batch, part, Capture::Attention);
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
}

/// A different seed for every step of every run, and for every part of a step.
fn step_seed(seed: u64, step: usize, part: usize) -> u64 {
    // The odd constants of SplitMix64 keep runs of neighbouring seeds, and parts, apart.
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add((part as u64).wrapping_mul(0xBF58_476D_1CE4_E5B9))
        .wrapping_add(step as u64 + 1)
}
