//! Comparison of arms: means with intervals, and paired differences from the first arm.

use super::guards::Guard;
use super::measurement::GapCurve;
use super::metric_tables::{ArmDifferences, ArmMean, MetricTables};
use super::run_measurement::RunMeasurement;
use super::suite::Suite;
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::evaluate::Arm;
use crate::mean::mean;
use crate::video_metrics::ClipMetric;

/// Means, guards and differences of all arms.
#[derive(Debug, Clone)]
pub struct ArmComparisons {
    /// Arms; the others are compared with the first.
    pub arms: Vec<Arm>,
    /// Metrics, in the order of all values.
    pub metrics: Vec<ClipMetric>,
    /// Mean and interval by arm and metric.
    pub means: Vec<Vec<ArmMean>>,
    /// Mean over the clips by metric, for the true frames; empty for classifiers.
    pub truth: Vec<f64>,
    /// Groups of clips; empty if there is only one.
    pub groups: Vec<String>,
    /// Mean by arm, group and metric; NaN where no clip has a value.
    pub by_group: Vec<Vec<Vec<f64>>>,
    /// Curves of each arm: mean over seeds and clips by gap between frames.
    pub curves: Vec<Vec<MeanCurve>>,
    /// Curves of the true frames: mean over the clips by gap; empty for classifiers.
    pub truth_curves: Vec<MeanCurve>,
    /// Guards by arm, over all of its runs.
    pub guards: Vec<Vec<ArmGuard>>,
    /// Differences from the first arm, for every other arm.
    pub differences: Vec<ArmDifferences>,
}

/// A quantity of two frames by the gap between them, as a mean.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanCurve {
    /// Name of the quantity.
    pub title: &'static str,
    /// Mean at gaps of 1, 2, ... frames.
    pub by_gap: Vec<f64>,
}

/// A guard over all runs of an arm.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmGuard {
    /// Displayed name.
    pub title: &'static str,
    /// Required range, as text.
    pub expected: String,
    /// Mean of the value over the runs.
    pub mean: f64,
    /// Number of runs in which the guard holds.
    pub n_holding: usize,
    /// Number of runs.
    pub n_runs: usize,
}

impl ArmComparisons {
    /// Computes means, guards and differences from the first arm.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) if there are no runs or arms, or if an arm has
    /// no runs, or no seed in common with the first arm.
    pub fn new(runs: &[RunMeasurement], arms: &[Arm], suite: &Suite) -> Result<Self> {
        if runs.is_empty() || arms.is_empty() {
            return Err(Error::invalid_parameter(format!(
                "{} and {} were given, expected at least 1 of each",
                counted(runs.len(), "run"),
                counted(arms.len(), "arm")
            )));
        }
        let metrics = runs[0].measurement.metrics.clone();
        // With a single group, its means would repeat those of all clips.
        let groups: Vec<String> = match suite.groups()[..] {
            [_] => Vec::new(),
            ref groups => groups.iter().map(|&group| group.to_owned()).collect(),
        };
        let tables = MetricTables { runs, suite };
        let means = arms
            .iter()
            .map(|arm| {
                (0..metrics.len())
                    .map(|metric| tables.mean(arm, metric))
                    .collect()
            })
            .collect::<Result<_>>()?;
        let by_group = arms.iter().map(|arm| {
            let group_means = |group: &String| {
                (0..metrics.len())
                    .map(|metric| tables.mean_of_group(arm, metric, group))
                    .collect()
            };
            groups.iter().map(group_means).collect()
        });
        let differences = (1..arms.len())
            .map(|arm| tables.differences(&arms[0], arm, &arms[arm], &metrics, &groups));
        Ok(Self {
            by_group: by_group.collect(),
            differences: differences.collect::<Result<_>>()?,
            truth: true_means(runs, metrics.len()),
            truth_curves: runs[0]
                .measurement
                .curves
                .iter()
                .filter(|curve| !curve.truth.is_empty())
                .map(|curve| MeanCurve {
                    title: curve.title,
                    by_gap: curve.true_means(),
                })
                .collect(),
            curves: arms.iter().map(|arm| mean_curves(runs, arm)).collect(),
            guards: arms.iter().map(|arm| arm_guards(runs, arm)).collect(),
            arms: arms.to_vec(),
            metrics,
            means,
            groups,
        })
    }
}

/// Returns the mean of each metric over the true frames of all clips.
fn true_means(runs: &[RunMeasurement], n_metrics: usize) -> Vec<f64> {
    // The true frames do not depend on a model, so any run has them.
    let truth = &runs[0].measurement.truth;
    if truth.is_empty() {
        return Vec::new();
    }
    // Metrics of attention have no true values: the lists of the true frames end before them.
    let true_mean = |metric: usize| {
        let values = truth
            .iter()
            .filter_map(|clip| clip.get(metric).copied().flatten());
        mean(values).unwrap_or(f64::NAN)
    };
    (0..n_metrics).map(true_mean).collect()
}

/// Returns the mean over runs of the curves of an arm.
fn mean_curves(runs: &[RunMeasurement], arm: &Arm) -> Vec<MeanCurve> {
    let by_run: Vec<&Vec<GapCurve>> = arm
        .runs
        .values()
        .map(|&run| &runs[run].measurement.curves)
        .collect();
    let first_run = by_run.first().into_iter().flat_map(|curves| curves.iter());
    first_run
        .map(|curve| {
            let title = curve.title;
            let means: Vec<Vec<f64>> = by_run
                .iter()
                .filter_map(|curves| curves.iter().find(|curve| curve.title == title))
                .map(GapCurve::means)
                .collect();
            let n_gaps = means.iter().map(Vec::len).min().unwrap_or_default();
            let mean_at =
                |gap: usize| mean(means.iter().map(|means| means[gap])).unwrap_or(f64::NAN);
            MeanCurve {
                title,
                by_gap: (0..n_gaps).map(mean_at).collect(),
            }
        })
        .collect()
}

/// Returns the guards of an arm, each over all runs.
fn arm_guards(runs: &[RunMeasurement], arm: &Arm) -> Vec<ArmGuard> {
    let by_run: Vec<&Vec<Guard>> = arm
        .runs
        .values()
        .map(|&run| &runs[run].measurement.guards)
        .collect();
    // Runs of an arm have the same task, hence the same guards in the same order.
    let n_guards = by_run.first().map_or(0, |guards| guards.len());
    (0..n_guards)
        .map(|index| {
            let over_runs = || by_run.iter().map(|guards| &guards[index]);
            ArmGuard {
                title: by_run[0][index].title,
                expected: by_run[0][index].expected.clone(),
                mean: mean(over_runs().filter_map(|guard| guard.value)).unwrap_or(f64::NAN),
                n_holding: over_runs().filter(|guard| guard.holds).count(),
                n_runs: by_run.len(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleSpec;

    #[test]
    fn nothing_to_compare_is_refused() {
        let suite = Suite {
            source: String::new(),
            clips: Vec::new(),
            spec: SampleSpec {
                n_frames: 2,
                n_channels: 1,
                height: 16,
                width: 16,
                n_classes: 10,
            },
            classes: Vec::new(),
            notes: Vec::new(),
        };
        let refused = ArmComparisons::new(&[], &[], &suite).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "0 runs and 0 arms were given, expected at least 1 of each"
        );
    }
}
