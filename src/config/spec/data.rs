//! The data set.

use std::path::PathBuf;

use super::require;
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawClip, RawCrop, RawData, RawUnreadable};
use crate::data::{
    ClipCut, ClipFolder, ClipKind, Crop, DataSpec, MNIST_WITHOUT_PATH, MovingDigits,
};

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
        RawData::MovingDigits {
            clips,
            n_frames,
            side,
            repeats,
            noise,
        } => {
            let kinds = clips.iter().map(|clip| clip_kind(*clip)).collect();
            let made = MovingDigits::new(kinds, *n_frames, *side, *repeats, *noise as f32);
            DataSpec::MovingDigits(made.map_err(|message| document.error_at("data", message))?)
        }
        RawData::ClipFolder {
            path,
            n_frames,
            stride,
            frame_rate,
            image_size,
            crop,
            n_classes,
            validation_fraction,
            unreadable,
        } => {
            let at_least = |key: &str, value: usize, least: usize| {
                require(document, value >= least, &format!("data.{key}"), || {
                    format!("{key} is {value}, expected at least {least}")
                })
            };
            at_least("n_frames", *n_frames, 2)?;
            at_least("stride", *stride, 1)?;
            at_least("image_size", *image_size, 1)?;
            at_least("n_classes", *n_classes, 2)?;
            require(
                document,
                frame_rate.is_none_or(|rate| rate > 0.0 && rate.is_finite()),
                "data.frame_rate",
                || "frame_rate is not a finite number of frames per second above 0".into(),
            )?;
            DataSpec::ClipFolder(ClipFolder {
                path: directory(path)?,
                n_classes: *n_classes,
                validation_fraction: validation_fraction.map(fraction).transpose()?,
                cut: ClipCut {
                    n_frames: *n_frames,
                    stride: *stride,
                    frame_rate: *frame_rate,
                    image_size: *image_size,
                    crop: match crop {
                        RawCrop::Center => Crop::Center,
                        RawCrop::Stretch => Crop::Stretch,
                    },
                },
                skip_unreadable: *unreadable == RawUnreadable::Skip,
            })
        }
    })
}

fn clip_kind(raw: RawClip) -> ClipKind {
    match raw {
        RawClip::Constant => ClipKind::Constant,
        RawClip::Bounce => ClipKind::Bounce,
        RawClip::RotateScale => ClipKind::RotateScale,
        RawClip::Occlusion => ClipKind::Occlusion,
        RawClip::Noise => ClipKind::Noise,
        RawClip::Blur => ClipKind::Blur,
        RawClip::TwoDigits => ClipKind::TwoDigits,
        RawClip::Merge => ClipKind::Merge,
        RawClip::Split => ClipKind::Split,
        RawClip::Appear => ClipKind::Appear,
    }
}
