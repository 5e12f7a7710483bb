//! Accuracy, loss and topology on a split.

use std::ops::Range;
use std::sync::atomic::Ordering;

use burn::data::dataloader::batcher::Batcher;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;

use super::error::TrainError;
use super::monitor::LayerMonitor;
use super::observer::Observer;
use super::trainer::Job;
use crate::data::{ImageBatcher, Images};
use crate::model::{Capture, Vit};
use crate::run::{CheckpointState, Checkpoints};

/// What a model does on a split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Number of images.
    pub n_images: usize,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of images classified right.
    pub accuracy: f64,
    /// The layers' topology.
    pub monitor: LayerMonitor,
}

/// Images per batch of an evaluation.
const BATCH_SIZE: usize = 128;

/// Runs a model over a split, in its order, without gradients; `None` if asked to stop meanwhile.
///
/// The topology is that of the first `logging.topology_images` images.
///
/// # Errors
///
/// As [`LayerMonitor::add`]: attention that is not finite; images that cannot be read.
pub fn evaluate(
    job: &Job<'_>,
    model: &Vit,
    images: &Images,
) -> Result<Option<Evaluation>, TrainError> {
    let spec = &job.config.spec;
    let batcher = ImageBatcher { spec: spec.images };
    let mut evaluation = Evaluation {
        n_images: images.len(),
        loss: 0.0,
        accuracy: 0.0,
        monitor: LayerMonitor::default(),
    };
    let mut n_right = 0;
    let cross_entropy = CrossEntropyLossConfig::new().init(job.device);
    let n_watched = images.len().min(spec.logging.topology_images);
    for range in batches(images.len(), n_watched) {
        if job.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let capture = match range.start < n_watched {
            true => Capture::AttentionAndHidden,
            false => Capture::Logits,
        };
        let weight = range.len() as f64 / images.len() as f64;
        let items = images
            .get_many(range.collect())
            .map_err(|e| TrainError::Files(e.to_string()))?;
        let batch = batcher.batch(items, job.device);
        let output = model.forward(batch.images, capture);
        let right = output
            .output
            .clone()
            .argmax(1)
            .squeeze_dim::<1>(1)
            .equal(batch.labels.clone());
        n_right += right.int().sum().into_scalar::<i64>();
        let loss = cross_entropy.forward(output.output, batch.labels);
        evaluation.loss += weight * loss.into_scalar::<f64>();
        evaluation
            .monitor
            .add(&output.attention, &output.hidden, output.tokens)?;
    }
    evaluation.accuracy = n_right as f64 / images.len().max(1) as f64;
    Ok(Some(evaluation))
}

/// Consecutive batches, cut also where watching ends.
fn batches(n_images: usize, n_watched: usize) -> impl Iterator<Item = Range<usize>> {
    let watched = (0..n_watched).step_by(BATCH_SIZE);
    let others = (n_watched..n_images).step_by(BATCH_SIZE);
    let end = move |start| match start < n_watched {
        true => n_watched.min(start + BATCH_SIZE),
        false => n_images.min(start + BATCH_SIZE),
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
    images: &Images,
    observer: &mut dyn Observer,
) -> Result<Option<(Evaluation, CheckpointState)>, TrainError> {
    let (model, state) = load_best(job, observer)?;
    let evaluation = evaluate(job, &model, images)?;
    Ok(evaluation.map(|evaluation| (evaluation, state)))
}

/// The model of the checkpoint that is best on the validation split; the observer is told of those
/// that cannot be used.
///
/// # Errors
///
/// If there is no checkpoint, or it cannot be read.
pub fn load_best(
    job: &Job<'_>,
    observer: &mut dyn Observer,
) -> Result<(Vit, CheckpointState), TrainError> {
    let directory = job.run.checkpoints();
    let keep_last = job.config.spec.checkpoint.keep_last;
    let (checkpoints, complaints) = Checkpoints::open(job.run, keep_last).map_err(
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
    let model = job
        .config
        .spec
        .model
        .init(job.device)
        .try_load_file(&weights)
        .map_err(|e| TrainError::Files(format!("{}: {e}", weights.display())))?;
    Ok((model, state.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_every_image_once_and_none_straddles_the_watched_ones() {
        for (n_images, n_watched) in [(0, 0), (5, 5), (300, 100), (300, 0), (300, 128), (300, 300)]
        {
            let found: Vec<Range<usize>> = batches(n_images, n_watched).collect();
            let flat: Vec<usize> = found.iter().cloned().flatten().collect();
            assert_eq!(flat, (0..n_images).collect::<Vec<_>>());
            for range in found {
                assert!(range.len() <= BATCH_SIZE);
                assert_eq!(range.start < n_watched, range.end <= n_watched, "{range:?}");
            }
        }
    }
}
