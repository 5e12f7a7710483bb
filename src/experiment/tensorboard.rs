//! Writes a study for TensorBoard's table of hyperparameters: a row for each cell, with arm, levels and seed.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::collect::StudyResults;
use super::study::{Cell, Study, run_name};
use crate::error::{Error, Result};
use crate::run::{EventWriter, HparamValue, is_running};
use crate::train::RunSummary;

/// Name of the file that lists what an earlier table consists of.
const LIST: &str = "written_by_ablate.txt";

/// Number of times that a table is moved into its place, while other processes may do the same.
const MAX_MOVES: usize = 20;

/// Writes the table of the finished cells, replacing an earlier one; the seeds of a variant form a group.
///
/// Replaces only files that an earlier call wrote.
///
/// # Errors
///
/// [`Error::is_file_error`] if the table cannot be written, [`Error::is_invalid_parameter`] if its directory has other files.
pub fn write_tensorboard(study: &Study, collected: &StudyResults, out: &Path) -> Result<()> {
    let directory = out.join("tensorboard");
    check_own(&directory)?;
    // Names of this process, since two may write a report of the same study.
    let with = |end: &str| out.join(format!("tensorboard.{}.{end}", std::process::id()));
    let (partial, earlier) = (with("partial"), with("earlier"));
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
        let mut list = files(&partial)?.join("\n");
        list.push('\n');
        std::fs::write(partial.join(LIST), list)?;
        replace(&partial, &directory, &earlier)
    };
    remove_abandoned(out);
    let written = write();
    for left in [&partial, &earlier] {
        // The error of writing matters more than one of cleaning up.
        let _ = remove_if_exists(left);
    }
    written.map_err(|error| Error::cannot_write(&directory, error))
}

/// Removes tables that processes which have ended did not finish; as far as possible, since nothing depends on it.
fn remove_abandoned(out: &Path) {
    for entry in std::fs::read_dir(out).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let parts: Vec<&str> = name.split('.').collect();
        if let ["tensorboard", process, "partial" | "earlier"] = parts[..]
            && process.parse().is_ok_and(|process| !is_running(process))
        {
            let _ = remove_if_exists(&entry.path());
        }
    }
}

/// Moves a directory into the place of another one.
fn replace(new: &Path, directory: &Path, earlier: &Path) -> io::Result<()> {
    let mut n_moves = 0;
    loop {
        remove_if_exists(earlier)?;
        // A directory that has files cannot be replaced in one step.
        match std::fs::rename(directory, earlier) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        n_moves += 1;
        match std::fs::rename(new, directory) {
            // Another process has moved its table there in between.
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty && n_moves < MAX_MOVES => {}
            moved => return moved,
        }
    }
}

/// Refuses a directory with files that no earlier table has.
fn check_own(directory: &Path) -> Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    let cannot = |error| Error::file(format!("cannot read {}", directory.display())).because(error);
    let list = std::fs::read_to_string(directory.join(LIST)).unwrap_or_default();
    let listed: BTreeSet<&str> = list.lines().collect();
    // Tables of older versions have no list, but the same places.
    let is_row = |file: &str| {
        let mut parts = file.rsplit('/');
        let name = parts.next().unwrap_or_default();
        list.is_empty()
            && name.starts_with("events.out.tfevents.")
            && parts
                .next()
                .is_some_and(|parent| parent.starts_with("seed"))
    };
    let files = files(directory).map_err(cannot)?;
    let other = files
        .iter()
        .find(|file| *file != LIST && !listed.contains(&***file) && !is_row(file));
    match other {
        None => Ok(()),
        Some(file) => Err(Error::invalid_parameter(format!(
            "{} has the file {file}, which is not of an earlier table of a study; move it elsewhere, or pass another --output",
            directory.display()
        ))),
    }
}

/// Paths of all files in a directory and below, relative to it, with `/` between names.
fn files(directory: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            let below = self::files(&entry.path())?;
            files.extend(below.iter().map(|file| format!("{name}/{file}")));
        } else {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
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
