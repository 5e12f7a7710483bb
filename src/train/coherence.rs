//! Temporal coherence on a split, as cheap as it comes: without frozen features, estimated motion and the
//! topology of attention.

use crate::coherence::{Metric, OF_CLASSES, OF_FRAMES, of_classes, of_frames};
use crate::data::{JudgedFrames, Sample, SampleSpec};
use crate::model::Task;

/// Means of the numbers of clips.
#[derive(Debug, Clone)]
pub(super) struct CoherenceScore {
    task: Task,
    spec: SampleSpec,
    /// Sum, and clips for which there is a number.
    sums: Vec<(f64, usize)>,
}

impl CoherenceScore {
    /// `None` where nothing is said of frames: for images, and models that tell the class of a clip.
    pub(super) fn new(task: Task, spec: SampleSpec) -> Option<Self> {
        let is_by_frame = spec.n_frames > 1 && task != Task::Classify;
        is_by_frame.then(|| Self {
            task,
            spec,
            sums: vec![(0.0, 0); metrics(task).len()],
        })
    }

    /// Takes in the output of one clip: scores of the classes of every frame, or the predicted frames,
    /// pixels between -1 and 1.
    pub(super) fn add(&mut self, sample: &Sample, output: &[f32]) {
        match self.task {
            Task::PredictNextFrame => {
                let predicted = Task::as_pixels(output);
                let judged = JudgedFrames::new(sample, self.spec, &predicted);
                self.sum_up(&of_frames(&judged.found, &judged.truth, &judged.known));
            }
            Task::Classify | Task::ClassifyFrames => {
                let rows = output.chunks_exact(self.spec.n_classes);
                let probabilities: Vec<f64> = rows.flat_map(softmax).collect();
                self.sum_up(&of_classes(
                    &probabilities,
                    self.spec.n_classes,
                    Some(sample.label),
                ));
            }
        }
    }

    fn sum_up(&mut self, values: &[Option<f64>]) {
        for ((sum, n), value) in self.sums.iter_mut().zip(values) {
            if let Some(value) = value {
                *sum += value;
                *n += 1;
            }
        }
    }

    /// Name and mean of what is defined, but for what the task is judged by anyway.
    pub(super) fn means(&self) -> Vec<(String, f64)> {
        let known = self.task.metrics();
        let metrics = metrics(self.task).iter().zip(&self.sums);
        metrics
            .filter(|(metric, (_, n))| *n > 0 && !known.contains(&metric.name))
            .map(|(metric, (sum, n))| (format!("coherence/{}", metric.name), sum / *n as f64))
            .collect()
    }
}

/// Names that a mean may have, without the prefix.
pub(super) fn names(task: Task) -> impl Iterator<Item = &'static str> {
    let known = task.metrics();
    let names = metrics(task).iter().map(|metric| metric.name);
    let is_measured = |name: &&str| !name.starts_with("feature_");
    names.filter(move |name| task != Task::Classify && is_measured(name) && !known.contains(name))
}

fn metrics(task: Task) -> &'static [Metric] {
    match task {
        Task::PredictNextFrame => &OF_FRAMES,
        Task::Classify | Task::ClassifyFrames => &OF_CLASSES,
    }
}

fn softmax(scores: &[f32]) -> Vec<f64> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shares: Vec<f64> = scores
        .iter()
        .map(|score| f64::from(score - most).exp())
        .collect();
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| share / sum).collect()
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
    fn means_are_over_the_clips_that_have_a_number() {
        let mut score = CoherenceScore::new(Task::ClassifyFrames, SPEC).unwrap();
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
            assert!(CoherenceScore::new(task, SampleSpec { n_frames, ..SPEC }).is_none());
        }
    }

    #[test]
    fn frozen_predictions_are_told_by_their_guard() {
        let mut score = CoherenceScore::new(Task::PredictNextFrame, SPEC).unwrap();
        let pixels: Vec<f32> = (0..8).map(|k| 0.1 * (k / 2) as f32).collect();
        score.add(&Sample::new(pixels, 0), &[0.5; 6]);
        let means = score.means();
        let of = |name: &str| {
            means
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, mean)| *mean)
        };
        assert_eq!(of("coherence/flicker"), Some(0.0));
        assert_eq!(of("coherence/dynamic_degree"), Some(0.0));
        // Neither motion nor topology is known, nor anything said twice.
        assert_eq!(
            (
                of("coherence/warp_error"),
                of("coherence/betti_flips"),
                of("coherence/mse")
            ),
            (None, None, None)
        );
    }
}
