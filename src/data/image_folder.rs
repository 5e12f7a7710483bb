//! Data sets of images stored as `<split>/<class>/<file>`.

use std::path::Path;
use std::sync::Arc;

use super::class_folder::{Listing, SampleFormat, class_folders};
use super::content_digest::ContentDigests;
use super::decoding::EXTENSIONS;
use super::image_file::read_image;
use super::sample_files::{
    DecodedOnAccess, LabelledPath, content_digests, enumerated, is_file_of, listing_digest,
};
use super::{Sample, SampleSpec, Samples, Splits};
use crate::error::Result;

/// Opens a directory of images, see [`class_folders`] for its layout and for `classes`.
///
/// Images are decoded on access, and an image that cannot be decoded is an error only then; with `skip_unreadable`
/// they are decoded once before, and such images are left out.
///
/// # Errors
///
/// Those of [`class_folders`], and if a file cannot be read.
///
/// # Cost
///
/// Every file that is new or was changed since the data set was last opened is read once, for its digest.
pub(super) fn image_folder(
    root: &Path,
    image_size: usize,
    n_classes: usize,
    classes: Option<&[String]>,
    validation_fraction: Option<f64>,
    skip_unreadable: bool,
) -> Result<Splits> {
    let format = SampleFormat {
        noun: "image",
        expected: format!("files with the extension {}", enumerated(&EXTENSIONS)),
        is_sample: |path, _| is_file_of(path, &EXTENSIONS),
    };
    let mut listing = class_folders(root, n_classes, classes, validation_fraction, &format)?;
    let spec = folder_spec(image_size, n_classes);
    if skip_unreadable {
        listing.leave_out_unreadable(format.noun, |path| read_image(path, spec).map(drop))?;
    }
    let Listing {
        splits,
        classes,
        notes,
    } = listing;
    // Over the images that are left, so that two runs with the same digest used the same images.
    let contents = ContentDigests::open(root);
    let digests = content_digests(splits.iter().flatten(), |path| contents.of(path))?;
    contents.store();
    let sha256 = listing_digest(root, splits.iter().flatten(), &digests);
    let read =
        move |file: &LabelledPath| Ok(Sample::new(read_image(&file.path, spec)?, file.label));
    let [train, validation, test] = splits.map(|files| -> Samples {
        let root = root.to_owned();
        Arc::new(DecodedOnAccess { root, files, read })
    });
    Ok(Splits {
        spec,
        train,
        validation,
        test,
        classes,
        sha256,
        notes,
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
