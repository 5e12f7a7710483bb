//! Weights and schedules of penalties.

use crate::error::{Error, Result};

/// Largest absolute value of a weight that is measured for a gradient share: 1000.
pub const MAX_WEIGHT: f64 = 1e3;

/// Factor of a penalty in the loss: fixed, or measured for a gradient share.
///
/// The [`Schedule`] of the penalty multiplies it by a number from 0 to 1.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{TopologyPenalty, TopologyRegularizer, Weight};
///
/// let weights = [Weight::Fixed(0.5), Weight::GradientShare(0.03)];
/// let penalties = weights.map(|weight| TopologyPenalty::new(1).with_weight(weight));
/// let regularizer = TopologyRegularizer::new(penalties.to_vec())?;
/// assert_eq!(regularizer.weights(), [Some(0.5), None]); // the second is not yet measured
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weight {
    /// Fixed factor; a negative one pushes diagrams apart, and with 0 the value is only reported.
    Fixed(f64),
    /// Factor that makes the norm of the penalty's gradient this share of that of the task loss.
    ///
    /// ```text
    /// weight = share * |gradient of the task loss| / |gradient of the penalty's value|
    /// ```
    ///
    /// Norms are Euclidean, over all parameters of the model, and the weight is at most [`MAX_WEIGHT`] in
    /// absolute value. [`TopologyRegularizer::calibrate`](super::TopologyRegularizer::calibrate) measures it
    /// once, and has to be called before the loss is computed. A negative share gives a negative weight, and a share
    /// of 0 is a weight of 0.
    GradientShare(f64),
}

impl From<f64> for Weight {
    /// Returns a fixed factor.
    fn from(factor: f64) -> Self {
        Self::Fixed(factor)
    }
}

impl Weight {
    /// Checks that the number is finite.
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

    /// Factor that needs no measurement; `None` for a gradient share other than 0.
    pub(super) fn fixed_value(self) -> Option<f64> {
        match self {
            Self::Fixed(weight) => Some(weight),
            // A share of 0 is a weight of 0, whatever the norms are.
            Self::GradientShare(0.0) => Some(0.0),
            Self::GradientShare(_) => None,
        }
    }
}

/// Progress of training, in optimiser steps.
///
/// Schedules depend on it, and controls draw their random edges and shuffled partners from the step. A
/// regulariser with neither needs no clock: pass [`Clock::default`].
///
/// # Example
///
/// ```
/// use burn_topology::loss::{Clock, TopologyPenalty, Schedule, TopologyRegularizer};
///
/// let schedule = Schedule { start_epoch: 1, ..Schedule::default() };
/// let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(1).with_schedule(schedule)])?;
/// let is_active = |step| regularizer.is_active(Clock { step, steps_per_epoch: 100 });
/// assert_eq!((is_active(99), is_active(100)), (false, true));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Number of optimiser steps done so far; 0 at the first step.
    pub step: usize,
    /// Number of optimiser steps in an epoch, for [`Schedule::start_epoch`].
    pub steps_per_epoch: usize,
}

impl Default for Clock {
    /// Returns the first step of a training whose epochs have one step each.
    fn default() -> Self {
        Self {
            step: 0,
            steps_per_epoch: 1,
        }
    }
}

/// Steps at which a penalty is on, and the warm-up of its weight.
///
/// ```text
/// start          = start_epoch * steps_per_epoch
/// schedule(step) = 0                                            if step < start
///                  0                                            if step - start is no multiple of every_steps
///                  1                                            else, if warmup_steps = 0
///                  min((step - start + 1) / warmup_steps, 1)    else
/// ```
///
/// This factor multiplies the weight.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{Clock, Schedule};
///
/// let schedule = Schedule { start_epoch: 2, warmup_steps: 4, every_steps: 1 };
/// let factor = |step| schedule.factor(Clock { step, steps_per_epoch: 10 });
/// assert_eq!([19, 20, 21, 23, 99].map(factor), [0.0, 0.25, 0.5, 1.0, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Schedule {
    /// First epoch in which the penalty is on, counted from 0.
    pub start_epoch: usize,
    /// Number of steps over which the weight rises linearly to its full value; 0 for the full value at once.
    pub warmup_steps: usize,
    /// Number of steps from one computation of the penalty to the next; 1 for every step.
    ///
    /// The penalty is off in between, and its weight is not raised to make up for that.
    pub every_steps: usize,
}

impl Default for Schedule {
    /// Returns the schedule of a penalty that is always on, at full weight.
    fn default() -> Self {
        Self {
            start_epoch: 0,
            warmup_steps: 0,
            every_steps: 1,
        }
    }
}

impl Schedule {
    /// Checks that `every_steps` is at least 1.
    pub(super) fn validate(self) -> Result<()> {
        if self.every_steps == 0 {
            return Err(Error::invalid_parameter(
                "every_steps is 0, expected at least 1",
            ));
        }
        Ok(())
    }

    /// Returns the fraction of the weight that is in force at a step, 0 to 1.
    pub fn factor(self, clock: Clock) -> f64 {
        // Saturates, so that a huge epoch means never instead of an overflow.
        let start = self.start_epoch.saturating_mul(clock.steps_per_epoch);
        let Some(elapsed) = clock.step.checked_sub(start) else {
            return 0.0;
        };
        if !elapsed.is_multiple_of(self.every_steps) {
            return 0.0;
        }
        match self.warmup_steps {
            0 => 1.0,
            // The first step counts as 1, so that it has a weight above 0.
            steps => ((elapsed + 1) as f64 / steps as f64).min(1.0),
        }
    }
}
