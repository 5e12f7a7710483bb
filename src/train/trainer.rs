//! The training loop: steps, validations and checkpoints, in this order.

use std::sync::atomic::Ordering;
use std::time::Duration;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::prelude::*;

use super::averaged_weights::AveragedWeights;
use super::charts;
use super::clip_charts;
use super::collapse::CollapseMonitor;
use super::disk_space::wait_for_space;
use super::divergence::{DominantPenalty, advice};
use super::early_stopping::StoppingMonitor;
use super::error::TrainError;
use super::job::Job;
use super::l2_sp::L2Sp;
use super::observer::{Observer, report_problems};
use super::prefetch::Prefetch;
use super::robustness;
use super::run_files::{require_first_files, require_lock};
use super::summary::{RunLength, RunSummary};
use super::timing::{Profile, Timing};
use crate::config::CollapseAction;
use crate::error::Error;
use crate::evaluate::{
    BestModel, CaptionEncoder, Coherence, Evaluation, EvaluationSettings, TaskModel, best_model,
};
use crate::loss::{Clock, TopologyRegularizer};
use crate::model::{Network, Task};
use crate::run::{
    CheckpointState, Checkpoints, MetricsLog, Record, ValidationScore, write_atomically,
};

/// Result of a training that ended without an error.
#[derive(Debug)]
pub enum Outcome {
    /// Every step was taken, and the best checkpoint was evaluated on the test split.
    Finished(RunSummary),
    /// The training was interrupted by [`Job::stop`], and can be resumed from the checkpoint of this step.
    Interrupted {
        /// Number of optimiser steps done.
        step: usize,
    },
}

/// Trains a model from the newest checkpoint of the run directory, or from the beginning, and evaluates its best
/// checkpoint once on the test split.
///
/// A run that is stopped or killed and resumed, any number of times, ends with the same checkpoints and the same
/// `metrics.jsonl`, bit for bit, as an uninterrupted run.
///
/// # Errors
///
/// [`TrainError::Diverged`] if a loss is not finite, [`TrainError::Collapsed`] if the attention
/// collapsed and the configuration asks to stop; existing checkpoints are kept.
/// [`TrainError::Files`] if the run directory cannot be read or written.
pub fn train(job: &Job<'_>, observer: &mut dyn Observer) -> Result<Outcome, TrainError> {
    let mut trainer = Trainer::open(job, observer)?;
    let result = trainer.run(observer);
    if job.profiles {
        observer.profile(&trainer.profile);
    }
    // Without the lock, the files may be those of another process.
    if result.is_err() && job.lock.is_held() {
        // Without this, TensorBoard would show the run as still running.
        trainer
            .log
            .write_event(|events| charts::fail(events, job.run));
        // The last records are still in memory, and say best why the training ended.
        if let Err(error) = trainer.sync_metrics() {
            // Only a message, because the error of the training matters more.
            observer.message(&format!("{error}; its last lines are lost"));
        }
    }
    let is_done = result?;
    if is_done {
        trainer.report_idle_penalties(observer);
        // Before the best checkpoint is loaded, which is checked against the configuration, and again at the end.
        require_first_files(job.run, &trainer.config_sha256)?;
    }
    let test = if is_done {
        evaluate_best(job, observer)?
    } else {
        None
    };
    let robustness = match test {
        Some(_) => robustness::summary_metrics(job, observer)?,
        None => None,
    };
    // An interrupted evaluation is repeated from its start when the run is resumed: the last checkpoint is complete.
    let (Some((test, best)), Some(robustness)) = (test, robustness) else {
        return Ok(Outcome::Interrupted { step: trainer.step });
    };
    require_lock(job, trainer.step)?;
    require_first_files(job.run, &trainer.config_sha256)?;
    let task = Task::from_config(&job.config.spec.model);
    let summary = RunSummary::new(
        task,
        &test,
        robustness,
        &best,
        trainer.length(),
        &trainer.timing,
    );
    trainer
        .log
        .write_event(|events| charts::finish(events, &summary, job.run));
    wait_for_space(job, observer, &mut || trainer.sync_metrics())?;
    trainer.log_warnings(observer);
    // The summary is written last, because a run that has one counts as finished.
    let json = serde_json::to_vec_pretty(&summary).expect("a summary can be written");
    let path = job.run.summary();
    wait_for_space(job, observer, &mut || {
        let doing = format_args!("write {}", path.display());
        write_atomically(&path, &json).map_err(TrainError::files(doing))
    })?;
    Ok(Outcome::Finished(summary))
}

/// Evaluates the best checkpoint on the test split; `None` if interrupted.
fn evaluate_best(
    job: &Job<'_>,
    observer: &mut dyn Observer,
) -> Result<Option<(Evaluation, CheckpointState)>, TrainError> {
    let loaded = best_model(job.run, job.config, job.main_device());
    report_problems(&loaded, observer);
    let BestModel { model, state, .. } = loaded?;
    let settings = EvaluationSettings::new(&job.config.spec);
    let evaluation = model.evaluate_unless(&job.data.test, settings, job.stop)?;
    Ok(evaluation.map(|evaluation| (evaluation, state)))
}

/// Gradients that are zero, so that a gradient share cannot be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ZeroGradients {
    pub(super) is_task_zero: bool,
    pub(super) is_penalty_zero: bool,
}

/// State of a training.
pub(super) struct Trainer<'a> {
    pub(super) job: &'a Job<'a>,
    /// Devices with autodiff, the main one first.
    pub(super) devices: Vec<Device>,
    pub(super) model: Network,
    pub(super) optimizer: ModuleOptimizer,
    /// Reference on each device, without gradients; empty if no penalty compares the model with it.
    pub(super) references: Vec<Network>,
    /// Weight decay towards the starting weights; `None` if it is towards 0.
    pub(super) l2_sp: Option<L2Sp>,
    pub(super) regularizer: TopologyRegularizer,
    /// Moving average of the weights; `None` if the configuration asks for none.
    pub(super) averaged: Option<AveragedWeights<Network>>,
    /// Learning rate of the next steps, in place of that of the schedule.
    pub(super) fixed_lr: Option<f64>,
    /// Number of optimiser steps done.
    pub(super) step: usize,
    pub(super) timing: Timing,
    /// Time of all steps of this process.
    pub(super) profile: Profile,
    /// Time of the steps since the last logged one.
    pub(super) recent: Profile,
    pub(super) samples: Prefetch,
    /// Encoder of captions; `None` unless the model is a generator.
    pub(super) captions: Option<CaptionEncoder>,
    pub(super) collapse: CollapseMonitor,
    pub(super) stopping: StoppingMonitor,
    /// Penalty that dominated the loss of the last step; `None` if none did.
    pub(super) dominant: Option<DominantPenalty>,
    /// Gradients that were zero when a penalty was last reported to have no weight, by penalty.
    pub(super) zero_gradients: Vec<Option<ZeroGradients>>,
    /// Validation score of the current parameters; `None` if they were not validated yet.
    pub(super) validation: Option<ValidationScore>,
    /// True if the current step has a checkpoint.
    pub(super) is_saved: bool,
    /// True if the last checkpoint could not be written; a series of failures is reported once.
    pub(super) is_failing: bool,
    pub(super) checkpoints: Checkpoints,
    pub(super) log: MetricsLog,
    pub(super) config_sha256: String,
}

impl Trainer<'_> {
    /// Takes all remaining steps; false if interrupted before the end.
    fn run(&mut self, observer: &mut dyn Observer) -> Result<bool, TrainError> {
        loop {
            require_lock(self.job, self.step)?;
            // Also true on resuming from a checkpoint written before the validation of its epoch, which then follows.
            let is_boundary = self.step > 0 && self.step.is_multiple_of(self.steps_per_epoch());
            if is_boundary
                && self.validation.is_none()
                && let Some(evaluation) = self.validate(observer)?
            {
                // A checkpoint of this step from before its validation is not the one that is needed.
                self.is_saved = false;
                self.save(observer)?;
                let epoch = self.step / self.steps_per_epoch() - 1;
                observer.epoch(epoch, &evaluation, self.elapsed());
            }
            let stops_early = self.stops_early();
            if stops_early
                && let Some(message) = (self.stopping).message(self.n_epochs(), self.epochs())
            {
                observer.message(&message);
            }
            let is_last =
                stops_early || (self.step == self.total_steps() && self.validation.is_some());
            // Relaxed is enough, since no other data is passed along with the flag.
            if is_last || self.job.stop.load(Ordering::Relaxed) {
                if !self.is_saved {
                    let job = self.job;
                    wait_for_space(job, observer, &mut || self.write_checkpoint())?;
                }
                return Ok(is_last);
            }
            let report = self.take_step(observer)?;
            // The score and the checkpoint are those of the parameters before this step.
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
            self.log_warnings(observer);
        }
    }

    /// True if early stopping ends the training here, before its last epoch.
    fn stops_early(&self) -> bool {
        // Between two validations the training goes on, even if it is resumed there.
        self.validation.is_some() && self.stopping.is_exhausted() && self.step < self.total_steps()
    }

    /// Number of steps taken, and the number of epochs if early stopping ended the training.
    fn length(&self) -> RunLength {
        RunLength {
            steps: self.step,
            stopped_after_epochs: self.stops_early().then(|| self.n_epochs()),
        }
    }

    /// Number of complete epochs.
    fn n_epochs(&self) -> usize {
        self.step / self.steps_per_epoch()
    }

    /// Number of epochs of the configuration.
    fn epochs(&self) -> usize {
        self.job.config.spec.training.epochs
    }

    /// Model that is validated: the moving average of the weights if there is one.
    pub(super) fn validated_model(&self) -> Network {
        match &self.averaged {
            Some(averaged) => averaged.model.clone(),
            None => self.model.valid(),
        }
    }

    /// Number of optimiser steps per epoch.
    pub(super) fn steps_per_epoch(&self) -> usize {
        let n_samples = self.job.data.train.len();
        self.job.config.spec.training.steps_per_epoch(n_samples)
    }

    /// Number of optimiser steps of the whole run.
    pub(super) fn total_steps(&self) -> usize {
        self.job.config.spec.training.epochs * self.steps_per_epoch()
    }

    /// Position in the training, which the schedules of penalties depend on.
    pub(super) fn clock(&self) -> Clock {
        Clock {
            step: self.step,
            steps_per_epoch: self.steps_per_epoch(),
        }
    }

    /// True if the weights that training started from are kept in memory.
    pub(super) fn has_reference(&self) -> bool {
        !self.references.is_empty() || self.l2_sp.is_some()
    }

    /// Wall-clock time of the run, earlier processes included.
    fn elapsed(&self) -> Duration {
        Duration::from_secs_f64(self.timing.seconds())
    }

    /// Validates the model and logs the results; `None` if interrupted, in which case nothing was logged.
    fn validate(&mut self, observer: &mut dyn Observer) -> Result<Option<Evaluation>, TrainError> {
        let spec = &self.job.config.spec;
        let epoch = self.step / self.steps_per_epoch() - 1;
        let model = TaskModel::new(self.validated_model(), spec, self.job.main_device().clone());
        // The first epoch has number 0, so the first and the last one are always included.
        let is_due = |every_epochs: usize| {
            epoch.is_multiple_of(every_epochs) || self.step == self.total_steps()
        };
        let draws_plots = is_due(spec.logging.images_every_epochs);
        let coherence = if is_due(spec.logging.coherence_every_epochs) {
            Coherence::Measured
        } else {
            Coherence::Skipped
        };
        let settings = EvaluationSettings {
            coherence,
            ..EvaluationSettings::new(spec)
        };
        let samples = &self.job.data.validation;
        let Some(validation) = model.evaluate_unless(samples, settings, self.job.stop)? else {
            return Ok(None);
        };
        self.require_finite("validation loss", validation.loss, f64::NAN)?;
        let score = ValidationScore {
            score: Task::from_config(&spec.model).score(&validation.metrics),
            loss: validation.loss,
        };
        self.validation = Some(score);
        self.stopping.update(score);
        self.record(epoch, "validation", "loss", validation.loss);
        for (name, value) in &validation.metrics {
            self.record(epoch, "validation", name, *value);
        }
        let means = validation.monitor.means();
        for (name, value) in validation.coherence.iter().chain(&means) {
            self.record(epoch, "validation", name, *value);
        }
        let collapsed = self.collapse.update(&validation.monitor.mean_distances());
        self.record(
            epoch,
            "validation",
            "collapse/n_layers",
            collapsed.len() as f64,
        );
        let step = self.step;
        self.log.write_event(|events| {
            charts::persistence_histograms(events, &validation.monitor, step)
        });
        if draws_plots {
            self.log
                .write_event(|events| charts::diagram_plots(events, &validation.monitor, step));
            self.log_clip(&validation)?;
        }
        if let Some((message, action)) = self.collapse.alarm(&collapsed, self.step) {
            if action == CollapseAction::Stop {
                // A checkpoint of the collapsed model, so that it can be inspected.
                self.save(observer)?;
                return Err(TrainError::Collapsed(message));
            }
            observer.message(&message);
        }
        Ok(Some(validation))
    }

    /// Logs an animation of the first validation clip and its diagrams; does nothing for images.
    fn log_clip(&mut self, validation: &Evaluation) -> Result<(), TrainError> {
        let spec = self.job.config.spec.samples;
        if spec.n_frames == 1 {
            return Ok(());
        }
        let clip = self
            .job
            .data
            .validation
            .get(0)
            .map_err(|error| TrainError::Files(Error::sample(error)))?;
        let step = self.step;
        self.log
            .write_event(|events| clip_charts::clip(events, &clip, spec, validation, step));
        Ok(())
    }

    /// Returns [`TrainError::Diverged`] if a value is NaN or infinite. `lr` is NaN outside of a step.
    pub(super) fn require_finite(&self, name: &str, value: f64, lr: f64) -> Result<(), TrainError> {
        if value.is_finite() {
            return Ok(());
        }
        Err(self.diverged(&format!("{name} became {value}"), lr))
    }

    /// Error of a penalty that cannot be computed in a step.
    ///
    /// Attention that was valid at earlier steps and is not any more means that training has diverged.
    pub(super) fn penalty_error(&self, error: Error, lr: f64) -> TrainError {
        let is_of_values = error.is_invalid_distribution()
            || error.is_invalid_distances()
            || error.is_invalid_image();
        if self.step == 0 || !is_of_values {
            return TrainError::Topology(error);
        }
        let message = error.to_string();
        // Without the advice for attention that was never valid.
        let found = message
            .rsplit_once("; ")
            .map_or(&*message, |(found, _)| found);
        self.diverged(
            &format!("a penalty could no longer be computed ({found})"),
            lr,
        )
    }

    /// Error of a training that diverged: what happened, where, the last checkpoint, and what to do.
    pub(super) fn diverged(&self, what: &str, lr: f64) -> TrainError {
        let training = &self.job.config.spec.training;
        let is_in_step = !lr.is_nan();
        let at_rate = if is_in_step {
            format!(", learning rate {lr:.2e}")
        } else {
            String::new()
        };
        // Counted from 1, as in the progress display. After its last step an epoch is already divided out.
        let epoch = self.step / self.steps_per_epoch() + usize::from(is_in_step);
        let (weight_decay, clip_norm) = (training.optimizer.weight_decay, training.clip_norm);
        TrainError::Diverged(format!(
            "{what} at step {} (epoch {epoch} of {}{at_rate}); {}; {}",
            self.step,
            training.epochs,
            self.newest_checkpoint("last good checkpoint"),
            advice(self.dominant.as_ref(), lr, weight_decay, clip_norm)
        ))
    }

    /// Logs one number of the current step.
    pub(super) fn record(&mut self, epoch: usize, split: &str, name: &str, value: f64) {
        self.log.log(Record {
            step: self.step,
            epoch,
            split,
            name,
            value,
        });
    }

    /// Logs a number about this machine to TensorBoard only: `metrics.jsonl` must be equal for equal trainings.
    pub(super) fn record_timing(&mut self, name: &str, value: f64) {
        let step = self.step;
        self.log
            .write_event(|events| events.scalar(&format!("time/{name}"), value, step));
    }

    /// Passes warnings of the log to the observer.
    pub(super) fn log_warnings(&mut self, observer: &mut dyn Observer) {
        for warning in self.log.take_warnings() {
            observer.message(&warning);
        }
    }
}
