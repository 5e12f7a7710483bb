//! Class probabilities of individual samples.

use burn::tensor::activation::softmax;

use super::error::TrainError;
use super::trainer::Job;
use crate::data::{Sample, SampleBatcher};
use crate::model::{Capture, Network, Task};

/// Class probabilities of every sample, in the order of `samples`.
///
/// For a model that classifies frames, they are averaged over the frames of the clip.
///
/// # Errors
///
/// [`TrainError::Files`] if the model predicts frames, or the result cannot be read from the device.
pub fn predict(
    job: &Job<'_>,
    model: &Network,
    samples: &[Sample],
) -> Result<Vec<Vec<f64>>, TrainError> {
    let spec = job.config.spec.samples;
    if Task::from_config(&job.config.spec.model) == Task::PredictNextFrame {
        return Err(TrainError::Files(
            "expected a classifier, found a model that predicts frames".to_owned(),
        ));
    }
    // A batch of no samples has no rows to divide by.
    if samples.is_empty() {
        return Ok(Vec::new());
    }
    let clips = SampleBatcher { spec }.clips(samples, job.device);
    let scores = model.forward(clips, Capture::Logits).output;
    let rows: Vec<f64> = softmax(scores, 1)
        .try_into_vec_as()
        .map_err(|e| TrainError::Files(format!("the scores cannot be read: {e}")))?;
    // One row per sample, or one per frame.
    let n_rows = rows.len() / spec.n_classes / samples.len();
    let mean = |rows: &[f64]| {
        let mut mean = vec![0.0; spec.n_classes];
        for row in rows.chunks(spec.n_classes) {
            for (sum, probability) in mean.iter_mut().zip(row) {
                *sum += probability / n_rows as f64;
            }
        }
        mean
    };
    Ok(rows.chunks(n_rows * spec.n_classes).map(mean).collect())
}
