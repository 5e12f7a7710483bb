//! The training loop: where it starts, what follows what, and what is kept.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::prelude::*;

use super::charts;
use super::collapse::CollapseWatch;
use super::error::TrainError;
use super::evaluate::{Coherence, Evaluation, evaluate, evaluate_best};
use super::observer::Observer;
use super::prefetch::Prefetch;
use super::robustness;
use super::summary::Summary;
use super::timing::{Profile, Timing};
use crate::config::{CollapseAction, Config};
use crate::data::Splits;
use crate::loss::{Clock, TopologyRegularizer};
use crate::model::{Network, Task};
use crate::run::{
    CheckpointState, Checkpoints, MetricsLog, Record, RunDirectory, ValidationScore,
    write_atomically,
};

/// What is to be trained, on what, and where it is kept.
pub struct Job<'a> {
    /// The run's configuration.
    pub config: &'a Config,
    /// The samples.
    pub data: &'a Splits,
    /// Where everything is written; new, or left by a process that stopped.
    pub run: &'a RunDirectory,
    /// Without autodiff.
    pub device: &'a Device,
    /// Whether to log where the time of steps goes, and to tell it in the end.
    pub profiles: bool,
    /// Set from outside, asks for a checkpoint and an end after the current step.
    pub stop: &'a AtomicBool,
}

/// How a training ended.
#[derive(Debug)]
pub enum Outcome {
    /// Every step was taken, and the test split was looked at once.
    Finished(Summary),
    /// It was asked to stop, and can go on from the checkpoint of this step.
    Interrupted {
        /// Optimiser steps done.
        step: usize,
    },
}

/// Trains a model as the configuration says, from the newest checkpoint of the run directory or
/// from the beginning, and evaluates it once on the test split.
///
/// A run that was stopped or killed, and is taken up again as often as wanted, ends with the same
/// checkpoints and the same `metrics.jsonl`, bit for bit, as one that was not.
///
/// # Errors
///
/// [`TrainError::Diverged`] if a loss is not finite, [`TrainError::Collapsed`] if the attention
/// collapsed and the configuration says to stop; the checkpoints so far stay.
/// [`TrainError::Files`] if the run directory cannot be read or written.
pub fn train(job: &Job<'_>, observer: &mut dyn Observer) -> Result<Outcome, TrainError> {
    let mut trainer = Trainer::open(job, observer)?;
    let ran = trainer.run(observer);
    if job.profiles {
        observer.profile(&trainer.profile);
    }
    if ran.is_err() {
        trainer.log.show(charts::fail);
    }
    let is_done = ran?;
    let test = match is_done {
        true => evaluate_best(job, &job.data.test, observer)?,
        false => None,
    };
    let robustness = match test {
        Some(_) => robustness::summary_metrics(job, observer)?,
        None => None,
    };
    let (Some((test, best)), Some(robustness)) = (test, robustness) else {
        return Ok(Outcome::Interrupted { step: trainer.step });
    };
    let task = Task::of(&job.config.spec.model);
    let summary = Summary::new(
        task,
        &test,
        robustness,
        &best,
        trainer.step,
        &trainer.timing,
    );
    trainer.log.show(|events| charts::finish(events, &summary));
    trainer.sync_metrics()?;
    trainer.tell_warnings(observer);
    let json = serde_json::to_vec_pretty(&summary).expect("a summary can be written");
    write_atomically(&job.run.summary(), &json).map_err(TrainError::files(format_args!(
        "write {}",
        job.run.summary().display()
    )))?;
    Ok(Outcome::Finished(summary))
}

pub(super) struct Trainer<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) device: Device,
    pub(super) model: Network,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) regularizer: TopologyRegularizer,
    /// Optimiser steps done.
    pub(super) step: usize,
    pub(super) timing: Timing,
    /// Of the steps of this process.
    pub(super) profile: Profile,
    /// Of those since the last logged one.
    pub(super) recent: Profile,
    pub(super) samples: Prefetch,
    pub(super) collapse: CollapseWatch,
    /// Of the model as it is now; `None` until the validation split was looked at.
    pub(super) validation: Option<ValidationScore>,
    pub(super) is_saved: bool,
    /// Whether the last checkpoint could not be written, which is told once.
    pub(super) is_failing: bool,
    pub(super) checkpoints: Checkpoints,
    pub(super) log: MetricsLog,
    pub(super) config_sha256: String,
}

impl Trainer<'_> {
    /// Takes every step that is left; `false` if asked to stop before.
    fn run(&mut self, observer: &mut dyn Observer) -> Result<bool, TrainError> {
        loop {
            let is_boundary = self.step > 0 && self.step.is_multiple_of(self.steps_per_epoch());
            if is_boundary
                && self.validation.is_none()
                && let Some(evaluation) = self.validate(observer)?
            {
                self.save(observer)?;
                let epoch = self.step / self.steps_per_epoch() - 1;
                observer.epoch(epoch, &evaluation, self.elapsed());
            }
            let is_last = self.step == self.total_steps() && self.validation.is_some();
            if is_last || self.job.stop.load(Ordering::Relaxed) {
                if !self.is_saved {
                    self.write_checkpoint()?;
                }
                return Ok(is_last);
            }
            let report = self.take_step(observer)?;
            self.validation = None;
            self.is_saved = false;
            observer.step(&report);
            let is_due = |every: usize| self.step.is_multiple_of(every);
            if self
                .job
                .config
                .spec
                .checkpoint
                .every_steps
                .is_some_and(is_due)
            {
                self.save(observer)?;
            }
            self.tell_warnings(observer);
        }
    }

    pub(super) fn steps_per_epoch(&self) -> usize {
        let n_samples = self.job.data.train.len();
        self.job.config.spec.training.steps_per_epoch(n_samples)
    }

    pub(super) fn total_steps(&self) -> usize {
        self.job.config.spec.training.epochs * self.steps_per_epoch()
    }

    pub(super) fn clock(&self) -> Clock {
        Clock {
            step: self.step,
            steps_per_epoch: self.steps_per_epoch(),
        }
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs_f64(self.timing.seconds())
    }

    /// `None` if asked to stop meanwhile; then nothing was recorded.
    fn validate(&mut self, observer: &mut dyn Observer) -> Result<Option<Evaluation>, TrainError> {
        let spec = &self.job.config.spec;
        let epoch = self.step / self.steps_per_epoch() - 1;
        let model = self.model.valid();
        let is_due = |every_epochs: usize| {
            epoch.is_multiple_of(every_epochs) || self.step == self.total_steps()
        };
        let is_shown = is_due(spec.logging.pictures_every_epochs);
        let coherence = match is_due(spec.logging.coherence_every_epochs) {
            true => Coherence::Measured,
            false => Coherence::Skipped,
        };
        let samples = &self.job.data.validation;
        let Some(validation) = evaluate(self.job, &model, samples, coherence)? else {
            return Ok(None);
        };
        self.require_finite("validation loss", validation.loss, f64::NAN)?;
        self.validation = Some(ValidationScore {
            score: Task::of(&spec.model).score(&validation.metrics),
            loss: validation.loss,
        });
        self.record(epoch, "validation", "loss", validation.loss);
        for (name, value) in &validation.metrics {
            self.record(epoch, "validation", name, *value);
        }
        let means = validation.monitor.means();
        for (name, value) in validation.coherence.iter().chain(&means) {
            self.record(epoch, "validation", name, *value);
        }
        let low = self.collapse.look(&validation.monitor.mean_distances());
        self.record(epoch, "validation", "collapse/n_layers", low.len() as f64);
        let step = self.step;
        self.log
            .show(|events| charts::lifetimes(events, &validation.monitor, step));
        if is_shown {
            self.log
                .show(|events| charts::pictures(events, &validation.monitor, step));
            self.show_clip(&validation)?;
        }
        if let Some((message, action)) = self.collapse.alarm(&low, self.step) {
            if action == CollapseAction::Stop {
                self.save(observer)?;
                return Err(TrainError::Collapsed(message));
            }
            observer.note(&message);
        }
        Ok(Some(validation))
    }

    /// The first validation clip as it plays, beside its diagrams; nothing for images.
    fn show_clip(&mut self, validation: &Evaluation) -> Result<(), TrainError> {
        let spec = self.job.config.spec.samples;
        if spec.n_frames == 1 {
            return Ok(());
        }
        let clip = self.job.data.validation.get(0);
        let clip = clip.map_err(|e| TrainError::Files(e.to_string()))?;
        let step = self.step;
        self.log
            .show(|events| charts::clip(events, &clip, spec, validation, step));
        Ok(())
    }

    /// Takes a checkpoint; one that cannot be written is told of once, and training goes on.
    fn save(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let written = self.write_checkpoint();
        self.tell_warnings(observer);
        match written {
            Err(TrainError::Files(message)) if self.job.run.root().is_dir() => {
                if !self.is_failing {
                    observer.note(&format!("{message}; training goes on, and tries again"));
                }
                self.is_failing = true;
                Ok(())
            }
            written => {
                self.is_failing = false;
                written
            }
        }
    }

    fn write_checkpoint(&mut self) -> Result<(), TrainError> {
        let root = self.job.run.root();
        if !root.is_dir() {
            return Err(TrainError::Files(format!(
                "{}: the run directory is gone, so nothing more can be kept; stopped at step {}",
                root.display(),
                self.step
            )));
        }
        let state = CheckpointState {
            step: self.step,
            validation: self.validation,
            penalty_weights: self.regularizer.weights().to_vec(),
            peak_distances: self.collapse.peaks().to_vec(),
            seconds: self.timing.seconds(),
            seconds_in_steps: self.timing.in_steps,
            seconds_in_topology: self.timing.in_topology,
            metrics_bytes: self.sync_metrics()?,
            config_sha256: self.config_sha256.clone(),
        };
        let (model, optimizer) = (&self.model, &self.optimizer);
        let write = |directory: &Path| {
            let record = model.valid().into_record();
            record
                .save(directory.join("model.bpk"))
                .map_err(io::Error::other)?;
            optimizer
                .save(directory.join("optimizer.bpk"))
                .map_err(io::Error::other)
        };
        let newest = self.newest_checkpoint();
        self.checkpoints
            .save(&state, write)
            .map_err(TrainError::files(format_args!(
                "write the checkpoint of step {} (newest: {newest})",
                self.step
            )))?;
        self.is_saved = true;
        Ok(())
    }

    fn newest_checkpoint(&self) -> String {
        match self.checkpoints.newest() {
            Some((_, path)) => path.display().to_string(),
            None => "none yet".to_owned(),
        }
    }

    fn sync_metrics(&mut self) -> Result<u64, TrainError> {
        let path = self.job.run.metrics();
        self.log
            .sync()
            .map_err(TrainError::files(format_args!("write {}", path.display())))
    }

    pub(super) fn require_finite(&self, what: &str, value: f64, lr: f64) -> Result<(), TrainError> {
        if value.is_finite() {
            return Ok(());
        }
        let at_rate = match lr.is_nan() {
            true => String::new(),
            false => format!(", learning rate {lr:.2e}"),
        };
        Err(TrainError::Diverged(format!(
            "{what} became {value} at step {} (epoch {}{at_rate}); last good checkpoint: {}; lower training.optimizer.lr or set training.clip_norm",
            self.step,
            self.step / self.steps_per_epoch(),
            self.newest_checkpoint()
        )))
    }

    pub(super) fn record(&mut self, epoch: usize, split: &str, name: &str, value: f64) {
        self.log.log(Record {
            step: self.step,
            epoch,
            split,
            name,
            value,
        });
    }

    /// A number about this machine rather than about the model: for TensorBoard alone.
    pub(super) fn record_timing(&mut self, name: &str, value: f64) {
        let step = self.step;
        self.log
            .show(|events| events.scalar(&format!("time/{name}"), value, step));
    }

    pub(super) fn tell_warnings(&mut self, observer: &mut dyn Observer) {
        for warning in self.log.take_warnings() {
            observer.note(&warning);
        }
    }
}
