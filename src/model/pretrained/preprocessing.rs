//! What is done to an image before a pretrained model sees it.

use serde_json::{Map, Value, json};

use super::family::Family;
use super::json::{Json, extents};

/// How pixels are taken between those of an image that is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest one.
    Nearest,
    /// A triangle filter.
    Bilinear,
    /// Cubic convolution.
    Bicubic,
    /// Windowed sinc of three lobes.
    Lanczos,
}

/// To which size an image is brought first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Not at all.
    None,
    /// Its shorter side to so many pixels, the other in proportion.
    ShorterSide(usize),
    /// To this height and width, whatever its own are.
    Exact([usize; 2]),
}

/// From an image to what a model wants.
///
/// The model that [`open`](super::open) returns takes pixels in [-1, 1], as all models here: mean and
/// standard deviation are part of its projection of patches already.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// Height and width that the model takes, in pixels.
    pub image_size: [usize; 2],
    /// Done first.
    pub resize: Resize,
    /// Height and width of the centre that is kept then, if it is cut out.
    pub crop: Option<[usize; 2]>,
    /// How it is resized.
    pub interpolation: Interpolation,
    /// Subtracted from pixels in [0, 1], for each channel.
    pub mean: Vec<f64>,
    /// What the difference is divided by.
    pub std: Vec<f64>,
}

const HALF: [f64; 3] = [0.5; 3];
const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];
/// Of the video models' authors.
const VIDEO_MEAN: [f64; 3] = [0.45; 3];
const VIDEO_STD: [f64; 3] = [0.225; 3];

impl Preprocessing {
    /// What the published models of a family have, where no file tells.
    pub(super) fn of_family(family: Family, image_size: [usize; 2], n_channels: usize) -> Self {
        let (mean, std, crop_share) = match family {
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
        let statistics = |of_colour: [f64; 3]| match n_channels {
            3 => of_colour.to_vec(),
            _ => vec![0.5; n_channels],
        };
        let shorter = image_size[0].min(image_size[1]);
        Self {
            image_size,
            resize: match crop_share {
                Some(share) => Resize::ShorterSide((shorter as f64 / share) as usize),
                None => Resize::Exact(image_size),
            },
            crop: crop_share.map(|_| image_size),
            interpolation: if bicubic {
                Interpolation::Bicubic
            } else {
                Interpolation::Bilinear
            },
            mean: statistics(mean),
            std: statistics(std),
        }
    }

    /// Changes it to what `preprocessor_config.json` of transformers says.
    ///
    /// # Errors
    ///
    /// One sentence if a key is not understood.
    pub(super) fn read_hugging_face(&mut self, json: &Json) -> Result<(), String> {
        if let Some(size) = json.get("size") {
            self.resize = resize(size).ok_or_else(|| {
                format!(
                    "{}: size is {size}, expected shortest_edge, or height and width",
                    json.file
                )
            })?;
        }
        if json.flag("do_resize")? == Some(false) {
            self.resize = Resize::None;
        }
        let crop = json.typed("crop_size", "height and width", sides)?;
        self.crop = match json.flag("do_center_crop")? {
            Some(true) => crop.or(self.crop),
            Some(false) => None,
            None => crop,
        };
        if let Some(filter) = json.count("resample")? {
            self.interpolation = match filter {
                0 => Interpolation::Nearest,
                1 => Interpolation::Lanczos,
                2 => Interpolation::Bilinear,
                3 => Interpolation::Bicubic,
                _ => {
                    return Err(format!(
                        "{}: resample is {filter}, expected 0 to 3",
                        json.file
                    ));
                }
            };
        }
        let normalises = json.flag("do_normalize")?.unwrap_or(true);
        let of_bytes = match json.flag("do_rescale")?.unwrap_or(true) {
            true => json.number("rescale_factor")?.unwrap_or(1.0 / 255.0) * 255.0,
            false => 255.0,
        };
        // ViViT's own processor takes 1 away after scaling, if `offset` says so.
        let offset = f64::from(u8::from(json.flag("offset")?.unwrap_or(false)));
        let (mean, std) = match normalises {
            true => (json.numbers("image_mean")?, json.numbers("image_std")?),
            false => (Some(vec![0.0]), Some(vec![1.0])),
        };
        self.set_statistics(&json.file, mean, std)?;
        for (mean, std) in self.mean.iter_mut().zip(&mut self.std) {
            *mean = (*mean + offset) / of_bytes;
            *std /= of_bytes;
        }
        Ok(())
    }

    /// Changes it to what `pretrained_cfg` of timm says.
    ///
    /// # Errors
    ///
    /// One sentence if a key is not understood.
    pub(super) fn read_timm(&mut self, json: &Json) -> Result<(), String> {
        let share = json.number("crop_pct")?.unwrap_or(0.875);
        if !(share > 0.0 && share <= 1.0) {
            return Err(format!(
                "{}: crop_pct is {share}, expected a fraction above 0",
                json.file
            ));
        }
        let shorter = self.image_size[0].min(self.image_size[1]);
        self.resize = Resize::ShorterSide((shorter as f64 / share) as usize);
        self.crop = Some(self.image_size);
        if let Some(name) = json.text("interpolation")? {
            self.interpolation = match name.as_str() {
                "nearest" => Interpolation::Nearest,
                "bilinear" => Interpolation::Bilinear,
                "bicubic" | "random" => Interpolation::Bicubic,
                "lanczos" => Interpolation::Lanczos,
                _ => {
                    return Err(format!(
                        "{}: interpolation is \"{name}\", expected bilinear or bicubic",
                        json.file
                    ));
                }
            };
        }
        self.set_statistics(&json.file, json.numbers("mean")?, json.numbers("std")?)
    }

    fn set_statistics(
        &mut self,
        file: &str,
        mean: Option<Vec<f64>>,
        std: Option<Vec<f64>>,
    ) -> Result<(), String> {
        let n_channels = self.n_channels();
        for (found, statistics, is_std) in
            [(mean, &mut self.mean, false), (std, &mut self.std, true)]
        {
            let Some(mut found) = found else { continue };
            if found.len() == 1 {
                found.resize(n_channels, found[0]);
            }
            let is_right = |x: &f64| x.is_finite() && (!is_std || *x > 0.0);
            if found.len() != n_channels || !found.iter().all(is_right) {
                return Err(format!(
                    "{file}: mean or standard deviation of the pixels is {found:?}, expected {n_channels} finite numbers, \
                     the deviations above 0"
                ));
            }
            *statistics = found;
        }
        Ok(())
    }

    /// The same for images of another size.
    pub(super) fn resized(&mut self, to: [usize; 2]) {
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

    pub(super) fn n_channels(&self) -> usize {
        self.mean.len()
    }

    pub(super) fn channel(&self, channel: usize) -> (f64, f64) {
        (self.mean[channel], self.std[channel])
    }

    /// `preprocessor_config.json`, from the one that was read if there is one.
    pub(super) fn hugging_face_json(&self, original: Option<&Json>, family: Family) -> Value {
        let mut object = match original {
            Some(json) => json.object.clone(),
            None => Map::new(),
        };
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        let [height, width] = self.image_size;
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

    /// The keys of `pretrained_cfg` of timm.
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

/// `size` of transformers: shortest edge, or height and width; a number is a square.
fn resize(value: &Value) -> Option<Resize> {
    let side = |key: &str| usize::try_from(value.get(key)?.as_u64()?).ok();
    match side("shortest_edge") {
        Some(side) => Some(Resize::ShorterSide(side)),
        None => sides(value).map(Resize::Exact),
    }
}

/// Height and width by name, or as numbers.
fn sides(value: &Value) -> Option<[usize; 2]> {
    let side = |key: &str| usize::try_from(value.get(key)?.as_u64()?).ok();
    match (side("height"), side("width")) {
        (Some(height), Some(width)) => Some([height, width]),
        _ => extents(value),
    }
}
