//! Runs the cells of a study in worker processes on this machine, several at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::study::{Cell, Study};
use crate::error::{Error, Result};
use crate::input_file;
use crate::run::{RunDirectory, write_atomically};

/// Progress of one cell, as far as its run directory shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellState {
    /// The cell has no run directory yet.
    NotStarted,
    /// The cell was started but is not finished, and no process is running it.
    Stopped,
    /// A process is running the cell.
    Running,
    /// The cell has a `summary.json`.
    Finished,
}

/// Progress report of a pool, about one cell.
#[derive(Debug, Clone)]
pub enum PoolEvent<'a> {
    /// A process started the cell, or resumed it.
    Started(&'a Cell),
    /// The cell is finished.
    Finished(&'a Cell),
    /// The last line of the log of the cell's process; sent when it has changed.
    LogLine(&'a Cell, String),
    /// The cell's process was killed; the cell is queued again and resumes from its checkpoint.
    Killed(&'a Cell),
    /// The cell ended without a result; with the last line of its log and the path of the log, or the error.
    Failed(&'a Cell, String),
}

/// Time between two checks of whether the processes have ended.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Time between two reads of the log of a process.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Number of bytes at the end of a log that are read to find its last line.
const TAIL_BYTES: u64 = 4096;

/// Exit code of a process that stopped on request, after writing a checkpoint.
const STOPPED: i32 = 75;

/// Exit code of a process that could not run, as when another one trains in the directory.
const CANNOT_RUN: i32 = 2;

/// Number of times a cell is resumed after its process was killed.
///
/// There is a limit because a machine with too little memory kills the process every time.
const MAX_KILLS: usize = 3;

/// Settings of the worker processes that run cells on this machine.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Number of cells of the study that run on this machine at the same time, each in a process of its own. Those of
    /// other pools count too, as after a pool was killed and its cells run on.
    pub n_jobs: usize,
    /// Number of threads of each process.
    pub n_threads: usize,
    /// Devices, assigned to the processes in turn; not empty.
    pub devices: Vec<String>,
}

/// Returns the path of the file that receives the standard error of a cell's processes.
pub(crate) fn log_path(out: &Path, cell: &Cell) -> PathBuf {
    out.join("logs").join(format!("{}.txt", cell.id))
}

/// Returns the state of a cell, from the files in its run directory and the lock on it.
pub fn cell_state(out: &Path, cell: &Cell) -> CellState {
    let Ok(run) = RunDirectory::open(&cell.directory(out)) else {
        return CellState::NotStarted;
    };
    if run.summary().is_file() {
        return CellState::Finished;
    }
    if run.is_locked() {
        CellState::Running
    } else {
        CellState::Stopped
    }
}

/// True if another process may have taken a cell whose process failed; `started_as` is the state before it was started.
pub fn is_taken(out: &Path, cell: &Cell, started_as: CellState) -> bool {
    match cell_state(out, cell) {
        // A cell that was finished before fails because of its own files.
        CellState::Running | CellState::Finished => started_as != CellState::Finished,
        // Another process may have made the directory and not locked it yet. If it was the process that failed, then the
        // cell is tried once more, from its directory, and fails again.
        CellState::Stopped => started_as == CellState::NotStarted,
        CellState::NotStarted => false,
    }
}

/// A process that runs a cell.
struct Worker<'a> {
    cell: &'a Cell,
    process: Child,
    /// State of the cell when the process was started.
    started_as: CellState,
    /// Number below `n_jobs` that no other worker has at the same time; it selects the device.
    slot: usize,
    /// The last log line that was reported.
    log_line: String,
    /// Time at which the log was last read.
    log_read_at: Instant,
}

/// Runs the unfinished cells of a study; returns true if all cells are finished at the end.
///
/// A cell that another process is running is waited for. A cell that fails is reported, and the others continue. A
/// cell whose process was killed resumes from its newest checkpoint. Once `stop` is set, the workers are asked to
/// stop, and the function returns when they have written their checkpoints.
///
/// # Errors
///
/// [`Error::is_file_error`] if the directories of configurations and logs cannot be created.
pub fn run_cells(
    study: &Study,
    out: &Path,
    pool: &Pool,
    stop: &AtomicBool,
    report: &mut dyn FnMut(PoolEvent<'_>),
) -> Result<bool> {
    for directory in ["configs", "logs"] {
        let directory = out.join(directory);
        std::fs::create_dir_all(&directory).map_err(|error| {
            Error::file(format!("{}: cannot be created", directory.display())).because(error)
        })?;
    }
    let mut run = PoolRun {
        out,
        pool,
        report,
        waiting: study.cells.iter().collect(),
        workers: Vec::new(),
        n_kills: BTreeMap::new(),
        others: Others {
            n_cells: 0,
            counted_at: None,
        },
        is_stopping: false,
        is_complete: true,
    };
    while !run.waiting.is_empty() || !run.workers.is_empty() {
        if stop.load(Ordering::Relaxed) && !run.is_stopping {
            run.stop_workers();
        }
        run.start_workers();
        sleep(POLL_INTERVAL);
        run.check_workers();
    }
    Ok(run.is_complete)
}

/// State of a pool while it runs the cells of a study.
struct PoolRun<'a, 'r> {
    out: &'a Path,
    pool: &'a Pool,
    report: &'r mut dyn FnMut(PoolEvent<'_>),
    waiting: VecDeque<&'a Cell>,
    workers: Vec<Worker<'a>>,
    /// Number of times the process of a cell was killed, by the cell's id.
    n_kills: BTreeMap<&'a str, usize>,
    others: Others,
    is_stopping: bool,
    /// True while every cell is finished or may still finish.
    is_complete: bool,
}

/// Waiting cells that processes of this machine run which this pool did not start.
struct Others {
    n_cells: usize,
    /// Time at which they were last counted; `None` if they were not.
    counted_at: Option<Instant>,
}

impl<'a> PoolRun<'a, '_> {
    /// Starts no further cells and asks the running processes to stop.
    fn stop_workers(&mut self) {
        self.is_stopping = true;
        self.waiting.clear();
        self.is_complete = false;
        for worker in &self.workers {
            ask_to_stop(&worker.process);
        }
    }

    /// Starts waiting cells while there are free slots.
    fn start_workers(&mut self) {
        // Each waiting cell is tried at most once per round: one that another pool is running goes back to the end of
        // the queue, and would be tried forever.
        for _ in 0..self.waiting.len() {
            let n_jobs = self.pool.n_jobs;
            if self.workers.len() >= n_jobs || self.workers.len() + self.n_others() >= n_jobs {
                break;
            }
            let is_free = |slot: &usize| self.workers.iter().all(|worker| worker.slot != *slot);
            let Some(slot) = (0..self.pool.n_jobs).find(is_free) else {
                break;
            };
            let Some(cell) = self.waiting.pop_front() else {
                break;
            };
            match cell_state(self.out, cell) {
                CellState::Finished => (self.report)(PoolEvent::Finished(cell)),
                // Another pool is running it. Its state is checked again later: that pool may be killed.
                CellState::Running => self.waiting.push_back(cell),
                state => match start(self.out, cell, state, self.pool, slot) {
                    Ok(process) => {
                        self.workers.push(Worker {
                            cell,
                            process,
                            started_as: state,
                            slot,
                            log_line: String::new(),
                            log_read_at: Instant::now(),
                        });
                        (self.report)(PoolEvent::Started(cell));
                    }
                    Err(error) => self.fail(cell, error.to_string()),
                },
            }
        }
    }

    /// Returns the number of waiting cells that other processes of this machine run.
    fn n_others(&mut self) -> usize {
        let is_due = |time: Instant| time.elapsed() > LOG_INTERVAL;
        // Seldom, since it looks at the files of every waiting cell.
        if self.others.counted_at.is_none_or(is_due) {
            let is_run_here = |cell: &&&Cell| {
                RunDirectory::open(&cell.directory(self.out)).is_ok_and(|run| run.is_locked_here())
            };
            self.others = Others {
                n_cells: self.waiting.iter().filter(is_run_here).count(),
                counted_at: Some(Instant::now()),
            };
        }
        self.others.n_cells
    }

    /// Reports new log lines, and removes the workers whose process has ended.
    fn check_workers(&mut self) {
        let mut still_running = Vec::new();
        for mut worker in std::mem::take(&mut self.workers) {
            match worker.process.try_wait() {
                Ok(None) => {
                    self.report_log_line(&mut worker);
                    still_running.push(worker);
                }
                Ok(Some(status)) => self.end(worker.cell, worker.started_as, status),
                Err(error) => {
                    let message = format!("its process cannot be waited for: {error}");
                    self.fail(worker.cell, message);
                }
            }
        }
        self.workers = still_running;
    }

    /// Reports the last line of a worker's log if it has changed.
    fn report_log_line(&mut self, worker: &mut Worker<'a>) {
        // Logs are read less often than processes are checked, since reading a file costs more.
        if worker.log_read_at.elapsed() <= LOG_INTERVAL {
            return;
        }
        worker.log_read_at = Instant::now();
        let line = last_line(&log_path(self.out, worker.cell)).unwrap_or_default();
        if line != worker.log_line {
            (self.report)(PoolEvent::LogLine(worker.cell, line.clone()));
            worker.log_line = line;
        }
    }

    /// Records that the process of a cell has ended; a cell that was killed, or that another process took, is queued
    /// again.
    fn end(&mut self, cell: &'a Cell, started_as: CellState, status: ExitStatus) {
        let was_overtaken = is_taken(self.out, cell, started_as);
        let n_kills = self.n_kills.entry(&cell.id).or_default();
        // On Unix there is no exit code if a signal ended the process, as when the kernel is out of memory.
        let was_killed = status.code().is_none();
        if status.success() {
            (self.report)(PoolEvent::Finished(cell));
        } else if status.code() == Some(STOPPED) || (was_killed && self.is_stopping) {
            // The signal ends a process that was started too shortly before to write a checkpoint.
            self.is_complete = false;
        } else if was_killed && *n_kills < MAX_KILLS {
            *n_kills += 1;
            (self.report)(PoolEvent::Killed(cell));
            self.waiting.push_back(cell);
        } else if status.code() == Some(CANNOT_RUN) && was_overtaken && !self.is_stopping {
            self.waiting.push_back(cell);
        } else {
            let log = log_path(self.out, cell);
            let line = last_line(&log).unwrap_or_else(|| "its log is empty".to_owned());
            // The program names itself in front of its errors, as this process does too.
            let line = line.strip_prefix("burn-topology: ").unwrap_or(&line);
            self.fail(cell, format!("{line} ({status}); see {}", log.display()));
        }
    }

    /// Reports that a cell has no result.
    fn fail(&mut self, cell: &Cell, message: String) {
        self.is_complete = false;
        (self.report)(PoolEvent::Failed(cell, message));
    }
}

/// Starts a process that trains the cell, or resumes it.
fn start(out: &Path, cell: &Cell, state: CellState, pool: &Pool, slot: usize) -> Result<Child> {
    let config = out.join("configs").join(format!("{}.toml", cell.id));
    write_atomically(&config, cell.config.to_toml().as_bytes())
        .map_err(|error| Error::cannot_write(&config, error))?;
    let log = log_path(out, cell);
    // Appended to, so that the log of a resumed cell keeps the messages of its earlier processes.
    let stderr = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(|error| Error::cannot_write(&log, error))?;
    let mut command = this_program()?;
    command.arg("train");
    match state {
        CellState::NotStarted => command
            .arg(&config)
            .arg("--output")
            .arg(cell.directory(out))
            .args(["--device", &pool.devices[slot % pool.devices.len()]]),
        // Without `--device`, so that the cell resumes on its first device: another one rounds differently.
        _ => command.arg("--resume").arg(cell.directory(out)),
    };
    command
        .env("RAYON_NUM_THREADS", pool.n_threads.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(stderr))
        .spawn()
        .map_err(|error| Error::file("a process cannot be started").because(error))
}

/// Command that starts this program again.
fn this_program() -> Result<Command> {
    let program = std::env::current_exe().map_err(|error| {
        Error::file("the path of this program cannot be determined").because(error)
    })?;
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        // The file may be replaced or missing while a new version is built; the link always leads to the program that
        // runs, so that all cells are trained by the same version.
        let mut command = Command::new("/proc/self/exe");
        command.arg0(program);
        Ok(command)
    }
    #[cfg(not(target_os = "linux"))]
    Ok(Command::new(program))
}

/// Sends SIGTERM, at which a process writes a checkpoint and exits with [`STOPPED`].
fn ask_to_stop(process: &Child) {
    // The standard library can only kill. A failure means that the process has already ended.
    let id = process.id().to_string();
    let _ = Command::new("kill")
        .args(["-TERM", &id])
        .stderr(Stdio::null())
        .status();
}

/// Returns the last line of a log; `None` if the log is empty or cannot be read.
pub(crate) fn last_line(log: &Path) -> Option<String> {
    let read_tail = || -> std::io::Result<Vec<u8>> {
        let mut file = input_file::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let tail = read_tail().unwrap_or_default();
    // The tail may start within a character; only the last line matters.
    let text = String::from_utf8_lossy(&tail);
    text.lines().last().map(str::to_owned)
}
