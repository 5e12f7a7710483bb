//! `train --find-lr`: the learning-rate range test, as a table and a page.

use std::path::Path;

use maud::html;

use super::output::{check_directory_of, log, print};
use super::progress::Bar;
use super::{Failure, tables};
use crate::error::Error;
use crate::report::page::{Page, Section, figure};
use crate::report::plot::{LinePlot, PlotPoint, Series};
use crate::run::write_atomically;
use crate::train::{Job, RangePoint, RangeTest, range_test};

/// Number of rows of the table.
const N_ROWS: usize = 20;

/// Runs the test, prints its table, and writes its page.
pub(super) fn find_lr(job: &Job<'_>, output: Option<&Path>) -> Result<(), Failure> {
    let mut bar = None;
    let test = range_test(job, &mut |step, n_steps| {
        bar.get_or_insert_with(|| Bar::new(n_steps, "steps"))
            .set(step);
    });
    if let Some(bar) = &bar {
        bar.finish();
    }
    let test = test?;
    let configured = job.config.spec.training.optimizer.lr;
    print(&format!(
        "{}\n\n{}\n",
        table(&test),
        advice(&test, configured)
    ))?;
    if let Some(path) = output {
        let page = page(&job.config.spec.name, &test, configured).to_html();
        write_atomically(path, page.as_bytes())
            .map_err(|error| Error::cannot_write(path, error))?;
        log(&format!("the plot is in {}", path.display()));
    }
    Ok(())
}

/// Refuses a path that the page cannot be written to, before anything is computed.
pub(super) fn check_output(output: &Path) -> Result<(), Failure> {
    if output.exists() {
        return Err(Failure::Error(format!(
            "{} already exists; remove it, or choose another name with --output",
            output.display()
        )));
    }
    check_directory_of(output)
}

/// Table of some of the steps.
fn table(test: &RangeTest) -> String {
    let mut table = tables::table(["learning rate", "smoothed loss", "loss"]);
    let every = test.points.len().div_ceil(N_ROWS).max(1);
    let last = test.points.len().saturating_sub(1);
    for (index, point) in test.points.iter().enumerate() {
        if index.is_multiple_of(every) || index == last {
            table.add_row([
                format!("{:.1e}", point.lr),
                format!("{:.4}", point.smoothed),
                format!("{:.4}", point.loss),
            ]);
        }
    }
    table.to_string()
}

/// One sentence with the suggested rate.
fn advice(test: &RangeTest, configured: f64) -> String {
    match test.suggestion {
        Some(lr) => format!(
            "suggested training.optimizer.lr: {lr:.1e}, where the smoothed loss falls most steeply; the configuration \
             has {configured:.1e}"
        ),
        None => format!(
            "no learning rate can be suggested, because the smoothed loss never falls; the configuration has \
             {configured:.1e}"
        ),
    }
}

/// Page with the plot.
fn page(name: &str, test: &RangeTest, configured: f64) -> Page {
    let of = |value: fn(&RangePoint) -> f64| {
        let point = |point: &RangePoint| PlotPoint::new(point.lr.log10(), value(point));
        test.points.iter().map(point).collect::<Vec<_>>()
    };
    let smoothed = of(|point| point.smoothed);
    let lowest = smoothed
        .iter()
        .map(|point| point.y)
        .fold(f64::INFINITY, f64::min);
    let first = smoothed.first().map_or(lowest, |point| point.y);
    // Otherwise the rise at the end would hide the fall.
    let range = [
        lowest - 0.1 * (first - lowest),
        first + (first - lowest).max(0.1 * first.abs()),
    ];
    let vertical = |lr: f64| range.map(|y| PlotPoint::new(lr.log10(), y)).to_vec();
    let mut plot = LinePlot::new(
        "Loss while the learning rate grows",
        "logarithm of the learning rate (base 10)",
        "training loss",
    )
    .series(Series::new("smoothed loss", smoothed))
    .series(Series::new("loss", of(|point| point.loss)))
    .series(Series::new(
        format!("configuration: {configured:.1e}"),
        vertical(configured),
    ));
    if let Some(lr) = test.suggestion {
        plot = plot.series(Series::new(format!("suggestion: {lr:.1e}"), vertical(lr)));
    }
    let plot = plot.y_range(range);
    let caption = "Every step has a larger rate than the one before. A good rate lies where the smoothed loss falls \
                   steeply, well before it rises.";
    Page::new(
        format!("Learning-rate range test of {name}"),
        format!("{}.", capitalised(&advice(test, configured))),
    )
    .section(Section::new("Plot", figure(plot.draw(), caption)))
    .section(Section::new(
        "Method",
        html! {
            p {
                "The model is trained from its beginning for up to 200 steps, at rates from 1e-7 to 10, each a constant "
                "multiple of the one before, with all penalties at full weight (Smith, 2017). The smoothed loss is the "
                "mean of the losses so far, in which each step multiplies the weight of the earlier ones by 0.98. The test ends "
                "when it is four times its smallest value. Warm-up, averaging of weights and the schedule are not part of it."
            }
        },
    ))
}

/// The sentence with a capital at its beginning.
fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
