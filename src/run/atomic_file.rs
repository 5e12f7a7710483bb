//! Files that are written completely or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// End of the names of files that are being written.
const SUFFIX: &str = ".partial";

/// Time after which an unfinished file of a process that has ended is removed.
///
/// The process may run on another machine that shares the directory, where its number says nothing.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// File that is written under another name, and gets its own name only when it is complete.
///
/// If it is dropped before, nothing is left of it.
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
    is_complete: bool,
}

impl AtomicFile {
    /// Creates the file under its other name. Unfinished files of the same name that processes left more than an hour ago
    /// are removed.
    ///
    /// # Errors
    ///
    /// The file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        static N_WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let Some(name) = path.file_name() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path has no file name",
            ));
        };
        remove_abandoned(directory_of(path), name);
        // The name appended to, so that `a.json` and `a.npz` differ; with numbers of the process and of the file, so that
        // two processes and two threads do.
        let mut partial: OsString = path.as_os_str().to_owned();
        let number = N_WRITTEN.fetch_add(1, Ordering::Relaxed);
        partial.push(format!(".{}-{number}{SUFFIX}", std::process::id()));
        let partial = PathBuf::from(partial);
        // Fails if anything has the name, a symbolic link as well, which would lead the bytes elsewhere.
        let file = File::create_new(&partial)?;
        Ok(Self {
            file: BufWriter::new(file),
            partial,
            path: path.to_owned(),
            is_complete: false,
        })
    }

    /// Gives the file its name. A symbolic link at its path is replaced, and its target is left as it is.
    ///
    /// # Errors
    ///
    /// The file cannot be written or renamed. An earlier file stays as it was, and nothing else is left.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        // Before the rename: after a crash the name must not stand for an empty file.
        self.file.get_ref().sync_all()?;
        std::fs::rename(&self.partial, &self.path)?;
        self.is_complete = true;
        sync_directory(directory_of(&self.path));
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.is_complete {
            // The error that ended the writing matters more than one of cleaning up.
            let _ = std::fs::remove_file(&self.partial);
            sync_directory(directory_of(&self.path));
        }
    }
}

/// Writes a file under another name and renames it, so that it is never there in part; see [`AtomicFile`].
///
/// # Errors
///
/// The file cannot be written or renamed. An earlier file stays as it was, and nothing else is left.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Directory of a file.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Makes the names in a directory outlast a power cut, where the file system can.
pub(super) fn sync_directory(directory: &Path) {
    // Without it, the old names may be back after a power cut, but never half of a file. Some systems cannot open a
    // directory, and some file systems cannot synchronise one.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
}

/// Removes unfinished files of `name` that processes left; as far as possible, since nothing depends on it.
fn remove_abandoned(directory: &Path, name: &OsStr) {
    let Some(name) = name.to_str() else {
        return;
    };
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let other = entry.file_name();
        let process = other.to_str().and_then(|other| writer(other, name));
        let is_old = || {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|time| time.elapsed().ok());
            age.is_some_and(|age| age > ABANDONED_AFTER)
        };
        if process.is_some_and(|process| !is_running(process)) && is_old() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Process that writes, or wrote, the unfinished file `other` of `name`; `None` if it is another file.
fn writer(other: &str, name: &str) -> Option<u32> {
    let numbers = other.strip_prefix(name)?.strip_prefix('.')?;
    let (process, number) = numbers.strip_suffix(SUFFIX)?.split_once('-')?;
    number.parse::<usize>().ok()?;
    process.parse().ok()
}

/// True if a process of this machine has the number, or if that cannot be told.
pub fn is_running(process: u32) -> bool {
    !Path::new("/proc/self").exists() || Path::new("/proc").join(process.to_string()).exists()
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
        // A file cannot replace a directory; nothing is left of it, nor of a file that was given up.
        write_atomically(&directory.join("taken.json"), b"text").unwrap_err();
        let mut given_up = AtomicFile::create(&directory.join("b")).unwrap();
        given_up.write_all(b"text").unwrap();
        drop(given_up);
        let n_entries = std::fs::read_dir(&directory).unwrap().count();
        assert_eq!(n_entries, 5);
        std::fs::remove_dir_all(directory).unwrap();
        assert!(write_atomically(Path::new("/"), b"text").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_replaced_and_their_targets_kept() {
        let name = format!("burn-topology-link-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let [target, link] = ["target", "link"].map(|name| directory.join(name));
        std::fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "kept");
        assert!(link.symlink_metadata().unwrap().is_file());
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "new");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_old_files_of_processes_that_have_ended_are_removed() {
        let name = format!("burn-topology-abandoned-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        // No process has this number: the kernel gives at most 2^22.
        let ended = u32::MAX;
        let cases = [
            (format!("a.json.{ended}-0.partial"), 2, false),
            (format!("a.json.{ended}-1.partial"), 0, true),
            (
                format!("a.json.{}-999.partial", std::process::id()),
                2,
                true,
            ),
            (format!("b.json.{ended}-0.partial"), 2, true),
            ("a.json.partial".to_owned(), 2, true),
        ];
        for (name, hours, _) in &cases {
            let file = File::create(directory.join(name)).unwrap();
            let age = Duration::from_secs(3600 * hours);
            let modified = std::time::SystemTime::now() - age;
            file.set_modified(modified).unwrap();
        }
        write_atomically(&directory.join("a.json"), b"{}").unwrap();
        for (name, _, stays) in &cases {
            assert_eq!(directory.join(name).exists(), *stays, "{name}");
        }
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn two_writers_of_one_file_both_end_whole() {
        let name = format!("burn-topology-writers-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("a.npz");
        let texts = [b'a', b'b'].map(|letter| vec![letter; 1 << 20]);
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| (0..10).for_each(|_| write_atomically(&path, text).unwrap()));
            }
        });
        assert!(texts.contains(&std::fs::read(&path).unwrap()));
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
