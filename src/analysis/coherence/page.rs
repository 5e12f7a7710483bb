//! The page of a coherence report.

use maud::{Markup, html};

use super::browser::browser;
use super::comparison::{ArmComparisons, MeanCurve};
use super::metric_tables::{ArmDifferences, ArmMean, Difference, EQUIVALENCE_MARGIN};
use super::page_events::events_section;
use super::run_measurement::RunMeasurement;
use super::suite::Suite;
use crate::counted::counted;
use crate::evaluate::{setting_differences, shortened_differences};
use crate::report::NO_INTERVAL;
use crate::report::page::{
    Column, Condition, Control, Page, Section, Table, controls, figure, number, shown_when,
    side_by_side,
};
use crate::report::plot::{IntervalPlot, IntervalRow, LinePlot, PlotPoint, Series};
use crate::video_metrics::{Better, ClipMetric, Role};

/// Builds the page with all its sections.
pub(super) fn page(
    command: &str,
    suite: &Suite,
    runs: &[RunMeasurement],
    comparisons: &ArmComparisons,
) -> Page {
    let names: Vec<&str> = comparisons.arms.iter().map(|arm| &*arm.name).collect();
    let lead = format!(
        "{} of {} ({}), {}.",
        counted(suite.clips.len(), "clip"),
        counted(suite.spec.n_frames, "frame"),
        suite.source,
        counted(runs.len(), "run"),
    );
    let title = format!("Temporal coherence: {}", names.join(", "));
    let mut page = Page::new(title, lead)
        .section(Section::new(
            "Guards against constant outputs",
            guards(comparisons),
        ))
        .section(Section::new("Means", means(comparisons)));
    for arm_differences in &comparisons.differences {
        // With two arms, the name of the second would say nothing new.
        let heading = match comparisons.differences.len() {
            1 => "Differences".to_owned(),
            _ => format!(
                "Differences: {}",
                comparisons.arms[arm_differences.arm].name
            ),
        };
        page = page.section(Section::new(
            heading,
            difference_section(comparisons, arm_differences),
        ));
    }
    if !comparisons.groups.is_empty() {
        page = page.section(Section::new("By kind of clip", groups(comparisons)));
    }
    if let Some(margin) = runs.first().and_then(|run| run.measurement.margin) {
        page = page.section(Section::new(
            "Merging and splitting",
            events_section(margin, runs, comparisons),
        ));
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
    .section(Section::new("Metrics", metric_table(runs, comparisons)))
}

/// Returns the table of the guards.
fn guards(comparisons: &ArmComparisons) -> Markup {
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
            // Capitals make a failed guard stand out in a long table.
            let verdict = if guard.n_holding == guard.n_runs {
                "yes"
            } else {
                "NO"
            };
            let holds = format!(
                "{verdict}, in {} of {}",
                guard.n_holding,
                counted(guard.n_runs, "run")
            );
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
            "An output that never changes is perfectly steady, but useless. The numbers below are meaningful only for "
            "arms whose guards hold."
        }
        (table)
    }
}

/// Returns the table of means and intervals, one column for each arm.
fn means(comparisons: &ArmComparisons) -> Markup {
    let mut columns = vec![Column::text("Metric")];
    columns.extend(
        comparisons
            .arms
            .iter()
            .map(|arm| Column::number(&*arm.name, counted(arm.runs.len(), "seed"))),
    );
    // Classifiers have no true frames to be compared with.
    let has_truth = !comparisons.truth.is_empty();
    if has_truth {
        columns.push(Column::number("True frames", ""));
    }
    columns.push(Column::text("Better"));
    let mut table = Table::new(
        "Mean over seeds and clips, with 95 % confidence interval",
        columns,
    );
    for (index, metric) in comparisons.metrics.iter().enumerate() {
        let mut row = vec![title_with_unit(metric)];
        row.extend(
            comparisons
                .means
                .iter()
                .map(|means| mean_and_interval(&means[index])),
        );
        if has_truth {
            row.push(number(comparisons.truth[index]));
        }
        row.push(direction(metric).to_owned());
        table = table.row(row);
    }
    html! {
        p { "With six or more seeds, intervals come from a bootstrap over seeds and clips; with two to five seeds, "
            "from Student's t-distribution over the seeds, for rates on the scale of log-odds. With one seed, the clips \
             take the place of the seeds." }
        (table)
    }
}

fn mean_and_interval(mean: &ArmMean) -> String {
    match mean.interval {
        Some([low, high]) => format!("{}\n{} to {}", number(mean.mean), number(low), number(high)),
        // A metric that is not defined has no mean either.
        None if mean.mean.is_nan() => number(mean.mean),
        None => format!("{}\n{NO_INTERVAL}", number(mean.mean)),
    }
}

/// Returns the title of a metric with its unit.
fn title_with_unit(metric: &ClipMetric) -> String {
    match metric.unit {
        "" => metric.title.to_owned(),
        unit => format!("{} ({unit})", metric.title),
    }
}

/// Returns the direction in which a metric is better.
fn direction(metric: &ClipMetric) -> &'static str {
    match (metric.role, metric.better) {
        (Role::Trained, _) => "not evidence",
        (_, Better::Lower) => "lower",
        (_, Better::Higher) => "higher",
        (_, Better::LikeTruth) => "near the true frames",
    }
}

/// Returns the table of the differences of one arm from the first.
fn difference_section(comparisons: &ArmComparisons, arm_differences: &ArmDifferences) -> Markup {
    let [other, first] = [arm_differences.arm, 0].map(|arm| &*comparisons.arms[arm].name);
    let has_one_seed = arm_differences.has_one_seed();
    let columns = vec![
        Column::text("Metric"),
        Column::number("Difference", "95 % interval"),
        Column::number("p", "sign-flip test"),
        Column::number("p", "Holm-adjusted"),
        // With one seed, the clips take the place of the seeds.
        Column::number(
            "Effect size",
            if has_one_seed {
                "d_z over clips"
            } else {
                "d_z over seeds"
            },
        ),
        Column::number("Seeds needed", "for 80 % power"),
        Column::number(
            "p, equivalence test",
            format!("margin ±{EQUIVALENCE_MARGIN}"),
        ),
    ];
    let mut table = Table::new(format!("{other} minus {first}"), columns);
    let mut smallest = None;
    for (metric, difference) in comparisons.metrics.iter().zip(&arm_differences.by_metric) {
        if let Some(difference) = difference {
            // The smallest p-value depends on the number of seeds alone, so any metric has it.
            smallest = Some(difference.comparison.smallest_p_value);
            table = table.row(difference_row(metric, difference, has_one_seed));
        }
    }
    html! {
        p {
            @if has_one_seed {
                strong { "Only one seed: " }
                "intervals and p-values are over clips, so nothing can be concluded about another training."
            } @else {
                (counted(arm_differences.seeds.len(), "pair")) " of runs with the same seed, on the same clips."
                @if let Some(smallest) = smallest {
                    " With " (counted(arm_differences.seeds.len(), "pair")) ", no p-value can be below "
                    (number(smallest)) "."
                }
            }
            " Metrics with a true value are compared by their distance from it."
        }
        (table)
    }
}

/// Returns the cells of one row of the table of differences.
fn difference_row(metric: &ClipMetric, difference: &Difference, has_one_seed: bool) -> Vec<String> {
    let comparison = &difference.comparison;
    let optional = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let interval = comparison
        .interval
        .map(|interval| format!("\n{} to {}", signed(interval.low), signed(interval.high)));
    vec![
        match metric.role {
            Role::Evidence => metric.title.to_owned(),
            Role::Guard | Role::Trained => format!("{} (not evidence)", metric.title),
        },
        signed(comparison.mean) + &interval.unwrap_or_else(|| format!("\n{NO_INTERVAL}")),
        probability(comparison.p_value),
        optional(difference.adjusted_p_value.map(probability)),
        optional(
            comparison
                .effect_size
                .map(|size| format!("{:+.2}", size.d_z)),
        ),
        optional(
            comparison
                .n_seeds_for_80_percent_power
                // With one seed it would be a number of clips, and say nothing about seeds.
                .filter(|_| !has_one_seed)
                .map(|n| n.to_string()),
        ),
        optional(
            comparison
                .equivalence
                .as_ref()
                .map(|test| probability(test.p_value)),
        ),
    ]
}

/// Returns the means and differences of each metric by kind of clip.
fn groups(comparisons: &ArmComparisons) -> Markup {
    // A metric that is not defined on any clip would be a choice without a view.
    let metrics = comparisons.metrics.iter().enumerate();
    let metrics: Vec<(usize, &ClipMetric)> = metrics
        .filter(|(index, _)| {
            comparisons
                .means
                .iter()
                .any(|means| means[*index].n_clips > 0)
        })
        .collect();
    let choices = metrics.iter().map(|(_, metric)| metric.title);
    html! {
        (controls(&[Control::choice("metric", "Metric", choices)]))
        @for (choice, (index, metric)) in metrics.iter().enumerate() {
            (shown_when(&Condition::equals("metric", choice), metric_by_group(comparisons, *index, metric)))
        }
    }
}

/// Returns the table and plots of one metric by kind of clip.
fn metric_by_group(comparisons: &ArmComparisons, index: usize, metric: &ClipMetric) -> Markup {
    let mut columns = vec![Column::text("Kind")];
    let arms = comparisons.arms.iter();
    columns.extend(arms.map(|arm| Column::number(&*arm.name, metric.unit)));
    let mut table = Table::new(metric.title, columns);
    for (group, name) in comparisons.groups.iter().enumerate() {
        let means = comparisons
            .by_group
            .iter()
            .map(|by_group| number(by_group[group][index]));
        table = table.row([name.clone()].into_iter().chain(means));
    }
    let plots = comparisons.differences.iter().map(|arm_differences| {
        let [other, first] = [arm_differences.arm, 0].map(|arm| &*comparisons.arms[arm].name);
        let mut plot =
            IntervalPlot::new(metric.title, format!("{other} minus {first}")).reference(0.0);
        let all = ("all clips", &arm_differences.by_metric[index]);
        let groups = comparisons
            .groups
            .iter()
            .zip(&arm_differences.by_group)
            .map(|(group, by_metric)| (&**group, &by_metric[index]));
        for (label, difference) in [all].into_iter().chain(groups) {
            let comparison = difference.as_ref().map(|difference| &difference.comparison);
            let mean = comparison.map_or(f64::NAN, |comparison| comparison.mean);
            let interval = comparison
                .and_then(|comparison| comparison.interval)
                .map_or([f64::NAN; 2], |interval| [interval.low, interval.high]);
            plot = plot.row(IntervalRow::new(label, mean, interval));
            if comparison.is_some_and(|comparison| comparison.equivalence.is_some()) {
                plot = plot.equivalence([-EQUIVALENCE_MARGIN, EQUIVALENCE_MARGIN]);
            }
        }
        figure(
            plot.draw(),
            "Mean difference with 95 % confidence interval. Where a range is shaded, differences within it do not matter.",
        )
    });
    let plots: Vec<Markup> = plots.collect();
    html! {
        (table)
        @for plot in plots { (plot) }
    }
}

/// Returns the plots of the curves by gap between frames.
fn curves(comparisons: &ArmComparisons) -> Markup {
    let titles = comparisons.curves[0].iter().map(|curve| curve.title);
    let plots = titles.map(|title| {
        let series = |name: &str, curves: &[MeanCurve]| {
            let curve = curves.iter().find(|curve| curve.title == title)?;
            let points = curve.by_gap.iter().enumerate();
            let points = points.map(|(gap, &mean)| PlotPoint::new((gap + 1) as f64, mean));
            Some(Series::new(name, points.collect()))
        };
        let arms = comparisons.arms.iter().zip(&comparisons.curves);
        let arms = arms.filter_map(|(arm, curves)| series(&arm.name, curves));
        let truth = series("true frames", &comparisons.truth_curves);
        let plot = LinePlot::new(title, "gap between frames", "mean over clips");
        let plot = arms.chain(truth).fold(plot, LinePlot::series);
        figure(plot.draw(), "")
    });
    html! {
        p {
            "Consecutive frames may be similar while a clip drifts away from its first frame, which larger gaps show. "
            "A penalty may have been trained on the distances of attention, which are then no evidence."
        }
        (side_by_side(plots))
    }
}

/// Returns the table of the runs, their seeds and the settings in which the arms differ.
fn runs_section(command: &str, runs: &[RunMeasurement], comparisons: &ArmComparisons) -> Markup {
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
    // Runs of an arm differ only in their seed, so one of each arm shows its settings.
    let first = comparisons.arms[0].runs.values().next();
    let settings = comparisons.arms.iter().skip(1).filter_map(|arm| {
        let (first, other) = (*first?, *arm.runs.values().next()?);
        let names = ["Setting", &comparisons.arms[0].name, &arm.name];
        let table = Table::new("Settings that differ", names.map(Column::text).to_vec());
        let differences = setting_differences(&runs[first].info, &runs[other].info);
        let differences = shortened_differences(&differences);
        Some(differences.into_iter().fold(table, |table, setting| {
            table.row([setting.key, setting.first, setting.second])
        }))
    });
    html! {
        p { "Command: " code { (command) } }
        (table)
        @for settings in settings { (settings) }
    }
}

/// Returns the table of the metrics, their units and roles.
fn metric_table(runs: &[RunMeasurement], comparisons: &ArmComparisons) -> Markup {
    let columns = ["Name in files", "Metric", "Unit", "Better", "Role"].map(Column::text);
    let mut table = Table::new("Metrics", columns.to_vec());
    for metric in &comparisons.metrics {
        let role = match metric.role {
            Role::Evidence => "evidence",
            Role::Guard => "guard: detects constant or frozen outputs",
            Role::Trained => {
                "a penalty may be trained on it: it shows that the penalty works, not that it helps"
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
    // All runs share the encoder.
    let encoder = runs
        .first()
        .and_then(|run| run.measurement.encoder.as_ref());
    html! {
        @if let Some(encoder) = encoder {
            p { "The features of frames are those of " (encoder.description()) "." }
        }
        (table)
    }
}

/// Returns a number with its sign.
fn signed(value: f64) -> String {
    if value > 0.0 {
        format!("+{}", number(value))
    } else {
        number(value)
    }
}

/// Returns a p-value with four digits.
fn probability(p: f64) -> String {
    if p < 1e-4 {
        "<0.0001".to_owned()
    } else {
        format!("{p:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{PairedComparison, PairedDifferences};
    use crate::video_metrics::CLASS_METRICS;

    #[test]
    fn minus_signs_are_the_same_everywhere() {
        assert_eq!(
            [0.5, -0.5, 2.5e-7, -2.5e-7, 0.0].map(signed),
            ["+0.5000", "-0.5000", "+2.50e-7", "-2.50e-7", "0"]
        );
    }

    #[test]
    fn one_seed_has_no_number_of_seeds() {
        let rows: Vec<[f64; 1]> = (0..8).map(|k| [0.1 + 0.01 * f64::from(k)]).collect();
        let table = PairedDifferences::new(&rows).unwrap();
        let difference = Difference {
            comparison: PairedComparison::new(&table, None).unwrap(),
            adjusted_p_value: None,
        };
        let [one, many] = [true, false]
            .map(|has_one_seed| difference_row(&CLASS_METRICS[0], &difference, has_one_seed));
        assert_eq!((&*one[5], many[5] == "-"), ("-", false));
        assert_eq!(one[..5], many[..5]);
    }
}
