//! Class probabilities.

use burn::tensor::activation::softmax;

use super::error::TrainError;
use super::trainer::Job;
use crate::data::{Sample, SampleBatcher};
use crate::model::{Capture, Network, Task};

/// Probability of every class for each sample, in their order; of a model that classifies frames,
/// the mean over the frames.
///
/// # Errors
///
/// If the model predicts frames, or the result cannot be read from the device.
pub fn predict(
    job: &Job<'_>,
    model: &Network,
    samples: &[Sample],
) -> Result<Vec<Vec<f64>>, TrainError> {
    let spec = job.config.spec.samples;
    if Task::of(&job.config.spec.model) == Task::PredictNextFrame {
        return Err(TrainError::Files(
            "the model predicts frames, expected one that tells classes".to_owned(),
        ));
    }
    let clips = SampleBatcher { spec }.clips(samples, job.device);
    let scores = model.forward(clips, Capture::Logits).output;
    let rows: Vec<f64> = softmax(scores, 1)
        .try_into_vec_as()
        .map_err(|e| TrainError::Files(format!("the scores cannot be read: {e}")))?;
    let n_rows = rows.len() / spec.n_classes / samples.len().max(1);
    let of_samples = rows.chunks(n_rows * spec.n_classes);
    let mean = |rows: &[f64]| {
        let mut mean = vec![0.0; spec.n_classes];
        for row in rows.chunks(spec.n_classes) {
            for (sum, share) in mean.iter_mut().zip(row) {
                *sum += share / n_rows as f64;
            }
        }
        mean
    };
    Ok(of_samples.map(mean).collect())
}
