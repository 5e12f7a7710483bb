//! One process at a time trains in a run directory.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, SystemTime};

/// Time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// A lock of another machine without a heartbeat for so long is one that was left behind.
const STALE: Duration = Duration::from_secs(120);

/// What looks whether a lock is taken holds it for a moment, which is waited for.
const PATIENCE: [Duration; 10] = [Duration::from_millis(20); 10];

/// Held while a process trains in a directory; released when dropped, or when the process ends.
///
/// On one machine the system keeps the lock. Network disks may not tell it to other machines: for them the
/// file names its holder and is touched every 20 s. A machine that finds it younger than two minutes keeps away.
/// Machines that share a disk need clocks that agree to a minute.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    heart: Option<(Sender<()>, JoinHandle<()>)>,
}

impl RunLock {
    pub(super) fn take(root: &Path) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("cannot write in {}: {error}", root.display());
        let mut file = open(root).map_err(cannot)?;
        let mut patience = PATIENCE.iter();
        while let Err(error) = file.try_lock() {
            match (error, patience.next()) {
                (TryLockError::Error(error), _) => return Err(cannot(error)),
                (TryLockError::WouldBlock, Some(&moment)) => sleep(moment),
                (TryLockError::WouldBlock, None) => {
                    return Err(format!(
                        "{}: another process is training in this directory",
                        root.display()
                    ));
                }
            }
        }
        if let Some((host, age)) = holder_elsewhere(root) {
            return Err(format!(
                "{}: a process on {host} is training in this directory (last sign of it {} s ago); one that was killed is \
                 forgotten after {} s",
                root.display(),
                age.as_secs(),
                STALE.as_secs()
            ));
        }
        file.set_len(0)
            .and_then(|()| file.write_all(host().as_bytes()))
            .map_err(cannot)?;
        let (stop, stopped) = channel();
        let beating = file.try_clone().map_err(cannot)?;
        let heart = spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                // A disk that cannot be reached for a while is no reason to stop a training.
                let _ = beating.set_modified(SystemTime::now());
            }
        });
        Ok(Self {
            file,
            heart: Some((stop, heart)),
        })
    }

    pub(super) fn is_taken(root: &Path) -> bool {
        if holder_elsewhere(root).is_some() {
            return true;
        }
        // Never makes the file: whoever looks may not write here.
        let file = File::open(root.join("lock"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // No holder: free at once for every machine.
        let _ = self.file.set_len(0);
        if let Some((stop, heart)) = self.heart.take() {
            let _ = stop.send(());
            let _ = heart.join();
        }
    }
}

fn open(root: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(root.join("lock"))
}

/// Another machine that says that it trains here, and how long ago it last did.
fn holder_elsewhere(root: &Path) -> Option<(String, Duration)> {
    let path = root.join("lock");
    let holder = std::fs::read_to_string(&path).ok()?;
    if holder.is_empty() || holder == host() {
        return None;
    }
    let touched = path.metadata().ok()?.modified().ok()?;
    // A clock that is ahead of ours has just touched it.
    let age = SystemTime::now()
        .duration_since(touched)
        .unwrap_or_default();
    (age < STALE).then_some((holder, age))
}

/// Name of this machine.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map_or_else(|| "this machine".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_another_machine_holds_as_long_as_its_heart_beats() {
        let root = std::env::temp_dir().join(format!("burn-topology-lock-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        assert!(!RunLock::is_taken(&root));
        let lock = RunLock::take(&root).unwrap();
        assert!(RunLock::is_taken(&root));
        let message = RunLock::take(&root).unwrap_err();
        assert!(message.contains("another process is training"), "{message}");
        drop(lock);
        assert!(!RunLock::is_taken(&root));

        std::fs::write(root.join("lock"), "elsewhere").unwrap();
        assert!(RunLock::is_taken(&root));
        let message = RunLock::take(&root).unwrap_err();
        assert!(
            message.contains("a process on elsewhere is training"),
            "{message}"
        );

        let file = File::options().write(true).open(root.join("lock")).unwrap();
        file.set_modified(SystemTime::now() - STALE).unwrap();
        assert!(!RunLock::is_taken(&root));
        let lock = RunLock::take(&root).unwrap();
        assert_eq!(std::fs::read_to_string(root.join("lock")).unwrap(), host());
        drop(lock);
        std::fs::remove_dir_all(root).unwrap();
    }
}
