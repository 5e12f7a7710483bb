//! Evaluation of a model on a split: loss, metrics and attention topology.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::AtomicBool;

use super::batches::{EVALUATION_FRAMES, batch_ranges, for_each_batch, size_or, until};
use super::error::EvaluateError;
use super::flow::{FlowScores, noise_of_evaluation};
use super::layer_monitor::LayerMonitor;
use super::task::{Metrics, TaskScores};
use super::task_model::TaskModel;
use super::video_scores::VideoScores;
use crate::config::Spec;
use crate::data::{MixedLabel, Sample, Samples, soft_targets, spread_first};
use crate::fused::read_values;
use crate::model::{Capture, Task};
use crate::statistics::ConfusionMatrix;

/// Results of a model on one split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Number of images or clips.
    pub n_samples: usize,
    /// Mean task loss, in the unit of the task.
    pub loss: f64,
    /// Metrics of the task; see [`Task::metrics`].
    pub metrics: Metrics,
    /// Number of samples, or of frames if frames are classified, by true and predicted class; `None` for models that
    /// predict frames or masks.
    pub confusion: Option<ConfusionMatrix>,
    /// Temporal coherence, named `coherence/<name>` after the metrics of [`crate::video_metrics`]; empty if not
    /// requested, or if the model makes no prediction per frame.
    pub coherence: Vec<(String, f64)>,
    /// Attention topology of every layer, over as many samples as the settings say.
    pub monitor: LayerMonitor,
    /// Frames or mask predicted for the first sample, `[n_predicted, n_channels, height, width]`, pixels in
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

/// Settings of an evaluation on a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluationSettings {
    /// Number of images or frames whose attention topology is measured, rounded up to whole clips and spread evenly over
    /// the classes.
    pub n_topology_images: usize,
    /// Choice of whether temporal coherence is measured.
    pub coherence: Coherence,
    /// Number of samples per forward pass; `None` for as many as have 128 frames.
    pub batch_size: Option<NonZeroUsize>,
}

impl EvaluationSettings {
    /// Settings of the final evaluation of a run: all that its configuration asks for, and temporal coherence.
    pub fn new(spec: &Spec) -> Self {
        Self {
            n_topology_images: spec.logging.topology_images,
            coherence: Coherence::Measured,
            batch_size: None,
        }
    }
}

impl TaskModel {
    /// Evaluates the model on a split, without gradients.
    ///
    /// # Errors
    ///
    /// [`EvaluateError::Files`] if samples cannot be read, [`EvaluateError::Topology`] if the attention is not finite;
    /// see [`LayerMonitor::add`].
    pub fn evaluate(
        &self,
        samples: &Samples,
        settings: EvaluationSettings,
    ) -> Result<Evaluation, EvaluateError> {
        let mut always = || ControlFlow::<Infallible>::Continue(());
        let ControlFlow::Continue(evaluation) =
            self.evaluate_while(samples, settings, &mut always)?;
        Ok(evaluation)
    }

    /// Evaluates like [`Self::evaluate`], but returns `None` if `stop` is set before the last batch.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::evaluate`].
    pub fn evaluate_unless(
        &self,
        samples: &Samples,
        settings: EvaluationSettings,
        stop: &AtomicBool,
    ) -> Result<Option<Evaluation>, EvaluateError> {
        let evaluation = self.evaluate_while(samples, settings, &mut until(stop))?;
        Ok(evaluation.continue_value())
    }

    /// Evaluates the model as long as `check`, which is called before each batch, does not break.
    fn evaluate_while<B>(
        &self,
        samples: &Samples,
        settings: EvaluationSettings,
        check: &mut dyn FnMut() -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, Evaluation>, EvaluateError> {
        let n_frames = self.samples.n_frames;
        // Rounded up to whole clips, because consecutive frames are compared.
        let n_watched = settings.n_topology_images.div_ceil(n_frames);
        let n_watched = samples.len().min(n_watched);
        // Their topology is measured, so they are put first; the first sample stays the first.
        let samples = &spread_first(samples, n_watched);
        let batch_size = size_or(settings.batch_size, EVALUATION_FRAMES.div_ceil(n_frames));
        let mut running = RunningEvaluation::new(self, samples.len(), settings.coherence);
        let finished = for_each_batch(
            samples,
            split_ranges(samples.len(), n_watched, batch_size),
            check,
            &mut |range, items| {
                // Keeping activations costs memory and time, so only batches of watched samples do it.
                let capture = if range.start < n_watched {
                    Capture::AttentionAndHidden
                } else {
                    Capture::Logits
                };
                running.add(range, &items, capture)
            },
        )?;
        Ok(match finished {
            ControlFlow::Continue(()) => ControlFlow::Continue(running.finish()),
            ControlFlow::Break(reason) => ControlFlow::Break(reason),
        })
    }
}

/// Evaluation of the batches so far.
struct RunningEvaluation<'a> {
    model: &'a TaskModel,
    scores: TaskScores,
    flow: FlowScores,
    coherence: Option<VideoScores>,
    evaluation: Evaluation,
}

impl<'a> RunningEvaluation<'a> {
    fn new(model: &'a TaskModel, n_samples: usize, coherence: Coherence) -> Self {
        Self {
            model,
            scores: TaskScores::new(model.task, model.samples),
            flow: FlowScores::default(),
            coherence: match coherence {
                Coherence::Measured => VideoScores::new(model.task, model.samples),
                Coherence::Skipped => None,
            },
            evaluation: Evaluation {
                n_samples,
                loss: 0.0,
                metrics: Metrics::new(),
                confusion: match model.task {
                    Task::Classify | Task::ClassifyFrames => {
                        Some(ConfusionMatrix::new(model.samples.n_classes))
                    }
                    Task::PredictNextFrame | Task::PredictMask | Task::Generate => None,
                },
                coherence: Vec::new(),
                monitor: LayerMonitor::default(),
                first_prediction: Vec::new(),
            },
        }
    }

    /// Runs the model on one batch, and adds its results.
    fn add(
        &mut self,
        range: Range<usize>,
        items: &[Sample],
        capture: Capture,
    ) -> Result<(), EvaluateError> {
        let TaskModel {
            task,
            samples: spec,
            device,
            ..
        } = self.model;
        let evaluation = &mut self.evaluation;
        // The last batch may be smaller, so batch means are weighted by their size.
        let weight = items.len() as f64 / evaluation.n_samples as f64;
        if let Some(captions) = &self.model.captions {
            let noise = noise_of_evaluation(range.start, items.len(), *spec);
            let batch = captions
                .flow_batch(items, &noise, *spec, device)
                .map_err(EvaluateError::Files)?;
            let output = self.model.network.forward(batch.input, capture);
            let losses = task.sample_losses(output.output, batch.velocities, items.len());
            let losses: Vec<f64> = read_values(losses)
                .map_err(|error| EvaluateError::Files(error.within("the losses cannot be read")))?;
            for ((item, noising), loss) in items.iter().zip(&noise).zip(losses) {
                self.flow.add(item, noising.level, loss);
                evaluation.loss += loss / evaluation.n_samples as f64;
            }
            evaluation.monitor.add(
                &output.attention,
                &output.within_frame_attention,
                &output.hidden,
                output.tokens,
            )?;
            return Ok(());
        }
        let clips = self.model.clips(items);
        let labels: Vec<MixedLabel> = items
            .iter()
            .map(|item| MixedLabel::unmixed(item.label))
            .collect();
        // No label smoothing here: losses of splits must be comparable between configurations.
        let classes = soft_targets(&labels, spec.n_classes, 0.0, device);
        let output = self.model.forward(clips.clone(), capture);
        let loss = task.loss(output.output.clone(), task.targets(&clips, classes));
        evaluation.loss += weight * loss.into_scalar::<f64>();
        let rows: Vec<f32> = read_values(output.output)
            .map_err(|error| EvaluateError::Files(error.within("the output cannot be read")))?;
        let sample_outputs = rows.chunks_exact(rows.len() / items.len());
        for (item, rows) in items.iter().zip(sample_outputs.clone()) {
            self.scores.add(item, rows);
            if let Some(confusion) = &mut evaluation.confusion {
                for scores in rows.chunks_exact(spec.n_classes) {
                    confusion.add(item.label, scores);
                }
            }
            if let Some(coherence) = &mut self.coherence {
                coherence.add(item, rows);
            }
        }
        if range.start == 0 && !task.predicts_classes() {
            let first = sample_outputs.take(1);
            evaluation.first_prediction = first.flat_map(|rows| task.as_pixels(rows)).collect();
        }
        evaluation.monitor.add(
            &output.attention,
            &output.within_frame_attention,
            &output.hidden,
            output.tokens,
        )?;
        Ok(())
    }

    /// Completes the results after the last batch.
    fn finish(self) -> Evaluation {
        Evaluation {
            metrics: match self.model.task {
                Task::Generate => self.flow.metrics(),
                _ => self.scores.metrics(),
            },
            coherence: self
                .coherence
                .map_or_else(Vec::new, |coherence| coherence.means()),
            ..self.evaluation
        }
    }
}

/// Index ranges of consecutive batches, none of which contains both watched and unwatched samples.
fn split_ranges(
    n_samples: usize,
    n_watched: usize,
    batch_size: usize,
) -> impl Iterator<Item = Range<usize>> {
    let others = batch_ranges(n_samples - n_watched, batch_size)
        .map(move |range| n_watched + range.start..n_watched + range.end);
    batch_ranges(n_watched, batch_size).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_every_sample_once_and_split_at_the_watched() {
        for (n_samples, n_watched) in [(0, 0), (5, 5), (300, 100), (300, 0), (300, 128), (300, 300)]
        {
            let ranges: Vec<Range<usize>> =
                split_ranges(n_samples, n_watched, EVALUATION_FRAMES).collect();
            let flat: Vec<usize> = ranges.iter().cloned().flatten().collect();
            assert_eq!(flat, (0..n_samples).collect::<Vec<_>>());
            for range in ranges {
                assert!(range.len() <= EVALUATION_FRAMES);
                assert_eq!(range.start < n_watched, range.end <= n_watched, "{range:?}");
            }
        }
    }
}
