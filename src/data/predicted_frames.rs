//! Predicted frames together with the true frames and their ground truth.

use super::{Sample, SampleSpec};
use crate::video_metrics::{Frames, GroundTruth, Motion};

/// Frames that a model predicted for a clip, with the true frames, from the third frame on.
///
/// A motion can be predicted only after two frames, so the prediction of the second frame is left out.
#[derive(Debug, Clone, Copy)]
pub struct PredictedFrames<'a> {
    /// Predicted frames.
    pub predicted: Frames<'a>,
    /// True frames of the same times.
    pub true_frames: Frames<'a>,
    /// Motion and Betti numbers of the true frames of a generated clip; empty for a filmed clip.
    pub ground_truth: GroundTruth<'a>,
}

impl<'a> PredictedFrames<'a> {
    /// Number of frames before the first predicted frame that is evaluated.
    pub const N_CONTEXT: usize = 2;

    /// Pairs the frames predicted for a clip, from its second frame on, with the true ones.
    ///
    /// # Shapes
    ///
    /// - `predicted`: `[n_frames - 1, n_channels, height, width]`, pixels in `[0, 1]`
    ///
    /// # Panics
    ///
    /// If the clip has fewer than two frames, or `predicted` does not have one frame fewer than the clip.
    pub fn new(sample: &'a Sample, spec: SampleSpec, predicted: &'a [f32]) -> Self {
        let shape = [spec.n_channels, spec.height, spec.width];
        let true_frames = Frames::new(&sample.pixels, shape).starting_at(Self::N_CONTEXT);
        // Predictions begin with the second frame, so one fewer of them is skipped.
        let predicted = Frames::new(predicted, shape).starting_at(Self::N_CONTEXT - 1);
        assert_eq!(
            predicted.len(),
            true_frames.len(),
            "numbers of predicted and of true frames differ"
        );
        let ground_truth = match &sample.truth {
            // Motion needs a pair of frames after the context.
            Some(clip) if true_frames.len() > 1 => {
                let frame = [spec.height, spec.width];
                let motion = Motion::new(&clip.flow, &clip.is_visible_next, frame);
                GroundTruth {
                    motion: Some(motion.starting_at(Self::N_CONTEXT)),
                    betti: Some(&clip.betti[Self::N_CONTEXT..]),
                }
            }
            _ => GroundTruth::default(),
        };
        Self {
            predicted,
            true_frames,
            ground_truth,
        }
    }
}
