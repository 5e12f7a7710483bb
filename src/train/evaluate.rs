//! Accuracy, loss and topology on a split.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::data::dataloader::batcher::Batcher;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::prelude::*;

use super::error::TrainError;
use super::monitor::LayerMonitor;
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

/// Runs a model over a split, in its order, without gradients; `None` if `stop` was set meanwhile.
///
/// # Errors
///
/// As [`LayerMonitor::add`]: attention that is not finite; images that cannot be read.
pub fn evaluate(
    model: &Vit,
    images: &Images,
    batcher: ImageBatcher,
    device: &Device,
    stop: &AtomicBool,
) -> Result<Option<Evaluation>, TrainError> {
    let mut evaluation = Evaluation {
        n_images: images.len(),
        loss: 0.0,
        accuracy: 0.0,
        monitor: LayerMonitor::default(),
    };
    let mut n_right = 0;
    let cross_entropy = CrossEntropyLossConfig::new().init(device);
    for start in (0..images.len()).step_by(BATCH_SIZE) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let indices: Vec<usize> = (start..images.len().min(start + BATCH_SIZE)).collect();
        let weight = indices.len() as f64 / images.len() as f64;
        let items = images
            .get_many(indices)
            .map_err(|e| TrainError::Files(e.to_string()))?;
        let batch = batcher.batch(items, device);
        let output = model.forward(batch.images, Capture::AttentionAndHidden);
        let right = output
            .logits
            .clone()
            .argmax(1)
            .squeeze_dim::<1>(1)
            .equal(batch.labels.clone());
        n_right += right.int().sum().into_scalar::<i64>();
        let loss = cross_entropy.forward(output.logits, batch.labels);
        evaluation.loss += weight * loss.into_scalar::<f64>();
        evaluation
            .monitor
            .add(&output.attention, &output.hidden, output.tokens)?;
    }
    evaluation.accuracy = n_right as f64 / images.len().max(1) as f64;
    Ok(Some(evaluation))
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
) -> Result<Option<(Evaluation, CheckpointState)>, TrainError> {
    let (model, state) = load_best(job)?;
    let batcher = ImageBatcher {
        spec: job.config.spec.images,
    };
    let evaluation = evaluate(&model, images, batcher, job.device, job.stop)?;
    Ok(evaluation.map(|evaluation| (evaluation, state)))
}

/// The model of the checkpoint that is best on the validation split.
///
/// # Errors
///
/// If there is no checkpoint, or it cannot be read.
pub fn load_best(job: &Job<'_>) -> Result<(Vit, CheckpointState), TrainError> {
    let directory = job.run.checkpoints();
    let keep_last = job.config.spec.checkpoint.keep_last;
    let (checkpoints, complaints) = Checkpoints::open(job.run, keep_last).map_err(
        TrainError::files(format_args!("read {}", directory.display())),
    )?;
    let (state, _, path) = checkpoints.best().ok_or_else(|| {
        let reasons = match complaints.is_empty() {
            true => "training has not reached its first validation".to_owned(),
            false => complaints.join("; "),
        };
        TrainError::Files(format!(
            "{}: no checkpoint to load: {reasons}",
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
