//! Images scaled and cropped as the preprocessing of pretrained weights says.

use std::path::Path;

use image::DynamicImage;

use super::SampleSpec;
use super::decoding::decoded;
use super::image_file::planes;
use super::resize::{Filter, resized};
use crate::error::Result;

/// Size to which an image is scaled before its centre is cropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// The shorter side becomes this many pixels long, the other one keeps the proportions.
    ShorterSide(usize),
    /// Exactly this height and width, whatever the proportions of the image.
    Exact([usize; 2]),
    /// The smallest size in the proportions of the image that covers this height and width.
    Covering([usize; 2]),
    /// The largest size in the proportions of the image that fits into this height and width.
    Within([usize; 2]),
    /// No scaling.
    None,
}

/// Steps by which an image is scaled and cropped.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// Scaling, the first step.
    pub scaling: Scaling,
    /// Filter of the scaling.
    pub filter: Filter,
    /// True if half a pixel in the position of the crop is rounded to an even number, false if it is dropped.
    pub rounds_half_to_even: bool,
    /// Pixel value in [0, 1] around an image that is smaller than the crop, for each channel.
    pub padding: Vec<f32>,
}

/// Reads an image file, scaled and then cropped about its centre to the shape of a data set:
/// `[n_channels, height, width]`, pixels in `[0, 1]`.
///
/// Where the shape is larger than the scaled image, the rest is padded. Formats, turns, transparency and grey are those
/// of [`read_image`](super::read_image).
///
/// # Errors
///
/// Those of [`read_image`](super::read_image).
pub fn read_prepared_image(
    path: &Path,
    spec: SampleSpec,
    preparation: &Preparation,
) -> Result<Vec<f32>> {
    Ok(prepared_image(decoded(path)?, spec, preparation))
}

/// Scales and crops an image, as [`read_prepared_image`] does with that of a file.
pub fn prepared_image(
    image: DynamicImage,
    spec: SampleSpec,
    preparation: &Preparation,
) -> Vec<f32> {
    let from = [image.height() as usize, image.width() as usize];
    let bytes = match spec.n_channels {
        1 => image.into_luma8().into_raw(),
        _ => image.into_rgb8().into_raw(),
    };
    let size = scaled_size(from, preparation.scaling);
    let scaled = resized(&bytes, spec.n_channels, from, size, preparation.filter);
    let source = planes(&scaled, spec.n_channels);
    let start = |from, to| start_of_crop(from, to, preparation.rounds_half_to_even);
    let [top, left] = [start(size[0], spec.height), start(size[1], spec.width)];
    let frame = spec.height * spec.width;
    let mut pixels = vec![0.0; spec.frame_len()];
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let (plane, rest) = (index / frame, index % frame);
        let row = (rest / spec.width) as isize + top;
        let column = (rest % spec.width) as isize + left;
        let is_inside =
            (0..size[0] as isize).contains(&row) && (0..size[1] as isize).contains(&column);
        *pixel = if is_inside {
            source[(plane * size[0] + row as usize) * size[1] + column as usize]
        } else {
            preparation.padding[plane]
        };
    }
    pixels
}

/// Height and width after scaling.
fn scaled_size(from: [usize; 2], scaling: Scaling) -> [usize; 2] {
    let ratios = |size: [usize; 2]| [0, 1].map(|axis| from[axis] as f64 / size[axis] as f64);
    let divided_by = |ratio: f64| {
        // Rounded as Python does, which both libraries are written in.
        from.map(|side| ((side as f64 / ratio).round_ties_even() as usize).max(1))
    };
    match scaling {
        Scaling::None => from,
        Scaling::Exact(size) => size,
        Scaling::ShorterSide(side) => {
            let shorter = from[0].min(from[1]);
            // Rounded down, as torchvision's `Resize` does.
            from.map(|extent| (extent * side / shorter).max(1))
        }
        Scaling::Covering(size) => {
            let [height, width] = ratios(size);
            divided_by(height.min(width))
        }
        Scaling::Within(size) => {
            let [height, width] = ratios(size);
            divided_by(height.max(width))
        }
    }
}

/// First row or column of a crop within an image; negative if the crop is larger.
fn start_of_crop(from: usize, to: usize, rounds_half_to_even: bool) -> isize {
    let surplus = from as isize - to as isize;
    if surplus > 0 && rounds_half_to_even {
        (surplus as f64 / 2.0).round_ties_even() as isize
    } else {
        // Rounded towards 0: the larger half of an odd padding lies below and to the right.
        surplus / 2
    }
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
            let preparation = Preparation {
                scaling,
                filter: Filter::Nearest,
                rounds_half_to_even: false,
                padding: vec![0.0, 0.25, 0.5],
            };
            read_prepared_image(&path, spec(height, width), &preparation).unwrap()
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
        assert!(padded[48..56].iter().all(|&pixel| pixel == 0.25));
        assert_eq!(read(4, 4, Scaling::Exact([4, 4])).len(), 48);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn proportions_are_kept_unless_the_size_is_exact() {
        let photograph = [427, 640];
        for (scaling, expected) in [
            (Scaling::ShorterSide(256), [256, 383]),
            (Scaling::Exact([30, 20]), [30, 20]),
            (Scaling::Covering([100, 300]), [200, 300]),
            (Scaling::Covering([300, 100]), [300, 450]),
            (Scaling::Within([100, 300]), [100, 150]),
            (Scaling::Within([300, 300]), [200, 300]),
        ] {
            assert_eq!(scaled_size(photograph, scaling), expected, "{scaling:?}");
        }
        assert_eq!(scaled_size([1000, 1], Scaling::Within([10, 10])), [10, 1]);
    }

    #[test]
    fn a_crop_of_an_odd_surplus_starts_where_each_library_starts_it() {
        for (from, to, transformers, timm) in
            [(371, 224, 73, 74), (369, 224, 72, 72), (4, 7, -1, -1)]
        {
            assert_eq!(start_of_crop(from, to, false), transformers);
            assert_eq!(start_of_crop(from, to, true), timm);
        }
    }
}
