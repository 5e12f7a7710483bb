//! Data sets of images and clips, their augmentation and perturbation, and matrices from files.

mod attack;
mod augment;
mod batch;
mod caption;
mod cifar;
mod class_folder;
mod clip;
mod content_digest;
mod corruption;
mod cutmix;
mod damaged_glyphs;
mod data_spec;
mod decoding;
mod digits;
#[cfg(feature = "download")]
mod download;
mod find_samples;
mod idx;
mod image_file;
mod image_folder;
mod matrix_file;
mod mixup;
mod moving_digits;
mod noising;
mod packed;
mod passed_over;
mod perturbation;
mod predicted_frames;
mod prepared_image;
mod random_stream;
mod resize;
mod sample_files;
mod sample_set;
mod scaled;
mod split;
mod spread;
mod subset;
mod targets;
mod user_cache;

use std::sync::Arc;

pub use attack::Attack;
pub use augment::{Augment, ColorJitter, RandAugment};
pub use batch::{Batch, SampleBatcher, epoch_order};
pub use caption::{Caption, HeldOut, Vocabulary};
pub use class_folder::count_classes;
pub use clip::{ClipFolder, ClipSampling, Crop, ListedClip, ListedClips, list_clips, read_clip};
pub use corruption::{Corruption, N_SEVERITIES, add_noise};
pub use cutmix::Mixing;
pub use damaged_glyphs::DamagedGlyphs;
pub use data_spec::{DataSpec, MNIST_WITHOUT_PATH, open_data, open_data_as};
pub use digits::{DIGITS_SPEC, digits};
pub use find_samples::{FoundSamples, find_samples};
pub use image_file::{read_grey_image, read_image};
pub use matrix_file::{Matrices, MatrixValues, read_matrices};
pub(crate) use matrix_file::{check_header, shape_of_array};
pub use moving_digits::{ClipKind, DigitCaptions, MovingDigits, Partners};
pub use noising::{
    EVALUATION_LEVELS, Levels, Noising, evaluation_noise, generation_noise, training_noise,
};
pub use perturbation::Perturbation;
pub use predicted_frames::PredictedFrames;
pub use prepared_image::{Preparation, Scaling, prepared_image, read_prepared_image};
pub use random_stream::random_stream;
pub use resize::Filter;
pub use sample_set::{SampleSet, Samples};
pub use spread::{spread_first, spread_in_class, spread_indices, spread_samples};
pub use subset::subset_per_class;
pub use targets::{MixedLabel, soft_targets};

/// One image, or one clip of several frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Pixels in `[0, 1]`, frame by frame, channel by channel, row by row.
    pub pixels: Vec<f32>,
    /// True class, counted from 0.
    pub label: usize,
    /// Masks, motion and topology of a generated clip; `None` for images and filmed clips.
    pub truth: Option<Arc<ClipTruth>>,
    /// What a clip shows, in words; `None` for samples without a caption.
    pub caption: Option<Arc<Caption>>,
}

impl Sample {
    /// Creates a sample whose only ground truth is its label, without a caption.
    pub fn new(pixels: Vec<f32>, label: usize) -> Self {
        Self {
            pixels,
            label,
            truth: None,
            caption: None,
        }
    }
}

/// Ground truth of a generated clip: masks, optical flow and Betti numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipTruth {
    /// Index of the object at each pixel, 0 for the background: `[n_frames, height, width]`.
    pub masks: Vec<u8>,
    /// Displacement of each pixel's content to the next frame, in pixels, rows then columns:
    /// `[n_frames - 1, 2, height, width]`; 0 for the background.
    pub flow: Vec<f32>,
    /// True where a pixel's content is visible in the next frame: `[n_frames - 1, height, width]`.
    ///
    /// It is not visible there if it is covered, leaves the frame or disappears. Background is visible
    /// where the next frame has background at the same pixel.
    pub is_visible_next: Vec<bool>,
    /// Numbers of components and holes of the foreground (all objects together) of each frame:
    /// `[n_frames]`.
    ///
    /// The foreground is a union of closed pixels: it is 8-connected, and the background 4-connected.
    pub betti: Vec<[usize; 2]>,
}

/// Shape that all samples of a data set share, and the number of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleSpec {
    /// Number of frames of a sample; 1 for images.
    pub n_frames: usize,
    /// Number of channels: 1 for grey, 3 for red, green and blue.
    pub n_channels: usize,
    /// Height of a frame, in pixels.
    pub height: usize,
    /// Width of a frame, in pixels.
    pub width: usize,
    /// Number of classes.
    pub n_classes: usize,
}

impl SampleSpec {
    /// Number of values in a frame: `n_channels * height * width`.
    pub fn frame_len(self) -> usize {
        self.n_channels * self.height * self.width
    }
}

/// Names of classes that have none: their numbers, counted from 0.
pub(crate) fn numbered_classes(n_classes: usize) -> Vec<String> {
    (0..n_classes).map(|class| class.to_string()).collect()
}

/// Training, validation and test split of a data set, the same for every seed.
pub struct Splits {
    /// Shape of the samples, and number of classes.
    pub spec: SampleSpec,
    /// Training split.
    pub train: Samples,
    /// Validation split, which selects checkpoints and hyperparameters.
    pub validation: Samples,
    /// Test split, on which final metrics are measured and nothing is selected.
    pub test: Samples,
    /// Name of each class, by label: the names of folders, those in the files of the data set, or numbers.
    pub classes: Vec<String>,
    /// Digest of the data set: SHA-256 in hexadecimal.
    ///
    /// It is taken over the decompressed bytes of the files, one after the other; for the embedded digits,
    /// over the compressed file; for folders, over the path and the content of every file; for pictures that are made
    /// without any file, over the version of the code that makes them.
    pub sha256: String,
    /// One sentence for each kind of thing that was passed over or left out when the data set was opened: files
    /// that are not samples, samples that cannot be read, classes that a split lacks.
    pub notes: Vec<String>,
}
