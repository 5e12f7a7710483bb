//! Single images: cropping and scaling.

use std::path::Path;

use image::DynamicImage;
use image::imageops::{FilterType, crop_imm, resize};

use super::SampleSpec;
use super::decoding::decoded;
use crate::error::Result;

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

/// Size to which an image is scaled before its centre is cropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// The shorter side becomes this many pixels long, the other one keeps the proportions.
    ShorterSide(usize),
    /// Exactly this height and width, whatever the proportions of the image.
    Exact([usize; 2]),
    /// No scaling.
    None,
}

/// Reads an image file, scaled and then cropped about its centre to the shape of a data set:
/// `[n_channels, height, width]`, pixels in `[0, 1]`.
///
/// Where the shape is larger than the scaled image, the rest is black. Formats, turns, transparency and grey are those
/// of [`read_image`].
///
/// # Errors
///
/// Those of [`read_image`].
pub fn read_image_scaled(
    path: &Path,
    spec: SampleSpec,
    scaling: Scaling,
    filter: FilterType,
) -> Result<Vec<f32>> {
    let image = decoded(path)?;
    let image = match spec.n_channels {
        1 => DynamicImage::ImageLuma8(image.into_luma8()),
        _ => DynamicImage::ImageRgb8(image.into_rgb8()),
    };
    let [height, width] = [image.height() as usize, image.width() as usize];
    let size = match scaling {
        Scaling::None => [height, width],
        Scaling::Exact(size) => size,
        Scaling::ShorterSide(side) => {
            let shorter = height.min(width);
            // Rounded down, as torchvision's `Resize` does.
            [height, width].map(|extent| (extent * side / shorter).max(1))
        }
    };
    let scaled = if size == [height, width] {
        image
    } else {
        image.resize_exact(size[1] as u32, size[0] as u32, filter)
    };
    let source = planes(scaled.as_bytes(), spec.n_channels);
    let mut pixels = vec![0.0; spec.frame_len()];
    // First row and column of the crop within the scaled image; negative if the crop is larger.
    // Rounded down for both signs, as in the image processors of transformers.
    let start = |from: usize, to: usize| (from as isize - to as isize).div_euclid(2);
    let [top, left] = [start(size[0], spec.height), start(size[1], spec.width)];
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let (plane, rest) = (
            index / (spec.height * spec.width),
            index % (spec.height * spec.width),
        );
        let row = (rest / spec.width) as isize + top;
        let column = (rest % spec.width) as isize + left;
        if (0..size[0] as isize).contains(&row) && (0..size[1] as isize).contains(&column) {
            *pixel = source[(plane * size[0] + row as usize) * size[1] + column as usize];
        }
    }
    Ok(pixels)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_images_are_cropped_or_padded_about_their_centre() {
        let path =
            std::env::temp_dir().join(format!("burn-topology-scaled-{}.png", std::process::id()));
        let image = image::RgbImage::from_fn(8, 4, |x, y| {
            image::Rgb([(x * 20) as u8, (y * 50) as u8, 255])
        });
        image.save(&path).unwrap();
        let spec = |height, width| SampleSpec {
            n_frames: 1,
            n_channels: 3,
            height,
            width,
            n_classes: 1,
        };
        let read = |height, width, scaling| {
            read_image_scaled(&path, spec(height, width), scaling, FilterType::Nearest).unwrap()
        };
        let whole = read(4, 8, Scaling::None);
        assert_eq!(whole[..3], [0.0, 20.0 / 255.0, 40.0 / 255.0]);
        // Two columns are cropped on each side.
        let centre = read(4, 4, Scaling::None);
        assert_eq!(centre[..2], [40.0 / 255.0, 60.0 / 255.0]);
        assert_eq!(read(2, 2, Scaling::ShorterSide(2)).len(), 12);
        let twice = read(8, 16, Scaling::ShorterSide(8));
        assert_eq!(twice[..4], [0.0, 0.0, 20.0 / 255.0, 20.0 / 255.0]);
        let padded = read(6, 8, Scaling::None);
        assert!(padded[..8].iter().all(|&pixel| pixel == 0.0) && padded[2 * 48 + 8] == 1.0);
        assert_eq!(read(4, 4, Scaling::Exact([4, 4])).len(), 48);
        std::fs::remove_file(path).unwrap();
    }
}
