//! Class probabilities of individual samples.

use burn::tensor::activation::softmax;

use super::error::EvaluateError;
use super::task_model::TaskModel;
use crate::data::Sample;
use crate::error::{self, Error};
use crate::fused::read_values;
use crate::model::{Capture, Task};

/// Refuses a model that predicts no classes.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if the model predicts frames or masks.
pub(super) fn check_classifier(task: Task) -> error::Result<()> {
    if task.predicts_classes() {
        return Ok(());
    }
    Err(Error::invalid_parameter(format!(
        "expected a classifier, found {}",
        task.in_words()
    )))
}

impl TaskModel {
    /// Class probabilities of every sample, in the order of `samples`, which are one batch.
    ///
    /// For a model that classifies frames, they are averaged over the frames of the clip.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Files`] if the model predicts frames or masks, or the result cannot be read from the device.
    pub fn predict(&self, samples: &[Sample]) -> Result<Vec<Vec<f64>>, EvaluateError> {
        let n_classes = self.samples.n_classes;
        check_classifier(self.task).map_err(EvaluateError::Files)?;
        // A batch of no samples has no rows to divide by.
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let scores = self.forward(self.clips(samples), Capture::Logits).output;
        let rows: Vec<f64> = read_values(softmax(scores, 1))
            .map_err(|error| EvaluateError::Files(error.within("the scores cannot be read")))?;
        // One row per sample, or one per frame.
        let n_rows = rows.len() / n_classes / samples.len();
        let mean = |rows: &[f64]| {
            let mut mean = vec![0.0; n_classes];
            for row in rows.chunks(n_classes) {
                for (sum, probability) in mean.iter_mut().zip(row) {
                    *sum += probability / n_rows as f64;
                }
            }
            mean
        };
        Ok(rows.chunks(n_rows * n_classes).map(mean).collect())
    }
}
