//! Lock of a run directory: only one process at a time trains there.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, SystemTime};

use super::atomic_file::is_at;
use super::host::host;
use crate::error::{Error, Result};
use crate::input_file;

/// Time between two heartbeats of a lock.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Age of the last heartbeat from which a lock of another machine counts as left behind.
const STALE: Duration = Duration::from_secs(120);

/// Largest size of a lock file, in bytes; the names of machines have at most 253 letters.
const MAX_NAME: u64 = 4096;

/// Waiting times between attempts to lock: [`RunLock::is_taken`] of another process holds the lock briefly.
const RETRIES: [Duration; 10] = [Duration::from_millis(20); 10];

/// Lock on a run directory; released when it is dropped or the process ends.
///
/// On one machine it is a file lock of the operating system. Network disks may not share such locks
/// with other machines, so the file also holds the name of the machine, and its time of modification
/// is renewed every 20 s: a heartbeat. Other machines respect the lock while the last heartbeat is less
/// than two minutes old. Machines that share a disk need clocks that agree to a minute.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    path: PathBuf,
    heartbeat: Option<Heartbeat>,
}

/// Thread that renews the time of modification of a lock file.
#[derive(Debug)]
struct Heartbeat {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl RunLock {
    /// Takes the lock of a directory.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if another process holds the lock, or the directory cannot be written.
    pub(super) fn take(root: &Path) -> Result<Self> {
        let cannot = |error: io::Error| {
            Error::file(format!("cannot write in {}", root.display())).because(error)
        };
        let mut file = open(root).map_err(cannot)?;
        let mut retries = RETRIES.iter();
        while let Err(error) = file.try_lock() {
            match (error, retries.next()) {
                (TryLockError::Error(error), _) => return Err(cannot(error)),
                (TryLockError::WouldBlock, Some(&pause)) => sleep(pause),
                (TryLockError::WouldBlock, None) => {
                    return Err(Error::file(format!(
                        "{}: another process is training in this directory",
                        root.display()
                    )));
                }
            }
        }
        // After the file lock, so that only one process of this machine gets here at a time.
        if let Some((host, age)) = holder_elsewhere(root) {
            return Err(Error::file(format!(
                "{}: a process on {host} is training in this directory (last heartbeat {} s ago); if it was killed, try \
                 again {} s after that heartbeat",
                root.display(),
                age.as_secs(),
                STALE.as_secs()
            )));
        }
        file.set_len(0)
            .and_then(|()| file.write_all(host().as_bytes()))
            .map_err(cannot)?;
        let (stop, stopped) = channel();
        // A clone shares the lock, which is released only when the thread has ended too.
        let beating = file.try_clone().map_err(cannot)?;
        let beat = move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                // A disk that cannot be reached for a while is no reason to stop training.
                let _ = beating.set_modified(SystemTime::now());
            }
        };
        let thread = Builder::new().spawn(beat).map_err(|error| {
            Error::file("the system refuses a thread, which keeps the lock of the run directory")
                .because(error)
        })?;
        let lock = Self {
            file,
            path: root.join("lock"),
            heartbeat: Some(Heartbeat { stop, thread }),
        };
        if !lock.is_held() {
            // Whoever held the lock before has removed the directory, or made another one.
            return Err(cannot(io::ErrorKind::NotFound.into()));
        }
        Ok(lock)
    }

    /// The same lock, after its directory was renamed.
    pub(super) fn moved_to(mut self, root: &Path) -> Self {
        self.path = root.join("lock");
        self
    }

    /// True unless the lock file was removed or replaced, so that another process may train in the directory.
    pub fn is_held(&self) -> bool {
        is_at(&self.file, &self.path)
    }

    /// True if a process holds the lock of a directory.
    pub(super) fn is_taken(root: &Path) -> bool {
        if holder_elsewhere(root).is_some() {
            return true;
        }
        // Only opens the file, because the directory may be read-only for this process.
        let file = input_file::open(&root.join("lock"));
        // A shared lock fails only against a training process, not against another such test.
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// True if a process of this machine holds the lock of a directory.
    pub(super) fn is_taken_here(root: &Path) -> bool {
        // Some network disks share the locks of the operating system among machines.
        let holder = input_file::read_text(&root.join("lock"));
        holder.is_ok_and(|holder| holder == host()) && Self::is_taken(root)
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // An empty file is free at once for every machine; they need not wait for its age.
        let _ = self.file.set_len(0);
        if let Some(Heartbeat { stop, thread }) = self.heartbeat.take() {
            let _ = stop.send(());
            // Waits for the thread, because its clone of the file holds the lock as well.
            let _ = thread.join();
        }
    }
}

fn open(root: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        // Not truncated: before the lock is held, the file may belong to another process.
        .append(true)
        .open(root.join("lock"))
}

/// Name of another machine that holds the lock, and the age of its last heartbeat.
fn holder_elsewhere(root: &Path) -> Option<(String, Duration)> {
    let path = root.join("lock");
    let holder = input_file::read_up_to(&path, MAX_NAME).ok()?;
    // The name of a machine, whatever else is in the file.
    let is_plain = |c: &char| !c.is_control();
    let holder: String = String::from_utf8_lossy(&holder)
        .lines()
        .next()?
        .chars()
        .filter(is_plain)
        .collect();
    // On this machine the file lock decides: it is released even if a process is killed.
    if holder.is_empty() || holder == host() {
        return None;
    }
    let touched = path.metadata().ok()?.modified().ok()?;
    // A time in the future, from a clock that is ahead of ours, counts as now.
    let age = SystemTime::now()
        .duration_since(touched)
        .unwrap_or_default();
    (age < STALE).then_some((holder, age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_another_machine_expires_without_heartbeat() {
        let root = std::env::temp_dir().join(format!("burn-topology-lock-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        assert!(!RunLock::is_taken(&root));
        let lock = RunLock::take(&root).unwrap();
        assert!(RunLock::is_taken(&root));
        let error = RunLock::take(&root).unwrap_err();
        assert!(error.is_file_error());
        let message = error.to_string();
        assert!(message.contains("another process is training"), "{message}");
        drop(lock);
        assert!(!RunLock::is_taken(&root));

        std::fs::write(root.join("lock"), "elsewhere").unwrap();
        assert!(RunLock::is_taken(&root));
        let message = RunLock::take(&root).unwrap_err().to_string();
        assert!(
            message.contains("a process on elsewhere is training"),
            "{message}"
        );

        let file = File::options().write(true).open(root.join("lock")).unwrap();
        file.set_modified(SystemTime::now() - STALE).unwrap();
        assert!(!RunLock::is_taken(&root));
        let lock = RunLock::take(&root).unwrap();
        assert_eq!(std::fs::read_to_string(root.join("lock")).unwrap(), host());
        assert!(lock.is_held());
        std::fs::remove_file(root.join("lock")).unwrap();
        assert!(!lock.is_held());
        let other = RunLock::take(&root).unwrap();
        assert!(other.is_held() && !lock.is_held());
        drop((lock, other));
        std::fs::remove_dir_all(&root).unwrap();

        let error = RunLock::take(&root).unwrap_err();
        assert!(error.is_file_error());
        assert_eq!(error.io_kind(), Some(io::ErrorKind::NotFound));
    }
}
