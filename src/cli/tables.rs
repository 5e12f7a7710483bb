//! Tables and texts for the terminal.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use crate::config::Spec;
use crate::counted::numbered;
use crate::data::Splits;
use crate::evaluate::Metrics;
use crate::model::ParameterCount;
use crate::run::DeviceReport;
use crate::train::{DryRun, Phase, Profile};

/// Overview of a run before it starts: data, model and penalties.
pub(super) fn overview(spec: &Spec, data: &Splits, parameters: &[ParameterCount]) -> String {
    let samples = spec.samples;
    let tokens = spec.model.token_layout();
    let [rows, columns] = tokens.grid;
    let penalties = match spec.penalty_names() {
        names if names.is_empty() => "none".to_owned(),
        names => names.join(", "),
    };
    let facts = [
        (
            sample_noun(spec),
            format!(
                "{} training, {} validation, {} test",
                grouped(data.train.len()),
                grouped(data.validation.len()),
                grouped(data.test.len())
            ),
        ),
        (
            "shape",
            format!(
                "{}{}, {} by {} pixels, {}",
                match samples.n_frames {
                    1 => String::new(),
                    n => format!("{n} frames, "),
                },
                match samples.n_channels {
                    1 => "grey",
                    _ => "colour",
                },
                samples.height,
                samples.width,
                counted(samples.n_classes, "class")
            ),
        ),
        (
            "tokens",
            match tokens.n_tokens() {
                // A linear probe.
                0 => "none".to_owned(),
                n_tokens => format!(
                    "{}{n_tokens}: {} and {rows} by {columns} patches",
                    match tokens.n_frames {
                        1 => String::new(),
                        n => format!("{n} times "),
                    },
                    counted(tokens.n_prefix_tokens, "prefix token")
                ),
            },
        ),
        ("penalties", penalties),
    ];
    // Absolute, because a relative path may start at the configuration or at the working directory.
    let directory = spec.data.directory().map(|directory| {
        let absolute = std::path::absolute(directory);
        let absolute = absolute.unwrap_or_else(|_| directory.to_owned());
        ("data", absolute.display().to_string())
    });
    let facts: Vec<String> = directory
        .into_iter()
        .chain(facts)
        .map(|(name, value)| format!("{name:<11}{value}"))
        .collect();
    format!("{}\n{}", facts.join("\n"), parameter_table(parameters))
}

/// Number with its noun, as in `1 image` and `1,200 images`.
pub(super) fn counted(n: usize, noun: &str) -> String {
    format!("{} {}", grouped(n), numbered(n, noun))
}

/// Number of samples with their noun, as in `1 clip`.
pub(super) fn counted_samples(spec: &Spec, n: usize) -> String {
    match spec.samples.n_frames {
        1 => counted(n, "image"),
        _ => counted(n, "clip"),
    }
}

/// Noun for the samples of a run, in the plural.
pub(super) fn sample_noun(spec: &Spec) -> &'static str {
    match spec.samples.n_frames {
        1 => "images",
        _ => "clips",
    }
}

/// Metrics in one line, separated by commas.
pub(super) fn metrics(metrics: &Metrics) -> String {
    metrics
        .iter()
        .map(|(name, value)| format!("{} {value:.4}", name.replace('_', " ")))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Table of the number of parameters of each part of the model.
fn parameter_table(counts: &[ParameterCount]) -> String {
    let total: usize = counts.iter().map(|count| count.n_parameters).sum();
    let mut table = table(["part", "parameters", "share"]);
    for count in counts {
        let name = match count.n_parts {
            1 => count.name.clone(),
            n => format!("{} ({n})", count.name),
        };
        let share = 100.0 * count.n_parameters as f64 / total.max(1) as f64;
        table.add_row([name, grouped(count.n_parameters), format!("{share:.1} %")]);
    }
    table.add_row(["total".to_owned(), grouped(total), String::new()]);
    table.to_string()
}

/// Duration in milliseconds, as text.
fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", 1e3 * seconds)
}

/// Size in MiB, as text.
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Table of the time of each phase of a step.
pub(super) fn profile(profile: &Profile, peak_bytes: Option<u64>) -> String {
    // A process that took no step shows zeros, not NaN.
    let n_steps = profile.n_steps.max(1) as f64;
    let in_steps = profile.in_steps.as_secs_f64();
    let mut table = table(["phase", "per step", "share"]);
    let mut row = |name: String, time: Duration| {
        let seconds = time.as_secs_f64();
        let share = 100.0 * seconds / in_steps.max(f64::MIN_POSITIVE);
        let per_step = format!("{:.3} ms", 1e3 * seconds / n_steps);
        table.add_row([name, per_step, format!("{share:.1} %")]);
    };
    for phase in Phase::ALL {
        row(phase.name().replace('_', " "), profile.time(phase));
    }
    row("rest".to_owned(), profile.rest());
    row("step".to_owned(), profile.in_steps);
    let reads = match profile.reads.n_reads {
        0 => String::new(),
        n_reads => format!(
            "; {:.1} reads of the device per step, {} in all",
            n_reads as f64 / n_steps,
            mebibytes(profile.reads.n_bytes as u64)
        ),
    };
    let n_steps = counted(profile.n_steps, "step");
    let memory = match peak_bytes {
        Some(bytes) => format!("; peak memory: {}", mebibytes(bytes)),
        None => String::new(),
    };
    let total = duration(in_steps);
    format!("{table}\n{n_steps} of this process in {total}, without validation{memory}{reads}")
}

/// Table of the expected time and memory of a run.
pub(super) fn costs(cost: &DryRun) -> String {
    let share = 100.0 * cost.seconds_in_topology / cost.seconds_per_step.max(f64::MIN_POSITIVE);
    let mut table = table(["cost", "value", "remark"]);
    let mut row = |name: &str, value: String, remark: String| {
        table.add_row([name.to_owned(), value, remark]);
    };
    row(
        "step",
        milliseconds(cost.seconds_per_step),
        match cost.n_measured {
            1 => "of one step, with every penalty at full weight".to_owned(),
            n => format!("fastest of {n}, with every penalty at full weight"),
        },
    );
    row(
        "on penalties",
        milliseconds(cost.seconds_in_topology),
        format!("{share:.0} % of the step"),
    );
    row(
        "all steps",
        duration(cost.seconds_per_step * cost.total_steps as f64),
        format!("{}, without validation", counted(cost.total_steps, "step")),
    );
    row(
        "parameters",
        mebibytes(cost.parameter_bytes as u64),
        "with gradients, the moments of the optimiser, and the reference if there is one"
            .to_owned(),
    );
    if let Some(peak) = cost.peak_bytes {
        row(
            "peak memory",
            mebibytes(peak),
            "of this process, on the host".to_owned(),
        );
    }
    row(
        "task loss",
        format!("{:.4}", cost.task_loss),
        "at the last of these steps, in the unit of the task".to_owned(),
    );
    row(
        "topology loss",
        format!("{:.4}", cost.topology_loss),
        "weighted sum of the penalties".to_owned(),
    );
    table.to_string()
}

/// Table of the devices, and whether they can be used.
pub(super) fn devices(reports: &[DeviceReport]) -> String {
    let mut table = text_table(["device", "usable", ""]);
    for report in reports {
        let (is_usable, text) = match &report.state {
            Ok(description) => ("yes", description.clone()),
            Err(error) => ("no", error.to_string()),
        };
        table.add_row([report.name, is_usable, &text]);
    }
    table.to_string()
}

/// Empty table with a header, all of whose columns are aligned to the left.
pub(super) fn text_table<T: ToString>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let header: Vec<String> = header.into_iter().map(|title| title.to_string()).collect();
    table.set_header(header);
    table
}

/// Empty table with a header; the second column is aligned to the right.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = text_table(header);
    if let Some(numbers) = table.column_mut(1) {
        numbers.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Number with its digits grouped, as in `12,345`.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Duration in a suitable unit, as in `0.4 s`, `95 s`, `12 min` or `3.5 h`.
pub(super) fn duration(seconds: f64) -> String {
    // A unit is kept up to two of the next one, because `90 s` says more than `2 min`.
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_thousands() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn durations_have_a_suitable_unit() {
        for (seconds, expected) in [
            (0.04, "0.0 s"),
            (0.36, "0.4 s"),
            (95.0, "95 s"),
            (720.0, "12 min"),
            (12600.0, "3.5 h"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn the_dry_run_names_the_number_of_measured_steps() {
        let cost = |n_measured| DryRun {
            parameters: Vec::new(),
            n_tokens: 4,
            total_steps: n_measured + 1,
            task_loss: 2.3,
            topology_loss: 0.0,
            n_measured,
            seconds_per_step: 0.1,
            seconds_in_topology: 0.01,
            parameter_bytes: 64,
            peak_bytes: None,
        };
        assert!(costs(&cost(1)).contains("of one step, with"));
        assert!(costs(&cost(2)).contains("fastest of 2, with"));
        assert!(costs(&cost(3)).contains("fastest of 3, with"));
    }

    #[test]
    fn one_is_followed_by_the_singular() {
        assert_eq!(counted(0, "step"), "0 steps");
        assert_eq!(counted(1, "step"), "1 step");
        assert_eq!(counted(1200, "step"), "1,200 steps");
    }
}
