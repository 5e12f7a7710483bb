//! Data sets stored as `<split>/<class>/<file>`: listing and splitting.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::passed_over::PassedOver;
use super::sample_files::{LabelledPath, entries};
use super::split::set_aside;
use crate::counted::{counted, numbered};
use crate::error::{Error, Result};

/// Largest number of names that a message lists.
const MAX_NAMES: usize = 10;

/// Kind of samples that the class folders hold: images or clips.
pub(super) struct SampleFormat {
    /// Noun for messages, in the singular.
    pub(super) noun: &'static str,
    /// Description of acceptable entries, for the message of a folder without any.
    pub(super) expected: String,
    /// True for an entry that is a sample. Entries that are passed over within a sample are counted.
    pub(super) is_sample: fn(&Path, &mut PassedOver) -> Result<bool>,
}

impl SampleFormat {
    fn plural(&self) -> String {
        numbered(2, self.noun)
    }
}

/// Samples of a directory.
pub(super) struct Listing {
    /// Training, validation and test samples.
    pub(super) splits: [Vec<LabelledPath>; 3],
    /// One sentence for each thing that was passed over or left out.
    pub(super) notes: Vec<String>,
}

/// Lists the training, validation and test samples of a directory, sorted by class and name.
///
/// They lie in `train/<class>/`, `val/<class>/` or `validation/<class>/`, and `test/<class>/`. Classes
/// are the sorted names of the folders in `train`. Without a validation folder `validation_fraction` of
/// `train` is set aside.
///
/// Notes name the classes that another split lacks, and count the entries that are not samples.
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
) -> Result<Listing> {
    let mut lister = Lister {
        format,
        classes: Vec::new(),
        passed_over: PassedOver::default(),
        notes: Vec::new(),
    };
    let folder = root.join("train");
    lister.classes = lister.class_names(&folder)?;
    if lister.classes.len() != n_classes {
        return Err(Error::invalid_format(format!(
            "{}: {}{}, expected {n_classes} (data.n_classes)",
            folder.display(),
            counted(lister.classes.len(), "class folder"),
            listed(&lister.classes)
        )));
    }
    let train = lister.samples(&folder, &lister.classes.clone())?;
    let test = lister.split(&root.join("test"))?;
    let splits = match (validation_folder(root)?, validation_fraction) {
        (Some(folder), None) => [train, lister.split(&folder)?, test],
        (None, Some(fraction)) => {
            // Chosen among all listed samples, before any of them is decoded: a damaged sample that is left
            // out later moves no other sample to another split.
            let labels: Vec<usize> = train.iter().map(|file| file.label).collect();
            let parts = set_aside(&labels, fraction, &format.plural())
                .map_err(|error| error.within(folder.display()))?;
            let [train, validation] =
                parts.map(|part| part.iter().map(|&index| train[index].clone()).collect());
            [train, validation, test]
        }
        (Some(folder), Some(_)) => {
            return Err(Error::invalid_parameter(format!(
                "{}: this folder exists and data.validation_fraction is set, expected only one of them",
                folder.display()
            )));
        }
        (None, None) => {
            return Err(Error::file(format!(
                "{}: no folder `val` or `validation`; add one, or set data.validation_fraction",
                root.display()
            )));
        }
    };
    let mut notes = lister.notes;
    notes.extend(lister.passed_over.note(root, &format.plural()));
    Ok(Listing { splits, notes })
}

impl Listing {
    /// Decodes all samples, and leaves out those that cannot be decoded.
    ///
    /// # Errors
    ///
    /// That of the first sample, if none of a class of the training split can be decoded, or none of another split.
    pub(super) fn leave_out_unreadable(
        &mut self,
        noun: &str,
        read: impl Fn(&Path) -> Result<()> + Sync,
    ) -> Result<()> {
        let mut messages = Vec::new();
        for (files, split) in self.splits.iter_mut().zip(["train", "validation", "test"]) {
            let errors: Vec<Option<Error>> = files
                .par_iter()
                .map(|file| read(&file.path).err())
                .collect();
            let tried: Vec<(LabelledPath, Option<Error>)> =
                std::mem::take(files).into_iter().zip(errors).collect();
            // Training needs samples of every class. The other splits may lose a class, but not all of their samples.
            let is_one_group = |a: usize, b: usize| a == b || split != "train";
            // Samples are sorted by class, so each class is one chunk.
            for group in tried.chunk_by(|a, b| is_one_group(a.0.label, b.0.label)) {
                let (file, first) = &group[0];
                if let Some(first) = first
                    && group.iter().all(|(_, error)| error.is_some())
                {
                    return Err(first.clone().within(format_args!(
                        "{}: none of {} {split} {} can be read; the first error is",
                        file.path.display(),
                        group.len(),
                        numbered(group.len(), noun)
                    )));
                }
            }
            for (file, error) in tried {
                match error {
                    None => files.push(file),
                    Some(error) => messages.push(error.to_string()),
                }
            }
        }
        if let Some(first) = messages.first() {
            self.notes.push(format!(
                "left out {} that cannot be read; the first: {first}",
                counted(messages.len(), noun)
            ));
        }
        Ok(())
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

/// Goes through the folders of a data set.
struct Lister<'a> {
    format: &'a SampleFormat,
    /// Names of the class folders of `train`, sorted.
    classes: Vec<OsString>,
    passed_over: PassedOver,
    notes: Vec<String>,
}

impl Lister<'_> {
    /// Names of the class folders in a split, sorted.
    fn class_names(&mut self, split: &Path) -> Result<Vec<OsString>> {
        let mut names = Vec::new();
        for path in self.entries(split)? {
            match path.file_name() {
                Some(name) if path.is_dir() => names.push(name.to_owned()),
                _ => self.passed_over.add(&path),
            }
        }
        names.sort();
        Ok(names)
    }

    /// Lists the samples of a split other than `train`, and notes the classes that it lacks.
    fn split(&mut self, split: &Path) -> Result<Vec<LabelledPath>> {
        let names = self.class_names(split)?;
        let files = self.samples(split, &names)?;
        let is_missing = |class: &&OsString| !names.contains(class);
        let missing: Vec<OsString> = self.classes.iter().filter(is_missing).cloned().collect();
        if !missing.is_empty() {
            self.notes.push(format!(
                "{}: no folder for {} of `train`{}",
                split.display(),
                counted(missing.len(), "class"),
                listed(&missing)
            ));
        }
        Ok(files)
    }

    /// Lists the samples in the class folders of a split, sorted by class and name.
    fn samples(&mut self, split: &Path, names: &[OsString]) -> Result<Vec<LabelledPath>> {
        let mut files = Vec::new();
        for name in names {
            let folder = split.join(name);
            // Labels come from `train`, so that a class has the same label in every split.
            let label = self.classes.iter().position(|class| class == name);
            let label = label.ok_or_else(|| {
                Error::invalid_format("this class has no folder in `train`")
                    .within(folder.display())
            })?;
            let n_before = files.len();
            for path in self.entries(&folder)? {
                if (self.format.is_sample)(&path, &mut self.passed_over)? {
                    files.push(LabelledPath { path, label });
                } else {
                    self.passed_over.add(&path);
                }
            }
            if files.len() == n_before {
                return Err(Error::invalid_format(format!(
                    "{}: no {} in this folder itself, expected {}",
                    folder.display(),
                    self.format.plural(),
                    self.format.expected
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
    fn entries(&mut self, folder: &Path) -> Result<Vec<PathBuf>> {
        entries(folder, &mut self.passed_over).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::file(format!(
                "{}: no such folder, expected {} in `train/<class>/`, `test/<class>/` and, unless data.validation_fraction is set, `val/<class>/`",
                folder.display(),
                self.format.plural()
            ))
            .caused_by(error),
            _ => Error::cannot_read(folder, error),
        })
    }
}

/// Names in a message, in parentheses: all of a few, or the first of many; empty if there is none.
fn listed(names: &[OsString]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let quoted = |name: &OsString| format!("`{}`", name.to_string_lossy());
    let mut parts: Vec<String> = names.iter().take(MAX_NAMES).map(quoted).collect();
    if names.len() > MAX_NAMES {
        parts.push(format!("and {} more", names.len() - MAX_NAMES));
    }
    format!(" ({})", parts.join(", "))
}
