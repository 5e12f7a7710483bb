//! Files of samples: listing, digest, and decoding on access.

use std::path::{Path, PathBuf};

use burn::data::dataset::{Dataset, DatasetError};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::passed_over::{PassedOver, is_hidden};
use super::{Sample, SampleSet};
use crate::error::{Error, Result};
use crate::hexadecimal::hexadecimal;

/// Path of an image or clip, with its label.
#[derive(Debug, Clone)]
pub(super) struct LabelledPath {
    pub(super) path: PathBuf,
    /// Label, counted from 0.
    pub(super) label: usize,
}

/// Paths of the entries of a folder, sorted by name, without hidden ones, which are counted.
pub(super) fn entries(
    folder: &Path,
    passed_over: &mut PassedOver,
) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if is_hidden(&path) {
            passed_over.add(&path);
        } else {
            paths.push(path);
        }
    }
    // The operating system lists entries in any order; labels and splits must not depend on it.
    paths.sort();
    Ok(paths)
}

/// True for a file with one of the extensions, in lower or upper case.
pub(super) fn is_file_of(path: &Path, extensions: &[&str]) -> Result<bool> {
    let metadata = path
        .metadata()
        .map_err(|error| Error::cannot_read(path, error))?;
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    Ok(metadata.is_file() && extensions.iter().any(|accepted| extension == *accepted))
}

/// Lists file extensions for a message: "`.png`, `.jpg`".
pub(super) fn enumerated(extensions: &[&str]) -> String {
    let quoted: Vec<String> = extensions.iter().map(|e| format!("`.{e}`")).collect();
    quoted.join(", ")
}

/// Digests of the contents of samples, in their order; several are computed in parallel.
///
/// # Errors
///
/// That of the first sample that cannot be read.
pub(super) fn content_digests<'a>(
    files: impl IntoIterator<Item = &'a LabelledPath>,
    digest: impl Fn(&Path) -> Result<String> + Sync,
) -> Result<Vec<String>> {
    let files: Vec<&LabelledPath> = files.into_iter().collect();
    // Two passes, so that the error is always that of the first sample.
    let digests: Vec<Result<String>> = files.par_iter().map(|file| digest(&file.path)).collect();
    digests.into_iter().collect()
}

/// SHA-256 over one line `path<TAB>digest` for every sample, with paths relative to the root, sorted.
pub(super) fn listing_digest<'a>(
    root: &Path,
    files: impl IntoIterator<Item = &'a LabelledPath>,
    digests: &[String],
) -> String {
    // Over all splits together: another `validation_fraction` gives the same digest.
    let lines = files
        .into_iter()
        .zip(digests)
        .map(|(file, digest)| digest_line(root, &file.path, digest));
    digest_of_lines(lines.collect())
}

/// Line of a listing: relative path, tab, digest of the content.
pub(super) fn digest_line(root: &Path, path: &Path, digest: &str) -> String {
    // Relative, so that the digest stays the same where the data set is moved.
    format!("{}\t{digest}\n", relative_name(root, path))
}

/// Path relative to a directory that it is in, with `/` between its parts on every operating system.
pub(super) fn relative_name(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// SHA-256 over the sorted lines, in hexadecimal.
pub(super) fn digest_of_lines(mut lines: Vec<String>) -> String {
    lines.sort();
    hexadecimal(&Sha256::digest(lines.concat()))
}

/// Data set of files that are decoded on access, several of them in parallel.
pub(super) struct DecodedOnAccess<R> {
    /// Directory of the data set, to which the names of samples are relative.
    pub(super) root: PathBuf,
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

impl<R> SampleSet for DecodedOnAccess<R>
where
    R: Fn(&LabelledPath) -> Result<Sample> + Send + Sync,
{
    fn label(&self, index: usize) -> usize {
        self.files[index].label
    }

    fn file(&self, index: usize) -> Option<String> {
        Some(relative_name(&self.root, &self.files[index].path))
    }
}
