//! Images and clips with their labels, and matrices from files. Nothing here knows of topology.

mod attack;
mod augment;
mod batch;
mod cifar;
mod class_folder;
mod clip;
mod corruption;
mod digits;
#[cfg(feature = "download")]
mod download;
mod few;
mod idx;
mod image_file;
mod image_folder;
mod judged;
mod matrix_file;
mod mixup;
mod moving_digits;
mod open;
mod packed;
mod perturbation;
mod split;
mod targets;

use std::sync::Arc;

pub use attack::Attack;
pub use augment::Augment;
pub use batch::{Batch, SampleBatcher, epoch_order, random_stream};
pub use clip::{ClipCut, ClipFolder, Crop, clips_in, read_clip};
pub use corruption::{Corruption, N_SEVERITIES, add_noise};
pub use digits::{DIGITS_SPEC, digits};
pub use few::{few_of_each_class, first_samples};
pub use image_file::{Scaling, read_image, read_image_scaled};
pub use judged::JudgedFrames;
pub use matrix_file::{Matrices, MatrixValues, read_matrices};
pub use mixup::{mixup, mixup_stream};
pub use moving_digits::{ClipKind, MovingDigits};
pub use open::{DataSpec, MNIST_WITHOUT_PATH, open_data};
pub use perturbation::Perturbation;
pub use targets::{MixedLabel, soft_targets};

use burn::data::dataset::Dataset;

/// One image, or one clip of several frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Pixels in `[0, 1]`, frame by frame, channel by channel, row by row.
    pub pixels: Vec<f32>,
    /// Class, counted from 0.
    pub label: usize,
    /// What is known of it beside its class.
    pub truth: Option<Arc<ClipTruth>>,
}

impl Sample {
    /// A sample of which nothing but its class is known.
    pub fn new(pixels: Vec<f32>, label: usize) -> Self {
        Self {
            pixels,
            label,
            truth: None,
        }
    }
}

/// What is known of a clip that was made rather than filmed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipTruth {
    /// What is seen at each pixel: 0 the background, k the k-th object. `[n_frames, height, width]`
    pub masks: Vec<u8>,
    /// Where what is seen at a pixel goes by the next frame, in pixels, rows then columns:
    /// `[n_frames - 1, 2, height, width]`; 0 for the background.
    pub flow: Vec<f32>,
    /// Whether what is seen at a pixel is seen in the next frame too (not covered, not out of the
    /// frame, not vanished): `[n_frames - 1, height, width]`; the background counts as seen where the
    /// next frame shows background there.
    pub is_seen_next: Vec<bool>,
    /// Components and holes of the foreground (all objects together) of each frame, as a union of
    /// closed pixels: 8-connected foreground, 4-connected background. `[n_frames]`
    pub betti: Vec<[usize; 2]>,
}

/// What all samples of a data set have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleSpec {
    /// Number of frames; 1 for images.
    pub n_frames: usize,
    /// Number of channels.
    pub n_channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Number of classes.
    pub n_classes: usize,
}

impl SampleSpec {
    /// Numbers in a frame.
    pub fn frame_len(self) -> usize {
        self.n_channels * self.height * self.width
    }
}

/// Samples in memory, or made or decoded whenever one is asked for.
pub type Samples = Arc<dyn Dataset<Sample>>;

/// A data set, cut once and for all.
pub struct Splits {
    /// Shape of the samples.
    pub spec: SampleSpec,
    /// What is learned from.
    pub train: Samples,
    /// What choices are made on.
    pub validation: Samples,
    /// What is reported; it chooses nothing.
    pub test: Samples,
    /// SHA-256 of the source, in hexadecimal: of the files' bytes, one file after the other and
    /// decompressed; for folders, which are not read whole, of every file's path and size.
    pub sha256: String,
    /// What is to be said of samples that were left out because they cannot be read.
    pub unreadable: Vec<String>,
}
