//! Folder of the user in which files are kept that can always be computed again.
//!
//! Nothing depends on these files: where they cannot be read or written, they are computed anew.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Environment variable with the folder; if it is empty, nothing is kept on disk.
const FOLDER: &str = "BURN_TOPOLOGY_CACHE";

/// End of the names of files that are being written.
const UNFINISHED: &str = ".partial";

/// Age from which an unfinished file is one that a killed process left behind.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// Path of a part of the cache, such as `digests`; `None` if nothing is kept on disk.
///
/// It lies in the folder of the environment variable `BURN_TOPOLOGY_CACHE`, or in `burn-topology` among the caches of
/// the user.
pub(super) fn cache_folder(part: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let is_absolute = |path: &PathBuf| path.is_absolute();
    let folder = match set(FOLDER) {
        Some(folder) => Some(folder).filter(|folder| !folder.as_os_str().is_empty()),
        None => set("XDG_CACHE_HOME")
            .filter(is_absolute)
            .or_else(|| Some(set("HOME").filter(is_absolute)?.join(".cache")))
            .or_else(|| set("LOCALAPPDATA").filter(is_absolute))
            .map(|caches| caches.join("burn-topology")),
    };
    folder.map(|folder| folder.join(part))
}

/// Writes a file under another name and renames it, so that it is never there in part; returns whether that worked.
pub(super) fn store(path: &Path, parts: &[&[u8]]) -> bool {
    static N_STORED: AtomicUsize = AtomicUsize::new(0);
    let number = N_STORED.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_extension(format!("{}-{number}{UNFINISHED}", std::process::id()));
    // Not synchronised with the disk, which would take longer than to compute the file anew: its checksum tells whether
    // a power cut left it in part.
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let mut file = File::create_new(&unfinished)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        std::fs::rename(&unfinished, path)
    };
    let is_stored = write().is_ok();
    if !is_stored {
        let _ = std::fs::remove_file(&unfinished);
    }
    is_stored
}

/// File of the cache.
pub(super) struct CachedFile {
    pub(super) path: PathBuf,
    pub(super) n_bytes: u64,
    /// Time at which it was written, or used.
    pub(super) time: SystemTime,
}

/// Files of a part of the cache, in any order; files that a killed process left unfinished are removed.
pub(super) fn cached_files(folder: &Path) -> Vec<CachedFile> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(metadata) = entry.metadata().ok().filter(std::fs::Metadata::is_file) else {
            continue;
        };
        let (path, time) = (
            entry.path(),
            metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        );
        if path.to_string_lossy().ends_with(UNFINISHED) {
            if time.elapsed().is_ok_and(|age| age > ABANDONED_AFTER) {
                let _ = std::fs::remove_file(path);
            }
            continue;
        }
        files.push(CachedFile {
            path,
            n_bytes: metadata.len(),
            time,
        });
    }
    files
}
