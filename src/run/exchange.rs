//! Two directories that take each other's place in one step.

use std::io;
use std::path::Path;

/// Gives each of two paths the other's content, in one step.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] and others where the operating system or the file system cannot do it, as on network
/// disks; nothing has changed then.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub(super) fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};

    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(super) fn exchange(_a: &Path, _b: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
