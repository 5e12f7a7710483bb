//! Which data set, where it lies and how it is cut.

use std::path::{Path, PathBuf};

use super::cifar::{Cifar, cifar};
use super::digits::{DIGITS_SPEC, digits};
use super::idx::{MNIST_SPEC, mnist};
use super::image_folder::{folder_spec, image_folder};
use super::{ClipFolder, MovingDigits, Sample, SampleSpec, Splits, read_clip, read_image};

/// A data set, as a configuration names it. Relative paths start at the working directory.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSpec {
    /// The embedded digits.
    Digits,
    /// MNIST, or a data set of the same shape in the same format.
    Mnist {
        /// Directory of the four IDX files; if absent they come from the network, which needs the
        /// feature `download`.
        path: Option<PathBuf>,
        /// Fraction of every class of the training files that is for validation.
        validation_fraction: f64,
    },
    /// CIFAR-10.
    Cifar10 {
        /// Directory of the binary files.
        path: PathBuf,
        /// Fraction of every class of the training files that is for validation.
        validation_fraction: f64,
    },
    /// CIFAR-100 with its fine classes.
    Cifar100 {
        /// Directory of the binary files.
        path: PathBuf,
        /// Fraction of every class of the training file that is for validation.
        validation_fraction: f64,
    },
    /// PNG and JPEG images in `<split>/<class>/`.
    ImageFolder {
        /// Directory of the folders `train`, `test` and perhaps `val` or `validation`.
        path: PathBuf,
        /// Side that images are cut and scaled to, in pixels.
        image_size: usize,
        /// Number of folders in `train`.
        n_classes: usize,
        /// Fraction of every class of `train` that is for validation where there is no folder.
        validation_fraction: Option<f64>,
    },
    /// The embedded digits in motion.
    MovingDigits(MovingDigits),
    /// Folders of frames, animated GIFs and video files in `<split>/<class>/`.
    ClipFolder(ClipFolder),
}

/// What to do about a [`DataSpec::Mnist`] without a path in a program that cannot download.
pub const MNIST_WITHOUT_PATH: &str = "set `path` to the directory of the MNIST files, or build with `--features download` to fetch them";

impl DataSpec {
    /// Shape of the samples, known without looking at them.
    pub fn samples(&self) -> SampleSpec {
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
            Self::MovingDigits(ref made) => made.spec(),
            Self::ClipFolder(ref folder) => folder.spec(),
        }
    }
}

/// Opens a data set: checks its files, and cuts it into splits that no seed changes.
///
/// # Errors
///
/// One sentence: the file or folder, what was found there, what was expected. Images in folders
/// are decoded later, and errors in them are [`DatasetError`](burn::data::dataset::DatasetError)s
/// then.
///
/// # Cost
///
/// MNIST and CIFAR are read whole and kept, a byte for each pixel; folders are listed.
pub fn open_data(spec: &DataSpec) -> Result<Splits, String> {
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
        } => image_folder(path, *image_size, *n_classes, *validation_fraction),
        DataSpec::MovingDigits(made) => Ok(made.splits()),
        DataSpec::ClipFolder(folder) => folder.open(),
    }
}

impl DataSpec {
    /// An image or clip from a file, cut and scaled to the shape of this data set; its class is not
    /// known and said to be 0.
    ///
    /// # Errors
    ///
    /// One sentence if it cannot be read, or the samples of the data set are not files.
    pub fn read(&self, path: &Path) -> Result<Sample, String> {
        let pixels = match self {
            Self::MovingDigits(_) => Err(format!(
                "{}: the model was trained on clips that are made, not read; expected a split of them",
                path.display()
            )),
            Self::ClipFolder(folder) => read_clip(path, &folder.cut),
            _ => read_image(path, self.samples()),
        };
        Ok(Sample::new(pixels?, 0))
    }
}

#[cfg(feature = "download")]
use super::download::downloaded_mnist;

#[cfg(not(feature = "download"))]
fn downloaded_mnist(_validation_fraction: f64) -> Result<Splits, String> {
    Err(format!("MNIST has no path; {MNIST_WITHOUT_PATH}"))
}
