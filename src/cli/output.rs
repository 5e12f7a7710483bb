//! Output to stdout and stderr that never panics, even with a closed pipe or a full disk.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

use super::Failure;

/// Writes results to stdout.
///
/// # Errors
///
/// [`Failure::Error`] if the results cannot be written; a closed pipe is no error.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        // A reader such as `head` closes the pipe as soon as it has enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Error(format!(
            "the results cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Writes a line of progress or a message to stderr; failures are ignored.
pub(super) fn log(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Parses the path of a file or directory to write; refuses `-`, which is stdout elsewhere.
pub(super) fn output_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.to_str() {
        Some("-") => {
            Err("files are not written to stdout, expected a path; a file with this name is `./-`")
        }
        _ => Ok(path),
    })
}

/// Refuses to replace a file without `--force`, and anything that is not a file.
pub(super) fn check_output_file(path: &Path, force: bool) -> Result<(), Failure> {
    let shown = path.display();
    if path.exists() && !force {
        return Err(Failure::Error(format!(
            "{shown} already exists; pass --force to overwrite"
        )));
    }
    if path.exists() && !path.is_file() {
        // The file is written under a temporary name and renamed, which could replace a device by a file.
        return Err(Failure::Error(format!(
            "{shown}: is not a file, expected a path to write a file to"
        )));
    }
    Ok(())
}
