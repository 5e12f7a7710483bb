//! Input of a training.

use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use crate::config::Config;
use crate::data::Splits;
use crate::run::RunDirectory;

/// Everything that a training needs: configuration, data, run directory and device.
pub struct Job<'a> {
    /// Configuration of the run.
    pub config: &'a Config,
    /// Training, validation and test split.
    pub data: &'a Splits,
    /// Run directory: a new one, or one left by a process that stopped.
    pub run: &'a RunDirectory,
    /// Device to run on, without autodiff.
    pub device: &'a Device,
    /// True if the time of each phase of a step is logged, and reported at the end.
    pub profiles: bool,
    /// Set by a signal handler or another thread; training then writes a checkpoint after the current step and ends.
    pub stop: &'a AtomicBool,
}
