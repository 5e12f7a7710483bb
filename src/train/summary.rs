//! Final metrics of a run, as stored in `summary.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::robustness;
use super::timing::Timing;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, video_score_names};
use crate::input_file;
use crate::model::Task;
use crate::run::{CheckpointState, RunDirectory};

/// Final metrics of a finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Step of the best checkpoint.
    pub best_step: usize,
    /// Number of optimiser steps of the run.
    pub steps: usize,
    /// Number of epochs after which early stopping ended the training; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_after_epochs: Option<usize>,
    /// Wall-clock time of the run in seconds, with evaluations and earlier processes.
    pub seconds: f64,
    /// Fraction of the time in training steps that was spent in penalties.
    pub topology_share: f64,
    /// Metrics of the best checkpoint by name.
    ///
    /// On the test split: `test_<metric>`, `test_loss`, `test_coherence_<metric>`, and the distances between
    /// consecutive layers and consecutive frames. On the validation split: `validation_<metric>`.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
}

/// Length of a finished training.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunLength {
    /// Number of optimiser steps.
    pub(super) steps: usize,
    /// Number of epochs after which early stopping ended the training; `None` if it did not.
    pub(super) stopped_after_epochs: Option<usize>,
}

/// Names of the normalised 2-Wasserstein distances on the test split, without the prefix `test_`.
const DISTANCES: [&str; 4] = [
    "h0_distance_to_next",
    "h1_distance_to_next",
    "h0_distance_to_next_frame",
    "h1_distance_to_next_frame",
];

/// Name of a metric in words, as in `test H0 distance to next layer` for `test_h0_distance_to_next`.
///
/// # Example
///
/// ```
/// use burn_topology::train::readable_metric;
///
/// assert_eq!(readable_metric("test_accuracy"), "test accuracy");
/// assert_eq!(readable_metric("test_h0_distance_to_next"), "test H0 distance to next layer");
/// assert_eq!(readable_metric("test_h1_distance_to_next_frame"), "test H1 distance to next frame");
/// ```
pub fn readable_metric(name: &str) -> String {
    let words = name.split(['_', '/']).map(|word| match word {
        "h0" => "H0",
        "h1" => "H1",
        word => word,
    });
    let mut text = words.collect::<Vec<_>>().join(" ");
    // The name in the file does not say which neighbour is meant, unless it is a frame.
    if text.ends_with(" distance to next") {
        text.push_str(" layer");
    }
    text
}

impl RunSummary {
    /// Collects the metrics of the best checkpoint.
    pub(super) fn new(
        task: Task,
        test: &Evaluation,
        robustness: Vec<(String, f64)>,
        best: &CheckpointState,
        length: RunLength,
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
            let value = task.metric_from_score(validation.score);
            metrics.insert(format!("validation_{name}"), value);
        }
        let distances = [
            test.monitor.mean_distance_to_next(0),
            test.monitor.mean_distance_to_next(1),
            test.monitor.mean_distance_to_next_frame(0),
            test.monitor.mean_distance_to_next_frame(1),
        ];
        // A distance that does not exist, such as that between frames of images, is left out instead of reported as 0.
        for (name, distance) in DISTANCES.iter().zip(distances) {
            metrics.extend(distance.map(|distance| (format!("test_{name}"), distance)));
        }
        Self {
            best_step: best.step,
            steps: length.steps,
            stopped_after_epochs: length.stopped_after_epochs,
            seconds: timing.seconds(),
            topology_share: timing.topology_share(),
            metrics,
        }
    }

    /// Reads the summary of a run; `None` if the run is not finished.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if the file cannot be read, [`Error::is_invalid_format`] if it is damaged.
    pub fn read(run: &RunDirectory) -> Result<Option<Self>> {
        let path = run.summary();
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = input_file::read(&path).map_err(|error| Error::cannot_read(&path, error))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::invalid_format("cannot be read")
                .because(error)
                .within(path.display())
        })
    }

    /// TensorBoard tags of the final metrics that a run of this configuration may have.
    pub fn tags(config: &Config) -> Vec<String> {
        let task = Task::from_config(&config.spec.model);
        let coherence = video_score_names(task).map(|name| format!("coherence_{name}"));
        let robustness = config.spec.robustness.map(|_| robustness::names(task));
        let test_tags = task
            .metrics()
            .iter()
            .chain(&["loss"])
            .chain(&DISTANCES)
            .map(|name| (*name).to_owned())
            .chain(coherence)
            .chain(robustness.into_iter().flatten())
            .map(|name| format!("summary/test_{name}"));
        // The best checkpoint is chosen by the first metric, on the validation split.
        let validation_tag = task
            .metrics()
            .iter()
            .take(1)
            .map(|name| format!("summary/validation_{name}"));
        test_tags.chain(validation_tag).collect()
    }
}
