//! Files in folders named after their classes: how they are listed, split and named.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn::data::dataset::{Dataset, DatasetError};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::split::{hexadecimal, set_aside};

/// What lies in the folders of the classes.
pub(super) struct Medium {
    /// Its plural, for messages.
    pub(super) plural: &'static str,
    /// What counts as such, for the message where there is none.
    pub(super) expected: String,
    /// What stands for the content of an entry in the digest of the listing, its size for one;
    /// `None` where the entry is passed over.
    pub(super) content: fn(&Path) -> Result<Option<String>, String>,
}

/// An image or a clip that is not yet read.
#[derive(Debug, Clone)]
pub(super) struct LabelledPath {
    pub(super) path: PathBuf,
    /// Class, counted from 0.
    pub(super) label: usize,
    content: String,
}

/// Training, validation and test files from `train/<class>/`, `val/<class>/` or
/// `validation/<class>/`, and `test/<class>/`, each class by class and by name.
///
/// Classes are the sorted names of the folders in `train`. Without a validation folder
/// `validation_fraction` of `train` is set aside.
///
/// # Errors
///
/// One sentence if a folder is missing or holds nothing of the medium, if `train` has not
/// `n_classes` folders, if another split has a class that `train` lacks, or if there is not exactly
/// one source of validation files.
pub(super) fn class_folders(
    root: &Path,
    n_classes: usize,
    validation_fraction: Option<f64>,
    medium: &Medium,
) -> Result<[Vec<LabelledPath>; 3], String> {
    let classes = class_names(&root.join("train"), medium)?;
    if classes.len() != n_classes {
        return Err(format!(
            "{}: {} class folders, expected {n_classes} as data.n_classes says",
            root.join("train").display(),
            classes.len()
        ));
    }
    let train = list(&root.join("train"), &classes, medium)?;
    let test = list(&root.join("test"), &classes, medium)?;
    match (validation_folder(root)?, validation_fraction) {
        (Some(folder), None) => Ok([train, list(&folder, &classes, medium)?, test]),
        (None, Some(fraction)) => {
            let labels: Vec<usize> = train.iter().map(|file| file.label).collect();
            let parts = set_aside(&labels, fraction, medium.plural)
                .map_err(|message| format!("{}: {message}", root.join("train").display()))?;
            let [train, validation] =
                parts.map(|part| part.iter().map(|&index| train[index].clone()).collect());
            Ok([train, validation, test])
        }
        (Some(folder), Some(_)) => Err(format!(
            "{}: this folder and data.validation_fraction are both there, expected one of them",
            folder.display()
        )),
        (None, None) => Err(format!(
            "{}: no folder `val` or `validation`; add one, or set data.validation_fraction",
            root.display()
        )),
    }
}

fn validation_folder(root: &Path) -> Result<Option<PathBuf>, String> {
    let [short, long] = ["val", "validation"].map(|name| root.join(name));
    match (short.is_dir(), long.is_dir()) {
        (true, true) => Err(format!(
            "{}: both `val` and `validation` are there, expected one of them",
            root.display()
        )),
        (true, false) => Ok(Some(short)),
        (false, true) => Ok(Some(long)),
        (false, false) => Ok(None),
    }
}

/// Names of the folders in a split, sorted.
fn class_names(split: &Path, medium: &Medium) -> Result<Vec<OsString>, String> {
    let mut names: Vec<OsString> = entries_of_split(split, medium)?
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| path.file_name().map(OsString::from))
        .collect();
    names.sort();
    Ok(names)
}

/// The files of a split, class by class and by name.
fn list(split: &Path, classes: &[OsString], medium: &Medium) -> Result<Vec<LabelledPath>, String> {
    let mut files = Vec::new();
    for name in class_names(split, medium)? {
        let folder = split.join(&name);
        let label = classes.iter().position(|class| *class == name);
        let label = label.ok_or_else(|| {
            format!(
                "{}: a class that the folder `train` lacks",
                folder.display()
            )
        })?;
        let n_before = files.len();
        for path in entries_of_split(&folder, medium)? {
            if let Some(content) = (medium.content)(&path)? {
                files.push(LabelledPath {
                    path,
                    label,
                    content,
                });
            }
        }
        if files.len() == n_before {
            return Err(format!(
                "{}: no {}, expected {}",
                folder.display(),
                medium.plural,
                medium.expected
            ));
        }
    }
    if files.is_empty() {
        return Err(format!(
            "{}: no class folders, expected one for each class",
            split.display()
        ));
    }
    Ok(files)
}

fn entries_of_split(folder: &Path, medium: &Medium) -> Result<Vec<PathBuf>, String> {
    entries(folder).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!(
            "{}: no such folder, expected {} in `train/<class>/`, `test/<class>/` and, unless data.validation_fraction is set, `val/<class>/`",
            folder.display(),
            medium.plural
        ),
        _ => unreadable(folder, &error),
    })
}

/// What lies in a folder, sorted; hidden entries are passed over.
pub(super) fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Size in bytes of a file with one of the endings, in small or large letters.
pub(super) fn size_of(path: &Path, endings: &[&str]) -> Result<Option<u64>, String> {
    let metadata = path.metadata().map_err(|error| unreadable(path, &error))?;
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    let is_known = metadata.is_file() && endings.iter().any(|known| ending == *known);
    Ok(is_known.then_some(metadata.len()))
}

/// A sentence on a path that the system does not give out.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{}: cannot be read: {error}", path.display())
}

/// Endings as messages list them.
pub(super) fn enumerated(endings: &[&str]) -> String {
    let quoted: Vec<String> = endings.iter().map(|e| format!("`.{e}`")).collect();
    quoted.join(", ")
}

/// SHA-256 of a line `path<TAB>content` for every file, paths relative to the root and sorted.
pub(super) fn listing_digest<'a>(
    root: &Path,
    files: impl IntoIterator<Item = &'a LabelledPath>,
) -> String {
    let lines = files
        .into_iter()
        .map(|file| line(root, &file.path, &file.content));
    digest_of_lines(lines.collect())
}

/// A line of a listing, with `/` between the parts of the path.
pub(super) fn line(root: &Path, path: &Path, content: &str) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    format!("{}\t{content}\n", parts.join("/"))
}

/// SHA-256 of the sorted lines, in hexadecimal.
pub(super) fn digest_of_lines(mut lines: Vec<String>) -> String {
    lines.sort();
    hexadecimal(&Sha256::digest(lines.concat()))
}

/// Files that are decoded whenever they are asked for, several at a time.
pub(super) struct Decoded<R> {
    pub(super) files: Vec<LabelledPath>,
    /// Decodes one; its error is one sentence.
    pub(super) read: R,
}

impl<I, R> Dataset<I> for Decoded<R>
where
    I: Send,
    R: Fn(&LabelledPath) -> Result<I, String> + Send + Sync,
{
    fn get(&self, index: usize) -> Result<I, DatasetError> {
        (self.read)(&self.files[index])
            .map_err(|message| DatasetError::new(std::io::Error::other(message)))
    }

    fn get_many(&self, indices: Vec<usize>) -> Result<Vec<I>, DatasetError> {
        // Collected before they are looked through, so that the first error is the one returned.
        let items: Vec<_> = indices
            .into_par_iter()
            .map(|index| self.get(index))
            .collect();
        items.into_iter().collect()
    }

    fn len(&self) -> usize {
        self.files.len()
    }
}
