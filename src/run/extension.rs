//! Extension of a run to more epochs.

use std::io;

use super::atomic_file::write_atomically;
use super::checksums::sha256_hex;
use super::directory::RunDirectory;
use super::manifest::{Extension, Manifest};
use crate::input_file;

/// Extends a run to more epochs: records it in the manifest, and replaces the configuration by `config`.
///
/// The final metrics of a finished run are kept as `summary_of_<n>_epochs.json`. Only the process that holds the lock
/// of the directory may call it. If it is killed in between, then the run has its old configuration, and the same call
/// completes the extension.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn extend_run(
    run: &RunDirectory,
    manifest: &mut Manifest,
    [from_epochs, to_epochs]: [usize; 2],
    config: &str,
) -> io::Result<()> {
    let extension = Extension {
        from_epochs,
        to_epochs,
        config_sha256: sha256_hex(&input_file::read(&run.config())?),
    };
    // An extension that was killed after this step is recorded already.
    if manifest.extensions.last() != Some(&extension) {
        manifest.extensions.push(extension);
        manifest.write(&run.manifest())?;
    }
    // Before the configuration: a run with more epochs that has a summary would count as finished.
    let kept = run
        .root()
        .join(format!("summary_of_{from_epochs}_epochs.json"));
    match std::fs::rename(run.summary(), kept) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Last: it makes the extension take effect.
    write_atomically(&run.config(), config.as_bytes())
}
