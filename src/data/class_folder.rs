//! Data sets stored as `<split>/<class>/<file>`: listing, splitting and digest.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn::data::dataset::{Dataset, DatasetError};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::split::set_aside;
use crate::error::{Error, Result};
use crate::hexadecimal::hexadecimal;

/// Kind of samples that the class folders hold: images or clips.
pub(super) struct SampleFormat {
    /// Plural noun for messages.
    pub(super) plural: &'static str,
    /// Description of acceptable entries, for the message of a folder without any.
    pub(super) expected: String,
    /// Text that represents the content of an entry in the digest, such as its size; `None` for an entry
    /// that is not a sample and is ignored.
    pub(super) fingerprint: fn(&Path) -> Result<Option<String>>,
}

/// Path of an image or clip, with its label.
#[derive(Debug, Clone)]
pub(super) struct LabelledPath {
    pub(super) path: PathBuf,
    /// Label, counted from 0.
    pub(super) label: usize,
    /// Text that represents the content in the digest.
    fingerprint: String,
}

/// Lists the training, validation and test samples of a directory, sorted by class and name.
///
/// They lie in `train/<class>/`, `val/<class>/` or `validation/<class>/`, and `test/<class>/`. Classes
/// are the sorted names of the folders in `train`. Without a validation folder `validation_fraction` of
/// `train` is set aside.
///
/// # Errors
///
/// If a folder is missing or holds no sample, if the number of folders in `train` is not `n_classes`, if
/// another split has a class that `train` lacks, or if there is not exactly one source of validation
/// samples.
pub(super) fn class_folders(
    root: &Path,
    n_classes: usize,
    validation_fraction: Option<f64>,
    format: &SampleFormat,
) -> Result<[Vec<LabelledPath>; 3]> {
    let classes = class_names(&root.join("train"), format)?;
    if classes.len() != n_classes {
        return Err(Error::invalid_format(format!(
            "{}: {} class folders, expected {n_classes} (data.n_classes)",
            root.join("train").display(),
            classes.len()
        )));
    }
    let train = list_samples(&root.join("train"), &classes, format)?;
    let test = list_samples(&root.join("test"), &classes, format)?;
    match (validation_folder(root)?, validation_fraction) {
        (Some(folder), None) => Ok([train, list_samples(&folder, &classes, format)?, test]),
        (None, Some(fraction)) => {
            // Chosen among all listed samples, before any of them is decoded: a damaged sample that is left
            // out later moves no other sample to another split.
            let labels: Vec<usize> = train.iter().map(|file| file.label).collect();
            let parts = set_aside(&labels, fraction, format.plural)
                .map_err(|error| error.within(root.join("train").display()))?;
            let [train, validation] =
                parts.map(|part| part.iter().map(|&index| train[index].clone()).collect());
            Ok([train, validation, test])
        }
        (Some(folder), Some(_)) => Err(Error::invalid_parameter(format!(
            "{}: this folder exists and data.validation_fraction is set, expected only one of them",
            folder.display()
        ))),
        (None, None) => Err(Error::file(format!(
            "{}: no folder `val` or `validation`; add one, or set data.validation_fraction",
            root.display()
        ))),
    }
}

/// Path of the validation folder, `val` or `validation`; `None` if neither exists.
fn validation_folder(root: &Path) -> Result<Option<PathBuf>> {
    let [short, long] = ["val", "validation"].map(|name| root.join(name));
    match (short.is_dir(), long.is_dir()) {
        (true, true) => Err(Error::invalid_format(format!(
            "{}: both `val` and `validation` exist, expected only one of them",
            root.display()
        ))),
        (true, false) => Ok(Some(short)),
        (false, true) => Ok(Some(long)),
        (false, false) => Ok(None),
    }
}

/// Names of the class folders in a split, sorted.
fn class_names(split: &Path, format: &SampleFormat) -> Result<Vec<OsString>> {
    let mut names: Vec<OsString> = entries_of_split(split, format)?
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| path.file_name().map(OsString::from))
        .collect();
    names.sort();
    Ok(names)
}

/// Lists the samples of a split, sorted by class and name.
fn list_samples(
    split: &Path,
    classes: &[OsString],
    format: &SampleFormat,
) -> Result<Vec<LabelledPath>> {
    let mut files = Vec::new();
    for name in class_names(split, format)? {
        let folder = split.join(&name);
        // Labels come from `train`, so that a class has the same label in every split.
        let label = classes
            .iter()
            .position(|class| *class == name)
            .ok_or_else(|| {
                Error::invalid_format("this class has no folder in `train`")
                    .within(folder.display())
            })?;
        let n_before = files.len();
        for path in entries_of_split(&folder, format)? {
            if let Some(fingerprint) = (format.fingerprint)(&path)? {
                files.push(LabelledPath {
                    path,
                    label,
                    fingerprint,
                });
            }
        }
        if files.len() == n_before {
            return Err(Error::invalid_format(format!(
                "{}: no {}, expected {}",
                folder.display(),
                format.plural,
                format.expected
            )));
        }
    }
    if files.is_empty() {
        return Err(Error::invalid_format(format!(
            "{}: no class folders, expected one for each class",
            split.display()
        )));
    }
    Ok(files)
}

/// Entries of a folder that must exist; explains the expected layout if it does not.
fn entries_of_split(folder: &Path, format: &SampleFormat) -> Result<Vec<PathBuf>> {
    entries(folder).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::file(format!(
            "{}: no such folder, expected {} in `train/<class>/`, `test/<class>/` and, unless data.validation_fraction is set, `val/<class>/`",
            folder.display(),
            format.plural
        ))
        .caused_by(error),
        _ => Error::cannot_read(folder, error),
    })
}

/// Paths of the entries of a folder, sorted by name, without hidden ones.
pub(super) fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        // Hidden entries are those of the operating system or of tools, not samples.
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    // The operating system lists entries in any order; labels and splits must not depend on it.
    paths.sort();
    Ok(paths)
}

/// Size in bytes of a file with one of the extensions, in lower or upper case; `None` for other entries.
pub(super) fn size_of(path: &Path, extensions: &[&str]) -> Result<Option<u64>> {
    let metadata = path
        .metadata()
        .map_err(|error| Error::cannot_read(path, error))?;
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let is_accepted =
        metadata.is_file() && extensions.iter().any(|accepted| extension == *accepted);
    Ok(is_accepted.then_some(metadata.len()))
}

/// Lists file extensions for a message: "`.png`, `.jpg`".
pub(super) fn enumerated(extensions: &[&str]) -> String {
    let quoted: Vec<String> = extensions.iter().map(|e| format!("`.{e}`")).collect();
    quoted.join(", ")
}

/// SHA-256 over one line `path<TAB>fingerprint` for every sample, with paths relative to the root, sorted.
pub(super) fn listing_digest<'a>(
    root: &Path,
    files: impl IntoIterator<Item = &'a LabelledPath>,
) -> String {
    // Over all splits together: another `validation_fraction` gives the same digest.
    let lines = files
        .into_iter()
        .map(|file| digest_line(root, &file.path, &file.fingerprint));
    digest_of_lines(lines.collect())
}

/// Line of a listing: relative path, tab, fingerprint.
pub(super) fn digest_line(root: &Path, path: &Path, fingerprint: &str) -> String {
    // Relative, so that the digest stays the same where the data set is moved.
    let relative = path.strip_prefix(root).unwrap_or(path);
    // Joined by `/` on every operating system, so that the digest is the same everywhere.
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    format!("{}\t{fingerprint}\n", parts.join("/"))
}

/// SHA-256 over the sorted lines, in hexadecimal.
pub(super) fn digest_of_lines(mut lines: Vec<String>) -> String {
    lines.sort();
    hexadecimal(&Sha256::digest(lines.concat()))
}

/// Data set of files that are decoded on access, several of them in parallel.
pub(super) struct DecodedOnAccess<R> {
    pub(super) files: Vec<LabelledPath>,
    /// Decodes one file.
    pub(super) read: R,
}

impl<I, R> Dataset<I> for DecodedOnAccess<R>
where
    I: Send,
    R: Fn(&LabelledPath) -> Result<I> + Send + Sync,
{
    fn get(&self, index: usize) -> Result<I, DatasetError> {
        (self.read)(&self.files[index]).map_err(DatasetError::new)
    }

    fn get_many(&self, indices: Vec<usize>) -> Result<Vec<I>, DatasetError> {
        // Two passes: collecting the parallel iterator into a `Result` at once would return whichever error
        // came first in time, not the one of the first index.
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
