//! Preprocessing of transformers: `preprocessor_config.json`, with the defaults of the class of image processors.

use serde_json::{Map, Value, json};

use super::family::Family;
use super::json::{Json, extents, passed_over};
use super::preprocessing::{CropRounding, HALF, Interpolation, Preprocessing, Resize, of_colours};
use crate::error::{Error, Result};

/// Class of image processors of transformers: values of the keys that a file leaves out.
struct Processor {
    name: &'static str,
    resize: Resize,
    crop: Option<[usize; 2]>,
    interpolation: Interpolation,
    mean: [f64; 3],
    std: [f64; 3],
    /// Value of a white pixel after rescaling, before the offset.
    white: f64,
    /// Number that is subtracted after rescaling.
    offset: f64,
}

const PUBLISHED_SIZE: [usize; 2] = [224, 224];
const CLIP_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

/// The simplest class.
const VIT: Processor = Processor {
    name: "ViTImageProcessor",
    resize: Resize::Exact(PUBLISHED_SIZE),
    crop: None,
    interpolation: Interpolation::Bilinear,
    mean: HALF,
    std: HALF,
    white: 1.0,
    offset: 0.0,
};

/// Classes that are supported.
const PROCESSORS: [Processor; 6] = {
    const CLIP: Processor = Processor {
        name: "CLIPImageProcessor",
        resize: Resize::ShorterSide(224),
        crop: Some(PUBLISHED_SIZE),
        interpolation: Interpolation::Bicubic,
        mean: CLIP_MEAN,
        std: CLIP_STD,
        ..VIT
    };
    [
        VIT,
        CLIP,
        Processor {
            name: "BitImageProcessor",
            ..CLIP
        },
        Processor {
            name: "DeiTImageProcessor",
            resize: Resize::Exact([256, 256]),
            crop: Some(PUBLISHED_SIZE),
            interpolation: Interpolation::Bicubic,
            ..VIT
        },
        Processor {
            name: "VideoMAEImageProcessor",
            resize: Resize::ShorterSide(224),
            crop: Some(PUBLISHED_SIZE),
            ..VIT
        },
        Processor {
            name: "VivitImageProcessor",
            resize: Resize::ShorterSide(256),
            crop: Some(PUBLISHED_SIZE),
            white: 2.0,
            offset: 1.0,
            ..VIT
        },
    ]
};

/// Keys that are read here, or that do not change the pixels of a picture.
const UNDERSTOOD: [&str; 26] = [
    "_processor_class",
    "_valid_kwargs_names",
    "_valid_processor_keys",
    "crop_size",
    "data_format",
    "default_to_square",
    "device",
    "disable_grouping",
    "do_center_crop",
    "do_convert_rgb",
    "do_normalize",
    "do_pad",
    "do_rescale",
    "do_resize",
    "feature_extractor_type",
    "image_mean",
    "image_processor_type",
    "image_seq_length",
    "image_std",
    "input_data_format",
    "processor_class",
    "resample",
    "rescale_factor",
    "return_tensors",
    "size",
    "transformers_version",
];

/// Largest side that an image may be resized to, more than any real model has.
///
/// It keeps a damaged file from allocating all memory.
const MAX_SIDE: usize = 1 << 13;

/// Reads the preprocessing of a file, and tells which keys were passed over.
///
/// `image_size` is that of the model, used if the file gives images no size.
///
/// # Errors
///
/// [`Error::is_invalid_format`] if a value is not supported.
pub(super) fn read(
    json: &Json,
    family: Family,
    image_size: [usize; 2],
    n_channels: usize,
) -> Result<(Preprocessing, Vec<String>)> {
    let processor = processor(json, family)?;
    let mut understood = UNDERSTOOD.to_vec();
    if processor.offset > 0.0 {
        understood.push("offset");
    }
    let mut notes = passed_over(json, &understood);
    if json.flag("do_pad")? == Some(true) {
        return Err(Error::invalid_format(format!(
            "{}: do_pad is true, expected a processor that does not pad images",
            json.file
        )));
    }
    let resize = resize(json, processor)?;
    let stated_crop = stated_crop(json, processor)?;
    // Images leave the processor in this size.
    let (image_size, crop) = match (stated_crop, resize) {
        (Some(size), _) => (size, Some(size)),
        (None, Resize::Exact(size)) => (size, None),
        (None, Resize::ShorterSide(side)) => ([side; 2], Some([side; 2])),
        (None, _) => (image_size, Some(image_size)),
    };
    if crop != stated_crop {
        notes.push(format!(
            "{}: images are not cropped, so that transformers runs the model on images of any shape; here their centre \
             is cropped to the size of the model's input",
            json.file
        ));
    }
    let mut preprocessing = Preprocessing {
        image_size,
        resize,
        crop,
        crop_rounding: CropRounding::Down,
        padding: vec![0.0; n_channels],
        interpolation: interpolation(json, processor)?,
        mean: of_colours(processor.mean, n_channels),
        std: of_colours(processor.std, n_channels),
    };
    set_statistics(&mut preprocessing, json, processor)?;
    Ok((preprocessing, notes))
}

/// Class of image processors of a file, by default that of the family.
fn processor(json: &Json, family: Family) -> Result<&'static Processor> {
    let name = match json.text("image_processor_type")? {
        Some(name) => name,
        // The key of older files.
        None => match json.text("feature_extractor_type")? {
            Some(name) => name.replace("FeatureExtractor", "ImageProcessor"),
            None => default_processor(family).to_owned(),
        },
    };
    let plain = name.trim_end_matches("Fast").trim_end_matches("Pil");
    PROCESSORS
        .iter()
        .find(|processor| processor.name == plain)
        .ok_or_else(|| {
            let names = PROCESSORS.map(|processor| processor.name).join(", ");
            Error::invalid_format(format!(
                "{}: image_processor_type is \"{name}\", expected one of {names}",
                json.file
            ))
        })
}

/// Name of the class of image processors for a family.
fn default_processor(family: Family) -> &'static str {
    match family {
        Family::VideoMae | Family::Timesformer => "VideoMAEImageProcessor",
        Family::Vivit => "VivitImageProcessor",
        Family::Deit => "DeiTImageProcessor",
        Family::Dinov2 | Family::Dinov2WithRegisters => "BitImageProcessor",
        Family::Vit | Family::Timm => "ViTImageProcessor",
    }
}

/// Resizing, from `do_resize` and `size`.
fn resize(json: &Json, processor: &Processor) -> Result<Resize> {
    if json.flag("do_resize")? == Some(false) {
        return Ok(Resize::None);
    }
    let is_square = match json.flag("default_to_square")? {
        Some(is_square) => is_square,
        None => matches!(processor.resize, Resize::Exact(_)),
    };
    let size = json.typed(
        "size",
        "shortest_edge, height and width, or one number",
        |value| match side(value) {
            // One number stands for a square in some classes, and for the shorter side in others.
            Some(side) if is_square => Some(Resize::Exact([side; 2])),
            Some(side) => Some(Resize::ShorterSide(side)),
            None => match value.as_object() {
                Some(object) if object.contains_key("longest_edge") => None,
                Some(object) if object.contains_key("shortest_edge") => {
                    side(&object["shortest_edge"]).map(Resize::ShorterSide)
                }
                _ => sides(value).map(Resize::Exact),
            },
        },
    )?;
    Ok(size.unwrap_or(processor.resize))
}

/// Size of the centre crop, from `do_center_crop` and `crop_size`; `None` without cropping.
fn stated_crop(json: &Json, processor: &Processor) -> Result<Option<[usize; 2]>> {
    let crops = json.flag("do_center_crop")?;
    if !crops.unwrap_or(processor.crop.is_some()) {
        return Ok(None);
    }
    let size = json.typed("crop_size", "height and width, or one number", sides)?;
    match size.or(processor.crop) {
        Some(size) => Ok(Some(size)),
        None => Err(Error::invalid_format(format!(
            "{}: do_center_crop is true and crop_size is missing, expected both or none",
            json.file
        ))),
    }
}

/// Interpolation filter, by its number in Pillow.
fn interpolation(json: &Json, processor: &Processor) -> Result<Interpolation> {
    Ok(match json.count("resample")? {
        None => processor.interpolation,
        Some(0) => Interpolation::Nearest,
        Some(1) => Interpolation::Lanczos,
        Some(2) => Interpolation::Bilinear,
        Some(3) => Interpolation::Bicubic,
        Some(filter) => {
            return Err(Error::invalid_format(format!(
                "{}: resample is {filter}, expected 0 (nearest), 1 (Lanczos), 2 (bilinear) or 3 (bicubic)",
                json.file
            )));
        }
    })
}

/// Reads mean and standard deviation, and combines them with the rescaling of pixels.
fn set_statistics(
    preprocessing: &mut Preprocessing,
    json: &Json,
    processor: &Processor,
) -> Result<()> {
    let numbers = |key| {
        json.typed(key, "a number or a list of numbers", |value| match value {
            Value::Array(values) => values.iter().map(Value::as_f64).collect(),
            value => Some(vec![value.as_f64()?]),
        })
    };
    let (mean, std) = if json.flag("do_normalize")?.unwrap_or(true) {
        (numbers("image_mean")?, numbers("image_std")?)
    } else {
        (Some(vec![0.0]), Some(vec![1.0]))
    };
    preprocessing.set_statistics(&json.file, mean, std)?;
    let is_rescaled = json.flag("do_rescale")?.unwrap_or(true);
    // Value of a pixel of 1 before normalisation: images are stored as bytes from 0 to 255.
    let white = match (is_rescaled, json.number("rescale_factor")?) {
        (true, Some(factor)) if !(factor > 0.0 && factor.is_finite()) => {
            return Err(Error::invalid_format(format!(
                "{}: rescale_factor is {factor}, expected a finite number above 0",
                json.file
            )));
        }
        (true, Some(factor)) => factor * 255.0,
        (true, None) => processor.white,
        (false, _) => 255.0,
    };
    let offset = match json.flag("offset")? {
        Some(false) => 0.0,
        _ => processor.offset,
    };
    // (white x - offset - mean) / std, rewritten as (x - mean') / std'.
    for mean in &mut preprocessing.mean {
        *mean = (*mean + offset) / white;
    }
    for std in &mut preprocessing.std {
        *std /= white;
    }
    Ok(())
}

/// Contents of `preprocessor_config.json`: those of the file that was read, if any, with the current sizes.
pub(super) fn to_json(
    preprocessing: &Preprocessing,
    original: Option<&Json>,
    family: Family,
) -> Value {
    let mut object = original.map_or_else(Map::new, |json| json.object.clone());
    let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
    let height_and_width =
        |[height, width]: [usize; 2]| json!({ "height": height, "width": width });
    // Settings that were read from a file are kept as they are.
    if original.is_none() {
        set("image_processor_type", json!(default_processor(family)));
        set("do_normalize", json!(true));
        set("do_rescale", json!(true));
        set("rescale_factor", json!(1.0 / 255.0));
        if family == Family::Vivit {
            set("offset", json!(false));
        }
        set("image_mean", json!(preprocessing.mean));
        set("image_std", json!(preprocessing.std));
        set(
            "resample",
            json!(match preprocessing.interpolation {
                Interpolation::Nearest => 0,
                Interpolation::Lanczos => 1,
                Interpolation::Bilinear => 2,
                Interpolation::Bicubic => 3,
            }),
        );
    }
    set("do_resize", json!(preprocessing.resize != Resize::None));
    match preprocessing.resize {
        Resize::None => {}
        Resize::ShorterSide(side) => {
            set("size", json!({ "shortest_edge": side }));
        }
        // No processor of transformers resizes in the other two ways.
        Resize::Exact(size) | Resize::Covering(size) | Resize::Within(size) => {
            set("size", height_and_width(size));
        }
    }
    set("do_center_crop", json!(preprocessing.crop.is_some()));
    if let Some(size) = preprocessing.crop {
        set("crop_size", height_and_width(size));
    }
    Value::Object(object)
}

/// Converts a number of pixels; `None` for other values.
fn side(value: &Value) -> Option<usize> {
    let side = usize::try_from(value.as_u64()?).ok()?;
    (1..=MAX_SIDE).contains(&side).then_some(side)
}

/// Converts height and width, given by name, as two numbers, or as one number for a square.
fn sides(value: &Value) -> Option<[usize; 2]> {
    let sides = match value.as_object() {
        Some(object) => [object.get("height")?, object.get("width")?].map(side),
        None => extents(value)?.map(|extent| side(&json!(extent))),
    };
    Some([sides[0]?, sides[1]?])
}
