//! Lists of the files that a command wrote into a directory, by which they are told from those of others.

use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic_file::write_atomically;
use super::directory::check_not_a_run;
use super::files_below::files_below;
use super::partial::is_partial;
use crate::error::{Error, Result};
use crate::input_file;

/// Name of the file with the list.
const NAME: &str = "written_by_burn_topology.json";

/// Files that a command wrote into a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnedFiles {
    /// Command that wrote the files, such as `analyze`.
    command: String,
    /// Paths of the files in the directory, with `/` between names.
    pub(super) files: BTreeSet<String>,
}

impl OwnedFiles {
    /// List of these files of a command.
    pub(super) fn new(command: &str, files: BTreeSet<String>) -> Self {
        Self {
            command: command.to_owned(),
            files,
        }
    }

    /// Path of the list in a directory.
    pub(super) fn path(directory: &Path) -> PathBuf {
        directory.join(NAME)
    }

    /// Writes the list into a directory.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        // The keys are strings, and memory does not refuse a write: this cannot fail.
        let mut text = serde_json::to_vec_pretty(self).expect("names can be written");
        text.push(b'\n');
        write_atomically(&Self::path(directory), &text)
    }

    /// Reads the list of a directory; `None` if there is none that can be read.
    fn read(directory: &Path) -> Option<Self> {
        let bytes = input_file::read(&Self::path(directory)).ok()?;
        let mut list: Self = serde_json::from_slice(&bytes).ok()?;
        // Whoever edits the list must not lead a command out of the directory.
        list.files.retain(|file| {
            let mut parts = Path::new(file).components();
            !file.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
        });
        Some(list)
    }
}

/// What a directory has in it, for a command that wants to write there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing, or the directory does not exist.
    Nothing,
    /// Files.
    Files {
        /// Files that an earlier call of the command wrote.
        own: BTreeSet<String>,
        /// True if there are no others.
        is_alone: bool,
    },
}

/// Looks at a directory that a command wants to write to; `shown` is its path for messages.
///
/// # Errors
///
/// - [`Error::is_invalid_parameter`] if it is the directory of a run, or of a study for another command than `ablate`.
/// - The same if it has files of others and no list of the command, unless `replaces_others`.
/// - [`Error::is_file_error`] if it cannot be read.
pub(super) fn content(
    directory: &Path,
    shown: &Path,
    command: &str,
    replaces_others: bool,
) -> Result<Content> {
    if !directory.exists() {
        return Ok(Content::Nothing);
    }
    check_not_a_run(directory, shown)?;
    let list = OwnedFiles::read(directory);
    let writer = list.as_ref().map(|list| &*list.command);
    if writer == Some(STUDY) || directory.join("cells").is_dir() {
        return match command {
            STUDY => Ok(Content::Files {
                own: list.map(|list| list.files).unwrap_or_default(),
                is_alone: false,
            }),
            _ => Err(Error::invalid_parameter(format!(
                "{0}: this is the directory of a study; pass another directory, or a new one in it, as in {0}/report",
                shown.display()
            ))),
        };
    }
    let mut files = files_below(directory).map_err(|error| Error::cannot_read(shown, error))?;
    // What is being written there is no content yet.
    files.retain(|file| {
        let name = file.split('/').next().unwrap_or_default();
        name != NAME && !is_partial(name, NAME)
    });
    match list {
        Some(list) if list.command == command => Ok(Content::Files {
            is_alone: files.is_subset(&list.files),
            own: list.files,
        }),
        None if files.is_empty() => Ok(Content::Nothing),
        _ if replaces_others => Ok(Content::Files {
            own: BTreeSet::new(),
            is_alone: false,
        }),
        list => {
            let found = match (list, files.first()) {
                (Some(list), _) => format!("has files that `{}` wrote", list.command),
                (None, first) => format!(
                    "has files that no earlier `{command}` wrote, such as {}",
                    first.map_or("its list", |file| file)
                ),
            };
            Err(Error::invalid_parameter(format!(
                "{0}: this directory {found}; pass a new one, as in {0}/{command}, or pass --force to write into this one",
                shown.display()
            )))
        }
    }
}

/// Command that runs studies. Their directories hold cells besides its reports.
const STUDY: &str = "ablate";

/// True if every directory between `root` and a file in it is missing, or a directory and no symbolic link.
pub(super) fn has_plain_parents(root: &Path, file: &str) -> bool {
    let path = root.join(file);
    let mut parents = path
        .ancestors()
        .skip(1)
        .take_while(|parent| *parent != root);
    parents.all(|parent| match parent.symlink_metadata() {
        Ok(metadata) => metadata.is_dir(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}
