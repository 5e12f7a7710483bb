//! Directory of a run, and the names of its files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::atomic_file::{directory_of, sync_directory, write_atomically};
use super::lock::RunLock;
use super::manifest::Manifest;
use crate::error::{Error, Result};

/// Start of every error message of the program, in the log of a run and on stderr.
pub(crate) const ERROR_START: &str = "burn-topology: ";

/// First word of the message after every interruption, which tells a stopped run from a failed one.
pub(crate) const STOPPED: &str = "stopped";

/// Directory of a run, and the paths of its files.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    root: PathBuf,
}

impl RunDirectory {
    /// Creates a new directory with its first files, completely or not at all; never changes an
    /// existing one.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if `root` exists; other kinds if it cannot be written.
    pub fn create(root: &Path, config: &str, manifest: &Manifest) -> io::Result<Self> {
        // Drops a slash at the end, which would put the partial directory inside of `root`.
        let root: &Path = &root.components().collect::<PathBuf>();
        // Not `exists`, which is false for a link that leads nowhere.
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
        // With the process id, so that two processes never fill the same directory.
        name.push(format!(".{}.partial", std::process::id()));
        let partial = Self { root: name.into() };
        let created = partial.fill(config, manifest).and_then(|()| {
            // If another process created the same run meanwhile, renaming fails: it does not replace
            // a directory that has files.
            std::fs::rename(&partial.root, root)
        });
        if let Err(error) = created {
            // The error of creating it matters more than one of cleaning up.
            let _ = std::fs::remove_dir_all(&partial.root);
            return Err(match error.kind() {
                io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
                _ => error,
            });
        }
        sync_directory(directory_of(root));
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

    /// Opens the directory of an existing run.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if there is no such directory, or it has no configuration.
    pub fn open(root: &Path) -> Result<Self> {
        let run = Self {
            root: root.to_owned(),
        };
        if !root.is_dir() {
            return Err(Error::file(format!(
                "{}: no such run directory",
                root.display()
            )));
        }
        if !run.config().is_file() {
            return Err(Error::file(format!(
                "{}: no config.toml, expected a run directory",
                root.display()
            )));
        }
        Ok(run)
    }

    /// Locks the directory for training until the lock is dropped or the process ends.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if another process holds the lock, or the directory cannot be written.
    pub fn lock(&self) -> Result<RunLock> {
        RunLock::take(&self.root)
    }

    /// True if a process holds the lock.
    pub fn is_locked(&self) -> bool {
        RunLock::is_taken(&self.root)
    }

    /// Name of the directory; for `.`, the name of the current directory.
    pub fn name(&self) -> String {
        let absolute = self.root.canonicalize();
        let absolute = absolute.unwrap_or_else(|_| self.root.clone());
        let name = absolute.file_name().unwrap_or(self.root.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// True if the directory lies where the cells of a study do, in `cells` beside `configs` or `logs`.
    pub fn is_cell(&self) -> bool {
        let absolute = self.root.canonicalize();
        let absolute = absolute.unwrap_or_else(|_| self.root.clone());
        let Some(cells) = absolute.parent() else {
            return false;
        };
        cells.ends_with("cells")
            && ["configs", "logs"]
                .iter()
                .any(|name| cells.with_file_name(name).is_dir())
    }

    /// Path of the directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of the resolved configuration, `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// Path of the [`Manifest`], `manifest.json`.
    pub fn manifest(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// Path of the metrics, `metrics.jsonl`: one JSON object per record.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// Path of the directory of TensorBoard event files.
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }

    /// Path of the directory of checkpoints, which are named by their steps.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Path of the directory with the weights that training started from, if something is compared with them.
    pub fn reference(&self) -> PathBuf {
        self.root.join("reference")
    }

    /// Path of the final metrics, `summary.json`, which is written last.
    pub fn summary(&self) -> PathBuf {
        self.root.join("summary.json")
    }

    /// Path of the log, `log.txt`: the lines that were printed.
    pub fn log(&self) -> PathBuf {
        self.root.join("log.txt")
    }
}

/// Checks that a directory for the files of a report is not the directory of a run, whose files they would replace.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if the directory holds a configuration together with checkpoints or metrics.
pub fn check_not_a_run(directory: &Path) -> Result<()> {
    let has = |name: &str| directory.join(name).exists();
    // A configuration alone may be anywhere.
    if has("config.toml") && (has("checkpoints") || has("metrics.jsonl")) {
        return Err(Error::invalid_parameter(format!(
            "{0}: this is the directory of a run, whose files would be replaced; pass another directory, or a new one in it, \
             as in {0}/report",
            directory.components().collect::<PathBuf>().display()
        )));
    }
    Ok(())
}
