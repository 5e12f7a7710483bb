//! The tables as text, to be quoted.

use super::plots::spoken;
use crate::experiment::collect::{Collected, MetricResult};
use crate::experiment::study::Study;
use crate::report::page::number;

/// The question, how much of it is run, and a table of each metric.
pub(super) fn markdown(study: &Study, collected: &Collected, command: &str) -> String {
    let n_finished = collected.summaries.iter().flatten().count();
    let seconds = collected.summaries.iter().flatten().map(|s| s.seconds);
    let mut text = format!(
        "# {}\n\n{n_finished} of {} cells, {:.2} hours of training in all, made by `{command}`.\n",
        study.question,
        study.cells.len(),
        seconds.sum::<f64>() / 3600.0
    );
    for (place, (metric, results)) in study.metrics().zip(&collected.results).enumerate() {
        let role = match place < study.primary.len() {
            true => "primary",
            false => "secondary",
        };
        text.push_str(&format!("\n{} ({role})\n\n", capital(&spoken(metric))));
        text.push_str(
            "| variant | mean | seeds | less the baseline | p | p (Holm) | p (equivalence) | effect size | seeds needed \
             |\n|---|---|---|---|---|---|---|---|---|\n",
        );
        for (variant, result) in study.variants.iter().zip(results) {
            text.push_str(&format!("| {} |{}\n", variant.name, row(result)));
        }
    }
    text
}

fn row(result: &MetricResult) -> String {
    let optional = |value: Option<f64>| value.map_or(String::new(), number);
    let found = result.difference.as_ref();
    let difference = found.map_or(String::new(), |found| {
        let interval = found.interval.map(|i| [i.low, i.high]);
        with_interval(found.mean, interval)
    });
    let size = found.and_then(|found| found.effect_size.map(|size| size.d_z));
    let needed = found.and_then(|found| found.n_seeds_for_80_percent_power);
    let equivalence = found.and_then(|found| found.equivalence.as_ref());
    let cells = [
        with_interval(result.mean, result.interval),
        result.n_seeds.to_string(),
        difference,
        optional(found.map(|found| found.p_value)),
        optional(result.adjusted_p_value),
        optional(equivalence.map(|equivalence| equivalence.p_value)),
        size.map_or(String::new(), |size| format!("{size:+.2}")),
        needed.map_or(String::new(), |n| n.to_string()),
    ];
    cells.map(|cell| format!(" {cell} |")).concat()
}

fn with_interval(value: f64, interval: Option<[f64; 2]>) -> String {
    match interval {
        Some([low, high]) => format!("{} [{}, {}]", number(value), number(low), number(high)),
        None => number(value),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
