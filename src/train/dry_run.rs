//! What a training will cost, from a few steps of it.

use std::time::Instant;

use burn::module::Module;

use super::error::TrainError;
use super::observer::Silent;
use super::timing::peak_bytes;
use super::trainer::{Job, Trainer};
use crate::config::Config;
use crate::loss::Schedule;
use crate::model::{ParameterCount, count_parameters};

/// What a few steps with all penalties on have shown.
#[derive(Debug, Clone)]
pub struct DryRun {
    /// Parameters, part by part.
    pub parameters: Vec<ParameterCount>,
    /// Length of the token sequence of an image or frame.
    pub n_tokens: usize,
    /// Optimiser steps of the whole run.
    pub total_steps: usize,
    /// The task's loss at the last of the steps, in its unit.
    pub task_loss: f64,
    /// Weighted sum of the penalties at it.
    pub topology_loss: f64,
    /// Seconds of a step, the fastest of a few.
    pub seconds_per_step: f64,
    /// Of these, seconds in penalties.
    pub seconds_in_topology: f64,
    /// Bytes of parameters, gradients and the optimiser's two moments.
    pub parameter_bytes: usize,
    /// Most memory that this process has held, in bytes, where the system tells.
    pub peak_bytes: Option<u64>,
}

const N_STEPS: usize = 4;

/// Takes a few steps with every penalty on at full weight, in a run directory that is to be thrown
/// away.
///
/// # Errors
///
/// As [`train`](super::train).
pub fn dry_run(job: &Job<'_>) -> Result<DryRun, TrainError> {
    let mut config: Config = job.config.clone();
    for penalty in &mut config.spec.penalties {
        penalty.schedule = Schedule::default();
    }
    let job = Job {
        config: &config,
        ..*job
    };
    let mut trainer = Trainer::open(&job, &mut Silent)?;
    let mut fastest: Option<(f64, f64)> = None;
    let mut losses = (f64::NAN, f64::NAN);
    for step in 0..N_STEPS.min(trainer.total_steps()) {
        let in_topology = trainer.timing.in_topology;
        let started = Instant::now();
        let report = trainer.take_step(&mut Silent)?;
        let seconds = started.elapsed().as_secs_f64();
        losses = (report.task_loss, report.topology_loss);
        // The first one warms up and measures gradient shares.
        if step > 0 || fastest.is_none() {
            let found = (seconds, trainer.timing.in_topology - in_topology);
            let is_faster = step == 1 || fastest.is_none_or(|known| found.0 < known.0);
            fastest = if is_faster { Some(found) } else { fastest };
        }
    }
    let (seconds_per_step, seconds_in_topology) = fastest.unwrap_or_default();
    Ok(DryRun {
        parameters: count_parameters(&trainer.model),
        n_tokens: trainer.model.token_layout().n_tokens(),
        total_steps: trainer.total_steps(),
        task_loss: losses.0,
        topology_loss: losses.1,
        seconds_per_step,
        seconds_in_topology,
        parameter_bytes: 4 * size_of::<f32>() * trainer.model.num_params(),
        peak_bytes: peak_bytes(),
    })
}
