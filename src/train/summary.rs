//! What a finished training leaves in `summary.json`.

use serde::{Deserialize, Serialize};

use super::evaluate::Evaluation;
use super::timing::Timing;
use crate::run::CheckpointState;

/// Final metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Accuracy on the test split of the checkpoint best on the validation split, a fraction.
    pub test_accuracy: f64,
    /// Its cross-entropy on the test split, in nats.
    pub test_loss: f64,
    /// Its accuracy on the validation split.
    pub validation_accuracy: f64,
    /// The step it was taken at.
    pub best_step: usize,
    /// Normalised 2-Wasserstein distance between neighbouring layers on the test split, dimension 0.
    pub test_h0_distance_to_next: Option<f64>,
    /// The same in dimension 1.
    pub test_h1_distance_to_next: Option<f64>,
    /// Optimiser steps taken.
    pub steps: usize,
    /// Wall-clock seconds of training, evaluations and all processes included.
    pub seconds: f64,
    /// Share of the time of training steps that went to the penalties, a fraction.
    pub topology_share: f64,
}

impl Summary {
    pub(super) fn new(
        test: &Evaluation,
        best: &CheckpointState,
        steps: usize,
        timing: &Timing,
    ) -> Self {
        Self {
            test_accuracy: test.accuracy,
            test_loss: test.loss,
            validation_accuracy: best.validation.map_or(f64::NAN, |score| score.accuracy),
            best_step: best.step,
            test_h0_distance_to_next: test.monitor.mean_distance_to_next(0),
            test_h1_distance_to_next: test.monitor.mean_distance_to_next(1),
            steps,
            seconds: timing.seconds(),
            topology_share: timing.topology_share(),
        }
    }

    /// TensorBoard tags of the metrics that do not depend on the machine.
    pub const TAGS: &[&str] = &[
        "summary/test_accuracy",
        "summary/test_loss",
        "summary/validation_accuracy",
        "summary/test_h0_distance_to_next",
        "summary/test_h1_distance_to_next",
    ];

    /// Those of [`Summary::TAGS`] that there are, with their values.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let values = [
            Some(self.test_accuracy),
            Some(self.test_loss),
            Some(self.validation_accuracy),
            self.test_h0_distance_to_next,
            self.test_h1_distance_to_next,
        ];
        let tagged = Self::TAGS.iter().zip(values);
        tagged
            .filter_map(|(tag, value)| Some((*tag, value?)))
            .collect()
    }
}
