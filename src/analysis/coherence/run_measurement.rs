//! Measured runs.

use super::measurement::Measurement;
use crate::evaluate::RunInfo;

/// A run and the measurement of its model on the suite.
#[derive(Debug, Clone)]
pub struct RunMeasurement {
    /// Name, seed and settings.
    pub info: RunInfo,
    /// Measured values of its model.
    pub measurement: Measurement,
}
