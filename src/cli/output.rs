//! Output to stdout and stderr that never panics, even with a closed pipe or a full disk.

use std::io::{self, ErrorKind, Write};

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
