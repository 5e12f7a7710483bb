//! Single images: cropping and scaling.

use std::path::Path;

use image::DynamicImage;
use image::imageops::{FilterType, crop_imm, resize};

use super::SampleSpec;
use super::decoding::{decoded, has_transparent_pixels};
use crate::error::{Error, Result};
use crate::topology::MAX_PIXELS;

/// Reads an image file, cropped to its largest centred square and scaled to the shape of a data
/// set: `[n_channels, height, width]`, pixels in `[0, 1]`.
///
/// Files of the formats PNG, JPEG, WebP, GIF, BMP, TIFF and PNM can be read; an animation gives its first
/// frame. The image is turned upright as its EXIF data say, and transparent pixels are drawn over white. It is
/// converted to grey if the data set has one channel.
///
/// # Errors
///
/// - [`Error::is_file_error`](crate::Error::is_file_error) if the file cannot be read.
/// - [`Error::is_invalid_format`](crate::Error::is_invalid_format) if it is damaged or incomplete, or would take
///   more than 512 MiB in memory.
pub fn read_image(path: &Path, spec: SampleSpec) -> Result<Vec<f32>> {
    let image = decoded(path)?;
    let Square { left, top, side } = centred_square(image.width(), image.height());
    let size = (spec.width as u32, spec.height as u32);
    // The triangle filter averages over all source pixels of a smaller output pixel, as Pillow's bilinear
    // filter does. Plain bilinear interpolation would alias.
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

/// Reads an image file as grey values at its own size: pixels in `[0, 1]` row by row, and `[height, width]`.
///
/// The grey value of a colour is its luminance. The rules are those of [`read_image`], except that transparent pixels are
/// refused: a background of any colour would become the brightest or the darkest thing of the image.
///
/// # Errors
///
/// Those of [`read_image`], and [`Error::is_invalid_image`] if the image has transparent pixels or more than
/// [`MAX_PIXELS`] pixels.
pub fn read_grey_image(path: &Path) -> Result<(Vec<f32>, [usize; 2])> {
    let image = decoded(path)?;
    let shape = [image.height(), image.width()].map(|side| side as usize);
    let [height, width] = shape;
    if height * width > MAX_PIXELS {
        return Err(Error::invalid_image(format!(
            "{}: image of {height} x {width} pixels is too large, expected at most {MAX_PIXELS}; make it smaller or cut \
             it into parts",
            path.display()
        )));
    }
    if has_transparent_pixels(path)? {
        return Err(Error::invalid_image(format!(
            "{}: the image has transparent pixels, which have no grey value, expected an opaque image; draw it over a \
             background first",
            path.display()
        )));
    }
    Ok((planes(&image.into_luma8().into_raw(), 1), shape))
}

/// Square within an image, in pixels.
pub(super) struct Square {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) side: u32,
}

/// Largest centred square of an image.
pub(super) fn centred_square(width: u32, height: u32) -> Square {
    let side = width.min(height);
    Square {
        left: (width - side) / 2,
        top: (height - side) / 2,
        side,
    }
}

/// Converts interleaved bytes to planes, `[n_channels, height, width]`, with values in `[0, 1]`.
pub(super) fn planes(bytes: &[u8], n_channels: usize) -> Vec<f32> {
    let channel = |channel| bytes.iter().skip(channel).step_by(n_channels);
    (0..n_channels)
        .flat_map(channel)
        .map(|&value| f32::from(value) / 255.0)
        .collect()
}
