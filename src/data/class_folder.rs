//! Data sets stored as `<split>/<class>/<file>`: listing and splitting.

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
    /// Names of the classes, by label.
    pub(super) classes: Vec<String>,
    /// One sentence for each thing that was passed over or left out.
    pub(super) notes: Vec<String>,
}

/// Lists the training, validation and test samples of a directory, sorted by class and name.
///
/// They lie in `train/<class>/`, `val/<class>/` or `validation/<class>/`, and `test/<class>/`. Classes are the sorted
/// names of the folders in `train`, or the `classes` of a trained model, which give every folder its label by its name.
/// Without a validation folder `validation_fraction` of `train` is set aside.
///
/// Notes name the classes that a split lacks, and count the entries that are not samples.
///
/// # Errors
///
/// If a folder is missing or holds no sample, if the number of folders in `train` is not `n_classes`, if another split
/// has a class that `train` lacks, if a folder has the name of no class of the model, or if there is not exactly one
/// source of validation samples.
pub(super) fn class_folders(
    root: &Path,
    n_classes: usize,
    classes: Option<&[String]>,
    validation_fraction: Option<f64>,
    format: &SampleFormat,
) -> Result<Listing> {
    let mut lister = Lister {
        format,
        classes: classes.unwrap_or_default().to_vec(),
        is_trained: classes.is_some(),
        passed_over: PassedOver::default(),
        notes: Vec::new(),
    };
    let folder = root.join("train");
    if !lister.is_trained {
        lister.classes = lister.class_names(&folder)?;
        if lister.classes.len() != n_classes {
            return Err(Error::invalid_format(format!(
                "{}: {}{}, expected {n_classes} (data.n_classes)",
                folder.display(),
                counted(lister.classes.len(), "class folder"),
                listed(&lister.classes)
            )));
        }
        // Counted again when the samples are listed.
        lister.passed_over = PassedOver::default();
    }
    let train = lister.split(&folder)?;
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
    Ok(Listing {
        splits,
        classes: lister.classes,
        notes,
    })
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

/// Number of classes of a directory of images or clips: of the folders in `train`.
///
/// # Errors
///
/// If there is no folder `train`, or it holds no folder.
pub fn count_classes(root: &Path) -> Result<usize> {
    let train = root.join("train");
    let n_classes = entries(&train, &mut PassedOver::default())
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Error::file(format!("{}: no such folder", train.display())).caused_by(error)
            }
            _ => Error::cannot_read(&train, error),
        })?
        .iter()
        .filter(|path| path.is_dir())
        .count();
    match n_classes {
        0 => Err(Error::invalid_format(format!(
            "{}: no class folders, expected one for each class",
            train.display()
        ))),
        n_classes => Ok(n_classes),
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
    /// Names of the classes, by label.
    classes: Vec<String>,
    /// True if the classes are those of a trained model, false if they are the folders of `train`.
    is_trained: bool,
    passed_over: PassedOver,
    notes: Vec<String>,
}

impl Lister<'_> {
    /// Names of the class folders in a split, sorted.
    fn class_names(&mut self, split: &Path) -> Result<Vec<String>> {
        Ok(self
            .class_folders(split)?
            .into_iter()
            .map(name_of)
            .collect())
    }

    /// Class folders in a split, sorted by name; other entries are counted.
    fn class_folders(&mut self, split: &Path) -> Result<Vec<PathBuf>> {
        let (folders, others): (Vec<PathBuf>, Vec<PathBuf>) = self
            .entries(split)?
            .into_iter()
            .partition(|path| path.is_dir());
        others.iter().for_each(|path| self.passed_over.add(path));
        Ok(folders)
    }

    /// Lists the samples of a split, and notes the classes that it lacks.
    fn split(&mut self, split: &Path) -> Result<Vec<LabelledPath>> {
        let folders = self.class_folders(split)?;
        let names: Vec<String> = folders.iter().map(name_of).collect();
        let lacking = |from: &[String], others: &[String]| -> Vec<String> {
            let is_lacking = |name: &&String| !others.contains(name);
            from.iter().filter(is_lacking).cloned().collect()
        };
        let missing = lacking(&self.classes, &names);
        let unknown = lacking(&names, &self.classes);
        if !unknown.is_empty() {
            return Err(self.unknown_classes(split, &unknown, &missing));
        }
        let files = self.samples(split, &folders)?;
        if !missing.is_empty() {
            let of = if self.is_trained {
                "the model"
            } else {
                "`train`"
            };
            self.notes.push(format!(
                "{}: no folder for {} of {of}{}",
                split.display(),
                counted(missing.len(), "class"),
                listed(&missing)
            ));
        }
        Ok(files)
    }

    /// Error about folders that are no class.
    fn unknown_classes(&self, split: &Path, unknown: &[String], missing: &[String]) -> Error {
        if !self.is_trained {
            let folder = split.join(&unknown[0]);
            return Error::invalid_format("this class has no folder in `train`")
                .within(folder.display());
        }
        let are = if unknown.len() == 1 { "is" } else { "are" };
        let advice = match missing {
            [] => "move it away, or train a new run with it".to_owned(),
            missing => format!(
                "no folder has the name of {}{}; if folders were renamed, give them their old names again",
                counted(missing.len(), "class"),
                listed(missing)
            ),
        };
        Error::invalid_format(format!(
            "{}{} {are} not among the {} of the trained model; {advice}",
            counted(unknown.len(), "class folder"),
            listed(unknown),
            counted(self.classes.len(), "class"),
        ))
        .within(split.display())
    }

    /// Lists the samples in the class folders of a split, sorted by class and name.
    fn samples(&mut self, split: &Path, folders: &[PathBuf]) -> Result<Vec<LabelledPath>> {
        let mut files = Vec::new();
        for folder in folders {
            // By name, so that a class has the same label in every split, and the one that a model was trained with.
            let name = name_of(folder);
            let label = self.classes.iter().position(|class| *class == name);
            let label = label.ok_or_else(|| self.unknown_classes(split, &[name], &[]))?;
            let n_before = files.len();
            for path in self.entries(folder)? {
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

/// Name of a class folder; letters that are not Unicode are replaced.
fn name_of(folder: impl AsRef<Path>) -> String {
    let name = folder.as_ref().file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Names in a message, in parentheses: all of a few, or the first of many; empty if there is none.
fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let quoted = |name: &String| format!("`{name}`");
    let mut parts: Vec<String> = names.iter().take(MAX_NAMES).map(quoted).collect();
    if names.len() > MAX_NAMES {
        parts.push(format!("and {} more", names.len() - MAX_NAMES));
    }
    format!(" ({})", parts.join(", "))
}
