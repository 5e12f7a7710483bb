//! Files of a robustness report.

use serde_json::{Value, json};

use super::page::page;
use super::results::{ConditionResult, Robustness};
use crate::error::Result;
use crate::run::OutputDirectory;
use crate::statistics::Interval;

/// Writes `report.html` and `robustness.json`.
///
/// # Errors
///
/// The errors of [`OutputDirectory`].
pub fn write_report(output: OutputDirectory, command: &str, robustness: &Robustness) -> Result<()> {
    // The keys of a JSON value are strings, and memory does not refuse a write: this cannot fail.
    let numbers = serde_json::to_vec_pretty(&robustness.to_json(command));
    output.write(
        "robustness.json",
        &numbers.expect("JSON values can always be written"),
    )?;
    output.write(
        "report.html",
        page(command, robustness).to_html().as_bytes(),
    )?;
    output.finish()
}

impl Robustness {
    /// Returns all numbers, for `robustness.json`.
    pub fn to_json(&self, command: &str) -> Value {
        let checks = self.checks().into_iter().map(
            |check| json!({ "expected": check.title, "found": check.actual, "holds": check.holds }),
        );
        json!({
            "command": command,
            "run": self.run,
            "other_run": self.other,
            "samples": self.samples,
            "n_samples": self.n_samples,
            "n_samples_with_topology": self.n_topology_samples,
            "pgd_steps": self.plan.pgd_steps,
            "pgd_starts": self.plan.pgd_starts,
            "checks": checks.collect::<Vec<_>>(),
            "conditions": self.results.iter().map(condition_json).collect::<Vec<_>>(),
            "distances_between_images": by_layer(&self.between_images),
        })
    }
}

/// Returns the numbers of one condition.
fn condition_json(result: &ConditionResult) -> Value {
    let with_interval = |value: f64, interval: Interval| json!({ "value": value, "interval": [interval.low, interval.high] });
    let (scores, intervals) = (&result.scores, &result.intervals);
    json!({
        "condition": result.condition.name(),
        "kind": result.condition.kind.name(),
        "strength": result.condition.strength,
        "accuracy": with_interval(scores.accuracy, intervals.accuracy),
        "calibration_error": with_interval(scores.calibration_error, intervals.calibration_error),
        "brier": with_interval(scores.brier, intervals.brier),
        "nll": with_interval(scores.nll, intervals.nll),
        "flip_rate": result.flip_rate,
        "distances": by_layer(&result.distances),
    })
}

/// Returns the distances by homology dimension, then layer; `null` where there is no scale.
fn by_layer(layers: &[[f64; 2]]) -> Value {
    // `json!` turns NaN into `null`.
    let by_dim =
        |dim: usize| -> Vec<Value> { layers.iter().map(|layer| json!(layer[dim])).collect() };
    json!({ "h0": by_dim(0), "h1": by_dim(1) })
}
