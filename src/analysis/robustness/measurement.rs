//! Measurement of a model under every condition of a plan.

use std::num::NonZeroUsize;

use super::condition::{ConditionKind, RobustnessPlan};
use super::results::{ConditionResult, Robustness, topology_distances};
use crate::data::{Samples, spread_first};
use crate::error::{Error, Result};
use crate::evaluate::{AttackedModel, EvaluateError, LoadedRun, PerturbedSettings, same_classes};
use crate::loss::AttentionTopology;
use crate::model::Task;

/// Models, samples and names for a measurement of robustness.
#[derive(Clone, Copy)]
pub struct RobustnessInput<'a> {
    /// Model that is attacked.
    pub model: &'a AttackedModel,
    /// Model that transferred attacks are computed against.
    pub other_model: Option<&'a AttackedModel>,
    /// Displayed name of the run of `model`.
    pub run: &'a str,
    /// Displayed name of the run of `other_model`.
    pub other_run: Option<&'a str>,
    /// Samples that are perturbed.
    pub samples: &'a Samples,
    /// Displayed name of the samples, such as `test images`.
    pub samples_name: &'a str,
    /// Number of images or frames whose attention topology is measured, rounded up to whole clips and spread over the
    /// classes.
    pub n_topology_images: usize,
    /// Number of samples per forward pass; `None` for 120.
    pub batch_size: Option<NonZeroUsize>,
}

/// Checks that two runs have the same task, the same shape of samples and the same classes, so that attacks can be transferred.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if they do not; the message names both runs.
pub fn check_transferable(run: &LoadedRun, other: &LoadedRun) -> Result<()> {
    let [task, other_task] =
        [run, other].map(|loaded| Task::from_config(&loaded.config.spec.model));
    if task == other_task && run.config.spec.samples == other.config.spec.samples {
        return same_classes(run, other);
    }
    Err(Error::invalid_parameter(format!(
        "{} and {} differ in their task or in the shape of their samples; pass two runs that agree in both",
        run.name(),
        other.name()
    )))
}

/// Evaluates a model under every condition of a plan.
///
/// `progress` is called with the number of samples done, over all conditions.
///
/// # Errors
///
/// The errors of [`AttackedModel::evaluate`]; [`EvaluateError::Measurement`] if the predictions are no
/// distributions.
pub fn measure(
    plan: RobustnessPlan,
    input: RobustnessInput<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Robustness, EvaluateError> {
    let RobustnessInput { model, .. } = input;
    let spec = model.samples();
    let n_topology_samples = input
        .n_topology_images
        .div_ceil(spec.n_frames)
        .min(input.samples.len());
    // Their topology is measured first, so they are put first.
    let samples = &spread_first(input.samples, n_topology_samples);
    let conditions = plan.conditions();
    let mut clean: Vec<Vec<AttentionTopology>> = Vec::new();
    let mut results = Vec::with_capacity(conditions.len());
    for (index, condition) in conditions.into_iter().enumerate() {
        let n_before = index * samples.len();
        let settings = PerturbedSettings {
            perturbation: condition.perturbation,
            against: input
                .other_model
                .filter(|_| condition.kind == ConditionKind::Transfer),
            n_topology_samples,
            batch_size: input.batch_size,
        };
        let evaluation = model.evaluate(samples, settings, &mut |n_samples| {
            progress(n_before + n_samples);
        })?;
        // The first condition is always that of clean samples, which the others are compared with.
        if index == 0 {
            clean.clone_from(&evaluation.topology);
        }
        let result = ConditionResult::new(
            condition,
            &evaluation.predictions,
            evaluation.flip_rate,
            &clean,
            &evaluation.topology,
        );
        results.push(
            result.map_err(|error| EvaluateError::Measurement(error.within(condition.name())))?,
        );
    }
    // Distances between different images serve as a scale. Frames of one clip are too similar for that, so each frame
    // is compared with the same frame of the next clip.
    let frames_per_clip = clean
        .first()
        .map_or(1, |layer| layer.len() / n_topology_samples.max(1));
    let between_images =
        topology_distances(&clean, &clean, frames_per_clip).map_err(EvaluateError::Measurement)?;
    Ok(Robustness {
        plan,
        run: input.run.to_owned(),
        other: input.other_run.map(str::to_owned),
        samples: input.samples_name.to_owned(),
        n_samples: samples.len(),
        n_topology_samples,
        n_classes: spec.n_classes,
        results,
        between_images,
    })
}
