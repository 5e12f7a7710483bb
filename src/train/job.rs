//! Input of a training.

use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use crate::config::Config;
use crate::data::Splits;
use crate::run::{RunDirectory, RunLock};

/// Everything that a training needs: configuration, data, run directory and device.
pub struct Job<'a> {
    /// Configuration of the run.
    pub config: &'a Config,
    /// Training, validation and test split.
    pub data: &'a Splits,
    /// Run directory: a new one, or one left by a process that stopped.
    pub run: &'a RunDirectory,
    /// Lock of that directory; training ends before it writes anything else once the lock is lost.
    pub lock: &'a RunLock,
    /// Devices to run on, at least one, without autodiff; each computes a share of every batch.
    ///
    /// The first is the main one: it keeps the model, updates it, and evaluates it. Training on several devices
    /// equals training on one with as many times the gradient accumulation, except for the rounding of
    /// different devices.
    pub devices: &'a [Device],
    /// True if the time of each phase of a step is logged, and reported at the end.
    pub profiles: bool,
    /// Set by a signal handler or another thread; training then writes a checkpoint after the current step and ends.
    pub stop: &'a AtomicBool,
}

impl Job<'_> {
    /// Main device.
    ///
    /// # Panics
    ///
    /// If there are no devices.
    pub(super) fn main_device(&self) -> &Device {
        &self.devices[0]
    }
}
