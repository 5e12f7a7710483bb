//! Estimated cost of a training, measured on a few steps.

use std::time::Instant;

use burn::module::Module;
use serde::Serialize;

use super::error::TrainError;
use super::job::Job;
use super::observer::SilentObserver;
use super::timing::peak_bytes;
use super::trainer::Trainer;
use crate::config::Config;
use crate::loss::Schedule;
use crate::model::{ParameterCount, count_parameters};

/// Cost and size of a training, measured on a few steps with all penalties at full weight.
#[derive(Debug, Clone, Serialize)]
pub struct DryRun {
    /// Number of parameters of each part of the model.
    pub parameters: Vec<ParameterCount>,
    /// Length of the token sequence of an image or frame.
    pub n_tokens: usize,
    /// Optimiser steps of the whole run.
    pub total_steps: usize,
    /// Task loss at the last measured step, in the unit of the task.
    pub task_loss: f64,
    /// Weighted sum of the penalties at the last measured step.
    pub topology_loss: f64,
    /// Number of measured steps; the warm-up step counts only if it is the only one.
    pub n_measured: usize,
    /// Duration of the fastest measured step, in seconds.
    pub seconds_per_step: f64,
    /// Part of [`seconds_per_step`](Self::seconds_per_step) spent in penalties, in seconds.
    pub seconds_in_topology: f64,
    /// Memory of the parameters and their average, the gradients, the moments of the optimiser and the reference, in bytes.
    pub parameter_bytes: usize,
    /// Peak memory of this process, in bytes; `None` if the operating system does not report it.
    pub peak_bytes: Option<u64>,
}

/// Duration of one step and of its penalties, in seconds.
#[derive(Debug, Clone, Copy, Default)]
struct StepTime {
    total: f64,
    in_topology: f64,
}

/// Number of steps taken: one to warm up, and three to measure.
const N_STEPS: usize = 4;

/// Measures a few steps with every penalty at full weight.
///
/// The run directory of `job` is written to, and should be a temporary one.
///
/// # Errors
///
/// The errors of [`train`](super::train).
pub fn dry_run(job: &Job<'_>) -> Result<DryRun, TrainError> {
    let mut config: Config = job.config.clone();
    // A schedule could keep a penalty switched off during the first steps, and hide its cost.
    for penalty in &mut config.spec.penalties {
        penalty.schedule = Schedule::default();
    }
    let job = Job {
        config: &config,
        ..*job
    };
    let mut trainer = Trainer::open(&job, &mut SilentObserver)?;
    let mut fastest: Option<StepTime> = None;
    let mut task_loss = f64::NAN;
    let mut topology_loss = f64::NAN;
    let n_steps = N_STEPS.min(trainer.total_steps());
    for step in 0..n_steps {
        let in_topology = trainer.timing.in_topology;
        let started = Instant::now();
        let report = trainer.take_step(&mut SilentObserver)?;
        let seconds = started.elapsed().as_secs_f64();
        task_loss = report.task_loss;
        topology_loss = report.topology_loss;
        // The first step is slower: it warms up and measures gradient shares. It counts only if it is the only one.
        if step > 0 || fastest.is_none() {
            let measured = StepTime {
                total: seconds,
                in_topology: trainer.timing.in_topology - in_topology,
            };
            let is_faster = step == 1 || fastest.is_none_or(|best| measured.total < best.total);
            fastest = if is_faster { Some(measured) } else { fastest };
        }
    }
    let fastest = fastest.unwrap_or_default();
    let training = &job.config.spec.training;
    let n_copies = 2
        + training.optimizer.rule.n_moments()
        + usize::from(training.ema_decay.is_some())
        + usize::from(trainer.has_reference());
    Ok(DryRun {
        parameters: count_parameters(&trainer.model),
        n_tokens: trainer.model.token_layout().n_tokens(),
        total_steps: trainer.total_steps(),
        task_loss,
        topology_loss,
        n_measured: n_steps.saturating_sub(1).max(1),
        seconds_per_step: fastest.total,
        seconds_in_topology: fastest.in_topology,
        parameter_bytes: n_copies * size_of::<f32>() * trainer.model.num_params(),
        peak_bytes: peak_bytes(),
    })
}
