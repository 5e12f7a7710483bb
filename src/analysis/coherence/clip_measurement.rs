//! Measurement of a model on one clip.

use rayon::prelude::*;

use super::frame_bars::{FRAME_BAR_METRICS, FrameBars};
use super::frame_distances::{FRAME_DISTANCE_METRICS, MAX_GAP, Step, by_gap, layer_distances};
use super::frame_events::EventComparison;
use super::suite::SuiteClip;
use crate::data::{PredictedFrames, SampleSpec};
use crate::error::Result;
use crate::loss::AttentionTopology;
use crate::video_metrics::{
    FrameFeatures, Frames, GroundTruth, Motion, OpticalFlow, class_metrics, frame_metrics,
    optical_flow, prediction_distance,
};

/// Output of a model on one clip.
pub(super) enum ClipOutput<'a> {
    /// Class probabilities: `[n_rows, n_classes]`, with one row for the clip or for each frame.
    Classes(&'a [f32]),
    /// Predicted frames.
    Frames {
        /// Pixels in `[0, 1]`, from the second frame on.
        pixels: Vec<f32>,
        /// Features of the frames that are evaluated; `None` without an encoder.
        features: Option<ClipFeatures<'a>>,
    },
}

/// Features of the frames of one clip that are evaluated.
pub(super) struct ClipFeatures<'a> {
    /// Features of the predicted frames.
    pub(super) predicted: Vec<Vec<f64>>,
    /// Features of the true frames.
    pub(super) truth: FrameFeatures<'a>,
}

/// Output of a model on a clip that the report shows.
#[derive(Debug, Clone)]
pub struct ReportedClip {
    /// Index of the clip in the suite.
    pub index: usize,
    /// Class probabilities, `[n_rows, n_classes]`, with one row for the clip or for each frame; empty for predictors.
    pub probabilities: Vec<f64>,
    /// Predicted frames from the second on, pixels in `[0, 1]`; empty for classifiers.
    pub predicted: Vec<f32>,
    /// Topology of the attention, by layer and time step; `None` where too little attention stays within the frame.
    pub layers: Vec<Vec<Option<AttentionTopology>>>,
    /// Normalised distance to the next time step, by layer, homology dimension and time step.
    pub distances: Vec<[Vec<Option<f64>>; 2]>,
}

/// Values, curves and output of a model on one clip.
pub(super) struct ClipMeasurement {
    /// Values by metric; `None` where a metric is not defined.
    pub(super) values: Vec<Option<f64>>,
    /// Values of the true frames; `None` for classifiers.
    pub(super) truth: Option<Vec<Option<f64>>>,
    /// Similarity of predicted frames, or distance of predictions, by gap.
    pub(super) output_gaps: Vec<Option<f64>>,
    /// Similarity of true frames by gap; empty for classifiers.
    pub(super) truth_gaps: Vec<Option<f64>>,
    /// Distance of attention diagrams, by homology dimension and gap.
    pub(super) topology_gaps: [Vec<Option<f64>>; 2],
    /// Events of predicted and of true frames; `None` without a margin for bars.
    pub(super) events: Option<EventComparison>,
    /// Output of the model, for the report.
    pub(super) output: ReportedClip,
}

impl ClipMeasurement {
    /// Measures the output of a model and the topology of its attention.
    ///
    /// `margin` is the persistence from which bars of frames count; without it there are no metrics by bars.
    pub(super) fn new(
        spec: SampleSpec,
        clip: &SuiteClip,
        output: ClipOutput<'_>,
        layers: Vec<Vec<Step>>,
        margin: Option<f64>,
    ) -> Result<Self> {
        let distances = layer_distances(&layers)?;
        let mut measurement = Self {
            values: Vec::new(),
            truth: None,
            output_gaps: Vec::new(),
            truth_gaps: Vec::new(),
            topology_gaps: [0, 1].map(|dim| by_gap(&distances, dim)),
            events: None,
            output: ReportedClip {
                // Set later: a clip does not know its place in the suite.
                index: 0,
                probabilities: Vec::new(),
                predicted: Vec::new(),
                distances: distances
                    .iter()
                    .map(|layer| [0, 1].map(|dim| layer.to_next(dim)))
                    .collect(),
                layers,
            },
        };
        match output {
            ClipOutput::Classes(rows) => measurement.add_classes(spec, clip, rows),
            ClipOutput::Frames { pixels, features } => {
                measurement.add_frames(spec, clip, pixels, features.as_ref(), margin);
            }
        }
        // Appended after the metrics of the task, in the order of `Measurement::metrics`.
        let frame_distances = measurement
            .topology_gaps
            .each_ref()
            .map(|gaps| gaps.first().copied().flatten());
        measurement.values.extend(frame_distances);
        Ok(measurement)
    }

    /// Adds the metrics of class probabilities.
    fn add_classes(&mut self, spec: SampleSpec, clip: &SuiteClip, rows: &[f32]) {
        let probabilities: Vec<f64> = rows.iter().map(|&p| f64::from(p)).collect();
        let values = class_metrics(&probabilities, spec.n_classes, clip.label);
        let n_rows = probabilities.len() / spec.n_classes;
        // The metrics after accuracy compare frames, which needs more than one row.
        let n_values = if n_rows == 1 { 1 } else { values.len() };
        self.values.extend(&values[..n_values]);
        let gaps = 1..n_rows.min(MAX_GAP + 1);
        self.output_gaps = gaps
            .map(|gap| prediction_distance(&probabilities, spec.n_classes, gap))
            .collect();
        self.output.probabilities = probabilities;
    }

    /// Computes the metrics of predicted frames by bars, which follow those of [`add_frames`](Self::add_frames).
    fn bar_metrics(
        &mut self,
        PredictedFrames {
            predicted,
            true_frames,
            ground_truth,
        }: PredictedFrames<'_>,
        margin: Option<f64>,
    ) -> [Vec<Option<f64>>; 2] {
        let (Some(margin), Some(betti)) = (margin, ground_truth.betti) else {
            return [0, 1].map(|_| vec![None; FRAME_BAR_METRICS.len()]);
        };
        let [predicted, truth] =
            [&predicted, &true_frames].map(|frames| FrameBars::new(frames, margin));
        self.events = Some(predicted.compare(&truth));
        [&predicted, &truth].map(|bars| bars.metrics(&truth, betti))
    }

    /// Adds the metrics of predicted frames.
    fn add_frames(
        &mut self,
        spec: SampleSpec,
        clip: &SuiteClip,
        predicted: Vec<f32>,
        features: Option<&ClipFeatures<'_>>,
        margin: Option<f64>,
    ) {
        let frames = PredictedFrames::new(&clip.sample, spec, &predicted);
        let [bars, true_bars] = self.bar_metrics(frames, margin);
        let PredictedFrames {
            predicted: predicted_frames,
            true_frames,
            ground_truth,
        } = frames;
        // Clips from files come without motion, which is then estimated from the true frames.
        let flow = match ground_truth.motion {
            Some(_) => OpticalFlow {
                displacements: Vec::new(),
                is_visible_next: Vec::new(),
            },
            None => estimated_motion(&true_frames),
        };
        let estimated = Motion::new(
            &flow.displacements,
            &flow.is_visible_next,
            [spec.height, spec.width],
        );
        let ground_truth = GroundTruth {
            motion: Some(ground_truth.motion.unwrap_or(estimated))
                // With a single predicted frame there is no pair, and metrics of motion are not defined.
                .filter(|motion| motion.n_pairs() > 0),
            betti: ground_truth.betti,
        };
        let [predicted_features, true_features] = match features {
            Some(ClipFeatures { predicted, truth }) => {
                let center = truth.center;
                let features = predicted;
                [Some(FrameFeatures { features, center }), Some(*truth)]
            }
            None => [None; 2],
        };
        self.values.extend(frame_metrics(
            &predicted_frames,
            &true_frames,
            &ground_truth,
            predicted_features,
        ));
        self.values.extend(bars);
        // The Betti numbers of the true frames are known, so measuring them from brightness would only add errors.
        let without_betti = GroundTruth {
            betti: None,
            ..ground_truth
        };
        let truth = frame_metrics(&true_frames, &true_frames, &without_betti, true_features);
        self.truth = Some([&truth[..], &true_bars].concat());
        let by_gap = |features: Option<FrameFeatures<'_>>| -> Vec<Option<f64>> {
            let gaps = 1..true_frames.len().min(MAX_GAP + 1);
            gaps.map(|gap| features.and_then(|features| features.consistency(gap)))
                .collect()
        };
        self.output_gaps = by_gap(predicted_features);
        self.truth_gaps = by_gap(true_features);
        self.output.predicted = predicted;
    }

    /// True if the model predicts one class for the whole clip.
    pub(super) fn is_one_row(&self) -> bool {
        self.values.len() == 1 + FRAME_DISTANCE_METRICS.len()
    }

    /// Returns the measurement without frames and diagrams, which take most of the memory.
    pub(super) fn without_frames(mut self) -> Self {
        // Probabilities are kept: the guards need the predicted classes of all clips.
        self.output.layers = Vec::new();
        self.output.predicted = Vec::new();
        self.output.distances = Vec::new();
        self
    }
}

/// Returns the optical flow between all consecutive true frames, one pair after another.
fn estimated_motion(true_frames: &Frames<'_>) -> OpticalFlow {
    let pairs: Vec<(&[f32], &[f32])> = true_frames.iter().zip(true_frames.iter().skip(1)).collect();
    let flows: Vec<OpticalFlow> = pairs
        .into_par_iter()
        .map(|(now, next)| optical_flow([now, next], true_frames.shape()))
        .collect();
    let (displacements, is_visible_next): (Vec<Vec<f32>>, Vec<Vec<bool>>) = flows
        .into_iter()
        .map(|flow| (flow.displacements, flow.is_visible_next))
        .unzip();
    OpticalFlow {
        displacements: displacements.concat(),
        is_visible_next: is_visible_next.concat(),
    }
}
