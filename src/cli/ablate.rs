//! `ablate`: the runs of a study, and what they say.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::{Args, Subcommand};

use super::output::{print, tell};
use super::progress::Bar;
use super::stop::stop_flag;
use super::train::{begin_at, dry_run_of, resume_at};
use super::{Failure, comparison_tables, tables};
use crate::experiment::{
    Cell, CellState, PoolEvent, Study, collect, run_cells, state_of, write_report,
};

/// Arguments of `ablate`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AblateArguments {
    #[command(subcommand)]
    command: Option<AblateCommand>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Subcommand)]
enum AblateCommand {
    /// Say how far each cell is.
    Status(Place),
    /// Collect the results of the cells that are finished.
    Collect(Place),
}

#[derive(Debug, Args)]
struct Place {
    /// The study file.
    study: PathBuf,
    /// Directory of the cells and results [default: runs/<name of the study's directory>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// The study file.
    #[arg(required = true)]
    study: Option<PathBuf>,
    /// Directory of the cells and results [default: runs/<name of the study's directory>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the cells and how long they will take, and run none.
    #[arg(long)]
    dry_run: bool,
    /// Cells run at a time, each in a process of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Threads of each [default: those of the machine, shared].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Run this cell alone, in this process: begun, gone on with or done already. For schedulers.
    #[arg(long, value_name = "N", conflicts_with_all = ["dry_run", "jobs", "threads"])]
    cell: Option<usize>,
}

/// Runs a study, or a part of it.
pub fn run(arguments: &AblateArguments) -> Result<(), Failure> {
    match (&arguments.command, &arguments.run) {
        (Some(AblateCommand::Status(Place { study, out })), _) => {
            let (study, out) = opened(study, out.as_deref())?;
            print(&comparison_tables::cells(&study, |cell| {
                state_name(state_of(&out, cell))
            }))
        }
        (Some(AblateCommand::Collect(Place { study, out })), _) => {
            let (study, out) = opened(study, out.as_deref())?;
            report(&study, &out)
        }
        (None, arguments) => {
            let file = arguments
                .study
                .as_deref()
                .unwrap_or(Path::new("study.toml"));
            let (study, out) = opened(file, arguments.out.as_deref())?;
            match arguments.cell {
                _ if arguments.dry_run => plan(&study, arguments.jobs),
                Some(number) => run_one(&study, &out, number),
                None => run_all(&study, &out, arguments),
            }
        }
    }
}

fn opened(file: &Path, out: Option<&Path>) -> Result<(Study, PathBuf), Failure> {
    let study = Study::read(file).map_err(Failure::CouldNotRun)?;
    let out = out.map_or_else(|| Path::new("runs").join(&study.name), Path::to_owned);
    Ok((study, out))
}

fn state_name(state: CellState) -> String {
    match state {
        CellState::Waiting => "not begun",
        CellState::Stopped => "stopped",
        CellState::Running => "running",
        CellState::Finished => "finished",
    }
    .to_owned()
}

/// The cells, numbered, and the time they will take.
fn plan(study: &Study, n_jobs: u16) -> Result<(), Failure> {
    let mut bar = Bar::new(study.variants.len(), "variants timed");
    let mut seconds = Vec::with_capacity(study.variants.len());
    for variant in 0..study.variants.len() {
        let cell = study.cells.iter().find(|cell| cell.variant == variant);
        let found = cell.map(|cell| dry_run_of(&cell.config)).transpose()?;
        seconds.push(found.map_or(0.0, |found| {
            found.seconds_per_step * found.total_steps as f64
        }));
        bar.set(variant + 1);
    }
    bar.finish();
    let total: f64 = study.cells.iter().map(|cell| seconds[cell.variant]).sum();
    let list = comparison_tables::cells(study, |cell| tables::duration(seconds[cell.variant]));
    print(&format!(
        "{}\n{list}{} cells, about {} of training steps, {} with {n_jobs} at a time if they do not share cores\n",
        study.question,
        study.cells.len(),
        tables::duration(total),
        tables::duration(total / f64::from(n_jobs))
    ))
}

fn run_one(study: &Study, out: &Path, number: usize) -> Result<(), Failure> {
    let cell = study.cells.get(number).ok_or_else(|| {
        Failure::CouldNotRun(format!(
            "there is no cell {number}, expected one of 0 to {}",
            study.cells.len() - 1
        ))
    })?;
    let root = cell.directory(out);
    match root.exists() {
        true => resume_at(&root),
        false => begin_at(&cell.config, &root),
    }
}

fn run_all(study: &Study, out: &Path, arguments: &RunArguments) -> Result<(), Failure> {
    let stop = stop_flag()
        .map_err(|error| Failure::CouldNotRun(format!("cannot listen to signals: {error}")))?;
    let stop: &AtomicBool = &stop;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let n_jobs = usize::from(arguments.jobs);
    let n_threads = arguments
        .threads
        .map_or((cores / n_jobs).max(1), usize::from);
    let mut bar = Bar::new(study.cells.len(), "cells");
    let mut n_finished = 0;
    let mut failures = Vec::new();
    let named = |cell: &Cell| {
        format!(
            "{} {}, seed {}",
            cell.id, study.variants[cell.variant].name, cell.seed
        )
    };
    let is_whole = run_cells(
        study,
        out,
        n_jobs,
        n_threads,
        stop,
        &mut |event| match event {
            PoolEvent::Started(cell) => bar.tell(&format!("{} | begun", named(cell))),
            PoolEvent::Finished(cell) => {
                n_finished += 1;
                bar.set(n_finished);
                bar.tell(&format!("{} | finished", named(cell)));
            }
            PoolEvent::Failed(cell, said) => {
                let line = format!("{} | failed: {said}", named(cell));
                bar.tell(&line);
                failures.push(line);
            }
        },
    );
    let is_whole = is_whole.map_err(Failure::CouldNotRun)?;
    bar.finish();
    report(study, out)?;
    match (&failures[..], is_whole) {
        ([first, ..], _) => Err(Failure::No(format!(
            "{} of {} cells failed; the first: {first}",
            failures.len(),
            study.cells.len()
        ))),
        ([], false) => Err(Failure::Interrupted(
            "stopped, with checkpoints; go on with the same command".to_owned(),
        )),
        ([], true) => Ok(()),
    }
}

fn report(study: &Study, out: &Path) -> Result<(), Failure> {
    let collected = collect(study, out).map_err(Failure::CouldNotRun)?;
    let command: Vec<String> = std::env::args().collect();
    write_report(study, &collected, out, &command.join(" ")).map_err(Failure::CouldNotRun)?;
    print(&comparison_tables::study(study, &collected))?;
    tell(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}
