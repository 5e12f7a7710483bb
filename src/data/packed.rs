//! Images held in memory as bytes.

use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError};
use sha2::{Digest, Sha256};

use super::split::set_aside;
use super::{Sample, SampleSet, SampleSpec, Samples, Splits, numbered_classes};
use crate::error::Result;
use crate::hexadecimal::hexadecimal;

/// Images of one shape with one byte for each value, and their labels.
pub(super) struct PackedImages {
    /// `[n_images, n_channels, height, width]`; 0 is black and 255 white.
    pub pixels: Vec<u8>,
    /// `[n_images]`
    pub labels: Vec<usize>,
}

/// Builds three splits from a source of training and test images, whose classes have numbers as names.
///
/// # Errors
///
/// If `validation_fraction` sets no training image aside.
pub(super) fn packed_splits(
    spec: SampleSpec,
    [train, test]: [PackedImages; 2],
    validation_fraction: f64,
    source: Sha256,
) -> Result<Splits> {
    let [training, validation] = set_aside(&train.labels, validation_fraction, "images")?;
    let all_test = (0..test.labels.len()).collect();
    // Training and validation split share the bytes of the same files.
    let [train, test] = [train, test].map(Arc::new);
    let subset = |images: &Arc<PackedImages>, indices| -> Samples {
        Arc::new(Subset {
            spec,
            images: images.clone(),
            indices,
        })
    };
    Ok(Splits {
        spec,
        train: subset(&train, training),
        validation: subset(&train, validation),
        test: subset(&test, all_test),
        classes: numbered_classes(spec.n_classes),
        sha256: hexadecimal(&source.finalize()),
        notes: Vec::new(),
    })
}

/// Subset of the images; the bytes are shared with other subsets.
struct Subset {
    spec: SampleSpec,
    images: Arc<PackedImages>,
    indices: Vec<usize>,
}

impl Dataset<Sample> for Subset {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        let index = self.indices[index];
        let size = self.spec.n_channels * self.spec.height * self.spec.width;
        // Bytes are converted on access: as `f32` the images would take four times the memory.
        let bytes = &self.images.pixels[index * size..(index + 1) * size];
        let pixels = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        Ok(Sample::new(pixels, self.images.labels[index]))
    }

    fn len(&self) -> usize {
        self.indices.len()
    }
}

impl SampleSet for Subset {
    fn label(&self, index: usize) -> usize {
        self.images.labels[self.indices[index]]
    }
}
