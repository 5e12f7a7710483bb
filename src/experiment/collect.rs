//! Collects the metrics of the finished cells of a study and compares its arms.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::study::{Study, Variant};
use crate::error::{Error, Result};
use crate::evaluate::is_rate;
use crate::report::csv_field;
use crate::run::{Manifest, RunDirectory};
use crate::statistics::{PairedComparison, PairedDifferences, holm, interval_of_mean};
use crate::train::RunSummary;

/// Final metrics of the finished cells of a study, and the comparisons of its variants.
#[derive(Debug, Clone)]
pub struct StudyResults {
    /// Run directory of each cell, in the order of the study; it need not exist.
    pub directories: Vec<PathBuf>,
    /// Summary of each cell, in the order of the study; `None` if the cell is not finished.
    pub summaries: Vec<Option<RunSummary>>,
    /// Results by metric in the order of the study, then by variant.
    pub results: Vec<Vec<MetricResult>>,
}

/// Result of one variant for one metric.
#[derive(Debug, Clone)]
pub struct MetricResult {
    /// Mean over the finished seeds; NaN if there is none.
    pub mean: f64,
    /// 95 % confidence interval of the mean; `None` with fewer than two seeds, or if all seeds have the same value.
    pub interval: Option<[f64; 2]>,
    /// Number of finished seeds.
    pub n_seeds: usize,
    /// Difference from the baseline, over the seeds that are finished in both; `None` for a baseline itself.
    pub difference: Option<PairedComparison>,
    /// P-value of the difference, adjusted by Holm's method over all primary comparisons; `None` for secondary metrics.
    pub adjusted_p_value: Option<f64>,
}

/// Reads the summaries of the finished cells, and compares the variants.
///
/// # Errors
///
/// - [`Error::is_file_error`] if a summary cannot be read.
/// - [`Error::is_invalid_format`] if a summary is damaged.
/// - [`Error::is_invalid_parameter`] if a cell was extended to more epochs.
pub fn collect(study: &Study, out: &Path) -> Result<StudyResults> {
    let directories: Vec<PathBuf> = study.cells.iter().map(|cell| cell.directory(out)).collect();
    for directory in &directories {
        let Ok(run) = RunDirectory::open(directory) else {
            continue;
        };
        // A missing manifest tells nothing; the results do not depend on it.
        let manifest = Manifest::read(&run.manifest());
        if run.summary().is_file() && manifest.is_ok_and(|manifest| !manifest.extensions.is_empty())
        {
            return Err(Error::invalid_parameter(format!(
                "{}: this cell was extended to more epochs than the study has, so it cannot be compared with the \
                 others; remove it, or set training.epochs in the study",
                run.root().display()
            )));
        }
    }
    StudyResults::new(study, directories)
}

impl StudyResults {
    /// Reads the summaries of the finished cells, whose run directories are given in the order of the study, and compares
    /// the variants.
    ///
    /// # Errors
    ///
    /// The errors of [`RunSummary::read`].
    pub(super) fn new(study: &Study, directories: Vec<PathBuf>) -> Result<Self> {
        let summaries: Vec<Option<RunSummary>> = directories
            .iter()
            .map(|directory| match RunDirectory::open(directory) {
                Ok(run) => RunSummary::read(&run),
                Err(_) => Ok(None),
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            results: results(study, &summaries)?,
            directories,
            summaries,
        })
    }

    /// Number of finished cells.
    pub fn n_finished(&self) -> usize {
        self.summaries.iter().flatten().count()
    }
}

/// Returns the values of a metric for one variant, in the order of the seeds; `None` if missing or not finite.
fn values(
    study: &Study,
    summaries: &[Option<RunSummary>],
    variant: usize,
    metric: &str,
) -> Vec<Option<f64>> {
    let by_seed: BTreeMap<u64, f64> = study
        .cells
        .iter()
        .zip(summaries)
        .filter(|(cell, _)| cell.variant == variant)
        .filter_map(|(cell, summary)| {
            let value = summary.as_ref()?.metrics.get(metric).copied()?;
            value.is_finite().then_some((cell.seed, value))
        })
        .collect();
    // In the order of the seeds, so that two variants can be compared position by position.
    study
        .seeds
        .iter()
        .map(|seed| by_seed.get(seed).copied())
        .collect()
}

/// Computes the result of every variant for every metric.
fn results(
    study: &Study,
    summaries: &[Option<RunSummary>],
) -> crate::Result<Vec<Vec<MetricResult>>> {
    let mut results = Vec::new();
    for (index, metric) in study.metrics().enumerate() {
        // The margin is declared for the primary metrics only.
        let margin = study.margin.filter(|_| index < study.primary.len());
        let mut metric_results = Vec::new();
        for (variant, Variant { baseline, .. }) in study.variants.iter().enumerate() {
            let own = values(study, summaries, variant, metric);
            let difference = match baseline {
                None => None,
                Some(baseline) => {
                    let baseline = values(study, summaries, *baseline, metric);
                    compare(&own, &baseline, margin, is_rate(metric))?
                }
            };
            metric_results.push(MetricResult {
                difference,
                ..mean_with_interval(&own, is_rate(metric))?
            });
        }
        results.push(metric_results);
    }
    adjust_p_values(study, &mut results)?;
    Ok(results)
}

/// Computes the mean over seeds and its interval, without a comparison; the interval of a rate lies in 0 to 1.
fn mean_with_interval(values: &[Option<f64>], is_rate: bool) -> crate::Result<MetricResult> {
    // The statistics take differences; those from 0 are the values themselves.
    let rows: Vec<[f64; 1]> = values.iter().flatten().map(|&value| [value]).collect();
    let mut result = MetricResult {
        mean: f64::NAN,
        interval: None,
        n_seeds: rows.len(),
        difference: None,
        adjusted_p_value: None,
    };
    if !rows.is_empty() {
        let mut differences = PairedDifferences::new(&rows)?;
        if is_rate {
            differences = differences.within([0.0, 1.0])?;
        }
        result.mean = differences.mean();
        result.interval =
            interval_of_mean(&differences)?.map(|interval| [interval.low, interval.high]);
    }
    Ok(result)
}

/// Compares a variant with its baseline, seed by seed; `None` if no seed is finished in both.
///
/// The interval of a difference of rates lies in -1 to 1.
fn compare(
    own: &[Option<f64>],
    baseline: &[Option<f64>],
    margin: Option<f64>,
    is_rate: bool,
) -> crate::Result<Option<PairedComparison>> {
    let differences: Vec<[f64; 1]> = own
        .iter()
        .zip(baseline)
        .filter_map(|(own, baseline)| Some([(*own)? - (*baseline)?]))
        .collect();
    if differences.is_empty() {
        return Ok(None);
    }
    let mut differences = PairedDifferences::new(&differences)?;
    if is_rate {
        differences = differences.within([-1.0, 1.0])?;
    }
    PairedComparison::new(&differences, margin).map(Some)
}

/// Adjusts the p-values of all primary comparisons together, by Holm's method.
fn adjust_p_values(study: &Study, results: &mut [Vec<MetricResult>]) -> crate::Result<()> {
    let mut family: Vec<&mut MetricResult> = results
        .iter_mut()
        // The primary metrics come first.
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
    Ok(())
}

/// Returns `results.csv` in long form: one line for each metric of each finished cell.
///
/// It contains no times, so that it is the same whether or not the study was interrupted.
pub(super) fn csv(study: &Study, collected: &StudyResults) -> String {
    let mut text = "cell,arm,seed,split,metric,value\n".to_owned();
    for (cell, summary) in study.cells.iter().zip(&collected.summaries) {
        let variant = &study.variants[cell.variant].name;
        for (metric, value) in summary.iter().flat_map(|summary| &summary.metrics) {
            // Names of metrics start with the split, as in `test_accuracy`.
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

impl StudyResults {
    /// Returns the means, their differences from the baselines and the statistics of these, for `summary.json`, without
    /// times, as in `results.csv`.
    pub fn to_json(&self, study: &Study) -> Value {
        summary(study, self)
    }
}

fn summary(study: &Study, collected: &StudyResults) -> Value {
    // JSON has no NaN.
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let metrics = study.metrics().zip(&collected.results).enumerate();
    let metrics = metrics.map(|(index, (metric, results))| {
        let variants = study.variants.iter().zip(results).map(|(variant, result)| {
            let baseline = variant
                .baseline
                .map(|baseline| &study.variants[baseline].name);
            let difference = result.difference.as_ref().map(|difference| {
                json!({
                    "n_pairs": difference.n_seeds,
                    "mean": difference.mean,
                    "interval": difference.interval.map(|interval| [interval.low, interval.high]),
                    "p_value": difference.p_value,
                    "adjusted_p_value": result.adjusted_p_value,
                    "effect_size": difference.effect_size.map(|size| size.d_z),
                    "n_seeds_for_80_percent_power": difference.n_seeds_for_80_percent_power,
                    "equivalence_p_value": difference.equivalence.as_ref().map(|test| test.p_value),
                })
            });
            json!({
                "arm": variant.name,
                "n_seeds": result.n_seeds,
                "mean": finite(result.mean),
                "interval": result.interval,
                "baseline": baseline,
                "difference_from_baseline": difference,
            })
        });
        json!({
            "metric": metric,
            "role": if index < study.primary.len() { "primary" } else { "secondary" },
            "arms": variants.collect::<Vec<_>>(),
        })
    });
    let n_finished = collected.n_finished();
    json!({
        "question": study.question,
        "n_cells": study.cells.len(),
        "n_finished": n_finished,
        "margin": study.margin,
        "metrics": metrics.collect::<Vec<_>>(),
    })
}
