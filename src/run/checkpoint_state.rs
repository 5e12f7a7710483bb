//! State of training at a checkpoint, and the score by which the best one is chosen.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::checksums;
use crate::error::{Error, Result};
use crate::input_file;

/// State of training at a checkpoint, apart from model and optimiser.
///
/// Order of samples, augmentation and dropout are functions of seed, epoch, index and step, so a run
/// resumes with the same random numbers if it knows the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// Number of optimiser steps done.
    pub step: usize,
    /// Score on the validation split; `None` within an epoch.
    pub validation: Option<ValidationScore>,
    /// Full weight of each penalty; `None` until its gradient share is measured.
    pub penalty_weights: Vec<Option<f64>>,
    /// Largest mean distance between attention rows that each layer has had at a validation.
    pub peak_distances: Vec<f64>,
    /// State of early stopping; `None` without it, and before the first validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<StoppingState>,
    /// Wall-clock seconds of training so far.
    pub seconds: f64,
    /// Seconds within training steps, a part of `seconds`.
    pub seconds_in_steps: f64,
    /// Seconds in penalties, a part of `seconds_in_steps`.
    pub seconds_in_topology: f64,
    /// Length of `metrics.jsonl` in bytes; later records lie beyond.
    pub metrics_bytes: u64,
    /// SHA-256 of the run's `config.toml`.
    pub config_sha256: String,
}

/// Score of a checkpoint on the validation split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValidationScore {
    /// Score that is higher for better models: accuracy, or the negative of an error.
    pub score: f64,
    /// Task loss.
    pub loss: f64,
}

/// State of early stopping at a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StoppingState {
    /// Best value of the watched metric so far, with the sign that makes higher values better.
    pub best: f64,
    /// Number of epochs since then.
    pub epochs_without_improvement: usize,
}

/// Name of the file with the [`CheckpointState`].
pub(super) const STATE: &str = "state.json";

/// Largest time of a run in seconds, 30,000 years.
const MAX_SECONDS: f64 = 1e12;

/// Best one of several checkpoints on the validation split: that with the highest score; at ties the lowest loss, then the
/// earliest step. A score or loss that is not a number is never the best.
pub(super) fn best_of<'a>(
    states: impl Iterator<Item = &'a CheckpointState>,
) -> Option<(&'a CheckpointState, ValidationScore)> {
    states
        .filter_map(|state| Some((state, state.validation?)))
        // The order below would place it above or below all numbers, depending on its sign.
        .filter(|(_, score)| !score.score.is_nan() && !score.loss.is_nan())
        .max_by(|(a, a_score), (b, b_score)| {
            // A total order, so that the choice never depends on the order of the list.
            let by_score = a_score.score.total_cmp(&b_score.score);
            let by_loss = b_score.loss.total_cmp(&a_score.loss);
            by_score.then(by_loss).then(b.step.cmp(&a.step))
        })
}

/// Reads and verifies the checkpoint of a step.
pub(super) fn read(path: &Path, step: usize) -> Result<CheckpointState> {
    // First: a damaged file might still parse, with wrong numbers.
    checksums::verify(path)?;
    let file = path.join(STATE);
    let bytes = input_file::read(&file)
        .map_err(|error| Error::file(file.display().to_string()).because(error))?;
    let state: CheckpointState = serde_json::from_slice(&bytes)
        .map_err(|error| Error::invalid_format(file.display().to_string()).because(error))?;
    if state.step != step {
        return Err(Error::invalid_format(format!(
            "{} holds step {}, expected step {step}",
            path.display(),
            state.step
        )));
    }
    let times = [
        state.seconds,
        state.seconds_in_steps,
        state.seconds_in_topology,
    ];
    if let Some(time) = times
        .iter()
        .find(|time| !(0.0..=MAX_SECONDS).contains(*time))
    {
        return Err(Error::invalid_format(format!(
            "{} holds a time of {time} s, expected 0 to {MAX_SECONDS}",
            file.display()
        )));
    }
    Ok(state)
}
