//! The report's page.

use maud::{Markup, html};

use super::condition::{Condition, Kind};
use super::measured::{Measured, Robustness};
use crate::data::Corruption;
use crate::report::page::{Column, Page, Section, Table, figure, number, side_by_side};
use crate::report::plot::{Heatmap, LinePlot, PlotPoint, Series};
use crate::statistics::Interval;

/// The page.
pub(super) fn page(command: &str, robustness: &Robustness) -> Page {
    let clean = robustness.clean();
    let lead = format!(
        "{}: {} of {}. Clean accuracy {}; what attacks and corruptions leave of it, and what they do to the topology \
         of attention.",
        robustness.run,
        robustness.n_samples[0],
        robustness.samples,
        number(clean.scores.accuracy),
    );
    Page::new(format!("Robustness of {}", robustness.run), lead)
        .section(Section::new(
            "Are the attacks what they say?",
            checked(robustness),
        ))
        .section(Section::new("Attacks", attacks(robustness)))
        .section(Section::new("Corruptions", corruptions(robustness)))
        .section(Section::new(
            "Topology, clean against perturbed",
            topology(robustness),
        ))
        .section(Section::new("All numbers", numbers(robustness)))
        .section(Section::new(
            "How it was measured",
            measured_how(command, robustness),
        ))
}

fn checked(robustness: &Robustness) -> Markup {
    let columns = vec![
        Column::text("Expected"),
        Column::text("Found"),
        Column::text("Holds"),
    ];
    let mut table = Table::new("Checks", columns);
    for check in robustness.checks() {
        let holds = match check.holds {
            true => "yes",
            false => "NO",
        };
        table = table.row([check.title, &*check.found, holds]);
    }
    html! {
        p {
            "Where the gradient is hidden an attack fails and the model looks strong. What follows counts only where "
            "these hold. Numbers are accuracies."
        }
        (table)
    }
}

/// The attacks that are there at every strength.
fn kinds(robustness: &Robustness) -> Vec<Kind> {
    let mut kinds = vec![Kind::Random, Kind::Fgsm, Kind::Pgd];
    if robustness.plan.has_other {
        kinds.push(Kind::Transfer);
    }
    kinds
}

/// A line over the strengths of a kind, which begins at the clean samples.
fn line(
    robustness: &Robustness,
    kind: Kind,
    of: impl Fn(&Measured) -> (f64, Option<Interval>),
) -> Series {
    let with_clean = std::iter::once(robustness.clean()).chain(robustness.of(kind));
    let points = with_clean.map(|measured| {
        let (value, interval) = of(measured);
        let point = PlotPoint::new(measured.condition.strength, value);
        match interval {
            Some(interval) => point.between(interval.low, interval.high),
            None => point,
        }
    });
    Series::new(kind.name(), points.collect())
}

/// A level to compare with, over the whole axis.
fn level(label: &str, value: f64, until: f64) -> Series {
    let ends = [0.0, until].map(|x| PlotPoint::new(x, value));
    Series::new(label, ends.to_vec())
}

fn accuracy(measured: &Measured) -> (f64, Option<Interval>) {
    (measured.scores.accuracy, Some(measured.intervals.accuracy))
}

fn calibration_error(measured: &Measured) -> (f64, Option<Interval>) {
    let interval = measured.intervals.calibration_error;
    (measured.scores.calibration_error, Some(interval))
}

const EPSILON_AXIS: &str = "largest change of a pixel (fraction of the range of pixels)";

fn attacks(robustness: &Robustness) -> Markup {
    let until = robustness.plan.epsilons.last().copied().unwrap_or(1.0);
    let chance = level("chance", 1.0 / robustness.n_classes as f64, until);
    let kinds = kinds(robustness);
    let mut plot =
        LinePlot::new("Accuracy under attack", EPSILON_AXIS, "accuracy").y_range([0.0, 1.0]);
    let mut of_calibration = LinePlot::new(
        "Calibration error under attack",
        EPSILON_AXIS,
        "expected calibration error",
    );
    for kind in kinds {
        plot = plot.series(line(robustness, kind, accuracy));
        of_calibration = of_calibration.series(line(robustness, kind, calibration_error));
    }
    html! {
        (figure(plot.series(chance).draw(), "With 95 % intervals for new samples and this model."))
        (figure(of_calibration.draw(), ""))
    }
}

fn corruptions(robustness: &Robustness) -> Markup {
    let mut plot = LinePlot::new(
        "Accuracy on corrupted samples",
        "severity, 0 is clean",
        "accuracy",
    )
    .y_range([0.0, 1.0]);
    let mut flips = LinePlot::new(
        "Flips from frame to frame",
        "severity, 0 is clean",
        "share of frames",
    );
    for corruption in Corruption::ALL {
        let kind = Kind::Corrupted(corruption);
        plot = plot.series(line(robustness, kind, accuracy));
        let rate = |measured: &Measured| (measured.flip_rate.unwrap_or(f64::NAN), None);
        flips = flips.series(line(robustness, kind, rate));
    }
    html! {
        (figure(plot.draw(), "With 95 % intervals for new samples and this model."))
        @if robustness.clean().flip_rate.is_some() {
            (figure(flips.draw(), ""))
        }
    }
}

fn topology(robustness: &Robustness) -> Markup {
    let until = robustness.plan.epsilons.last().copied().unwrap_or(1.0);
    let by_strength = [0, 1].map(|dim| {
        let title = format!("H{dim}: how far diagrams move");
        let mut plot = LinePlot::new(title, EPSILON_AXIS, "distance, mean over layers");
        for kind in kinds(robustness) {
            let distance = |measured: &Measured| (measured.mean_distance(dim), None);
            plot = plot.series(line(robustness, kind, distance));
        }
        let scale = robustness.mean_between_images(dim);
        figure(
            plot.series(level("between different images", scale, until))
                .draw(),
            "",
        )
    });
    html! {
        p {
            "Normalised 2-Wasserstein distance (ground norm L-infinity) between the diagrams of a sample before and "
            "after, mean over " (robustness.n_samples[1]) " samples: heads averaged, patches only, each diagram over "
            "the mean edge of its spanning tree. The scale of it is the distance between different clean images. A "
            "random change of the same size is the control of an attack."
        }
        @for plot in by_strength { (plot) }
        @for dim in [0, 1] {
            (side_by_side([false, true].map(|corrupted| by_layer(robustness, dim, corrupted))))
        }
    }
}

/// Distances of every layer, of attacks or of corruptions, in the colours of both.
fn by_layer(robustness: &Robustness, dim: usize, corrupted: bool) -> Markup {
    let is_corrupted =
        |measured: &&Measured| matches!(measured.condition.kind, Kind::Corrupted(_)) == corrupted;
    let changed = || robustness.measured.iter().skip(1);
    let shown: Vec<&Measured> = changed().filter(is_corrupted).collect();
    let mut labels: Vec<String> = shown.iter().map(|m| short_name(&m.condition)).collect();
    labels.push("other images".to_owned());
    let between = std::iter::once(&robustness.between_images);
    let of_dim = |layers: &Vec<[f64; 2]>| layers.iter().map(|layer| layer[dim]).collect::<Vec<_>>();
    let shown = shown.iter().map(|measured| &measured.distances);
    let values = shown.chain(between.clone()).flat_map(of_dim).collect();
    let all = changed().map(|measured| &measured.distances).chain(between);
    let largest = all.flat_map(of_dim).fold(0.0, f64::max);
    let layers = (0..robustness.between_images.len()).map(|layer| layer.to_string());
    let what = match corrupted {
        true => "corruption and severity",
        false => "attack and epsilon",
    };
    let mut heatmap = Heatmap::new(
        format!("H{dim}, by {what}, and layer"),
        "normalised 2-Wasserstein distance",
        labels,
        layers.collect(),
        values,
    );
    heatmap.range = Some([0.0, largest]);
    figure(heatmap.draw(), "")
}

fn short_name(condition: &Condition) -> String {
    let kind = match condition.kind {
        Kind::Random => "random",
        Kind::LongPgd => "5 x PGD",
        Kind::Transfer => "other's PGD",
        kind => kind.name(),
    };
    format!("{kind} {}", condition.strength)
}

fn numbers(robustness: &Robustness) -> Markup {
    let has_flips = robustness.clean().flip_rate.is_some();
    let mut columns = vec![
        Column::text("Condition"),
        Column::number("Accuracy", "95 % interval"),
        Column::number("Calibration error", "95 % interval"),
        Column::number("Brier score", "95 % interval"),
        Column::number("NLL", "nats"),
    ];
    if has_flips {
        columns.push(Column::number("Flips", "share of frames"));
    }
    columns.extend([
        Column::number("H0 moved", "mean over layers"),
        Column::number("H1 moved", "mean over layers"),
    ]);
    let mut table = Table::new("Every condition", columns);
    for measured in &robustness.measured {
        let (scores, intervals) = (&measured.scores, &measured.intervals);
        let mut row = vec![
            measured.condition.name(),
            with_interval(scores.accuracy, intervals.accuracy),
            with_interval(scores.calibration_error, intervals.calibration_error),
            with_interval(scores.brier, intervals.brier),
            with_interval(scores.nll, intervals.nll),
        ];
        if has_flips {
            row.push(number(measured.flip_rate.unwrap_or(f64::NAN)));
        }
        row.extend([0, 1].map(|dim| number(measured.mean_distance(dim))));
        table = table.row(row);
    }
    html! { (table) }
}

fn with_interval(value: f64, interval: Interval) -> String {
    format!(
        "{}\n{} to {}",
        number(value),
        number(interval.low),
        number(interval.high)
    )
}

fn measured_how(command: &str, robustness: &Robustness) -> Markup {
    let plan = &robustness.plan;
    html! {
        p { "Command: " code { (command) } }
        p {
            "Attacks raise the loss of each sample, every pixel changed by at most epsilon, with the model in "
            "evaluation. PGD: " (plan.pgd_steps) " steps from each of " (plan.pgd_starts) " starts, the sample itself "
            "and random ones; of all places passed the worst counts."
            @if let Some(other) = &robustness.other {
                " The other model is that of " (other) "."
            }
        }
        p {
            "Intervals are for new samples and this model: Wilson's of the accuracy, percentiles of 2,000 resamples "
            "of the others. They say nothing of another training; for that a study compares seeds."
        }
    }
}
