//! Cells run by processes of this machine, so many at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use super::study::{Cell, Study};
use crate::run::{RunDirectory, write_atomically};

/// How far a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellState {
    /// Not begun.
    Waiting,
    /// Begun, and no process is at it.
    Stopped,
    /// A process is at it.
    Running,
    /// Its summary is written.
    Finished,
}

/// What the pool has to tell.
#[derive(Debug, Clone)]
pub enum PoolEvent<'a> {
    /// A process began a cell, or went on with it.
    Started(&'a Cell),
    /// A cell is finished.
    Finished(&'a Cell),
    /// A cell ended without a result; the last that its process said.
    Failed(&'a Cell, String),
}

/// Time between two looks at the processes.
const POLL: Duration = Duration::from_millis(100);

/// Exit code of a process that was stopped with a checkpoint.
const STOPPED: i32 = 75;

/// What the processes of a cell said.
fn log_of(out: &Path, cell: &Cell) -> PathBuf {
    out.join("logs").join(format!("{}.txt", cell.id))
}

/// How far a cell is, by what lies in its directory and who holds it.
pub fn state_of(out: &Path, cell: &Cell) -> CellState {
    let Ok(run) = RunDirectory::open(&cell.directory(out)) else {
        return CellState::Waiting;
    };
    if run.summary().is_file() {
        return CellState::Finished;
    }
    match run.lock() {
        Ok(_) => CellState::Stopped,
        Err(_) => CellState::Running,
    }
}

struct Worker<'a> {
    cell: &'a Cell,
    process: Child,
}

/// Runs the cells that are not finished, `n_jobs` at a time, each with so many threads; returns whether all
/// are finished. Asked to stop, it passes that on and waits for the checkpoints.
///
/// Cells that another process holds are waited for; a cell that fails is told of, and the others go on. What
/// was killed is taken up from its newest checkpoint.
///
/// # Errors
///
/// One sentence if a directory cannot be written or a process cannot be started.
pub fn run_cells(
    study: &Study,
    out: &Path,
    n_jobs: usize,
    n_threads: usize,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(PoolEvent<'_>),
) -> Result<bool, String> {
    let configs = out.join("configs");
    for directory in [&configs, &out.join("logs")] {
        std::fs::create_dir_all(directory)
            .map_err(|error| format!("{}: cannot be made: {error}", directory.display()))?;
    }
    let mut waiting: VecDeque<&Cell> = study.cells.iter().collect();
    let mut workers: Vec<Worker<'_>> = Vec::new();
    let mut is_whole = true;
    let mut is_stopping = false;
    while !waiting.is_empty() || !workers.is_empty() {
        if stop.load(Ordering::Relaxed) && !is_stopping {
            is_stopping = true;
            waiting.clear();
            is_whole = false;
            workers
                .iter()
                .for_each(|worker| ask_to_stop(&worker.process));
        }
        for _ in 0..waiting.len() {
            if workers.len() == n_jobs {
                break;
            }
            let Some(cell) = waiting.pop_front() else {
                break;
            };
            match state_of(out, cell) {
                CellState::Finished => tell(PoolEvent::Finished(cell)),
                // By another pool: looked at again later.
                CellState::Running => waiting.push_back(cell),
                state => {
                    let process = start(out, &configs, cell, state, n_threads)?;
                    workers.push(Worker { cell, process });
                    tell(PoolEvent::Started(cell));
                }
            }
        }
        sleep(POLL);
        let mut at_work = Vec::new();
        for mut worker in workers {
            match worker.process.try_wait() {
                Ok(None) => at_work.push(worker),
                Ok(Some(status)) if status.success() => tell(PoolEvent::Finished(worker.cell)),
                Ok(Some(status)) if status.code() == Some(STOPPED) => is_whole = false,
                Ok(Some(status)) => {
                    is_whole = false;
                    let said = last_line(&log_of(out, worker.cell));
                    tell(PoolEvent::Failed(worker.cell, format!("{said} ({status})")));
                }
                Err(error) => return Err(format!("a process cannot be waited for: {error}")),
            }
        }
        workers = at_work;
    }
    Ok(is_whole)
}

fn start(
    out: &Path,
    configs: &Path,
    cell: &Cell,
    state: CellState,
    n_threads: usize,
) -> Result<Child, String> {
    let config = configs.join(format!("{}.toml", cell.id));
    write_atomically(&config, cell.config.to_toml().as_bytes())
        .map_err(|error| format!("{}: cannot be written: {error}", config.display()))?;
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_of(out, cell))
        .map_err(|error| {
            format!(
                "{}: cannot be written: {error}",
                log_of(out, cell).display()
            )
        })?;
    let program = std::env::current_exe()
        .map_err(|error| format!("this program cannot be found again: {error}"))?;
    let mut command = Command::new(program);
    command.arg("train");
    match state {
        CellState::Waiting => command.arg(&config).arg("--out").arg(cell.directory(out)),
        _ => command.arg("--resume").arg(cell.directory(out)),
    };
    command
        .env("RAYON_NUM_THREADS", n_threads.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .map_err(|error| format!("a process cannot be started: {error}"))
}

/// As a person at the terminal would.
fn ask_to_stop(process: &Child) {
    let id = process.id().to_string();
    let _ = Command::new("kill")
        .args(["-TERM", &id])
        .stderr(Stdio::null())
        .status();
}

fn last_line(log: &Path) -> String {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    said.lines().last().unwrap_or("it said nothing").to_owned()
}
