//! Tables of studies and of temporal coherence: arms, and their differences from the baseline.

use super::tables::{counted, duration, grouped, table, text_table};
use crate::analysis::coherence::{ArmComparisons, ArmDifferences, ArmMean};
use crate::evaluate::shortened_differences;
use crate::experiment::{Cell, MetricResult, RunComparison, Study, StudyResults, one_seed};
use crate::report::NO_INTERVAL;
use crate::report::page::number;
use crate::statistics::PairedComparison;
use crate::train::readable_metric;
use crate::video_metrics::{Better, Role};

/// Table of the cells of a study; `describe` returns the text of the last column, which `title` is the header of.
pub(super) fn cells(study: &Study, title: &str, describe: impl Fn(&Cell) -> String) -> String {
    let mut table = table(["cell", "id", "variant", "seed", title]);
    for (number, cell) in study.cells.iter().enumerate() {
        let variant = study.variants[cell.variant].name.clone();
        let seed = cell.seed.to_string();
        table.add_row([
            number.to_string(),
            cell.id.clone(),
            variant,
            seed,
            describe(cell),
        ]);
    }
    format!("{table}\n")
}

/// Table of the time per cell of each variant, and the number of epochs that its baseline takes in this time, for
/// controls with equal training time.
pub(super) fn equal_times(study: &Study, seconds: &[f64]) -> String {
    let epochs = |variant: usize| {
        let cell = study.cells.iter().find(|cell| cell.variant == variant);
        cell.map_or(0, |cell| cell.config.spec.training.epochs)
    };
    let mut table = table([
        "variant",
        "time per cell",
        "epochs",
        "baseline epochs for equal time",
    ]);
    for (index, variant) in study.variants.iter().enumerate() {
        let baseline_epochs = variant.baseline.map_or("-".to_owned(), |baseline| {
            let per_epoch = seconds[baseline] / epochs(baseline).max(1) as f64;
            format!("{:.0}", seconds[index] / per_epoch)
        });
        table.add_row([
            variant.name.clone(),
            duration(seconds[index]),
            epochs(index).to_string(),
            baseline_epochs,
        ]);
    }
    format!("{table}\n")
}

/// Results of a study: one table per metric, with the difference of each variant from its baseline.
pub(super) fn study(study: &Study, results: &StudyResults) -> String {
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut text = format!("{}\n", study.question);
    for (index, (metric, by_variant)) in study.metrics().zip(&results.results).enumerate() {
        // The primary metrics come first.
        let role = if index < study.primary.len() {
            "primary"
        } else {
            "secondary"
        };
        let mut table = table([
            metric,
            "mean [95 % interval]",
            "seeds",
            "difference from the baseline [95 % interval]",
            "p",
            "p (Holm)",
            "effect size",
            "seeds for 80 % power",
            "p (equivalence)",
        ]);
        for (variant, result) in study.variants.iter().zip(by_variant) {
            let paired = result.difference.as_ref();
            let p_value = |value: Option<f64>| optional(value.map(|value| format!("{value:.4}")));
            let interval = paired
                .and_then(|paired| paired.interval)
                .map(|i| format!(" [{}, {}]", signed(i.low), signed(i.high)));
            let interval = interval.unwrap_or_else(|| format!(" [{NO_INTERVAL}]"));
            let difference = paired.map(|paired| signed(paired.mean) + &interval);
            table.add_row([
                variant.name.clone(),
                mean_of_seeds(result),
                result.n_seeds.to_string(),
                optional(difference),
                p_value(paired.map(|paired| paired.p_value)),
                p_value(result.adjusted_p_value),
                optional(
                    paired
                        .and_then(|p| p.effect_size)
                        .map(|size| format!("{:+.2}", size.d_z)),
                ),
                optional(
                    paired
                        .and_then(|p| p.n_seeds_for_80_percent_power)
                        .map(grouped),
                ),
                p_value(
                    paired
                        .and_then(|p| p.equivalence.as_ref())
                        .map(|e| e.p_value),
                ),
            ]);
        }
        text.push_str(&format!("{role}\n{table}\n"));
    }
    let n_finished = results.summaries.iter().flatten().count();
    text.push_str(&format!(
        "{n_finished} of {} finished\n",
        counted(study.cells.len(), "cell")
    ));
    text
}

/// Coherence of every arm, failed guards, and the differences of the other arms from the first.
pub(super) fn coherence(comparisons: &ArmComparisons) -> String {
    let mut text = String::new();
    // Guards come first, because the other metrics of a degenerate output mean nothing.
    for (arm, guards) in comparisons.arms.iter().zip(&comparisons.guards) {
        for guard in guards.iter().filter(|guard| guard.n_holding < guard.n_runs) {
            text.push_str(&format!(
                "{}: {} is {:.3} (expected {}) in {} of {}: the output may be constant or frozen\n",
                arm.name,
                guard.title,
                guard.mean,
                guard.expected,
                guard.n_runs - guard.n_holding,
                counted(guard.n_runs, "run")
            ));
        }
    }
    let mut header = vec!["metric".to_owned()];
    header.extend(comparisons.arms.iter().map(|arm| match arm.runs.len() {
        1 => arm.name.clone(),
        n => format!("{} ({})", arm.name, counted(n, "seed")),
    }));
    if !comparisons.truth.is_empty() {
        header.push("true frames".to_owned());
    }
    let mut table = text_table(header);
    for (index, metric) in comparisons.metrics.iter().enumerate() {
        let name = match metric.unit {
            "" => metric.name.to_owned(),
            unit => format!("{} ({unit})", metric.name),
        };
        let means = comparisons.means.iter().map(|means| mean(&means[index]));
        let truth = comparisons.truth.get(index).map(|&value| number(value));
        table.add_row([name].into_iter().chain(means).chain(truth));
    }
    text.push_str(&format!("{table}\n"));
    for difference in &comparisons.differences {
        text.push_str(&differences(comparisons, difference));
    }
    text
}

/// Table of the differences of one arm from the first.
fn differences(comparisons: &ArmComparisons, arm: &ArmDifferences) -> String {
    let mut table = table(DIFFERENCE_COLUMNS);
    for (metric, difference) in comparisons.metrics.iter().zip(&arm.by_metric) {
        let Some(difference) = difference else {
            continue;
        };
        let name = match (metric.role, metric.better) {
            // What the runs were trained on is not known here.
            (Role::Trained, _) => format!(
                "{} (a penalty may have been trained on it: not evidence)",
                metric.name
            ),
            (_, Better::LikeTruth) => format!("{} (distance from the true value)", metric.name),
            _ => metric.name.to_owned(),
        };
        let mut paired = difference.comparison.clone();
        if arm.has_one_seed() {
            // The clips took the place of the seeds, so that this would be a number of clips.
            paired.n_seeds_for_80_percent_power = None;
        }
        table.add_row(difference_row(name, &paired, difference.adjusted_p_value));
    }
    let [other, first] = [&comparisons.arms[arm.arm].name, &comparisons.arms[0].name];
    let pairs = match arm.seeds.len() {
        1 => "one seed: intervals and p-values are over clips, and do not apply to other seeds"
            .to_owned(),
        n => format!("{n} pairs of seeds"),
    };
    format!("{other} minus {first}, {pairs}\n{table}\n")
}

/// Header of a table of differences, whose rows are those of [`difference_row`].
const DIFFERENCE_COLUMNS: [&str; 7] = [
    "difference",
    "mean",
    "95 % interval",
    "p",
    "p (Holm)",
    "effect size",
    "seeds for 80 % power",
];

/// Row of a table of differences.
fn difference_row(
    name: String,
    paired: &PairedComparison,
    adjusted_p_value: Option<f64>,
) -> [String; 7] {
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    [
        name,
        signed(paired.mean),
        match paired.interval {
            Some(i) => format!("{} to {}", signed(i.low), signed(i.high)),
            None => NO_INTERVAL.to_owned(),
        },
        format!("{:.4}", paired.p_value),
        optional(adjusted_p_value.map(|p| format!("{p:.4}"))),
        optional(paired.effect_size.map(|size| format!("{:+.2}", size.d_z))),
        optional(paired.n_seeds_for_80_percent_power.map(grouped)),
    ]
}

/// Comparison of runs: the settings in which the arms differ, the means of every arm, and the differences of the others
/// from the first.
pub(super) fn compare(comparison: &RunComparison) -> String {
    let RunComparison { study, results, .. } = comparison;
    let mut text = String::new();
    let others = || study.variants.iter().enumerate().skip(1);
    let first = study.variants.first().map_or("", |variant| &variant.name);
    for ((_, variant), settings) in others().zip(&comparison.settings) {
        let mut table = text_table(["setting that differs", first, &variant.name]);
        for setting in shortened_differences(settings) {
            table.add_row([setting.key, setting.first, setting.second]);
        }
        text.push_str(&format!("{table}\n"));
    }
    let header = study.variants.iter().enumerate().map(|(index, variant)| {
        let cells = study.cells.iter().filter(|cell| cell.variant == index);
        format!("{} ({})", variant.name, counted(cells.count(), "seed"))
    });
    let mut means = text_table(["metric".to_owned()].into_iter().chain(header));
    for (metric, by_variant) in study.metrics().zip(&results.results) {
        let values = by_variant.iter().map(mean_of_seeds);
        means.add_row([readable_metric(metric)].into_iter().chain(values));
    }
    text.push_str(&format!("{means}\n"));
    for (index, variant) in others() {
        let mut table = table(DIFFERENCE_COLUMNS);
        for (metric, by_variant) in study.metrics().zip(&results.results) {
            let result = &by_variant[index];
            if let Some(paired) = &result.difference {
                let name = readable_metric(metric);
                table.add_row(difference_row(name, paired, result.adjusted_p_value));
            }
        }
        let pairs = counted(comparison.common_seeds(index), "pair");
        text.push_str(&format!(
            "{} minus {first}, {pairs} of runs with the same seed\n{table}\n",
            variant.name
        ));
    }
    if let Some(warning) = one_seed(results) {
        text.push_str(&format!("{warning}\n"));
    }
    text
}

/// Mean over the seeds of an arm, with its interval.
fn mean_of_seeds(result: &MetricResult) -> String {
    mean(&ArmMean {
        mean: result.mean,
        interval: result.interval,
        // The number of clips is not displayed.
        n_clips: 0,
    })
}

/// Number with its sign, `+` included.
fn signed(value: f64) -> String {
    if value > 0.0 {
        format!("+{}", number(value))
    } else {
        number(value)
    }
}

/// Mean with its confidence interval.
fn mean(arm: &ArmMean) -> String {
    match arm.interval {
        Some([low, high]) => format!("{} [{}, {}]", number(arm.mean), number(low), number(high)),
        // A metric that is not defined has no mean either.
        None if arm.mean.is_nan() => number(arm.mean),
        None => format!("{} [{NO_INTERVAL}]", number(arm.mean)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::analysis::coherence::{Difference, FRAME_DISTANCE_METRICS};
    use crate::evaluate::Arm;
    use crate::statistics::{PairedComparison, PairedDifferences};

    /// Table of the differences between two arms in one metric that a penalty may have been trained on.
    fn table_of_differences(rows: &[Vec<f64>]) -> String {
        let seeds: Vec<u64> = (0..rows.len() as u64).collect();
        let arm = |name: &str| Arm {
            name: name.to_owned(),
            runs: BTreeMap::new(),
        };
        // As in a comparison of arms: with one seed, the clips take the place of the seeds.
        let rows: Vec<Vec<f64>> = match rows {
            [clips] => clips.iter().map(|&clip| vec![clip]).collect(),
            rows => rows.to_vec(),
        };
        let differences = PairedDifferences::new(&rows).unwrap();
        let comparison = PairedComparison::new(&differences, None).unwrap();
        assert!(comparison.n_seeds_for_80_percent_power.is_some());
        let difference = ArmDifferences {
            arm: 1,
            seeds,
            by_metric: vec![Some(Difference {
                comparison,
                adjusted_p_value: None,
            })],
            by_group: Vec::new(),
        };
        let comparisons = ArmComparisons {
            arms: vec![arm("plain"), arm("penalised")],
            metrics: FRAME_DISTANCE_METRICS[..1].to_vec(),
            means: Vec::new(),
            truth: Vec::new(),
            groups: Vec::new(),
            by_group: Vec::new(),
            curves: Vec::new(),
            truth_curves: Vec::new(),
            guards: Vec::new(),
            differences: vec![difference.clone()],
        };
        super::differences(&comparisons, &difference)
    }

    #[test]
    fn one_seed_says_nothing_about_the_number_of_seeds() {
        let several = table_of_differences(&[vec![1.0], vec![1.5], vec![0.9], vec![1.2]]);
        let one = table_of_differences(&[vec![1.0, 1.5, 0.9, 1.2]]);
        // The last column, of the only row.
        let last = |table: &str| {
            let row = table
                .lines()
                .find(|line| line.contains("h0_frame_distance"))
                .unwrap()
                .to_owned();
            let cells: Vec<&str> = row.split_whitespace().collect();
            cells[cells.len() - 2].to_owned()
        };
        assert!(last(&several).parse::<usize>().is_ok(), "{several}");
        assert_eq!(last(&one), "-", "{one}");
        for table in [several, one] {
            assert!(
                table.contains("(a penalty may have been trained on it: not evidence)"),
                "{table}"
            );
            assert!(table.contains("seeds for 80 % power"), "{table}");
        }
    }
}
