//! `[training]`: checked epochs, batches, optimiser, schedule, augmentation and second view.

use super::{Condition, Start, require, require_all, require_epsilon, require_severity};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{LearningRate, RawOptimizer, RawTraining, RawView};
use crate::counted::counted;
use crate::data::{Attack, Augment, Corruption, Perturbation, SampleSpec};
use crate::model::{NetworkConfig, VideoHead};

/// Checked `[training]` section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingSpec {
    /// Number of passes over the training split, at least 1.
    pub epochs: usize,
    /// Number of samples per step, at least 1.
    pub batch_size: usize,
    /// Number of training samples of each class that are used, at least 1; `None` for all.
    pub samples_per_class: Option<usize>,
    /// Largest norm of the gradient; `None` for no clipping.
    pub clip_norm: Option<f64>,
    /// Number of parts that a batch is split into, from 1 to `batch_size`.
    pub gradient_accumulation: usize,
    /// Fraction of each target that is spread evenly over all classes, at least 0 and below 1.
    pub label_smoothing: f64,
    /// Parameter `alpha` of the mixing weights of mixup, drawn from Beta(alpha, alpha); 0 turns mixup off.
    pub mixup_alpha: f64,
    /// Random changes of the training samples.
    pub augment: Augment,
    /// Perturbation that makes the second view of a batch; `None` if there is no second view.
    pub view: Option<Perturbation>,
    /// Largest learning rate.
    pub lr: f64,
    /// Weight decay, with `l2_sp` that of the classifier only.
    pub weight_decay: f64,
    /// Weight decay of all other parameters towards the pretrained weights, above 0; `None` if they decay towards 0.
    pub l2_sp: Option<f64>,
    /// Factor of the learning rate from each layer to the one before it, above 0 and at most 1.
    pub layer_decay: f64,
    /// Learning-rate schedule.
    pub schedule: LearningRate,
}

impl TrainingSpec {
    /// Number of optimiser steps of one epoch over `n_samples` samples.
    pub fn steps_per_epoch(&self, n_samples: usize) -> usize {
        // The last batch of an epoch may be smaller; no sample is left out.
        n_samples.div_ceil(self.batch_size)
    }
}

/// Checks `[training]` against the shape of the samples, the model and the weights that it starts from.
pub(super) fn training(
    document: &Document,
    training: &RawTraining,
    samples: SampleSpec,
    model: &NetworkConfig,
    start: &Start,
) -> Result<TrainingSpec, ConfigError> {
    check_numbers(document, training)?;
    let RawOptimizer::Adamw { l2_sp, .. } = training.optimizer;
    require(
        document,
        l2_sp.is_none() || start.init_from.is_some(),
        "training.optimizer.l2_sp",
        || {
            "l2_sp is a decay towards pretrained weights, but training starts from random ones; set \
             model.init_from, or leave l2_sp out"
                .to_owned()
        },
    )?;
    check_targets(document, training, model)?;
    check_augment(document, training.augment, samples)?;
    let RawOptimizer::Adamw {
        lr,
        weight_decay,
        l2_sp,
        layer_decay,
    } = training.optimizer;
    Ok(TrainingSpec {
        epochs: training.epochs,
        batch_size: training.batch_size,
        samples_per_class: training.samples_per_class,
        clip_norm: training.clip_norm,
        gradient_accumulation: training.gradient_accumulation,
        label_smoothing: training.label_smoothing,
        mixup_alpha: training.mixup_alpha,
        augment: training.augment,
        view: training.view.map(|raw| view(document, raw)).transpose()?,
        lr,
        weight_decay,
        l2_sp,
        layer_decay,
        schedule: training.schedule,
    })
}

/// Largest number of epochs.
const MAX_EPOCHS: usize = 1_000_000_000;

/// Largest number of samples of a step.
const MAX_BATCH_SIZE: usize = 10_000_000;

/// Checks the ranges of all numbers but those of `training.augment` and `training.view`.
fn check_numbers(document: &Document, training: &RawTraining) -> Result<(), ConfigError> {
    let RawOptimizer::Adamw {
        lr,
        weight_decay,
        l2_sp,
        layer_decay,
    } = training.optimizer;
    // Absent is valid, and so is the 1 in its place.
    let [clip_norm, l2_sp] = [training.clip_norm, l2_sp].map(|value| value.unwrap_or(1.0));
    let (parts, batch_size) = (training.gradient_accumulation, training.batch_size);
    let (smoothing, alpha) = (training.label_smoothing, training.mixup_alpha);
    require_all(
        document,
        [
            Condition::count("training.epochs", training.epochs, MAX_EPOCHS),
            Condition::count("training.batch_size", batch_size, MAX_BATCH_SIZE),
            Condition::new(
                "training.optimizer.lr",
                lr > 0.0 && lr.is_finite(),
                format!("lr is {lr}, expected a finite number above 0"),
            ),
            Condition::new(
                "training.optimizer.weight_decay",
                weight_decay >= 0.0 && weight_decay.is_finite(),
                format!("weight_decay is {weight_decay}, expected a finite number of at least 0"),
            ),
            Condition::new(
                "training.optimizer.l2_sp",
                // At 0 nothing would decay but the classifier, which looks like an absent key and is not.
                l2_sp > 0.0 && l2_sp.is_finite(),
                format!(
                    "l2_sp is {l2_sp}, expected a finite number above 0; leave it out for ordinary weight decay"
                ),
            ),
            Condition::new(
                "training.samples_per_class",
                training.samples_per_class != Some(0),
                "samples_per_class is 0, expected at least 1; leave it out for all",
            ),
            Condition::new(
                "training.optimizer.layer_decay",
                // At 0 all layers but the last would stand still, which `freeze` is for.
                layer_decay > 0.0 && layer_decay <= 1.0,
                format!(
                    "layer_decay is {layer_decay}, expected a factor above 0 and at most 1; 1 is off"
                ),
            ),
            Condition::new(
                "training.clip_norm",
                clip_norm > 0.0 && clip_norm.is_finite(),
                format!(
                    "clip_norm is {clip_norm}, expected a finite number above 0; leave it out for no clipping"
                ),
            ),
            Condition::new(
                "training.gradient_accumulation",
                (1..=batch_size).contains(&parts),
                format!(
                    "gradient_accumulation is {parts}, expected 1 to {batch_size}, the batch_size"
                ),
            ),
            Condition::new(
                "training.label_smoothing",
                (0.0..1.0).contains(&smoothing),
                format!(
                    "label_smoothing is {smoothing}, expected a fraction of at least 0 and below 1"
                ),
            ),
            Condition::new(
                "training.mixup_alpha",
                alpha >= 0.0 && alpha.is_finite(),
                format!("mixup_alpha is {alpha}, expected a finite number of at least 0; 0 is off"),
            ),
        ],
    )
}

/// Checks that label smoothing and mixup are off if the model predicts frames.
fn check_targets(
    document: &Document,
    training: &RawTraining,
    model: &NetworkConfig,
) -> Result<(), ConfigError> {
    let predicts_frames = model.head() == VideoHead::NextFrame;
    let changes = [
        ("label_smoothing", training.label_smoothing),
        ("mixup_alpha", training.mixup_alpha),
    ];
    require_all(
        document,
        changes.map(|(key, value)| {
            Condition::new(
                format!("training.{key}"),
                // Only values that have an effect are refused, so that the defaults pass.
                !predicts_frames || value == 0.0,
                format!(
                    "{key} is {value}, but a model that predicts frames has no classes; leave it out"
                ),
            )
        }),
    )
}

fn view(document: &Document, raw: RawView) -> Result<Perturbation, ConfigError> {
    let corrupt = |corruption, severity| {
        require_severity(document, severity, "training.view.severity")?;
        Ok(Perturbation::Corrupt {
            corruption,
            severity,
        })
    };
    let attack = |attack, epsilon| {
        require_epsilon(document, epsilon, "training.view.epsilon")?;
        Ok(Perturbation::Attack { attack, epsilon })
    };
    match raw {
        RawView::Noise { severity } => corrupt(Corruption::Noise, severity),
        RawView::Blur { severity } => corrupt(Corruption::Blur, severity),
        RawView::Contrast { severity } => corrupt(Corruption::Contrast, severity),
        RawView::Occlusion { severity } => corrupt(Corruption::Occlusion, severity),
        RawView::Random { epsilon } => attack(Attack::Random, epsilon),
        RawView::Fgsm { epsilon } => attack(Attack::Fgsm, epsilon),
        RawView::Pgd { epsilon, steps } => {
            require(document, steps > 0, "training.view.steps", || {
                "steps is 0, expected at least 1".to_owned()
            })?;
            // The sample itself is the only start; `robustness` uses random ones too.
            let pgd = Attack::Pgd {
                n_steps: steps,
                n_starts: 1,
            };
            attack(pgd, epsilon)
        }
    }
}

fn check_augment(
    document: &Document,
    augment: Augment,
    images: SampleSpec,
) -> Result<(), ConfigError> {
    let Augment {
        shift,
        rotation,
        min_crop_area,
        flip: _,
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
        ],
    )
}
