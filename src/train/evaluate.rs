//! Accuracy, loss and topology on a split.

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::prelude::*;

use super::error::TrainError;
use super::monitor::LayerMonitor;
use crate::config::Spec;
use crate::data::{ImageBatcher, ImageItem};
use crate::model::{Capture, Vit};
use crate::run::{CheckpointState, Checkpoints, RunDirectory};

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

/// Runs a model over a split, in its order, without gradients.
///
/// # Errors
///
/// As [`LayerMonitor::add`]: attention that is not finite.
pub fn evaluate(
    model: &Vit,
    images: &impl Dataset<ImageItem>,
    batcher: ImageBatcher,
    device: &Device,
) -> Result<Evaluation, TrainError> {
    let mut evaluation = Evaluation {
        n_images: images.len(),
        loss: 0.0,
        accuracy: 0.0,
        monitor: LayerMonitor::default(),
    };
    let mut n_right = 0;
    let cross_entropy = CrossEntropyLossConfig::new().init(device);
    for start in (0..images.len()).step_by(BATCH_SIZE) {
        let indices: Vec<usize> = (start..images.len().min(start + BATCH_SIZE)).collect();
        let weight = indices.len() as f64 / images.len() as f64;
        let items = images
            .get_many(indices)
            .map_err(|e| TrainError::Files(e.to_string()))?;
        let batch = batcher.batch(items, device);
        let output = model.forward(batch.images, Capture::Attention);
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
            .add(&output.attention, output.tokens.n_prefix_tokens)?;
    }
    evaluation.accuracy = n_right as f64 / images.len().max(1) as f64;
    Ok(evaluation)
}

/// Evaluates the checkpoint that is best on the validation split.
///
/// # Errors
///
/// If there is no checkpoint, or it cannot be read.
pub fn evaluate_best(
    spec: &Spec,
    run: &RunDirectory,
    images: &impl Dataset<ImageItem>,
    device: &Device,
) -> Result<(Evaluation, CheckpointState), TrainError> {
    let (state, path) = Checkpoints::of(run)
        .best()
        .map_err(TrainError::files(format_args!(
            "read {}",
            run.checkpoints().display()
        )))?
        .ok_or_else(|| {
            TrainError::Files(format!(
                "{}: no checkpoint to evaluate",
                run.checkpoints().display()
            ))
        })?;
    let weights = path.join("model.bpk");
    let model = spec
        .model
        .init(device)
        .try_load_file(&weights)
        .map_err(|e| TrainError::Files(format!("{}: {e}", weights.display())))?;
    let evaluation = evaluate(&model, images, ImageBatcher { spec: spec.images }, device)?;
    Ok((evaluation, state))
}
