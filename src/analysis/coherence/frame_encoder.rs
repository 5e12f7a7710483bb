//! Encoders of frames, and the features of the true frames of a suite.

use rayon::prelude::*;
use serde_json::{Value, json};

use super::pretrained_encoder::PretrainedEncoder;
use super::suite::Suite;
use crate::choice::word;
use crate::data::PredictedFrames;
use crate::error::Result;
use crate::video_metrics::{FrameFeatures, Frames, RandomFilters};

/// Encoder of frames, whose features tell how alike two frames are.
#[derive(Debug, Clone, Default)]
pub enum FrameEncoder {
    /// Fixed random filters: features of edges and blobs, not of what a frame shows.
    #[default]
    RandomFilters,
    /// Pretrained model for images.
    Pretrained(Box<PretrainedEncoder>),
}

impl FrameEncoder {
    /// Describes the encoder and its features in words.
    pub fn description(&self) -> String {
        match self {
            Self::RandomFilters => {
                "fixed random filters, which see edges and blobs and not what a frame shows"
                    .to_owned()
            }
            Self::Pretrained(encoder) => {
                let [height, width] = encoder.image_size();
                format!(
                    "the pretrained weights {} ({}), pooling {}, frames scaled and cropped to {height} by {width} pixels",
                    encoder.path().display(),
                    encoder.family(),
                    word(&encoder.pooling())
                )
            }
        }
    }

    /// Returns the description as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::RandomFilters => json!({ "kind": "random_filters" }),
            Self::Pretrained(encoder) => json!({
                "kind": "pretrained",
                "weights": encoder.path().display().to_string(),
                "family": encoder.family(),
                "pooling": encoder.pooling(),
                "image_size": encoder.image_size(),
            }),
        }
    }

    /// Computes the features of frames: `[n_frames][n_features]`; `progress` is called with the number of frames done.
    ///
    /// # Errors
    ///
    /// [`Error::is_device_error`](crate::Error::is_device_error) if the features of a pretrained model cannot be read
    /// from their device.
    fn features(
        &self,
        frames: &[&[f32]],
        shape: [usize; 3],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<f64>>> {
        match self {
            Self::RandomFilters => {
                let filters = RandomFilters::new(shape[0]);
                let features = frames
                    .par_iter()
                    .flat_map_iter(|frame| filters.features(&Frames::new(frame, shape)))
                    .collect();
                progress(frames.len());
                Ok(features)
            }
            Self::Pretrained(encoder) => encoder.features(frames, shape, progress),
        }
    }
}

/// An encoder, and the features of all true frames of a suite.
///
/// They are computed once for all runs that are measured on the suite.
#[derive(Debug, Clone)]
pub struct SuiteFeatures {
    encoder: FrameEncoder,
    /// Features of the frames of each clip.
    by_clip: Vec<Vec<Vec<f64>>>,
    /// Mean over all frames.
    center: Vec<f64>,
}

impl SuiteFeatures {
    /// Encodes all true frames of a suite; `progress` is called with the number of frames done.
    ///
    /// # Errors
    ///
    /// [`Error::is_device_error`](crate::Error::is_device_error) if the features of a pretrained model cannot be read
    /// from their device.
    ///
    /// # Cost
    ///
    /// One forward pass of a pretrained encoder over each frame, 16 frames at a time. The features stay in memory:
    /// 8 bytes for each of them.
    pub fn new(
        encoder: FrameEncoder,
        suite: &Suite,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Self> {
        let frames: Vec<&[f32]> = suite
            .clips
            .iter()
            .flat_map(|clip| clip.sample.pixels.chunks_exact(suite.spec.frame_len()))
            .collect();
        let features = encoder.features(&frames, frame_shape(suite), progress)?;
        let n_features = features.first().map_or(0, Vec::len);
        let center = (0..n_features).map(|k| {
            let sum: f64 = features.iter().map(|features| features[k]).sum();
            sum / features.len() as f64
        });
        Ok(Self {
            center: center.collect(),
            by_clip: features
                .chunks(suite.spec.n_frames)
                .map(<[Vec<f64>]>::to_vec)
                .collect(),
            encoder,
        })
    }

    /// Encoder that computed the features.
    pub fn encoder(&self) -> &FrameEncoder {
        &self.encoder
    }

    /// Returns the features of the true frames of a clip that are evaluated.
    pub(super) fn of_clip(&self, index: usize) -> FrameFeatures<'_> {
        FrameFeatures {
            features: &self.by_clip[index][PredictedFrames::N_CONTEXT..],
            center: &self.center,
        }
    }

    /// Encodes the frames that a model predicted for a clip, from the second frame on; those that are not evaluated
    /// are left out.
    ///
    /// # Errors
    ///
    /// Those of [`Self::new`].
    pub(super) fn of_predicted(&self, suite: &Suite, predicted: &[f32]) -> Result<Vec<Vec<f64>>> {
        let frames: Vec<&[f32]> = predicted
            .chunks_exact(suite.spec.frame_len())
            // Predictions begin with the second frame, so one fewer of them is skipped.
            .skip(PredictedFrames::N_CONTEXT - 1)
            .collect();
        self.encoder
            .features(&frames, frame_shape(suite), &mut |_n_frames| {})
    }
}

/// Shape of a frame: `[n_channels, height, width]`.
fn frame_shape(suite: &Suite) -> [usize; 3] {
    [suite.spec.n_channels, suite.spec.height, suite.spec.width]
}
