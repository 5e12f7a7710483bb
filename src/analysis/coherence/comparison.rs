//! Arm beside arm: means with their intervals, and differences seed by seed and clip by clip.

use serde_json::{Value, json};

use super::arms::{Arm, RunReading};
use super::reading::mean;
use super::suite::Suite;
use crate::coherence::{Better, Metric, Role};
use crate::error::Result;
use crate::statistics::{PairedComparison, PairedDifferences, holm, interval_of_mean};

/// Differences of shares of frames that make no difference.
pub const MARGIN: f64 = 0.015;

/// Metrics that are shares of frames.
const SHARES: [&str; 3] = ["accuracy", "flip_rate", "flip_rate_to_first"];

/// What was found of all arms.
#[derive(Debug, Clone)]
pub struct Comparisons {
    /// The arms; the others are compared with the first.
    pub arms: Vec<Arm>,
    /// What was measured.
    pub metrics: Vec<Metric>,
    /// By arm and metric.
    pub levels: Vec<Vec<Level>>,
    /// By metric, of the true frames; empty for classifiers.
    pub truth: Vec<f64>,
    /// Groups of the clips.
    pub groups: Vec<String>,
    /// By arm, group and metric; not a number where no clip has one.
    pub by_group: Vec<Vec<Vec<f64>>>,
    /// By arm: title, and mean over seeds and clips by gap.
    pub curves: Vec<Vec<(&'static str, Vec<f64>)>>,
    /// Title, and mean over the clips by gap, of the true frames.
    pub truth_curves: Vec<(&'static str, Vec<f64>)>,
    /// By arm, those of all runs.
    pub guards: Vec<Vec<ArmGuard>>,
    /// Of every arm but the first.
    pub differences: Vec<ArmDifferences>,
}

/// A mean, and where it lies with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Over seeds and clips; not a number if no clip has one.
    pub mean: f64,
    /// Over both; of one seed over the clips alone. `None` below two.
    pub interval: Option<[f64; 2]>,
    /// Clips that have a number in every run.
    pub n_clips: usize,
}

/// A guard of an arm's runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmGuard {
    /// As people read it.
    pub title: &'static str,
    /// What it should be.
    pub expected: String,
    /// Mean over the runs.
    pub mean: f64,
    /// Runs in which it holds.
    pub n_holding: usize,
    /// Runs.
    pub n_runs: usize,
}

/// An arm against the first, of the seeds that both have.
#[derive(Debug, Clone)]
pub struct ArmDifferences {
    /// Place of the arm.
    pub arm: usize,
    /// The seeds that both have.
    pub seeds: Vec<u64>,
    /// By metric; `None` where no clip has a number in every run.
    pub of_metrics: Vec<Option<Difference>>,
    /// By group and metric.
    pub of_groups: Vec<Vec<Option<Difference>>>,
}

/// One difference; of what should be as in the true frames, of the distances from that.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Over seeds and clips; of one seed its clips stand in for seeds, and the training is not tested.
    pub found: PairedComparison,
    /// The p-value adjusted by Holm's method for all metrics that are evidence; `None` of others.
    pub adjusted_p_value: Option<f64>,
}

impl ArmDifferences {
    /// Whether there is one seed alone, and nothing can be said of another training.
    pub fn is_of_one_seed(&self) -> bool {
        self.seeds.len() == 1
    }
}

impl Comparisons {
    /// Compares.
    ///
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) if an arm has no run, or none of
    /// the first arm's seeds.
    pub fn new(runs: &[RunReading], arms: &[Arm], suite: &Suite) -> Result<Self> {
        let metrics = runs[0].reading.metrics.clone();
        let groups: Vec<String> = match suite.groups()[..] {
            [_] => Vec::new(),
            ref groups => groups.iter().map(|&group| group.to_owned()).collect(),
        };
        let tables = Tables { runs, suite };
        let levels = |arm: &Arm| -> Result<Vec<Level>> {
            let of_metric = |metric| tables.level(arm, metric);
            (0..metrics.len()).map(of_metric).collect()
        };
        let levels = arms.iter().map(levels).collect::<Result<_>>()?;
        let by_group = arms.iter().map(|arm| {
            let of_group = |group: &String| {
                (0..metrics.len())
                    .map(|metric| tables.mean_of_group(arm, metric, group))
                    .collect()
            };
            groups.iter().map(of_group).collect()
        });
        let differences = (1..arms.len())
            .map(|arm| tables.differences(&arms[0], arm, &arms[arm], &metrics, &groups));
        Ok(Self {
            by_group: by_group.collect(),
            differences: differences.collect::<Result<_>>()?,
            truth: truth_of(runs, metrics.len()),
            truth_curves: runs[0]
                .reading
                .curves
                .iter()
                .filter(|curve| !curve.truth.is_empty())
                .map(|curve| (curve.title, curve.means_of_truth()))
                .collect(),
            curves: arms.iter().map(|arm| curves_of(runs, arm)).collect(),
            guards: arms.iter().map(|arm| guards_of(runs, arm)).collect(),
            arms: arms.to_vec(),
            metrics,
            levels,
            groups,
        })
    }

    /// All of it, for other programs.
    pub fn to_json(&self) -> Value {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let difference = |found: &Option<Difference>| {
            found.as_ref().map(|difference| {
                let PairedComparison {
                    n_seeds,
                    n_units,
                    mean,
                    interval,
                    p_value,
                    smallest_p_value,
                    effect_size,
                    n_seeds_for_80_percent_power,
                    ref equivalence,
                } = difference.found;
                json!({
                    "n_pairs": n_seeds,
                    "n_clips": n_units,
                    "mean": mean,
                    "interval": interval.map(|interval| [interval.low, interval.high]),
                    "p_value": p_value,
                    "smallest_p_value": smallest_p_value,
                    "adjusted_p_value": difference.adjusted_p_value,
                    "effect_size": effect_size.map(|size| size.d_z),
                    "corrected_effect_size": effect_size.and_then(|size| size.corrected),
                    "n_seeds_for_80_percent_power": n_seeds_for_80_percent_power,
                    "equivalence_p_value": equivalence.as_ref().map(|found| found.p_value),
                })
            })
        };
        let by_name = |values: Vec<Value>| -> Value {
            let named = self
                .metrics
                .iter()
                .map(|metric| metric.name.to_owned())
                .zip(values);
            Value::Object(named.collect())
        };
        let arms = self.arms.iter().enumerate().map(|(place, arm)| {
            let levels = self.levels[place].iter().map(|level| {
                json!({ "mean": finite(level.mean), "interval": level.interval, "n_clips": level.n_clips })
            });
            let groups = self.groups.iter().zip(&self.by_group[place]).map(|(group, means)| {
                let means = means.iter().map(|&mean| json!(finite(mean))).collect();
                (group.clone(), by_name(means))
            });
            let against_first = self.differences.iter().find(|found| found.arm == place).map(|found| {
                let groups = self.groups.iter().zip(&found.of_groups).map(|(group, of_group)| {
                    (group.clone(), by_name(of_group.iter().map(|d| json!(difference(d))).collect()))
                });
                json!({
                    "seeds": found.seeds,
                    "metrics": by_name(found.of_metrics.iter().map(|d| json!(difference(d))).collect()),
                    "groups": groups.collect::<serde_json::Map<_, _>>(),
                })
            });
            json!({
                "name": arm.name,
                "seeds": arm.runs.keys().collect::<Vec<_>>(),
                "levels": by_name(levels.collect()),
                "groups": groups.collect::<serde_json::Map<_, _>>(),
                "less_the_first": against_first,
            })
        });
        arms.collect()
    }
}

/// Values by run and clip.
struct Tables<'a> {
    runs: &'a [RunReading],
    suite: &'a Suite,
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

    fn level(&self, arm: &Arm, metric: usize) -> Result<Level> {
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

    fn mean_of_group(&self, arm: &Arm, metric: usize, group: &str) -> f64 {
        let of_run = |&run: &usize| {
            let values = self.suite.clips.iter().zip(self.of_run(run, metric));
            let of_group = values.filter(|(clip, _)| clip.group == group);
            mean(of_group.map(|(_, value)| value))
        };
        mean(arm.runs.values().map(|run| Some(of_run(run))))
    }

    fn differences(
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

fn truth_of(runs: &[RunReading], n_metrics: usize) -> Vec<f64> {
    let truth = &runs[0].reading.truth;
    if truth.is_empty() {
        return Vec::new();
    }
    // The topology of attention has no truth.
    let of = |metric: usize| mean(truth.iter().map(|clip| clip.get(metric).copied().flatten()));
    (0..n_metrics).map(of).collect()
}

fn curves_of(runs: &[RunReading], arm: &Arm) -> Vec<(&'static str, Vec<f64>)> {
    let of_runs: Vec<_> = arm
        .runs
        .values()
        .map(|&run| &runs[run].reading.curves)
        .collect();
    let titles = of_runs.first().into_iter().flat_map(|curves| curves.iter());
    titles
        .map(|curve| {
            let title = curve.title;
            let same = of_runs
                .iter()
                .filter_map(|curves| curves.iter().find(|curve| curve.title == title));
            let means: Vec<Vec<f64>> = same.map(super::reading::GapCurve::means).collect();
            let n_gaps = means.iter().map(Vec::len).min().unwrap_or_default();
            let at = |gap: usize| mean(means.iter().map(|means| Some(means[gap])));
            (title, (0..n_gaps).map(at).collect())
        })
        .collect()
}

fn guards_of(runs: &[RunReading], arm: &Arm) -> Vec<ArmGuard> {
    let of_runs: Vec<_> = arm
        .runs
        .values()
        .map(|&run| &runs[run].reading.guards)
        .collect();
    let n_guards = of_runs.first().map_or(0, |guards| guards.len());
    (0..n_guards)
        .map(|place| {
            let same = || of_runs.iter().map(|guards| &guards[place]);
            ArmGuard {
                title: of_runs[0][place].title,
                expected: of_runs[0][place].expected.clone(),
                mean: mean(same().map(|guard| guard.value)),
                n_holding: same().filter(|guard| guard.holds).count(),
                n_runs: of_runs.len(),
            }
        })
        .collect()
}
