//! The page of a study.

use std::collections::BTreeMap;
use std::path::Path;

use maud::{Markup, html};
use serde::Deserialize;

use super::collect::{Collected, MetricResult};
use super::study::{Study, Variant};
use crate::report::page::{
    Column, Condition, Control, Page, Section, Table, controls, figure, number, shown_when,
};
use crate::report::plot::{IntervalPlot, IntervalRow, LinePlot, PlotPoint, Series};
use crate::run::{RunDirectory, write_atomically};

/// Writes `report.html`.
///
/// # Errors
///
/// One sentence if it cannot be written. Of cells whose records cannot be read there are no curves.
pub fn write_report(
    study: &Study,
    collected: &Collected,
    out: &Path,
    command: &str,
) -> Result<(), String> {
    let path = out.join("report.html");
    let html = page(study, collected, &curves_of(study, out), command).to_html();
    write_atomically(&path, html.as_bytes())
        .map_err(|error| format!("{}: cannot be written: {error}", path.display()))
}

fn page(study: &Study, collected: &Collected, curves: &[Curves], command: &str) -> Page {
    let n_finished = collected.summaries.iter().flatten().count();
    let lead = format!(
        "{} of {} cells finished: {} variants, {} seeds.",
        n_finished,
        study.cells.len(),
        study.variants.len(),
        study.seeds.len()
    );
    let mut page = Page::new(&*study.question, lead).section(Section::new(
        "What decides",
        metrics(study, collected, "primary"),
    ));
    if !study.secondary.is_empty() {
        page = page.section(Section::new(
            "What else",
            metrics(study, collected, "secondary"),
        ));
    }
    let factors = factors(study, collected);
    if !factors.is_empty() {
        let body = html! { @for factor in &factors { (factor) } };
        page = page.section(Section::new("Factors", body));
    }
    if curves.iter().any(|curves| !curves.by_name.is_empty()) {
        page = page.section(Section::new("While they trained", training(study, curves)));
    }
    page.section(Section::new("Cells", cells(study, collected, command)))
}

/// Tables and forest plots of the metrics of a role.
fn metrics(study: &Study, collected: &Collected, role: &str) -> Markup {
    let n_primary = study.primary.len();
    let of_role: Vec<(&String, &Vec<MetricResult>)> = study
        .metrics()
        .zip(&collected.results)
        .enumerate()
        .filter(|(place, _)| (role == "primary") == (*place < n_primary))
        .map(|(_, found)| found)
        .collect();
    html! {
        @if role == "primary" {
            p {
                "Declared before the runs. Differences are seed by seed, this variant less its baseline, with 95 % "
                "intervals; p-values are exact sign-flip tests, adjusted by Holm's method over all primary "
                "comparisons."
                @if let Some(margin) = study.margin {
                    " A difference within ±" (margin) " makes none."
                }
            }
        } @else {
            p { "Looked at, not decided by: p-values are not adjusted." }
        }
        @for (metric, results) in of_role {
            (table_of(study, metric, results))
            @if results.iter().any(|result| result.difference.is_some()) {
                (figure(forest(study, metric, results).draw(), "Mean difference and its 95 % interval."))
            }
        }
    }
}

fn table_of(study: &Study, metric: &str, results: &[MetricResult]) -> Table {
    let columns = vec![
        Column::text("Variant"),
        Column::number("Mean", "95 % interval"),
        Column::number("Seeds", ""),
        Column::number("Less the baseline", "95 % interval"),
        Column::number("p", ""),
        Column::number("p", "Holm"),
        Column::number("p", "equivalence"),
        Column::number("Effect size", "seeds needed"),
    ];
    let mut table = Table::new(metric.replace('_', " "), columns);
    for (variant, result) in study.variants.iter().zip(results) {
        let with_interval = |mean: f64, interval: Option<[f64; 2]>| match interval {
            Some([low, high]) => format!("{}\n{} to {}", number(mean), number(low), number(high)),
            None => number(mean),
        };
        let found = result.difference.as_ref();
        let optional = |value: Option<f64>| value.map_or("-".to_owned(), |p| format!("{p:.4}"));
        let difference = found.map(|found| {
            let interval = found.interval.map(|interval| [interval.low, interval.high]);
            with_interval(found.mean, interval)
        });
        let size = found.and_then(|found| found.effect_size);
        let needed = found.and_then(|found| found.n_seeds_for_80_percent_power);
        let equivalence = found.and_then(|found| found.equivalence.as_ref());
        table = table.row([
            variant.name.clone(),
            with_interval(result.mean, result.interval),
            result.n_seeds.to_string(),
            difference.unwrap_or_else(|| "-".to_owned()),
            optional(found.map(|found| found.p_value)),
            optional(result.adjusted_p_value),
            optional(equivalence.map(|equivalence| equivalence.p_value)),
            size.map_or("-".to_owned(), |size| {
                let needed = needed.map_or(String::new(), |n| format!("\n{n}"));
                format!("{:+.2}{needed}", size.d_z)
            }),
        ]);
    }
    table
}

fn forest(study: &Study, metric: &str, results: &[MetricResult]) -> IntervalPlot {
    let axis = format!("{} less that of the baseline", metric.replace('_', " "));
    let mut plot = IntervalPlot::new(metric.replace('_', " "), axis).reference(0.0);
    for (variant, result) in study.variants.iter().zip(results) {
        if let Some(found) = &result.difference {
            let interval = found.interval.map_or([found.mean; 2], |i| [i.low, i.high]);
            plot = plot.row(IntervalRow::new(&*variant.name, found.mean, interval));
            if let Some(equivalence) = &found.equivalence {
                plot = plot.equivalence([-equivalence.margin, equivalence.margin]);
            }
        }
    }
    plot
}

/// For each factor, the first primary metric over its levels: lines that are not parallel interact.
fn factors(study: &Study, collected: &Collected) -> Vec<Markup> {
    let mut names: Vec<&String> = study
        .variants
        .iter()
        .flat_map(|v| v.levels.keys())
        .collect();
    names.sort();
    names.dedup();
    let results = &collected.results[0];
    let plot = |factor: &&String| {
        // What is the same but for this factor is one line.
        let mut lines: BTreeMap<String, Vec<(&Variant, &MetricResult)>> = BTreeMap::new();
        for (variant, result) in study.variants.iter().zip(results) {
            if variant.levels.contains_key(*factor) {
                let others = variant.levels.iter().filter(|(name, _)| name != factor);
                let others = others.map(|(name, level)| format!(" {name}={level}"));
                let line = variant.arm.clone() + &others.collect::<String>();
                lines.entry(line).or_default().push((variant, result));
            }
        }
        let levels = lines.values().next()?;
        let levels: Vec<&str> = levels
            .iter()
            .map(|(variant, _)| &*variant.levels[*factor])
            .collect();
        let axis = format!("level of {factor}: {}", levels.join(", "));
        let mut plot = LinePlot::new(
            format!("By {factor}"),
            axis,
            study.primary[0].replace('_', " "),
        );
        for (line, found) in &lines {
            let points = found.iter().enumerate().map(|(place, (_, result))| {
                let point = PlotPoint::new(place as f64, result.mean);
                match result.interval {
                    Some([low, high]) => point.between(low, high),
                    None => point,
                }
            });
            plot = plot.series(Series::new(line, points.collect()));
        }
        Some(figure(
            plot.draw(),
            "Mean over seeds and its 95 % interval.",
        ))
    };
    names.iter().filter_map(plot).collect()
}

/// What the cells of a variant recorded on the validation split, by name and epoch, one value a seed.
struct Curves {
    by_name: BTreeMap<String, BTreeMap<usize, Vec<f64>>>,
}

#[derive(Deserialize)]
struct Record {
    epoch: usize,
    split: String,
    name: String,
    value: Option<f64>,
}

/// Beside the task's metrics: whether attention collapses.
const WATCHED: [&str; 2] = ["topology/mean_distance", "collapse/n_layers"];

fn curves_of(study: &Study, out: &Path) -> Vec<Curves> {
    let mut curves: Vec<Curves> = study
        .variants
        .iter()
        .map(|_| Curves {
            by_name: BTreeMap::new(),
        })
        .collect();
    for cell in &study.cells {
        let Ok(run) = RunDirectory::open(&cell.directory(out)) else {
            continue;
        };
        let text = std::fs::read_to_string(run.metrics()).unwrap_or_default();
        // The mean over the layers of this cell, by name and epoch.
        let mut sums: BTreeMap<(String, usize), (f64, f64)> = BTreeMap::new();
        for record in text
            .lines()
            .filter_map(|line| serde_json::from_str::<Record>(line).ok())
        {
            let Some(value) = record.value.filter(|_| record.split == "validation") else {
                continue;
            };
            let of_layers = WATCHED
                .iter()
                .find(|watched| record.name.starts_with(**watched));
            let name = match of_layers {
                Some(watched) => (*watched).to_owned(),
                None if record.name.contains('/') => continue,
                None => record.name,
            };
            let (sum, n) = sums.entry((name, record.epoch)).or_default();
            *sum += value;
            *n += 1.0;
        }
        for ((name, epoch), (sum, n)) in sums {
            let of_name = curves[cell.variant].by_name.entry(name).or_default();
            of_name.entry(epoch).or_default().push(sum / n);
        }
    }
    curves
}

fn training(study: &Study, curves: &[Curves]) -> Markup {
    let mut names: Vec<&String> = curves
        .iter()
        .flat_map(|curves| curves.by_name.keys())
        .collect();
    names.sort();
    names.dedup();
    let titles = names.iter().map(|name| name.replace(['_', '/'], " "));
    let plots = names.iter().map(|name| {
        let title = format!("{} on the validation split", name.replace(['_', '/'], " "));
        let mut plot = LinePlot::new(title, "epoch", name.replace(['_', '/'], " "));
        for (variant, curves) in study.variants.iter().zip(curves) {
            let Some(epochs) = curves.by_name.get(*name) else {
                continue;
            };
            let points = epochs.iter().map(|(&epoch, seeds)| {
                let mean = seeds.iter().sum::<f64>() / seeds.len() as f64;
                let low = seeds.iter().copied().fold(f64::INFINITY, f64::min);
                let high = seeds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                PlotPoint::new((epoch + 1) as f64, mean).between(low, high)
            });
            plot = plot.series(Series::new(&*variant.name, points.collect()));
        }
        figure(
            plot.draw(),
            "Mean over the seeds, between the least and the greatest of them.",
        )
    });
    html! {
        p { "A fall of the mean distance between rows of attention is a collapse." }
        (controls(&[Control::choice("curve", "Curve", titles)]))
        @for (place, plot) in plots.enumerate() {
            (shown_when(&Condition::of("curve", place), plot))
        }
    }
}

fn cells(study: &Study, collected: &Collected, command: &str) -> Markup {
    let columns = vec![
        Column::text("Cell"),
        Column::text("Variant"),
        Column::number("Seed", ""),
        Column::number("Steps", ""),
        Column::number("Time", "s"),
        Column::number("In topology", "%"),
    ];
    let mut table = Table::new("Cells", columns);
    for (cell, summary) in study.cells.iter().zip(&collected.summaries) {
        let of = |value: Option<f64>, decimals: usize| {
            value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
        };
        let summary = summary.as_ref();
        table = table.row([
            cell.id.clone(),
            study.variants[cell.variant].name.clone(),
            cell.seed.to_string(),
            summary.map_or("-".to_owned(), |summary| summary.steps.to_string()),
            of(summary.map(|summary| summary.seconds), 1),
            of(summary.map(|summary| 100.0 * summary.topology_share), 1),
        ]);
    }
    html! {
        p { "Made by " code { (command) } ". Each cell is a run directory in " code { "cells" } ": "
            code { "tensorboard --logdir cells" } " shows them side by side, with a table of their settings." }
        (table)
    }
}
