//! Class probabilities.

use burn::data::dataloader::batcher::Batcher;
use burn::tensor::activation::softmax;

use super::error::TrainError;
use super::trainer::Job;
use crate::data::{ImageBatcher, ImageItem};
use crate::model::{Capture, Vit};

/// Probability of every class for each image, in their order.
///
/// # Errors
///
/// If the result cannot be read from the device.
pub fn predict(
    job: &Job<'_>,
    model: &Vit,
    items: Vec<ImageItem>,
) -> Result<Vec<Vec<f64>>, TrainError> {
    let spec = job.config.spec.images;
    let batch = ImageBatcher { spec }.batch(items, job.device);
    let logits = model.forward(batch.images, Capture::Logits).output;
    let rows: Vec<f64> = softmax(logits, 1)
        .try_into_vec_as()
        .map_err(|e| TrainError::Files(format!("the logits cannot be read: {e}")))?;
    let rows = rows.chunks(spec.n_classes).map(<[f64]>::to_vec).collect();
    Ok(rows)
}
