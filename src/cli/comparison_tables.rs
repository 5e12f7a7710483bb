//! Tables of arms and of how they differ: studies, and coherence.

use comfy_table::{Table, presets};

use super::tables::{duration, grouped, table};
use crate::analysis::coherence::{ArmDifferences, Comparisons, Level};
use crate::coherence::{Better, Role};
use crate::experiment::{Cell, Collected, Study};
use crate::report::page::number;

/// The cells of a study, numbered, and something of each.
pub fn cells(study: &Study, about: impl Fn(&Cell) -> String) -> String {
    let mut table = table(["cell", "id", "arm", "seed", ""]);
    for (number, cell) in study.cells.iter().enumerate() {
        let arm = study.variants[cell.variant].name.clone();
        let seed = cell.seed.to_string();
        table.add_row([number.to_string(), cell.id.clone(), arm, seed, about(cell)]);
    }
    format!("{table}\n")
}

/// What a cell of each variant costs, and the epochs of its baseline that cost as much: those of a control that is
/// given equal time.
pub fn equal_times(study: &Study, seconds: &[f64]) -> String {
    let epochs = |variant: usize| {
        let cell = study.cells.iter().find(|cell| cell.variant == variant);
        cell.map_or(0, |cell| cell.config.spec.training.epochs)
    };
    let mut table = table([
        "arm",
        "time of a cell",
        "epochs",
        "epochs of the baseline in that time",
    ]);
    for (place, variant) in study.variants.iter().enumerate() {
        let as_long = variant.baseline.map_or("-".to_owned(), |baseline| {
            let per_epoch = seconds[baseline] / epochs(baseline).max(1) as f64;
            format!("{:.0}", seconds[place] / per_epoch)
        });
        table.add_row([
            variant.name.clone(),
            duration(seconds[place]),
            epochs(place).to_string(),
            as_long,
        ]);
    }
    format!("{table}\n")
}

/// What a study has found, metric by metric.
pub fn study(study: &Study, collected: &Collected) -> String {
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut text = format!("{}\n", study.question);
    for (place, (metric, results)) in study.metrics().zip(&collected.results).enumerate() {
        let role = match place < study.primary.len() {
            true => "primary",
            false => "secondary",
        };
        let mut table = table([
            metric,
            "mean",
            "seeds",
            "less the baseline",
            "p",
            "p (Holm)",
            "effect size",
            "seeds needed",
            "p (equivalence)",
        ]);
        for (variant, result) in study.variants.iter().zip(results) {
            let found = result.difference.as_ref();
            let of = |value: Option<f64>| optional(value.map(|value| format!("{value:.4}")));
            let interval = found.and_then(|found| found.interval);
            let interval = interval.map(|i| format!(" [{}, {}]", signed(i.low), signed(i.high)));
            let difference = found.map(|found| signed(found.mean) + &interval.unwrap_or_default());
            table.add_row([
                variant.name.clone(),
                level(&Level {
                    mean: result.mean,
                    interval: result.interval,
                    n_clips: 0,
                }),
                result.n_seeds.to_string(),
                optional(difference),
                of(found.map(|found| found.p_value)),
                of(result.adjusted_p_value),
                optional(
                    found
                        .and_then(|f| f.effect_size)
                        .map(|size| format!("{:+.2}", size.d_z)),
                ),
                optional(
                    found
                        .and_then(|f| f.n_seeds_for_80_percent_power)
                        .map(grouped),
                ),
                of(found
                    .and_then(|f| f.equivalence.as_ref())
                    .map(|e| e.p_value)),
            ]);
        }
        text.push_str(&format!("{role}\n{table}\n"));
    }
    let n_finished = collected.summaries.iter().flatten().count();
    text.push_str(&format!(
        "{n_finished} of {} cells finished\n",
        study.cells.len()
    ));
    text
}

/// How steady the arms are, and how the others differ from the first.
pub fn coherence(found: &Comparisons) -> String {
    let mut text = String::new();
    for (arm, guards) in found.arms.iter().zip(&found.guards) {
        for guard in guards.iter().filter(|guard| guard.n_holding < guard.n_runs) {
            text.push_str(&format!(
                "{}: {} is {:.3}, expected {}, in {} of {} runs: what is steady there may be frozen\n",
                arm.name,
                guard.title,
                guard.mean,
                guard.expected,
                guard.n_runs - guard.n_holding,
                guard.n_runs
            ));
        }
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let mut header = vec!["metric".to_owned()];
    header.extend(found.arms.iter().map(|arm| match arm.runs.len() {
        1 => arm.name.clone(),
        n => format!("{} ({n} seeds)", arm.name),
    }));
    if !found.truth.is_empty() {
        header.push("true frames".to_owned());
    }
    table.set_header(header);
    for (place, metric) in found.metrics.iter().enumerate() {
        let name = match metric.unit {
            "" => metric.name.to_owned(),
            unit => format!("{} ({unit})", metric.name),
        };
        let levels = found.levels.iter().map(|levels| level(&levels[place]));
        let truth = found.truth.get(place).map(|&value| number(value));
        table.add_row([name].into_iter().chain(levels).chain(truth));
    }
    text.push_str(&format!("{table}\n"));
    for difference in &found.differences {
        text.push_str(&differences(found, difference));
    }
    text
}

fn differences(found: &Comparisons, of_arm: &ArmDifferences) -> String {
    let mut table = table([
        "difference",
        "mean",
        "95 % interval",
        "p",
        "p (Holm)",
        "effect size",
        "seeds needed",
    ]);
    for (metric, difference) in found.metrics.iter().zip(&of_arm.of_metrics) {
        let Some(difference) = difference else {
            continue;
        };
        let paired = &difference.found;
        let name = match (metric.role, metric.better) {
            (Role::Trained, _) => format!("{} (no evidence)", metric.name),
            (_, Better::LikeTruth) => format!("{} (distance from the truth)", metric.name),
            _ => metric.name.to_owned(),
        };
        let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        table.add_row([
            name,
            signed(paired.mean),
            optional(
                paired
                    .interval
                    .map(|i| format!("{} to {}", signed(i.low), signed(i.high))),
            ),
            format!("{:.4}", paired.p_value),
            optional(difference.adjusted_p_value.map(|p| format!("{p:.4}"))),
            optional(paired.effect_size.map(|size| format!("{:+.2}", size.d_z))),
            optional(paired.n_seeds_for_80_percent_power.map(grouped)),
        ]);
    }
    let [other, first] = [&found.arms[of_arm.arm].name, &found.arms[0].name];
    let pairs = match of_arm.seeds.len() {
        1 => "one seed: intervals and p are over clips, and say nothing of another training"
            .to_owned(),
        n => format!("{n} pairs of seeds"),
    };
    format!("{other} less {first}, {pairs}\n{table}\n")
}

fn signed(value: f64) -> String {
    match value > 0.0 {
        true => format!("+{}", number(value)),
        false => number(value),
    }
}

fn level(level: &Level) -> String {
    match level.interval {
        Some([low, high]) => format!("{} [{}, {}]", number(level.mean), number(low), number(high)),
        None => number(level.mean),
    }
}
