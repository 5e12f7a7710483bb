//! Writes the results of a study as Markdown tables, for quoting.

use super::one_seed::one_seed;
use crate::counted::{capitalised, counted};
use crate::experiment::collect::{MetricResult, StudyResults};
use crate::experiment::study::Study;
use crate::report::NO_INTERVAL;
use crate::report::page::number;
use crate::train::readable_metric;

/// Returns the question, the number of finished cells, and a table of results for each metric.
pub(super) fn markdown(study: &Study, collected: &StudyResults, command: &str) -> String {
    let n_finished = collected.summaries.iter().flatten().count();
    let seconds = collected.summaries.iter().flatten().map(|s| s.seconds);
    let mut text = format!(
        "# {}\n\n{n_finished} of {} finished; {:.2} hours of training in total; command: `{command}`.\n",
        study.question,
        counted(study.cells.len(), study.origin.run_noun()),
        // The sum of no numbers is -0.
        (seconds.sum::<f64>() + 0.0) / 3600.0
    );
    if let Some(warning) = one_seed(collected) {
        text.push_str(&format!("\n{warning}\n"));
    }
    for (index, (metric, results)) in study.metrics().zip(&collected.results).enumerate() {
        let role = if index < study.primary.len() {
            "primary"
        } else {
            "secondary"
        };
        let name = capitalised(&readable_metric(metric));
        text.push_str(&format!("\n{name} ({role} metric)\n\n"));
        text.push_str(&format!(
            "| {} | mean [95 % interval] | seeds | difference from the baseline [95 % interval] | p | p (Holm) | \
             p (equivalence) | effect size | seeds for 80 % power |\n|---|---|---|---|---|---|---|---|---|\n",
            study.origin.arm_noun()
        ));
        for (variant, result) in study.variants.iter().zip(results) {
            text.push_str(&format!("| {} |{}\n", variant.name, row(result)));
        }
    }
    text
}

/// Returns the cells of a row after the first.
fn row(result: &MetricResult) -> String {
    let optional = |value: Option<f64>| value.map_or(String::new(), number);
    let comparison = result.difference.as_ref();
    let difference = comparison.map_or(String::new(), |comparison| {
        let interval = comparison.interval.map(|i| [i.low, i.high]);
        with_interval(comparison.mean, interval)
    });
    let size = comparison.and_then(|comparison| comparison.effect_size.map(|size| size.d_z));
    let needed = comparison.and_then(|comparison| comparison.n_seeds_for_80_percent_power);
    let equivalence = comparison.and_then(|comparison| comparison.equivalence.as_ref());
    let cells = [
        with_interval(result.mean, result.interval),
        result.n_seeds.to_string(),
        difference,
        optional(comparison.map(|comparison| comparison.p_value)),
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
        None => format!("{} [{NO_INTERVAL}]", number(value)),
    }
}
