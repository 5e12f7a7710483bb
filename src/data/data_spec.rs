//! Specification of a data set: which one, where its files are, and how it is split.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::cifar::{Cifar, cifar};
use super::digits::{DIGITS_SPEC, digits};
use super::idx::{MNIST_SPEC, mnist};
use super::image_folder::{folder_spec, image_folder};
use super::scaled::{scaled, scaled_spec};
use super::{
    ClipFolder, DamagedGlyphs, HeldOut, MovingDigits, Sample, SampleSpec, Splits, Vocabulary,
    read_clip, read_image,
};
use crate::error::{Error, Result};

/// Data set as specified by a configuration; relative paths start at the working directory of the process.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSpec {
    /// Embedded handwritten digits of 8 by 8 pixels, see [`digits`].
    Digits,
    /// MNIST, or another data set with images of 28 by 28 pixels, ten classes and the same file format.
    Mnist {
        /// Directory of the four IDX files; `None` to download them, which needs the feature `download`.
        path: Option<PathBuf>,
        /// Fraction of every class of the training files that is set aside for validation.
        validation_fraction: f64,
    },
    /// CIFAR-10.
    Cifar10 {
        /// Directory of the binary files.
        path: PathBuf,
        /// Fraction of every class of the training files that is set aside for validation.
        validation_fraction: f64,
    },
    /// CIFAR-100 with its 100 fine classes.
    Cifar100 {
        /// Directory of the binary files.
        path: PathBuf,
        /// Fraction of every class of the training file that is set aside for validation.
        validation_fraction: f64,
    },
    /// Image files in `<split>/<class>/`.
    ImageFolder {
        /// Directory that holds `train`, `test` and optionally `val` or `validation`.
        path: PathBuf,
        /// Side of the square to which images are cropped and scaled, in pixels.
        image_size: usize,
        /// Number of class folders in `train`.
        n_classes: usize,
        /// Fraction of every class of `train` that is set aside for validation; `None` if there is a
        /// validation folder.
        validation_fraction: Option<f64>,
        /// True to decode all images when the data set is opened and to leave out those that cannot be decoded.
        skip_unreadable: bool,
    },
    /// Clips of moving embedded digits, generated with ground truth.
    MovingDigits(MovingDigits),
    /// Pictures of damaged glyphs with their masks, generated.
    DamagedGlyphs(DamagedGlyphs),
    /// Folders of frames, animated image files and video files in `<split>/<class>/`.
    ClipFolder(ClipFolder),
    /// Images of another data set, scaled to squares of another size.
    Scaled {
        /// Data set of the images.
        data: Box<DataSpec>,
        /// Side of the squares, in pixels.
        image_size: usize,
    },
}

/// Advice for a [`DataSpec::Mnist`] without a path in a program built without the feature `download`.
pub const MNIST_WITHOUT_PATH: &str = "set `path` to the directory of the MNIST files, or build with `--features download` to fetch them";

impl DataSpec {
    /// Shape of the samples, without reading any file.
    pub fn sample_spec(&self) -> SampleSpec {
        match *self {
            Self::Digits => DIGITS_SPEC,
            Self::Mnist { .. } => MNIST_SPEC,
            Self::Cifar10 { .. } => Cifar::Ten.spec(),
            Self::Cifar100 { .. } => Cifar::Hundred.spec(),
            Self::ImageFolder {
                image_size,
                n_classes,
                ..
            } => folder_spec(image_size, n_classes),
            Self::MovingDigits(ref settings) => settings.spec(),
            Self::DamagedGlyphs(ref settings) => settings.spec(),
            Self::ClipFolder(ref folder) => folder.spec(),
            Self::Scaled {
                ref data,
                image_size,
            } => scaled_spec(data.sample_spec(), image_size),
        }
    }
}

impl DataSpec {
    /// Words of the captions; `None` if the samples have none.
    pub fn vocabulary(&self) -> Option<Vocabulary> {
        match self {
            Self::MovingDigits(settings) => settings.vocabulary(),
            _ => None,
        }
    }

    /// Tells what a caption has that was held out of the training split.
    pub fn held_out(&self, caption: &str) -> HeldOut {
        match self {
            Self::MovingDigits(settings) => settings.held_out(caption),
            _ => HeldOut::Nothing,
        }
    }

    /// Directory of the data set; `None` if it is part of the program, generated or downloaded.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Digits | Self::MovingDigits(_) | Self::DamagedGlyphs(_) => None,
            Self::Mnist { path, .. } => path.as_deref(),
            Self::Cifar10 { path, .. }
            | Self::Cifar100 { path, .. }
            | Self::ImageFolder { path, .. } => Some(path),
            Self::ClipFolder(folder) => Some(&folder.path),
            Self::Scaled { data, .. } => data.directory(),
        }
    }

    /// True if each sample is an image with its mask, as two frames.
    pub fn has_masks(&self) -> bool {
        matches!(self, Self::DamagedGlyphs(_))
    }

    /// Changes the directory of a data set that has one.
    pub fn set_directory(&mut self, directory: PathBuf) {
        match self {
            Self::Digits
            | Self::MovingDigits(_)
            | Self::DamagedGlyphs(_)
            | Self::Mnist { path: None, .. } => {}
            Self::Mnist {
                path: Some(path), ..
            }
            | Self::Cifar10 { path, .. }
            | Self::Cifar100 { path, .. }
            | Self::ImageFolder { path, .. } => *path = directory,
            Self::ClipFolder(folder) => folder.path = directory,
            Self::Scaled { data, .. } => data.set_directory(directory),
        }
    }
}

/// Opens a data set: checks its files and divides it into splits that do not depend on a seed.
///
/// # Errors
///
/// - [`Error::is_file_error`] if a file or folder cannot be read.
/// - [`Error::is_invalid_format`] if a file is damaged, or if folders do not have the expected layout.
/// - [`Error::is_invalid_parameter`] if a setting does not fit the files, or if MNIST has no path in a program
///   that cannot download it.
///
/// Images and clips in folders are decoded later, and damage in them is a
/// [`DatasetError`](burn::data::dataset::DatasetError) then, whose source is an [`Error`].
///
/// # Cost
///
/// MNIST and CIFAR are read completely and held in memory, one byte for each value. Folders are only
/// listed, unless `skip_unreadable` asks for every image or clip to be decoded.
pub fn open_data(spec: &DataSpec) -> Result<Splits> {
    open(spec, None)
}

/// Opens a data set like [`open_data`], for a model that was trained on these classes.
///
/// Class folders get the label that their name has among `classes`, however many there are and however they are
/// sorted. Data sets without class folders have fixed classes, and are opened as by [`open_data`].
///
/// # Errors
///
/// Returns the errors of [`open_data`], and [`Error::is_invalid_format`] for a class folder that is none of the classes.
pub fn open_data_as(spec: &DataSpec, classes: &[String]) -> Result<Splits> {
    open(spec, Some(classes))
}

fn open(spec: &DataSpec, classes: Option<&[String]>) -> Result<Splits> {
    match spec {
        DataSpec::Digits => Ok(digits()),
        DataSpec::Mnist {
            path,
            validation_fraction,
        } => match path {
            Some(path) => mnist(path, *validation_fraction),
            None => downloaded_mnist(*validation_fraction),
        },
        DataSpec::Cifar10 {
            path,
            validation_fraction,
        } => cifar(Cifar::Ten, path, *validation_fraction),
        DataSpec::Cifar100 {
            path,
            validation_fraction,
        } => cifar(Cifar::Hundred, path, *validation_fraction),
        DataSpec::ImageFolder {
            path,
            image_size,
            n_classes,
            validation_fraction,
            skip_unreadable,
        } => image_folder(
            path,
            *image_size,
            *n_classes,
            classes,
            *validation_fraction,
            *skip_unreadable,
        ),
        DataSpec::MovingDigits(settings) => Ok(settings.splits()),
        DataSpec::DamagedGlyphs(settings) => settings.splits(),
        DataSpec::ClipFolder(folder) => match classes {
            Some(classes) => folder.open_as(classes),
            None => folder.open(),
        },
        DataSpec::Scaled { data, image_size } => Ok(scaled(open(data, classes)?, *image_size)),
    }
}

impl DataSpec {
    /// Reads an image or clip, cropped and scaled to the shape of this data set, with 0 as its label.
    ///
    /// # Errors
    ///
    /// - [`Error::is_file_error`] if the file cannot be read, [`Error::is_invalid_format`] if it is damaged.
    /// - [`Error::is_invalid_parameter`] if the samples of this data set are generated and not read from files.
    pub fn read_sample(&self, path: &Path) -> Result<Sample> {
        // Told first, because the readers of images and clips report a missing file each in their own way.
        if let Err(error) = path.metadata() {
            return Err(match error.kind() {
                ErrorKind::NotFound => {
                    Error::file(format!("{}: no such file", path.display())).caused_by(error)
                }
                _ => Error::cannot_read(path, error),
            });
        }
        let pixels = match self {
            Self::MovingDigits(_) | Self::DamagedGlyphs(_) => {
                Err(Error::invalid_parameter(format!(
                    "{}: the model was trained on generated samples, which are not files; expected a split of them",
                    path.display()
                )))
            }
            Self::ClipFolder(folder) => read_clip(path, &folder.sampling),
            _ => read_image(path, self.sample_spec()),
        };
        Ok(Sample::new(pixels?, 0))
    }
}

#[cfg(feature = "download")]
use super::download::downloaded_mnist;

/// Refuses an MNIST without a path, because this program cannot download it.
#[cfg(not(feature = "download"))]
fn downloaded_mnist(_validation_fraction: f64) -> Result<Splits> {
    Err(Error::invalid_parameter(format!(
        "MNIST has no `path`; {MNIST_WITHOUT_PATH}"
    )))
}
