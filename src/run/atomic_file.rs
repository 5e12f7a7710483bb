//! Files that are written completely or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file under another name and renames it, so that it is never there in part.
///
/// # Errors
///
/// The file cannot be written or renamed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    // Appended, so that `a.json` and `a.npz` differ; with the process id, so that two processes do.
    name.push(format!(".{}.partial", std::process::id()));
    let partial = Path::new(&name);
    let write = || {
        let mut file = File::create(partial)?;
        file.write_all(bytes)?;
        // Before the rename: after a crash the name must not stand for an empty file.
        file.sync_all()?;
        std::fs::rename(partial, path)
    };
    write().inspect_err(|_| {
        // The error of writing matters more than one of cleaning up.
        let _ = std::fs::remove_file(partial);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_written_share_no_other_name() {
        let name = format!("burn-topology-atomic-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(directory.join("a.partial")).unwrap();
        std::fs::create_dir_all(directory.join("taken.json")).unwrap();
        for name in ["a.json", "a.npz", "a"] {
            let path = directory.join(name);
            for text in ["first", name] {
                write_atomically(&path, text.as_bytes()).unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            }
        }
        // A file cannot replace a directory; nothing is left of it.
        write_atomically(&directory.join("taken.json"), b"text").unwrap_err();
        let n_entries = std::fs::read_dir(&directory).unwrap().count();
        assert_eq!(n_entries, 5);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
