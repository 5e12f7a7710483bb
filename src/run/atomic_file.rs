//! Files that are written completely or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::partial::{create_partial, directory_of};

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
    /// Creates the file under its other name, and removes what ended processes left of it.
    ///
    /// # Errors
    ///
    /// The file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path.file_name().is_none() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path has no file name",
            ));
        }
        // Fails if anything has the name, a symbolic link as well, which would lead the bytes elsewhere.
        let (partial, file) = create_partial(path, |partial| File::create_new(partial))?;
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

/// Makes the names in a directory outlast a power cut, where the file system can.
pub(super) fn sync_directory(directory: &Path) {
    // Without it, the old names may be back after a power cut, but never half of a file. Some systems cannot open a
    // directory, and some file systems cannot synchronise one.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
}

/// True if a path leads to an open file, and not to nothing or to another file that has taken its place.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let at_path = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
        // A disk that cannot be reached for a while says nothing of the file.
        Err(_) => return true,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let number = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        file.metadata()
            .map_or(true, |open| number(open) == number(at_path))
    }
    #[cfg(not(unix))]
    {
        // Other systems have no number of a file that is the same for all paths, and refuse to remove open files.
        let _ = (file, at_path);
        true
    }
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
