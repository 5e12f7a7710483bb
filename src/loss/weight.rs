//! How much a penalty counts, and when.

use crate::error::{Error, Result};

/// Largest weight, in absolute value, that a gradient share may be turned into.
pub const MAX_WEIGHT: f64 = 1e3;

/// The factor of a penalty in the loss.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{TopologyPenalty, TopologyRegularizer, Weight};
///
/// let weights = [Weight::Fixed(0.5), Weight::GradientShare(0.03)];
/// let penalties = weights.map(|weight| TopologyPenalty { weight, ..TopologyPenalty::new(1) });
/// let regularizer = TopologyRegularizer::new(penalties.to_vec())?;
/// assert_eq!(regularizer.weights(), [Some(0.5), None]); // the second is yet to be measured
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weight {
    /// This factor; negative pushes the diagrams apart, zero switches the penalty off.
    Fixed(f64),
    /// The factor at which the penalty's gradient in the model's parameters has this share of the
    /// norm of the task's, measured once; see
    /// [`TopologyRegularizer::calibrate`](super::TopologyRegularizer::calibrate).
    GradientShare(f64),
}

impl Weight {
    pub(super) fn validate(self) -> Result<()> {
        let (name, value) = match self {
            Self::Fixed(value) => ("weight", value),
            Self::GradientShare(share) => ("gradient share", share),
        };
        if value.is_finite() {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "{name} is {value}, expected a finite number"
        )))
    }

    /// The factor, if it is known before any measurement.
    pub(super) fn known(self) -> Option<f64> {
        match self {
            Self::Fixed(weight) => Some(weight),
            Self::GradientShare(0.0) => Some(0.0),
            Self::GradientShare(_) => None,
        }
    }
}

/// Where training stands.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{Clock, TopologyPenalty, Schedule, TopologyRegularizer};
///
/// let schedule = Schedule { start_epoch: 1, ..Schedule::default() };
/// let penalty = TopologyPenalty { schedule, ..TopologyPenalty::new(1) };
/// let regularizer = TopologyRegularizer::new(vec![penalty])?;
/// let is_active = |step| regularizer.is_active(Clock { step, steps_per_epoch: 100 });
/// assert_eq!((is_active(99), is_active(100)), (false, true));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Optimiser steps done.
    pub step: usize,
    /// Optimiser steps in an epoch.
    pub steps_per_epoch: usize,
}

impl Default for Clock {
    /// The first step, in epochs of one step.
    fn default() -> Self {
        Self {
            step: 0,
            steps_per_epoch: 1,
        }
    }
}

/// When a penalty is on.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{Clock, Schedule};
///
/// let schedule = Schedule { start_epoch: 2, warmup_steps: 4, every_steps: 1 };
/// let at = |step| schedule.factor(Clock { step, steps_per_epoch: 10 });
/// assert_eq!((at(19), at(20), at(21), at(23), at(99)), (0.0, 0.25, 0.5, 1.0, 1.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// First epoch, counted from 0.
    pub start_epoch: usize,
    /// Steps over which the weight rises linearly from 0 to its full value.
    pub warmup_steps: usize,
    /// The penalty is computed every so many steps.
    pub every_steps: usize,
}

impl Default for Schedule {
    /// Always on, at full weight.
    fn default() -> Self {
        Self {
            start_epoch: 0,
            warmup_steps: 0,
            every_steps: 1,
        }
    }
}

impl Schedule {
    pub(super) fn validate(self) -> Result<()> {
        if self.every_steps == 0 {
            return Err(Error::invalid_parameter(
                "every_steps is 0, expected at least 1",
            ));
        }
        Ok(())
    }

    /// Share of the weight that is in force, 0 to 1.
    pub fn factor(self, clock: Clock) -> f64 {
        let start = self.start_epoch.saturating_mul(clock.steps_per_epoch);
        let Some(elapsed) = clock.step.checked_sub(start) else {
            return 0.0;
        };
        if !elapsed.is_multiple_of(self.every_steps) {
            return 0.0;
        }
        match self.warmup_steps {
            0 => 1.0,
            steps => ((elapsed + 1) as f64 / steps as f64).min(1.0),
        }
    }
}
