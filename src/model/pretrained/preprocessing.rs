//! Preprocessing of images for a pretrained model: resizing, cropping and normalisation.

use super::family::Family;
use crate::error::{Error, Result};
use crate::model::PixelStatistics;

/// Interpolation filter for resizing an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// Takes the nearest pixel.
    Nearest,
    /// Bilinear interpolation, a triangle filter of width 2.
    Bilinear,
    /// Bicubic interpolation, by cubic convolution.
    Bicubic,
    /// Lanczos filter, a windowed sinc with three lobes.
    Lanczos,
}

/// Size to which an image is resized before it is cropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Does not resize.
    None,
    /// Resizes the shorter side to this number of pixels, and the other in proportion.
    ShorterSide(usize),
    /// Resizes to this height and width, which may change the aspect ratio.
    Exact([usize; 2]),
    /// Resizes in proportion until the image just covers this height and width.
    Covering([usize; 2]),
    /// Resizes in proportion until the image just fits into this height and width.
    Within([usize; 2]),
}

/// Position of the centre crop where the rows or columns that are cut off are odd in number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CropRounding {
    /// Half a pixel is dropped, as in transformers.
    Down,
    /// Half a pixel is rounded to an even number of pixels, as in timm.
    HalfToEven,
}

/// Steps from an image to the input of a pretrained model: resize, crop, normalise.
///
/// ```text
/// normalised = (pixel - mean) / std          pixel in [0, 1], channel by channel
/// ```
///
/// The model that [`open`](super::open) returns takes pixels in [-1, 1], like all models here: mean and
/// standard deviation are already part of its first layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// Height and width of the model input, in pixels.
    pub image_size: [usize; 2],
    /// Resizing, the first step.
    pub resize: Resize,
    /// Height and width of the centre crop, in pixels, the second step; `None` without cropping.
    ///
    /// Where the resized image is smaller, it is padded.
    pub crop: Option<[usize; 2]>,
    /// Rounding of the position of the crop.
    pub crop_rounding: CropRounding,
    /// Pixel value in [0, 1] that pads an image, for each channel.
    pub padding: Vec<f64>,
    /// Interpolation filter for resizing.
    pub interpolation: Interpolation,
    /// Mean that is subtracted from pixels in [0, 1], for each channel.
    pub mean: Vec<f64>,
    /// Standard deviation by which the difference is divided, for each channel.
    pub std: Vec<f64>,
}

/// Mean and standard deviation that map pixels to [-1, 1].
pub(super) const HALF: [f64; 3] = [0.5; 3];
/// Mean of the pixels of ImageNet: red, green, blue.
pub(super) const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of the pixels of ImageNet: red, green, blue.
pub(super) const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];
/// Mean that the authors of TimeSformer use.
const VIDEO_MEAN: [f64; 3] = [0.45; 3];
/// Standard deviation that the authors of TimeSformer use.
const VIDEO_STD: [f64; 3] = [0.225; 3];

impl Preprocessing {
    /// Preprocessing of the published models of a family, used if no file states one.
    pub(super) fn published(family: Family, image_size: [usize; 2], n_channels: usize) -> Self {
        // The crop is this fraction of the resized image.
        let (mean, std, crop_fraction) = match family {
            Family::Vit => (HALF, HALF, None),
            Family::Vivit => (HALF, HALF, Some(0.875)),
            Family::Timesformer => (VIDEO_MEAN, VIDEO_STD, Some(1.0)),
            Family::VideoMae => (IMAGENET_MEAN, IMAGENET_STD, Some(1.0)),
            Family::Deit | Family::Dinov2 | Family::Dinov2WithRegisters => {
                (IMAGENET_MEAN, IMAGENET_STD, Some(0.875))
            }
            Family::Timm => (HALF, HALF, Some(0.9)),
        };
        let bicubic = matches!(
            family,
            Family::Deit | Family::Dinov2 | Family::Dinov2WithRegisters | Family::Timm
        );
        let mut preprocessing = Self {
            image_size,
            resize: Resize::Exact(image_size),
            crop: None,
            crop_rounding: CropRounding::Down,
            padding: vec![0.0; n_channels],
            interpolation: if bicubic {
                Interpolation::Bicubic
            } else {
                Interpolation::Bilinear
            },
            mean: of_colours(mean, n_channels),
            std: of_colours(std, n_channels),
        };
        if let Some(fraction) = crop_fraction {
            // Rounded down, as in timm.
            let resized = image_size.map(|side| (side as f64 / fraction) as usize);
            preprocessing.resize = match family {
                Family::Timm => in_proportion(resized),
                // The longer side, because transformers has no other way to cover a crop that is not square.
                _ => Resize::ShorterSide(resized[0].max(resized[1])),
            };
            preprocessing.crop = Some(image_size);
        }
        if family == Family::Timm {
            preprocessing.crop_rounding = CropRounding::HalfToEven;
        }
        preprocessing
    }

    /// The same, but nothing is cut off an image that has the proportions of the model input.
    pub(super) fn whole_image(family: Family, image_size: [usize; 2], n_channels: usize) -> Self {
        let published = Self::published(family, image_size, n_channels);
        Self {
            resize: match family {
                Family::Timm => in_proportion(image_size),
                _ => Resize::ShorterSide(image_size[0].max(image_size[1])),
            },
            crop: Some(image_size),
            ..published
        }
    }

    /// Sets mean and standard deviation; a single number is repeated for all channels, `None` changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if there is not one number per channel, or if a standard deviation is not above 0.
    pub(super) fn set_statistics(
        &mut self,
        file: &str,
        mean: Option<Vec<f64>>,
        std: Option<Vec<f64>>,
    ) -> Result<()> {
        let n_channels = self.n_channels();
        for (values, target, is_std) in [(mean, &mut self.mean, false), (std, &mut self.std, true)]
        {
            let Some(mut values) = values else { continue };
            if values.len() == 1 {
                values.resize(n_channels, values[0]);
            }
            let is_valid = |x: &f64| x.is_finite() && (!is_std || *x > 0.0);
            if values.len() != n_channels || !values.iter().all(is_valid) {
                return Err(Error::invalid_format(format!(
                    "{file}: mean or standard deviation of the pixels is {values:?}, expected {n_channels} finite \
                     numbers, which are above 0 for a standard deviation"
                )));
            }
            *target = values;
        }
        Ok(())
    }

    /// Scales resizing and cropping so that images leave them in another size.
    pub(super) fn set_image_size(&mut self, to: [usize; 2]) {
        let from = self.image_size;
        if to == from {
            return;
        }
        let scaled = |size: [usize; 2]| [0, 1].map(|axis| size[axis] * to[axis] / from[axis]);
        self.resize = match self.resize {
            // The larger factor, so that no image becomes smaller than the crop in either direction.
            Resize::ShorterSide(side) => {
                let [height, width] = scaled([side; 2]);
                Resize::ShorterSide(height.max(width))
            }
            Resize::Exact(size) => Resize::Exact(scaled(size)),
            Resize::Covering(size) => Resize::Covering(scaled(size)),
            Resize::Within(size) => Resize::Within(scaled(size)),
            Resize::None => Resize::None,
        };
        self.crop = self.crop.map(|_| to);
        self.image_size = to;
    }

    /// Number of channels.
    pub(super) fn n_channels(&self) -> usize {
        self.mean.len()
    }

    /// Mean and standard deviation, the last step.
    pub(super) fn statistics(&self) -> PixelStatistics {
        PixelStatistics {
            mean: self.mean.clone(),
            std: self.std.clone(),
        }
    }

    /// Resizing and cropping in words, to be part of a sentence.
    pub(super) fn in_words(&self) -> String {
        let resize = match self.resize {
            Resize::None => "are not resized".to_owned(),
            Resize::ShorterSide(side) => {
                format!("are resized so that the shorter side has {side} pixels")
            }
            Resize::Exact(size) => format!("are resized to {}", pixels(size)),
            Resize::Covering(size) => format!("are resized to cover {}", pixels(size)),
            Resize::Within(size) => format!("are resized to fit into {}", pixels(size)),
        };
        match self.crop {
            Some(size) => format!("{resize} and cropped about the centre to {}", pixels(size)),
            None => resize,
        }
    }
}

/// Height and width in words.
pub(super) fn pixels([height, width]: [usize; 2]) -> String {
    format!("{height} by {width} pixels")
}

/// Statistics of the channels, from those of colour images, which are the published ones.
pub(super) fn of_colours(colours: [f64; 3], n_channels: usize) -> Vec<f64> {
    match n_channels {
        3 => colours.to_vec(),
        _ => vec![0.5; n_channels],
    }
}

/// Resizing in proportion until a size is covered, in the simplest form.
pub(super) fn in_proportion(size: [usize; 2]) -> Resize {
    if size[0] == size[1] {
        Resize::ShorterSide(size[0])
    } else {
        Resize::Covering(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resizing_is_scaled_by_what_the_preprocessing_itself_gives() {
        let mut published = Preprocessing::published(Family::Dinov2, [224, 224], 3);
        assert_eq!(published.resize, Resize::ShorterSide(256));
        for (to, side) in [([448, 448], 512), ([224, 112], 256), ([56, 84], 96)] {
            published.set_image_size(to);
            assert_eq!((published.image_size, published.crop), (to, Some(to)));
            // Never shorter than the crop, in which there would be a black border.
            let expected = Resize::ShorterSide(side);
            assert_eq!(published.resize, expected, "{to:?}");
            published = Preprocessing::published(Family::Dinov2, [224, 224], 3);
        }
    }
}
