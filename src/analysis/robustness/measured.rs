//! What was measured.

use super::check::{Check, checks};
use super::condition::{Condition, Kind, Plan};
use crate::loss::AttentionTopology;
use crate::statistics::{Calibration, CalibrationIntervals, Predictions};
use crate::{Error, Result};

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// What a model does under one condition.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The condition.
    pub condition: Condition,
    /// Accuracy and calibration.
    pub scores: Calibration,
    /// Their intervals, for new samples and the same model.
    pub intervals: CalibrationIntervals,
    /// Share of frames whose class is not that of the frame before, of models that classify frames.
    pub flip_rate: Option<f64>,
    /// Normalised 2-Wasserstein distance to the diagrams of the same samples when clean, by layer and homology
    /// dimension; not a number where there is no scale.
    pub distances: Vec<[f64; 2]>,
}

impl Measured {
    /// Of what a model says under a condition, and the topology of its attention there and of clean samples, by layer
    /// and image.
    ///
    /// # Errors
    ///
    /// If the predictions are no distributions, or as [`distances`].
    pub fn new(
        condition: Condition,
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
            distances: distances(clean, changed, 0)?,
        })
    }

    /// Mean over the layers that have a scale.
    pub fn mean_distance(&self, homology_dim: usize) -> f64 {
        mean(self.distances.iter().map(|layer| layer[homology_dim]))
    }
}

/// Mean normalised 2-Wasserstein distance between the diagrams of images and of those `shift` places on, by layer
/// and homology dimension; not a number where no pair has a scale.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if there are not as many layers and images in both.
pub fn distances(
    clean: &[Vec<AttentionTopology>],
    changed: &[Vec<AttentionTopology>],
    shift: usize,
) -> Result<Vec<[f64; 2]>> {
    let shapes = [clean, changed].map(|layers| layers.iter().map(Vec::len).collect::<Vec<_>>());
    if shapes[0] != shapes[1] {
        return Err(Error::invalid_parameter(format!(
            "layers of {:?} images are compared with layers of {:?}, expected as many",
            shapes[0], shapes[1]
        )));
    }
    let of_layer = |(clean, changed): (&Vec<AttentionTopology>, &Vec<AttentionTopology>)| {
        let mut means = [f64::NAN; 2];
        for (dim, mean_distance) in means.iter_mut().enumerate() {
            let found = clean.iter().enumerate().map(|(place, image)| {
                let other = &changed[(place + shift) % changed.len()];
                Ok(image.distance(other, dim)?.normalized.unwrap_or(f64::NAN))
            });
            *mean_distance = mean(found.collect::<Result<Vec<f64>>>()?.into_iter());
        }
        Ok(means)
    };
    clean.iter().zip(changed).map(of_layer).collect()
}

/// Of the numbers among them.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values
        .filter(|value| value.is_finite())
        .fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    sum / n as f64
}

/// Everything that was measured of a run.
#[derive(Debug, Clone)]
pub struct Robustness {
    /// What was planned.
    pub plan: Plan,
    /// Name of the run.
    pub run: String,
    /// Name of the run whose attacks were tried on it.
    pub other: Option<String>,
    /// Of the data, and which of them.
    pub samples: String,
    /// Number of samples, and of those whose topology was read.
    pub n_samples: [usize; 2],
    /// Number of classes.
    pub n_classes: usize,
    /// By condition, in the order of the plan.
    pub measured: Vec<Measured>,
    /// Distances between the diagrams of different clean images, by layer and homology dimension: the scale of the
    /// others.
    pub between_images: Vec<[f64; 2]>,
}

impl Robustness {
    /// Of all strengths of a kind, rising.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Measured> {
        self.measured
            .iter()
            .filter(move |measured| measured.condition.kind == kind)
    }

    /// What was measured of clean samples.
    pub fn clean(&self) -> &Measured {
        &self.measured[0]
    }

    /// Whether the attacks are what they say.
    pub fn checks(&self) -> Vec<Check> {
        checks(self)
    }

    /// Mean over the layers of the distance between different clean images.
    pub fn mean_between_images(&self, homology_dim: usize) -> f64 {
        mean(self.between_images.iter().map(|layer| layer[homology_dim]))
    }
}
