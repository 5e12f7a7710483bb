//! Writing to stdout and stderr without a panic where nobody reads or the disk is full.

use std::io::{self, ErrorKind, Write};

use super::Failure;

/// Writes results.
///
/// # Errors
///
/// As writing; that the reader has gone is no error.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::CouldNotRun(format!(
            "the results cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Writes a line for the person watching, if there is one.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
