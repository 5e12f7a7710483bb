//! Tables for the person watching.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use crate::config::Spec;
use crate::data::Splits;
use crate::model::ParameterCount;
use crate::run::DeviceReport;
use crate::train::{DryRun, Metrics, Phase, Profile};

/// What a run is about to do: data, model, penalties.
pub fn overview(spec: &Spec, data: &Splits, parameters: &[ParameterCount]) -> String {
    let samples = spec.samples;
    let tokens = spec.model.token_layout();
    let [rows, columns] = tokens.grid;
    let n_penalties = match spec.penalties.len() {
        0 => "none".to_owned(),
        n => n.to_string(),
    };
    let facts = [
        (
            self::samples(spec),
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
                "{}{}, {} by {} pixels, {} classes",
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
                samples.n_classes
            ),
        ),
        (
            "tokens",
            format!(
                "{}{}: {} before {rows} by {columns} patches",
                match tokens.n_frames {
                    1 => String::new(),
                    n => format!("{n} times "),
                },
                tokens.n_tokens(),
                tokens.n_prefix_tokens
            ),
        ),
        ("penalties", n_penalties),
    ];
    let facts = facts.map(|(name, value)| format!("{name:<11}{value}"));
    let left_out = match &data.unreadable[..] {
        [] => String::new(),
        [first, ..] => format!(
            "\nleft out   {} that cannot be read; the first: {first}",
            grouped(data.unreadable.len())
        ),
    };
    format!(
        "{}{left_out}\n{}",
        facts.join("\n"),
        parameter_table(parameters)
    )
}

/// What a run's samples are called.
pub fn samples(spec: &Spec) -> &'static str {
    match spec.samples.n_frames {
        1 => "images",
        _ => "clips",
    }
}

/// Names and numbers, one after the other.
pub fn metrics(metrics: &Metrics) -> String {
    let parts = metrics.iter();
    let parts = parts.map(|(name, value)| format!("{} {value:.4}", name.replace('_', " ")));
    parts.collect::<Vec<_>>().join(", ")
}

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

fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", 1e3 * seconds)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Where the time of steps went.
pub fn profile(profile: &Profile, peak_bytes: Option<u64>) -> String {
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
    let n_steps = grouped(profile.n_steps);
    let memory = match peak_bytes {
        Some(bytes) => format!("; most memory held: {}", mebibytes(bytes)),
        None => String::new(),
    };
    let whole = duration(in_steps);
    format!("{table}\n{n_steps} steps of this process in {whole}, without validation{memory}")
}

/// What a run will cost.
pub fn costs(found: &DryRun) -> String {
    let share = 100.0 * found.seconds_in_topology / found.seconds_per_step.max(f64::MIN_POSITIVE);
    let mut table = table(["cost", "", "remark"]);
    let mut row = |name: &str, value: String, remark: String| {
        table.add_row([name.to_owned(), value, remark]);
    };
    row(
        "step",
        milliseconds(found.seconds_per_step),
        "fastest of three, every penalty on".to_owned(),
    );
    row(
        "of it topology",
        milliseconds(found.seconds_in_topology),
        format!("{share:.0} % of the step"),
    );
    row(
        "all steps",
        duration(found.seconds_per_step * found.total_steps as f64),
        format!("{} steps, without validation", grouped(found.total_steps)),
    );
    row(
        "parameters",
        mebibytes(found.parameter_bytes as u64),
        "with gradients and the optimiser's moments".to_owned(),
    );
    if let Some(peak) = found.peak_bytes {
        row(
            "process",
            mebibytes(peak),
            "most memory held, on the host".to_owned(),
        );
    }
    row(
        "task loss",
        format!("{:.4}", found.task_loss),
        "in the task's unit, after the steps".to_owned(),
    );
    row(
        "topology loss",
        format!("{:.4}", found.topology_loss),
        "weighted".to_owned(),
    );
    table.to_string()
}

/// Which devices there are, and which can be used.
pub fn devices(reports: &[DeviceReport]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["device", "usable", ""]);
    for report in reports {
        let (is_usable, text) = match &report.state {
            Ok(description) => ("yes", description),
            Err(reason) => ("no", reason),
        };
        table.add_row([report.name, is_usable, text]);
    }
    table.to_string()
}

pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(header);
    if let Some(numbers) = table.column_mut(1) {
        numbers.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `12,345`
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `95 s`, `12 min`, `3.5 h`
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }
}
