//! Images that a model of a file takes: their size, and the preprocessing that gives it.

use std::path::Path;

use super::family::Family;
use super::json::Json;
use super::layout::Layout;
use super::preprocessing::{Preprocessing, pixels};
use super::{hugging_face_processor, timm_config, timm_transform};
use crate::error::{Error, Result};

/// Name of the file in which transformers states the preprocessing.
const PROCESSOR: &str = "preprocessor_config.json";

/// Preprocessing for a file of weights, whose [`Preprocessing::image_size`] is that of the model to be made.
pub(super) struct ImageInput {
    /// Preprocessing of images.
    pub(super) preprocessing: Preprocessing,
    /// Contents of `preprocessor_config.json`; `None` if there is no such file, as for timm.
    pub(super) processor_json: Option<Json>,
    /// What was guessed or passed over, one sentence each.
    pub(super) notes: Vec<String>,
}

impl ImageInput {
    /// Determines the preprocessing from the files beside `path`, for images of the size `asked` if there is one.
    ///
    /// `layout` is that of the file; its image size is the one of the position embeddings.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_format`] if a setting is not supported, or if preprocessing and model disagree on the
    ///   size of images, and nobody asked for one.
    /// - [`Error::is_file_error`] if a file cannot be read.
    pub(super) fn read(
        path: &Path,
        json: Option<&Json>,
        layout: &Layout,
        asked: Option<[usize; 2]>,
    ) -> Result<Self> {
        match layout.family {
            Family::Timm => Self::of_timm(path, json, layout, asked),
            _ => Self::of_transformers(path, layout, asked),
        }
    }

    fn of_transformers(path: &Path, layout: &Layout, asked: Option<[usize; 2]>) -> Result<Self> {
        let (family, model_size) = (layout.family, layout.config.image_size());
        let n_channels = layout.config.n_channels();
        let file = path.with_file_name(PROCESSOR);
        let Some(json) = Json::read(&file)? else {
            let image_size = asked.unwrap_or_else(|| published_size(family, model_size));
            let model = (family, family.name());
            return Ok(Self::published(
                path, PROCESSOR, model, image_size, n_channels,
            ));
        };
        let (mut preprocessing, notes) =
            hugging_face_processor::read(&json, family, model_size, n_channels)?;
        if let Some(size) = asked {
            preprocessing.set_image_size(size);
        } else if preprocessing.image_size != model_size && !family.takes_any_image_size() {
            let what = "images are preprocessed to";
            return Err(disagreement(
                &json,
                what,
                preprocessing.image_size,
                model_size,
            ));
        }
        Ok(Self {
            preprocessing,
            processor_json: Some(json),
            notes,
        })
    }

    /// Preprocessing of the published models of a family and a name, because the file that would state it is missing.
    fn published(
        path: &Path,
        missing: &str,
        (family, name): (Family, &str),
        image_size: [usize; 2],
        n_channels: usize,
    ) -> Self {
        let preprocessing = Preprocessing::published(family, image_size, n_channels);
        let note = format!(
            "{}: there is no {missing}; as for the published models of the type {name}, images {}",
            path.display(),
            preprocessing.in_words()
        );
        Self {
            preprocessing,
            processor_json: None,
            notes: vec![note],
        }
    }

    fn of_timm(
        path: &Path,
        json: Option<&Json>,
        layout: &Layout,
        asked: Option<[usize; 2]>,
    ) -> Result<Self> {
        let (model_size, n_channels) = (layout.config.image_size(), layout.config.n_channels());
        let Some(json) = json else {
            let (family, name) = if layout.is_dinov2_of_authors {
                (Family::Dinov2, "DINOv2")
            } else {
                (Family::Timm, "ViT")
            };
            let image_size = asked.unwrap_or_else(|| published_size(family, model_size));
            return Ok(Self::published(
                path,
                "config.json",
                (family, name),
                image_size,
                n_channels,
            ));
        };
        let settings = timm_config::pretrained_cfg(json);
        let image_size = match (asked, timm_config::flexible_input_size(json)?) {
            (Some(size), _) => size,
            (None, Some(size))
                if size == model_size || timm_config::takes_any_image_size(json)? =>
            {
                size
            }
            (None, Some(size)) => {
                let what = "the input_size of pretrained_cfg is";
                return Err(disagreement(json, what, size, model_size));
            }
            (None, None) => model_size,
        };
        let (preprocessing, notes) = timm_transform::read(&settings, image_size, n_channels)?;
        Ok(Self {
            preprocessing,
            processor_json: None,
            notes,
        })
    }
}

/// Size of the images for which the published preprocessing of a family is made.
fn published_size(family: Family, model_size: [usize; 2]) -> [usize; 2] {
    // DINOv2 is published with position embeddings of its last, largest training images.
    if family.is_dinov2() && model_size == [518; 2] {
        [224; 2]
    } else {
        model_size
    }
}

/// Error about two sizes of images, either of which could be meant.
fn disagreement(json: &Json, what: &str, input: [usize; 2], model: [usize; 2]) -> Error {
    Error::invalid_format(format!(
        "{}: {what} {}, but the model takes {}; choose with `--image-size {} {}`, which interpolates the position \
         embeddings, or `--image-size {} {}`, which scales the preprocessing",
        json.file,
        pixels(input),
        pixels(model),
        input[0],
        input[1],
        model[0],
        model[1]
    ))
}
