//! Loss, targets and metrics of each task.

use burn::prelude::*;
use burn::tensor::activation::{log_softmax, relu};

use super::cross_entropy::soft_cross_entropy;
use crate::data::{Sample, SampleSpec};
use crate::mask_metrics::{
    Mask, betti_errors, betti_matching_error, centerline_dice, dice, hausdorff_distance,
};
use crate::model::Task;
use crate::video_metrics::{flip_rate, mean_squared_error, most_probable, structural_similarity};

/// Names and values of metrics; the best checkpoint is chosen by the first one.
pub type Metrics = Vec<(&'static str, f64)>;

/// Metrics of a generator: the first over all samples whose caption could be in training, then those by fifth of the range
/// of noise levels, then those of held-out captions.
pub(super) const FLOW_METRICS: [&str; 8] = [
    "flow_loss",
    "flow_loss_level1",
    "flow_loss_level2",
    "flow_loss_level3",
    "flow_loss_level4",
    "flow_loss_level5",
    "flow_loss_combinations",
    "flow_loss_paraphrases",
];

/// True for metrics that are fractions of samples or frames, from 0 to 1, by the end of their names.
///
/// # Example
///
/// ```
/// use burn_topology::evaluate::is_rate;
///
/// assert!(["accuracy", "test_fgsm_accuracy", "flip_rate_to_first"].into_iter().all(is_rate));
/// assert!(!is_rate("test_loss"));
/// ```
pub fn is_rate(metric: &str) -> bool {
    [
        "accuracy",
        "flip_rate",
        "flip_rate_to_first",
        "calibration_error",
    ]
    .iter()
    .any(|name| metric.ends_with(name))
}

impl Task {
    /// Names of the metrics of the task; the best checkpoint is chosen by the first one.
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
            Self::Generate => &FLOW_METRICS,
            Self::PredictMask => &[
                "dice",
                "centerline_dice",
                "h0_betti_error",
                "h1_betti_error",
                "betti_matching_error",
                "hausdorff_distance",
                "dice_of_input",
                "betti_matching_error_of_input",
            ],
        }
    }

    /// Score by which checkpoints are compared; higher is better.
    pub fn score(self, metrics: &Metrics) -> f64 {
        let first = metrics.first().map_or(f64::NAN, |(_, value)| *value);
        self.metric_from_score(first)
    }

    /// Converts a score to the first metric, or the metric to the score: the conversion is its own inverse.
    pub(crate) fn metric_from_score(self, score: f64) -> f64 {
        match self {
            Self::Classify | Self::ClassifyFrames | Self::PredictMask => score,
            Self::PredictNextFrame | Self::Generate => -score,
        }
    }

    /// Unit of the loss.
    pub fn loss_unit(self) -> &'static str {
        match self {
            Self::Classify | Self::ClassifyFrames => "nats",
            Self::PredictNextFrame => "squared pixel values",
            Self::Generate => "squared velocities",
            Self::PredictMask => "nats per pixel",
        }
    }

    /// Targets that the model output is compared with: class probabilities (repeated for every frame if frames are
    /// classified), the frames that follow, or the mask. Those of a generator are in its `FlowBatch`.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    /// - `classes`: `[batch_size, n_classes]`
    /// - output: the shape of the model output
    pub(crate) fn targets(self, clips: &Tensor<5>, classes: Tensor<2>) -> Tensor<2> {
        let [batch_size, n_frames, n_channels, height, width] = clips.dims();
        match self {
            Self::Classify | Self::Generate => classes,
            Self::ClassifyFrames => {
                let n_classes = classes.dims()[1];
                let per_frame = classes.unsqueeze_dim::<3>(1).repeat_dim(1, n_frames);
                per_frame.reshape([batch_size * n_frames, n_classes])
            }
            Self::PredictNextFrame | Self::PredictMask => clips
                .clone()
                .slice_dim(1, 1..n_frames)
                .reshape([batch_size * (n_frames - 1), n_channels * height * width]),
        }
    }

    /// Mean loss of a batch: cross-entropy in nats of classes or of the pixels of masks, or the mean squared error of
    /// pixels between 0 and 1 or of velocities.
    pub(crate) fn loss(self, output: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Classify | Self::ClassifyFrames => soft_cross_entropy(output, targets),
            // The model's pixels range over [-1, 1], not [0, 1], so squared errors are four times as large.
            Self::PredictNextFrame => (output - targets).square().mean() / 4.0,
            // In the units of the flow, whose noise has the variance 1.
            Self::Generate => (output - targets).square().mean(),
            Self::PredictMask => pixel_cross_entropy(output, targets).mean(),
        }
    }

    /// Loss of each sample, `[n_samples]`; the mean over samples equals [`Task::loss`].
    pub(crate) fn sample_losses(
        self,
        output: Tensor<2>,
        targets: Tensor<2>,
        n_samples: usize,
    ) -> Tensor<1> {
        let row_losses = match self {
            Self::Classify | Self::ClassifyFrames => {
                (log_softmax(output, 1) * targets).sum_dim(1).neg()
            }
            Self::PredictNextFrame => (output - targets).square().mean_dim(1) / 4.0,
            Self::Generate => (output - targets).square().mean_dim(1),
            Self::PredictMask => pixel_cross_entropy(output, targets).mean_dim(1),
        };
        let n_rows = row_losses.dims()[0];
        row_losses
            .reshape([n_samples, n_rows / n_samples])
            .mean_dim(1)
            .squeeze_dim(1)
    }
}

/// Cross-entropy of each pixel of a mask, in nats.
///
/// ```text
/// -p ln q - (1 - p) ln(1 - q) = max(x, 0) - p x + ln(1 + exp(-|x|)),  q = 1 / (1 + exp(-x))
/// ```
///
/// # Shapes
///
/// - `logits`: `x`, `[n_samples, n_pixels]`
/// - `targets`: pixels in `[-1, 1]`, from which `p = (1 + target) / 2`, of the same shape
fn pixel_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<2> {
    let p = targets * 0.5 + 0.5;
    // The form without overflow for logits of any size.
    let softplus = logits.clone().abs().neg().exp().log1p();
    relu(logits.clone()) - p * logits + softplus
}

/// Threshold above which a pixel is foreground.
const MASK_THRESHOLD: f32 = 0.5;

/// Running sums of the task metrics over samples.
#[derive(Debug, Clone)]
pub(super) struct TaskScores {
    task: Task,
    spec: SampleSpec,
    sums: Vec<f64>,
    n_samples: usize,
}

impl TaskScores {
    /// Creates empty sums.
    pub(super) fn new(task: Task, spec: SampleSpec) -> Self {
        Self {
            task,
            spec,
            sums: vec![0.0; task.metrics().len()],
            n_samples: 0,
        }
    }

    /// Adds the model output of one sample: class scores of the sample or of every frame, predicted frames with pixels
    /// between -1 and 1, or the logits of a mask.
    pub(super) fn add(&mut self, sample: &Sample, output: &[f32]) {
        let values = match self.task {
            Task::Classify | Task::ClassifyFrames => self.class_metrics(sample.label, output),
            Task::PredictNextFrame => {
                self.frame_metrics(&sample.pixels, &self.task.as_pixels(output))
            }
            Task::PredictMask => self.mask_metrics(&sample.pixels, &self.task.as_pixels(output)),
            // `FlowScores` has the metrics of a generator.
            Task::Generate => Vec::new(),
        };
        self.n_samples += 1;
        for (sum, value) in self.sums.iter_mut().zip(values) {
            *sum += value;
        }
    }

    /// Means of the metrics over the samples added so far.
    pub(super) fn metrics(&self) -> Metrics {
        // Without samples the means are 0, not NaN.
        let n = self.n_samples.max(1) as f64;
        self.task
            .metrics()
            .iter()
            .zip(&self.sums)
            .map(|(name, sum)| (*name, sum / n))
            .collect()
    }

    /// Accuracy over the rows of one sample, and the flip rate.
    fn class_metrics(&self, label: usize, output: &[f32]) -> Vec<f64> {
        let rows = output.chunks_exact(self.spec.n_classes);
        let classes: Vec<usize> = rows.map(most_probable).collect();
        let n_correct = classes.iter().filter(|&&class| class == label).count();
        // A single row has no flip rate; for `Classify` the shorter `sums` drop the 0.
        vec![
            n_correct as f64 / classes.len().max(1) as f64,
            flip_rate(&classes).unwrap_or_default(),
        ]
    }

    /// Metrics of the predicted mask of one sample, and two of them for the image itself as a mask.
    fn mask_metrics(&self, pixels: &[f32], predicted: &[f32]) -> Vec<f64> {
        let shape = [self.spec.n_channels * self.spec.height, self.spec.width];
        let mask = |pixels: &[f32]| Mask::above(pixels, shape, MASK_THRESHOLD);
        let (image, truth) = pixels.split_at(self.spec.frame_len());
        let [image, truth, predicted] = [image, truth, predicted].map(mask);
        let [h0_error, h1_error] = betti_errors(&predicted, &truth).map(|error| error as f64);
        vec![
            dice(&predicted, &truth),
            centerline_dice(&predicted, &truth),
            h0_error,
            h1_error,
            betti_matching_error(&predicted, &truth) as f64,
            hausdorff_distance(&predicted, &truth),
            dice(&image, &truth),
            betti_matching_error(&image, &truth) as f64,
        ]
    }

    /// Errors and structural similarities of three predictors of the third and later frames: the model, a copy of
    /// the frame before, and the extrapolation `2 x_t - x_{t-1}` clamped to `[0, 1]`.
    fn frame_metrics(&self, pixels: &[f32], predicted: &[f32]) -> Vec<f64> {
        let size = self.spec.frame_len();
        let shape = [self.spec.height, self.spec.width];
        let frames: Vec<&[f32]> = pixels.chunks_exact(size).collect();
        let mut sums = vec![0.0; 6];
        let n_predicted = frames.len().saturating_sub(2);
        // Extrapolation needs two frames, so the first two are left out for all predictors.
        for next in 2..frames.len() {
            // Nothing is predicted for the first frame, so predictions lie one position earlier than their frames.
            let prediction = &predicted[(next - 1) * size..][..size];
            let pairs = frames[next - 1].iter().zip(frames[next - 2]);
            let extrapolation: Vec<f32> = pairs
                .map(|(last, before)| (2.0 * last - before).clamp(0.0, 1.0))
                .collect();
            let predictors = [prediction, frames[next - 1], &extrapolation];
            for (sums, frame) in sums.chunks_exact_mut(2).zip(predictors) {
                sums[0] += mean_squared_error(frame, frames[next]) / n_predicted as f64;
                sums[1] += structural_similarity(frame, frames[next], shape) / n_predicted as f64;
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
    fn accuracy_and_flip_rate_are_means_over_samples() {
        let mut score = TaskScores::new(Task::ClassifyFrames, SPEC);
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
    fn extrapolation_is_exact_for_a_linear_change() {
        // Brightness rises by 0.1 from frame to frame: extrapolation is exact, copying is off by 0.1.
        let pixels: Vec<f32> = (0..8).map(|k| 0.1 * (k / 2) as f32).collect();
        let sample = Sample::new(pixels, 0);
        let mut score = TaskScores::new(Task::PredictNextFrame, SPEC);
        let predicted = [0.1, 0.2, 0.3].map(|brightness: f32| [2.0 * brightness - 1.0; 2]);
        score.add(&sample, predicted.as_flattened());
        let metrics = score.metrics();
        let value = |name| {
            metrics
                .iter()
                .find(|(candidate, _)| *candidate == name)
                .unwrap()
                .1
        };
        assert!(value("mse") < 1e-12 && value("mse_extrapolation") < 1e-12);
        assert!((value("mse_copy_last") - 0.01).abs() < 1e-7);
        assert!(value("ssim") > 0.999 && value("ssim_copy_last") < value("ssim"));
        assert!(Task::PredictNextFrame.score(&metrics) > -1e-12);
    }
}
