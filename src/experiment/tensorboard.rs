//! Writes a study for TensorBoard's table of hyperparameters: a row for each cell, with arm, levels and seed.

use std::io;
use std::path::Path;

use super::collect::StudyResults;
use super::study::{Cell, Study, run_name};
use crate::run::{EventWriter, HparamValue};
use crate::train::RunSummary;

/// Writes the table of the finished cells into a new directory; the seeds of a variant form a group.
///
/// # Errors
///
/// A file cannot be written.
pub(super) fn write_tensorboard(
    study: &Study,
    collected: &StudyResults,
    directory: &Path,
) -> io::Result<()> {
    for (cell, summary) in study.cells.iter().zip(&collected.summaries) {
        if let Some(summary) = summary {
            let variant = run_name(&study.variants[cell.variant].name);
            let directory = directory.join(format!("{variant}/seed{}", cell.seed));
            write_row(study, cell, summary, &directory)?;
        }
    }
    Ok(())
}

/// Writes the settings and metrics of one cell.
fn write_row(study: &Study, cell: &Cell, summary: &RunSummary, directory: &Path) -> io::Result<()> {
    let variant = &study.variants[cell.variant];
    let mut settings = vec![("arm".to_owned(), HparamValue::Text(variant.arm.clone()))];
    settings.extend(variant.levels.iter().map(|(factor, level)| {
        // TensorBoard sorts and filters a column by value if it holds numbers.
        let value = level
            .parse()
            .map_or_else(|_| HparamValue::Text(level.clone()), HparamValue::Number);
        (factor.clone(), value)
    }));
    settings.push(("seed".to_owned(), HparamValue::Number(cell.seed as f64)));
    let tags: Vec<String> = study
        .metrics()
        .map(|metric| format!("summary/{metric}"))
        .collect();
    let mut events = EventWriter::create(directory)?;
    // So few settings that all of them are shown at first.
    events.hparams_start(&settings, &[], &tags, &variant.name)?;
    for (metric, tag) in study.metrics().zip(&tags) {
        if let Some(&value) = summary.metrics.get(metric) {
            events.scalar(tag, value, summary.steps)?;
        }
    }
    events.hparams_end(true)?;
    events.flush()
}
