//! `ablate`: runs a study and reports its results.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::output::{log, output_path, print, print_json};
use super::pool_progress::PoolProgress;
use super::progress::Bar;
use super::stop::stop_flag;
use super::train::{estimate_cost, resume_at, start_at};
use super::{DEFAULT_DEVICE, Failure, comparison_tables, tables};
use crate::experiment::{
    Cell, CellState, Pool, Slurm, Study, StudyResults, cell_state, claim_study_directory, collect,
    is_taken, last_line, log_path, run_cells, write_report,
};
use crate::run::{ERROR_START, STOPPED, check_device};

/// Arguments of `ablate`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct AblateArguments {
    #[command(subcommand)]
    command: Option<AblateCommand>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Subcommand)]
enum AblateCommand {
    /// Show the status of every cell.
    Status(StudyLocation),
    /// Collect the results of all finished cells, and write the report.
    Collect(CollectArguments),
}

/// Study file and directory of its cells.
#[derive(Debug, Args)]
struct StudyLocation {
    /// Study file.
    study: PathBuf,
    /// Directory of the cells and results [default: runs/<name of the study's directory>].
    #[arg(long = "output", alias = "out", value_name = "DIR", value_parser = output_path())]
    out: Option<PathBuf>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CollectArguments {
    #[command(flatten)]
    location: StudyLocation,
    /// Replace files of the same names that no earlier report wrote.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// Study file.
    #[arg(required = true)]
    study: Option<PathBuf>,
    /// Directory of the cells and results [default: runs/<name of the study's directory>].
    #[arg(long = "output", alias = "out", value_name = "DIR", value_parser = output_path())]
    out: Option<PathBuf>,
    /// Write into a directory that has other files, and replace those of the report's names.
    #[arg(long)]
    force: bool,
    /// Print the cells and their expected duration, without running any of them.
    #[arg(long)]
    dry_run: bool,
    /// Number of cells that run at the same time, each in its own process [default: 1; no limit with Slurm]. Cells that
    /// an earlier `ablate` of this study left running on this machine count too.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Device of the cells; several devices, separated by commas, are assigned in turn.
    #[arg(long, default_value = DEFAULT_DEVICE, value_delimiter = ',')]
    device: Vec<String>,
    /// Launcher that starts the cells.
    #[arg(long, value_enum, default_value_t)]
    launcher: Launcher,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Run only the cell with this number or id, in this process, or resume it; meant for schedulers.
    #[arg(long, value_name = "CELL", conflicts_with_all = ["dry_run", "jobs", "launcher", "json"])]
    cell: Option<String>,
    /// Options for sbatch, as in `-- --partition=gpu --time=4:00:00`.
    #[arg(last = true, value_name = "OPTIONS")]
    launcher_options: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Launcher {
    /// Processes on this machine.
    #[default]
    Local,
    /// Job arrays on a Slurm cluster, followed by a job that collects the results.
    Slurm,
}

/// Runs a study or one of its cells, shows its status, or collects its results.
///
/// `threads` is the number of threads of each cell.
pub(super) fn run(arguments: &AblateArguments, threads: Option<NonZeroU16>) -> Result<(), Failure> {
    let threads = threads.map(|n| usize::from(n.get()));
    match (&arguments.command, &arguments.run) {
        (Some(AblateCommand::Status(StudyLocation { study, out, json })), _) => {
            let (study, out) = open_study(study, out.as_deref())?;
            if *json {
                return print_json(&status_json(&study, &out));
            }
            print(&comparison_tables::cells(&study, "state", |cell| {
                state(&out, cell)
            }))
        }
        (Some(AblateCommand::Collect(CollectArguments { location, force })), _) => {
            let (study, out) = open_study(&location.study, location.out.as_deref())?;
            let collected = collect(&study, &out)?;
            if collected.n_finished() == 0 {
                return Err(Failure::Error(format!(
                    "no cell of this study is finished in {}, so there is nothing to collect; run the study with `ablate {}`",
                    out.display(),
                    location.study.display()
                )));
            }
            report(&study, &collected, &out, *force, location.json)
        }
        (None, arguments) => {
            // The parser requires the file if there is no subcommand, so the default is never used.
            let file = arguments
                .study
                .as_deref()
                .unwrap_or(Path::new("study.toml"));
            let (study, out) = open_study(file, arguments.out.as_deref())?;
            if arguments.launcher == Launcher::Local && !arguments.launcher_options.is_empty() {
                let message =
                    "options after `--` are passed to sbatch; use them with --launcher slurm only";
                return Err(Failure::Error(message.to_owned()));
            }
            match (&arguments.cell, arguments.launcher) {
                (Some(cell), _) => run_one(&study, &out, cell, arguments),
                (None, Launcher::Slurm) => submit(file, &study, &out, arguments, threads),
                (None, Launcher::Local) if arguments.dry_run => plan(&study, arguments),
                (None, Launcher::Local) => run_all(&study, &out, arguments, threads),
            }
        }
    }
}

/// Reads a study, and determines the directory of its results.
fn open_study(file: &Path, out: Option<&Path>) -> Result<(Study, PathBuf), Failure> {
    let study = Study::read(file)?;
    // Cells share most of their settings, so each warning is logged once only.
    let warnings: BTreeSet<&String> = study
        .cells
        .iter()
        .flat_map(|cell| &cell.config.warnings)
        .collect();
    for warning in warnings {
        log(warning);
    }
    let out = out.map_or_else(|| Path::new("runs").join(&study.name), Path::to_owned);
    Ok((study, out))
}

/// State of a cell, and the reason if it failed, as shown by `ablate status`.
fn state(out: &Path, cell: &Cell) -> String {
    let unless_failed = |name: &str| match failure(out, cell) {
        Some(reason) => format!("failed: {reason}"),
        None => name.to_owned(),
    };
    match cell_state(out, cell) {
        // A cell may fail before it has a run directory, for example because its data are missing.
        CellState::NotStarted => unless_failed("not started"),
        CellState::Stopped => unless_failed("stopped"),
        CellState::Running => "running".to_owned(),
        CellState::Finished => "finished".to_owned(),
    }
}

/// State of every cell as JSON, as `ablate status` shows it.
fn status_json(study: &Study, out: &Path) -> Value {
    let cells = study.cells.iter().map(|cell| {
        let state = state(out, cell);
        let (state, reason) = match state.split_once(": ") {
            Some((state, reason)) => (state, Some(reason)),
            None => (&*state, None),
        };
        json!({
            "id": cell.id,
            "variant": study.variants[cell.variant].name,
            "seed": cell.seed,
            "state": state,
            "reason": reason,
            "directory": cell.directory(out),
        })
    });
    cells.collect()
}

/// Error that the last process of a cell ended with; `None` if it was stopped or killed, or there was none.
fn failure(out: &Path, cell: &Cell) -> Option<String> {
    // An error is the last line that a process writes; the next process appends its own lines.
    let line = last_line(&log_path(out, cell))?;
    let message = line.strip_prefix(ERROR_START)?;
    (!message.starts_with(STOPPED)).then(|| message.to_owned())
}

/// Appends a line to the log of a cell, which shows `ablate status` whether the cell failed.
fn append_to_log(out: &Path, cell: &Cell, line: &str) {
    let log = log_path(out, cell);
    let append = || -> std::io::Result<()> {
        std::fs::create_dir_all(out.join("logs"))?;
        writeln!(
            File::options().create(true).append(true).open(&log)?,
            "{line}"
        )
    };
    // Best effort: a problem with files that matters ends the training itself.
    let _ = append();
}

/// Time of all cells in a sentence: one after another and, if `n_jobs` is above 1, that many at the same time.
fn total_time(seconds: f64, n_cells: usize, n_jobs: usize) -> String {
    let total = format!(
        "about {} of training steps one after another",
        tables::duration(seconds)
    );
    // Without a cell to run, a process saves no time.
    match n_jobs.min(n_cells) {
        0 | 1 => total,
        n_used => format!(
            "{total}; {} with --jobs {n_jobs} if each has its own cores",
            tables::duration(seconds / n_used as f64)
        ),
    }
}

/// Prints the cells of a study and the time that they will take.
fn plan(study: &Study, arguments: &RunArguments) -> Result<(), Failure> {
    // Devices are assigned in turn; the first one stands for all.
    let device = &arguments.device[0];
    // Without `--jobs`, cells run one after another here; on a cluster, nobody knows how many run at the same time.
    let n_jobs = arguments.jobs.map_or(1, usize::from);
    let mut bar = Bar::new(study.variants.len(), "variants timed");
    let mut seconds = Vec::with_capacity(study.variants.len());
    for variant in 0..study.variants.len() {
        // Cells of a variant differ only in the seed, so that timing one of them is enough.
        let cell = study.cells.iter().find(|cell| cell.variant == variant);
        let cost = cell
            .map(|cell| estimate_cost(&cell.config, device))
            .transpose()?;
        seconds.push(cost.map_or(0.0, |cost| cost.seconds_per_step * cost.total_steps as f64));
        bar.set(variant + 1);
    }
    bar.finish();
    let total: f64 = study.cells.iter().map(|cell| seconds[cell.variant]).sum();
    if arguments.json {
        return print_json(&plan_json(study, &seconds, total));
    }
    print(&format!(
        "{}\n{}{}{}: {}\n",
        study.question,
        comparison_tables::cells(study, "time", |cell| tables::duration(
            seconds[cell.variant]
        )),
        comparison_tables::equal_times(study, &seconds),
        tables::counted(study.cells.len(), "cell"),
        total_time(total, study.cells.len(), n_jobs)
    ))
}

/// Cells of a study and the time that they will take, in seconds, as JSON.
fn plan_json(study: &Study, seconds: &[f64], total: f64) -> Value {
    let cells = study.cells.iter().map(|cell| {
        json!({
            "id": cell.id,
            "variant": study.variants[cell.variant].name,
            "seed": cell.seed,
            "seconds": seconds[cell.variant],
        })
    });
    let cells: Value = cells.collect();
    json!({ "question": study.question, "cells": cells, "seconds": total })
}

/// Runs or resumes one cell in this process.
fn run_one(study: &Study, out: &Path, name: &str, arguments: &RunArguments) -> Result<(), Failure> {
    let cell = study.find_cell(name)?;
    let device = &arguments.device[0];
    claim_study_directory(out, arguments.force)?;
    loop {
        wait_for_others(out, cell)?;
        let state = cell_state(out, cell);
        match start_or_resume(out, cell, device) {
            // Taken between the test and the start; it is waited for.
            Err(Failure::Error(_)) if is_taken(out, cell, state) => {}
            result => return result,
        }
    }
}

/// Waits until no other process runs a cell.
fn wait_for_others(out: &Path, cell: &Cell) -> Result<(), Failure> {
    // A scheduler may start a cell again while its first process still writes the last checkpoint.
    if cell_state(out, cell) == CellState::Running {
        log(&format!(
            "{}: another process is running this cell; waiting for it",
            cell.directory(out).display()
        ));
        let stop = stop_flag()
            .map_err(|error| Failure::Error(format!("cannot install signal handlers: {error}")))?;
        // Polled, because a lock that may be held on another machine sends no signal when it is released.
        while cell_state(out, cell) == CellState::Running {
            if stop.load(Ordering::Relaxed) {
                return Err(Failure::Interrupted(format!(
                    "{STOPPED} while waiting for another process to finish the cell"
                )));
            }
            sleep(Duration::from_millis(200));
        }
    }
    Ok(())
}

/// Starts a cell in this process, or resumes it.
fn start_or_resume(out: &Path, cell: &Cell, device: &str) -> Result<(), Failure> {
    let root = cell.directory(out);
    append_to_log(out, cell, "started by `ablate --cell`");
    let result = if root.exists() {
        resume_at(&root)
    } else {
        start_at(&cell.config, &root, device)
    };
    if let Err(failure) = &result {
        append_to_log(out, cell, &format!("{ERROR_START}{}", failure.message()));
    }
    result
}

/// Runs all cells in processes of this machine, and reports the results.
fn run_all(
    study: &Study,
    out: &Path,
    arguments: &RunArguments,
    threads: Option<usize>,
) -> Result<(), Failure> {
    // Before any cell is started, each of which would fail by itself.
    for device in &arguments.device {
        check_device(device)?;
    }
    claim_study_directory(out, arguments.force)?;
    let stop = stop_flag()
        .map_err(|error| Failure::Error(format!("cannot install signal handlers: {error}")))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let n_jobs = arguments.jobs.map_or(1, usize::from);
    let pool = Pool {
        n_jobs,
        // At least one thread for each cell, even if more cells than cores run at the same time.
        n_threads: threads.unwrap_or((cores / n_jobs).max(1)),
        devices: arguments.device.clone(),
    };
    let mut progress = PoolProgress::new(study);
    let is_complete = run_cells(study, out, &pool, &stop, &mut |event| progress.log(&event));
    progress.finish();
    let is_complete = is_complete?;
    // The finished cells are reported even if others failed or the study was stopped.
    let collected = collect(study, out)?;
    if collected.n_finished() > 0 {
        report(study, &collected, out, arguments.force, arguments.json)?;
    }
    match (&progress.failures[..], is_complete) {
        ([first, ..], _) => Err(Failure::NegativeResult(format!(
            "{} of {} failed; the first: {first}",
            progress.failures.len(),
            tables::counted(study.cells.len(), "cell")
        ))),
        ([], false) => Err(Failure::Interrupted(format!(
            "{STOPPED}, with checkpoints; resume with the same command"
        ))),
        ([], true) => Ok(()),
    }
}

/// Submits all cells to Slurm.
fn submit(
    file: &Path,
    study: &Study,
    out: &Path,
    arguments: &RunArguments,
    threads: Option<usize>,
) -> Result<(), Failure> {
    let [device] = &arguments.device[..] else {
        return Err(Failure::Error(
            "--device lists several devices, expected one with --launcher slurm".to_owned(),
        ));
    };
    check_device(device)?;
    let slurm = Slurm {
        max_running: arguments.jobs.map(usize::from),
        n_threads: threads,
        device: device.clone(),
        replaces_others: arguments.force,
        options: arguments.launcher_options.clone(),
    };
    claim_study_directory(out, arguments.force)?;
    if arguments.dry_run {
        plan(study, arguments)?;
        let test_report = slurm.test_submission(file, study, out)?;
        if arguments.json {
            // The output is a single JSON value.
            log(&test_report);
            return Ok(());
        }
        return print(&format!("{test_report}\n"));
    }
    match slurm.submit(file, study, out)? {
        None => report(
            study,
            &collect(study, out)?,
            out,
            arguments.force,
            arguments.json,
        ),
        Some(submitted) if arguments.json => print_json(&json!({
            "n_cells": submitted.n_cells,
            "array_jobs": submitted.array_jobs,
            "collect_job": submitted.collect_job,
            "directory": out,
        })),
        Some(submitted) => print(&format!(
            "submitted {} in array {}; job {} will collect the results in {}; `ablate status` shows the status of \
             every cell\n",
            tables::counted(submitted.n_cells, "cell"),
            submitted.array_jobs.join(", "),
            submitted.collect_job,
            out.display()
        )),
    }
}

/// Writes the report, and prints the tables, or the numbers as JSON.
fn report(
    study: &Study,
    collected: &StudyResults,
    out: &Path,
    replaces_others: bool,
    json: bool,
) -> Result<(), Failure> {
    let command: Vec<String> = std::env::args().collect();
    write_report(study, collected, out, &command.join(" "), replaces_others)?;
    if json {
        print_json(&collected.to_json(study))?;
    } else {
        print(&comparison_tables::study(study, collected))?;
    }
    log(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::total_time;

    #[test]
    fn the_total_time_names_jobs_only_where_they_help() {
        let alone = "about 12 min of training steps one after another";
        assert_eq!(total_time(720.0, 4, 1), alone);
        assert_eq!(total_time(720.0, 1, 8), alone);
        assert_eq!(
            total_time(720.0, 4, 2),
            format!("{alone}; 6 min with --jobs 2 if each has its own cores")
        );
        // No more processes than cells.
        assert_eq!(
            total_time(720.0, 4, 8),
            format!("{alone}; 3 min with --jobs 8 if each has its own cores")
        );
    }
}
