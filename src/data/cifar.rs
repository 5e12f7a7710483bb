//! The binary files of CIFAR-10 and CIFAR-100.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::packed::{PackedImages, packed_splits};
use super::{SampleSpec, Splits};

const SIDE: usize = 32;
const N_CHANNELS: usize = 3;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cifar {
    /// 10 classes.
    Ten,
    /// 100 classes, the fine ones.
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

    fn test_files(self) -> &'static [&'static str] {
        match self {
            Self::Ten => &["test_batch.bin"],
            Self::Hundred => &["test.bin"],
        }
    }

    /// Bytes before the pixels of a record; the last of them is the class.
    fn n_label_bytes(self) -> usize {
        match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        }
    }
}

/// Reads the binary version of CIFAR.
///
/// # Errors
///
/// One sentence if a file is missing, empty or not made of whole records, or if a label is out of
/// range.
///
/// # Source
///
/// Krizhevsky, "The CIFAR-10 and CIFAR-100 data sets", section "Binary version".
pub(super) fn cifar(
    kind: Cifar,
    directory: &Path,
    validation_fraction: f64,
) -> Result<Splits, String> {
    let mut source = Sha256::new();
    let train = part(kind, directory, kind.train_files(), &mut source)?;
    let test = part(kind, directory, kind.test_files(), &mut source)?;
    packed_splits(kind.spec(), [train, test], validation_fraction, source)
        .map_err(|message| format!("{}: {message}", directory.display()))
}

fn part(
    kind: Cifar,
    directory: &Path,
    names: &[&str],
    source: &mut Sha256,
) -> Result<PackedImages, String> {
    let n_classes = kind.spec().n_classes;
    let n_label_bytes = kind.n_label_bytes();
    let record = n_label_bytes + N_CHANNELS * SIDE * SIDE;
    let mut images = PackedImages {
        pixels: Vec::new(),
        labels: Vec::new(),
    };
    for name in names {
        let path = directory.join(name);
        let refuse = |message: String| format!("{}: {message}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => refuse(format!(
                "no such file, expected the binary version of CIFAR-{n_classes}"
            )),
            _ => refuse(format!("cannot be read: {error}")),
        })?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let found = bytes.len();
            return Err(refuse(format!(
                "{found} bytes, expected a multiple of {record}, the record of an image"
            )));
        }
        source.update(&bytes);
        for (place, image) in bytes.chunks_exact(record).enumerate() {
            let (labels, pixels) = image.split_at(n_label_bytes);
            let label = usize::from(labels[n_label_bytes - 1]);
            if label >= n_classes {
                let largest = n_classes - 1;
                return Err(refuse(format!(
                    "label {label} of image {place}, expected 0 to {largest}"
                )));
            }
            images.labels.push(label);
            images.pixels.extend_from_slice(pixels);
        }
    }
    Ok(images)
}
