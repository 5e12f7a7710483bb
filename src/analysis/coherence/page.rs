//! The report's page.

use maud::{Markup, html};

use super::arms::{RunReading, differences};
use super::browser::browser;
use super::comparison::{ArmDifferences, Comparisons, Difference, Level, MARGIN};
use super::suite::Suite;
use crate::coherence::{Better, Metric, Role};
use crate::report::page::{
    Column, Condition, Control, Page, Section, Table, controls, figure, number, shown_when,
    side_by_side,
};
use crate::report::plot::{IntervalPlot, IntervalRow, LinePlot, PlotPoint, Series};

/// The page.
pub(super) fn page(
    command: &str,
    suite: &Suite,
    runs: &[RunReading],
    comparisons: &Comparisons,
) -> Page {
    let names: Vec<&str> = comparisons.arms.iter().map(|arm| &*arm.name).collect();
    let lead = format!(
        "{} clips of {} frames ({}), {} run{}.",
        suite.clips.len(),
        suite.spec.n_frames,
        suite.source,
        runs.len(),
        if runs.len() == 1 { "" } else { "s" }
    );
    let title = format!("Temporal coherence: {}", names.join(", "));
    let mut page = Page::new(title, lead)
        .section(Section::new("Steady, or frozen?", guards(comparisons)))
        .section(Section::new("Means", levels(comparisons)));
    for of_arm in &comparisons.differences {
        let heading = match comparisons.differences.len() {
            1 => "Differences".to_owned(),
            _ => format!("Differences of {}", comparisons.arms[of_arm.arm].name),
        };
        page = page.section(Section::new(
            heading,
            difference_section(comparisons, of_arm),
        ));
    }
    if !comparisons.groups.is_empty() {
        page = page.section(Section::new("By kind of clip", groups(comparisons)));
    }
    if comparisons.curves.iter().any(|curves| !curves.is_empty()) {
        page = page.section(Section::new("By gap between frames", curves(comparisons)));
    }
    page.section(Section::new(
        "Clip by clip",
        browser(suite, runs, comparisons),
    ))
    .section(Section::new(
        "Runs",
        runs_section(command, runs, comparisons),
    ))
    .section(Section::new("What the numbers are", glossary(comparisons)))
}

fn guards(comparisons: &Comparisons) -> Markup {
    let columns = vec![
        Column::text("Arm"),
        Column::text("Guard"),
        Column::number("Mean", ""),
        Column::text("Expected"),
        Column::text("Holds"),
    ];
    let mut table = Table::new("Guards", columns);
    for (arm, guards) in comparisons.arms.iter().zip(&comparisons.guards) {
        for guard in guards {
            let holds = match guard.n_holding == guard.n_runs {
                true => format!("yes, in {} of {}", guard.n_holding, guard.n_runs),
                false => format!("NO, in {} of {}", guard.n_holding, guard.n_runs),
            };
            let cells = [
                &*arm.name,
                guard.title,
                &number(guard.mean),
                &guard.expected,
                &holds,
            ];
            table = table.row(cells);
        }
    }
    html! {
        p {
            "An output that never changes is perfectly steady, and useless. What follows counts only where "
            "these hold."
        }
        (table)
    }
}

fn levels(comparisons: &Comparisons) -> Markup {
    let mut columns = vec![Column::text("Metric")];
    columns.extend(comparisons.arms.iter().map(|arm| {
        let unit = match arm.runs.len() {
            1 => "1 seed".to_owned(),
            n => format!("{n} seeds"),
        };
        Column::number(&*arm.name, unit)
    }));
    let has_truth = !comparisons.truth.is_empty();
    if has_truth {
        columns.push(Column::number("True frames", ""));
    }
    columns.push(Column::text("Good is"));
    let mut table = Table::new("Mean over seeds and clips, and its 95 % interval", columns);
    for (place, metric) in comparisons.metrics.iter().enumerate() {
        let mut row = vec![named(metric)];
        row.extend(
            comparisons
                .levels
                .iter()
                .map(|levels| level(&levels[place])),
        );
        if has_truth {
            row.push(number(comparisons.truth[place]));
        }
        row.push(direction(metric).to_owned());
        table = table.row(row);
    }
    html! {
        p { "For the intervals seeds and clips are both drawn anew; the clips alone where there is one seed. Of "
            "two to five seeds they are Student's, over the seeds." }
        (table)
    }
}

fn level(level: &Level) -> String {
    match level.interval {
        Some([low, high]) => format!(
            "{}\n{} to {}",
            number(level.mean),
            number(low),
            number(high)
        ),
        None => number(level.mean),
    }
}

/// What people call it, with its unit.
fn named(metric: &Metric) -> String {
    match metric.unit {
        "" => metric.title.to_owned(),
        unit => format!("{} ({unit})", metric.title),
    }
}

fn direction(metric: &Metric) -> &'static str {
    match (metric.role, metric.better) {
        (Role::Trained, _) => "no evidence",
        (_, Better::Lower) => "low",
        (_, Better::Higher) => "high",
        (_, Better::LikeTruth) => "as in the true frames",
    }
}

fn difference_section(comparisons: &Comparisons, of_arm: &ArmDifferences) -> Markup {
    let [other, first] = [of_arm.arm, 0].map(|arm| &*comparisons.arms[arm].name);
    let columns = vec![
        Column::text("Metric"),
        Column::number("Difference", "95 % interval"),
        Column::number("p", "sign flips"),
        Column::number("p", "Holm"),
        Column::number("Effect size", "of the seeds"),
        Column::number("Seeds needed", "80 % power"),
        Column::number("p, equivalence", format!("±{MARGIN}")),
    ];
    let mut table = Table::new(format!("{other} less {first}"), columns);
    let mut smallest = None;
    for (metric, difference) in comparisons.metrics.iter().zip(&of_arm.of_metrics) {
        if let Some(difference) = difference {
            smallest = Some(difference.found.smallest_p_value);
            table = table.row(difference_row(metric, difference));
        }
    }
    html! {
        p {
            @if of_arm.is_of_one_seed() {
                strong { "One seed: " }
                "intervals and p-values are over clips, and say nothing of another training."
            } @else {
                (of_arm.seeds.len()) " pairs of seeds on the same clips."
                @if let Some(smallest) = smallest {
                    " With so many, no p-value is below " (number(smallest)) "."
                }
            }
            " Of what should be as in the true frames, the distances from that are compared."
        }
        (table)
    }
}

fn difference_row(metric: &Metric, difference: &Difference) -> Vec<String> {
    let found = &difference.found;
    let optional = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let interval = found
        .interval
        .map(|interval| format!("\n{} to {}", signed(interval.low), signed(interval.high)));
    vec![
        match metric.role {
            Role::Evidence => metric.title.to_owned(),
            Role::Guard | Role::Trained => format!("{} (no evidence)", metric.title),
        },
        signed(found.mean) + &interval.unwrap_or_default(),
        probability(found.p_value),
        optional(difference.adjusted_p_value.map(probability)),
        optional(
            found
                .effect_size
                .map(|size| format!("{:+.2}", size.d_z).replace('-', "−")),
        ),
        optional(found.n_seeds_for_80_percent_power.map(|n| n.to_string())),
        optional(
            found
                .equivalence
                .as_ref()
                .map(|found| probability(found.p_value)),
        ),
    ]
}

/// The difference of each metric by kind of clip: where it depends on the kind, there is the answer to
/// "when".
fn groups(comparisons: &Comparisons) -> Markup {
    let metrics = comparisons.metrics.iter().enumerate();
    let metrics: Vec<(usize, &Metric)> = metrics
        .filter(|(place, _)| {
            let levels = comparisons.levels.iter();
            levels.map(|levels| levels[*place].n_clips).any(|n| n > 0)
        })
        .collect();
    let choices = metrics.iter().map(|(_, metric)| metric.title);
    html! {
        (controls(&[Control::choice("metric", "Metric", choices)]))
        @for (choice, (place, metric)) in metrics.iter().enumerate() {
            (shown_when(&Condition::of("metric", choice), of_groups(comparisons, *place, metric)))
        }
    }
}

fn of_groups(comparisons: &Comparisons, place: usize, metric: &Metric) -> Markup {
    let mut columns = vec![Column::text("Kind")];
    let arms = comparisons.arms.iter();
    columns.extend(arms.map(|arm| Column::number(&*arm.name, metric.unit)));
    let mut table = Table::new(metric.title, columns);
    for (group, name) in comparisons.groups.iter().enumerate() {
        let means = comparisons
            .by_group
            .iter()
            .map(|of_arm| number(of_arm[group][place]));
        table = table.row([name.clone()].into_iter().chain(means));
    }
    let plots = comparisons.differences.iter().map(|of_arm| {
        let [other, first] = [of_arm.arm, 0].map(|arm| &*comparisons.arms[arm].name);
        let mut plot =
            IntervalPlot::new(metric.title, format!("{other} less {first}")).reference(0.0);
        let all = ("all clips", &of_arm.of_metrics[place]);
        let groups = comparisons.groups.iter().zip(&of_arm.of_groups);
        let groups = groups.map(|(group, found)| (&**group, &found[place]));
        for (label, difference) in [all].into_iter().chain(groups) {
            let found = difference.as_ref().map(|difference| &difference.found);
            let mean = found.map_or(f64::NAN, |found| found.mean);
            let interval = found.and_then(|found| found.interval);
            let interval = interval.map_or([mean; 2], |interval| [interval.low, interval.high]);
            plot = plot.row(IntervalRow::new(label, mean, interval));
            if found.is_some_and(|found| found.equivalence.is_some()) {
                plot = plot.equivalence([-MARGIN, MARGIN]);
            }
        }
        figure(
            plot.draw(),
            "Mean difference and its 95 % interval; shaded: too small to matter.",
        )
    });
    let plots: Vec<Markup> = plots.collect();
    html! {
        (table)
        @for plot in plots { (plot) }
    }
}

fn curves(comparisons: &Comparisons) -> Markup {
    let titles = comparisons.curves[0].iter().map(|(title, _)| *title);
    let plots = titles.map(|title| {
        let of_title = |name: &str, curves: &[(&'static str, Vec<f64>)]| {
            let (_, curve) = curves.iter().find(|(known, _)| *known == title)?;
            let points = curve.iter().enumerate();
            let points = points.map(|(gap, &mean)| PlotPoint::new((gap + 1) as f64, mean));
            Some(Series::new(name, points.collect()))
        };
        let arms = comparisons.arms.iter().zip(&comparisons.curves);
        let series = arms.filter_map(|(arm, curves)| of_title(&arm.name, curves));
        let truth = of_title("true frames", &comparisons.truth_curves);
        let plot = LinePlot::new(title, "frames between the two", "mean over clips");
        let plot = series.chain(truth).fold(plot, LinePlot::series);
        figure(plot.draw(), "")
    });
    html! {
        p {
            "Neighbours may be alike while a clip drifts away from where it began. Distances of attention are "
            "what penalties may be trained on."
        }
        (side_by_side(plots))
    }
}

fn runs_section(command: &str, runs: &[RunReading], comparisons: &Comparisons) -> Markup {
    let columns = vec![
        Column::text("Arm"),
        Column::text("Run"),
        Column::number("Seed", ""),
    ];
    let mut table = Table::new("Runs", columns);
    for arm in &comparisons.arms {
        for (seed, &run) in &arm.runs {
            table = table.row([&*arm.name, &*runs[run].info.name, &seed.to_string()]);
        }
    }
    let first = comparisons.arms[0].runs.values().next();
    let settings = comparisons.arms.iter().skip(1).filter_map(|arm| {
        let pair = [*first?, *arm.runs.values().next()?];
        let names = ["Setting", &comparisons.arms[0].name, &arm.name];
        let table = Table::new("Settings that differ", names.map(Column::text).to_vec());
        let found = differences(&runs[pair[0]].info, &runs[pair[1]].info);
        Some(found.into_iter().fold(table, Table::row))
    });
    html! {
        p { "Made by " code { (command) } }
        (table)
        @for settings in settings { (settings) }
    }
}

fn glossary(comparisons: &Comparisons) -> Markup {
    let columns = ["Name in files", "What", "Unit", "Good is", "Role"].map(Column::text);
    let mut table = Table::new("Metrics", columns.to_vec());
    for metric in &comparisons.metrics {
        let role = match metric.role {
            Role::Evidence => "evidence",
            Role::Guard => "guard: whether the rest means anything",
            Role::Trained => {
                "what a penalty may be trained on: shows that it works, not that it helps"
            }
        };
        table = table.row([
            metric.name,
            metric.title,
            metric.unit,
            direction(metric),
            role,
        ]);
    }
    html! { (table) }
}

fn signed(value: f64) -> String {
    match value > 0.0 {
        true => format!("+{}", number(value)),
        false => number(value).replace('-', "−"),
    }
}

fn probability(p: f64) -> String {
    match p < 1e-4 {
        true => "<0.0001".to_owned(),
        false => format!("{p:.4}"),
    }
}
