//! The page of a robustness report.

use maud::{Markup, html};

use super::condition::{ConditionKind, LONG_PGD_FACTOR, RobustnessCondition};
use super::results::{ConditionResult, Robustness};
use crate::counted::counted;
use crate::data::Corruption;
use crate::report::page::{Column, Page, Section, Table, figure, number, side_by_side};
use crate::report::plot::{Heatmap, LinePlot, PlotPoint, Series};
use crate::statistics::{Interval, Predictions};

/// Builds the page with all its sections.
pub(super) fn page(command: &str, robustness: &Robustness) -> Page {
    let clean = robustness.clean();
    let samples = &*robustness.samples;
    let lead = format!(
        "Run {} on {}: its accuracy is {} without perturbation. This page shows its accuracy under attacks and \
         corruptions, and their effect on the topology of attention.",
        robustness.run,
        // The description is a plural.
        counted(
            robustness.n_samples,
            samples.strip_suffix('s').unwrap_or(samples)
        ),
        number(clean.scores.accuracy),
    );
    Page::new(format!("Robustness of {}", robustness.run), lead)
        .section(Section::new(
            "Checks of the attacks",
            check_table(robustness),
        ))
        .section(Section::new("Attacks", attacks(robustness)))
        .section(Section::new("Corruptions", corruptions(robustness)))
        .section(Section::new(
            "Topology of clean and perturbed samples",
            topology(robustness),
        ))
        .section(Section::new("All conditions", condition_table(robustness)))
        .section(Section::new("Method", method(command, robustness)))
}

/// Returns the table of the checks of the attacks.
fn check_table(robustness: &Robustness) -> Markup {
    let columns = vec![
        Column::text("Expected"),
        Column::text("Found"),
        Column::text("Holds"),
    ];
    let mut table = Table::new("Checks", columns);
    for check in robustness.checks() {
        // Capitals make a failed check stand out.
        let holds = if check.holds { "yes" } else { "NO" };
        table = table.row([&*check.title, &*check.actual, holds]);
    }
    html! {
        p {
            "If the gradients of a model are hidden, attacks fail and the model only seems robust. The results below "
            "are meaningful only if these checks hold."
        }
        (table)
    }
}

/// Returns the kinds of attack that have a result for every epsilon.
fn attack_kinds(robustness: &Robustness) -> Vec<ConditionKind> {
    let mut kinds = vec![
        ConditionKind::Random,
        ConditionKind::Fgsm,
        ConditionKind::Pgd,
    ];
    if robustness.plan.has_other {
        kinds.push(ConditionKind::Transfer);
    }
    kinds
}

/// Returns the line of a value over the strengths of a kind, beginning at the clean samples.
fn line(
    robustness: &Robustness,
    kind: ConditionKind,
    value: impl Fn(&ConditionResult) -> (f64, Option<Interval>),
) -> Series {
    let with_clean = std::iter::once(robustness.clean()).chain(robustness.by_kind(kind));
    let points = with_clean.map(|result| {
        let (value, interval) = value(result);
        let point = PlotPoint::new(result.condition.strength, value);
        match interval {
            Some(interval) => point.with_interval(interval.low, interval.high),
            None => point,
        }
    });
    Series::new(kind.name(), points.collect())
}

/// Returns a horizontal line for comparison, over the whole axis.
fn reference_line(label: &str, value: f64, until: f64) -> Series {
    let ends = [0.0, until].map(|x| PlotPoint::new(x, value));
    Series::new(label, ends.to_vec())
}

/// Returns the accuracy and its interval.
fn accuracy(result: &ConditionResult) -> (f64, Option<Interval>) {
    (result.scores.accuracy, Some(result.intervals.accuracy))
}

/// Returns the expected calibration error and its interval.
fn calibration_error(result: &ConditionResult) -> (f64, Option<Interval>) {
    let interval = result.intervals.calibration_error;
    (result.scores.calibration_error, Some(interval))
}

/// Kind and unit of the distances in tables.
const DISTANCE_UNIT: &str = "mean over layers, multiples of the scale";

/// Label of the axis of epsilons.
const EPSILON_AXIS: &str = "epsilon: largest change of a pixel (fraction of the range of pixels)";

/// Returns the plots of accuracy and calibration error under attack.
fn attacks(robustness: &Robustness) -> Markup {
    let until = robustness.plan.epsilons.last().copied().unwrap_or(1.0);
    let chance = reference_line("chance", 1.0 / robustness.n_classes as f64, until);
    let kinds = attack_kinds(robustness);
    let mut plot =
        LinePlot::new("Accuracy under attack", EPSILON_AXIS, "accuracy").y_range([0.0, 1.0]);
    let mut calibration_plot = LinePlot::new(
        "Calibration error under attack",
        EPSILON_AXIS,
        "expected calibration error",
    );
    for kind in kinds {
        plot = plot.series(line(robustness, kind, accuracy));
        calibration_plot = calibration_plot.series(line(robustness, kind, calibration_error));
    }
    html! {
        (figure(plot.series(chance).draw(), "With 95 % confidence intervals, for new samples and this model."))
        (figure(calibration_plot.draw(), ""))
    }
}

/// Returns the plots of accuracy and flip rate on corrupted samples.
fn corruptions(robustness: &Robustness) -> Markup {
    let mut plot = LinePlot::new(
        "Accuracy on corrupted samples",
        "severity (0 is clean)",
        "accuracy",
    )
    .y_range([0.0, 1.0]);
    let mut flips = LinePlot::new("Flip rate", "severity (0 is clean)", "fraction of frames");
    for corruption in Corruption::ALL {
        let kind = ConditionKind::Corrupted(corruption);
        plot = plot.series(line(robustness, kind, accuracy));
        // NaN is a gap in the line; the plot is left out for models that do not classify frames.
        let rate = |result: &ConditionResult| (result.flip_rate.unwrap_or(f64::NAN), None);
        flips = flips.series(line(robustness, kind, rate));
    }
    html! {
        (figure(plot.draw(), "With 95 % confidence intervals, for new samples and this model."))
        @if robustness.clean().flip_rate.is_some() {
            (figure(flips.draw(), ""))
        }
    }
}

/// Returns the plots of the distances between clean and perturbed diagrams.
fn topology(robustness: &Robustness) -> Markup {
    let until = robustness.plan.epsilons.last().copied().unwrap_or(1.0);
    let by_strength = [0, 1].map(|dim| {
        let title = format!("H{dim}: distance between clean and perturbed diagrams");
        let mut plot = LinePlot::new(
            title,
            EPSILON_AXIS,
            "mean over layers (multiples of the scale)",
        );
        for kind in attack_kinds(robustness) {
            let distance = |result: &ConditionResult| (result.mean_distance(dim), None);
            plot = plot.series(line(robustness, kind, distance));
        }
        let scale = robustness.mean_between_images(dim);
        figure(
            plot.series(reference_line("between different images", scale, until))
                .draw(),
            "",
        )
    });
    html! {
        p {
            "The plots show the 2-Wasserstein distance (ground norm L-infinity) between the diagrams of a sample before and after the perturbation, as a mean over "
            (counted(robustness.n_topology_samples, "sample")) ". Heads are averaged, only patch tokens are points, "
            "and each diagram is divided by its scale, which is its mean finite death in dimension 0. For comparison, "
            "the plots also show the distance between different clean images. A random change of the same size is the "
            "control for an attack."
        }
        @for plot in by_strength { (plot) }
        @for dim in [0, 1] {
            (side_by_side([false, true].map(|corrupted| by_layer(robustness, dim, corrupted))))
        }
    }
}

/// Returns the heatmap of distances by condition and layer, either for attacks or for corruptions. Both have the same
/// colour scale.
fn by_layer(robustness: &Robustness, dim: usize, corrupted: bool) -> Markup {
    let is_corrupted = |result: &&ConditionResult| {
        matches!(result.condition.kind, ConditionKind::Corrupted(_)) == corrupted
    };
    // The clean samples come first.
    let perturbed = || robustness.results.iter().skip(1);
    let selected: Vec<&ConditionResult> = perturbed().filter(is_corrupted).collect();
    let mut labels: Vec<String> = selected
        .iter()
        .map(|result| short_name(&result.condition))
        .collect();
    labels.push("different images".to_owned());
    let between = std::iter::once(&robustness.between_images);
    let of_dim = |layers: &Vec<[f64; 2]>| layers.iter().map(|layer| layer[dim]).collect::<Vec<_>>();
    let distances = selected.iter().map(|result| &result.distances);
    let values = distances.chain(between.clone()).flat_map(of_dim).collect();
    // Attacks and corruptions share a scale, so that their heatmaps can be compared.
    let all = perturbed().map(|result| &result.distances).chain(between);
    // `f64::max` passes over NaN, which stands for layers without a scale.
    let largest = all.flat_map(of_dim).fold(0.0, f64::max);
    let layers = (0..robustness.between_images.len()).map(|layer| layer.to_string());
    let rows = if corrupted {
        "corruption, severity"
    } else {
        "attack, epsilon"
    };
    let mut heatmap = Heatmap::new(
        format!("H{dim} distance by {rows} and layer"),
        "2-Wasserstein distance (multiples of the scale)",
        labels,
        layers.collect(),
        values,
    );
    heatmap.range = Some([0.0, largest]);
    figure(heatmap.draw(), "")
}

/// Returns the name of a condition for the narrow labels of a heatmap.
fn short_name(condition: &RobustnessCondition) -> String {
    let kind = match condition.kind {
        ConditionKind::Random => "random".to_owned(),
        ConditionKind::LongPgd => format!("PGD, {LONG_PGD_FACTOR}x steps"),
        ConditionKind::Transfer => "transferred PGD".to_owned(),
        kind => kind.name().to_owned(),
    };
    format!("{kind} {}", condition.strength)
}

/// Returns the table of all scores.
fn condition_table(robustness: &Robustness) -> Markup {
    let has_flips = robustness.clean().flip_rate.is_some();
    let mut columns = vec![
        Column::text("Condition"),
        Column::number("Accuracy", "95 % interval"),
        Column::number("Calibration error", "95 % interval"),
        Column::number("Brier score", "95 % interval"),
        Column::number("Negative log-likelihood", "nats"),
    ];
    if has_flips {
        columns.push(Column::number("Flip rate", "fraction of frames"));
    }
    columns.extend([
        Column::number("H0 distance", DISTANCE_UNIT),
        Column::number("H1 distance", DISTANCE_UNIT),
    ]);
    let mut table = Table::new("All conditions", columns);
    for result in &robustness.results {
        let (scores, intervals) = (&result.scores, &result.intervals);
        let mut row = vec![
            result.condition.name(),
            with_interval(scores.accuracy, intervals.accuracy),
            with_interval(scores.calibration_error, intervals.calibration_error),
            with_interval(scores.brier, intervals.brier),
            with_interval(scores.nll, intervals.nll),
        ];
        if has_flips {
            row.push(number(result.flip_rate.unwrap_or(f64::NAN)));
        }
        row.extend([0, 1].map(|dim| number(result.mean_distance(dim))));
        table = table.row(row);
    }
    html! { (table) }
}

/// Returns a value with its interval on a second line.
fn with_interval(value: f64, interval: Interval) -> String {
    format!(
        "{}\n{} to {}",
        number(value),
        number(interval.low),
        number(interval.high)
    )
}

/// Returns a number with a comma after its thousands.
fn in_thousands(n: usize) -> String {
    match n {
        0..1000 => n.to_string(),
        _ => format!("{},{:03}", in_thousands(n / 1000), n % 1000),
    }
}

/// Returns the description of attacks and intervals.
fn method(command: &str, robustness: &Robustness) -> Markup {
    let plan = &robustness.plan;
    html! {
        p { "Command: " code { (command) } }
        p {
            "Attacks increase the loss of each sample while no pixel changes by more than epsilon. The model is in "
            "evaluation mode. PGD takes " (counted(plan.pgd_steps, "step")) " from "
            @if plan.pgd_starts == 1 {
                "1 start, the sample itself"
            } @else {
                "each of " (plan.pgd_starts) " starts, the sample itself and random points"
            }
            ". The point with the largest loss on the way is kept."
            @if let Some(other) = &robustness.other {
                " The other model is that of run " (other) "."
            }
        }
        p {
            "Intervals are for new samples and this model: Wilson intervals for the accuracy, percentiles of "
            (in_thousands(Predictions::N_RESAMPLES)) " bootstrap resamples for the other scores. They say nothing about another training; a study compares seeds "
            "for that."
        }
    }
}
