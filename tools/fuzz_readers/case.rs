//! Input of a reader: the files that it is given.

use std::io;
use std::path::Path;

/// Files of a directory, with their paths relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Relative path and content of each file, sorted by path.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Case {
    /// Creates a case of one file.
    pub fn one(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            files: vec![(name.to_owned(), bytes.into())],
        }
    }

    /// Reads all files below a directory whose relative path is wanted.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn read(directory: &Path, is_wanted: impl Fn(&str) -> bool) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut pending = vec![directory.to_owned()];
        while let Some(current) = pending.pop() {
            for entry in std::fs::read_dir(current)? {
                let path = entry?.path();
                let relative = path.strip_prefix(directory).unwrap_or(&path);
                let name = relative.to_string_lossy().into_owned();
                if path.is_dir() {
                    pending.push(path);
                } else if is_wanted(&name) {
                    files.push((name, std::fs::read(&path)?));
                }
            }
        }
        files.sort();
        Ok(Self { files })
    }

    /// Makes a directory hold the files of the case and nothing else.
    ///
    /// # Errors
    ///
    /// A file cannot be removed or written.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir_all(directory)?;
        for (name, bytes) in &self.files {
            let path = directory.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, bytes)?;
        }
        Ok(())
    }
}
