//! Evaluation of a model on a split: loss, metrics and attention topology.

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

/// Results of a model on one split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Number of images or clips.
    pub n_samples: usize,
    /// Mean task loss, in the unit of the task.
    pub loss: f64,
    /// Metrics of the task; see [`Task::metrics`].
    pub metrics: Metrics,
    /// Temporal coherence, named `coherence/<name>` after the metrics of [`crate::video_metrics`]; empty if not
    /// requested, or if the model makes no prediction per frame.
    pub coherence: Vec<(String, f64)>,
    /// Attention topology of every layer, over the first samples.
    pub monitor: LayerMonitor,
    /// Frames predicted for the first sample, `[n_predicted, n_channels, height, width]`, pixels in
    /// `[0, 1]`; empty for classifiers.
    pub first_prediction: Vec<f32>,
}

/// Choice of whether an evaluation measures temporal coherence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coherence {
    /// Temporal coherence is measured.
    Measured,
    /// Temporal coherence is skipped, which is faster.
    Skipped,
}

/// Number of frames per forward pass of an evaluation.
const BATCH_SIZE: usize = 128;

/// Evaluates a model on a split, in order and without gradients; `None` if interrupted by `job.stop`.
///
/// Attention topology is computed on the first samples only, which together have `logging.topology_images`
/// images or frames.
///
/// # Errors
///
/// [`TrainError::Files`] if samples cannot be read, [`TrainError::Topology`] if the attention is not finite; see
/// [`LayerMonitor::add`].
pub fn evaluate(
    job: &Job<'_>,
    model: &Network,
    samples: &Samples,
    coherence: Coherence,
) -> Result<Option<Evaluation>, TrainError> {
    let spec = &job.config.spec;
    let task = Task::from_config(&spec.model);
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
    // Rounded up to whole clips, because consecutive frames are compared.
    let n_watched = spec.logging.topology_images.div_ceil(n_frames);
    let n_watched = samples.len().min(n_watched);
    let batch_size = BATCH_SIZE.div_ceil(n_frames);
    for range in batches(samples.len(), n_watched, batch_size) {
        if job.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        // Keeping activations costs memory and time, so only batches of watched samples do it.
        let capture = if range.start < n_watched {
            Capture::AttentionAndHidden
        } else {
            Capture::Logits
        };
        // The last batch may be smaller, so batch means are weighted by their size.
        let weight = range.len() as f64 / samples.len() as f64;
        let is_first = range.start == 0;
        let items = samples
            .get_many(range.collect())
            .map_err(|e| TrainError::Files(e.to_string()))?;
        let clips = batcher.clips(&items, job.device);
        let labels: Vec<MixedLabel> = items
            .iter()
            .map(|item| MixedLabel::unmixed(item.label))
            .collect();
        // No label smoothing here: losses of splits must be comparable between configurations.
        let classes = soft_targets(&labels, spec.samples.n_classes, 0.0, job.device);
        let output = model.forward(task.model_input(clips.clone()), capture);
        let loss = task.loss(output.output.clone(), task.targets(&clips, classes));
        evaluation.loss += weight * loss.into_scalar::<f64>();
        let rows: Vec<f32> = output
            .output
            .try_into_vec_as()
            .map_err(|e| TrainError::Files(format!("the output cannot be read: {e}")))?;
        let sample_outputs = rows.chunks_exact(rows.len() / items.len());
        for (item, rows) in items.iter().zip(sample_outputs.clone()) {
            score.add(item, rows);
            if let Some(coherence) = &mut coherence {
                coherence.add(item, rows);
            }
        }
        if is_first && task == Task::PredictNextFrame {
            evaluation.first_prediction =
                sample_outputs.take(1).flat_map(Task::as_pixels).collect();
        }
        evaluation.monitor.add(
            &output.attention,
            &output.within_frame_attention,
            &output.hidden,
            output.tokens,
        )?;
    }
    evaluation.metrics = score.metrics();
    evaluation.coherence = coherence.map_or_else(Vec::new, |coherence| coherence.means());
    Ok(Some(evaluation))
}

/// Index ranges of consecutive batches, none of which contains both watched and unwatched samples.
fn batches(
    n_samples: usize,
    n_watched: usize,
    batch_size: usize,
) -> impl Iterator<Item = Range<usize>> {
    let watched = (0..n_watched).step_by(batch_size);
    let others = (n_watched..n_samples).step_by(batch_size);
    let end = move |start| {
        let limit = if start < n_watched {
            n_watched
        } else {
            n_samples
        };
        limit.min(start + batch_size)
    };
    watched.chain(others).map(move |start| start..end(start))
}

/// Evaluates the best checkpoint of a run on `samples`; `None` if interrupted by `job.stop`.
///
/// # Errors
///
/// The errors of [`load_best`] and [`evaluate`].
pub fn evaluate_best(
    job: &Job<'_>,
    samples: &Samples,
    observer: &mut dyn Observer,
) -> Result<Option<(Evaluation, CheckpointState)>, TrainError> {
    let (model, state) = load_best(job.run, job.config, job.device, observer)?;
    let evaluation = evaluate(job, &model, samples, Coherence::Measured)?;
    Ok(evaluation.map(|evaluation| (evaluation, state)))
}

/// Loads the model of the checkpoint that is best on the validation split.
///
/// Checkpoints that cannot be used are skipped and reported to the observer.
///
/// # Errors
///
/// [`TrainError::Files`] if there is no usable checkpoint, or its weights do not fit the model.
pub fn load_best(
    run: &RunDirectory,
    config: &Config,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<(Network, CheckpointState), TrainError> {
    let directory = run.checkpoints();
    let keep_last = config.spec.checkpoint.keep_last;
    let (checkpoints, problems) = Checkpoints::open(run, keep_last).map_err(TrainError::files(
        format_args!("read {}", directory.display()),
    ))?;
    for problem in &problems {
        observer.message(&format!("checkpoint not used: {problem}"));
    }
    let (state, _, path) = checkpoints.best().ok_or_else(|| {
        let reason = if problems.is_empty() {
            "no checkpoint to load: training has not reached its first validation"
        } else {
            "none of the checkpoints can be used"
        };
        TrainError::Files(format!("{}: {reason}", directory.display()))
    })?;
    // The initial parameters do not matter: all of them are replaced by those of the checkpoint.
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
    fn batches_cover_every_sample_once_and_split_at_the_watched() {
        for (n_samples, n_watched) in [(0, 0), (5, 5), (300, 100), (300, 0), (300, 128), (300, 300)]
        {
            let ranges: Vec<Range<usize>> = batches(n_samples, n_watched, BATCH_SIZE).collect();
            let flat: Vec<usize> = ranges.iter().cloned().flatten().collect();
            assert_eq!(flat, (0..n_samples).collect::<Vec<_>>());
            for range in ranges {
                assert!(range.len() <= BATCH_SIZE);
                assert_eq!(range.start < n_watched, range.end <= n_watched, "{range:?}");
            }
        }
    }
}
