//! Other programs that are started, with limits to their time and to what they print.

use std::fmt;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Largest number of bytes of an error line that are kept.
const MAX_ERROR_LINE: usize = 4096;

/// Time for which a program that has ended may leave its output open to processes that it started.
const GRACE: Duration = Duration::from_secs(1);

/// Time between two looks at a program that writes nothing.
const PAUSE: Duration = Duration::from_millis(50);

/// Number of bytes that are read at a time.
const CHUNK: usize = 1 << 16;

/// Number of chunks that are read ahead.
const AHEAD: usize = 16;

/// Reason why the output of a program is not used.
#[derive(Debug)]
pub(crate) enum ChildError {
    /// It cannot be started, or the system refused to read from it.
    Io(io::Error),
    /// It wrote nothing for this time, and was ended.
    Silent(Duration),
    /// It wrote more than this number of bytes, and was ended.
    TooLong(usize),
    /// It ended, but a process that it started keeps its output open and cannot be ended.
    HeldOpen,
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Silent(limit) => write!(f, "it wrote nothing for {} s", limit.as_secs_f64()),
            Self::TooLong(limit) => write!(f, "it wrote more than {limit} bytes"),
            Self::HeldOpen => f.write_str("it ended, but another process keeps its output open"),
        }
    }
}

impl std::error::Error for ChildError {}

impl From<io::Error> for ChildError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Running program in a process group of its own, all of which is killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct RunningChild {
    child: Child,
    /// Output of the child, chunk by chunk; disconnected at the end.
    output: Receiver<io::Result<Vec<u8>>>,
    /// First line that it writes to its error output, sent at the end.
    first_error: Receiver<Option<String>>,
    /// Longest time without output.
    silence: Duration,
    is_reaped: bool,
}

/// Description of how a program ended, with the first line of its error output.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) status: ExitStatus,
    pub(crate) first_error: Option<String>,
}

impl RunningChild {
    /// Starts a program without input, which may be silent for at most the given time.
    ///
    /// # Errors
    ///
    /// The program, or a thread that reads from it, cannot be started.
    pub(crate) fn start(command: &mut Command, silence: Duration) -> io::Result<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            command.process_group(0);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let (chunks, output) = sync_channel(AHEAD);
        let (line, first_error) = channel();
        // Before the threads, so that the program is ended if there are none.
        let running = Self {
            child,
            output,
            first_error,
            silence,
            is_reaped: false,
        };
        let (stdout, stderr) = pipes.ok_or_else(|| io::Error::other("the program has no pipes"))?;
        // Threads of their own, which end with the pipes: reading from a pipe can take for ever, and the program would
        // wait for ever on a full pipe while the other one is read.
        Builder::new().spawn(move || send_chunks(stdout, &chunks))?;
        Builder::new().spawn(move || {
            // Nobody waits for it after an error.
            let _ = line.send(first_line(stderr));
        })?;
        Ok(running)
    }

    /// Next bytes that the program writes; `None` at the end.
    ///
    /// # Errors
    ///
    /// It was silent for too long, its output stays open after its end, or the system cannot read it.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, ChildError> {
        let start = Instant::now();
        let mut ended = None;
        loop {
            match self.output.recv_timeout(PAUSE) {
                Ok(chunk) => return Ok(Some(chunk?)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if start.elapsed() > self.silence {
                return Err(ChildError::Silent(self.silence));
            }
            // A process that it left behind may keep the pipe open. What is in the pipe can still be read.
            if has_ended(&mut self.child)? {
                let since = ended.get_or_insert_with(Instant::now).elapsed();
                if since > 2 * GRACE {
                    return Err(ChildError::HeldOpen);
                }
                if since > GRACE {
                    kill_group(&mut self.child);
                }
            }
        }
    }

    /// Waits for the end of a program whose output has ended.
    ///
    /// # Errors
    ///
    /// It does not end in the time for which it may be silent.
    pub(crate) fn finish(mut self) -> Result<Ending, ChildError> {
        let start = Instant::now();
        let mut pause = Duration::from_micros(200);
        while !has_ended(&mut self.child)? {
            if start.elapsed() > self.silence {
                return Err(ChildError::Silent(self.silence));
            }
            std::thread::sleep(pause);
            pause = (2 * pause).min(PAUSE);
        }
        // The program is not reaped yet, so that its number still stands for its group. Its status stays the same.
        let mut line = self.first_error.recv_timeout(GRACE);
        kill_group(&mut self.child);
        if line.is_err() {
            line = self.first_error.recv_timeout(GRACE);
        }
        let status = self.child.wait()?;
        self.is_reaped = true;
        Ok(Ending {
            status,
            first_error: line.ok().flatten(),
        })
    }
}

impl Drop for RunningChild {
    fn drop(&mut self) {
        if !self.is_reaped {
            kill_group(&mut self.child);
            // A killed process ends at once, and is no zombie after that.
            let _ = self.child.wait();
        }
    }
}

/// Runs a program that may be silent for some time and may print some bytes; returns them and how it ended.
///
/// # Errors
///
/// It cannot be started, is silent for too long, or prints more.
pub(crate) fn run_to_end(
    command: &mut Command,
    silence: Duration,
    max_bytes: usize,
) -> Result<(Vec<u8>, Ending), ChildError> {
    let mut child = RunningChild::start(command, silence)?;
    let mut printed = Vec::new();
    while let Some(chunk) = child.next_chunk()? {
        if printed.len() + chunk.len() > max_bytes {
            return Err(ChildError::TooLong(max_bytes));
        }
        printed.extend(chunk);
    }
    Ok((printed, child.finish()?))
}

/// Reads to the end and sends everything; stops early if nobody receives it.
fn send_chunks(mut source: impl Read, chunks: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let sent = match source.read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => {
                chunk.truncate(n);
                chunks.send(Ok(chunk))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = chunks.send(Err(error));
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Returns the beginning of the first line that is not empty; reads the source to its end, without keeping it.
fn first_line(mut source: impl Read) -> Option<String> {
    let mut line: Vec<u8> = Vec::new();
    let mut is_complete = false;
    let mut buffer = [0; 4096];
    loop {
        let read = match source.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Later lines mostly follow from the first; they are read only to keep the pipe empty.
            read => read.unwrap_or(0),
        };
        for &byte in &buffer[..read] {
            let is_blank = line.iter().all(u8::is_ascii_whitespace);
            match byte {
                b'\n' | b'\r' if is_blank => line.clear(),
                b'\n' | b'\r' => is_complete = true,
                _ if !is_complete && line.len() < MAX_ERROR_LINE => line.push(byte),
                _ => {}
            }
        }
        if read == 0 {
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            return (!line.is_empty()).then_some(line);
        }
    }
}

/// True if a process has ended; it stays a zombie, whose number no other process gets.
#[cfg(unix)]
fn has_ended(child: &mut Child) -> io::Result<bool> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(Pid::from_child(child)), options)?.is_some())
}

/// Kills a process that was not reaped, and the processes that it started, unless they left its group.
#[cfg(unix)]
fn kill_group(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};

    // It fails if all have ended.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

/// True if a process has ended.
#[cfg(not(unix))]
fn has_ended(child: &mut Child) -> io::Result<bool> {
    Ok(child.try_wait()?.is_some())
}

/// Kills a process; the ones that it started stay.
#[cfg(not(unix))]
fn kill_group(child: &mut Child) {
    let _ = child.kill();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(1500);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn run(script: &str) -> Result<(Vec<u8>, Ending), ChildError> {
        run_to_end(&mut shell(script), LIMIT, 1 << 20)
    }

    #[test]
    fn output_status_and_the_first_error_line_are_returned() {
        let (printed, ending) = run("printf 12; printf '\\n one \\ntwo\\n' >&2; exit 3").unwrap();
        assert_eq!(printed, b"12");
        assert_eq!(ending.status.code(), Some(3));
        assert_eq!(ending.first_error.as_deref(), Some("one"));
        let (printed, ending) = run("").unwrap();
        assert!(printed.is_empty() && ending.status.success() && ending.first_error.is_none());
        let missing = run_to_end(&mut Command::new("no-such-program"), LIMIT, 1);
        assert!(
            matches!(missing, Err(ChildError::Io(error)) if error.kind() == io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn programs_that_sleep_or_flood_are_ended() {
        let start = Instant::now();
        assert!(matches!(run("sleep 60"), Err(ChildError::Silent(LIMIT))));
        // The output ends at once, but the program does not.
        let closed = run("exec >&- 2>&-; sleep 60");
        assert!(matches!(closed, Err(ChildError::Silent(LIMIT))));
        let flood = run("exec cat /dev/zero");
        assert!(matches!(flood, Err(ChildError::TooLong(_))));
        // Errors without a newline are read on and not kept.
        let errors = run("exec cat /dev/zero >&2");
        assert!(matches!(errors, Err(ChildError::Silent(LIMIT))));
        let (_, ending) = run("head -c 5000000 /dev/zero | tr '\\0' x >&2").unwrap();
        assert_eq!(ending.first_error.unwrap().len(), MAX_ERROR_LINE);
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn processes_that_a_program_leaves_behind_are_ended_with_it() {
        let start = Instant::now();
        let (printed, ending) = run("sleep 60 & echo $!").unwrap();
        assert!(ending.status.success());
        let id = String::from_utf8(printed).unwrap();
        let is_running = || {
            // A zombie may be left where nobody reaps it.
            let status = std::fs::read_to_string(format!("/proc/{}/stat", id.trim()));
            status.is_ok_and(|status| !status.contains(") Z "))
        };
        if cfg!(target_os = "linux") {
            let ended = (0..100).any(|_| {
                std::thread::sleep(Duration::from_millis(20));
                !is_running()
            });
            assert!(ended, "{id}");
        }
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
