//! The model.

use super::require;
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawModel, RawPooling, RawSize};
use crate::data::SampleSpec;
use crate::model::{Pooling, VitConfig, VitSize};

/// Checks `[model]` against the shape of the images.
pub(super) fn model(
    document: &Document,
    raw: &RawModel,
    images: SampleSpec,
) -> Result<VitConfig, ConfigError> {
    let RawModel::Vit {
        size,
        d_model,
        n_layers,
        n_heads,
        patch_size,
        mlp_ratio,
        pooling,
        n_registers,
        dropout,
        drop_path,
    } = raw.clone();
    let size = size.map(|size| match size {
        RawSize::Tiny => VitSize::Tiny,
        RawSize::Small => VitSize::Small,
        RawSize::Base => VitSize::Base,
        RawSize::Large => VitSize::Large,
    });
    let from_size = |key: &str, written: Option<usize>, standard: fn(VitSize) -> usize| {
        let path = format!("model.{key}");
        let value = match (written, size) {
            (Some(_), Some(_)) => {
                return Err(document.error_at(
                    &path,
                    format!("`size` and `{key}` are both set, expected one of them"),
                ));
            }
            (Some(value), None) => value,
            (None, Some(size)) => standard(size),
            (None, None) => {
                return Err(document.error_at(
                    "model",
                    format!("missing key `{key}` in [model]; set it, or `size`"),
                ));
            }
        };
        require(document, value > 0, &path, || {
            format!("{key} is 0, expected at least 1")
        })?;
        Ok(value)
    };
    let d_model = from_size("d_model", d_model, VitSize::d_model)?;
    let n_layers = from_size("n_layers", n_layers, VitSize::n_layers)?;
    let n_heads = from_size("n_heads", n_heads, VitSize::n_heads)?;
    let heads_key = if size.is_some() {
        "model.size"
    } else {
        "model.n_heads"
    };
    require(document, d_model.is_multiple_of(n_heads), heads_key, || {
        format!("n_heads {n_heads} does not divide d_model {d_model}")
    })?;
    let fits = |side: usize| patch_size > 0 && side.is_multiple_of(patch_size);
    require(
        document,
        fits(images.height) && fits(images.width),
        "model.patch_size",
        || {
            format!(
                "patch_size {patch_size} does not divide the images, {} by {} pixels",
                images.height, images.width
            )
        },
    )?;
    require(document, mlp_ratio > 0, "model.mlp_ratio", || {
        "mlp_ratio is 0, expected at least 1".into()
    })?;
    for (key, probability) in [("dropout", dropout), ("drop_path", drop_path)] {
        require(
            document,
            (0.0..1.0).contains(&probability),
            &format!("model.{key}"),
            || format!("{key} is {probability}, expected a probability of at least 0 and below 1"),
        )?;
    }
    let image = [images.height, images.width];
    let config = VitConfig::new(
        image,
        images.n_channels,
        images.n_classes,
        patch_size,
        d_model,
        n_layers,
        n_heads,
    );
    Ok(config
        .with_mlp_ratio(mlp_ratio)
        .with_n_registers(n_registers)
        .with_dropout(dropout)
        .with_drop_path(drop_path)
        .with_pooling(match pooling {
            RawPooling::Cls => Pooling::Cls,
            RawPooling::Mean => Pooling::Mean,
        }))
}
