//! Loss, metrics and topology on a split.

use std::ops::Range;
use std::sync::atomic::Ordering;

use burn::module::Module;
use burn::tensor::Device;

use super::coherence::CoherenceScore;
use super::error::TrainError;
use super::monitor::LayerMonitor;
use super::observer::Observer;
use super::task::{Metrics, Score};
use super::trainer::Job;
use crate::config::Config;
use crate::data::{MixedLabel, SampleBatcher, Samples, soft_targets};
use crate::model::{Capture, Network, Task};
use crate::run::{CheckpointState, Checkpoints, RunDirectory};

/// What a model does on a split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Number of images or clips.
    pub n_samples: usize,
    /// Mean loss of the task, in its unit.
    pub loss: f64,
    /// What the task is judged by, see [`Task::metrics`].
    pub metrics: Metrics,
    /// Temporal coherence, `coherence/<name>` of [`crate::coherence`]; empty if not asked for, and where
    /// nothing is said of frames.
    pub coherence: Vec<(String, f64)>,
    /// The layers' topology.
    pub monitor: LayerMonitor,
    /// Frames predicted for the first sample, `[n_predicted, n_channels, height, width]`, pixels in
    /// `[0, 1]`; empty if none are.
    pub first_prediction: Vec<f32>,
}

/// Whether temporal coherence is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coherence {
    /// It is.
    Measured,
    /// It is not.
    Skipped,
}

/// Frames per batch of an evaluation.
const BATCH_SIZE: usize = 128;

/// Runs a model over a split, in its order, without gradients; `None` if asked to stop meanwhile.
///
/// The topology is that of the first samples, as many as have `logging.topology_images` images or
/// frames.
///
/// # Errors
///
/// As [`LayerMonitor::add`]: attention that is not finite; samples that cannot be read.
pub fn evaluate(
    job: &Job<'_>,
    model: &Network,
    samples: &Samples,
    coherence: Coherence,
) -> Result<Option<Evaluation>, TrainError> {
    let spec = &job.config.spec;
    let task = Task::of(&spec.model);
    let batcher = SampleBatcher { spec: spec.samples };
    let mut score = Score::new(task, spec.samples);
    let mut coherence = match coherence {
        Coherence::Measured => CoherenceScore::new(task, spec.samples),
        Coherence::Skipped => None,
    };
    let mut evaluation = Evaluation {
        n_samples: samples.len(),
        loss: 0.0,
        metrics: Metrics::new(),
        coherence: Vec::new(),
        monitor: LayerMonitor::default(),
        first_prediction: Vec::new(),
    };
    let n_frames = spec.samples.n_frames;
    let n_watched = spec.logging.topology_images.div_ceil(n_frames);
    let n_watched = samples.len().min(n_watched);
    let batch_size = BATCH_SIZE.div_ceil(n_frames);
    for range in batches(samples.len(), n_watched, batch_size) {
        if job.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let capture = match range.start < n_watched {
            true => Capture::AttentionAndHidden,
            false => Capture::Logits,
        };
        let weight = range.len() as f64 / samples.len() as f64;
        let is_first = range.start == 0;
        let items = samples
            .get_many(range.collect())
            .map_err(|e| TrainError::Files(e.to_string()))?;
        let clips = batcher.clips(&items, job.device);
        let labels: Vec<MixedLabel> = items
            .iter()
            .map(|item| MixedLabel::whole(item.label))
            .collect();
        let classes = soft_targets(&labels, spec.samples.n_classes, 0.0, job.device);
        let output = model.forward(task.shown(clips.clone()), capture);
        let loss = task.loss(output.output.clone(), task.targets(&clips, classes));
        evaluation.loss += weight * loss.into_scalar::<f64>();
        let rows: Vec<f32> = output
            .output
            .try_into_vec_as()
            .map_err(|e| TrainError::Files(format!("the output cannot be read: {e}")))?;
        let of_samples = rows.chunks_exact(rows.len() / items.len());
        for (item, rows) in items.iter().zip(of_samples.clone()) {
            score.add(item, rows);
            if let Some(coherence) = &mut coherence {
                coherence.add(item, rows);
            }
        }
        if is_first && task == Task::PredictNextFrame {
            evaluation.first_prediction = of_samples.take(1).flat_map(Task::as_pixels).collect();
        }
        evaluation.monitor.add(
            &output.attention,
            &output.mass,
            &output.hidden,
            output.tokens,
        )?;
    }
    evaluation.metrics = score.metrics();
    evaluation.coherence = coherence.map_or_else(Vec::new, |coherence| coherence.means());
    Ok(Some(evaluation))
}

/// Consecutive batches, cut also where watching ends.
fn batches(
    n_samples: usize,
    n_watched: usize,
    batch_size: usize,
) -> impl Iterator<Item = Range<usize>> {
    let watched = (0..n_watched).step_by(batch_size);
    let others = (n_watched..n_samples).step_by(batch_size);
    let end = move |start| match start < n_watched {
        true => n_watched.min(start + batch_size),
        false => n_samples.min(start + batch_size),
    };
    watched.chain(others).map(move |start| start..end(start))
}

/// Evaluates the checkpoint that is best on the validation split; `None` if asked to stop
/// meanwhile.
///
/// # Errors
///
/// If there is no checkpoint, or it cannot be read.
pub fn evaluate_best(
    job: &Job<'_>,
    samples: &Samples,
    observer: &mut dyn Observer,
) -> Result<Option<(Evaluation, CheckpointState)>, TrainError> {
    let (model, state) = load_best(job.run, job.config, job.device, observer)?;
    let evaluation = evaluate(job, &model, samples, Coherence::Measured)?;
    Ok(evaluation.map(|evaluation| (evaluation, state)))
}

/// The model of the checkpoint that is best on the validation split; the observer is told of those
/// that cannot be used.
///
/// # Errors
///
/// If there is no checkpoint, or it cannot be read.
pub fn load_best(
    run: &RunDirectory,
    config: &Config,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<(Network, CheckpointState), TrainError> {
    let directory = run.checkpoints();
    let keep_last = config.spec.checkpoint.keep_last;
    let (checkpoints, complaints) = Checkpoints::open(run, keep_last).map_err(
        TrainError::files(format_args!("read {}", directory.display())),
    )?;
    for complaint in &complaints {
        observer.note(&format!("checkpoint not used: {complaint}"));
    }
    let (state, _, path) = checkpoints.best().ok_or_else(|| {
        let reason = match complaints.is_empty() {
            true => "training has not reached its first validation",
            false => "none can be used",
        };
        TrainError::Files(format!(
            "{}: no checkpoint to load: {reason}",
            directory.display()
        ))
    })?;
    let weights = path.join("model.bpk");
    let model = config
        .spec
        .model
        .init(device)
        .try_load_file(&weights)
        .map_err(|e| TrainError::Files(format!("{}: {e}", weights.display())))?;
    Ok((model, state.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_every_sample_once_and_none_straddles_the_watched_ones() {
        for (n_samples, n_watched) in [(0, 0), (5, 5), (300, 100), (300, 0), (300, 128), (300, 300)]
        {
            let found: Vec<Range<usize>> = batches(n_samples, n_watched, BATCH_SIZE).collect();
            let flat: Vec<usize> = found.iter().cloned().flatten().collect();
            assert_eq!(flat, (0..n_samples).collect::<Vec<_>>());
            for range in found {
                assert!(range.len() <= BATCH_SIZE);
                assert_eq!(range.start < n_watched, range.end <= n_watched, "{range:?}");
            }
        }
    }
}
