//! What the finished cells of a study say.

use std::path::Path;

use serde_json::{Value, json};

use super::study::Study;
use crate::report::csv_field;
use crate::run::{RunDirectory, write_atomically};
use crate::statistics::{PairedComparison, PairedDifferences, holm, interval_of_mean};
use crate::train::Summary;

/// Final metrics of all finished cells, and what they say of the question.
#[derive(Debug, Clone)]
pub struct Collected {
    /// By cell, in the order of the study; `None` of those that are not finished.
    pub summaries: Vec<Option<Summary>>,
    /// By metric in the order of the study, then variant.
    pub results: Vec<Vec<MetricResult>>,
}

/// One metric of one variant.
#[derive(Debug, Clone)]
pub struct MetricResult {
    /// Mean over the finished seeds; not a number without one.
    pub mean: f64,
    /// Where it lies with a confidence of 95 %; `None` below two seeds.
    pub interval: Option<[f64; 2]>,
    /// Seeds that are finished.
    pub n_seeds: usize,
    /// The variant less its baseline, over the seeds that both have.
    pub difference: Option<PairedComparison>,
    /// Its p-value adjusted by Holm's method over all primary comparisons; of primary metrics alone.
    pub adjusted_p_value: Option<f64>,
}

/// Reads the summaries of the finished cells and compares the variants; writes `results.csv` and
/// `summary.json`.
///
/// Times are in neither: files of a study that was killed at any point equal those of one that was not.
///
/// # Errors
///
/// One sentence if a summary cannot be read or a file cannot be written.
pub fn collect(study: &Study, out: &Path) -> Result<Collected, String> {
    let read = |cell: &super::study::Cell| -> Result<Option<Summary>, String> {
        let Ok(run) = RunDirectory::open(&cell.directory(out)) else {
            return Ok(None);
        };
        let path = run.summary();
        if !path.is_file() {
            return Ok(None);
        }
        let unreadable =
            |error: &dyn std::fmt::Display| format!("{}: cannot be read: {error}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&error))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| unreadable(&error))
    };
    let summaries: Vec<Option<Summary>> = study.cells.iter().map(read).collect::<Result<_, _>>()?;
    let results = results(study, &summaries).map_err(|error| error.to_string())?;
    let collected = Collected { summaries, results };
    let write = |name: &str, text: String| {
        let path = out.join(name);
        std::fs::create_dir_all(out)
            .and_then(|()| write_atomically(&path, text.as_bytes()))
            .map_err(|error| format!("{}: cannot be written: {error}", path.display()))
    };
    write("results.csv", csv(study, &collected))?;
    let summary = serde_json::to_string_pretty(&summary(study, &collected));
    write(
        "summary.json",
        summary.expect("numbers can be written") + "\n",
    )?;
    Ok(collected)
}

/// Of one variant, by seed.
fn values(
    study: &Study,
    summaries: &[Option<Summary>],
    variant: usize,
    metric: &str,
) -> Vec<Option<f64>> {
    let cells = study.cells.iter().zip(summaries);
    let of_variant = cells.filter(|(cell, _)| cell.variant == variant);
    of_variant
        .map(|(_, summary)| summary.as_ref()?.metrics.get(metric).copied())
        .map(|value| value.filter(|value| value.is_finite()))
        .collect()
}

fn results(study: &Study, summaries: &[Option<Summary>]) -> crate::Result<Vec<Vec<MetricResult>>> {
    let mut results = Vec::new();
    for (place, metric) in study.metrics().enumerate() {
        let mut of_metric = Vec::new();
        for (variant, about) in study.variants.iter().enumerate() {
            let found = values(study, summaries, variant, metric);
            let rows: Vec<[f64; 1]> = found.iter().flatten().map(|&value| [value]).collect();
            let level = (!rows.is_empty())
                .then(|| PairedDifferences::new(&rows))
                .transpose()?;
            let interval = match &level {
                Some(level) => interval_of_mean(level)?,
                None => None,
            };
            let difference = match about.baseline {
                None => None,
                Some(baseline) => {
                    let baseline = values(study, summaries, baseline, metric);
                    let pairs = found.iter().zip(&baseline);
                    let rows: Vec<[f64; 1]> =
                        pairs.filter_map(|(a, b)| Some([(*a)? - (*b)?])).collect();
                    // A margin is stated for what decides.
                    let margin = study.margin.filter(|_| place < study.primary.len());
                    let compare = || PairedComparison::new(&PairedDifferences::new(&rows)?, margin);
                    (!rows.is_empty()).then(compare).transpose()?
                }
            };
            of_metric.push(MetricResult {
                mean: level.as_ref().map_or(f64::NAN, PairedDifferences::mean),
                interval: interval.map(|interval| [interval.low, interval.high]),
                n_seeds: rows.len(),
                difference,
                adjusted_p_value: None,
            });
        }
        results.push(of_metric);
    }
    let mut family: Vec<&mut MetricResult> = results
        .iter_mut()
        .take(study.primary.len())
        .flatten()
        .filter(|result| result.difference.is_some())
        .collect();
    let p_values = family
        .iter()
        .filter_map(|result| Some(result.difference.as_ref()?.p_value));
    let adjusted = holm(&p_values.collect::<Vec<f64>>())?;
    for (result, adjusted) in family.iter_mut().zip(adjusted) {
        result.adjusted_p_value = Some(adjusted);
    }
    Ok(results)
}

/// Long form: a line for each metric of each finished cell.
fn csv(study: &Study, collected: &Collected) -> String {
    let mut text = "cell,arm,seed,split,metric,value\n".to_owned();
    for (cell, summary) in study.cells.iter().zip(&collected.summaries) {
        let variant = &study.variants[cell.variant].name;
        for (metric, value) in summary.iter().flat_map(|summary| &summary.metrics) {
            let (split, metric) = metric.split_once('_').unwrap_or(("", metric));
            text.push_str(&format!(
                "{},{},{},{split},{metric},{value}\n",
                cell.id,
                csv_field(variant),
                cell.seed
            ));
        }
    }
    text
}

fn summary(study: &Study, collected: &Collected) -> Value {
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let metrics = study.metrics().zip(&collected.results).enumerate();
    let metrics = metrics.map(|(place, (metric, results))| {
        let variants = study.variants.iter().zip(results).map(|(variant, result)| {
            let baseline = variant
                .baseline
                .map(|baseline| &study.variants[baseline].name);
            let difference = result.difference.as_ref().map(|found| {
                json!({
                    "n_pairs": found.n_seeds,
                    "mean": found.mean,
                    "interval": found.interval.map(|interval| [interval.low, interval.high]),
                    "p_value": found.p_value,
                    "adjusted_p_value": result.adjusted_p_value,
                    "effect_size": found.effect_size.map(|size| size.d_z),
                    "n_seeds_for_80_percent_power": found.n_seeds_for_80_percent_power,
                    "equivalence_p_value": found.equivalence.as_ref().map(|found| found.p_value),
                })
            });
            json!({
                "arm": variant.name,
                "n_seeds": result.n_seeds,
                "mean": finite(result.mean),
                "interval": result.interval,
                "baseline": baseline,
                "less_the_baseline": difference,
            })
        });
        json!({
            "metric": metric,
            "role": if place < study.primary.len() { "primary" } else { "secondary" },
            "arms": variants.collect::<Vec<_>>(),
        })
    });
    let n_finished = collected.summaries.iter().flatten().count();
    json!({
        "question": study.question,
        "n_cells": study.cells.len(),
        "n_finished": n_finished,
        "margin": study.margin,
        "metrics": metrics.collect::<Vec<_>>(),
    })
}
