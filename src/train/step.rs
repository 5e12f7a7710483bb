//! One optimiser step.

use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::*;

use super::error::TrainError;
use super::observer::{Observer, StepReport};
use super::optimizer::{by_learning_rate, clip_global_norm, learning_rate};
use super::timing::{Phase, Profile, peak_bytes};
use super::trainer::Trainer;
use crate::data::{
    MixedLabel, Perturbation, Sample, SampleBatcher, mixup, mixup_stream, soft_targets,
};
use crate::loss::{Activations, PatchMotion};
use crate::model::{Capture, Task};

/// A part of a batch, on the device.
struct Part {
    /// Its place among the parts of the batch.
    index: usize,
    /// What the model is shown.
    clips: Tensor<5>,
    /// The same, perturbed; where a penalty compares both.
    view: Option<Tensor<5>>,
    targets: Tensor<2>,
    motion: Option<Arc<PatchMotion>>,
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
        let mut items = profile.measure(Phase::Data, || self.samples.take(self.step))?;
        let batch_size = items.len();
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
            let part = profile.measure(Phase::Data, || self.part(index, items, labels))?;
            if index == 0 {
                self.calibrate(&part, epoch, observer)?;
            }
            let share = items.len() as f64 / batch_size as f64;
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
        let n_layers = spec.model.n_layers();
        let layer_decay = spec.training.layer_decay;
        for (factor, group) in by_learning_rate(&self.model, gradients, layer_decay, n_layers) {
            self.model = self.optimizer.step(lr * factor, self.model.clone(), group);
        }
        profile.add(Phase::Optimizer, in_optimizer.elapsed());
        self.step += 1;
        self.timing.add(started.elapsed(), profile.in_topology());
        let is_logged = self.step.is_multiple_of(spec.logging.log_every_steps);
        let report = StepReport {
            step: self.step,
            total_steps: self.total_steps(),
            epoch,
            batch_size,
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

    fn part(
        &self,
        index: usize,
        samples: &[Sample],
        labels: &[MixedLabel],
    ) -> Result<Part, TrainError> {
        let spec = &self.job.config.spec;
        let task = Task::of(&spec.model);
        let smoothing = spec.training.label_smoothing;
        let clips = SampleBatcher { spec: spec.samples }.clips(samples, &self.device);
        let classes = soft_targets(labels, spec.samples.n_classes, smoothing, &self.device);
        let motion = match self.regularizer.reads_motion() {
            true => Some(Arc::new(self.motion(samples)?)),
            false => None,
        };
        let mut part = Part {
            index,
            targets: task.targets(&clips, classes),
            clips: task.shown(clips),
            view: None,
            motion,
        };
        if let Some(perturbation) = spec.training.view
            && self.regularizer.reads_views(self.clock())
        {
            part.view = Some(self.view(&part, samples, perturbation));
        }
        Ok(part)
    }

    /// The second view of a part, another one at each step.
    fn view(&self, part: &Part, samples: &[Sample], perturbation: Perturbation) -> Tensor<5> {
        let spec = &self.job.config.spec;
        let task = Task::of(&spec.model);
        let seed = step_seed(spec.seed, self.step, part.index);
        let model = self.model.clone().no_grad();
        let losses = |clips: Tensor<5>| {
            // The same dropout at each call.
            self.device.seed(seed);
            let output = model.forward(task.shown(clips), Capture::Logits).output;
            task.sample_losses(output, part.targets.clone(), samples.len())
        };
        let clips = perturbation.apply(samples, spec.samples, seed, 0, &self.device, &losses);
        task.shown(clips).detach()
    }

    /// Where the patches of the frames that the model is shown go.
    fn motion(&self, samples: &[Sample]) -> Result<PatchMotion, TrainError> {
        let spec = &self.job.config.spec;
        let layout = spec.model.token_layout();
        let size = spec.samples.height * spec.samples.width;
        let n_steps = layout.n_frames - 1;
        let (mut flow, mut is_seen_next) = (Vec::new(), Vec::new());
        for sample in samples {
            let truth = sample.truth.as_ref().ok_or_else(|| {
                TrainError::Files("a penalty aligns frames by flow, but a clip has none".to_owned())
            })?;
            flow.extend_from_slice(&truth.flow[..2 * n_steps * size]);
            is_seen_next.extend_from_slice(&truth.is_seen_next[..n_steps * size]);
        }
        let frame = [spec.samples.height, spec.samples.width];
        let patch_size = spec.samples.height / layout.grid[0];
        Ok(PatchMotion::from_flow(
            &flow,
            &is_seen_next,
            frame,
            patch_size,
        )?)
    }

    fn forward(&self, part: &Part, capture: Capture) -> (Tensor<1>, Activations) {
        // Dropout must repeat whenever the same step is run again.
        let seed = step_seed(self.job.config.spec.seed, self.step, part.index);
        self.device.seed(seed);
        let view = part.view.as_ref().filter(|_| capture != Capture::Logits);
        let (shown, n_views) = match view {
            None => (part.clips.clone(), 1),
            Some(view) => (Tensor::cat(vec![part.clips.clone(), view.clone()], 0), 2),
        };
        let output = self.model.forward(shown, capture);
        let task = Task::of(&self.job.config.spec.model);
        // The task is learned from the first view alone, the clean one.
        let clean = match n_views {
            1 => output.output,
            _ => output.output.slice_dim(0, 0..part.targets.dims()[0]),
        };
        let loss = task.loss(clean, part.targets.clone());
        let activations = Activations {
            attention: output.attention,
            hidden: output.hidden,
            n_prefix_tokens: output.tokens.n_prefix_tokens,
            n_frames: output.tokens.n_frames,
            n_views,
            mass: output.mass,
            motion: part.motion.clone(),
        };
        (loss, activations)
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
