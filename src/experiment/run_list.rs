//! Lists the runs and studies below a directory, with their states and metrics.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::pool::last_line;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::input_file;
use crate::model::Task;
use crate::run::{ERROR_START, Manifest, RunDirectory, STOPPED};
use crate::train::RunSummary;

/// State of a run, as far as its files show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// The run has a summary.
    Finished,
    /// A process is training in the directory.
    Running,
    /// The run was interrupted or killed, and can be resumed if it has a checkpoint.
    Stopped,
    /// Training ended with an error, given here.
    Failed(String),
    /// A file of the run is missing or cannot be read, as said here.
    Damaged(String),
}

impl RunState {
    /// Name of the state in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed(_) => "failed",
            Self::Damaged(_) => "damaged",
        }
    }
}

/// Value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedValue {
    /// Name of the metric, without that of the split.
    pub name: String,
    /// Value of the metric.
    pub value: f64,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRun {
    /// Run directory.
    pub path: PathBuf,
    /// State of the run.
    pub state: RunState,
    /// Start of its first process, in seconds since 1970.
    pub started_unix_secs: Option<u64>,
    /// Step of the newest checkpoint; `None` if there is none.
    pub step: Option<usize>,
    /// Number of validated epochs.
    pub epochs_done: Option<usize>,
    /// Number of epochs of the whole training.
    pub epochs: Option<usize>,
    /// Best value on the validation split of the metric that checkpoints are chosen by.
    pub best: Option<NamedValue>,
    /// Value of the same metric on the test split.
    pub test: Option<NamedValue>,
    /// Wall-clock time of a finished run in seconds.
    pub seconds: Option<f64>,
    /// Configuration file that the run was started with, or its name if the command names no file.
    pub config: Option<String>,
}

/// A study in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedStudy {
    /// Directory of the study's results.
    pub path: PathBuf,
    /// Start of its first cell, in seconds since 1970.
    pub started_unix_secs: Option<u64>,
    /// Number of cells that have a summary.
    pub n_finished: usize,
    /// Number of cells that a process is training.
    pub n_running: usize,
    /// Number of cells, as far as known: before the first report, of those that were started.
    pub n_cells: usize,
}

/// A run or a study in a list.
#[derive(Debug, Clone, PartialEq)]
pub enum Listed {
    /// A run.
    Run(ListedRun),
    /// A study, whose cells are not listed.
    Study(ListedStudy),
}

impl Listed {
    /// Directory of the run or study.
    pub fn path(&self) -> &Path {
        match self {
            Self::Run(run) => &run.path,
            Self::Study(study) => &study.path,
        }
    }

    /// Start of the first process, in seconds since 1970.
    pub fn started_unix_secs(&self) -> Option<u64> {
        match self {
            Self::Run(run) => run.started_unix_secs,
            Self::Study(study) => study.started_unix_secs,
        }
    }

    /// Everything that is known, as a JSON object.
    pub fn to_json(&self) -> Value {
        let metric = |value: &Option<NamedValue>| {
            let value = value.as_ref();
            value.map(|metric| json!({ "name": metric.name, "value": metric.value }))
        };
        match self {
            Self::Run(run) => json!({
                "kind": "run",
                "path": run.path,
                "state": run.state.name(),
                "reason": match &run.state {
                    RunState::Failed(reason) | RunState::Damaged(reason) => Some(reason),
                    RunState::Finished | RunState::Running | RunState::Stopped => None,
                },
                "started_unix_secs": run.started_unix_secs,
                "step": run.step,
                "epochs_done": run.epochs_done,
                "epochs": run.epochs,
                "best": metric(&run.best),
                "test": metric(&run.test),
                "seconds": run.seconds,
                "config": run.config,
            }),
            Self::Study(study) => json!({
                "kind": "study",
                "path": study.path,
                "started_unix_secs": study.started_unix_secs,
                "n_finished": study.n_finished,
                "n_running": study.n_running,
                "n_cells": study.n_cells,
            }),
        }
    }
}

/// Runs and studies below a directory.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Runs and studies, in the order of their paths.
    pub entries: Vec<Listed>,
    /// Sentences about directories that cannot be read.
    pub notes: Vec<String>,
}

/// Lists the runs and studies in a directory and below, or the directory itself if it is one.
///
/// Neither the directory of a run nor that of a study is searched further, and links to directories are not followed.
/// Nothing in a checkpoint is read.
///
/// # Errors
///
/// [`Error::is_file_error`] if the directory itself cannot be read. Everything below it that cannot be read is a row with
/// the state [`RunState::Damaged`], or a note.
pub fn list_runs(directory: &Path) -> Result<Listing> {
    // Read here, because an error of a directory further below is only a note.
    std::fs::read_dir(directory).map_err(|error| Error::cannot_read(directory, error))?;
    let mut listing = Listing::default();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        if is_study(&directory) {
            listing.entries.push(Listed::Study(study(&directory)));
        } else if is_run(&directory) {
            listing.entries.push(Listed::Run(run(&directory)));
        } else {
            match directories(&directory) {
                Ok(below) => waiting.extend(below),
                Err(error) => listing
                    .notes
                    .push(format!("{}: cannot be read: {error}", directory.display())),
            }
        }
    }
    listing.entries.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(listing)
}

/// Directories in a directory, without hidden ones, links, and those that are being written.
fn directories(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // The type of a link is that of the link, and not of its target.
        if entry.file_type()?.is_dir() && !name.starts_with('.') && !name.ends_with(".partial") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// True for the directory of a study: it has cells, and the files that `ablate` writes beside them.
fn is_study(directory: &Path) -> bool {
    let has = |name: &str| directory.join(name).is_dir();
    has("cells") && (has("configs") || has("logs") || directory.join("results.csv").is_file())
}

/// True for the directory of a run, also if one of its files is missing.
fn is_run(directory: &Path) -> bool {
    let files = [
        "config.toml",
        "manifest.json",
        "metrics.jsonl",
        "checkpoints",
    ];
    let n_found = files.iter().filter(|name| directory.join(name).exists());
    n_found.count() >= 2
}

/// Describes a study by the directories of its cells.
fn study(directory: &Path) -> ListedStudy {
    let cells = directories(&directory.join("cells")).unwrap_or_default();
    let runs: Vec<RunDirectory> = cells
        .iter()
        .filter_map(|cell| RunDirectory::open(cell).ok())
        .collect();
    let started = runs.iter().filter_map(|run| started(run).ok().flatten());
    let reported = input_file::read(&directory.join("summary.json")).ok();
    let reported = reported.and_then(|bytes| {
        let summary: Value = serde_json::from_slice(&bytes).ok()?;
        usize::try_from(summary["n_cells"].as_u64()?).ok()
    });
    let configs = std::fs::read_dir(directory.join("configs"));
    let n_started = configs.map_or(0, Iterator::count).max(runs.len());
    let n_finished = runs.iter().filter(|run| run.summary().is_file()).count();
    let is_running = |run: &&RunDirectory| !run.summary().is_file() && run.is_locked();
    ListedStudy {
        path: directory.to_owned(),
        started_unix_secs: started.min(),
        n_finished,
        n_running: runs.iter().filter(is_running).count(),
        n_cells: reported.unwrap_or_default().max(n_started),
    }
}

/// Start of the first process of a run.
fn started(run: &RunDirectory) -> Result<Option<u64>> {
    let manifest = Manifest::read(&run.manifest())?;
    Ok(manifest
        .sessions
        .first()
        .map(|session| session.started_unix_secs))
}

/// Describes a run by its files.
fn run(directory: &Path) -> ListedRun {
    let mut listed = ListedRun {
        path: directory.to_owned(),
        state: RunState::Stopped,
        started_unix_secs: None,
        step: None,
        epochs_done: None,
        epochs: None,
        best: None,
        test: None,
        seconds: None,
        config: None,
    };
    if let Err(error) = describe(&mut listed) {
        listed.state = RunState::Damaged(error.to_string());
    }
    listed
}

/// Fills in what the files of a run say, as far as the first one that cannot be read.
fn describe(listed: &mut ListedRun) -> Result<()> {
    let run = RunDirectory::open(&listed.path)?;
    listed.step = newest_checkpoint(&run);
    let manifest = Manifest::read(&run.manifest())?;
    let first = manifest.sessions.first();
    listed.started_unix_secs = first.map(|session| session.started_unix_secs);
    let file = first.and_then(|session| {
        let mut arguments = session.command.iter();
        arguments.find(|argument| argument.ends_with(".toml"))
    });
    listed.config = file.cloned();
    let summary = RunSummary::read(&run)?;
    if let Some(summary) = &summary {
        listed.state = RunState::Finished;
        listed.seconds = Some(summary.seconds);
        let metric = |split: &str, name: &str| {
            let value = *summary.metrics.get(&format!("{split}_{name}"))?;
            let name = name.to_owned();
            Some(NamedValue { name, value })
        };
        let names = summary.metrics.keys();
        if let Some(name) = names
            .filter_map(|name| name.strip_prefix("validation_"))
            .next()
        {
            listed.best = metric("validation", name);
            listed.test = metric("test", name);
        }
    } else if run.is_locked() {
        listed.state = RunState::Running;
    } else if let Some(reason) = last_error(&run) {
        listed.state = RunState::Failed(reason);
    }
    let config = Config::read(&run.config(), &[]).map_err(|error| error.into_error())?;
    listed.epochs = Some(config.spec.training.epochs);
    if listed.config.is_none() {
        listed.config = Some(config.spec.name.clone());
    }
    let task = Task::from_config(&config.spec.model);
    let log = ValidationLog::read(&run, task, summary.is_some());
    listed.epochs_done = log.epochs_done.or(Some(0));
    if summary.is_none() {
        listed.best = log.best;
    }
    Ok(())
}

/// Error that the last process of a run ended with; `None` if it was stopped or killed.
fn last_error(run: &RunDirectory) -> Option<String> {
    let line = last_line(&run.log())?;
    let message = line.strip_prefix(ERROR_START)?;
    (!message.starts_with(STOPPED)).then(|| message.to_owned())
}

/// Step of the newest checkpoint, which is the name of its directory.
fn newest_checkpoint(run: &RunDirectory) -> Option<usize> {
    let entries = std::fs::read_dir(run.checkpoints()).ok()?;
    let steps = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    steps.max()
}

/// What the log of a run says about its validations.
#[derive(Default)]
struct ValidationLog {
    epochs_done: Option<usize>,
    best: Option<NamedValue>,
}

/// One line of `metrics.jsonl`, without the fields that are not needed.
#[derive(Deserialize)]
struct Record {
    epoch: usize,
    split: String,
    name: String,
    value: Option<f64>,
}

/// Number of bytes at the end of the log of a finished run in which its last validation is looked for.
const TAIL_BYTES: u64 = 1 << 16;

impl ValidationLog {
    /// Reads the log; of a finished run only its end, since its summary has the rest. Lines that cannot be read are
    /// skipped: the last one may be half written.
    fn read(run: &RunDirectory, task: Task, is_finished: bool) -> Self {
        let mut log = Self::default();
        let Ok(mut file) = input_file::open(&run.metrics()) else {
            return log;
        };
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if is_finished && length > TAIL_BYTES {
            // If it fails, more is read than is needed.
            let _ = file.seek(SeekFrom::Start(length - TAIL_BYTES));
        }
        let metric = task.metrics().first().copied().unwrap_or_default();
        let name = format!("\"name\":\"{metric}\"");
        for line in BufReader::new(file.take(length)).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line);
            // Most lines are of other metrics; finding that out without parsing them is much faster.
            if !line.contains(&name) {
                continue;
            }
            let record = serde_json::from_str::<Record>(&line);
            let Ok(record) = record else { continue };
            if record.split != "validation" || record.name != metric {
                continue;
            }
            log.epochs_done = Some(record.epoch + 1);
            let Some(value) = record.value else { continue };
            let score = |value: f64| task.metric_from_score(value);
            if log
                .best
                .as_ref()
                .is_none_or(|best| score(value) > score(best.value))
            {
                let name = metric.to_owned();
                log.best = Some(NamedValue { name, value });
            }
        }
        log
    }
}
