//! The data set.

use std::path::PathBuf;

use super::require;
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::RawData;
use crate::data::{DataSpec, MNIST_WITHOUT_PATH};

/// Checks `[data]` without looking for the files.
pub(super) fn data(document: &Document, raw: &RawData) -> Result<DataSpec, ConfigError> {
    let directory = |path: &str| {
        require(document, !path.is_empty(), "data.path", || {
            "path is empty, expected the directory of the data".into()
        })?;
        Ok(PathBuf::from(path))
    };
    let fraction = |value: f64| {
        require(
            document,
            value > 0.0 && value < 1.0,
            "data.validation_fraction",
            || format!("validation_fraction is {value}, expected a fraction above 0 and below 1"),
        )?;
        Ok(value)
    };
    Ok(match raw {
        RawData::Digits {} => DataSpec::Digits,
        RawData::Mnist {
            path,
            validation_fraction,
        } => {
            let can_do_without = cfg!(feature = "download");
            require(document, path.is_some() || can_do_without, "data", || {
                format!("missing key `path` in [data]; {MNIST_WITHOUT_PATH}")
            })?;
            DataSpec::Mnist {
                path: path.as_deref().map(directory).transpose()?,
                validation_fraction: fraction(*validation_fraction)?,
            }
        }
        RawData::Cifar10 {
            path,
            validation_fraction,
        } => DataSpec::Cifar10 {
            path: directory(path)?,
            validation_fraction: fraction(*validation_fraction)?,
        },
        RawData::Cifar100 {
            path,
            validation_fraction,
        } => DataSpec::Cifar100 {
            path: directory(path)?,
            validation_fraction: fraction(*validation_fraction)?,
        },
        RawData::ImageFolder {
            path,
            image_size,
            n_classes,
            validation_fraction,
        } => {
            require(document, *image_size > 0, "data.image_size", || {
                "image_size is 0, expected at least 1 pixel".into()
            })?;
            require(document, *n_classes > 1, "data.n_classes", || {
                format!("n_classes is {n_classes}, expected at least 2")
            })?;
            DataSpec::ImageFolder {
                path: directory(path)?,
                image_size: *image_size,
                n_classes: *n_classes,
                validation_fraction: validation_fraction.map(fraction).transpose()?,
            }
        }
    })
}
