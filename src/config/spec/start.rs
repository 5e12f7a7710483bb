//! Pretrained weights and frozen layers that training starts from.

use std::path::PathBuf;

use super::data::located;
use super::require;
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::RawModel;
use crate::data::DataSpec;
use crate::model::NetworkConfig;

/// Pretrained weights and frozen layers that training starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// File or directory of pretrained weights, or directory of a run; `None` for random weights.
    pub init_from: Option<PathBuf>,
    /// Number of first layers that are not trained, with the embedding of patches; `None` if
    /// everything is trained.
    pub n_frozen: Option<usize>,
}

/// Checks `model.init_from` and `model.freeze`.
pub(super) fn start(
    document: &Document,
    raw: &RawModel,
    model: &NetworkConfig,
) -> Result<Start, ConfigError> {
    let (init_from, freeze) = match raw {
        RawModel::Vit {
            init_from, freeze, ..
        } => (init_from, *freeze),
        RawModel::Timesformer(video) | RawModel::Vivit(video) | RawModel::Joint(video) => {
            (&video.init_from, video.freeze)
        }
        RawModel::LinearProbe(_) | RawModel::Generator(_) => return Ok(Start::default()),
    };
    require(
        document,
        init_from.is_none() || !matches!(raw, RawModel::Vivit(_)),
        "model.init_from",
        || {
            "there are no pretrained weights of a factorised encoder; the published ViViT is of \
             the kind `joint`"
                .to_owned()
        },
    )?;
    require(
        document,
        freeze.is_none() || init_from.is_some(),
        "model.freeze",
        || "freeze needs pretrained weights; set `init_from` too, or leave it out".to_owned(),
    )?;
    // `freeze = 0` freezes the embedding of patches alone, so it differs from an absent key.
    let (n_frozen, n_layers) = (freeze.unwrap_or(0), model.n_layers());
    require(document, n_frozen <= n_layers, "model.freeze", || {
        format!("freeze is {n_frozen}, expected at most {n_layers}, the number of layers")
    })?;
    Ok(Start {
        init_from: init_from
            .as_ref()
            .map(|path| located(document, "model.init_from", path)),
        n_frozen: freeze,
    })
}

/// Scales the data to `model.image_size`, the size at which pretrained weights are run.
pub(super) fn scaled_data(
    document: &Document,
    raw: &RawModel,
    data: DataSpec,
) -> Result<DataSpec, ConfigError> {
    let RawModel::Vit {
        image_size: Some(image_size),
        ref init_from,
        ..
    } = *raw
    else {
        return Ok(data);
    };
    let key = "model.image_size";
    require(document, image_size > 0, key, || {
        "image_size is 0, expected at least 1 pixel".to_owned()
    })?;
    require(document, init_from.is_some(), key, || {
        "image_size needs pretrained weights; set `init_from` too, or leave it out".to_owned()
    })?;
    match &data {
        DataSpec::ImageFolder {
            image_size: of_data,
            ..
        } => {
            // Files are decoded at the size that is asked for: one key for that is enough.
            require(document, *of_data == image_size, key, || {
                format!(
                    "image_size is {image_size} here and {of_data} in [data]; set it in [data] alone, where images \
                     of any size are read from files"
                )
            })?;
            Ok(data)
        }
        _ if data.sample_spec().height == image_size => Ok(data),
        _ => Ok(DataSpec::Scaled {
            data: Box::new(data),
            image_size,
        }),
    }
}
