//! `[data]`: the data set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{ClipKind, Crop, Partners};

/// `[data]`: the data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawData {
    /// 1,797 handwritten digits of 8 by 8 pixels, embedded in the program.
    Digits {
        /// Mean of the pixels of each channel, from 0 to 1, which the model subtracts; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mean: Option<Vec<f64>>,
        /// Standard deviation of the pixels of each channel, by which the model divides; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        std: Option<Vec<f64>>,
    },
    /// MNIST, or a data set in the same file format, such as Fashion-MNIST.
    Mnist {
        /// Directory of the four IDX files, plain or compressed; absent: they are downloaded.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Fraction of every class of the training images that is set aside for validation.
        #[serde(default = "tenth")]
        validation_fraction: f64,
        /// Mean of the pixels of each channel, from 0 to 1, which the model subtracts; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mean: Option<Vec<f64>>,
        /// Standard deviation of the pixels of each channel, by which the model divides; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        std: Option<Vec<f64>>,
    },
    /// CIFAR-10.
    Cifar10 {
        /// Directory of the files of the binary version.
        path: String,
        /// Fraction of every class of the training images that is set aside for validation.
        #[serde(default = "tenth")]
        validation_fraction: f64,
        /// Mean of the pixels of each channel, from 0 to 1, which the model subtracts; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mean: Option<Vec<f64>>,
        /// Standard deviation of the pixels of each channel, by which the model divides; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        std: Option<Vec<f64>>,
    },
    /// CIFAR-100, with its 100 fine classes.
    Cifar100 {
        /// Directory of the files of the binary version.
        path: String,
        /// Fraction of every class of the training images that is set aside for validation.
        #[serde(default = "tenth")]
        validation_fraction: f64,
        /// Mean of the pixels of each channel, from 0 to 1, which the model subtracts; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mean: Option<Vec<f64>>,
        /// Standard deviation of the pixels of each channel, by which the model divides; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        std: Option<Vec<f64>>,
    },
    /// Image files in folders `<split>/<class>/`.
    ImageFolder {
        /// Directory with the folders `train` and `test`, and `val` or `validation` if there is one.
        path: String,
        /// Height and width that images are cropped and scaled to, in pixels.
        image_size: usize,
        /// Number of classes; absent: the folders in `train` are counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n_classes: Option<usize>,
        /// Fraction of every class of `train` that is set aside for validation; absent: there is a
        /// folder for validation.
        #[serde(skip_serializing_if = "Option::is_none")]
        validation_fraction: Option<f64>,
        /// Action for images that cannot be read.
        // Left out where it is the default, so that configurations from before this key keep their identity.
        #[serde(default, skip_serializing_if = "RawUnreadable::is_error")]
        unreadable: RawUnreadable,
        /// Mean of the pixels of each channel, from 0 to 1, which the model subtracts; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mean: Option<Vec<f64>>,
        /// Standard deviation of the pixels of each channel, by which the model divides; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        std: Option<Vec<f64>>,
    },
    /// Clips of the embedded digits, moving over a black frame, with known motion and topology.
    MovingDigits {
        /// Kinds of clips, assigned to the clips in turn.
        clips: Vec<ClipKind>,
        /// Number of frames of a clip.
        n_frames: usize,
        /// Height and width of a frame, in pixels.
        side: usize,
        /// Number of clips that are made of each digit.
        #[serde(default = "one")]
        repeats: usize,
        /// Standard deviation of the pixel noise in clips of the kind `noise`; pixels lie in 0 to 1.
        #[serde(default = "fifth")]
        noise: f64,
        /// Mean of the pixels of each channel, from 0 to 1, which the model subtracts; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mean: Option<Vec<f64>>,
        /// Standard deviation of the pixels of each channel, by which the model divides; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        std: Option<Vec<f64>>,
        /// Number of clips that are made of each digit of the validation and the test split; absent: `repeats`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evaluation_repeats: Option<usize>,
        /// Second digit of clips with two.
        #[serde(default, skip_serializing_if = "is_default")]
        partners: Partners,
        /// Captions of the clips, which a generator needs; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        captions: Option<RawCaptions>,
    },
    /// Pictures of glyphs that are cut, crossed by stray lines, blurred and noisy, with the masks of the whole glyphs.
    DamagedGlyphs {
        /// Height and width of a picture, in pixels.
        side: usize,
        /// Number of samples of the training split.
        #[serde(default = "thousand")]
        n_train: usize,
        /// Number of samples of the validation split, and of the test split.
        #[serde(default = "quarter_thousand")]
        n_test: usize,
        /// Number of cuts through strokes.
        #[serde(default = "two")]
        n_cuts: usize,
        /// Number of stray lines.
        #[serde(default = "two")]
        n_lines: usize,
        /// Standard deviation of the blur, in pixels; 0 is off.
        #[serde(default = "half_pixel")]
        blur: f64,
        /// Standard deviation of the noise; pixels lie in 0 to 1.
        #[serde(default = "fifth")]
        noise: f64,
        /// Mean of the pixels of each channel, from 0 to 1, which the model subtracts; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mean: Option<Vec<f64>>,
        /// Standard deviation of the pixels of each channel, by which the model divides; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        std: Option<Vec<f64>>,
    },
    /// Clips in `<split>/<class>/`: folders of frames, animated images, or video files (needs ffmpeg).
    ClipFolder {
        /// Directory with the folders `train` and `test`, and `val` or `validation` if there is one.
        path: String,
        /// Number of frames of a clip.
        n_frames: usize,
        /// Distance between two frames that are used, in frames of the source; 1 uses every frame.
        #[serde(default = "one")]
        stride: usize,
        /// Frames per second that the source is resampled to first; absent: it is not resampled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame_rate: Option<f64>,
        /// Height and width that frames are scaled to, in pixels.
        image_size: usize,
        /// Part of a frame that is used.
        #[serde(default)]
        crop: Crop,
        /// Number of classes; absent: the folders in `train` are counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n_classes: Option<usize>,
        /// Fraction of every class of `train` that is set aside for validation; absent: there is a
        /// folder for validation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation_fraction: Option<f64>,
        /// Action for clips that cannot be read.
        #[serde(default)]
        unreadable: RawUnreadable,
        /// Mean of the pixels of each channel, from 0 to 1, which the model subtracts; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mean: Option<Vec<f64>>,
        /// Standard deviation of the pixels of each channel, by which the model divides; absent: 0.5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        std: Option<Vec<f64>>,
    },
}

impl RawData {
    /// Values of `mean` and `std`.
    pub fn statistics(&self) -> [Option<&[f64]>; 2] {
        let (Self::Digits { mean, std }
        | Self::Mnist { mean, std, .. }
        | Self::Cifar10 { mean, std, .. }
        | Self::Cifar100 { mean, std, .. }
        | Self::ImageFolder { mean, std, .. }
        | Self::MovingDigits { mean, std, .. }
        | Self::DamagedGlyphs { mean, std, .. }
        | Self::ClipFolder { mean, std, .. }) = self;
        [mean.as_deref(), std.as_deref()]
    }
}

/// `data.captions`: captions of the embedded digits in motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCaptions {
    /// True to hold some pairs of digit and kind of clip, and some wordings, out of the training split.
    #[serde(default = "yes")]
    pub hold_out: bool,
}

fn yes() -> bool {
    true
}

// Defaults are left out of resolved configurations: a new key must not change their digests.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn thousand() -> usize {
    1000
}

fn quarter_thousand() -> usize {
    250
}

fn half_pixel() -> f64 {
    0.5
}

fn tenth() -> f64 {
    0.1
}

fn fifth() -> f64 {
    0.2
}

/// `data.unreadable`: the action for images or clips that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawUnreadable {
    /// Training ends with an error.
    #[default]
    Error,
    /// They are left out, and their number is reported.
    Skip,
}

impl RawUnreadable {
    fn is_error(&self) -> bool {
        *self == Self::Error
    }
}
