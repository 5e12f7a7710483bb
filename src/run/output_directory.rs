//! Directories that a command fills with its files: a report, or exported weights.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::atomic_file::sync_directory;
use super::exchange::exchange;
use super::files_below::files_below;
use super::owned_files::{Content, OwnedFiles, content, has_plain_parents};
use super::partial::{create_partial, directory_of, remove_abandoned, remove_all};
use crate::error::{Error, Result};

/// Number of attempts to get the lock under which directories are replaced, and the pause between two of them.
const LOCK_ATTEMPTS: (usize, Duration) = (500, Duration::from_millis(20));

/// Directory with all files that a command writes, which replaces those that an earlier call of the command wrote.
///
/// The files are written into a new directory. [`finish`](Self::finish) puts it in place of the earlier one, in one step
/// where the earlier one has nothing else in it: whoever reads it, and whoever is killed, finds either all earlier files
/// or all new ones. In a directory that has other files too, only files that the earlier call listed as its own are
/// replaced or removed, one after another. The list is `written_by_burn_topology.json`.
///
/// If the value is dropped before it is finished, nothing is left of it.
///
/// # Example
///
/// ```
/// use burn_topology::run::OutputDirectory;
///
/// # let root = std::env::temp_dir().join(format!("burn-topology-output-{}", std::process::id()));
/// # std::fs::create_dir_all(&root).unwrap();
/// let path = root.join("report");
/// let output = OutputDirectory::create(&path, "my program", false)?;
/// output.write("numbers.csv", b"1,2\n")?;
/// output.finish()?;
/// assert_eq!(std::fs::read(path.join("numbers.csv")).unwrap(), b"1,2\n");
///
/// // Another file is nobody's to replace.
/// std::fs::write(path.join("notes.txt"), "mine").unwrap();
/// let output = OutputDirectory::create(&path, "my program", false)?;
/// output.write("notes.txt", b"not mine")?;
/// assert!(output.finish().is_err());
/// # std::fs::remove_dir_all(root).unwrap();
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug)]
pub struct OutputDirectory {
    /// Directory as the caller gave it, for messages.
    shown: PathBuf,
    /// The same without symbolic links, which a rename would replace.
    directory: PathBuf,
    /// Directory of the new files.
    staging: PathBuf,
    command: String,
    replaces_others: bool,
}

impl OutputDirectory {
    /// Starts a new directory that will replace the files which `command` wrote into `directory` earlier.
    ///
    /// `replaces_others` also allows a directory with files of others, and to replace those that have the name of a new
    /// file; all others stay as they are.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_parameter`] if the directory is that of a run or of a study, or has files of others.
    /// - [`Error::is_file_error`] if nothing can be written there.
    pub fn create(directory: &Path, command: &str, replaces_others: bool) -> Result<Self> {
        let cannot = |error| Error::cannot_write(directory, error);
        let shown: PathBuf = directory.components().collect();
        if shown.as_os_str().is_empty() {
            let message = "the path of the directory is empty, expected a directory to write to";
            return Err(Error::invalid_parameter(message));
        }
        let directory = without_links(&shown).map_err(cannot)?;
        remove_abandoned(&OwnedFiles::path(&directory));
        let found = content(&directory, &shown, command, replaces_others)?;
        let create_dir = |partial: &Path| std::fs::create_dir(partial);
        let is_replaced = match found {
            Content::Nothing => true,
            Content::Files { is_alone, .. } => is_alone && !is_current_directory(&directory),
        };
        let mut staging = None;
        if !directory.exists() {
            std::fs::create_dir_all(directory_of(&directory)).map_err(cannot)?;
            staging = Some(create_partial(&directory, create_dir).map_err(cannot)?);
        } else if is_replaced && is_on_the_disk_of_its_parent(&directory) {
            // Fails where the parent is not the user's to write; there is room inside then.
            staging = create_partial(&directory, create_dir).ok();
        }
        let (staging, ()) = match staging {
            Some(staging) => staging,
            None => create_partial(&OwnedFiles::path(&directory), create_dir).map_err(cannot)?,
        };
        Ok(Self {
            shown,
            directory,
            staging,
            command: command.to_owned(),
            replaces_others,
        })
    }

    /// Directory into which the new files are written; its name is that of something unfinished.
    pub fn path(&self) -> &Path {
        &self.staging
    }

    /// Writes one file; `name` is a path in the directory, with `/` between names.
    ///
    /// # Errors
    ///
    /// [`Error::is_file_error`] if the file cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.staging.join(name);
        std::fs::create_dir_all(directory_of(&path))
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(|error| Error::cannot_write(&self.shown.join(name), error))
    }

    /// Puts the new files in place of the earlier ones.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_parameter`] if a file of others has the name of a new one.
    /// - [`Error::is_file_error`] if a file cannot be written.
    pub fn finish(self) -> Result<()> {
        let cannot = |error| Error::cannot_write(&self.shown, error);
        let mut new = files_below(&self.staging).map_err(cannot)?;
        // Empty directories, which are nobody's files.
        new.retain(|file| !file.ends_with('/'));
        let list = OwnedFiles::new(&self.command, new);
        list.write(&self.staging).map_err(cannot)?;
        synchronize(&self.staging).map_err(cannot)?;
        // Two processes may finish the same directory.
        let _lock = lock(directory_of(&self.directory));
        if self.replace_whole()? {
            return Ok(());
        }
        self.replace_one_by_one(&list)
    }

    /// Replaces the whole directory in one step; false if that is not possible.
    fn replace_whole(&self) -> Result<bool> {
        if directory_of(&self.staging) == self.directory {
            return Ok(false);
        }
        let replaced = match self.content()? {
            Content::Nothing => std::fs::rename(&self.staging, &self.directory),
            Content::Files { is_alone: true, .. } => {
                let metadata = self.directory.metadata();
                let permissions = metadata.map(|metadata| metadata.permissions());
                match permissions {
                    // Whoever forbids writing into a directory does not want another one in its place.
                    Ok(permissions) if permissions.readonly() => return Ok(false),
                    // The rights that others have been given stay, where the file system has them.
                    Ok(permissions) => {
                        let _ = std::fs::set_permissions(&self.staging, permissions);
                    }
                    Err(_) => {}
                }
                exchange(&self.staging, &self.directory)
            }
            Content::Files { .. } => return Ok(false),
        };
        // Otherwise the file system cannot do it, or another process came first. What `staging` is after an exchange, the
        // earlier directory, is removed when this value is dropped.
        let is_replaced = replaced.is_ok();
        if is_replaced {
            sync_directory(directory_of(&self.directory));
        }
        Ok(is_replaced)
    }

    /// Moves the new files into the directory one by one, and removes the earlier ones that are not among them.
    fn replace_one_by_one(&self, new: &OwnedFiles) -> Result<()> {
        let cannot = |error| Error::cannot_write(&self.shown, error);
        let earlier = match self.content()? {
            Content::Nothing => BTreeSet::new(),
            Content::Files { own, .. } => own,
        };
        for file in &new.files {
            self.check(file, &earlier)?;
        }
        std::fs::create_dir_all(&self.directory).map_err(cannot)?;
        // Before anything is moved: if this process is killed, the next one knows all files that may be there.
        let both = new.files.union(&earlier).cloned().collect();
        let list = OwnedFiles::new(&self.command, both);
        list.write(&self.directory).map_err(cannot)?;
        for file in &new.files {
            let path = self.directory.join(file);
            std::fs::create_dir_all(directory_of(&path))
                .and_then(|()| std::fs::rename(self.staging.join(file), &path))
                .map_err(|error| Error::cannot_write(&self.shown.join(file), error))?;
        }
        // After the new files are there, so that there is never less than one report.
        for file in earlier.difference(&new.files) {
            if has_plain_parents(&self.directory, file) {
                remove_with_empty_parents(&self.directory, file);
            }
        }
        new.write(&self.directory).map_err(cannot)
    }

    /// Refuses to replace a file that no earlier call of the command wrote, and to write through a symbolic link.
    fn check(&self, file: &str, own: &BTreeSet<String>) -> Result<()> {
        if !has_plain_parents(&self.directory, file) {
            return Err(Error::invalid_parameter(format!(
                "{}: a directory in this path is a symbolic link or a file, expected a directory; move it elsewhere, or \
                 pass another directory",
                self.shown.join(file).display()
            )));
        }
        let exists = self.directory.join(file).symlink_metadata().is_ok();
        if exists && !own.contains(file) && !self.replaces_others {
            return Err(is_of_others(&self.shown.join(file), &self.command));
        }
        Ok(())
    }

    /// Looks at the directory again. Files that others put there since [`Self::create`] are no reason to lose the new ones.
    fn content(&self) -> Result<Content> {
        content(&self.directory, &self.shown, &self.command, true)
    }
}

impl Drop for OutputDirectory {
    fn drop(&mut self) {
        // The error that ended the writing matters more than one of cleaning up.
        let _ = remove_all(&self.staging);
    }
}

/// Error about a file that would be replaced.
fn is_of_others(shown: &Path, command: &str) -> Error {
    Error::invalid_parameter(format!(
        "{}: no earlier `{command}` wrote this file; move it elsewhere, pass another directory, or pass --force to replace it",
        shown.display()
    ))
}

/// Marks a directory as that of a command, which will write `files` into it later; creates it if it is missing.
///
/// # Errors
///
/// As for [`OutputDirectory::create`], and [`Error::is_invalid_parameter`] if the directory has one of the files already,
/// from others.
pub fn claim_directory(
    directory: &Path,
    command: &str,
    files: &[&str],
    replaces_others: bool,
) -> Result<()> {
    let cannot = |error| Error::cannot_write(directory, error);
    let own = match content(directory, directory, command, replaces_others)? {
        Content::Nothing => BTreeSet::new(),
        Content::Files { own, .. } => own,
    };
    for file in files {
        let path = directory.join(file);
        if path.symlink_metadata().is_ok() && !own.contains(*file) && !replaces_others {
            return Err(is_of_others(&path, command));
        }
    }
    std::fs::create_dir_all(directory).map_err(cannot)?;
    // Two processes may claim the directory, and one may have written a report by now.
    let _lock = lock(directory_of(directory));
    if OwnedFiles::path(directory).is_file() {
        return Ok(());
    }
    let list = OwnedFiles::new(command, own);
    list.write(directory).map_err(cannot)
}

/// Path of a directory without the symbolic links in it, if it exists; otherwise the path as it is.
fn without_links(directory: &Path) -> io::Result<PathBuf> {
    // Not `exists`, which is false for a link that leads nowhere.
    if directory.symlink_metadata().is_err() {
        return Ok(directory.to_owned());
    }
    let path = directory.canonicalize()?;
    if path.is_dir() {
        Ok(path)
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

/// True for the current directory of this process and its parents, which must not be replaced under the user's feet.
fn is_current_directory(directory: &Path) -> bool {
    let current = std::env::current_dir().and_then(|path| path.canonicalize());
    current.is_ok_and(|current| current.starts_with(directory))
}

/// False for a directory on which another disk is mounted.
fn is_on_the_disk_of_its_parent(directory: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let disk = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
        disk(directory) == disk(directory_of(directory))
    }
    #[cfg(not(unix))]
    {
        let _ = directory;
        true
    }
}

/// Waits until all files in a directory, and their names, are on the disk.
fn synchronize(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            synchronize(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_directory(directory);
    Ok(())
}

/// Locks a directory against others that replace something in it; without a lock where the system has none.
fn lock(directory: &Path) -> Option<File> {
    let directory = File::open(directory).ok()?;
    let (n_attempts, pause) = LOCK_ATTEMPTS;
    for _ in 0..n_attempts {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            Err(std::fs::TryLockError::WouldBlock) => sleep(pause),
            Err(std::fs::TryLockError::Error(_)) => return None,
        }
    }
    // The other process was stopped in the middle; each file is still moved as a whole.
    None
}

/// Removes a file, and the directories in `root` that are empty then; as far as possible.
fn remove_with_empty_parents(root: &Path, file: &str) {
    let path = root.join(file);
    let _ = std::fs::remove_file(&path);
    let parents = path.ancestors().skip(1);
    for parent in parents.take_while(|parent| *parent != root) {
        // Fails, and ends the loop, at the first directory that has something in it.
        if std::fs::remove_dir(parent).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
