//! MNIST and data sets with the same IDX file format.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::packed::{PackedImages, packed_splits};
use super::{SampleSpec, Splits};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::input_file;

/// Shape and number of classes of MNIST.
pub(super) const MNIST_SPEC: SampleSpec = SampleSpec {
    n_frames: 1,
    n_channels: 1,
    height: 28,
    width: 28,
    n_classes: 10,
};

/// Type code of unsigned bytes in the header of an IDX file.
const UNSIGNED_BYTE: u8 = 0x08;

/// Reads the four files of MNIST from a directory, uncompressed or compressed with gzip.
///
/// # Errors
///
/// If a file is missing, is not an IDX file of the right shape, is shorter or longer than its header
/// states, or holds a label above 9.
///
/// # Source
///
/// LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "File formats".
pub(super) fn mnist(directory: &Path, validation_fraction: f64) -> Result<Splits> {
    if !directory.is_dir() {
        return Err(Error::file(format!(
            "{}: no such directory, expected the four files of MNIST in it",
            directory.display()
        )));
    }
    let mut source = Sha256::new();
    let train = read_split(directory, "train", &mut source)?;
    let test = read_split(directory, "t10k", &mut source)?;
    packed_splits(MNIST_SPEC, [train, test], validation_fraction, source)
        .map_err(|error| error.within(directory.display()))
}

/// Reads the images and labels of one split and adds both files to the digest.
fn read_split(directory: &Path, name: &str, source: &mut Sha256) -> Result<PackedImages> {
    let images = IdxFile::<3>::read(directory, &format!("{name}-images"), source)?;
    let labels = IdxFile::<1>::read(directory, &format!("{name}-labels"), source)?;
    let [n_images, height, width] = images.sizes;
    let [n_labels] = labels.sizes;
    if [height, width] != [MNIST_SPEC.height, MNIST_SPEC.width] {
        return Err(Error::invalid_format(format!(
            "{}: images of {height} by {width} pixels, expected 28 by 28",
            images.path.display()
        )));
    }
    if n_images == 0 {
        return Err(Error::invalid_format(format!(
            "{}: no images, expected at least 1",
            images.path.display()
        )));
    }
    if n_labels != n_images {
        return Err(Error::invalid_format(format!(
            "{}: {n_labels} labels, expected {n_images}, one for each image of {}",
            labels.path.display(),
            images.path.display()
        )));
    }
    let out_of_range = |&label: &u8| usize::from(label) >= MNIST_SPEC.n_classes;
    if let Some(index) = labels.body.iter().position(out_of_range) {
        return Err(Error::invalid_format(format!(
            "{}: label {} of image {index}, expected 0 to 9",
            labels.path.display(),
            labels.body[index]
        )));
    }
    Ok(PackedImages {
        pixels: images.body,
        labels: labels.body.into_iter().map(usize::from).collect(),
    })
}

/// IDX file with a byte array of `D` axes.
struct IdxFile<const D: usize> {
    path: PathBuf,
    /// Length of each axis, as the header states it.
    sizes: [usize; D],
    /// Bytes after the header, row-major.
    body: Vec<u8>,
}

impl<const D: usize> IdxFile<D> {
    /// Length of the header in bytes: a magic number and one length for each axis.
    const HEADER: usize = 4 + 4 * D;

    /// Reads the file of this name and adds its uncompressed bytes to the digest.
    fn read(directory: &Path, stem: &str, source: &mut Sha256) -> Result<Self> {
        let path = find(directory, stem, D)?;
        let invalid = |message: String| Error::invalid_format(message).within(path.display());
        let mut bytes =
            input_file::read(&path).map_err(|error| Error::cannot_read(&path, error))?;
        if path.extension().is_some_and(|extension| extension == "gz") {
            let plain = decompressed(&bytes, MAX_UNPACKED).map_err(|e| {
                invalid(format!("cannot be decompressed: {e}; download it again")).caused_by(e)
            })?;
            bytes = plain.ok_or_else(|| {
                invalid(format!(
                    "decompresses to more than {MAX_UNPACKED} bytes, the limit for compressed files; if that is meant, \
                     use the file that `gunzip` makes of it"
                ))
            })?;
        }
        // After decompression, so that a file and its compressed copy have the same digest.
        source.update(&bytes);
        if bytes.len() < Self::HEADER {
            return Err(invalid(format!(
                "{}, expected at least a header of {}",
                counted(bytes.len(), "byte"),
                Self::HEADER
            )));
        }
        let magic = [0, 0, UNSIGNED_BYTE, D as u8];
        if bytes[..4] != magic {
            return Err(invalid(format!(
                "starts with the bytes {:02x?}, expected {magic:02x?}, an IDX file of unsigned bytes with {D} axes",
                &bytes[..4]
            )));
        }
        let size = |axis: usize| {
            let word = &bytes[4 + 4 * axis..8 + 4 * axis];
            word.iter()
                // Lengths are big-endian.
                .fold(0, |size, &byte| size << 8 | usize::from(byte))
        };
        let sizes: [usize; D] = std::array::from_fn(size);
        // In 128 bits, because a damaged header can state three lengths of 32 bits each.
        let expected = sizes.iter().map(|&size| size as u128).product::<u128>();
        let body = bytes.split_off(Self::HEADER);
        if body.len() as u128 != expected {
            return Err(invalid(format!(
                "{} after the header, expected {expected} for the sizes {sizes:?} in it",
                counted(body.len(), "byte")
            )));
        }
        Ok(Self { path, sizes, body })
    }
}

/// Finds a file by its stem, in any of the spellings in use: `-idx3-ubyte` or `.idx3-ubyte`, with or
/// without `.gz`.
fn find(directory: &Path, stem: &str, n_axes: usize) -> Result<PathBuf> {
    let spellings = ["-", "."].map(|joint| format!("{stem}{joint}idx{n_axes}-ubyte"));
    // Uncompressed files come first: where both exist, they are faster to read.
    let paths = ["", ".gz"].map(|ending| {
        spellings
            .each_ref()
            .map(|name| directory.join(format!("{name}{ending}")))
    });
    paths
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Error::file(format!(
                "{}: no file `{}`, expected it there, uncompressed or with `.gz`",
                directory.display(),
                spellings[0]
            ))
        })
}

/// Largest number of bytes to which a file is decompressed: more than a million images of 28 by 28 pixels.
///
/// A few bytes can unpack to a thousand times as many.
const MAX_UNPACKED: u64 = 1 << 30;

/// Decompresses the bytes of a gzip file; `None` if there are more than `max_bytes`.
fn decompressed(bytes: &[u8], max_bytes: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut plain = Vec::new();
    let mut decoder = GzDecoder::new(bytes).take(max_bytes + 1);
    decoder.read_to_end(&mut plain)?;
    Ok((plain.len() as u64 <= max_bytes).then_some(plain))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn files_unpack_up_to_a_limit() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[7; 1000]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(decompressed(&packed, 1000).unwrap(), Some(vec![7; 1000]));
        assert_eq!(decompressed(&packed, 999).unwrap(), None);
    }
}
