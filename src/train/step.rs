//! One optimiser step: losses, gradients, update and report.

use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::prelude::*;

use super::divergence::DominantPenalty;
use super::error::TrainError;
use super::frames::grey_frames;
use super::gradient_clipping::clip_global_norm;
use super::learning_rate::{group_by_learning_rate, learning_rate};
use super::observer::{Observer, StepReport};
use super::reference::{activations_of, reference_activations};
use super::timing::{Phase, Profile, peak_bytes};
use super::trainer::{Trainer, ZeroGradients};
use crate::data::{
    MixedLabel, Noising, Perturbation, Sample, SampleBatcher, soft_targets, training_noise,
};
use crate::error::Error;
use crate::fused::{HostReads, ReadCount};
use crate::loss::{Activations, Clock, PatchMotion, Weight};
use crate::model::{Capture, Conditions, ModelInput, Network, Task};

/// Copy of the model on one device, which computes some parts of every batch.
struct Replica {
    /// Device with autodiff.
    device: Device,
    model: Network,
    /// Reference on the same device; `None` if no penalty compares the model with it.
    reference: Option<Network>,
}

/// Part of a batch, on a device; the whole batch without gradient accumulation and on a single device.
struct Part {
    /// Index of the part within the batch.
    index: usize,
    /// Model input.
    clips: Tensor<5>,
    /// Conditions of a generator; `None` for other models.
    conditions: Option<Conditions>,
    /// Perturbed model input; `None` unless a penalty compares views.
    view: Option<Tensor<5>>,
    targets: Tensor<2>,
    /// Motion of the patches between frames; `None` unless a penalty follows it.
    motion: Option<Arc<PatchMotion>>,
    /// Activations of the reference; `None` unless a penalty compares the model with it.
    reference: Option<Activations>,
}

/// Losses of a step or of a part of it, as numbers.
#[derive(Default)]
struct StepLosses {
    task: f64,
    /// Weighted sum of the penalties.
    topology: f64,
    /// Logged numbers of the penalties by name.
    terms: Vec<(String, f64)>,
    /// Penalty that is far larger than the task loss; `None` if none is.
    dominant: Option<DominantPenalty>,
}

impl StepLosses {
    /// Adds the losses of a part, weighted with its share of the batch.
    fn add(&mut self, part: Self, share: f64) {
        self.task += share * part.task;
        self.topology += share * part.topology;
        self.dominant = self.dominant.take().or(part.dominant);
        for (name, value) in part.terms {
            match self
                .terms
                .iter_mut()
                .find(|(candidate, _)| *candidate == name)
            {
                Some((_, sum)) => *sum += share * value,
                None => self.terms.push((name, share * value)),
            }
        }
    }
}

/// One batch on the host.
struct HostBatch {
    samples: Vec<Sample>,
    labels: Vec<MixedLabel>,
    /// Noise of each sample; empty unless the model is a generator.
    noise: Vec<Noising>,
}

/// Part of a batch on the host.
#[derive(Clone, Copy)]
struct HostPart<'a> {
    /// Index of the part within the batch.
    index: usize,
    samples: &'a [Sample],
    labels: &'a [MixedLabel],
    noise: &'a [Noising],
}

impl HostBatch {
    /// Divides the batch into parts of so many samples, the last of which may be smaller.
    fn parts(&self, part_size: usize) -> Vec<HostPart<'_>> {
        let samples = self.samples.chunks(part_size);
        let labels = self.labels.chunks(part_size);
        let noise = self
            .noise
            .chunks(part_size)
            .chain(std::iter::repeat(&[][..]));
        samples
            .zip(labels)
            .zip(noise)
            .enumerate()
            .map(|(index, ((samples, labels), noise))| HostPart {
                index,
                samples,
                labels,
                noise,
            })
            .collect()
    }
}

impl Trainer<'_> {
    /// Takes one optimiser step: gradients, update, report.
    ///
    /// The gradient is that of the whole batch, whether or not it is accumulated over several parts, on one device
    /// or on several.
    pub(super) fn take_step(
        &mut self,
        observer: &mut dyn Observer,
    ) -> Result<StepReport, TrainError> {
        let started = Instant::now();
        let reads_before = ReadCount::now();
        let mut profile = Profile::default();
        let training = &self.job.config.spec.training;
        let epoch = self.step / self.steps_per_epoch();
        let lr = match self.fixed_lr {
            Some(lr) => lr,
            None => learning_rate(training, self.step, self.total_steps()),
        };
        let batch = self.load_batch(&mut profile)?;

        let (gradients, losses) = self.gradients(&batch, epoch, lr, &mut profile, observer)?;
        let norm = self.update(gradients, lr, &mut profile)?;

        self.step += 1;
        self.timing.add(started.elapsed(), profile.in_topology());
        let log_every_steps = self.job.config.spec.logging.log_every_steps;
        let report = StepReport {
            step: self.step,
            total_steps: self.total_steps(),
            epoch,
            batch_size: batch.samples.len(),
            task_loss: losses.task,
            topology_loss: losses.topology,
            topology_share: self.timing.topology_share(),
            is_logged: self.step.is_multiple_of(log_every_steps),
        };
        if report.is_logged {
            profile.measure(Phase::Logging, || {
                self.record_step(&report, losses.terms, lr, norm);
            });
        }
        profile.n_steps = 1;
        profile.in_steps = started.elapsed();
        profile.reads = ReadCount::now().since(reads_before);
        self.profile.add_step(&profile);
        self.recent.add_step(&profile);
        if report.is_logged && self.job.profiles {
            self.record_profile();
        }
        Ok(report)
    }

    /// Takes the samples of the current step, mixed if the configuration asks for it.
    fn load_batch(&mut self, profile: &mut Profile) -> Result<HostBatch, TrainError> {
        let spec = &self.job.config.spec;
        let mut samples = profile.measure(Phase::Data, || self.samples.take(self.step))?;
        let labels = profile.measure(Phase::Data, || {
            let mixing = spec.training.mixing;
            mixing.apply(&mut samples, spec.samples, spec.seed, self.step)
        });
        let noise = profile.measure(Phase::Data, || self.noise(samples.len()));
        Ok(HostBatch {
            samples,
            labels,
            noise,
        })
    }

    /// Noise of the samples of the current step; none unless the model is a generator.
    fn noise(&self, n_samples: usize) -> Vec<Noising> {
        let spec = &self.job.config.spec;
        if self.captions.is_none() {
            return Vec::new();
        }
        let n_values = spec.samples.n_frames * spec.samples.frame_len();
        let training = &spec.training;
        training_noise(
            spec.seed,
            self.step,
            [n_samples, n_values],
            training.levels,
            training.caption_dropout,
        )
    }

    /// Gradient and losses of a batch, accumulated over its parts in their order.
    ///
    /// Each device computes every so many parts. The parts that the devices compute together are one round.
    fn gradients(
        &mut self,
        batch: &HostBatch,
        epoch: usize,
        lr: f64,
        profile: &mut Profile,
        observer: &mut dyn Observer,
    ) -> Result<(GradientsParams, StepLosses), TrainError> {
        let batch_size = batch.samples.len();
        let replicas = self.replicas();
        let n_parts = self.job.config.spec.training.gradient_accumulation * replicas.len();
        let part_size = batch_size.div_ceil(n_parts);
        let parts = batch.parts(part_size);
        let mut losses = StepLosses::default();
        let mut accumulator = GradientsAccumulator::new();
        for first in (0..parts.len()).step_by(replicas.len()) {
            let round = (first..parts.len()).zip(&replicas);
            let mut passes = Vec::new();
            // Graphics cards work in the background: all have begun before the result of the first is read.
            for (index, replica) in round.clone() {
                let mut part = profile.measure(Phase::Data, || self.part(replica, parts[index]))?;
                if let Some(reference) = &replica.reference
                    && self.regularizer.reads_reference(self.clock())
                {
                    let clips = part.clips.clone();
                    part.reference = Some(profile.measure(Phase::Reference, || {
                        reference_activations(reference, clips, self.capture())
                    }));
                }
                if index == 0 {
                    self.calibrate(replica, &part, (epoch, lr), observer)?;
                }
                passes.push(profile.measure(Phase::Forward, || {
                    self.forward(replica, &part, self.needed_capture())
                }));
            }
            let mut weighted_losses = Vec::new();
            for ((index, _), (task, activations)) in round.clone().zip(passes) {
                // Losses are means over a part; the last part may be smaller.
                let share = parts[index].samples.len() as f64 / batch_size as f64;
                let (loss, part_losses) = self.losses(task, &activations, lr, profile)?;
                losses.add(part_losses, share);
                self.dominant.clone_from(&losses.dominant);
                self.require_finite("training loss", losses.task + losses.topology, lr)?;
                weighted_losses.push(loss * share);
            }
            profile.measure(Phase::Backward, || {
                let gradients: Vec<GradientsParams> = round
                    .zip(weighted_losses)
                    .map(|((_, replica), loss)| {
                        GradientsParams::from_grads(loss.backward(), &replica.model)
                    })
                    .collect();
                for (index, gradients) in gradients.into_iter().enumerate() {
                    let gradients = match index {
                        0 => gradients,
                        _ => gradients.to_device(self.job.main_device(), &self.model),
                    };
                    accumulator.accumulate(&self.model, gradients);
                }
            });
        }
        Ok((accumulator.grads(), losses))
    }

    /// Copies of the current model, one on each device.
    fn replicas(&self) -> Vec<Replica> {
        let replica = |(index, device): (usize, &Device)| Replica {
            device: device.clone(),
            model: match index {
                // The model is on the main device already.
                0 => self.model.clone(),
                _ => self.model.clone().fork(device),
            },
            reference: self.references.get(index).cloned(),
        };
        self.devices.iter().enumerate().map(replica).collect()
    }

    /// Clips the gradient and updates the parameters; returns the norm of the gradient before clipping.
    fn update(
        &mut self,
        gradients: GradientsParams,
        lr: f64,
        profile: &mut Profile,
    ) -> Result<f64, TrainError> {
        let started = Instant::now();
        let spec = &self.job.config.spec;
        let (gradients, norm) = clip_global_norm(&self.model, gradients, spec.training.clip_norm);
        // Checked before the update, so that the last parameters stay usable.
        self.require_finite("norm of the gradient", norm, lr)?;
        let layer_decay = spec.training.optimizer.layer_decay;
        let n_layers = spec.model.n_layers();
        for group in group_by_learning_rate(&self.model, gradients, layer_decay, n_layers) {
            let lr = lr * group.lr_factor;
            if let Some(l2_sp) = &self.l2_sp {
                self.model = l2_sp.decay(self.model.clone(), &group.gradients, lr);
            }
            self.model = self.optimizer.step(lr, self.model.clone(), group.gradients);
        }
        if let Some(averaged) = &mut self.averaged {
            averaged.update(&self.model, self.step + 1);
        }
        profile.add(Phase::Optimizer, started.elapsed());
        Ok(norm)
    }

    /// Logs the numbers of one step.
    fn record_step(
        &mut self,
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
            self.record(report.epoch, "train", &name, value);
        }
        self.record_timing("topology_share", report.topology_share);
    }

    /// Logs the mean time of each phase since the last logged step, in milliseconds, the reads from the device, and
    /// the peak memory.
    fn record_profile(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        for phase in Phase::ALL {
            let milliseconds = 1e3 * recent.time(phase).as_secs_f64() / recent.n_steps as f64;
            self.record_timing(&format!("{}_ms", phase.name()), milliseconds);
        }
        let per_step = |n: usize| n as f64 / recent.n_steps as f64;
        let mebibytes = per_step(recent.reads.n_bytes) / f64::from(1 << 20);
        self.record_timing("reads_per_step", per_step(recent.reads.n_reads));
        self.record_timing("read_mebibytes_per_step", mebibytes);
        if let Some(bytes) = peak_bytes() {
            self.record_timing("peak_mebibytes", bytes as f64 / f64::from(1 << 20));
        }
    }

    /// Moves a part of a batch to the device of a replica.
    fn part(&self, replica: &Replica, part: HostPart<'_>) -> Result<Part, TrainError> {
        let HostPart {
            index,
            samples,
            labels,
            noise,
        } = part;
        let spec = &self.job.config.spec;
        let task = Task::from_config(&spec.model);
        let smoothing = spec.training.label_smoothing;
        let device = &replica.device;
        let motion = if self.regularizer.reads_motion() {
            Some(Arc::new(self.motion(samples)?))
        } else {
            None
        };
        if let Some(captions) = &self.captions {
            let batch = captions
                .flow_batch(samples, noise, spec.samples, device)
                .map_err(TrainError::Files)?;
            return Ok(Part {
                index,
                targets: batch.velocities,
                clips: batch.input.clips,
                conditions: batch.input.conditions,
                view: None,
                motion,
                reference: None,
            });
        }
        let clips = SampleBatcher { spec: spec.samples }.clips(samples, device);
        let classes = soft_targets(labels, spec.samples.n_classes, smoothing, device);
        let mut part = Part {
            index,
            targets: task.targets(&clips, classes),
            clips: task.model_input(clips),
            conditions: None,
            view: None,
            motion,
            reference: None,
        };
        if let Some(perturbation) = spec.training.view
            && self.regularizer.reads_views(self.clock())
        {
            part.view = Some(self.view(replica, &part, samples, perturbation));
        }
        Ok(part)
    }

    /// Perturbed view of a part, with different random numbers at every step.
    fn view(
        &self,
        replica: &Replica,
        part: &Part,
        samples: &[Sample],
        perturbation: Perturbation,
    ) -> Tensor<5> {
        let spec = &self.job.config.spec;
        let task = Task::from_config(&spec.model);
        let seed = step_seed(spec.seed, self.step, part.index);
        let model = replica.model.clone().no_grad();
        let losses = |clips: Tensor<5>| {
            // The same dropout mask at every call: an attack needs a loss that depends on its input alone.
            replica.device.seed(seed);
            let output = model
                .forward(task.model_input(clips), Capture::Logits)
                .output;
            task.sample_losses(output, part.targets.clone(), samples.len())
        };
        let clips = perturbation.apply(samples, spec.samples, seed, 0, &replica.device, &losses);
        // The attack itself is not differentiated.
        task.model_input(clips).detach()
    }

    /// Motion of patches between the frames of the model input, from the true flow.
    fn motion(&self, samples: &[Sample]) -> Result<PatchMotion, TrainError> {
        let spec = &self.job.config.spec;
        let layout = spec.model.token_layout();
        let size = spec.samples.height * spec.samples.width;
        // Flow of the frames that the model gets: a frame predictor gets all but the last.
        let n_steps = layout.n_frames - 1;
        let (mut flow, mut is_visible_next) = (Vec::new(), Vec::new());
        for sample in samples {
            let truth = sample.truth.as_ref().ok_or_else(|| {
                TrainError::Files(Error::invalid_parameter(
                    "a penalty follows motion, but this clip has no known flow; expected data with ground truth",
                ))
            })?;
            flow.extend_from_slice(&truth.flow[..2 * n_steps * size]);
            is_visible_next.extend_from_slice(&truth.is_visible_next[..n_steps * size]);
        }
        let frame = [spec.samples.height, spec.samples.width];
        let patch_size = spec.samples.height / layout.grid[0];
        Ok(PatchMotion::from_flow(
            &flow,
            &is_visible_next,
            frame,
            patch_size,
        )?)
    }

    /// Forward pass: task loss and activations.
    fn forward(
        &self,
        replica: &Replica,
        part: &Part,
        capture: Capture,
    ) -> (Tensor<1>, Activations) {
        // Dropout must not depend on what ran before: after resuming, and when calibration repeats the forward pass.
        let seed = step_seed(self.job.config.spec.seed, self.step, part.index);
        replica.device.seed(seed);
        let view = part.view.as_ref().filter(|_| capture != Capture::Logits);
        let (input, n_views) = match view {
            None => (part.clips.clone(), 1),
            Some(view) => (Tensor::cat(vec![part.clips.clone(), view.clone()], 0), 2),
        };
        let input = ModelInput {
            clips: input,
            conditions: part.conditions.clone(),
        };
        let output = replica.model.forward(input, capture);
        let task = Task::from_config(&self.job.config.spec.model);
        // The task loss uses only the first view, which is not perturbed.
        let clean_output = match n_views {
            1 => output.output.clone(),
            _ => {
                let n_clean = part.targets.dims()[0];
                output.output.clone().slice_dim(0, 0..n_clean)
            }
        };
        let loss = task.loss(clean_output.clone(), part.targets.clone());
        let frames = self.regularizer.reads_frames().then(|| {
            let spec = &self.job.config.spec;
            let n_frames = spec.model.token_layout().n_frames;
            let targets = part.targets.clone();
            grey_frames(task, clean_output, targets, n_frames, spec.samples)
        });
        let activations = Activations {
            frames,
            n_views,
            motion: part.motion.clone(),
            reference: part.reference.clone().map(Box::new),
            ..activations_of(output)
        };
        (loss, activations)
    }

    /// Activations that the penalties read.
    fn capture(&self) -> Capture {
        if self.regularizer.reads_hidden() {
            Capture::AttentionAndHidden
        } else if self.regularizer.reads_layers() {
            Capture::Attention
        } else {
            Capture::Logits
        }
    }

    /// Activations that the penalties read at this step: none if no penalty is on.
    fn needed_capture(&self) -> Capture {
        if self.regularizer.is_active(self.clock()) {
            self.capture()
        } else {
            Capture::Logits
        }
    }

    /// Measures the gradient shares that are due at this step, on the first part of the batch, and sets the weights.
    fn calibrate(
        &mut self,
        replica: &Replica,
        part: &Part,
        (epoch, lr): (usize, f64),
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        // A copy, since the forward pass borrows the trainer while the weights change.
        let mut regularizer = self.regularizer.clone();
        let forward = || self.forward(replica, part, self.capture());
        let measured = regularizer
            .calibrate(&replica.model, self.clock(), forward)
            .map_err(|error| self.penalty_error(error, lr))?;
        self.regularizer = regularizer;
        for calibration in measured {
            let index = calibration.index;
            self.require_finite("norm of the task's gradient", calibration.task_norm, lr)?;
            if !calibration.penalty_norm.is_finite() {
                return Err(TrainError::Diverged(format!(
                    "the gradient of penalty {0} became {1} at step {2}, so that no weight gives it a share; {3}; change \
                     topology.{0}, such as a smaller order or power",
                    self.regularizer.names()[index],
                    calibration.penalty_norm,
                    self.step,
                    self.newest_checkpoint("last good checkpoint")
                )));
            }
            let zero = calibration.weight.is_none().then_some(ZeroGradients {
                is_task_zero: calibration.task_norm == 0.0,
                is_penalty_zero: calibration.penalty_norm == 0.0,
            });
            // The measurement is repeated at every step, and would fill the log with the same line.
            let was_reported = zero.is_some() && zero == self.zero_gradients[index];
            self.zero_gradients[index] = zero;
            if was_reported {
                continue;
            }
            let name = self.regularizer.names()[index].clone();
            let result = match (
                calibration.weight,
                self.regularizer.penalties()[index].weight,
            ) {
                (Some(weight), Weight::GradientShare(share)) => format!(
                    "weight set to {} for a gradient share of {share}",
                    three_digits(weight)
                ),
                (Some(weight), Weight::Fixed(_)) => {
                    format!("weight set to {}", three_digits(weight))
                }
                (None, _) => "no weight yet, because a gradient is zero".to_owned(),
            };
            observer.message(&format!(
                "step {}: penalty {name}: {result} (gradient norms: task {}, penalty {})",
                self.step,
                three_digits(calibration.task_norm),
                three_digits(calibration.penalty_norm)
            ));
            if let Some(weight) = calibration.weight {
                self.record(
                    epoch,
                    "train",
                    &format!("penalty/{name}/full_weight"),
                    weight,
                );
            }
        }
        Ok(())
    }

    /// Reports the penalties that never contributed to the loss, at the end of a training.
    pub(super) fn report_idle_penalties(&self, observer: &mut dyn Observer) {
        let regularizer = &self.regularizer;
        for (index, penalty) in regularizer.penalties().iter().enumerate() {
            let is_on = |step| {
                let clock = Clock {
                    step,
                    steps_per_epoch: self.steps_per_epoch(),
                };
                penalty.schedule.factor(clock) > 0.0
            };
            let reason = match regularizer.weights()[index] {
                // A weight of 0 was asked for.
                Some(0.0) => continue,
                // Early stopping may end training before the last epoch.
                _ if !(0..self.step).any(is_on) => "its schedule begins after the last step",
                None => "no weight could be set, because a gradient was zero whenever it was on",
                Some(_) => continue,
            };
            let name = &regularizer.names()[index];
            observer.message(&format!("penalty {name} never acted: {reason}"));
        }
    }

    /// Loss of a forward pass to differentiate, and its terms as numbers.
    fn losses(
        &self,
        task: Tensor<1>,
        activations: &Activations,
        lr: f64,
        profile: &mut Profile,
    ) -> Result<(Tensor<1>, StepLosses), TrainError> {
        let clock = self.clock();
        let mut losses = StepLosses::default();
        // The penalties' values are read with that of the task: each read waits for the device.
        let mut reads = HostReads::default();
        let task_value = reads.add(task.clone());
        let is_active = self.regularizer.is_active(clock);
        let pending = is_active.then(|| self.regularizer.begin(activations, clock, &mut reads));
        // Reading waits for the device, so that the forward pass is timed here and not later.
        let mut values = profile.measure(Phase::Forward, || reads.execute())?;
        losses.task = values.take(task_value)?[0];
        let Some(pending) = pending else {
            return Ok((task, losses));
        };
        // A penalty would refuse attention that is not finite, without the step and the advice of this message.
        self.require_finite("training loss", losses.task, lr)?;
        let topology = pending
            .and_then(|pending| pending.finish(&mut values))
            .map_err(|error| self.penalty_error(error, lr))?;
        let terms = topology
            .terms
            .iter()
            .map(|term| (&*term.name, term.value, term.weight));
        losses.dominant = DominantPenalty::among(terms, losses.task);
        if topology.n_items_on_host > 0 {
            let n_items = topology.n_items_on_host as f64;
            losses.terms.push(("items_on_host".to_owned(), n_items));
        }
        let timing = topology.timing;
        profile.add(Phase::Distances, timing.distances);
        profile.add(Phase::Persistence, timing.persistence);
        profile.add(Phase::Matching, timing.matching);
        profile.add(Phase::CriticalEdges, timing.gradient);
        for term in &topology.terms {
            let gated = term.n_gated as f64 / term.n_compared as f64;
            // A penalty of weight 0 adds nothing, also where its value is infinite.
            if term.weight != 0.0 {
                losses.topology += term.weight * term.value;
            }
            let numbers = [
                ("value", term.value),
                ("weight", term.weight),
                ("gated", gated),
            ];
            losses.terms.extend(
                numbers.map(|(number, value)| (format!("penalty/{}/{number}", term.name), value)),
            );
        }
        Ok((task + topology.loss, losses))
    }
}

/// Seed of a part of a step, different for every run, step and part.
fn step_seed(seed: u64, step: usize, part: usize) -> u64 {
    // Large odd constants (of SplitMix64) keep the seeds of neighbouring runs and parts far apart.
    seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add((part as u64).wrapping_mul(0xBF58_476D_1CE4_E5B9))
        // Without the 1, the first step of seed 0 would repeat the random numbers of the initial parameters.
        .wrapping_add(step as u64 + 1)
}

/// Number with three significant digits, in scientific notation if it is very small or very large.
fn three_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let exponent = value.abs().log10().floor();
    if !(-4.0..5.0).contains(&exponent) {
        return format!("{value:.2e}");
    }
    let decimals = (2.0 - exponent).max(0.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::three_digits;

    #[test]
    fn numbers_have_three_significant_digits() {
        let cases = [
            (0.010_842, "0.0108"),
            (1.702, "1.70"),
            (15.7, "15.7"),
            (-1234.5, "-1234"),
            (2.5e-7, "2.50e-7"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(three_digits(value), text);
        }
    }
}
