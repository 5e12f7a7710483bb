//! What a report leaves on disk.

use std::path::Path;

use serde_json::{Value, json};

use super::measured::{Measured, Robustness};
use super::page::page;
use crate::run::write_atomically;
use crate::statistics::Interval;

/// Writes `report.html` and `robustness.json`.
///
/// # Errors
///
/// One sentence if a file cannot be written.
pub fn write_report(
    directory: &Path,
    command: &str,
    robustness: &Robustness,
) -> Result<(), String> {
    let cannot = |path: &Path, error| format!("{} cannot be written: {error}", path.display());
    std::fs::create_dir_all(directory).map_err(|error| cannot(directory, error))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        write_atomically(&path, bytes).map_err(|error| cannot(&path, error))
    };
    let numbers = serde_json::to_vec_pretty(&json(command, robustness));
    write("robustness.json", &numbers.expect("numbers can be written"))?;
    write(
        "report.html",
        page(command, robustness).to_html().as_bytes(),
    )
}

fn json(command: &str, robustness: &Robustness) -> Value {
    let checks = robustness.checks().into_iter().map(
        |check| json!({ "expected": check.title, "found": check.found, "holds": check.holds }),
    );
    json!({
        "command": command,
        "run": robustness.run,
        "other_run": robustness.other,
        "samples": robustness.samples,
        "n_samples": robustness.n_samples[0],
        "n_samples_with_topology": robustness.n_samples[1],
        "pgd_steps": robustness.plan.pgd_steps,
        "pgd_starts": robustness.plan.pgd_starts,
        "checks": checks.collect::<Vec<_>>(),
        "conditions": robustness.measured.iter().map(of_condition).collect::<Vec<_>>(),
        "distances_between_images": by_layer(&robustness.between_images),
    })
}

fn of_condition(measured: &Measured) -> Value {
    let with_interval = |value: f64, interval: Interval| json!({ "value": value, "interval": [interval.low, interval.high] });
    let (scores, intervals) = (&measured.scores, &measured.intervals);
    json!({
        "condition": measured.condition.name(),
        "kind": measured.condition.kind.name(),
        "strength": measured.condition.strength,
        "accuracy": with_interval(scores.accuracy, intervals.accuracy),
        "calibration_error": with_interval(scores.calibration_error, intervals.calibration_error),
        "brier": with_interval(scores.brier, intervals.brier),
        "nll": with_interval(scores.nll, intervals.nll),
        "flip_rate": measured.flip_rate,
        "distances": by_layer(&measured.distances),
    })
}

/// What has no scale is `null`.
fn by_layer(layers: &[[f64; 2]]) -> Value {
    let of_dim =
        |dim: usize| -> Vec<Value> { layers.iter().map(|layer| json!(layer[dim])).collect() };
    json!({ "h0": of_dim(0), "h1": of_dim(1) })
}
