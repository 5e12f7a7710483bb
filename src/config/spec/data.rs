//! `[data]`: checked data set.

use std::path::{Path, PathBuf};

use super::{Condition, require, require_all};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawCaptions, RawConfig, RawData, RawModel, RawUnreadable};
use crate::counted::counted;
use crate::data::{
    ClipFolder, ClipSampling, DamagedGlyphs, DataSpec, DigitCaptions, MNIST_WITHOUT_PATH,
    MovingDigits, count_classes,
};
use crate::model::PixelStatistics;

/// Largest side of the images of a folder, in pixels.
const MAX_IMAGE_SIZE: usize = 16_384;

/// Largest number of classes of a folder.
const MAX_CLASSES: usize = 1_000_000;

/// Fills in the defaults that depend on other keys, or on the folders of the data.
pub(in crate::config) fn complete(
    document: &Document,
    raw: &mut RawConfig,
) -> Result<(), ConfigError> {
    for table in &mut raw.topology {
        table.complete();
    }
    if matches!(raw.model, RawModel::Generator(_)) {
        super::training::complete(&mut raw.training);
    }
    let (RawData::ImageFolder {
        path, n_classes, ..
    }
    | RawData::ClipFolder {
        path, n_classes, ..
    }) = &mut raw.data
    else {
        return Ok(());
    };
    if n_classes.is_none() {
        let counted = count_classes(&directory(document, path)?);
        *n_classes = Some(counted.map_err(|error| {
            let message = format!(
                "missing key `n_classes` in [data], and the classes cannot be counted: {error}"
            );
            document.error_in("data", message)
        })?);
    }
    Ok(())
}

/// Checks `[data]` without opening files.
pub(super) fn data(document: &Document, raw: &RawData) -> Result<DataSpec, ConfigError> {
    Ok(match raw {
        RawData::Digits { .. } => DataSpec::Digits,
        RawData::Mnist {
            path,
            validation_fraction,
            ..
        } => {
            let can_download = cfg!(feature = "download");
            // Refused here rather than when the data set is opened, so that `config check` reports it.
            require(document, path.is_some() || can_download, "data", || {
                format!("missing key `path` in [data]; {MNIST_WITHOUT_PATH}")
            })?;
            DataSpec::Mnist {
                path: path
                    .as_deref()
                    .map(|path| directory(document, path))
                    .transpose()?,
                validation_fraction: fraction(document, *validation_fraction)?,
            }
        }
        RawData::Cifar10 {
            path,
            validation_fraction,
            ..
        } => DataSpec::Cifar10 {
            path: directory(document, path)?,
            validation_fraction: fraction(document, *validation_fraction)?,
        },
        RawData::Cifar100 {
            path,
            validation_fraction,
            ..
        } => DataSpec::Cifar100 {
            path: directory(document, path)?,
            validation_fraction: fraction(document, *validation_fraction)?,
        },
        RawData::ImageFolder {
            path,
            image_size,
            n_classes,
            validation_fraction,
            unreadable,
            ..
        } => {
            require_all(
                document,
                [
                    Condition::new(
                        "data.image_size",
                        (1..=MAX_IMAGE_SIZE).contains(image_size),
                        format!(
                            "image_size is {image_size}, expected 1 to {MAX_IMAGE_SIZE} pixels"
                        ),
                    ),
                    n_classes_condition(n_classes.unwrap_or(0)),
                ],
            )?;
            DataSpec::ImageFolder {
                path: directory(document, path)?,
                image_size: *image_size,
                n_classes: n_classes.unwrap_or(0),
                validation_fraction: validation_fraction
                    .map(|value| fraction(document, value))
                    .transpose()?,
                skip_unreadable: *unreadable == RawUnreadable::Skip,
            }
        }
        RawData::MovingDigits {
            clips,
            n_frames,
            side,
            repeats,
            noise,
            evaluation_repeats,
            partners,
            captions,
            ..
        } => {
            // Checked by the data set itself, whose messages begin with the name of the key.
            let made = MovingDigits::new(clips.clone(), *n_frames, *side, *repeats, *noise as f32)
                .map(|made| made.with_partners(*partners))
                .and_then(|made| match evaluation_repeats {
                    Some(repeats) => made.with_evaluation_repeats(*repeats),
                    None => Ok(made),
                })
                .and_then(|made| match captions {
                    Some(RawCaptions { hold_out }) => made.with_captions(DigitCaptions {
                        hold_out: *hold_out,
                    }),
                    None => Ok(made),
                });
            DataSpec::MovingDigits(made.map_err(|message| document.error_at("data", message))?)
        }
        &RawData::DamagedGlyphs {
            side,
            n_train,
            n_test,
            n_cuts,
            n_lines,
            blur,
            noise,
            ..
        } => {
            let glyphs = DamagedGlyphs {
                side,
                n_train,
                n_test,
                n_cuts,
                n_lines,
                blur,
                noise,
            };
            glyphs
                .check_by_name()
                .map_err(|(key, message)| document.error_at(&format!("data.{key}"), message))?;
            DataSpec::DamagedGlyphs(glyphs)
        }
        RawData::ClipFolder { .. } => DataSpec::ClipFolder(clip_folder(document, raw)?),
    })
}

/// Checks `data.mean` and `data.std` against the number of channels; `None` if the file has neither.
pub(super) fn statistics(
    document: &Document,
    raw: &RawConfig,
    n_channels: usize,
) -> Result<Option<PixelStatistics>, ConfigError> {
    let [mean, std] = raw.data.statistics();
    if let (RawModel::Generator(_), Some(given)) =
        (&raw.model, mean.map(|_| "mean").or(std.map(|_| "std")))
    {
        let message = format!(
            "{given} is set, but a generator makes clips of the noise that it is given, with pixels in [-1, 1]; leave mean \
             and std out"
        );
        return Err(document.error_at(&format!("data.{given}"), message));
    }
    let (mean, std) = match (mean, std) {
        (None, None) => return Ok(None),
        (Some(mean), Some(std)) => (mean, std),
        (mean, _) => {
            let (given, missing) = match mean {
                Some(_) => ("mean", "std"),
                None => ("std", "mean"),
            };
            let message = format!(
                "`{given}` is set and `{missing}` is not, expected both, each with one number per channel"
            );
            return Err(document.error_at(&format!("data.{given}"), message));
        }
    };
    let condition = |name: &str, values: &[f64], is_valid: fn(f64) -> bool, range: &str| {
        let n_values = counted(values.len(), "number");
        let n_expected = match n_channels {
            1 => "1, since the pixels are grey".to_owned(),
            _ => format!("{n_channels}, one per channel"),
        };
        let wrong = values.iter().find(|&&value| !is_valid(value));
        let message = match wrong {
            Some(value) if values.len() == n_channels => {
                format!(
                    "{name} has {value}, expected numbers {range}, since pixels are from 0 to 1 here"
                )
            }
            _ => format!("{name} has {n_values}, expected {n_expected}"),
        };
        let holds = values.len() == n_channels && wrong.is_none();
        Condition::new(format!("data.{name}"), holds, message)
    };
    require_all(
        document,
        [
            condition("mean", mean, |x| (0.0..=1.0).contains(&x), "from 0 to 1"),
            // Above 1, the numbers are those of pixels from 0 to 255.
            condition("std", std, |x| x > 0.0 && x <= 1.0, "above 0 and at most 1"),
        ],
    )?;
    Ok(Some(PixelStatistics {
        mean: mean.to_vec(),
        std: std.to_vec(),
    }))
}

fn clip_folder(document: &Document, raw: &RawData) -> Result<ClipFolder, ConfigError> {
    let RawData::ClipFolder {
        path,
        n_frames,
        stride,
        frame_rate,
        image_size,
        crop,
        n_classes,
        validation_fraction,
        unreadable,
        ..
    } = raw
    else {
        unreachable!("called for clip folders only");
    };
    require_all(
        document,
        [
            // A clip of one frame has no motion, and the models of clips expect several.
            Condition::new(
                "data.n_frames",
                *n_frames >= 2,
                format!("n_frames is {n_frames}, expected at least 2"),
            ),
            n_classes_condition(n_classes.unwrap_or(0)),
        ],
    )?;
    let sampling = ClipSampling {
        n_frames: *n_frames,
        stride: *stride,
        frame_rate: *frame_rate,
        image_size: *image_size,
        crop: *crop,
    };
    // Refused here rather than when the data set is opened, so that `config check` reports it.
    sampling
        .check_by_name()
        .map_err(|(key, message)| document.error_at(&format!("data.{key}"), message))?;
    Ok(ClipFolder {
        path: directory(document, path)?,
        n_classes: n_classes.unwrap_or(0),
        validation_fraction: validation_fraction
            .map(|value| fraction(document, value))
            .transpose()?,
        sampling,
        skip_unreadable: *unreadable == RawUnreadable::Skip,
    })
}

/// Condition on the number of classes of a folder.
fn n_classes_condition(n_classes: usize) -> Condition {
    Condition::new(
        "data.n_classes",
        (2..=MAX_CLASSES).contains(&n_classes),
        format!("n_classes is {n_classes}, expected 2 to {MAX_CLASSES}"),
    )
}

/// Directory of the data: beside the configuration, or else in the working directory.
fn directory(document: &Document, path: &str) -> Result<PathBuf, ConfigError> {
    require(document, !path.is_empty(), "data.path", || {
        "path is empty, expected the directory of the data".into()
    })?;
    Ok(located(document, "data.path", path))
}

/// Path that a key gives: beside the file that has the key if it exists there, or else in the working directory.
pub(super) fn located(document: &Document, key: &str, path: &str) -> PathBuf {
    match beside(document, key, path) {
        Some(beside) if beside.exists() => beside,
        _ => PathBuf::from(path),
    }
}

/// Path as seen from the folder of the file that has a key; `None` if that is the path itself.
///
/// A path that was given by `--set` starts at the working directory, as paths on a command line do.
fn beside(document: &Document, key: &str, path: &str) -> Option<PathBuf> {
    let location = document.locate(key);
    // The location is `file:line:column`.
    let mut parts = location.rsplitn(3, ':');
    let file = parts.nth(2).filter(|_| !location.starts_with("--set "))?;
    let folder = Path::new(file).parent()?;
    let beside = folder.join(path);
    (beside != Path::new(path)).then_some(beside)
}

/// Warning about a relative path that names another directory beside the configuration than in the working directory.
pub(in crate::config) fn ambiguous_directory(document: &Document, raw: &RawData) -> Option<String> {
    let path = match raw {
        RawData::Digits { .. }
        | RawData::MovingDigits { .. }
        | RawData::DamagedGlyphs { .. }
        | RawData::Mnist { path: None, .. } => {
            return None;
        }
        RawData::Mnist {
            path: Some(path), ..
        }
        | RawData::Cifar10 { path, .. }
        | RawData::Cifar100 { path, .. }
        | RawData::ImageFolder { path, .. }
        | RawData::ClipFolder { path, .. } => path,
    };
    let beside = beside(document, "data.path", path)?;
    let [used, other] = [&beside, Path::new(path)].map(|path| path.canonicalize().ok());
    let (used, other) = (used?, other?);
    (used != other).then(|| {
        format!(
            "{}: `data.path` is the directory beside this file, {}; the one in the working directory, {}, is not used",
            document.locate("data.path"),
            used.display(),
            other.display()
        )
    })
}

/// Checks `data.validation_fraction`.
fn fraction(document: &Document, value: f64) -> Result<f64, ConfigError> {
    require(
        document,
        value > 0.0 && value < 1.0,
        "data.validation_fraction",
        || format!("validation_fraction is {value}, expected a fraction above 0 and below 1"),
    )?;
    Ok(value)
}
