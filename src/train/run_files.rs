//! Checks that the files of a run are still there while it trains.

use super::error::TrainError;
use super::job::Job;
use crate::error::Error;
use crate::input_file;
use crate::run::{RunDirectory, sha256_hex};

/// Returns an error if the lock of the run directory is lost, so that another process may train there.
pub(super) fn require_lock(job: &Job<'_>, step: usize) -> Result<(), TrainError> {
    let root = job.run.root();
    // A directory that is gone has an error of its own, at the next checkpoint.
    if job.lock.is_held() || !root.is_dir() {
        return Ok(());
    }
    Err(TrainError::Files(Error::file(format!(
        "{0}: the file `lock` was removed while the run was training, so another process may train there; stopped at step \
         {step}; once no other process trains there, resume with `train --resume {0}`",
        root.display()
    ))))
}

/// Returns an error if a file that the run started with was removed or changed: without it the run cannot be used.
pub(super) fn require_first_files(
    run: &RunDirectory,
    config_sha256: &str,
) -> Result<(), TrainError> {
    let config = input_file::read(&run.config()).map(|bytes| sha256_hex(&bytes));
    let is_same = config.is_ok_and(|sha256| sha256 == config_sha256);
    for (file, is_there) in [
        (run.config(), is_same),
        (run.manifest(), run.manifest().is_file()),
    ] {
        if !is_there {
            return Err(TrainError::Files(Error::file(format!(
                "{}: this file was removed or changed while the run was training; restore it, and resume with \
                 `train --resume {}`",
                file.display(),
                run.root().display()
            ))));
        }
    }
    Ok(())
}
