//! Images in folders named after their classes.

use std::path::Path;
use std::sync::Arc;

use super::class_folder::{
    Decoded, LabelledPath, Medium, class_folders, enumerated, listing_digest, size_of,
};
use super::image_file::{ENDINGS, read_image};
use super::{Sample, SampleSpec, Samples, Splits};

/// Lists `train/<class>/`, `val/<class>/` or `validation/<class>/`, and `test/<class>/`.
///
/// Classes are the sorted names of the folders in `train`. Without a validation folder
/// `validation_fraction` of `train` is set aside. Images are decoded whenever they are asked for,
/// and those that cannot be are errors then.
///
/// # Errors
///
/// As [`class_folders`].
pub(super) fn image_folder(
    root: &Path,
    image_size: usize,
    n_classes: usize,
    validation_fraction: Option<f64>,
) -> Result<Splits, String> {
    let medium = Medium {
        plural: "images",
        expected: format!("files that end in {}", enumerated(&ENDINGS)),
        content: |path| Ok(size_of(path, &ENDINGS)?.map(|n_bytes| n_bytes.to_string())),
    };
    let splits = class_folders(root, n_classes, validation_fraction, &medium)?;
    let sha256 = listing_digest(root, splits.iter().flatten());
    let spec = folder_spec(image_size, n_classes);
    let read =
        move |file: &LabelledPath| Ok(Sample::new(read_image(&file.path, spec)?, file.label));
    let [train, validation, test] =
        splits.map(|files| -> Samples { Arc::new(Decoded { files, read }) });
    Ok(Splits {
        spec,
        train,
        validation,
        test,
        sha256,
        unreadable: Vec::new(),
    })
}

/// Shape of images from a folder: square and in colour.
pub(super) const fn folder_spec(image_size: usize, n_classes: usize) -> SampleSpec {
    SampleSpec {
        n_frames: 1,
        n_channels: 3,
        height: image_size,
        width: image_size,
        n_classes,
    }
}
