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
use crate::coherence::flip_rate;
use crate::data::{Attack, Corruption, MixedLabel, Perturbation, Sample, Samples, soft_targets};
use crate::loss::AttentionTopology;
use crate::model::{Capture, Network, Task};
use crate::statistics::Predictions;

/// What a model makes of perturbed samples.
#[derive(Debug, Clone)]
pub struct PerturbedReading {
    /// Probabilities of classes; a row for each frame of models that classify frames.
    pub predictions: Predictions,
    /// Share of frames whose class is not that of the frame before; `None` of what has one frame.
    pub flip_rate: Option<f64>,
    /// Topology of the attention, by layer, of the images or frames of the first samples.
    pub topology: Vec<Vec<AttentionTopology>>,
}

fn flip_rate_of(predictions: &Predictions) -> Option<f64> {
    let classes = predictions.most_probable();
    let rates = classes
        .chunks_exact(predictions.rows_per_sample)
        .map(flip_rate);
    let rates: Vec<f64> = rates.collect::<Option<_>>()?;
    Some(rates.iter().sum::<f64>() / rates.len() as f64)
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

/// What a model of [`load_to_attack`] makes of perturbed samples; `None` if asked to stop meanwhile.
///
/// `attacked` is the model that attacks are found against, by default the one that is asked. Random numbers are of
/// the run's seed and of a sample's place. The topology is that of the first `n_watched` samples. `progress` is told
/// how many samples are done.
///
/// # Errors
///
/// [`TrainError::Files`] if the model tells no classes, or samples cannot be read; attention that is not finite.
pub fn read_perturbed(
    job: &Job<'_>,
    model: &Network,
    attacked: Option<&Network>,
    samples: &Samples,
    perturbation: Perturbation,
    n_watched: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Option<PerturbedReading>, TrainError> {
    let spec = job.config.spec.samples;
    let mut predictions = Predictions {
        probabilities: Vec::new(),
        classes: Vec::new(),
        rows_per_sample: match task_of(job)? {
            Task::ClassifyFrames => spec.n_frames,
            _ => 1,
        },
        n_classes: spec.n_classes,
    };
    let mut topology = Vec::new();
    for start in (0..samples.len()).step_by(BATCH_SIZE) {
        if job.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let range = start..samples.len().min(start + BATCH_SIZE);
        let n_here = n_watched.saturating_sub(start).min(range.len());
        let against = attacked.unwrap_or(model);
        let (items, clips) = perturbed(job, against, samples, range.clone(), perturbation)?;
        let capture = match n_here {
            0 => Capture::Logits,
            _ => Capture::Attention,
        };
        let output = model.forward(clips, capture);
        let rows: Vec<f64> = softmax(output.output.without_autodiff(), 1)
            .try_into_vec_as()
            .map_err(|e| TrainError::Files(format!("the scores cannot be read: {e}")))?;
        predictions.probabilities.extend(rows);
        let labels = items.iter().map(|item| item.label);
        let labels = labels.flat_map(|label| vec![label; predictions.rows_per_sample]);
        predictions.classes.extend(labels);
        topology.resize_with(output.attention.len().max(topology.len()), Vec::new);
        for (found, layer) in topology.iter_mut().zip(output.attention) {
            let n_images = n_here * output.tokens.n_frames;
            let layer = layer.slice_dim(0, 0..n_images);
            found.extend(AttentionTopology::read(
                layer,
                output.tokens.n_prefix_tokens,
            )?);
        }
        progress(range.end);
    }
    Ok(Some(PerturbedReading {
        flip_rate: flip_rate_of(&predictions),
        predictions,
        topology,
    }))
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
    let read = |perturbation| {
        let samples = &job.data.test;
        let found = read_perturbed(job, &model, None, samples, perturbation, 0, &mut |_| {})?;
        Ok::<_, TrainError>(found)
    };
    let Some(clean) = read(Perturbation::None)? else {
        return Ok(None);
    };
    let clean = clean.predictions.calibration()?;
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
        let epsilon = spec.epsilon;
        let Some(found) = read(Perturbation::Attack { attack, epsilon })? else {
            return Ok(None);
        };
        metrics.push((
            format!("{name}_accuracy"),
            found.predictions.calibration()?.accuracy,
        ));
    }
    for corruption in Corruption::ALL {
        let severity = spec.severity;
        let Some(found) = read(Perturbation::Corrupt {
            corruption,
            severity,
        })?
        else {
            return Ok(None);
        };
        let name = corruption.name();
        metrics.push((
            format!("{name}_accuracy"),
            found.predictions.calibration()?.accuracy,
        ));
        metrics.extend(
            found
                .flip_rate
                .map(|rate| (format!("{name}_flip_rate"), rate)),
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
