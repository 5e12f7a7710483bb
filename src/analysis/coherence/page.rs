//! The report's page.

use super::arms::{RunReading, differences};
use super::browser::browser;
use super::comparison::{ArmDifferences, Comparisons, Difference, Level, MARGIN};
use super::suite::Suite;
use crate::coherence::{Better, Metric, Role};
use crate::report::{
    Choice, Column, Control, IntervalPlot, IntervalRow, LinePlot, Markup, Page, PreEscaped, Series,
    html, number, table, when,
};

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
    let mut page = Page::new(format!("Temporal coherence: {}", names.join(", ")), lead);
    page.section("Steady, or frozen?", guards(comparisons));
    page.section("Means", levels(comparisons));
    for of_arm in &comparisons.differences {
        let heading = match comparisons.differences.len() {
            1 => "Differences".to_owned(),
            _ => format!("Differences of {}", comparisons.arms[of_arm.arm].name),
        };
        page.section(heading, difference_section(comparisons, of_arm));
    }
    if !comparisons.groups.is_empty() {
        page.section("By kind of clip", groups(comparisons));
    }
    if comparisons.curves.iter().any(|curves| !curves.is_empty()) {
        page.section("By gap between frames", curves(comparisons));
    }
    page.section("Clip by clip", browser(suite, runs, comparisons));
    page.section("Runs", runs_section(command, runs, comparisons));
    page.section("What the numbers are", glossary(comparisons));
    page
}

fn guards(comparisons: &Comparisons) -> Markup {
    let rows = comparisons
        .arms
        .iter()
        .zip(&comparisons.guards)
        .flat_map(|(arm, guards)| {
            guards.iter().map(|guard| {
                let holds = guard.n_holding == guard.n_runs;
                vec![
                    html! { (arm.name) },
                    html! { (guard.title) },
                    html! { (number(guard.mean)) },
                    html! { (guard.expected) },
                    html! {
                        span.good[holds].bad[!holds] {
                            @if holds { "yes" } @else { "no" }
                            ", in " (guard.n_holding) " of " (guard.n_runs)
                        }
                    },
                ]
            })
        });
    let columns = [
        Column::words("arm"),
        Column::words("guard"),
        Column::numbers("mean", ""),
        Column::words("expected"),
        Column::words("holds"),
    ];
    html! {
        p {
            "An output that never changes is perfectly steady, and useless. What follows counts only where "
            "these hold."
        }
        (table("", &columns, rows.collect()))
    }
}

fn levels(comparisons: &Comparisons) -> Markup {
    let mut columns = vec![Column::words("metric")];
    let seeds: Vec<String> = comparisons
        .arms
        .iter()
        .map(|arm| match arm.runs.len() {
            1 => "1 seed".to_owned(),
            n => format!("{n} seeds"),
        })
        .collect();
    let arms = comparisons.arms.iter().zip(&seeds);
    columns.extend(arms.map(|(arm, seeds)| Column::numbers(&arm.name, seeds)));
    let has_truth = !comparisons.truth.is_empty();
    if has_truth {
        columns.push(Column::numbers("true frames", ""));
    }
    columns.push(Column::words("good is"));
    let rows = comparisons
        .metrics
        .iter()
        .enumerate()
        .map(|(place, metric)| {
            let mut row = vec![named(metric)];
            row.extend(
                comparisons
                    .levels
                    .iter()
                    .map(|levels| level(&levels[place])),
            );
            if has_truth {
                row.push(html! { (number(comparisons.truth[place])) });
            }
            row.push(html! { (direction(metric)) });
            row
        });
    html! {
        p {
            "Means over seeds and clips, with 95 % intervals: both drawn anew, over the clips alone where "
            "there is one seed."
        }
        (table("", &columns, rows.collect()))
    }
}

fn level(level: &Level) -> Markup {
    html! {
        (number(level.mean))
        @if let Some([low, high]) = level.interval { small { (number(low)) " to " (number(high)) } }
    }
}

fn named(metric: &Metric) -> Markup {
    html! {
        (metric.title)
        @if !metric.unit.is_empty() { small { (metric.unit) } }
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
    let rows = comparisons.metrics.iter().zip(&of_arm.of_metrics);
    let rows =
        rows.filter_map(|(metric, difference)| Some(difference_row(metric, difference.as_ref()?)));
    let margin = format!("p, within ±{MARGIN}");
    let columns = [
        Column::words("metric"),
        Column::numbers("difference", "95 % interval"),
        Column::numbers("p", "sign flips"),
        Column::numbers("p", "Holm"),
        Column::numbers("effect size", "of the seeds"),
        Column::numbers("seeds needed", "80 % power"),
        Column::numbers(&margin, "equivalence"),
    ];
    html! {
        p {
            (other) " less " (first) ", "
            @if of_arm.is_of_one_seed() {
                strong { "one seed: " }
                "intervals and p-values are over clips, and say nothing of another training."
            } @else {
                (of_arm.seeds.len()) " pairs of seeds on the same clips. With so many, no p-value is below "
                (number(0.5f64.powi(of_arm.seeds.len() as i32 - 1))) "."
            }
            " Of what should be as in the true frames, the distances from that are compared."
        }
        (table("", &columns, rows.collect()))
    }
}

fn difference_row(metric: &Metric, difference: &Difference) -> Vec<Markup> {
    let found = &difference.found;
    let optional =
        |text: Option<String>| html! { @match text { Some(text) => (text), None => "-" } };
    vec![
        html! { (metric.title) @if metric.role != Role::Evidence { small { "no evidence" } } },
        html! {
            (signed(found.mean))
            @if let Some(interval) = found.interval {
                small { (signed(interval.low)) " to " (signed(interval.high)) }
            }
        },
        html! { (probability(found.p_value)) },
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
                .map(|equivalence| probability(equivalence.p_value)),
        ),
    ]
}

/// The difference of each metric by kind of clip: where it depends on the kind, there is the answer to
/// "when".
fn groups(comparisons: &Comparisons) -> Markup {
    let metrics = comparisons.metrics.iter().enumerate();
    let metrics: Vec<(usize, &Metric)> = metrics
        .filter(|(place, _)| {
            comparisons
                .levels
                .iter()
                .any(|levels| levels[*place].n_clips > 0)
        })
        .collect();
    let choices = metrics.iter().map(|(_, metric)| Choice::new(metric.title));
    html! {
        (Control::bar(&[Control::choice("metric", "Metric", choices.collect())]))
        @for (choice, (place, metric)) in metrics.iter().enumerate() {
            div data-when=(when(&[("metric", choice)])) {
                (of_groups(comparisons, *place, metric))
            }
        }
    }
}

fn of_groups(comparisons: &Comparisons, place: usize, metric: &Metric) -> Markup {
    let mut columns = vec![Column::words("kind")];
    let arms = comparisons.arms.iter();
    columns.extend(arms.map(|arm| Column::numbers(&arm.name, metric.unit)));
    let rows = comparisons.groups.iter().enumerate().map(|(group, name)| {
        let means = comparisons
            .by_group
            .iter()
            .map(|of_arm| html! { (number(of_arm[group][place])) });
        [html! { (name) }].into_iter().chain(means).collect()
    });
    let plots = comparisons.differences.iter().map(|of_arm| {
        let row = |label: String, difference: &Option<Difference>| IntervalRow {
            label,
            mean: difference
                .as_ref()
                .map_or(f64::NAN, |difference| difference.found.mean),
            interval: difference.as_ref().and_then(|difference| {
                difference
                    .found
                    .interval
                    .map(|interval| [interval.low, interval.high])
            }),
        };
        let mut rows = vec![row("all clips".to_owned(), &of_arm.of_metrics[place])];
        let groups = comparisons.groups.iter().zip(&of_arm.of_groups);
        rows.extend(groups.map(|(group, of_group)| row(group.clone(), &of_group[place])));
        let label = format!(
            "{} less {}",
            comparisons.arms[of_arm.arm].name, comparisons.arms[0].name
        );
        let plot = IntervalPlot::new(metric.title, &label, rows);
        let has_margin = of_arm.of_metrics[place]
            .as_ref()
            .is_some_and(|d| d.found.equivalence.is_some());
        match has_margin {
            true => plot.with_margin(MARGIN),
            false => plot,
        }
    });
    html! {
        div.row {
            (table(metric.title, &columns, rows.collect()))
            @for plot in plots { figure { (PreEscaped(plot.svg())) } }
        }
    }
}

fn curves(comparisons: &Comparisons) -> Markup {
    let titles: Vec<&str> = comparisons.curves[0]
        .iter()
        .map(|(title, _)| *title)
        .collect();
    let plots = titles.iter().map(|title| {
        let of_title = |name: &str, curves: &[(&'static str, Vec<f64>)]| {
            let (_, curve) = curves.iter().find(|(known, _)| known == title)?;
            let points = curve.iter().enumerate();
            let points = points
                .map(|(gap, &mean)| [(gap + 1) as f64, mean])
                .collect();
            Some(Series::new(name, points))
        };
        let arms = comparisons.arms.iter().zip(&comparisons.curves);
        let series = arms.filter_map(|(arm, curves)| of_title(&arm.name, curves));
        let truth = of_title("true frames", &comparisons.truth_curves);
        let series = series.chain(truth).collect();
        LinePlot::new(title, "frames between the two", title, series)
    });
    html! {
        p {
            "Neighbours may be alike while a clip drifts away from where it began. Distances of attention are "
            "what penalties may be trained on."
        }
        div.row { @for plot in plots { figure { (PreEscaped(plot.svg())) } } }
    }
}

fn runs_section(command: &str, runs: &[RunReading], comparisons: &Comparisons) -> Markup {
    let rows = comparisons.arms.iter().flat_map(|arm| {
        arm.runs.iter().map(|(seed, &run)| {
            vec![
                html! { (arm.name) },
                html! { (runs[run].info.name) },
                html! { (seed) },
            ]
        })
    });
    let first = comparisons.arms[0].runs.values().next();
    let settings = comparisons.arms.iter().skip(1).filter_map(|arm| {
        let pair = [*first?, *arm.runs.values().next()?];
        let found = differences(&runs[pair[0]].info, &runs[pair[1]].info).into_iter();
        let rows = found.map(|row| row.iter().map(|cell| html! { code { (cell) } }).collect());
        let columns = ["setting", &comparisons.arms[0].name, &arm.name].map(Column::words);
        Some(table("Settings that differ", &columns, rows.collect()))
    });
    html! {
        p { "Made by " code { (command) } }
        (table("", &[Column::words("arm"), Column::words("run"), Column::numbers("seed", "")], rows.collect()))
        @for settings in settings { (settings) }
    }
}

fn glossary(comparisons: &Comparisons) -> Markup {
    let rows = comparisons.metrics.iter().map(|metric| {
        let role = match metric.role {
            Role::Evidence => "evidence",
            Role::Guard => "guard: whether the rest means anything",
            Role::Trained => {
                "what a penalty may be trained on: shows that it works, not that it helps"
            }
        };
        vec![
            html! { code { (metric.name) } },
            html! { (metric.title) },
            html! { (metric.unit) },
            html! { (direction(metric)) },
            html! { (role) },
        ]
    });
    let columns = ["name in files", "what", "unit", "good is", "role"].map(Column::words);
    table("", &columns, rows.collect())
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
