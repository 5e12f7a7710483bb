//! `training.augment`: checked random changes of the training samples.

use super::{Condition, require_all};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::counted::counted;
use crate::data::{Augment, ColorJitter, RandAugment, SampleSpec};

/// Checks `training.augment` against the shape of the samples.
pub(super) fn check_augment(
    document: &Document,
    augment: Augment,
    images: SampleSpec,
) -> Result<(), ConfigError> {
    let Augment {
        shift,
        rotation,
        min_crop_area,
        flip: _,
        rand_augment,
        color_jitter,
        erasing_probability,
    } = augment;
    let shorter = images.height.min(images.width);
    require_all(
        document,
        [
            Condition::new(
                "training.augment.shift",
                shift < shorter,
                format!(
                    "shift is {shift}, which can move the whole image out of its frame; expected less than {}",
                    counted(shorter, "pixel")
                ),
            ),
            Condition::new(
                "training.augment.rotation",
                // Rotations go in both directions, so 180 degrees cover the circle.
                (0.0..=180.0).contains(&rotation),
                format!("rotation is {rotation}, expected degrees from 0 to 180"),
            ),
            Condition::new(
                "training.augment.min_crop_area",
                min_crop_area > 0.0 && min_crop_area <= 1.0,
                format!(
                    "min_crop_area is {min_crop_area}, expected a fraction above 0 and at most 1; 1 is off"
                ),
            ),
            Condition::new(
                "training.augment.erasing_probability",
                (0.0..=1.0).contains(&erasing_probability),
                format!("erasing_probability is {erasing_probability}, expected 0 to 1"),
            ),
        ],
    )?;
    if let Some(rand_augment) = rand_augment {
        check_rand_augment(document, rand_augment)?;
    }
    if let Some(jitter) = color_jitter {
        check_color_jitter(document, jitter, images)?;
    }
    Ok(())
}

/// Largest number of changes of a sample by RandAugment, far more than is useful.
const MAX_OPERATIONS: usize = 100;

fn check_rand_augment(document: &Document, augment: RandAugment) -> Result<(), ConfigError> {
    let RandAugment {
        n_operations,
        magnitude,
    } = augment;
    let key = |name: &str| format!("training.augment.rand_augment.{name}");
    require_all(
        document,
        [
            Condition::count(key("n_operations"), n_operations, MAX_OPERATIONS),
            Condition::new(
                key("magnitude"),
                (0.0..=10.0).contains(&magnitude),
                format!("magnitude is {magnitude}, expected 0 to 10"),
            ),
        ],
    )
}

fn check_color_jitter(
    document: &Document,
    jitter: ColorJitter,
    images: SampleSpec,
) -> Result<(), ConfigError> {
    let has_colours = images.n_channels == 3;
    let ranges = [
        ("brightness", jitter.brightness, 1.0, true),
        ("contrast", jitter.contrast, 1.0, true),
        ("saturation", jitter.saturation, 1.0, has_colours),
        ("hue", jitter.hue, 0.5, has_colours),
    ];
    require_all(
        document,
        ranges
            .into_iter()
            .flat_map(|(name, value, largest, applies)| {
                let key = format!("training.augment.color_jitter.{name}");
                [
                    Condition::new(
                        key.clone(),
                        (0.0..=largest).contains(&value),
                        format!("{name} is {value}, expected 0 to {largest}; 0 is off"),
                    ),
                    Condition::new(
                        key,
                        applies || value == 0.0,
                        format!("{name} is {value}, but grey images have no colours; leave it out"),
                    ),
                ]
            }),
    )
}
