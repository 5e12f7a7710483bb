//! `[training]`: checked epochs, batches, optimiser, schedule, augmentation and second view.

use super::augment::check_augment;
use super::optimizer::{OptimizerSpec, optimizer, schedule};
use super::{Condition, Errors, Start, require, require_all, require_epsilon, require_severity};
use crate::config::document::Document;
use crate::config::error::ConfigError;
use crate::config::raw::{LearningRate, RawEarlyStopping, RawTraining, RawView, StoppingMetric};
use crate::data::{Attack, Augment, Corruption, Levels, Mixing, Perturbation, SampleSpec};
use crate::model::{NetworkConfig, Task};

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
    /// Mixing of the samples of a batch.
    pub mixing: Mixing,
    /// Random changes of the training samples.
    pub augment: Augment,
    /// Perturbation that makes the second view of a batch; `None` if there is no second view.
    pub view: Option<Perturbation>,
    /// Decay per step of the moving average of the weights, above 0 and below 1; `None` for no average.
    pub ema_decay: Option<f64>,
    /// Distribution of the noise levels of a generator.
    pub levels: Levels,
    /// Probability that a generator is not told the caption of a clip, at least 0 and below 1.
    pub caption_dropout: f64,
    /// Condition on which training ends before its last epoch; `None` if it never does.
    pub early_stopping: Option<EarlyStopping>,
    /// Optimiser.
    pub optimizer: OptimizerSpec,
    /// Learning-rate schedule.
    pub schedule: LearningRate,
}

/// Checked `training.early_stopping`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// Number of epochs in a row without an improvement after which training ends, at least 1.
    pub patience: usize,
    /// Metric of the validation split that is watched.
    pub metric: StoppingMetric,
    /// Change of the metric that must be exceeded to count as an improvement, at least 0.
    pub min_delta: f64,
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
    let mut errors = Errors::default();
    errors.keep(check_numbers(document, training));
    errors.keep(check_targets(document, training, model));
    errors.keep(check_flow(document, training, model));
    errors.keep(check_augment(document, training.augment, samples));
    errors.keep(check_mask_augment(document, training.augment, model));
    let perturbation = training.view.map(|raw| view(document, raw)).transpose();
    let stopping = (training.early_stopping)
        .map(|raw| early_stopping(document, raw, model))
        .transpose();
    let (Some(view), Some(early_stopping), Some(optimizer), Some(schedule), true) = (
        errors.keep(perturbation),
        errors.keep(stopping),
        errors.keep(optimizer(document, &training.optimizer, start)),
        errors.keep(schedule(document, training.schedule)),
        errors.0.is_empty(),
    ) else {
        return Err(errors.joined(document));
    };
    Ok(TrainingSpec {
        epochs: training.epochs,
        batch_size: training.batch_size,
        samples_per_class: training.samples_per_class,
        clip_norm: training.clip_norm,
        gradient_accumulation: training.gradient_accumulation,
        label_smoothing: training.label_smoothing,
        mixing: Mixing {
            mixup_alpha: training.mixup_alpha,
            cutmix_alpha: training.cutmix_alpha,
        },
        augment: training.augment,
        view,
        ema_decay: training.ema_decay,
        levels: training.levels.unwrap_or_default(),
        caption_dropout: training.caption_dropout.unwrap_or(CAPTION_DROPOUT),
        early_stopping,
        optimizer,
        schedule,
    })
}

/// Probability that a generator is not told the caption of a clip, if the file does not give it.
const CAPTION_DROPOUT: f64 = 0.1;

/// Fills in the defaults of the keys of generators, so that a run stores them.
pub(super) fn complete(training: &mut RawTraining) {
    training.levels.get_or_insert_default();
    training.caption_dropout.get_or_insert(CAPTION_DROPOUT);
}

/// Largest number of epochs.
const MAX_EPOCHS: usize = 1_000_000_000;

/// Largest number of samples of a step.
const MAX_BATCH_SIZE: usize = 10_000_000;

/// Checks the ranges of all numbers but those of `training.augment` and `training.view`.
pub(super) fn check_numbers(
    document: &Document,
    training: &RawTraining,
) -> Result<(), ConfigError> {
    // Absent is valid, and so is the number in its place.
    let clip_norm = training.clip_norm.unwrap_or(1.0);
    let ema_decay = training.ema_decay.unwrap_or(0.5);
    let (parts, batch_size) = (training.gradient_accumulation, training.batch_size);
    let smoothing = training.label_smoothing;
    let alpha = |name: &str, alpha: f64| {
        Condition::new(
            format!("training.{name}"),
            alpha >= 0.0 && alpha.is_finite(),
            format!("{name} is {alpha}, expected a finite number of at least 0; 0 is off"),
        )
    };
    require_all(
        document,
        [
            Condition::count("training.epochs", training.epochs, MAX_EPOCHS),
            Condition::count("training.batch_size", batch_size, MAX_BATCH_SIZE),
            Condition::new(
                "training.samples_per_class",
                training.samples_per_class != Some(0),
                "samples_per_class is 0, expected at least 1; leave it out for all",
            ),
            Condition::new(
                "training.clip_norm",
                clip_norm > 0.0 && clip_norm.is_finite(),
                format!(
                    "clip_norm is {clip_norm}, expected a finite number above 0; leave it out for no clipping"
                ),
            ),
            Condition::new(
                "training.ema_decay",
                ema_decay > 0.0 && ema_decay < 1.0,
                format!(
                    "ema_decay is {ema_decay}, expected a number above 0 and below 1, such as 0.999; leave it out \
                     for no average"
                ),
            ),
            Condition::new(
                "training.gradient_accumulation",
                // An empty batch is an error of its own.
                batch_size == 0 || (1..=batch_size).contains(&parts),
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
            alpha("mixup_alpha", training.mixup_alpha),
            alpha("cutmix_alpha", training.cutmix_alpha),
        ],
    )
}

/// Checks the keys of generators, and that clips keep what their captions say.
fn check_flow(
    document: &Document,
    training: &RawTraining,
    model: &NetworkConfig,
) -> Result<(), ConfigError> {
    let is_generator = Task::from_config(model) == Task::Generate;
    let dropout = training.caption_dropout.unwrap_or(CAPTION_DROPOUT);
    let of_generators = |key: &str, is_set: bool| {
        Condition::new(
            format!("training.{key}"),
            is_generator || !is_set,
            format!("{key} is a key of generators, and this model is none; leave it out"),
        )
    };
    let has_valid_levels = match training.levels.unwrap_or_default() {
        Levels::Uniform {} => true,
        Levels::LogitNormal {
            mean,
            deviation,
            uniform_share,
        } => {
            mean.is_finite()
                && deviation > 0.0
                && deviation.is_finite()
                && (0.0..1.0).contains(&uniform_share)
        }
    };
    require_all(
        document,
        [
            of_generators("levels", training.levels.is_some()),
            of_generators("caption_dropout", training.caption_dropout.is_some()),
            Condition::new(
                "training.levels",
                has_valid_levels,
                "levels are not valid, expected a finite mean, a finite deviation above 0 and a uniform_share of at \
                 least 0 and below 1",
            ),
            Condition::new(
                "training.caption_dropout",
                (0.0..1.0).contains(&dropout),
                format!(
                    "caption_dropout is {dropout}, expected a probability of at least 0 and below 1"
                ),
            ),
            Condition::new(
                "training.augment",
                !is_generator || training.augment == Augment::default(),
                "an augmented clip is not what its caption says; leave augment out for a generator",
            ),
            Condition::new(
                "training.view",
                !is_generator || training.view.is_none(),
                "a generator has no second view of its clips; leave view out",
            ),
        ],
    )
}

/// Checks that label smoothing, mixup and CutMix are off if the model predicts no classes.
fn check_targets(
    document: &Document,
    training: &RawTraining,
    model: &NetworkConfig,
) -> Result<(), ConfigError> {
    let task = Task::from_config(model);
    let changes = [
        ("label_smoothing", training.label_smoothing),
        ("mixup_alpha", training.mixup_alpha),
        ("cutmix_alpha", training.cutmix_alpha),
    ];
    require_all(
        document,
        changes.map(|(key, value)| {
            Condition::new(
                format!("training.{key}"),
                // Only values that have an effect are refused, so that the defaults pass.
                task.predicts_classes() || value == 0.0,
                format!(
                    "{key} is {value}, but {} has no classes; leave it out",
                    task.in_words()
                ),
            )
        }),
    )
}

/// Checks that the augmentation of pictures with masks moves pixels only.
///
/// A sample is changed as a whole, so a change of colours would change the mask that is to be predicted too.
fn check_mask_augment(
    document: &Document,
    augment: Augment,
    model: &NetworkConfig,
) -> Result<(), ConfigError> {
    let may_change_pixels = Task::from_config(model) != Task::PredictMask;
    let changes = [
        ("rand_augment", augment.rand_augment.is_some()),
        ("color_jitter", augment.color_jitter.is_some()),
        ("erasing_probability", augment.erasing_probability > 0.0),
    ];
    require_all(
        document,
        changes.map(|(key, is_on)| {
            Condition::new(
                format!("training.augment.{key}"),
                may_change_pixels || !is_on,
                format!("{key} would change the mask too; leave it out"),
            )
        }),
    )
}

/// Checks `training.early_stopping` against the task of the model.
fn early_stopping(
    document: &Document,
    raw: RawEarlyStopping,
    model: &NetworkConfig,
) -> Result<EarlyStopping, ConfigError> {
    let selection = match Task::from_config(model) {
        Task::PredictNextFrame => StoppingMetric::Mse,
        Task::Generate => StoppingMetric::FlowLoss,
        Task::PredictMask => StoppingMetric::Dice,
        Task::Classify | Task::ClassifyFrames => StoppingMetric::Accuracy,
    };
    let metric = raw.metric.unwrap_or(selection);
    let (patience, min_delta) = (raw.patience, raw.min_delta);
    require_all(
        document,
        [
            Condition::count("training.early_stopping.patience", patience, MAX_EPOCHS),
            Condition::new(
                "training.early_stopping.metric",
                metric == selection || metric == StoppingMetric::Loss,
                format!(
                    "this model has no validation {}, expected \"{}\" or \"loss\"",
                    metric.name(),
                    selection.name()
                ),
            ),
            Condition::new(
                "training.early_stopping.min_delta",
                min_delta >= 0.0 && min_delta.is_finite(),
                format!("min_delta is {min_delta}, expected a finite number of at least 0"),
            ),
        ],
    )?;
    Ok(EarlyStopping {
        patience,
        metric,
        min_delta,
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
            // The sample itself is the only start; `robustness` uses random ones too.
            let pgd = Attack::Pgd {
                n_steps: steps,
                n_starts: 1,
            };
            attack(pgd, epsilon)
        }
    }
}
