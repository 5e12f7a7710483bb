//! Waits for room on a full disk at the end of a training, when there is no later checkpoint to try again at.

use std::io;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::error::TrainError;
use super::job::Job;
use super::observer::Observer;

/// Longest time to wait for room.
const LIMIT: Duration = Duration::from_secs(3600);

/// Time between two attempts to write.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes something, and while the disk is full, tries again for up to an hour.
///
/// # Errors
///
/// The last error of `write`: if it has another reason, if the time is over, or if the training is asked to stop.
pub(super) fn wait_for_space<T>(
    job: &Job<'_>,
    observer: &mut dyn Observer,
    write: &mut dyn FnMut() -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    let is_asked_to_stop = || job.stop.load(Ordering::Relaxed);
    repeat_while_full(is_asked_to_stop, LIMIT, PAUSE, observer, write)
}

fn repeat_while_full<T>(
    is_asked_to_stop: impl Fn() -> bool,
    limit: Duration,
    pause: Duration,
    observer: &mut dyn Observer,
    write: &mut dyn FnMut() -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    let started = Instant::now();
    let mut is_reported = false;
    loop {
        let error = match write() {
            Err(error) if is_disk_full(&error) => error,
            result => return result,
        };
        if started.elapsed() >= limit || is_asked_to_stop() {
            return Err(error);
        }
        if !is_reported {
            observer.message(&format!(
                "{error}; waiting for room on the disk, up to {} minutes",
                limit.as_secs() / 60
            ));
            is_reported = true;
        }
        sleep(pause);
    }
}

/// True if a file could not be written because the disk is full, or because the user's share of it is.
fn is_disk_full(error: &TrainError) -> bool {
    // Burn passes errors on as text, so only that can be searched. These are their numbers in Linux and on a Mac.
    const NUMBERS: [i32; 3] = [28, 122, 69];
    let text = error.to_string();
    let reasons = NUMBERS.map(io::Error::from_raw_os_error);
    let is_full = |reason: &io::Error| {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(reason.kind(), StorageFull | QuotaExceeded)
    };
    matches!(error, TrainError::Files(_))
        && reasons
            .iter()
            .any(|reason| is_full(reason) && text.contains(&reason.to_string()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::train::observer::SilentObserver;

    /// Error of a write that fails for this reason of the operating system.
    fn failed(reason: i32) -> TrainError {
        // As text, which is what Burn makes of it.
        let reason = io::Error::from_raw_os_error(reason).to_string();
        TrainError::files("write the checkpoint")(io::Error::other(reason))
    }

    /// Number of attempts, and whether the last one succeeded, of a write that fails twice.
    fn attempts(reason: i32, limit: Duration, is_asked_to_stop: bool) -> (usize, bool) {
        let mut n_attempts = 0;
        let mut write = || {
            n_attempts += 1;
            if n_attempts < 3 {
                Err(failed(reason))
            } else {
                Ok(())
            }
        };
        let stop = || is_asked_to_stop;
        let pause = Duration::ZERO;
        let written = repeat_while_full(stop, limit, pause, &mut SilentObserver, &mut write);
        let is_written = written.is_ok();
        (n_attempts, is_written)
    }

    #[test]
    fn only_a_full_disk_is_waited_for() {
        let (no_space, quota, denied) = (28, 122, 13);
        assert_eq!(attempts(no_space, LIMIT, false), (3, true));
        assert_eq!(attempts(quota, LIMIT, false), (3, true));
        assert_eq!(attempts(denied, LIMIT, false), (1, false));
        // Not longer than the limit, and not after a signal.
        assert_eq!(attempts(no_space, Duration::ZERO, false), (1, false));
        assert_eq!(attempts(no_space, LIMIT, true), (1, false));
    }
}
