//! Callbacks through which a training reports progress.

use std::time::Duration;

use super::timing::Profile;
use crate::evaluate::{BestModel, EvaluateError, Evaluation, checkpoint_problems};

/// Progress report of one optimiser step.
#[derive(Debug, Clone, Copy)]
pub struct StepReport {
    /// Number of optimiser steps done, this one included.
    pub step: usize,
    /// Number of steps of the whole run.
    pub total_steps: usize,
    /// Epoch of the step, counted from 0.
    pub epoch: usize,
    /// Number of images or clips in the batch.
    pub batch_size: usize,
    /// Task loss, in the unit of the task.
    pub task_loss: f64,
    /// Weighted sum of the penalties.
    pub topology_loss: f64,
    /// Fraction of the time in training steps so far that was spent in penalties.
    pub topology_share: f64,
    /// True if the numbers of this step are logged.
    pub is_logged: bool,
}

/// Callbacks of a training. An implementation may leave any of them empty.
pub trait Observer {
    /// Called after every optimiser step.
    fn step(&mut self, report: &StepReport);
    /// Called after the validation and the checkpoint at the end of an epoch.
    fn epoch(&mut self, epoch: usize, validation: &Evaluation, elapsed: Duration);
    /// Called with a message or a warning for the user: one line, without a line break.
    fn message(&mut self, line: &str);
    /// Called once at the end, if requested by [`Job::profiles`](super::Job::profiles), with the time that the steps
    /// of this process took.
    fn profile(&mut self, _profile: &Profile) {}
}

/// Observer that does nothing.
#[derive(Debug, Clone, Copy)]
pub struct SilentObserver;

impl Observer for SilentObserver {
    fn step(&mut self, _report: &StepReport) {}
    fn epoch(&mut self, _epoch: usize, _validation: &Evaluation, _elapsed: Duration) {}
    fn message(&mut self, _line: &str) {}
}

/// Reports checkpoints that cannot be used to the observer.
pub(super) fn report_problems<M>(
    loaded: &Result<BestModel<M>, EvaluateError>,
    observer: &mut dyn Observer,
) {
    for problem in checkpoint_problems(loaded) {
        observer.message(problem);
    }
}
