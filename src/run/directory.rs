//! The directory of a run.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::lock::RunLock;
use super::manifest::Manifest;

/// A run's directory and the names in it.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    root: PathBuf,
}

impl RunDirectory {
    /// Makes a new directory with its first files in it, whole or not at all; never touches one
    /// that exists.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if there is anything at `root`; else as writing.
    pub fn create(root: &Path, config: &str, manifest: &Manifest) -> io::Result<Self> {
        // Without a slash at the end, which would put the partial directory inside.
        let root: &Path = &root.components().collect::<PathBuf>();
        if root.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if let Some(parent) = root
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            std::fs::create_dir_all(parent)?;
        }
        let mut name = root.as_os_str().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let partial = Self { root: name.into() };
        let made = partial.fill(config, manifest).and_then(|()| {
            // Two processes that make the same run: a directory with files in it is not replaced.
            std::fs::rename(&partial.root, root)
        });
        if let Err(error) = made {
            let _ = std::fs::remove_dir_all(&partial.root);
            return Err(match error.kind() {
                io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
                _ => error,
            });
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    fn fill(&self, config: &str, manifest: &Manifest) -> io::Result<()> {
        std::fs::create_dir(&self.root)?;
        std::fs::create_dir(self.checkpoints())?;
        std::fs::create_dir(self.tensorboard())?;
        write_atomically(&self.config(), config.as_bytes())?;
        manifest.write(&self.manifest())?;
        File::create_new(self.metrics())?;
        File::create_new(self.log()).map(drop)
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

    /// Keeps other processes from training in this directory, until the lock is dropped or the
    /// process ends, however it ends; see [`RunLock`].
    ///
    /// # Errors
    ///
    /// One sentence if another process holds it, or the directory cannot be written.
    pub fn lock(&self) -> Result<RunLock, String> {
        RunLock::take(&self.root)
    }

    /// Whether a process holds the lock.
    pub fn is_locked(&self) -> bool {
        RunLock::is_taken(&self.root)
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
    let mut file = File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(partial, path)
}
