//! CIFAR-10 and CIFAR-100, read from their binary files.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::packed::{PackedImages, packed_splits};
use super::{SampleSpec, Splits, numbered_classes};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::input_file;

/// Height and width of an image, in pixels.
const SIDE: usize = 32;
/// Number of channels of an image: red, green and blue.
const N_CHANNELS: usize = 3;

/// Variant of CIFAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cifar {
    /// CIFAR-10.
    Ten,
    /// CIFAR-100 with its 100 fine classes.
    Hundred,
}

impl Cifar {
    /// Shape of the images.
    pub(super) const fn spec(self) -> SampleSpec {
        SampleSpec {
            n_frames: 1,
            n_channels: N_CHANNELS,
            height: SIDE,
            width: SIDE,
            n_classes: match self {
                Self::Ten => 10,
                Self::Hundred => 100,
            },
        }
    }

    /// Names of the files of the training split.
    fn train_files(self) -> &'static [&'static str] {
        match self {
            Self::Ten => &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
            ],
            Self::Hundred => &["train.bin"],
        }
    }

    /// Names of the files of the test split.
    fn test_files(self) -> &'static [&'static str] {
        match self {
            Self::Ten => &["test_batch.bin"],
            Self::Hundred => &["test.bin"],
        }
    }

    /// Name of the file with the names of the classes, one a line.
    fn names_file(self) -> &'static str {
        match self {
            Self::Ten => "batches.meta.txt",
            Self::Hundred => "fine_label_names.txt",
        }
    }

    /// Number of bytes before the pixels of a record; the last of them is the label.
    ///
    /// In CIFAR-100 the coarse class comes first.
    fn n_label_bytes(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }
}

/// Reads the binary version of CIFAR from a directory.
///
/// # Errors
///
/// If a file is missing, empty or not made of complete records, or if a label is out of range.
///
/// # Source
///
/// Krizhevsky, "The CIFAR-10 and CIFAR-100 data sets", section "Binary version".
pub(super) fn cifar(kind: Cifar, directory: &Path, validation_fraction: f64) -> Result<Splits> {
    let mut source = Sha256::new();
    // Training files first: the digest depends on the order of the files.
    let train = read_split(kind, directory, kind.train_files(), &mut source)?;
    let test = read_split(kind, directory, kind.test_files(), &mut source)?;
    let splits = packed_splits(kind.spec(), [train, test], validation_fraction, source)
        .map_err(|error| error.within(directory.display()))?;
    Ok(Splits {
        classes: class_names(kind, directory),
        ..splits
    })
}

/// Names of the classes; their numbers if the file with the names is missing or is not what it should be.
fn class_names(kind: Cifar, directory: &Path) -> Vec<String> {
    let n_classes = kind.spec().n_classes;
    // The images are complete without this file, so it is no error if it was not copied with them.
    let text = input_file::read_text(&directory.join(kind.names_file())).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = lines.map(str::to_owned).collect();
    if names.len() == n_classes {
        names
    } else {
        numbered_classes(n_classes)
    }
}

/// Reads the files of one split and adds their bytes to the digest.
fn read_split(
    kind: Cifar,
    directory: &Path,
    names: &[&str],
    source: &mut Sha256,
) -> Result<PackedImages> {
    let n_classes = kind.spec().n_classes;
    let n_label_bytes = kind.n_label_bytes();
    let record = n_label_bytes + N_CHANNELS * SIDE * SIDE;
    let mut images = PackedImages {
        pixels: Vec::new(),
        labels: Vec::new(),
    };
    for name in names {
        let path = directory.join(name);
        let invalid = |message: String| Error::invalid_format(message).within(path.display());
        let bytes = input_file::read(&path).map_err(|error| {
            match error.kind() {
                std::io::ErrorKind::NotFound => Error::file(format!(
                    "no such file, expected the binary version of CIFAR-{n_classes}"
                ))
                .caused_by(error),
                _ => Error::file("cannot be read").because(error),
            }
            .within(path.display())
        })?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            return Err(invalid(format!(
                "{}, expected a multiple of {record}, the size of the record of an image",
                counted(bytes.len(), "byte")
            )));
        }
        source.update(&bytes);
        for (index, image) in bytes.chunks_exact(record).enumerate() {
            let (labels, pixels) = image.split_at(n_label_bytes);
            // In CIFAR-100 this is the fine class, after the coarse one.
            let label = usize::from(labels[n_label_bytes - 1]);
            if label >= n_classes {
                let largest = n_classes - 1;
                return Err(invalid(format!(
                    "label {label} of image {index}, expected 0 to {largest}"
                )));
            }
            images.labels.push(label);
            images.pixels.extend_from_slice(pixels);
        }
    }
    Ok(images)
}
