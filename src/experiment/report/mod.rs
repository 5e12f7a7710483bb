//! Writes the report of a study: a page, tables and plots.

mod curves;
mod markdown;
mod one_seed;
mod plots;

use std::path::Path;

use maud::{Markup, html};

use self::curves::{Curves, read_curves};
use self::markdown::markdown;
pub(crate) use self::one_seed::one_seed;
use self::plots::{factor_plots, forest_plot};
use super::collect::{MetricResult, StudyResults, csv};
use super::study::{Origin, Study};
use super::tensorboard::write_tensorboard;
use crate::counted::{capitalised, counted, numbered};
use crate::error::{Error, Result};
use crate::evaluate::{SettingDifference, shortened_differences};
use crate::mean::mean;
use crate::report::NO_INTERVAL;
use crate::report::page::{
    Column, Condition, Control, Page, Section, Table, controls, figure, number, shown_when,
};
use crate::report::plot::{LinePlot, PlotPoint, Series};
use crate::run::{OutputDirectory, claim_directory};
use crate::train::readable_metric;

/// Command whose directories those of studies are.
const COMMAND: &str = "ablate";

/// Writes the report into the directory of a study, in place of an earlier one: `report.html`, its tables as `report.md`,
/// the plots of the primary metrics as `plots/*.svg`, `results.csv`, `summary.json`, and `tensorboard/`.
///
/// Cells whose metrics file cannot be read are missing from the training curves.
///
/// # Errors
///
/// The errors of [`OutputDirectory`], to which `replaces_others` is passed.
pub fn write_report(
    study: &Study,
    collected: &StudyResults,
    out: &Path,
    command: &str,
    replaces_others: bool,
) -> Result<()> {
    let output = OutputDirectory::create(out, COMMAND, replaces_others)?;
    write_pages(study, collected, &Sections::default(), &output, command)?;
    let events = output.path().join("tensorboard");
    write_tensorboard(study, collected, &events)
        .map_err(|error| Error::cannot_write(&events, error))?;
    output.finish()
}

/// What only the page of a comparison has; empty for a study.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sections<'a> {
    /// For every arm but the first: the settings in which it differs from the first.
    pub(super) settings: &'a [Vec<SettingDifference>],
    /// Sentences about what limits the comparison.
    pub(super) notes: &'a [String],
}

/// Writes the tables, pages and plots of a study or a comparison.
pub(super) fn write_pages(
    study: &Study,
    collected: &StudyResults,
    sections: &Sections<'_>,
    output: &OutputDirectory,
    command: &str,
) -> Result<()> {
    let write = |name: &str, text: &str| output.write(name, text.as_bytes());
    write("results.csv", &csv(study, collected))?;
    write("summary.json", &format!("{:#}\n", collected.to_json(study)))?;
    let curves = read_curves(study, &collected.directories);
    let html = page(study, collected, sections, &curves, command).to_html();
    write("report.html", &html)?;
    write("report.md", &markdown(study, collected, command))?;
    // The results start with those of the primary metrics, so the shorter list ends the pairs at the right place.
    for (metric, results) in study.primary.iter().zip(&collected.results) {
        if let Some(plot) = forest_plot(study, metric, results) {
            write(&format!("plots/{metric}.svg"), &plot.draw().to_svg_file())?;
        }
    }
    for factor in factor_plots(study, collected) {
        let name = factor.name;
        let means = factor.means.draw().to_svg_file();
        write(&format!("plots/{name}.svg"), &means)?;
        if let Some(differences) = factor.differences {
            let name = format!("plots/{name}_difference_from_baseline.svg");
            write(&name, &differences.draw().to_svg_file())?;
        }
    }
    Ok(())
}

/// Marks a directory as that of a study, before cells are run there.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if it has files of others that no report may replace, unless `replaces_others`;
/// [`Error::is_file_error`] if it cannot be written.
pub fn claim_study_directory(out: &Path, replaces_others: bool) -> Result<()> {
    let files = ["report.html", "report.md", "results.csv", "summary.json"];
    claim_directory(out, COMMAND, &files, replaces_others)
}

/// Builds the page.
fn page(
    study: &Study,
    collected: &StudyResults,
    sections: &Sections<'_>,
    curves: &[Curves],
    command: &str,
) -> Page {
    let n_finished = collected.n_finished();
    let mut lead = format!(
        "{n_finished} of {} finished; {}",
        counted(study.cells.len(), study.origin.run_noun()),
        counted(study.variants.len(), study.origin.arm_noun()),
    );
    lead.push_str(&match study.origin {
        Origin::StudyFile => format!(" with {} each.", counted(study.seeds.len(), "seed")),
        // The arms of a comparison may have different numbers of seeds.
        Origin::Comparison => ".".to_owned(),
    });
    let mut page = Page::new(&*study.question, lead);
    if study.origin == Origin::Comparison {
        page = page.section(Section::new("What differs", differing(study, sections)));
    }
    let heading =
        |role: &str, n_metrics: usize| format!("{role} {}", numbered(n_metrics, "metric"));
    page = page.section(Section::new(
        heading("Primary", study.primary.len()),
        metrics(study, collected, MetricRole::Primary),
    ));
    if !study.secondary.is_empty() {
        page = page.section(Section::new(
            heading("Secondary", study.secondary.len()),
            metrics(study, collected, MetricRole::Secondary),
        ));
    }
    let factors = factor_plots(study, collected);
    if !factors.is_empty() {
        let body = html! {
            @for factor in &factors {
                (figure(factor.means.draw(), "Mean over seeds, with 95 % confidence interval where there is one."))
                @if let Some(differences) = &factor.differences {
                    (figure(
                        differences.draw(),
                        "Mean difference from the baseline with the same seed, with 95 % confidence interval where \
                         there is one. Lines that are not parallel show an interaction of factors."
                    ))
                }
            }
        };
        page = page.section(Section::new("Factors", body));
    }
    if curves.iter().any(|curves| !curves.by_name.is_empty()) {
        page = page.section(Section::new("Training curves", training(study, curves)));
    }
    let heading = capitalised(study.origin.run_noun()) + "s";
    page.section(Section::new(heading, cells(study, collected, command)))
}

/// Returns the tables of the settings in which the arms of a comparison differ.
fn differing(study: &Study, sections: &Sections<'_>) -> Markup {
    let tables = study.variants.iter().skip(1).zip(sections.settings);
    let tables = tables.map(|(variant, settings)| {
        let names = ["Setting", &study.variants[0].name, &variant.name];
        let table = Table::new("Settings that differ", names.map(Column::text).to_vec());
        shortened_differences(settings)
            .into_iter()
            .fold(table, |table, setting| {
                table.row([setting.key, setting.first, setting.second])
            })
    });
    html! {
        p {
            "Runs that differ only in their seed and name form one arm. "
            @if study.variants.len() > 1 {
                "The arm of the first run, " (study.variants[0].name) ", is the baseline of the others."
            } @else {
                "All runs here form one arm, so that there is nothing to compare it with."
            }
        }
        @for note in sections.notes { p { (note) "." } }
        @for table in tables { (table) }
    }
}

/// Role of a metric in a study.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MetricRole {
    Primary,
    Secondary,
}

/// Returns the tables and forest plots of the metrics of one role.
fn metrics(study: &Study, collected: &StudyResults, role: MetricRole) -> Markup {
    let n_primary = study.primary.len();
    let selected: Vec<(&String, &Vec<MetricResult>)> = study
        .metrics()
        .zip(&collected.results)
        .enumerate()
        .filter(|(index, _)| (role == MetricRole::Primary) == (*index < n_primary))
        .map(|(_, metric)| metric)
        .collect();
    html! {
        @if role == MetricRole::Primary {
            p {
                @match study.origin {
                    Origin::StudyFile => "The question is decided on these metrics, which were declared before the runs. ",
                    Origin::Comparison => {
                        "Checkpoints are chosen by this metric, on the validation split; here it is that of the test split. "
                        "The runs were chosen after they had been trained, so that a difference is a hint and not a test "
                        "of a hypothesis: for that, declare a study. "
                    }
                }
                "A difference is the value of one " (study.origin.arm_noun()) " minus that of its baseline with the same "
                "seed; the table gives the mean over seeds and its 95 % confidence interval. There is no interval for one "
                "seed, or if all seeds agree. The p-values are those of exact sign-flip tests; "
                "\u{201c}Holm\u{201d} means adjusted by Holm's method over all primary comparisons."
                @if let Some((n_pairs, smallest)) = smallest_p_value(collected) {
                    " With " (counted(n_pairs, "pair")) " of seeds, no p-value can be below " (number(smallest)) "."
                }
                @if let Some(margin) = study.margin {
                    " A difference within ±" (margin) " would not matter; the p-value \u{201c}equivalence\u{201d} is "
                    "that of a test of whether the difference lies within this margin."
                }
                @if let Some(text) = one_seed(collected) { " " strong { (text) } }
            }
        } @else {
            p {
                @match study.origin {
                    Origin::StudyFile => "Reported only: the question is not decided on these metrics, and their p-values are not adjusted.",
                    Origin::Comparison => "Reported only: p-values are not adjusted.",
                }
            }
        }
        @for (metric, results) in &selected {
            (results_table(study, metric, results))
            @if let Some(plot) = forest_plot(study, metric, results) {
                (figure(plot.draw(), "Mean difference from the baseline, with 95 % confidence interval."))
            }
        }
    }
}

/// Largest number of pairs of seeds of a comparison, and the smallest p-value that so many can give; `None` without one.
fn smallest_p_value(collected: &StudyResults) -> Option<(usize, f64)> {
    collected
        .results
        .iter()
        .flatten()
        .filter_map(|result| result.difference.as_ref())
        .map(|difference| (difference.n_seeds, difference.smallest_p_value))
        .min_by(|a, b| a.1.total_cmp(&b.1))
}

/// Returns the table of one metric, a row for each variant.
fn results_table(study: &Study, metric: &str, results: &[MetricResult]) -> Table {
    let columns = vec![
        Column::text(capitalised(study.origin.arm_noun())),
        Column::number("Mean", "95 % interval"),
        Column::number("Seeds", ""),
        Column::number("Difference from the baseline", "95 % interval"),
        Column::number("p", ""),
        Column::number("p", "Holm"),
        Column::number("p", "equivalence"),
        Column::number("Effect size", "seeds for 80 % power"),
    ];
    let mut table = Table::new(readable_metric(metric), columns);
    for (variant, result) in study.variants.iter().zip(results) {
        let with_interval = |mean: f64, interval: Option<[f64; 2]>| match interval {
            Some([low, high]) => format!("{}\n{} to {}", number(mean), number(low), number(high)),
            None => format!("{}\n{NO_INTERVAL}", number(mean)),
        };
        let comparison = result.difference.as_ref();
        let optional = |value: Option<f64>| value.map_or("-".to_owned(), |p| format!("{p:.4}"));
        let difference = comparison.map(|comparison| {
            let interval = comparison.interval.map(|i| [i.low, i.high]);
            with_interval(comparison.mean, interval)
        });
        let size = comparison.and_then(|comparison| comparison.effect_size);
        let needed = comparison.and_then(|comparison| comparison.n_seeds_for_80_percent_power);
        let equivalence = comparison.and_then(|comparison| comparison.equivalence.as_ref());
        table = table.row([
            variant.name.clone(),
            with_interval(result.mean, result.interval),
            result.n_seeds.to_string(),
            difference.unwrap_or_else(|| "-".to_owned()),
            optional(comparison.map(|comparison| comparison.p_value)),
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

/// Returns the plots of the metrics logged during training, one of which is shown at a time.
fn training(study: &Study, curves: &[Curves]) -> Markup {
    let mut names: Vec<&String> = curves
        .iter()
        .flat_map(|curves| curves.by_name.keys())
        .collect();
    // Variants log mostly the same metrics, and each metric has one plot.
    names.sort();
    names.dedup();
    let titles = names.iter().map(|name| readable_metric(name));
    let plots = names.iter().map(|name| {
        let title = format!("{} on the validation split", readable_metric(name));
        let mut plot = LinePlot::new(title, "epoch", readable_metric(name));
        for (variant, curves) in study.variants.iter().zip(curves) {
            let Some(epochs) = curves.by_name.get(*name) else {
                continue;
            };
            let points = epochs.iter().map(|(&epoch, seeds)| {
                let mean = mean(seeds.iter().copied()).unwrap_or(f64::NAN);
                let low = seeds.iter().copied().fold(f64::INFINITY, f64::min);
                let high = seeds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                // A metric of epoch 0 is measured at its end, after one epoch of training.
                PlotPoint::new((epoch + 1) as f64, mean).with_interval(low, high)
            });
            plot = plot.series(Series::new(&*variant.name, points.collect()));
        }
        figure(
            plot.draw(),
            "Mean over seeds; the band reaches from the smallest to the largest value.",
        )
    });
    html! {
        p { "If the mean distance between attention rows falls towards 0, attention collapses." }
        (controls(&[Control::choice("curve", "Metric", titles)]))
        @for (index, plot) in plots.enumerate() {
            (shown_when(&Condition::equals("curve", index), plot))
        }
    }
}

/// Returns the table of cells and the command that ran them.
fn cells(study: &Study, collected: &StudyResults, command: &str) -> Markup {
    let columns = vec![
        Column::text(capitalised(study.origin.run_noun())),
        Column::text(capitalised(study.origin.arm_noun())),
        Column::number("Seed", ""),
        Column::number("Steps", ""),
        Column::number("Time", "s"),
        Column::number("Time in penalties", "%"),
    ];
    let heading = capitalised(study.origin.run_noun()) + "s";
    let mut table = Table::new(heading, columns);
    for (cell, summary) in study.cells.iter().zip(&collected.summaries) {
        let optional = |value: Option<f64>, decimals: usize| {
            value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
        };
        let summary = summary.as_ref();
        table = table.row([
            cell.id.clone(),
            study.variants[cell.variant].name.clone(),
            cell.seed.to_string(),
            summary.map_or("-".to_owned(), |summary| summary.steps.to_string()),
            optional(summary.map(|summary| summary.seconds), 1),
            optional(summary.map(|summary| 100.0 * summary.topology_share), 1),
        ]);
    }
    html! {
        p {
            "Command: " code { (command) } ". "
            @if study.origin == Origin::StudyFile {
                "Each cell is a run directory in " code { "cells" } "; " code { "tensorboard --logdir tensorboard" }
                " shows a table of their settings and final metrics."
            }
        }
        (table)
    }
}
