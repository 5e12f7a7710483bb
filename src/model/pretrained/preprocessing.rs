//! Preprocessing of images for a pretrained model: resizing, cropping and normalisation.

use serde_json::{Map, Value, json};

use super::family::Family;
use super::json::{Json, extents};
use crate::error::{Error, Result};

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
}

/// Steps from an image to the input of a pretrained model: resize, crop, normalise.
///
/// ```text
/// normalised = (pixel - mean) / std          pixel in [0, 1], channel by channel
/// ```
///
/// The model that [`open`](super::open) returns takes pixels in [-1, 1], like all models here: mean and
/// standard deviation are already part of its projection of patches.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// Height and width of the model input, in pixels.
    pub image_size: [usize; 2],
    /// Resizing, the first step.
    pub resize: Resize,
    /// Height and width of the centre crop, in pixels, the second step; `None` without cropping.
    pub crop: Option<[usize; 2]>,
    /// Interpolation filter for resizing.
    pub interpolation: Interpolation,
    /// Mean that is subtracted from pixels in [0, 1], for each channel.
    pub mean: Vec<f64>,
    /// Standard deviation by which the difference is divided, for each channel.
    pub std: Vec<f64>,
}

/// Mean and standard deviation that map pixels to [-1, 1].
const HALF: [f64; 3] = [0.5; 3];
/// Mean of the pixels of ImageNet: red, green, blue.
const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of the pixels of ImageNet: red, green, blue.
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];
/// Mean that the authors of TimeSformer use.
const VIDEO_MEAN: [f64; 3] = [0.45; 3];
/// Standard deviation that the authors of TimeSformer use.
const VIDEO_STD: [f64; 3] = [0.225; 3];

impl Preprocessing {
    /// Preprocessing of the published models of a family, used for settings that no file states.
    pub(super) fn default_for(family: Family, image_size: [usize; 2], n_channels: usize) -> Self {
        // The crop is this fraction of the shorter side of the resized image.
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
        // Published statistics are those of colour images.
        let statistics = |colour: [f64; 3]| match n_channels {
            3 => colour.to_vec(),
            _ => vec![0.5; n_channels],
        };
        let shorter = image_size[0].min(image_size[1]);
        Self {
            image_size,
            resize: match crop_fraction {
                // Rounded down, as in timm.
                Some(fraction) => Resize::ShorterSide((shorter as f64 / fraction) as usize),
                None => Resize::Exact(image_size),
            },
            crop: crop_fraction.map(|_| image_size),
            interpolation: if bicubic {
                Interpolation::Bicubic
            } else {
                Interpolation::Bilinear
            },
            mean: statistics(mean),
            std: statistics(std),
        }
    }

    /// Takes over the settings of `preprocessor_config.json` of transformers.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if a value is not supported.
    pub(super) fn read_hugging_face(&mut self, json: &Json) -> Result<()> {
        if let Some(size) = json.get("size") {
            self.resize = parse_resize(size).ok_or_else(|| {
                Error::invalid_format(format!(
                    "{}: size is {size}, expected either shortest_edge or height and width",
                    json.file
                ))
            })?;
        }
        if json.flag("do_resize")? == Some(false) {
            self.resize = Resize::None;
        }
        let crop = json.typed("crop_size", "height and width", parse_sides)?;
        self.crop = match json.flag("do_center_crop")? {
            Some(true) => crop.or(self.crop),
            Some(false) => None,
            None => crop,
        };
        if let Some(filter) = json.count("resample")? {
            // The numbers are those of the filters of Pillow.
            self.interpolation = match filter {
                0 => Interpolation::Nearest,
                1 => Interpolation::Lanczos,
                2 => Interpolation::Bilinear,
                3 => Interpolation::Bicubic,
                _ => {
                    return Err(Error::invalid_format(format!(
                        "{}: resample is {filter}, expected 0 (nearest), 1 (Lanczos), 2 (bilinear) or 3 (bicubic)",
                        json.file
                    )));
                }
            };
        }
        let normalises = json.flag("do_normalize")?.unwrap_or(true);
        // Value of a pixel of 1 before normalisation: images are stored as bytes from 0 to 255.
        let white = if json.flag("do_rescale")?.unwrap_or(true) {
            json.number("rescale_factor")?.unwrap_or(1.0 / 255.0) * 255.0
        } else {
            255.0
        };
        // The processor of ViViT subtracts 1 after scaling if `offset` is set.
        let offset = f64::from(u8::from(json.flag("offset")?.unwrap_or(false)));
        let (mean, std) = if normalises {
            (json.numbers("image_mean")?, json.numbers("image_std")?)
        } else {
            (Some(vec![0.0]), Some(vec![1.0]))
        };
        self.set_statistics(&json.file, mean, std)?;
        // (white x - offset - mean) / std, rewritten as (x - mean') / std'.
        for (mean, std) in self.mean.iter_mut().zip(&mut self.std) {
            *mean = (*mean + offset) / white;
            *std /= white;
        }
        Ok(())
    }

    /// Takes over the settings of `pretrained_cfg` of timm.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if a value is not supported.
    pub(super) fn read_timm(&mut self, json: &Json) -> Result<()> {
        // Default of timm for a key that is absent.
        let fraction = json.number("crop_pct")?.unwrap_or(0.875);
        if !(fraction > 0.0 && fraction <= 1.0) {
            return Err(Error::invalid_format(format!(
                "{}: crop_pct is {fraction}, expected a number above 0 and at most 1",
                json.file
            )));
        }
        let shorter = self.image_size[0].min(self.image_size[1]);
        self.resize = Resize::ShorterSide((shorter as f64 / fraction) as usize);
        self.crop = Some(self.image_size);
        if let Some(name) = json.text("interpolation")? {
            self.interpolation = match name.as_str() {
                "nearest" => Interpolation::Nearest,
                "bilinear" => Interpolation::Bilinear,
                // "random" lets timm draw between two filters in training; here one of them is fixed.
                "bicubic" | "random" => Interpolation::Bicubic,
                "lanczos" => Interpolation::Lanczos,
                _ => {
                    return Err(Error::invalid_format(format!(
                        "{}: interpolation is \"{name}\", expected nearest, bilinear, bicubic or lanczos",
                        json.file
                    )));
                }
            };
        }
        self.set_statistics(&json.file, json.numbers("mean")?, json.numbers("std")?)
    }

    /// Sets mean and standard deviation; a single number is repeated for all channels, `None` changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_format`] if there is not one number per channel, or if a standard deviation is not above 0.
    fn set_statistics(
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

    /// Changes the size of the model input; resizing changes in proportion.
    pub(super) fn set_image_size(&mut self, to: [usize; 2]) {
        if to == self.image_size {
            return;
        }
        let shorter = |size: [usize; 2]| size[0].min(size[1]).max(1);
        self.resize = match self.resize {
            Resize::ShorterSide(side) => {
                Resize::ShorterSide(side * shorter(to) / shorter(self.image_size))
            }
            Resize::Exact(_) => Resize::Exact(to),
            Resize::None => Resize::None,
        };
        self.crop = self.crop.map(|_| to);
        self.image_size = to;
    }

    /// Number of channels.
    pub(super) fn n_channels(&self) -> usize {
        self.mean.len()
    }

    /// Mean and standard deviation of one channel.
    pub(super) fn channel(&self, channel: usize) -> (f64, f64) {
        (self.mean[channel], self.std[channel])
    }

    /// Contents of `preprocessor_config.json`: those of the file that was read, if any, with the current sizes.
    pub(super) fn hugging_face_json(&self, original: Option<&Json>, family: Family) -> Value {
        let mut object = original.map_or_else(Map::new, |json| json.object.clone());
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        let [height, width] = self.image_size;
        // Settings that were read from a file are kept as they are.
        if original.is_none() {
            set(
                "image_processor_type",
                json!(match family {
                    Family::VideoMae | Family::Timesformer => "VideoMAEImageProcessor",
                    Family::Vivit => "VivitImageProcessor",
                    Family::Deit => "DeiTImageProcessor",
                    Family::Dinov2 | Family::Dinov2WithRegisters => "BitImageProcessor",
                    Family::Vit | Family::Timm => "ViTImageProcessor",
                }),
            );
            set("do_normalize", json!(true));
            set("do_rescale", json!(true));
            set("rescale_factor", json!(1.0 / 255.0));
            if family == Family::Vivit {
                set("offset", json!(false));
            }
            set("image_mean", json!(self.mean));
            set("image_std", json!(self.std));
            set(
                "resample",
                json!(match self.interpolation {
                    Interpolation::Nearest => 0,
                    Interpolation::Lanczos => 1,
                    Interpolation::Bilinear => 2,
                    Interpolation::Bicubic => 3,
                }),
            );
        }
        set("do_resize", json!(self.resize != Resize::None));
        match self.resize {
            Resize::None => {}
            Resize::ShorterSide(side) => {
                set("size", json!({ "shortest_edge": side }));
            }
            Resize::Exact([height, width]) => {
                set("size", json!({ "height": height, "width": width }));
            }
        }
        set("do_center_crop", json!(self.crop.is_some()));
        if self.crop.is_some() {
            set("crop_size", json!({ "height": height, "width": width }));
        }
        Value::Object(object)
    }

    /// Sets the keys of `pretrained_cfg` of timm that describe the preprocessing.
    pub(super) fn write_timm(&self, object: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("mean", json!(self.mean));
        set("std", json!(self.std));
        set(
            "interpolation",
            json!(match self.interpolation {
                Interpolation::Nearest => "nearest",
                Interpolation::Bilinear => "bilinear",
                Interpolation::Bicubic => "bicubic",
                Interpolation::Lanczos => "lanczos",
            }),
        );
        if let Resize::ShorterSide(side) = self.resize {
            let shorter = self.image_size[0].min(self.image_size[1]);
            set("crop_pct", json!(shorter as f64 / side.max(1) as f64));
        }
    }
}

/// Converts `size` of transformers: shortest edge, or height and width; a single number is a square.
fn parse_resize(value: &Value) -> Option<Resize> {
    let side = |key: &str| usize::try_from(value.get(key)?.as_u64()?).ok();
    match side("shortest_edge") {
        Some(side) => Some(Resize::ShorterSide(side)),
        None => parse_sides(value).map(Resize::Exact),
    }
}

/// Converts height and width, given by name, as two numbers, or as one number for a square.
fn parse_sides(value: &Value) -> Option<[usize; 2]> {
    let side = |key: &str| usize::try_from(value.get(key)?.as_u64()?).ok();
    match (side("height"), side("width")) {
        (Some(height), Some(width)) => Some([height, width]),
        _ => extents(value),
    }
}
