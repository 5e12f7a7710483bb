//! The directory of a run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A run's directory and the names in it.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    root: PathBuf,
}

impl RunDirectory {
    /// Makes a new directory; never touches one that exists.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if there is anything at `root`.
    pub fn create(root: &Path) -> io::Result<Self> {
        if let Some(parent) = root
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::create_dir(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// A directory that a run made.
    ///
    /// # Errors
    ///
    /// One sentence if it is not there or holds no configuration.
    pub fn open(root: &Path) -> Result<Self, String> {
        let run = Self {
            root: root.to_owned(),
        };
        match root.is_dir() {
            true if run.config().is_file() => Ok(run),
            true => Err(format!(
                "{}: no config.toml, expected a run directory",
                root.display()
            )),
            false => Err(format!("{}: no such run directory", root.display())),
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// What ran, and on what.
    pub fn manifest(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// One JSON object per record.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// Event files.
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }

    /// One directory per checkpoint, named by its step.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Final metrics; written last.
    pub fn summary(&self) -> PathBuf {
        self.root.join("summary.json")
    }

    /// The lines that the person saw.
    pub fn log(&self) -> PathBuf {
        self.root.join("log.txt")
    }
}

/// Writes a file beside its place and renames it there, so that it is whole or absent.
///
/// # Errors
///
/// As writing and renaming.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = std::fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(partial, path)
}
