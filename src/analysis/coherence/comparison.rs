//! Arm beside arm: means with their intervals, and differences seed by seed and clip by clip.

use super::arms::{Arm, RunReading};
use super::paired::Tables;
use super::reading::mean;
use super::suite::Suite;
use crate::coherence::Metric;
use crate::error::Result;
use crate::statistics::PairedComparison;

/// Differences of shares of frames that make no difference.
pub const MARGIN: f64 = 0.015;

/// Metrics that are shares of frames.
pub(super) const SHARES: [&str; 3] = ["accuracy", "flip_rate", "flip_rate_to_first"];

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
