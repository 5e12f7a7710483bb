//! `ablate`: the runs of a study, and what they say.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::output::{print, tell};
use super::pool_progress::PoolProgress;
use super::progress::Bar;
use super::stop::stop_flag;
use super::train::{DEFAULT_DEVICE, begin_at, dry_run_of, resume_at};
use super::{Failure, comparison_tables, tables};
use crate::experiment::{
    CellState, Pool, Slurm, Study, collect, run_cells, state_of, write_report, write_tensorboard,
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
    /// Cells run at a time, each in a process of its own [default: 1, or all that Slurm has room for].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Threads of each [default: those of the machine, shared, or those that Slurm gives a task].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Device of each; several, with commas, are dealt out in turn.
    #[arg(long, default_value = DEFAULT_DEVICE, value_delimiter = ',')]
    device: Vec<String>,
    /// What runs the cells.
    #[arg(long, value_enum, default_value_t)]
    launcher: Launcher,
    /// Run this cell alone, by number or id, in this process: begun, gone on with or done already. For schedulers.
    #[arg(long, value_name = "CELL", conflicts_with_all = ["dry_run", "jobs", "threads", "launcher"])]
    cell: Option<String>,
    /// Options of sbatch, as `-- --partition=gpu --time=4:00:00`.
    #[arg(last = true, value_name = "OPTIONS")]
    launcher_options: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Launcher {
    /// Processes of this machine.
    #[default]
    Local,
    /// Job arrays of a Slurm cluster, and a job that collects.
    Slurm,
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
            if arguments.launcher == Launcher::Local && !arguments.launcher_options.is_empty() {
                let message = "options after `--` are for --launcher slurm";
                return Err(Failure::CouldNotRun(message.to_owned()));
            }
            match (&arguments.cell, arguments.launcher) {
                (Some(cell), _) => run_one(&study, &out, cell, &arguments.device[0]),
                (None, Launcher::Slurm) => submit(file, &study, &out, arguments),
                (None, Launcher::Local) if arguments.dry_run => {
                    plan(&study, arguments.jobs.unwrap_or(1))
                }
                (None, Launcher::Local) => run_all(&study, &out, arguments),
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
    print(&format!(
        "{}\n{}{}{} cells, about {} of training steps, {} with {n_jobs} at a time if they do not share cores\n",
        study.question,
        comparison_tables::cells(study, |cell| tables::duration(seconds[cell.variant])),
        comparison_tables::equal_times(study, &seconds),
        study.cells.len(),
        tables::duration(total),
        tables::duration(total / f64::from(n_jobs))
    ))
}

fn run_one(study: &Study, out: &Path, name: &str, device: &str) -> Result<(), Failure> {
    let cell = study.cell_named(name).map_err(Failure::CouldNotRun)?;
    let root = cell.directory(out);
    if state_of(out, cell) == CellState::Running {
        tell(&format!(
            "{}: another process is at this cell; waiting for it",
            root.display()
        ));
        let stop = stop_flag()
            .map_err(|error| Failure::CouldNotRun(format!("cannot listen to signals: {error}")))?;
        while state_of(out, cell) == CellState::Running {
            if stop.load(Ordering::Relaxed) {
                return Err(Failure::Interrupted(
                    "stopped while another process was at the cell".to_owned(),
                ));
            }
            sleep(Duration::from_millis(200));
        }
    }
    match root.exists() {
        true => resume_at(&root),
        false => begin_at(&cell.config, &root, device),
    }
}

fn run_all(study: &Study, out: &Path, arguments: &RunArguments) -> Result<(), Failure> {
    let stop = stop_flag()
        .map_err(|error| Failure::CouldNotRun(format!("cannot listen to signals: {error}")))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let n_jobs = arguments.jobs.map_or(1, usize::from);
    let pool = Pool {
        n_jobs,
        n_threads: arguments
            .threads
            .map_or((cores / n_jobs).max(1), usize::from),
        devices: arguments.device.clone(),
    };
    let mut progress = PoolProgress::new(study);
    let is_whole = run_cells(study, out, &pool, &stop, &mut |event| progress.tell(&event));
    progress.finish();
    let is_whole = is_whole.map_err(Failure::CouldNotRun)?;
    report(study, out)?;
    match (&progress.failures[..], is_whole) {
        ([first, ..], _) => Err(Failure::No(format!(
            "{} of {} cells failed; the first: {first}",
            progress.failures.len(),
            study.cells.len()
        ))),
        ([], false) => Err(Failure::Interrupted(
            "stopped, with checkpoints; go on with the same command".to_owned(),
        )),
        ([], true) => Ok(()),
    }
}

fn submit(file: &Path, study: &Study, out: &Path, arguments: &RunArguments) -> Result<(), Failure> {
    let [device] = &arguments.device[..] else {
        return Err(Failure::CouldNotRun(
            "a launcher of Slurm takes one --device".to_owned(),
        ));
    };
    let slurm = Slurm {
        n_running: arguments.jobs.map(usize::from),
        n_threads: arguments.threads.map(usize::from),
        device: device.clone(),
        options: arguments.launcher_options.clone(),
    };
    if arguments.dry_run {
        plan(study, arguments.jobs.unwrap_or(1))?;
        let said = slurm
            .try_out(file, study, out)
            .map_err(Failure::CouldNotRun)?;
        return print(&format!("{said}\n"));
    }
    match slurm
        .submit(file, study, out)
        .map_err(Failure::CouldNotRun)?
    {
        None => report(study, out),
        Some(submitted) => print(&format!(
            "{} cells in array {}; job {} collects them into {} when they have ended; `ablate status` tells how far \
             they are\n",
            submitted.n_cells,
            submitted.arrays.join(", "),
            submitted.collecting,
            out.display()
        )),
    }
}

fn report(study: &Study, out: &Path) -> Result<(), Failure> {
    let collected = collect(study, out).map_err(Failure::CouldNotRun)?;
    let command: Vec<String> = std::env::args().collect();
    write_report(study, &collected, out, &command.join(" ")).map_err(Failure::CouldNotRun)?;
    write_tensorboard(study, &collected, out).map_err(Failure::CouldNotRun)?;
    print(&comparison_tables::study(study, &collected))?;
    tell(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}
