//! Cells run by processes of this machine, so many at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

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
    /// What the process of a cell says last.
    Says(&'a Cell, String),
    /// The process of a cell was killed; the cell waits to be gone on with.
    Killed(&'a Cell),
    /// A cell ended without a result; the last that its process said.
    Failed(&'a Cell, String),
}

/// Time between two looks at the processes.
const POLL: Duration = Duration::from_millis(100);

/// Time between two looks at what they say.
const LISTEN: Duration = Duration::from_secs(1);

/// Bytes of a log that its last line lies in.
const TAIL: u64 = 4096;

/// Exit code of a process that was stopped with a checkpoint.
const STOPPED: i32 = 75;

/// Times that a cell whose process is killed is gone on with: a machine without the memory for it kills it always.
const MAX_KILLS: usize = 3;

/// How cells are run.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Cells at a time, each in a process of its own.
    pub n_jobs: usize,
    /// Threads of each.
    pub n_threads: usize,
    /// Devices, dealt to the processes in turn; not empty.
    pub devices: Vec<String>,
}

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
    match run.is_locked() {
        true => CellState::Running,
        false => CellState::Stopped,
    }
}

struct Worker<'a> {
    cell: &'a Cell,
    process: Child,
    /// Place among those that work at a time.
    slot: usize,
    /// The last line that was told, and when it was looked for.
    said: String,
    heard: Instant,
}

/// Runs the cells that are not finished; returns whether all are. Asked to stop, it passes that on and waits for
/// the checkpoints.
///
/// Cells that another process holds are waited for; a cell that fails is told of, and the others go on. What
/// was killed is taken up from its newest checkpoint.
///
/// # Errors
///
/// One sentence if the directories of configurations and logs cannot be made.
pub fn run_cells(
    study: &Study,
    out: &Path,
    pool: &Pool,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(PoolEvent<'_>),
) -> Result<bool, String> {
    for directory in ["configs", "logs"] {
        let directory = out.join(directory);
        std::fs::create_dir_all(&directory)
            .map_err(|error| format!("{}: cannot be made: {error}", directory.display()))?;
    }
    let mut waiting: VecDeque<&Cell> = study.cells.iter().collect();
    let mut workers: Vec<Worker<'_>> = Vec::new();
    let mut n_kills: BTreeMap<&str, usize> = BTreeMap::new();
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
            let is_free = |slot: &usize| workers.iter().all(|worker| worker.slot != *slot);
            let Some(slot) = (0..pool.n_jobs).find(is_free) else {
                break;
            };
            let Some(cell) = waiting.pop_front() else {
                break;
            };
            match state_of(out, cell) {
                CellState::Finished => tell(PoolEvent::Finished(cell)),
                // By another pool: looked at again later.
                CellState::Running => waiting.push_back(cell),
                state => match start(out, cell, state, pool, slot) {
                    Ok(process) => {
                        workers.push(Worker {
                            cell,
                            process,
                            slot,
                            said: String::new(),
                            heard: Instant::now(),
                        });
                        tell(PoolEvent::Started(cell));
                    }
                    Err(said) => {
                        is_whole = false;
                        tell(PoolEvent::Failed(cell, said));
                    }
                },
            }
        }
        sleep(POLL);
        let mut at_work = Vec::new();
        for mut worker in workers {
            let cell = worker.cell;
            let ended = match worker.process.try_wait() {
                Ok(ended) => ended,
                Err(error) => {
                    is_whole = false;
                    tell(PoolEvent::Failed(
                        cell,
                        format!("its process cannot be waited for: {error}"),
                    ));
                    continue;
                }
            };
            let kills = n_kills.entry(&cell.id).or_default();
            match ended {
                None => {
                    if worker.heard.elapsed() > LISTEN {
                        worker.heard = Instant::now();
                        let said = last_line(&log_of(out, cell));
                        if said != worker.said {
                            tell(PoolEvent::Says(cell, said.clone()));
                            worker.said = said;
                        }
                    }
                    at_work.push(worker);
                }
                Some(status) if status.success() => tell(PoolEvent::Finished(cell)),
                Some(status) if status.code() == Some(STOPPED) => is_whole = false,
                // By a signal.
                Some(status) if status.code().is_none() && *kills < MAX_KILLS && !is_stopping => {
                    *kills += 1;
                    tell(PoolEvent::Killed(cell));
                    waiting.push_back(cell);
                }
                Some(status) => {
                    is_whole = false;
                    let said = last_line(&log_of(out, cell));
                    tell(PoolEvent::Failed(cell, format!("{said} ({status})")));
                }
            }
        }
        workers = at_work;
    }
    Ok(is_whole)
}

fn start(
    out: &Path,
    cell: &Cell,
    state: CellState,
    pool: &Pool,
    slot: usize,
) -> Result<Child, String> {
    let cannot = |path: &Path, error: &dyn Display| {
        format!("{}: cannot be written: {error}", path.display())
    };
    let config = out.join("configs").join(format!("{}.toml", cell.id));
    write_atomically(&config, cell.config.to_toml().as_bytes())
        .map_err(|error| cannot(&config, &error))?;
    let log = log_of(out, cell);
    let stderr = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(|error| cannot(&log, &error))?;
    let program = std::env::current_exe()
        .map_err(|error| format!("this program cannot be found again: {error}"))?;
    let mut command = Command::new(program);
    command.arg("train");
    match state {
        CellState::Waiting => command
            .arg(&config)
            .arg("--out")
            .arg(cell.directory(out))
            .args(["--device", &pool.devices[slot % pool.devices.len()]]),
        // On the device that it was begun on: another would give other digits.
        _ => command.arg("--resume").arg(cell.directory(out)),
    };
    command
        .env("RAYON_NUM_THREADS", pool.n_threads.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(stderr))
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
    let end = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let end = end().unwrap_or_default();
    let said = String::from_utf8_lossy(&end);
    said.lines().last().unwrap_or("it said nothing").to_owned()
}
