//! Preprocessing of timm: the keys of `pretrained_cfg` that its evaluation transform uses.

use serde_json::{Map, Value, json};

use super::json::{Json, passed_over};
use super::preprocessing::{
    CropRounding, IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocessing, Resize, in_proportion,
    of_colours,
};
use crate::error::{Error, Result};

/// Fraction of the resized image that is cropped if `crop_pct` is absent.
const CROP_FRACTION: f64 = 0.875;

/// Keys of `pretrained_cfg` that are read here, or that do not change the pixels of a picture.
const UNDERSTOOD: [&str; 38] = [
    "architecture",
    "classifier",
    "crop_mode",
    "crop_pct",
    "custom_load",
    "description",
    "file",
    "first_conv",
    "fixed_input_size",
    "global_pool",
    "hf_hub_filename",
    "hf_hub_id",
    "input_size",
    "interpolation",
    "label_descriptions",
    "label_names",
    "label_offset",
    "labels",
    "license",
    "mean",
    "min_input_size",
    "model_args",
    "notes",
    "num_classes",
    "num_features",
    "origin_url",
    "paper_ids",
    "paper_name",
    "pool_size",
    "source",
    "state_dict",
    "std",
    "tag",
    "test_crop_pct",
    "test_input_size",
    "test_pool_size",
    "torch_dtype",
    "url",
];

/// Reads the preprocessing for images of a size, and tells which keys were passed over.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if a value is not supported.
pub(super) fn read(
    json: &Json,
    image_size: [usize; 2],
    n_channels: usize,
) -> Result<(Preprocessing, Vec<String>)> {
    // In timm, 0 counts as absent.
    let given = json.number("crop_pct")?.filter(|&fraction| fraction != 0.0);
    let fraction = given.unwrap_or(CROP_FRACTION);
    if !(fraction > 0.0 && fraction <= 1.0) {
        return Err(Error::invalid_format(format!(
            "{}: crop_pct is {fraction}, expected a number above 0 and at most 1",
            json.file
        )));
    }
    let mut preprocessing = Preprocessing {
        image_size,
        resize: Resize::None,
        crop: Some(image_size),
        crop_rounding: CropRounding::HalfToEven,
        padding: vec![0.0; n_channels],
        interpolation: interpolation(json)?,
        mean: of_colours(IMAGENET_MEAN, n_channels),
        std: of_colours(IMAGENET_STD, n_channels),
    };
    preprocessing.set_statistics(&json.file, json.numbers("mean")?, json.numbers("std")?)?;
    let resized = image_size.map(|side| (side as f64 / fraction) as usize);
    preprocessing.resize = match json.text("crop_mode")?.as_deref() {
        None | Some("center") => in_proportion(resized),
        Some("squash") => Resize::Exact(resized),
        Some("border") => {
            // The border has the mean colour, in whole levels.
            let level = |mean: &f64| (255.0 * mean).round_ties_even() / 255.0;
            preprocessing.padding = preprocessing.mean.iter().map(level).collect();
            Resize::Within(resized)
        }
        Some(other) => {
            return Err(Error::invalid_format(format!(
                "{}: crop_mode is \"{other}\", expected center, squash or border",
                json.file
            )));
        }
    };
    Ok((preprocessing, passed_over(json, &UNDERSTOOD)))
}

/// Interpolation filter.
fn interpolation(json: &Json) -> Result<Interpolation> {
    Ok(match json.text("interpolation")?.as_deref() {
        None | Some("bicubic") => Interpolation::Bicubic,
        Some("nearest") => Interpolation::Nearest,
        Some("bilinear") => Interpolation::Bilinear,
        Some("lanczos") => Interpolation::Lanczos,
        Some(other) => {
            return Err(Error::invalid_format(format!(
                "{}: interpolation is \"{other}\", expected nearest, bilinear, bicubic or lanczos",
                json.file
            )));
        }
    })
}

/// Sets the keys of `pretrained_cfg` that describe a preprocessing.
///
/// A fraction that was read is kept, and so is its absence.
pub(super) fn write(preprocessing: &Preprocessing, object: &mut Map<String, Value>) {
    let is_new = object.is_empty();
    let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
    set("mean", json!(preprocessing.mean));
    set("std", json!(preprocessing.std));
    set(
        "interpolation",
        json!(match preprocessing.interpolation {
            Interpolation::Nearest => "nearest",
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
            Interpolation::Lanczos => "lanczos",
        }),
    );
    let (mode, resized) = match preprocessing.resize {
        Resize::None => ("center", preprocessing.image_size),
        Resize::ShorterSide(side) => ("center", [side; 2]),
        Resize::Covering(size) => ("center", size),
        Resize::Exact(size) => ("squash", size),
        Resize::Within(size) => ("border", size),
    };
    set("crop_mode", json!(mode));
    if is_new {
        set(
            "crop_pct",
            json!(crop_fraction(preprocessing.image_size, resized)),
        );
    }
}

/// Fraction by which timm divides the size of the crop, rounding down, to get the size that images are resized to.
fn crop_fraction(crop: [usize; 2], resized: [usize; 2]) -> f64 {
    let side = crop[0] as f64;
    let resized_side = resized[0].max(1) as f64;
    // The quotient itself can be rounded to a number that gives one pixel less.
    let fractions = [side / resized_side, side / (resized_side + 0.5)];
    let gives = |fraction: &f64| (side / fraction) as usize == resized[0];
    fractions.into_iter().find(gives).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_gives_back_the_size_that_images_are_resized_to() {
        for crop in 1..300 {
            for resized in crop..crop + 100 {
                let fraction = crop_fraction([crop; 2], [resized; 2]);
                assert_eq!((crop as f64 / fraction) as usize, resized);
            }
        }
    }
}
