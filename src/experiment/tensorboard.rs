//! A study as TensorBoard shows it: a row for each cell, by arm, levels and seed.

use std::io;
use std::path::Path;

use super::collect::Collected;
use super::study::{Cell, Study, plain};
use crate::run::{EventWriter, HparamValue};
use crate::train::Summary;

/// Writes the table of the finished cells, in place of one that is there; the seeds of a variant are a group.
///
/// # Errors
///
/// One sentence if it cannot be written.
pub fn write_tensorboard(study: &Study, collected: &Collected, out: &Path) -> Result<(), String> {
    let directory = out.join("tensorboard");
    let partial = out.join("tensorboard.partial");
    let write = || -> io::Result<()> {
        for old in [&partial, &directory] {
            match std::fs::remove_dir_all(old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::create_dir_all(&partial)?;
        for (cell, summary) in study.cells.iter().zip(&collected.summaries) {
            if let Some(summary) = summary {
                let variant = plain(&study.variants[cell.variant].name);
                let place = partial.join(format!("{variant}/seed{}", cell.seed));
                row(study, cell, summary, &place)?;
            }
        }
        std::fs::rename(&partial, &directory)
    };
    write().map_err(|error| format!("{}: cannot be written: {error}", directory.display()))
}

fn row(study: &Study, cell: &Cell, summary: &Summary, directory: &Path) -> io::Result<()> {
    let variant = &study.variants[cell.variant];
    let mut settings = vec![("arm".to_owned(), HparamValue::Text(variant.arm.clone()))];
    let levels = variant.levels.iter();
    settings.extend(levels.map(|(factor, level)| {
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
