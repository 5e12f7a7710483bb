//! What a model did on one clip.

use rayon::prelude::*;

use super::frame_distances::{MAX_GAP, Step, by_gap, distances_of};
use super::reading::{ShownClip, TRAINED};
use super::suite::{Suite, SuiteClip};
use crate::coherence::{
    Frames, FrozenEncoder, Known, Motion, of_classes, of_frames, optical_flow, prediction_distance,
};
use crate::data::{JudgedFrames, SampleSpec};
use crate::error::Result;
use crate::model::Task;

/// Frozen features, and their mean over the true frames of a suite.
pub(super) struct Encoder {
    encoder: FrozenEncoder,
    center: Vec<f64>,
}

impl Encoder {
    pub(super) fn of(suite: &Suite) -> Self {
        let encoder = FrozenEncoder::new(suite.spec.n_channels);
        let of_clips: Vec<Vec<Vec<f64>>> = suite
            .clips
            .par_iter()
            .map(|clip| encoder.features(&frames(&clip.sample.pixels, suite.spec)))
            .collect();
        let of_frames: Vec<&Vec<f64>> = of_clips.iter().flatten().collect();
        let n_features = of_frames.first().map_or(0, |features| features.len());
        let center = (0..n_features).map(|k| {
            let sum: f64 = of_frames.iter().map(|features| features[k]).sum();
            sum / of_frames.len() as f64
        });
        Self {
            center: center.collect(),
            encoder,
        }
    }
}

fn frames(pixels: &[f32], spec: SampleSpec) -> Frames<'_> {
    Frames::new(pixels, [spec.n_channels, spec.height, spec.width])
}

/// One clip.
pub(super) struct ClipReading {
    pub(super) values: Vec<Option<f64>>,
    pub(super) truth: Option<Vec<Option<f64>>>,
    pub(super) output_gaps: Vec<Option<f64>>,
    pub(super) truth_gaps: Vec<Option<f64>>,
    pub(super) topology_gaps: [Vec<Option<f64>>; 2],
    pub(super) shown: ShownClip,
}

impl ClipReading {
    pub(super) fn of(
        spec: SampleSpec,
        clip: &SuiteClip,
        rows: &[f32],
        encoder: Option<&Encoder>,
        layers: Vec<Vec<Step>>,
    ) -> Result<Self> {
        let distances = distances_of(&layers)?;
        let mut found = Self {
            values: Vec::new(),
            truth: None,
            output_gaps: Vec::new(),
            truth_gaps: Vec::new(),
            topology_gaps: [0, 1].map(|dim| by_gap(&distances, dim)),
            shown: ShownClip {
                index: 0,
                probabilities: Vec::new(),
                predicted: Vec::new(),
                distances: distances
                    .iter()
                    .map(|layer| [0, 1].map(|dim| layer.to_next(dim)))
                    .collect(),
                layers: layers
                    .into_iter()
                    .map(|steps| steps.into_iter().flatten().collect())
                    .collect(),
            },
        };
        match encoder {
            Some(encoder) => found.add_frames(spec, clip, Task::as_pixels(rows), encoder),
            None => found.add_classes(spec, clip, rows),
        }
        let trained = found
            .topology_gaps
            .each_ref()
            .map(|gaps| gaps.first().copied().flatten());
        found.values.extend(trained);
        Ok(found)
    }

    fn add_classes(&mut self, spec: SampleSpec, clip: &SuiteClip, rows: &[f32]) {
        let probabilities: Vec<f64> = rows.iter().map(|&p| f64::from(p)).collect();
        let values = of_classes(&probabilities, spec.n_classes, clip.label);
        let n_rows = probabilities.len() / spec.n_classes;
        let n_values = if n_rows == 1 { 1 } else { values.len() };
        self.values.extend(&values[..n_values]);
        let gaps = 1..n_rows.min(MAX_GAP + 1);
        self.output_gaps = gaps
            .map(|gap| prediction_distance(&probabilities, spec.n_classes, gap))
            .collect();
        self.shown.probabilities = probabilities;
    }

    fn add_frames(
        &mut self,
        spec: SampleSpec,
        clip: &SuiteClip,
        predicted: Vec<f32>,
        encoder: &Encoder,
    ) {
        let JudgedFrames {
            found,
            truth,
            known,
        } = JudgedFrames::new(&clip.sample, spec, &predicted);
        let (flow, is_seen) = match known.motion {
            Some(_) => (Vec::new(), Vec::new()),
            None => estimated_motion(&truth),
        };
        let estimated = Motion::new(&flow, &is_seen, [spec.height, spec.width]);
        let known = Known {
            motion: Some(known.motion.unwrap_or(estimated)).filter(|motion| motion.n_pairs() > 0),
            encoder: Some((&encoder.encoder, &encoder.center)),
            ..known
        };
        self.values.extend(of_frames(&found, &truth, &known));
        // The topology of the true frames is known, not told by their brightness.
        let of_truth = Known {
            betti: None,
            ..known
        };
        self.truth = Some(of_frames(&truth, &truth, &of_truth).to_vec());
        let by_gap = |frames: &Frames<'_>| -> Vec<Option<f64>> {
            let features = encoder.encoder.features(frames);
            let gaps = 1..features.len().min(MAX_GAP + 1);
            gaps.map(|gap| FrozenEncoder::consistency(&features, &encoder.center, gap))
                .collect()
        };
        self.output_gaps = by_gap(&found);
        self.truth_gaps = by_gap(&truth);
        self.shown.predicted = predicted;
    }

    /// Whether there is one class for the whole clip.
    pub(super) fn is_one_row(&self) -> bool {
        self.values.len() == 1 + TRAINED.len()
    }

    pub(super) fn without_pictures(mut self) -> Self {
        self.shown.layers = Vec::new();
        self.shown.predicted = Vec::new();
        self.shown.distances = Vec::new();
        self
    }
}

fn estimated_motion(truth: &Frames<'_>) -> (Vec<f32>, Vec<bool>) {
    let pairs: Vec<(&[f32], &[f32])> = truth.iter().zip(truth.iter().skip(1)).collect();
    let found: Vec<(Vec<f32>, Vec<bool>)> = pairs
        .into_par_iter()
        .map(|(now, next)| optical_flow([now, next], truth.shape()))
        .collect();
    let (flow, is_seen): (Vec<Vec<f32>>, Vec<Vec<bool>>) = found.into_iter().unzip();
    (flow.concat(), is_seen.concat())
}
