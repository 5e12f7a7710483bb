//! Directory of a run, and the names of its files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::atomic_file::{sync_directory, write_atomically};
use super::files_below::files_below;
use super::lock::RunLock;
use super::manifest::Manifest;
use super::partial::{create_partial, directory_of, is_partial, remove_all};
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
    /// Creates a new directory with its first files and locks it, completely or not at all; never changes an
    /// existing one.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if `root` exists; other kinds if it cannot be written.
    pub fn create(root: &Path, config: &str, manifest: &Manifest) -> io::Result<(Self, RunLock)> {
        // Drops a slash at the end, which would put the partial directory inside of `root`.
        let root: &Path = &root.components().collect::<PathBuf>();
        // Not `exists`, which is false for a link that leads nowhere.
        if root.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        std::fs::create_dir_all(directory_of(root)).map_err(|error| match error.kind() {
            // A file in the way, which is no run that exists already.
            io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
            _ => error,
        })?;
        let (partial, ()) = create_partial(root, |partial| std::fs::create_dir(partial))?;
        let partial = Self { root: partial };
        // Locked before it has its name: otherwise another process could take it for one that was left behind.
        let created = partial.fill(config, manifest).and_then(|lock| {
            // If another process created the same run meanwhile, renaming fails: it does not replace
            // a directory that has files.
            std::fs::rename(&partial.root, root)?;
            Ok(lock.moved_to(root))
        });
        let lock = match created {
            Ok(lock) => lock,
            Err(error) => {
                // The error of creating it matters more than one of cleaning up.
                let _ = std::fs::remove_dir_all(&partial.root);
                return Err(match error.kind() {
                    io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
                    _ => error,
                });
            }
        };
        sync_directory(directory_of(root));
        let run = Self {
            root: root.to_owned(),
        };
        Ok((run, lock))
    }

    /// Creates a run directory among the temporary files, for a training whose results are not kept.
    ///
    /// The caller removes it. If the process is killed before, the next such directory takes its place.
    ///
    /// # Errors
    ///
    /// There is no directory for temporary files, or it cannot be written.
    pub fn create_temporary(config: &str, manifest: &Manifest) -> io::Result<(Self, RunLock)> {
        let name = std::env::temp_dir().join("burn-topology-dry-run");
        let (root, ()) = create_partial(&name, |partial| std::fs::create_dir(partial))?;
        let run = Self { root };
        let filled = run.fill(config, manifest);
        if filled.is_err() {
            let _ = std::fs::remove_dir_all(&run.root);
        }
        Ok((run, filled?))
    }

    fn fill(&self, config: &str, manifest: &Manifest) -> io::Result<RunLock> {
        let lock = self.lock().map_err(io::Error::other)?;
        std::fs::create_dir(self.checkpoints())?;
        std::fs::create_dir(self.tensorboard())?;
        write_atomically(&self.config(), config.as_bytes())?;
        manifest.write(&self.manifest())?;
        File::create_new(self.metrics())?;
        File::create_new(self.log())?;
        Ok(lock)
    }

    /// Removes the directory of a run whose process ended before its first checkpoint, so that the run can begin again.
    ///
    /// Returns false, and changes nothing, if the directory has anything else than the first files of a run.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if a process trains in the directory, or if it cannot be removed.
    pub fn discard_without_checkpoint(root: &Path) -> Result<bool> {
        let root: &Path = &root.components().collect::<PathBuf>();
        let is_discardable = || {
            let is_own_directory = root
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.is_dir());
            is_own_directory
                && root.join("config.toml").is_file()
                && files_below(root).is_ok_and(|files| files.iter().all(|file| is_first(file)))
        };
        if !is_discardable() {
            return Ok(false);
        }
        let lock = RunLock::take(root)?;
        // Again, since a process may have trained until now.
        if !is_discardable() {
            return Ok(false);
        }
        let cannot =
            |error| Error::file(format!("cannot remove {}", root.display())).because(error);
        // Renamed first, so that a process that is killed meanwhile leaves no half of a run directory.
        let (removed, ()) =
            create_partial(root, |partial| std::fs::rename(root, partial)).map_err(cannot)?;
        remove_all(&removed).map_err(cannot)?;
        drop(lock);
        Ok(true)
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

    /// True if a process of this machine holds the lock.
    pub fn is_locked_here(&self) -> bool {
        RunLock::is_taken_here(&self.root)
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

/// True for the files that a run directory has before its first checkpoint, by their paths in it.
fn is_first(file: &str) -> bool {
    let mut parts = file.split('/');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    match (first, second, third) {
        ("config.toml" | "metrics.jsonl" | "log.txt" | "lock" | "manifest.json", None, None) => {
            true
        }
        (name, None, None) => ["manifest.json", "metrics.jsonl"]
            .iter()
            .any(|file| is_partial(name, file)),
        ("checkpoints" | "tensorboard", Some(""), None) => true,
        ("tensorboard", Some(name), None) => name.starts_with("events.out.tfevents."),
        ("reference" | "reference.partial", Some(_), None) => true,
        // Of a checkpoint that was not completed.
        ("checkpoints", Some(name), Some(_)) => name.ends_with(".partial"),
        _ => false,
    }
}

/// Checks that a directory for the files of a report is not the directory of a run, whose files they would replace.
///
/// `shown` is its path for the message.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if the directory holds a configuration together with checkpoints or metrics.
pub(super) fn check_not_a_run(directory: &Path, shown: &Path) -> Result<()> {
    let has = |name: &str| directory.join(name).exists();
    // A configuration alone may be anywhere.
    if has("config.toml") && (has("checkpoints") || has("metrics.jsonl")) {
        return Err(Error::invalid_parameter(format!(
            "{0}: this is the directory of a run, whose files would be replaced; pass another directory, or a new one in it, \
             as in {0}/report",
            shown.components().collect::<PathBuf>().display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_root(name: &str) -> PathBuf {
        let name = format!("burn-topology-{name}-{}", std::process::id());
        std::env::temp_dir().join(name).join("run")
    }

    fn create(root: &Path) -> io::Result<(RunDirectory, RunLock)> {
        let manifest = Manifest::default();
        RunDirectory::create(root, "seed = 0", &manifest)
    }

    #[test]
    fn a_run_is_locked_as_soon_as_its_directory_is_there() {
        let root = new_root("created");
        let (run, lock) = create(&root).unwrap();
        assert!(run.is_locked() && run.is_locked_here() && lock.is_held());
        let error = create(&root).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        // Nothing is left of the second attempt.
        let parent = root.parent().unwrap();
        assert_eq!(std::fs::read_dir(parent).unwrap().count(), 1);
        drop(lock);
        assert!(!run.is_locked());
        std::fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn only_runs_without_anything_to_keep_are_discarded() {
        let root = new_root("discarded");
        let discard = || RunDirectory::discard_without_checkpoint(&root);
        assert_eq!(discard(), Ok(false), "there is none");
        let (_, lock) = create(&root).unwrap();
        let error = discard().unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
        drop(lock);
        for kept in [
            "checkpoints/4/state.json",
            "checkpoints/4.replaced/state.json",
            "summary.json",
            "notes.txt",
            "tensorboard/notes.txt",
        ] {
            let file = root.join(kept);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
            assert_eq!(discard(), Ok(false), "{kept}");
            std::fs::remove_file(file).unwrap();
            std::fs::remove_dir_all(root.join("checkpoints")).unwrap();
            std::fs::create_dir(root.join("checkpoints")).unwrap();
        }
        for first in [
            "checkpoints/4.partial/model.bpk",
            "tensorboard/events.out.tfevents.1.host.1.0",
            "reference/model.bpk",
        ] {
            let file = root.join(first);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
        }
        assert_eq!(discard(), Ok(true));
        let parent = root.parent().unwrap();
        assert_eq!(std::fs::read_dir(parent).unwrap().count(), 0);
        std::fs::remove_dir_all(parent).unwrap();
    }
}
