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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn two_directories_take_each_others_place() {
        let name = format!("burn-topology-exchange-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let [a, b] = ["a", "b"].map(|name| root.join(name));
        for directory in [&a, &b] {
            std::fs::create_dir_all(directory).unwrap();
            let name = directory.file_name().unwrap();
            std::fs::write(directory.join(name), "").unwrap();
        }
        exchange(&a, &b).unwrap();
        assert!(a.join("b").exists() && b.join("a").exists());
        exchange(&a, &root.join("missing")).unwrap_err();
        assert!(a.join("b").exists());
        std::fs::remove_dir_all(root).unwrap();
    }
}
