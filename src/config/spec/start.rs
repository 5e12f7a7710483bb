//! Where a model starts from.

use std::path::PathBuf;

use super::require;
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::RawModel;
use crate::model::NetworkConfig;

/// Where a model starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// Pretrained weights.
    pub init_from: Option<PathBuf>,
    /// First blocks that do not learn, with all that comes before them; `None`: everything learns.
    pub n_frozen: Option<usize>,
}

/// Checks where the model starts from.
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
        RawModel::LinearProbe(_) => return Ok(Start::default()),
    };
    require(
        document,
        init_from.is_none() || !matches!(raw, RawModel::Vivit(_)),
        "model.init_from",
        || {
            "no library has this model, a factorised encoder; the published ViViT is of the kind `joint`".into()
        },
    )?;
    require(
        document,
        freeze.is_none() || init_from.is_some(),
        "model.freeze",
        || "freeze keeps parts of a model as they were read, expected `init_from` beside it".into(),
    )?;
    let n_layers = model.n_layers();
    require(
        document,
        freeze.is_none_or(|n| n <= n_layers),
        "model.freeze",
        || {
            format!(
                "freeze is {}, expected at most the {n_layers} blocks",
                freeze.unwrap_or(0)
            )
        },
    )?;
    Ok(Start {
        init_from: init_from.as_ref().map(PathBuf::from),
        n_frozen: freeze,
    })
}
