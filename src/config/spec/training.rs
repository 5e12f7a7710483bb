//! The training.

use super::{require, require_epsilon, require_severity};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{RawAugment, RawLearningRate, RawOptimizer, RawTraining, RawView};
use crate::data::{Attack, Augment, Corruption, Perturbation, SampleSpec};
use crate::model::{NetworkConfig, VideoHead};

/// The checked `[training]` section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingSpec {
    /// Passes over the training split, at least 1.
    pub epochs: usize,
    /// Samples per step, at least 1.
    pub batch_size: usize,
    /// Samples of each class that are learned from, at least 1; all if `None`.
    pub samples_per_class: Option<usize>,
    /// Largest norm of the gradient.
    pub clip_norm: Option<f64>,
    /// Parts that a batch is cut into; from 1 to `batch_size`.
    pub gradient_accumulation: usize,
    /// Share of each target that is spread over all classes; at least 0 and below 1.
    pub label_smoothing: f64,
    /// Both parameters of the beta distribution of mixup; 0 is off.
    pub mixup_alpha: f64,
    /// Random motions and crops of the training samples.
    pub augment: Augment,
    /// What makes the second view of a batch.
    pub view: Option<Perturbation>,
    /// Largest learning rate.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Factor of the learning rate from each block to the one before; above 0 and at most 1.
    pub layer_decay: f64,
    /// How the learning rate changes.
    pub schedule: LearningRate,
}

impl TrainingSpec {
    /// Optimiser steps that visit so many samples once.
    pub fn steps_per_epoch(&self, n_samples: usize) -> usize {
        n_samples.div_ceil(self.batch_size)
    }
}

/// A learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LearningRate {
    /// The same at every step.
    Constant,
    /// A linear rise, then half a cosine down to zero.
    Cosine {
        /// Steps of the rise.
        warmup_steps: usize,
    },
}

/// Checks `[training]` against the shape of the samples and the model.
pub(super) fn training(
    document: &Document,
    training: &RawTraining,
    samples: SampleSpec,
    model: &NetworkConfig,
) -> Result<TrainingSpec, ConfigError> {
    let RawOptimizer::Adamw {
        lr,
        weight_decay,
        layer_decay,
    } = training.optimizer;
    require(document, training.epochs > 0, "training.epochs", || {
        "epochs is 0, expected at least 1".into()
    })?;
    require(
        document,
        training.batch_size > 0,
        "training.batch_size",
        || "batch_size is 0, expected at least 1".into(),
    )?;
    require(
        document,
        lr > 0.0 && lr.is_finite(),
        "training.optimizer.lr",
        || format!("lr is {lr}, expected a finite number above 0"),
    )?;
    let decays = weight_decay >= 0.0 && weight_decay.is_finite();
    require(document, decays, "training.optimizer.weight_decay", || {
        format!("weight_decay is {weight_decay}, expected a finite number of at least 0")
    })?;
    require(
        document,
        training.samples_per_class != Some(0),
        "training.samples_per_class",
        || "samples_per_class is 0, expected at least 1; leave it out for all".to_owned(),
    )?;
    let shrinks = layer_decay > 0.0 && layer_decay <= 1.0;
    require(document, shrinks, "training.optimizer.layer_decay", || {
        format!("layer_decay is {layer_decay}, expected a factor above 0 and at most 1; 1 is off")
    })?;
    if let Some(norm) = training.clip_norm {
        require(
            document,
            norm > 0.0 && norm.is_finite(),
            "training.clip_norm",
            || {
                format!(
                    "clip_norm is {norm}, expected a finite number above 0; leave it out for no clipping"
                )
            },
        )?;
    }
    let parts = training.gradient_accumulation;
    require(
        document,
        (1..=training.batch_size).contains(&parts),
        "training.gradient_accumulation",
        || {
            format!(
                "gradient_accumulation is {parts}, expected from 1 to batch_size {}",
                training.batch_size
            )
        },
    )?;
    let smoothing = training.label_smoothing;
    require(
        document,
        (0.0..1.0).contains(&smoothing),
        "training.label_smoothing",
        || format!("label_smoothing is {smoothing}, expected a fraction of at least 0 and below 1"),
    )?;
    let alpha = training.mixup_alpha;
    require(
        document,
        alpha >= 0.0 && alpha.is_finite(),
        "training.mixup_alpha",
        || format!("mixup_alpha is {alpha}, expected a finite number of at least 0; 0 is off"),
    )?;
    let predicts = model.head() == VideoHead::NextFrame;
    for (key, value) in [("label_smoothing", smoothing), ("mixup_alpha", alpha)] {
        let key = format!("training.{key}");
        require(document, !predicts || value == 0.0, &key, || {
            format!(
                "{key} is {value}, but a model that predicts frames knows no classes; leave it out"
            )
        })?;
    }
    Ok(TrainingSpec {
        epochs: training.epochs,
        batch_size: training.batch_size,
        samples_per_class: training.samples_per_class,
        clip_norm: training.clip_norm,
        gradient_accumulation: parts,
        label_smoothing: smoothing,
        mixup_alpha: alpha,
        augment: augment(document, training.augment, samples)?,
        view: training.view.map(|raw| view(document, raw)).transpose()?,
        lr,
        weight_decay,
        layer_decay,
        schedule: match training.schedule {
            RawLearningRate::Constant {} => LearningRate::Constant,
            RawLearningRate::Cosine { warmup_steps } => LearningRate::Cosine { warmup_steps },
        },
    })
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
            let pgd = Attack::Pgd {
                n_steps: steps,
                n_starts: 1,
            };
            attack(pgd, epsilon)
        }
    }
}

fn augment(
    document: &Document,
    raw: RawAugment,
    images: SampleSpec,
) -> Result<Augment, ConfigError> {
    let RawAugment {
        shift,
        rotation,
        min_crop_area,
        flip,
    } = raw;
    let shorter = images.height.min(images.width);
    require(document, shift < shorter, "training.augment.shift", || {
        format!("shift {shift} can move the whole image out of its frame, expected below {shorter}")
    })?;
    require(
        document,
        (0.0..=180.0).contains(&rotation),
        "training.augment.rotation",
        || format!("rotation is {rotation}, expected degrees from 0 to 180"),
    )?;
    require(
        document,
        min_crop_area > 0.0 && min_crop_area <= 1.0,
        "training.augment.min_crop_area",
        || {
            format!(
                "min_crop_area is {min_crop_area}, expected a fraction above 0 and at most 1; 1 is off"
            )
        },
    )?;
    Ok(Augment {
        shift,
        rotation,
        min_crop_area,
        flip,
    })
}
