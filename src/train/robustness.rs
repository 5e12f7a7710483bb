//! What a model says of samples that were changed.

use std::ops::Range;
use std::sync::atomic::Ordering;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::softmax;

use super::error::TrainError;
use super::evaluate::load_best;
use super::observer::Observer;
use super::trainer::Job;
use crate::coherence::{flip_rate, most_probable};
use crate::data::{Attack, Corruption, MixedLabel, Perturbation, Sample, Samples, soft_targets};
use crate::loss::AttentionTopology;
use crate::model::{Capture, Network, Task};
use crate::statistics::Calibration;

/// Probabilities of classes for the samples of a split.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// `[n_samples * n_frames, n_classes]`; one frame of what is classified as a whole.
    pub probabilities: Vec<f64>,
    /// The right classes, of the same rows.
    pub classes: Vec<usize>,
    /// Rows of a sample.
    pub n_frames: usize,
    /// Number of classes.
    pub n_classes: usize,
}

impl Predictions {
    /// Accuracy and calibration, over rows.
    ///
    /// # Errors
    ///
    /// If the model's scores are not numbers.
    pub fn calibration(&self) -> Result<Calibration, TrainError> {
        Ok(Calibration::new(&self.probabilities, &self.classes)?)
    }

    /// Share of right rows, by sample.
    pub fn accuracies(&self) -> Vec<f64> {
        let right = self
            .probabilities
            .chunks_exact(self.n_classes)
            .zip(&self.classes);
        let right: Vec<bool> = right
            .map(|(row, &class)| most_probable(row) == class)
            .collect();
        let share =
            |rows: &[bool]| rows.iter().filter(|&&right| right).count() as f64 / rows.len() as f64;
        right.chunks_exact(self.n_frames).map(share).collect()
    }

    /// Share of frames whose class is not that of the frame before; `None` of what has one frame.
    pub fn flip_rate(&self) -> Option<f64> {
        let classes: Vec<usize> = self
            .probabilities
            .chunks_exact(self.n_classes)
            .map(most_probable)
            .collect();
        let rates = classes.chunks_exact(self.n_frames).map(flip_rate);
        let rates: Vec<f64> = rates.collect::<Option<_>>()?;
        Some(rates.iter().sum::<f64>() / rates.len() as f64)
    }
}

/// Samples per batch.
const BATCH_SIZE: usize = 120;

/// The model of the best checkpoint such that gradients of its inputs can be taken: on an autodiff device, without
/// dropout, its parameters constant.
///
/// # Errors
///
/// As [`load_best`].
pub fn load_to_attack(job: &Job<'_>, observer: &mut dyn Observer) -> Result<Network, TrainError> {
    let mut config = job.config.clone();
    config.spec.model = config.spec.model.without_dropout();
    let (model, _) = load_best(job.run, &config, &job.device.clone().autodiff(), observer)?;
    Ok(model.no_grad())
}

/// What a model of [`load_to_attack`] says of perturbed samples; `None` if asked to stop meanwhile.
///
/// `attacked` is the model that attacks are found against, by default the one that is asked. Random numbers are of
/// the run's seed and of a sample's place.
///
/// # Errors
///
/// [`TrainError::Files`] if the model tells no classes, or samples cannot be read.
pub fn predictions(
    job: &Job<'_>,
    model: &Network,
    attacked: Option<&Network>,
    samples: &Samples,
    perturbation: Perturbation,
) -> Result<Option<Predictions>, TrainError> {
    let spec = job.config.spec.samples;
    let mut found = Predictions {
        probabilities: Vec::new(),
        classes: Vec::new(),
        n_frames: match task_of(job)? {
            Task::ClassifyFrames => spec.n_frames,
            _ => 1,
        },
        n_classes: spec.n_classes,
    };
    for range in batches(samples.len()) {
        if job.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let (items, clips) =
            perturbed(job, attacked.unwrap_or(model), samples, range, perturbation)?;
        let scores = model.forward(clips, Capture::Logits).output;
        let rows: Vec<f64> = softmax(scores.without_autodiff(), 1)
            .try_into_vec_as()
            .map_err(|e| TrainError::Files(format!("the scores cannot be read: {e}")))?;
        found.probabilities.extend(rows);
        found.classes.extend(
            items
                .iter()
                .flat_map(|item| vec![item.label; found.n_frames]),
        );
    }
    Ok(Some(found))
}

/// Normalised 2-Wasserstein distance between the diagrams of clean and of perturbed images, by layer and homology
/// dimension, the mean over the first samples, as many as have `logging.topology_images` images or frames; layers
/// or dimensions without a scale are not numbers.
///
/// # Errors
///
/// As [`predictions`]; attention that is not finite.
pub fn topology_distances(
    job: &Job<'_>,
    model: &Network,
    samples: &Samples,
    perturbation: Perturbation,
) -> Result<Vec<[f64; 2]>, TrainError> {
    let spec = job.config.spec.samples;
    let n_watched = job
        .config
        .spec
        .logging
        .topology_images
        .div_ceil(spec.n_frames)
        .min(samples.len());
    let mut sums: Vec<[(f64, usize); 2]> = Vec::new();
    for range in batches(n_watched) {
        let (_, clean) = perturbed(job, model, samples, range.clone(), Perturbation::None)?;
        let (_, changed) = perturbed(job, model, samples, range, perturbation)?;
        let [clean, changed] =
            [clean, changed].map(|clips| model.forward(clips, Capture::Attention));
        sums.resize(clean.attention.len(), [(0.0, 0); 2]);
        let n_prefix_tokens = clean.tokens.n_prefix_tokens;
        let layers = clean.attention.into_iter().zip(changed.attention);
        for (sums, (clean, changed)) in sums.iter_mut().zip(layers) {
            let clean = AttentionTopology::read(clean, n_prefix_tokens)?;
            let changed = AttentionTopology::read(changed, n_prefix_tokens)?;
            for (clean, changed) in clean.iter().zip(&changed) {
                for (dim, (sum, n)) in sums.iter_mut().enumerate() {
                    if let Some(distance) = clean.distance(changed, dim)?.normalized {
                        *sum += distance;
                        *n += 1;
                    }
                }
            }
        }
    }
    Ok(sums
        .iter()
        .map(|layer| layer.map(|(sum, n)| sum / n as f64))
        .collect())
}

/// Of predictions on clean samples, in the summary.
const CALIBRATION: [&str; 2] = ["calibration_error", "brier"];

/// Metrics of the test split in a run's summary beside those of the task, where the configuration asks for them.
pub(super) fn summary_metrics(
    job: &Job<'_>,
    observer: &mut dyn Observer,
) -> Result<Option<Vec<(String, f64)>>, TrainError> {
    let Some(spec) = job.config.spec.robustness else {
        return Ok(Some(Vec::new()));
    };
    let model = load_to_attack(job, observer)?;
    let pgd = Attack::Pgd {
        n_steps: spec.pgd_steps,
        n_starts: spec.pgd_starts,
    };
    let Some(clean) = predictions(job, &model, None, &job.data.test, Perturbation::None)? else {
        return Ok(None);
    };
    let clean = clean.calibration()?;
    let values = [clean.calibration_error, clean.brier];
    let calibration = CALIBRATION.iter().zip(values);
    let mut metrics: Vec<(String, f64)> = calibration
        .map(|(name, value)| ((*name).to_owned(), value))
        .collect();
    for (name, attack) in [
        ("fgsm", Attack::Fgsm),
        ("pgd", pgd),
        ("random", Attack::Random),
    ] {
        let perturbation = Perturbation::Attack {
            attack,
            epsilon: spec.epsilon,
        };
        let Some(found) = predictions(job, &model, None, &job.data.test, perturbation)? else {
            return Ok(None);
        };
        metrics.push((format!("{name}_accuracy"), found.calibration()?.accuracy));
    }
    for corruption in Corruption::ALL {
        let perturbation = Perturbation::Corrupt {
            corruption,
            severity: spec.severity,
        };
        let Some(found) = predictions(job, &model, None, &job.data.test, perturbation)? else {
            return Ok(None);
        };
        metrics.push((
            format!("{}_accuracy", corruption.name()),
            found.calibration()?.accuracy,
        ));
        metrics.extend(
            found
                .flip_rate()
                .map(|rate| (format!("{}_flip_rate", corruption.name()), rate)),
        );
    }
    Ok(Some(metrics))
}

/// Names of [`summary_metrics`].
pub(super) fn names(task: Task) -> Vec<String> {
    let attacks = ["fgsm", "pgd", "random"].map(str::to_owned).into_iter();
    let corruptions = Corruption::ALL.map(|corruption| corruption.name().to_owned());
    let accuracies = attacks
        .chain(corruptions.clone())
        .map(|name| format!("{name}_accuracy"));
    let flips = corruptions
        .into_iter()
        .map(|name| format!("{name}_flip_rate"));
    let accuracies = CALIBRATION.map(str::to_owned).into_iter().chain(accuracies);
    match task {
        Task::Classify => accuracies.collect(),
        Task::ClassifyFrames => accuracies.chain(flips).collect(),
        Task::PredictNextFrame => Vec::new(),
    }
}

fn task_of(job: &Job<'_>) -> Result<Task, TrainError> {
    match Task::of(&job.config.spec.model) {
        Task::PredictNextFrame => Err(TrainError::Files(
            "the model predicts frames, expected one that tells classes".to_owned(),
        )),
        task => Ok(task),
    }
}

fn batches(n_samples: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n_samples)
        .step_by(BATCH_SIZE)
        .map(move |start| start..n_samples.min(start + BATCH_SIZE))
}

/// Samples and their perturbed clips, on the autodiff device.
fn perturbed(
    job: &Job<'_>,
    model: &Network,
    samples: &Samples,
    range: Range<usize>,
    perturbation: Perturbation,
) -> Result<(Vec<Sample>, Tensor<5>), TrainError> {
    let spec = job.config.spec.samples;
    let items = samples
        .get_many(range.clone().collect())
        .map_err(|e| TrainError::Files(e.to_string()))?;
    let device = job.device.clone().autodiff();
    let task = task_of(job)?;
    let labels: Vec<MixedLabel> = items
        .iter()
        .map(|item| MixedLabel::whole(item.label))
        .collect();
    let classes = soft_targets(&labels, spec.n_classes, 0.0, &device);
    let losses = |clips: Tensor<5>| {
        let targets = task.targets(&clips, classes.clone());
        let output = model.forward(clips, Capture::Logits).output;
        task.sample_losses(output, targets, items.len())
    };
    let seed = job.config.spec.seed;
    let clips = perturbation.apply(&items, spec, seed, range.start, &device, &losses);
    Ok((items, clips))
}
