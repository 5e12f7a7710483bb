//! Values seed by seed and clip by clip, and the statistics of them.

use super::arms::{Arm, RunReading};
use super::comparison::{ArmDifferences, Difference, Level, MARGIN, SHARES};
use super::reading::mean;
use super::suite::Suite;
use crate::coherence::{Better, Metric, Role};
use crate::error::Result;
use crate::statistics::{PairedComparison, PairedDifferences, holm, interval_of_mean};

/// Values by run and clip.
pub(super) struct Tables<'a> {
    pub(super) runs: &'a [RunReading],
    pub(super) suite: &'a Suite,
}

impl Tables<'_> {
    fn of_run(&self, run: usize, metric: usize) -> Vec<Option<f64>> {
        let clips = self.runs[run].reading.values.iter();
        clips.map(|values| values[metric]).collect()
    }

    /// The same, or, of what should be as in the true frames, how far it is from that.
    fn judged(&self, run: usize, metric: usize, of: &Metric) -> Vec<Option<f64>> {
        let values = self.of_run(run, metric);
        if of.better != Better::LikeTruth {
            return values;
        }
        let truth = self.runs[run].reading.truth.iter().map(|clip| clip[metric]);
        values
            .iter()
            .zip(truth)
            .map(|(value, truth)| Some(((*value)? - truth?).abs()))
            .collect()
    }

    /// Values by row and clip, of the clips for which every row has one; `None` if there are none. A single
    /// row becomes one row for each clip.
    fn table(
        &self,
        rows: &[Vec<Option<f64>>],
        group: Option<&str>,
    ) -> Result<Option<PairedDifferences>> {
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

    pub(super) fn level(&self, arm: &Arm, metric: usize) -> Result<Level> {
        let rows: Vec<_> = arm
            .runs
            .values()
            .map(|&run| self.of_run(run, metric))
            .collect();
        let Some(table) = self.table(&rows, None)? else {
            return Ok(Level {
                mean: f64::NAN,
                interval: None,
                n_clips: 0,
            });
        };
        let interval = interval_of_mean(&table)?;
        Ok(Level {
            mean: table.mean(),
            interval: interval.map(|interval| [interval.low, interval.high]),
            n_clips: if rows.len() == 1 {
                table.n_seeds()
            } else {
                table.n_units()
            },
        })
    }

    pub(super) fn mean_of_group(&self, arm: &Arm, metric: usize, group: &str) -> f64 {
        let of_run = |&run: &usize| {
            let values = self.suite.clips.iter().zip(self.of_run(run, metric));
            let of_group = values.filter(|(clip, _)| clip.group == group);
            mean(of_group.map(|(_, value)| value))
        };
        mean(arm.runs.values().map(|run| Some(of_run(run))))
    }

    pub(super) fn differences(
        &self,
        first: &Arm,
        arm: usize,
        other: &Arm,
        metrics: &[Metric],
        groups: &[String],
    ) -> Result<ArmDifferences> {
        let seeds: Vec<u64> = other
            .runs
            .keys()
            .copied()
            .filter(|seed| first.runs.contains_key(seed))
            .collect();
        let of = |metric: usize, group: Option<&str>| -> Result<Option<Difference>> {
            let rows = seeds.iter().map(|seed| {
                let pair =
                    [other, first].map(|arm| self.judged(arm.runs[seed], metric, &metrics[metric]));
                let values = pair[0].iter().zip(&pair[1]);
                values.map(|(a, b)| Some((*a)? - (*b)?)).collect()
            });
            let rows: Vec<Vec<Option<f64>>> = rows.collect();
            let Some(table) = self.table(&rows, group)? else {
                return Ok(None);
            };
            let margin = SHARES.contains(&metrics[metric].name).then_some(MARGIN);
            Ok(Some(Difference {
                found: PairedComparison::new(&table, margin)?,
                adjusted_p_value: None,
            }))
        };
        let of_all = |group: Option<&str>| -> Result<Vec<Option<Difference>>> {
            let mut found = (0..metrics.len())
                .map(|metric| of(metric, group))
                .collect::<Result<Vec<_>>>()?;
            adjust(&mut found, metrics)?;
            Ok(found)
        };
        let of_groups = groups.iter().map(|group| of_all(Some(group)));
        Ok(ArmDifferences {
            arm,
            of_metrics: of_all(None)?,
            of_groups: of_groups.collect::<Result<_>>()?,
            seeds,
        })
    }
}

/// Fills in adjusted p-values, over the metrics that are evidence.
fn adjust(found: &mut [Option<Difference>], metrics: &[Metric]) -> Result<()> {
    let mut family: Vec<&mut Difference> = found
        .iter_mut()
        .zip(metrics)
        .filter(|(_, metric)| metric.role == Role::Evidence)
        .filter_map(|(difference, _)| difference.as_mut())
        .collect();
    let p_values: Vec<f64> = family
        .iter()
        .map(|difference| difference.found.p_value)
        .collect();
    for (difference, adjusted) in family.iter_mut().zip(holm(&p_values)?) {
        difference.adjusted_p_value = Some(adjusted);
    }
    Ok(())
}
