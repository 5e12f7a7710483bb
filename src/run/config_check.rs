//! Whether the configuration of a run is still the one that a checkpoint was written with.

use std::path::Path;

use super::checkpoint_state::CheckpointState;
use super::checksums::sha256_hex;
use super::directory::RunDirectory;
use super::manifest::Manifest;
use crate::error::{Error, Result};
use crate::input_file;

/// Name of the copy of the configuration in a checkpoint, from which a message tells what was changed.
pub const CHECKPOINT_CONFIG: &str = "config.toml";

/// Checks that the configuration of a run is the one that a checkpoint was written with, or an extension of it to more
/// epochs.
///
/// # Errors
///
/// - [`Error::is_file_error`] if the configuration cannot be read.
/// - [`Error::is_invalid_format`] if it was changed; the message shows the first line that differs.
pub fn check_config(run: &RunDirectory, state: &CheckpointState, checkpoint: &Path) -> Result<()> {
    let path = run.config();
    let config = input_file::read(&path).map_err(|error| Error::cannot_read(&path, error))?;
    if sha256_hex(&config) == state.config_sha256 || was_extended(run, &state.config_sha256) {
        return Ok(());
    }
    let written = input_file::read(&checkpoint.join(CHECKPOINT_CONFIG)).ok();
    // A checkpoint of an earlier version has no copy.
    let difference = written
        .filter(|written| sha256_hex(written) == state.config_sha256)
        .and_then(|written| {
            let [written, config] = [&written, &config].map(|text| String::from_utf8_lossy(text));
            first_difference(&written, &config)
        })
        .map_or(String::new(), |difference| format!(": {difference}"));
    Err(Error::invalid_format(format!(
        "{} was written with a configuration other than {}{difference}; restore the file, or start a new run with \
         `--output DIR`",
        checkpoint.display(),
        path.display()
    )))
}

/// True if the manifest says that the run was extended to more epochs from the configuration with this digest.
fn was_extended(run: &RunDirectory, config_sha256: &str) -> bool {
    Manifest::read(&run.manifest()).is_ok_and(|manifest| {
        let mut extensions = manifest.extensions.iter();
        extensions.any(|extension| extension.config_sha256 == config_sha256)
    })
}

/// Describes the first line in which two texts differ; `None` if only ends of lines do.
fn first_difference(written: &str, now: &str) -> Option<String> {
    let mut before = written.lines();
    let mut after = now.lines();
    for number in 1.. {
        match (before.next(), after.next()) {
            (None, None) => break,
            (before, after) if before == after => {}
            (before, after) => {
                let quoted = |line: Option<&str>| {
                    line.map_or("missing".to_owned(), |line| format!("`{}`", line.trim()))
                };
                return Some(format!(
                    "its line {number} was {} and is {} now",
                    quoted(before),
                    quoted(after)
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let difference = |now| first_difference("a = 1\n  b = 2\n", now);
        assert_eq!(difference("a = 1\n  b = 2\n"), None);
        assert_eq!(difference("a = 1\r\n  b = 2"), None);
        assert_eq!(
            difference("a = 1\nb = 3\n").unwrap(),
            "its line 2 was `b = 2` and is `b = 3` now"
        );
        assert_eq!(
            difference("a = 1\n").unwrap(),
            "its line 2 was `b = 2` and is missing now"
        );
    }
}
