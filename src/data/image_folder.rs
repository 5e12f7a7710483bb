//! Data sets of images stored as `<split>/<class>/<file>`.

use std::path::Path;
use std::sync::Arc;

use super::class_folder::{
    DecodedOnAccess, LabelledPath, SampleFormat, class_folders, enumerated, listing_digest, size_of,
};
use super::image_file::{EXTENSIONS, read_image};
use super::{Sample, SampleSpec, Samples, Splits};
use crate::error::Result;

/// Opens a directory of images, see [`class_folders`] for its layout.
///
/// Images are decoded on access. An image that cannot be decoded is an error only then.
///
/// # Errors
///
/// Those of [`class_folders`].
pub(super) fn image_folder(
    root: &Path,
    image_size: usize,
    n_classes: usize,
    validation_fraction: Option<f64>,
) -> Result<Splits> {
    let format = SampleFormat {
        plural: "images",
        expected: format!("files with the extension {}", enumerated(&EXTENSIONS)),
        fingerprint: |path| Ok(size_of(path, &EXTENSIONS)?.map(|n_bytes| n_bytes.to_string())),
    };
    let splits = class_folders(root, n_classes, validation_fraction, &format)?;
    let sha256 = listing_digest(root, splits.iter().flatten());
    let spec = folder_spec(image_size, n_classes);
    let read =
        move |file: &LabelledPath| Ok(Sample::new(read_image(&file.path, spec)?, file.label));
    let [train, validation, test] =
        splits.map(|files| -> Samples { Arc::new(DecodedOnAccess { files, read }) });
    Ok(Splits {
        spec,
        train,
        validation,
        test,
        sha256,
        unreadable: Vec::new(),
    })
}

/// Shape of images from a folder: square, with three channels.
pub(super) const fn folder_spec(image_size: usize, n_classes: usize) -> SampleSpec {
    SampleSpec {
        n_frames: 1,
        n_channels: 3,
        height: image_size,
        width: image_size,
        n_classes,
    }
}
