//! What a finished training leaves in `summary.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evaluate::Evaluation;
use super::timing::Timing;
use super::{coherence, robustness};
use crate::config::Config;
use crate::model::Task;
use crate::run::CheckpointState;

/// Final metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The step that the checkpoint best on the validation split was taken at.
    pub best_step: usize,
    /// Optimiser steps taken.
    pub steps: usize,
    /// Wall-clock seconds of training, evaluations and all processes included.
    pub seconds: f64,
    /// Share of the time of training steps that went to the penalties, a fraction.
    pub topology_share: f64,
    /// What the best checkpoint does on the test split, `test_<metric>`, `test_loss`,
    /// `test_coherence_<metric>` and the distances between neighbouring layers and frames; and on the validation split, `validation_<metric>`.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
}

/// Numbers on the test split beside those of the task: normalised 2-Wasserstein distances, by
/// dimension.
const DISTANCES: [&str; 4] = [
    "h0_distance_to_next",
    "h1_distance_to_next",
    "h0_distance_to_next_frame",
    "h1_distance_to_next_frame",
];

impl Summary {
    pub(super) fn new(
        task: Task,
        test: &Evaluation,
        robustness: Vec<(String, f64)>,
        best: &CheckpointState,
        steps: usize,
        timing: &Timing,
    ) -> Self {
        let mut metrics = BTreeMap::from([("test_loss".to_owned(), test.loss)]);
        for (name, value) in &test.metrics {
            metrics.insert(format!("test_{name}"), *value);
        }
        for (name, value) in &test.coherence {
            metrics.insert(format!("test_{}", name.replace('/', "_")), *value);
        }
        let robustness = robustness.into_iter();
        metrics.extend(robustness.map(|(name, value)| (format!("test_{name}"), value)));
        if let (Some(validation), Some(name)) = (best.validation, task.metrics().first()) {
            let value = task.of_score(validation.score);
            metrics.insert(format!("validation_{name}"), value);
        }
        let distances = [
            test.monitor.mean_distance_to_next(0),
            test.monitor.mean_distance_to_next(1),
            test.monitor.mean_distance_to_next_frame(0),
            test.monitor.mean_distance_to_next_frame(1),
        ];
        for (name, distance) in DISTANCES.iter().zip(distances) {
            metrics.extend(distance.map(|distance| (format!("test_{name}"), distance)));
        }
        Self {
            best_step: best.step,
            steps,
            seconds: timing.seconds(),
            topology_share: timing.topology_share(),
            metrics,
        }
    }

    /// TensorBoard tags of the metrics that a run of this configuration may end with.
    pub fn tags(config: &Config) -> Vec<String> {
        let task = Task::of(&config.spec.model);
        let tested = task.metrics().iter().chain(&["loss"]).chain(&DISTANCES);
        let coherence = coherence::names(task).map(|name| format!("coherence_{name}"));
        let tested = tested.map(|name| (*name).to_owned()).chain(coherence);
        let robustness = config.spec.robustness.map(|_| robustness::names(task));
        let tested = tested.chain(robustness.into_iter().flatten());
        let tested = tested.map(|name| format!("summary/test_{name}"));
        let best = task.metrics().iter().take(1);
        tested
            .chain(best.map(|name| format!("summary/validation_{name}")))
            .collect()
    }
}
