//! Where the time of a training goes.

use std::time::{Duration, Instant};

/// Wall-clock time, that of earlier processes included.
pub(super) struct Timing {
    before: f64,
    started: Instant,
    pub(super) in_steps: f64,
    pub(super) in_topology: f64,
}

impl Timing {
    pub(super) fn new(seconds: f64, in_steps: f64, in_topology: f64) -> Self {
        Self {
            before: seconds,
            started: Instant::now(),
            in_steps,
            in_topology,
        }
    }

    pub(super) fn add(&mut self, step: Duration, topology: Duration) {
        self.in_steps += step.as_secs_f64();
        self.in_topology += topology.as_secs_f64();
    }

    pub(super) fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Share of the time of training steps that went to the penalties, a fraction.
    pub(super) fn topology_share(&self) -> f64 {
        self.in_topology / self.in_steps.max(f64::MIN_POSITIVE)
    }
}
