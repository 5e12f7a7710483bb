//! Who is told how training goes.

use std::time::Duration;

use super::evaluate::Evaluation;
use super::timing::Profile;

/// One optimiser step, as told to the person watching.
#[derive(Debug, Clone, Copy)]
pub struct StepReport {
    /// Optimiser steps done.
    pub step: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Images or clips in the step.
    pub batch_size: usize,
    /// The task's loss, in its unit.
    pub task_loss: f64,
    /// Weighted sum of the penalties.
    pub topology_loss: f64,
    /// Share of the time spent in training steps so far that went to the penalties, a fraction.
    pub topology_share: f64,
    /// Whether the step is one that is logged.
    pub is_logged: bool,
}

/// Someone who watches a training; all methods may do nothing.
pub trait Observer {
    /// A step was taken.
    fn step(&mut self, report: &StepReport);
    /// An epoch ended, and its checkpoint was written.
    fn epoch(&mut self, epoch: usize, validation: &Evaluation, elapsed: Duration);
    /// Something to know, one line.
    fn note(&mut self, line: &str);
    /// Where the time of this process's steps went, at the end, if that was asked for.
    fn profile(&mut self, _profile: &Profile) {}
}

/// Someone who does not care.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn step(&mut self, _report: &StepReport) {}
    fn epoch(&mut self, _epoch: usize, _validation: &Evaluation, _elapsed: Duration) {}
    fn note(&mut self, _line: &str) {}
}
