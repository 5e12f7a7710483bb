//! One image from a file.

use std::path::Path;

use image::imageops::{FilterType, crop_imm, resize};
use image::{DynamicImage, ImageReader};

use super::SampleSpec;

/// Endings of files that are taken for images.
pub(super) const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// The largest centred square of a PNG or JPEG image, scaled to the shape of a data set; grey if
/// that has one channel. Pixels lie in `[0, 1]`, channel by channel, row by row.
///
/// # Errors
///
/// One sentence with the file if it is not there or cannot be decoded.
pub fn read_image(path: &Path, spec: SampleSpec) -> Result<Vec<f32>, String> {
    let image = decoded(path)?;
    let (left, top, side) = centred_square(image.width(), image.height());
    let size = (spec.width as u32, spec.height as u32);
    // The triangle filter averages over the pixels that fall together, as Pillow's bilinear does.
    Ok(match (spec.n_channels, image) {
        (1, image) => {
            let grey = image.into_luma8();
            let square = crop_imm(&grey, left, top, side, side);
            let scaled = resize(&*square, size.0, size.1, FilterType::Triangle);
            planes(&scaled.into_raw(), 1)
        }
        (_, image) => {
            let colour = DynamicImage::into_rgb8(image);
            let square = crop_imm(&colour, left, top, side, side);
            let scaled = resize(&*square, size.0, size.1, FilterType::Triangle);
            planes(&scaled.into_raw(), 3)
        }
    })
}

/// The image as it is in the file.
pub(super) fn decoded(path: &Path) -> Result<DynamicImage, String> {
    let refuse = |error: String| {
        // Decoders wrap their lines.
        let words: Vec<&str> = error.split_whitespace().collect();
        format!(
            "{}: cannot be decoded ({}), expected a whole PNG or JPEG image",
            path.display(),
            words.join(" ")
        )
    };
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|e| refuse(e.to_string()))?;
    reader.decode().map_err(|e| refuse(e.to_string()))
}

/// Left and upper margin and side of the largest centred square, in pixels.
pub(super) fn centred_square(width: u32, height: u32) -> (u32, u32, u32) {
    let side = width.min(height);
    ((width - side) / 2, (height - side) / 2, side)
}

/// From pixel by pixel to channel by channel, between 0 and 1.
pub(super) fn planes(bytes: &[u8], n_channels: usize) -> Vec<f32> {
    let channel = |channel| bytes.iter().skip(channel).step_by(n_channels);
    (0..n_channels)
        .flat_map(channel)
        .map(|&value| f32::from(value) / 255.0)
        .collect()
}
