//! Predicted frames beside the true ones.

use super::{Sample, SampleSpec};
use crate::coherence::{Frames, Known, Motion};

/// Frames that a model predicted of a clip, those that they should be, and what is known of them: from the
/// third frame on, as two show the motion.
#[derive(Debug, Clone, Copy)]
pub struct JudgedFrames<'a> {
    /// What was predicted.
    pub found: Frames<'a>,
    /// What should have been.
    pub truth: Frames<'a>,
    /// Motion and topology, where the clip was made rather than filmed.
    pub known: Known<'a>,
}

impl<'a> JudgedFrames<'a> {
    /// Frames that are given before the first that is judged.
    pub const N_GIVEN: usize = 2;

    /// Of a clip and the frames predicted of it, from the second one on.
    ///
    /// # Shapes
    ///
    /// - `predicted`: `[n_frames - 1, n_channels, height, width]`, pixels in `[0, 1]`
    ///
    /// # Panics
    ///
    /// If the clip has less than two frames, or `predicted` not one less.
    pub fn new(sample: &'a Sample, spec: SampleSpec, predicted: &'a [f32]) -> Self {
        let shape = [spec.n_channels, spec.height, spec.width];
        let truth = Frames::new(&sample.pixels, shape).from(Self::N_GIVEN);
        let found = Frames::new(predicted, shape).from(Self::N_GIVEN - 1);
        assert_eq!(found.len(), truth.len(), "frames predicted and true ones");
        let known = match &sample.truth {
            Some(known) if truth.len() > 1 => {
                let frame = [spec.height, spec.width];
                let motion = Motion::new(&known.flow, &known.is_seen_next, frame);
                Known {
                    motion: Some(motion.from(Self::N_GIVEN)),
                    betti: Some(&known.betti[Self::N_GIVEN..]),
                    encoder: None,
                }
            }
            _ => Known::default(),
        };
        Self {
            found,
            truth,
            known,
        }
    }
}
