//! Lists of the files in a directory.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// Paths of everything in a directory and below that is no directory, or an empty one; relative, with `/` between names.
///
/// Symbolic links are listed and not followed.
pub(super) fn files_below(directory: &Path) -> io::Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type()?.is_dir() {
            files.insert(name);
            continue;
        }
        let below = match files_below(&entry.path()) {
            // Removed or replaced by another process meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            below => below?,
        };
        if below.is_empty() {
            files.insert(format!("{name}/"));
        }
        files.extend(below.iter().map(|file| format!("{name}/{file}")));
    }
    Ok(files)
}
