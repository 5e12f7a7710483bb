//! One optimiser step.

use std::time::Instant;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::*;
use rayon::prelude::*;

use super::error::TrainError;
use super::loss::soft_cross_entropy;
use super::observer::{Observer, StepReport};
use super::optimizer::{clip_global_norm, learning_rate};
use super::timing::{Phase, Profile, peak_bytes};
use super::trainer::Trainer;
use crate::data::{
    ImageBatcher, ImageItem, MixedLabel, epoch_order, mixup, mixup_stream, random_stream,
    soft_targets,
};
use crate::loss::Activations;
use crate::model::Capture;

/// A part of a batch, on the device.
struct Part {
    /// Its place among the parts of the batch.
    index: usize,
    images: Tensor<4>,
    targets: Tensor<2>,
}

/// What is told of a step or of a part of it.
#[derive(Default)]
struct StepLosses {
    task: f64,
    topology: f64,
    terms: Vec<(String, f64)>,
}

impl StepLosses {
    /// Adds a part that has this share of the batch.
    fn add(&mut self, part: Self, share: f64) {
        self.task += share * part.task;
        self.topology += share * part.topology;
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
        let mut profile = Profile::default();
        let spec = &self.job.config.spec;
        let epoch = self.step / self.steps_per_epoch();
        let indices = self.indices(epoch, self.step % self.steps_per_epoch());
        let mut items = profile.measure(Phase::Data, || self.items(&indices, epoch))?;
        let mut mixing = mixup_stream(spec.seed, self.step);
        let labels = profile.measure(Phase::Data, || {
            mixup(&mut items, spec.training.mixup_alpha, &mut mixing)
        });
        let part_size = items.len().div_ceil(spec.training.gradient_accumulation);
        let parts = items.chunks(part_size).zip(labels.chunks(part_size));
        let lr = learning_rate(&spec.training, self.step, self.total_steps());
        let mut losses = StepLosses::default();
        let mut accumulator = GradientsAccumulator::new();
        for (index, (items, labels)) in parts.enumerate() {
            let part = profile.measure(Phase::Data, || self.part(index, items, labels));
            if index == 0 {
                self.calibrate(&part, epoch, observer)?;
            }
            let share = items.len() as f64 / indices.len() as f64;
            let (total, of_part) = self.losses(&part, &mut profile)?;
            losses.add(of_part, share);
            self.require_finite("training loss", losses.task + losses.topology, lr)?;
            profile.measure(Phase::Backward, || {
                let gradients = (total * share).backward();
                let gradients = GradientsParams::from_grads(gradients, &self.model);
                accumulator.accumulate(&self.model, gradients);
            });
        }
        let in_optimizer = Instant::now();
        let (gradients, norm) =
            clip_global_norm(&self.model, accumulator.grads(), spec.training.clip_norm);
        self.require_finite("norm of the gradient", norm, lr)?;
        self.model = self.optimizer.step(lr, self.model.clone(), gradients);
        profile.add(Phase::Optimizer, in_optimizer.elapsed());
        self.step += 1;
        self.timing.add(started.elapsed(), profile.in_topology());
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
            profile.measure(Phase::Logging, || {
                self.record_step(epoch, &report, losses.terms, lr, norm);
            });
        }
        profile.n_steps = 1;
        profile.in_steps = started.elapsed();
        self.profile.add_step(&profile);
        self.recent.add_step(&profile);
        if is_logged && self.job.profiles {
            self.record_profile();
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

    /// Milliseconds per step of each phase since the last logged step.
    fn record_profile(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        for phase in Phase::ALL {
            let milliseconds = 1e3 * recent.time(phase).as_secs_f64() / recent.n_steps as f64;
            self.record_timing(&format!("{}_ms", phase.name()), milliseconds);
        }
        if let Some(bytes) = peak_bytes() {
            self.record_timing("peak_mebibytes", bytes as f64 / f64::from(1 << 20));
        }
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
    fn items(&self, indices: &[usize], epoch: usize) -> Result<Vec<ImageItem>, TrainError> {
        let spec = &self.job.config.spec;
        let images = &self.job.data.train;
        let augment = spec.training.augment;
        let augmented = indices.par_iter().map(|&index| {
            let item = images
                .get(index)
                .map_err(|e| TrainError::Files(e.to_string()))?;
            let mut random = random_stream(spec.seed, &[epoch as u64, index as u64]);
            Ok(ImageItem {
                pixels: augment.apply(&item.pixels, spec.images, &mut random),
                label: item.label,
            })
        });
        augmented.collect()
    }

    fn part(&self, index: usize, items: &[ImageItem], labels: &[MixedLabel]) -> Part {
        let spec = &self.job.config.spec;
        let smoothing = spec.training.label_smoothing;
        let batcher = ImageBatcher { spec: spec.images };
        Part {
            index,
            images: batcher.batch(items.to_vec(), &self.device).images,
            targets: soft_targets(labels, spec.images.n_classes, smoothing, &self.device),
        }
    }

    fn forward(&self, part: &Part, capture: Capture) -> (Tensor<1>, Activations) {
        // Dropout must repeat whenever the same step is run again.
        let seed = step_seed(self.job.config.spec.seed, self.step, part.index);
        self.device.seed(seed);
        let output = self.model.forward(part.images.clone(), capture);
        let task = soft_cross_entropy(output.output, part.targets.clone());
        let activations = Activations {
            attention: output.attention,
            hidden: output.hidden,
            n_prefix_tokens: output.tokens.n_prefix_tokens,
        };
        (task, activations)
    }

    /// What the penalties read.
    fn capture(&self) -> Capture {
        if self.regularizer.reads_hidden() {
            Capture::AttentionAndHidden
        } else {
            Capture::Attention
        }
    }

    /// Measures gradient shares where they are due, on the first part of the batch.
    fn calibrate(
        &mut self,
        part: &Part,
        epoch: usize,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let mut regularizer = self.regularizer.clone();
        let forward = || self.forward(part, self.capture());
        let measured = regularizer.calibrate(&self.model, self.clock(), forward)?;
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

    /// The loss to differentiate, and its parts as numbers.
    fn losses(
        &self,
        part: &Part,
        profile: &mut Profile,
    ) -> Result<(Tensor<1>, StepLosses), TrainError> {
        let clock = self.clock();
        let is_active = self.regularizer.is_active(clock);
        let capture = match is_active {
            true => self.capture(),
            false => Capture::Logits,
        };
        let mut losses = StepLosses::default();
        let (task, activations) = profile.measure(Phase::Forward, || {
            let (task, activations) = self.forward(part, capture);
            losses.task = task.clone().into_scalar();
            (task, activations)
        });
        if !is_active {
            return Ok((task, losses));
        }
        let topology = self.regularizer.forward(&activations, clock)?;
        let timing = topology.timing;
        profile.add(Phase::Distances, timing.distances);
        profile.add(Phase::Persistence, timing.persistence);
        profile.add(Phase::Matching, timing.matching);
        profile.add(Phase::CriticalEdges, timing.gradient);
        for term in &topology.terms {
            let gated = term.n_gated as f64 / term.n_compared as f64;
            losses.topology += term.weight * term.value;
            let numbers = [
                ("value", term.value),
                ("weight", term.weight),
                ("gated", gated),
            ];
            losses.terms.extend(
                numbers.map(|(name, value)| (format!("penalty{}_{name}", term.index), value)),
            );
        }
        Ok((task + topology.loss, losses))
    }
}

/// A different seed for every step of every run, and for every part of a step.
fn step_seed(seed: u64, step: usize, part: usize) -> u64 {
    // The odd constants of SplitMix64 keep runs of neighbouring seeds, and parts, apart.
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add((part as u64).wrapping_mul(0xBF58_476D_1CE4_E5B9))
        .wrapping_add(step as u64 + 1)
}
