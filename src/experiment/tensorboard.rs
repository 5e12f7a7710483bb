//! Writes a study for TensorBoard's table of hyperparameters: a row for each cell, with arm, levels and seed.

use std::io;
use std::path::Path;

use super::collect::StudyResults;
use super::study::{Cell, Study, run_name};
use crate::error::{Error, Result};
use crate::run::{EventWriter, HparamValue};
use crate::train::RunSummary;

/// Writes the table of the finished cells, replacing an earlier one; the seeds of a variant form a group.
///
/// # Errors
///
/// [`Error::is_file_error`] if the table cannot be written.
pub fn write_tensorboard(study: &Study, collected: &StudyResults, out: &Path) -> Result<()> {
    let directory = out.join("tensorboard");
    let partial = out.join("tensorboard.partial");
    let earlier = out.join("tensorboard.earlier");
    // Written under another name and renamed at the end, so that TensorBoard never reads half a table, and an earlier
    // table stays if this one cannot be written.
    let write = || -> io::Result<()> {
        remove_if_exists(&partial)?;
        std::fs::create_dir_all(&partial)?;
        for (cell, summary) in study.cells.iter().zip(&collected.summaries) {
            if let Some(summary) = summary {
                let variant = run_name(&study.variants[cell.variant].name);
                let directory = partial.join(format!("{variant}/seed{}", cell.seed));
                write_row(study, cell, summary, &directory)?;
            }
        }
        // A directory that has files cannot be replaced in one step.
        remove_if_exists(&earlier)?;
        match std::fs::rename(&directory, &earlier) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::rename(&partial, &directory)?;
        remove_if_exists(&earlier)
    };
    write().map_err(|error| Error::cannot_write(&directory, error))
}

/// Removes a directory and everything in it; one that does not exist is no error.
fn remove_if_exists(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
    events.hparams_start(&settings, &tags, &variant.name)?;
    for (metric, tag) in study.metrics().zip(&tags) {
        if let Some(&value) = summary.metrics.get(metric) {
            events.scalar(tag, value, summary.steps)?;
        }
    }
    events.hparams_end(true)?;
    events.flush()
}
