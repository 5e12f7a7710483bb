//! Temporal coherence on a split. Only the cheap metrics are measured: those that need features of an encoder,
//! estimated motion or attention topology are left out.

use crate::data::{PredictedFrames, Sample, SampleSpec};
use crate::model::Task;
use crate::video_metrics::{
    CLASS_METRICS, ClipMetric, FRAME_METRICS, class_metrics, frame_metrics,
};

/// Running means of the coherence metrics over clips.
#[derive(Debug, Clone)]
pub(super) struct VideoScores {
    task: Task,
    spec: SampleSpec,
    /// For each metric: the sum, and the number of clips for which it is defined.
    sums: Vec<(f64, usize)>,
}

impl VideoScores {
    /// Creates an empty score; `None` for tasks without a prediction per frame (images, classes of clips, velocities).
    pub(super) fn new(task: Task, spec: SampleSpec) -> Option<Self> {
        // The two frames of a sample with a mask are no clip.
        let is_by_frame = spec.n_frames > 1 && has_frames(task);
        is_by_frame.then(|| Self {
            task,
            spec,
            sums: vec![(0.0, 0); metrics(task).len()],
        })
    }

    /// Adds the model output of one clip: class scores of every frame, or predicted frames with pixels
    /// between -1 and 1.
    pub(super) fn add(&mut self, sample: &Sample, output: &[f32]) {
        match self.task {
            Task::PredictNextFrame | Task::PredictMask => {
                let predicted = self.task.as_pixels(output);
                let frames = PredictedFrames::new(sample, self.spec, &predicted);
                self.accumulate(&frame_metrics(
                    &frames.predicted,
                    &frames.true_frames,
                    &frames.ground_truth,
                    None,
                ));
            }
            // Those of other tasks are not created.
            Task::Generate => {}
            Task::Classify | Task::ClassifyFrames => {
                let rows = output.chunks_exact(self.spec.n_classes);
                let probabilities: Vec<f64> = rows.flat_map(softmax).collect();
                self.accumulate(&class_metrics(
                    &probabilities,
                    self.spec.n_classes,
                    Some(sample.label),
                ));
            }
        }
    }

    fn accumulate(&mut self, values: &[Option<f64>]) {
        for ((sum, n), value) in self.sums.iter_mut().zip(values) {
            if let Some(value) = value {
                *sum += value;
                *n += 1;
            }
        }
    }

    /// Names and means of the metrics that are defined, without those that the task reports itself.
    pub(super) fn means(&self) -> Vec<(String, f64)> {
        let task_metrics = self.task.metrics();
        metrics(self.task)
            .iter()
            .zip(&self.sums)
            .filter(|(metric, (_, n))| *n > 0 && !task_metrics.contains(&metric.name))
            .map(|(metric, (sum, n))| (format!("coherence/{}", metric.name), sum / *n as f64))
            .collect()
    }
}

/// Names of the metrics that [`VideoScores::means`] may return, without the prefix `coherence/`.
pub(crate) fn names(task: Task) -> impl Iterator<Item = &'static str> {
    let task_metrics = task.metrics();
    let names = metrics(task).iter().map(|metric| metric.name);
    // Feature metrics need a frozen encoder, which is not run during training.
    let is_measured = |name: &&str| !name.starts_with("feature_");
    names.filter(move |name| has_frames(task) && is_measured(name) && !task_metrics.contains(name))
}

/// True for tasks with a prediction for every frame.
fn has_frames(task: Task) -> bool {
    matches!(task, Task::ClassifyFrames | Task::PredictNextFrame)
}

fn metrics(task: Task) -> &'static [ClipMetric] {
    match task {
        Task::PredictNextFrame | Task::PredictMask => &FRAME_METRICS,
        Task::Classify | Task::ClassifyFrames => &CLASS_METRICS,
        Task::Generate => &[],
    }
}

/// Softmax of one row of class scores.
fn softmax(scores: &[f32]) -> Vec<f64> {
    // Subtracting the largest score avoids overflow.
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = scores
        .iter()
        .map(|score| f64::from(score - max).exp())
        .collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|value| value / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: SampleSpec = SampleSpec {
        n_frames: 4,
        n_channels: 1,
        height: 1,
        width: 2,
        n_classes: 2,
    };

    #[test]
    fn means_are_over_clips_where_the_metric_is_defined() {
        let mut score = VideoScores::new(Task::ClassifyFrames, SPEC).unwrap();
        let sample = Sample::new(vec![0.0; 8], 1);
        score.add(&sample, &[0.0, 9.0, 0.0, 9.0, 0.0, 9.0, 0.0, 9.0]);
        score.add(&sample, &[0.0, 9.0, 9.0, 0.0, 0.0, 9.0, 0.0, 9.0]);
        let means = score.means();
        assert_eq!(
            means[0],
            ("coherence/flip_rate_to_first".to_owned(), 1.0 / 6.0)
        );
        assert_eq!(means[1].0, "coherence/prediction_distance");
        assert!(means[1].1 > 0.2 && means.len() == 2);
        for (task, n_frames) in [(Task::Classify, 4), (Task::ClassifyFrames, 1)] {
            assert!(VideoScores::new(task, SampleSpec { n_frames, ..SPEC }).is_none());
        }
    }

    #[test]
    fn guards_reveal_frozen_predictions() {
        let mut score = VideoScores::new(Task::PredictNextFrame, SPEC).unwrap();
        let pixels: Vec<f32> = (0..8).map(|k| 0.1 * (k / 2) as f32).collect();
        score.add(&Sample::new(pixels, 0), &[0.5; 6]);
        let means = score.means();
        let mean = |name: &str| {
            means
                .iter()
                .find(|(candidate, _)| candidate == name)
                .map(|(_, mean)| *mean)
        };
        assert_eq!(mean("coherence/flicker"), Some(0.0));
        assert_eq!(mean("coherence/dynamic_degree"), Some(0.0));
        // Motion and topology are unknown here, and task metrics are not repeated.
        assert_eq!(
            (
                mean("coherence/warp_error"),
                mean("coherence/betti_flips"),
                mean("coherence/mse")
            ),
            (None, None, None)
        );
    }
}
