//! Measured robustness: accuracy, calibration and topology under each condition.

use super::condition::{ConditionKind, RobustnessCondition, RobustnessPlan};
use crate::loss::AttentionTopology;
use crate::mean::mean;
use crate::statistics::{Calibration, CalibrationIntervals, Predictions};
use crate::{Error, Result};

/// Confidence level of the intervals.
const CONFIDENCE: f64 = 0.95;

/// Accuracy, calibration and topology of a model under one condition.
#[derive(Debug, Clone)]
pub struct ConditionResult {
    /// Condition that was measured.
    pub condition: RobustnessCondition,
    /// Accuracy and calibration.
    pub scores: Calibration,
    /// Confidence intervals of the scores, for new samples and the same model.
    pub intervals: CalibrationIntervals,
    /// Fraction of frames whose predicted class differs from that of the frame before; `None` for models that do not
    /// classify frames.
    pub flip_rate: Option<f64>,
    /// Normalised 2-Wasserstein distance between the diagrams of the clean and the perturbed samples, by layer and
    /// homology dimension; NaN where there is no scale.
    pub distances: Vec<[f64; 2]>,
}

impl ConditionResult {
    /// Computes scores, intervals and distances from predictions and from the topology of attention, which is given by
    /// layer and image for clean and for perturbed samples.
    ///
    /// # Errors
    ///
    /// If the predictions are not distributions, and the errors of [`topology_distances`].
    pub fn new(
        condition: RobustnessCondition,
        predictions: &Predictions,
        flip_rate: Option<f64>,
        clean: &[Vec<AttentionTopology>],
        changed: &[Vec<AttentionTopology>],
    ) -> Result<Self> {
        Ok(Self {
            condition,
            scores: predictions.calibration()?,
            intervals: predictions.intervals(CONFIDENCE)?,
            flip_rate,
            distances: topology_distances(clean, changed, 0)?,
        })
    }

    /// Returns the mean distance over the layers that have a scale; NaN if none has.
    pub fn mean_distance(&self, homology_dim: usize) -> f64 {
        finite_mean(self.distances.iter().map(|layer| layer[homology_dim]))
    }
}

/// Returns the mean normalised 2-Wasserstein distance between diagrams, by layer and homology dimension; NaN where no
/// pair has a scale.
///
/// Image `i` of `clean` is compared with image `i + shift` of `changed`, cyclically.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if the two differ in the number of layers or images.
pub fn topology_distances(
    clean: &[Vec<AttentionTopology>],
    changed: &[Vec<AttentionTopology>],
    shift: usize,
) -> Result<Vec<[f64; 2]>> {
    let shapes = [clean, changed].map(|layers| layers.iter().map(Vec::len).collect::<Vec<_>>());
    if shapes[0] != shapes[1] {
        return Err(Error::invalid_parameter(format!(
            "the numbers of images by layer are {:?} and {:?}, expected the same numbers",
            shapes[0], shapes[1]
        )));
    }
    let layer_means = |(clean, changed): (&Vec<AttentionTopology>, &Vec<AttentionTopology>)| {
        let mut means = [f64::NAN; 2];
        for (dim, mean_distance) in means.iter_mut().enumerate() {
            let distances = clean.iter().enumerate().map(|(index, image)| {
                // Not empty: `changed` has as many images as `clean`, which has at least this one.
                let other = &changed[(index + shift) % changed.len()];
                // A pair without a scale becomes NaN, which `mean` leaves out.
                Ok(image.distance(other, dim)?.normalized.unwrap_or(f64::NAN))
            });
            *mean_distance = finite_mean(distances.collect::<Result<Vec<f64>>>()?.into_iter());
        }
        Ok(means)
    };
    clean.iter().zip(changed).map(layer_means).collect()
}

/// Returns the mean of the finite values; NaN if there are none.
fn finite_mean(values: impl Iterator<Item = f64>) -> f64 {
    mean(values.filter(|value| value.is_finite())).unwrap_or(f64::NAN)
}

/// Robustness of the model of one run.
#[derive(Debug, Clone)]
pub struct Robustness {
    /// Plan of the conditions.
    pub plan: RobustnessPlan,
    /// Name of the run.
    pub run: String,
    /// Name of the other run whose model was attacked for the transfer condition; `None` without one.
    pub other: Option<String>,
    /// Description of the data and split.
    pub samples: String,
    /// Number of samples.
    pub n_samples: usize,
    /// Number of samples whose topology was measured.
    pub n_topology_samples: usize,
    /// Number of classes.
    pub n_classes: usize,
    /// Results by condition, in the order of the plan.
    pub results: Vec<ConditionResult>,
    /// Distances between the diagrams of different clean images, by layer and homology dimension. They tell whether
    /// other distances are small or large.
    pub between_images: Vec<[f64; 2]>,
}

impl Robustness {
    /// Returns the results of all strengths of a kind, in increasing order.
    pub fn by_kind(&self, kind: ConditionKind) -> impl Iterator<Item = &ConditionResult> {
        self.results
            .iter()
            .filter(move |result| result.condition.kind == kind)
    }

    /// Returns the result for clean samples.
    pub fn clean(&self) -> &ConditionResult {
        &self.results[0]
    }

    /// Returns the mean distance between different clean images over the layers that have a scale; NaN if none has.
    pub fn mean_between_images(&self, homology_dim: usize) -> f64 {
        finite_mean(self.between_images.iter().map(|layer| layer[homology_dim]))
    }
}
