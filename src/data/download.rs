//! Download of MNIST into the cache of Burn's data sets.

use burn_dataset::Dataset;
use burn_dataset::vision::MnistDataset;
use sha2::{Digest, Sha256};

use super::Splits;
use super::idx::MNIST_SPEC;
use super::packed::{PackedImages, packed_splits};
use crate::error::{Error, Result};

/// Downloads MNIST unless it is in the cache; the digest is that of the four uncompressed files.
///
/// # Errors
///
/// If the files cannot be downloaded or read. Burn panics in that case; the panic is caught here, but its
/// message still appears on stderr.
pub(super) fn downloaded_mnist(validation_fraction: f64) -> Result<Splits> {
    let mut source = Sha256::new();
    let train = fetch_split("training", MnistDataset::train, &mut source)?;
    let test = fetch_split("test", MnistDataset::test, &mut source)?;
    packed_splits(MNIST_SPEC, [train, test], validation_fraction, source)
}

/// Downloads one split and adds its two files to the digest.
fn fetch_split(
    name: &str,
    fetch: fn() -> MnistDataset,
    source: &mut Sha256,
) -> Result<PackedImages> {
    // Burn's reader panics where the network or the disk fails.
    let images = std::panic::catch_unwind(fetch).map_err(|_| {
        Error::file(format!(
            "the {name} images of MNIST could not be downloaded, or Burn's cache of them is damaged (see the panic above); download the four files by hand and set data.path"
        ))
    })?;
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for item in images.iter() {
        let item =
            item.map_err(|e| Error::sample(e).within(format_args!("the {name} images of MNIST")))?;
        if usize::from(item.label) >= MNIST_SPEC.n_classes {
            return Err(Error::invalid_format(format!(
                "the {name} images of MNIST: label {}, expected 0 to 9",
                item.label
            )));
        }
        // Burn returns whole numbers from 0 to 255 as `f32`, so the conversion is exact.
        pixels.extend(item.image.as_flattened().iter().map(|&pixel| pixel as u8));
        labels.push(item.label);
    }
    // Burn keeps decoded images. The digest needs the IDX files, which are their headers, rebuilt here,
    // and the same bytes.
    let n_images = (labels.len() as u32).to_be_bytes();
    let side = (MNIST_SPEC.width as u32).to_be_bytes();
    // Images before labels, as `mnist` reads the files: both sources then give the same digest.
    for header_and_body in [
        [&[0, 0, 8, 3], &n_images, &side, &side, &pixels[..]].concat(),
        [&[0, 0, 8, 1], &n_images[..], &labels].concat(),
    ] {
        source.update(header_and_body);
    }
    Ok(PackedImages {
        pixels,
        labels: labels.into_iter().map(usize::from).collect(),
    })
}
