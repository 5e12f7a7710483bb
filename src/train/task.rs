//! What a model is trained for: its loss, and the numbers that it is judged by.

use burn::prelude::*;
use burn::tensor::activation::log_softmax;

use super::loss::soft_cross_entropy;
use crate::coherence::{flip_rate, mean_squared_error, most_probable, structural_similarity};
use crate::data::{Sample, SampleSpec};
use crate::model::Task;

/// Names and values, the first one first.
pub type Metrics = Vec<(&'static str, f64)>;

impl Task {
    /// Names of the metrics, the one that the best checkpoint is chosen by first.
    pub fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::Classify => &["accuracy"],
            Self::ClassifyFrames => &["accuracy", "flip_rate"],
            Self::PredictNextFrame => &[
                "mse",
                "ssim",
                "mse_copy_last",
                "ssim_copy_last",
                "mse_extrapolation",
                "ssim_extrapolation",
            ],
        }
    }

    /// What a better model has more of.
    pub fn score(self, metrics: &Metrics) -> f64 {
        let first = metrics.first().map_or(f64::NAN, |(_, value)| *value);
        self.of_score(first)
    }

    /// The first metric, of a score.
    pub(super) fn of_score(self, score: f64) -> f64 {
        match self {
            Self::Classify | Self::ClassifyFrames => score,
            Self::PredictNextFrame => -score,
        }
    }

    /// Unit of the loss.
    pub fn loss_unit(self) -> &'static str {
        match self {
            Self::Classify | Self::ClassifyFrames => "nats",
            Self::PredictNextFrame => "squared pixels",
        }
    }

    /// What the model's output is compared with: classes `[batch_size, n_classes]` as they are or
    /// for every frame, or the frames that follow.
    pub(super) fn targets(self, clips: &Tensor<5>, classes: Tensor<2>) -> Tensor<2> {
        let [batch_size, n_frames, n_channels, height, width] = clips.dims();
        match self {
            Self::Classify => classes,
            Self::ClassifyFrames => {
                let n_classes = classes.dims()[1];
                let of_frames = classes.unsqueeze_dim::<3>(1).repeat_dim(1, n_frames);
                of_frames.reshape([batch_size * n_frames, n_classes])
            }
            Self::PredictNextFrame => clips
                .clone()
                .slice_dim(1, 1..n_frames)
                .reshape([batch_size * (n_frames - 1), n_channels * height * width]),
        }
    }

    /// The loss of an output: cross-entropy in nats, or the mean squared error of pixels between 0
    /// and 1.
    pub(super) fn loss(self, output: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Classify | Self::ClassifyFrames => soft_cross_entropy(output, targets),
            // Pixels of the model lie between -1 and 1.
            Self::PredictNextFrame => (output - targets).square().mean() / 4.0,
        }
    }

    /// The loss of each sample: `[n_samples]`; their mean is [`Task::loss`].
    pub(super) fn sample_losses(
        self,
        output: Tensor<2>,
        targets: Tensor<2>,
        n_samples: usize,
    ) -> Tensor<1> {
        let of_rows = match self {
            Self::Classify | Self::ClassifyFrames => {
                (log_softmax(output, 1) * targets).sum_dim(1).neg()
            }
            Self::PredictNextFrame => (output - targets).square().mean_dim(1) / 4.0,
        };
        let n_rows = of_rows.dims()[0];
        of_rows
            .reshape([n_samples, n_rows / n_samples])
            .mean_dim(1)
            .squeeze_dim(1)
    }
}

/// Sums of the metrics over samples.
#[derive(Debug, Clone)]
pub(super) struct Score {
    task: Task,
    spec: SampleSpec,
    sums: Vec<f64>,
    n_samples: usize,
}

impl Score {
    pub(super) fn new(task: Task, spec: SampleSpec) -> Self {
        Self {
            task,
            spec,
            sums: vec![0.0; task.metrics().len()],
            n_samples: 0,
        }
    }

    /// Takes in the output of one sample: scores of its classes, of it or of every frame, or the
    /// predicted frames, pixels between -1 and 1.
    pub(super) fn add(&mut self, sample: &Sample, output: &[f32]) {
        let found = match self.task {
            Task::Classify | Task::ClassifyFrames => self.classified(sample.label, output),
            Task::PredictNextFrame => self.predicted(&sample.pixels, &Task::as_pixels(output)),
        };
        self.n_samples += 1;
        for (sum, value) in self.sums.iter_mut().zip(found) {
            *sum += value;
        }
    }

    /// Means over the samples.
    pub(super) fn metrics(&self) -> Metrics {
        let n = self.n_samples.max(1) as f64;
        let names = self.task.metrics().iter();
        names
            .zip(&self.sums)
            .map(|(name, sum)| (*name, sum / n))
            .collect()
    }

    /// Share of right rows, and of rows whose class is not that of the row before.
    fn classified(&self, label: usize, output: &[f32]) -> Vec<f64> {
        let rows = output.chunks_exact(self.spec.n_classes);
        let classes: Vec<usize> = rows.map(most_probable).collect();
        let n_right = classes.iter().filter(|&&class| class == label).count();
        vec![
            n_right as f64 / classes.len().max(1) as f64,
            flip_rate(&classes).unwrap_or_default(),
        ]
    }

    /// Errors of the third frame and those after it, which two frames precede: of the prediction, of
    /// the frame before, of `2 x_t - x_{t-1}` cut to the range of pixels.
    fn predicted(&self, pixels: &[f32], predicted: &[f32]) -> Vec<f64> {
        let size = self.spec.frame_len();
        let shape = [self.spec.height, self.spec.width];
        let frames: Vec<&[f32]> = pixels.chunks_exact(size).collect();
        let mut sums = vec![0.0; 6];
        let n_predicted = frames.len().saturating_sub(2);
        for next in 2..frames.len() {
            let prediction = &predicted[(next - 1) * size..][..size];
            let pairs = frames[next - 1].iter().zip(frames[next - 2]);
            let extrapolation: Vec<f32> = pairs
                .map(|(last, before)| (2.0 * last - before).clamp(0.0, 1.0))
                .collect();
            let guesses = [prediction, frames[next - 1], &extrapolation];
            for (sums, guess) in sums.chunks_exact_mut(2).zip(guesses) {
                sums[0] += mean_squared_error(guess, frames[next]) / n_predicted as f64;
                sums[1] += structural_similarity(guess, frames[next], shape) / n_predicted as f64;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: SampleSpec = SampleSpec {
        n_frames: 4,
        n_channels: 1,
        height: 1,
        width: 2,
        n_classes: 3,
    };

    #[test]
    fn right_rows_and_changes_of_class_are_counted() {
        let mut score = Score::new(Task::ClassifyFrames, SPEC);
        let sample = Sample::new(vec![0.0; 8], 1);
        let rows = [
            [0.0, 2.0, 1.0],
            [0.0, 2.0, 1.0],
            [3.0, 2.0, 1.0],
            [0.0, 0.5, 0.5],
        ];
        score.add(&sample, rows.as_flattened());
        score.add(&sample, [[0.0, 1.0, 0.0]; 4].as_flattened());
        let expected = [("accuracy", 0.875), ("flip_rate", 1.0 / 3.0)];
        assert_eq!(score.metrics(), expected);
        assert_eq!(Task::ClassifyFrames.score(&score.metrics()), 0.875);
    }

    #[test]
    fn guesses_of_a_straight_motion_are_judged() {
        // Brightness rises by a tenth from frame to frame: extrapolation knows, copying is behind.
        let pixels: Vec<f32> = (0..8).map(|k| 0.1 * (k / 2) as f32).collect();
        let sample = Sample::new(pixels, 0);
        let mut score = Score::new(Task::PredictNextFrame, SPEC);
        let predicted = [0.1, 0.2, 0.3].map(|brightness: f32| [2.0 * brightness - 1.0; 2]);
        score.add(&sample, predicted.as_flattened());
        let metrics = score.metrics();
        let of = |name| metrics.iter().find(|(known, _)| *known == name).unwrap().1;
        assert!(of("mse") < 1e-12 && of("mse_extrapolation") < 1e-12);
        assert!((of("mse_copy_last") - 0.01).abs() < 1e-7);
        assert!(of("ssim") > 0.999 && of("ssim_copy_last") < of("ssim"));
        assert!(Task::PredictNextFrame.score(&metrics) > -1e-12);
    }
}
