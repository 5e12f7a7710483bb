//! MNIST from the network, into the cache of Burn's data sets.

use burn_dataset::Dataset;
use burn_dataset::vision::MnistDataset;
use sha2::{Digest, Sha256};

use super::Splits;
use super::idx::MNIST_SPEC;
use super::packed::{PackedImages, packed_splits};

/// Fetches MNIST unless the cache has it. The source's digest is that of the four plain files.
///
/// # Errors
///
/// If the files cannot be fetched or read. Burn panics then, which is caught here, so its own report
/// stands on stderr too.
pub(super) fn downloaded_mnist(validation_fraction: f64) -> Result<Splits, String> {
    let mut source = Sha256::new();
    let train = part("training", MnistDataset::train, &mut source)?;
    let test = part("test", MnistDataset::test, &mut source)?;
    packed_splits(MNIST_SPEC, [train, test], validation_fraction, source)
}

fn part(
    name: &str,
    fetch: fn() -> MnistDataset,
    source: &mut Sha256,
) -> Result<PackedImages, String> {
    // Burn's reader panics where the network or the disk fails.
    let images = std::panic::catch_unwind(fetch).map_err(|_| {
        format!(
            "the {name} images of MNIST could not be fetched, or Burn's cache of them is broken (the panic above says which); fetch the four files by hand and set data.path"
        )
    })?;
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for item in images.iter() {
        let item = item.map_err(|e| format!("the {name} images of MNIST: {e}"))?;
        if usize::from(item.label) >= MNIST_SPEC.n_classes {
            return Err(format!(
                "the {name} images of MNIST: label {}, expected 0 to 9",
                item.label
            ));
        }
        pixels.extend(item.image.as_flattened().iter().map(|&pixel| pixel as u8));
        labels.push(item.label);
    }
    let n_images = (labels.len() as u32).to_be_bytes();
    let side = (MNIST_SPEC.width as u32).to_be_bytes();
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
