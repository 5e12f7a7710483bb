//! Tables of metrics by seed and clip, and their statistics.

use super::run_measurement::RunMeasurement;
use super::suite::Suite;
use crate::error::Result;
use crate::evaluate::{Arm, is_rate};
use crate::mean::mean;
use crate::statistics::{PairedComparison, PairedDifferences, holm, interval_of_mean};
use crate::video_metrics::{Better, ClipMetric, Role};

/// Equivalence margin for metrics that are fractions of frames: smaller differences would not matter.
pub const EQUIVALENCE_MARGIN: f64 = 0.015;

/// Mean of a metric over seeds and clips, with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArmMean {
    /// Mean over seeds and clips; NaN if no clip has a value.
    pub mean: f64,
    /// Interval `[low, high]` over seeds and clips, or over clips if there is one seed; `None` with a single value.
    pub interval: Option<[f64; 2]>,
    /// Number of clips with a value in every run.
    pub n_clips: usize,
}

/// Paired differences of an arm from the first arm, over their common seeds.
#[derive(Debug, Clone)]
pub struct ArmDifferences {
    /// Index of the arm.
    pub arm: usize,
    /// Seeds that both arms have.
    pub seeds: Vec<u64>,
    /// Difference by metric; `None` where no clip has a value in every run.
    pub by_metric: Vec<Option<Difference>>,
    /// Difference by group and metric.
    pub by_group: Vec<Vec<Option<Difference>>>,
}

/// Paired difference of one metric.
///
/// Metrics with a true value are compared by their distance from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Comparison over seeds and clips. With one seed the clips take the place of the seeds, so that nothing can be
    /// concluded about another training.
    pub comparison: PairedComparison,
    /// P-value adjusted by Holm's method over all metrics that are evidence; `None` for other metrics.
    pub adjusted_p_value: Option<f64>,
}

impl ArmDifferences {
    /// True if the arms have only one seed in common; nothing can then be concluded about another training.
    pub fn has_one_seed(&self) -> bool {
        self.seeds.len() == 1
    }
}

/// Metrics of all runs on all clips.
pub(super) struct MetricTables<'a> {
    pub(super) runs: &'a [RunMeasurement],
    pub(super) suite: &'a Suite,
}

impl MetricTables<'_> {
    /// Returns the values of a metric in one run, by clip.
    fn values(&self, run: usize, metric: usize) -> Vec<Option<f64>> {
        let clips = self.runs[run].measurement.values.iter();
        clips.map(|values| values[metric]).collect()
    }

    /// Returns the values that are compared between arms, by clip: the distance from the true value where a metric has
    /// one, otherwise the value itself.
    fn compared_values(
        &self,
        run: usize,
        metric: usize,
        definition: &ClipMetric,
    ) -> Vec<Option<f64>> {
        let values = self.values(run, metric);
        if definition.better != Better::LikeTruth {
            return values;
        }
        // The index is in range: only metrics of frames have a true value, and the lists hold all of those.
        let truth = self.runs[run]
            .measurement
            .truth
            .iter()
            .map(|clip| clip[metric]);
        values
            .iter()
            .zip(truth)
            .map(|(value, truth)| Some(((*value)? - truth?).abs()))
            .collect()
    }

    /// Returns the table of the clips for which every row (seed) has a value; `None` if there are none.
    ///
    /// A single row becomes one row for each clip, so that clips take the place of seeds.
    fn table(
        &self,
        rows: &[Vec<Option<f64>>],
        group: Option<&str>,
    ) -> Result<Option<PairedDifferences>> {
        // The statistics need a full table: clips with a missing value are left out for all seeds.
        let is_kept = |clip: usize| {
            group.is_none_or(|group| self.suite.clips[clip].group == group)
                && rows.iter().all(|row| row[clip].is_some_and(f64::is_finite))
        };
        let kept: Vec<usize> = (0..self.suite.clips.len())
            .filter(|&clip| is_kept(clip))
            .collect();
        if kept.is_empty() {
            return Ok(None);
        }
        let rows = rows
            .iter()
            .map(|row| -> Vec<f64> { kept.iter().filter_map(|&clip| row[clip]).collect() });
        let mut rows: Vec<Vec<f64>> = rows.collect();
        if let [row] = &rows[..] {
            rows = row.iter().map(|&value| vec![value]).collect();
        }
        PairedDifferences::new(&rows).map(Some)
    }

    /// Returns the mean and interval of a metric over the runs of an arm.
    pub(super) fn mean(&self, arm: &Arm, metric: usize) -> Result<ArmMean> {
        let rows: Vec<_> = arm
            .runs
            .values()
            .map(|&run| self.values(run, metric))
            .collect();
        let name = self.runs[0].measurement.metrics[metric].name;
        let table = self.table(&rows, None)?;
        let Some(table) = table
            .map(|table| bounded(table, name, [0.0, 1.0]))
            .transpose()?
        else {
            return Ok(ArmMean {
                mean: f64::NAN,
                interval: None,
                n_clips: 0,
            });
        };
        let interval = interval_of_mean(&table)?;
        Ok(ArmMean {
            mean: table.mean(),
            interval: interval.map(|interval| [interval.low, interval.high]),
            // With one seed the rows of the table are clips.
            n_clips: if rows.len() == 1 {
                table.n_seeds()
            } else {
                table.n_units()
            },
        })
    }

    /// Returns the mean of a metric over the clips of a group and the runs of an arm; NaN if no clip has a value.
    pub(super) fn mean_of_group(&self, arm: &Arm, metric: usize, group: &str) -> f64 {
        let run_mean = |&run: &usize| {
            let values = self.suite.clips.iter().zip(self.values(run, metric));
            let in_group = values.filter(|(clip, _)| clip.group == group);
            mean(in_group.filter_map(|(_, value)| value)).unwrap_or(f64::NAN)
        };
        // Each run counts the same, even if a metric is not defined on some of its clips.
        mean(arm.runs.values().map(run_mean)).unwrap_or(f64::NAN)
    }

    /// Returns the paired differences between the arm `other`, with index `arm`, and the first arm.
    pub(super) fn differences(
        &self,
        first: &Arm,
        arm: usize,
        other: &Arm,
        metrics: &[ClipMetric],
        groups: &[String],
    ) -> Result<ArmDifferences> {
        let seeds: Vec<u64> = other
            .runs
            .keys()
            .copied()
            .filter(|seed| first.runs.contains_key(seed))
            .collect();
        let difference = |metric: usize, group: Option<&str>| -> Result<Option<Difference>> {
            let rows: Vec<Vec<Option<f64>>> = seeds
                .iter()
                .map(|seed| {
                    let [values, baseline] = [other, first]
                        .map(|arm| self.compared_values(arm.runs[seed], metric, &metrics[metric]));
                    let pairs = values.iter().zip(&baseline);
                    pairs.map(|(a, b)| Some((*a)? - (*b)?)).collect()
                })
                .collect();
            let Some(table) = self.table(&rows, group)? else {
                return Ok(None);
            };
            let name = metrics[metric].name;
            let table = bounded(table, name, [-1.0, 1.0])?;
            let margin = is_rate(name).then_some(EQUIVALENCE_MARGIN);
            Ok(Some(Difference {
                comparison: PairedComparison::new(&table, margin)?,
                adjusted_p_value: None,
            }))
        };
        let all_metrics = |group: Option<&str>| -> Result<Vec<Option<Difference>>> {
            let mut differences = (0..metrics.len())
                .map(|metric| difference(metric, group))
                .collect::<Result<Vec<_>>>()?;
            // All clips, and every group of them, are a family of comparisons of their own.
            adjust_p_values(&mut differences, metrics)?;
            Ok(differences)
        };
        let by_group = groups.iter().map(|group| all_metrics(Some(group)));
        Ok(ArmDifferences {
            arm,
            by_metric: all_metrics(None)?,
            by_group: by_group.collect::<Result<_>>()?,
            seeds,
        })
    }
}

/// States the range of a table of rates; other tables stay as they are.
fn bounded(table: PairedDifferences, metric: &str, range: [f64; 2]) -> Result<PairedDifferences> {
    if is_rate(metric) {
        table.within(range)
    } else {
        Ok(table)
    }
}

/// Sets the p-values adjusted by Holm's method, over the metrics that are evidence.
fn adjust_p_values(differences: &mut [Option<Difference>], metrics: &[ClipMetric]) -> Result<()> {
    let mut family: Vec<&mut Difference> = differences
        .iter_mut()
        .zip(metrics)
        .filter(|(_, metric)| metric.role == Role::Evidence)
        .filter_map(|(difference, _)| difference.as_mut())
        .collect();
    let p_values: Vec<f64> = family
        .iter()
        .map(|difference| difference.comparison.p_value)
        .collect();
    for (difference, adjusted) in family.iter_mut().zip(holm(&p_values)?) {
        difference.adjusted_p_value = Some(adjusted);
    }
    Ok(())
}
