//! Reference of a run: the weights that its training started from, stored once.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::checksums;
use super::directory::RunDirectory;
use crate::error::Result;

/// Name of the file with the weights.
const MODEL: &str = "model.bpk";

/// Stores the reference of a run, which `write` writes to a given file; replaces an earlier one.
///
/// The directory gets its name once it is complete and on the disk.
///
/// # Errors
///
/// The file cannot be written, or `write` fails; there is no reference then.
pub fn store_reference(
    run: &RunDirectory,
    write: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let directory = run.reference();
    let partial = directory.with_extension("partial");
    for earlier in [&directory, &partial] {
        match std::fs::remove_dir_all(earlier) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::create_dir(&partial)?;
    let written = write(&partial.join(MODEL))
        .and_then(|()| checksums::seal(&partial, &[MODEL.to_owned()]))
        .and_then(|()| std::fs::rename(&partial, &directory));
    if written.is_err() {
        // The error of writing matters more than one of cleaning up.
        let _ = std::fs::remove_dir_all(&partial);
        return written;
    }
    File::open(run.root())?.sync_all()
}

/// Returns the path of the stored reference, after checking that it has not changed.
///
/// # Errors
///
/// [`Error::is_file_error`](crate::Error::is_file_error) if it is missing,
/// [`Error::is_invalid_format`](crate::Error::is_invalid_format) if it has changed.
pub fn stored_reference(run: &RunDirectory) -> Result<PathBuf> {
    checksums::verify(&run.reference())?;
    Ok(run.reference().join(MODEL))
}
