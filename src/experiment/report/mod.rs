//! The page of a study, its plots and its tables.

mod curves;
mod markdown;
mod plots;

use std::path::Path;

use maud::{Markup, html};

use self::curves::{Curves, curves_of};
use self::markdown::markdown;
use self::plots::{factor_plots, forest, spoken};
use super::collect::{Collected, MetricResult};
use super::study::Study;
use crate::report::page::{
    Column, Condition, Control, Page, Section, Table, controls, figure, number, shown_when,
};
use crate::report::plot::{LinePlot, PlotPoint, Series};
use crate::run::write_atomically;

/// Writes `report.html`, the tables as `report.md` and the plots that decide as `plots/*.svg`.
///
/// # Errors
///
/// One sentence if one cannot be written. Of cells whose records cannot be read there are no curves.
pub fn write_report(
    study: &Study,
    collected: &Collected,
    out: &Path,
    command: &str,
) -> Result<(), String> {
    let plots = out.join("plots");
    let cannot = |path: &Path, error| format!("{}: cannot be written: {error}", path.display());
    std::fs::create_dir_all(&plots).map_err(|error| cannot(&plots, error))?;
    let write = |path: &Path, text: &str| {
        write_atomically(path, text.as_bytes()).map_err(|error| cannot(path, error))
    };
    let html = page(study, collected, &curves_of(study, out), command).to_html();
    write(&out.join("report.html"), &html)?;
    write(&out.join("report.md"), &markdown(study, collected, command))?;
    for (metric, results) in study.primary.iter().zip(&collected.results) {
        if let Some(plot) = forest(study, metric, results) {
            write(
                &plots.join(format!("{metric}.svg")),
                &plot.draw().to_svg_file(),
            )?;
        }
    }
    for of_factor in factor_plots(study, collected) {
        let name = of_factor.name;
        write(
            &plots.join(format!("{name}.svg")),
            &of_factor.means.draw().to_svg_file(),
        )?;
        if let Some(differences) = of_factor.differences {
            let path = plots.join(format!("{name}_less_baseline.svg"));
            write(&path, &differences.draw().to_svg_file())?;
        }
    }
    Ok(())
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
    let of_factors = factor_plots(study, collected);
    if !of_factors.is_empty() {
        let body = html! {
            @for of_factor in &of_factors {
                (figure(of_factor.means.draw(), "Mean over seeds and its 95 % interval."))
                @if let Some(differences) = &of_factor.differences {
                    (figure(
                        differences.draw(),
                        "Mean over pairs of seeds and its 95 % interval. Lines that are not parallel interact."
                    ))
                }
            }
        };
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
            @if let Some(plot) = forest(study, metric, results) {
                (figure(plot.draw(), "Mean difference and its 95 % interval."))
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
    let mut table = Table::new(spoken(metric), columns);
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

fn training(study: &Study, curves: &[Curves]) -> Markup {
    let mut names: Vec<&String> = curves
        .iter()
        .flat_map(|curves| curves.by_name.keys())
        .collect();
    names.sort();
    names.dedup();
    let titles = names.iter().map(|name| spoken(name));
    let plots = names.iter().map(|name| {
        let title = format!("{} on the validation split", spoken(name));
        let mut plot = LinePlot::new(title, "epoch", spoken(name));
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
