//! `[data]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawData {
    /// The 1,797 embedded handwritten digits, 8 by 8 pixels.
    // With braces: serde lets a variant without them take any key.
    Digits {},
    /// MNIST, or a data set of the same shape in the same files.
    Mnist {
        /// Directory of the four IDX files, plain or compressed; absent: fetched from the network.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Fraction of every class of the training images that is for validation.
        validation_fraction: f64,
    },
    /// CIFAR-10.
    Cifar10 {
        /// Directory of the binary files.
        path: String,
        /// Fraction of every class of the training images that is for validation.
        validation_fraction: f64,
    },
    /// CIFAR-100, its 100 fine classes.
    Cifar100 {
        /// Directory of the binary files.
        path: String,
        /// Fraction of every class of the training images that is for validation.
        validation_fraction: f64,
    },
    /// PNG and JPEG images in `<split>/<class>/`.
    ImageFolder {
        /// Directory of the folders `train`, `test` and perhaps `val` or `validation`.
        path: String,
        /// Side that images are cut and scaled to, in pixels.
        image_size: usize,
        /// Number of classes.
        n_classes: usize,
        /// Fraction of every class of `train` that is for validation; absent: there is a folder.
        #[serde(skip_serializing_if = "Option::is_none")]
        validation_fraction: Option<f64>,
    },
    /// The embedded digits moving over a dark frame, whose motion and topology are known.
    MovingDigits {
        /// What happens in the clips, one kind after the other.
        clips: Vec<RawClip>,
        /// Frames of a clip.
        n_frames: usize,
        /// Side of a frame, in pixels.
        side: usize,
        /// Clips made of each digit.
        #[serde(default = "one")]
        repeats: usize,
        /// Standard deviation of the pixels' noise in clips of the kind `noise`.
        #[serde(default = "fifth")]
        noise: f64,
    },
    /// Clips in `<split>/<class>/`: folders of frames, animated GIFs, video files through ffmpeg.
    ClipFolder {
        /// Directory of the folders `train`, `test` and perhaps `val` or `validation`.
        path: String,
        /// Frames of a clip.
        n_frames: usize,
        /// Every so many frames of the source are taken.
        #[serde(default = "one")]
        stride: usize,
        /// Frames per second that the source is resampled to before; absent: as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame_rate: Option<f64>,
        /// Side that frames are scaled to, in pixels.
        image_size: usize,
        /// What of a frame is scaled.
        #[serde(default)]
        crop: RawCrop,
        /// Number of classes.
        n_classes: usize,
        /// Fraction of every class of `train` that is for validation; absent: there is a folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validation_fraction: Option<f64>,
        /// What becomes of clips that cannot be read.
        #[serde(default)]
        unreadable: RawUnreadable,
    },
}

fn one() -> usize {
    1
}

fn fifth() -> f64 {
    0.2
}

/// `data.clips`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawClip {
    /// A digit at constant velocity.
    Constant,
    /// A digit reflected at the borders.
    Bounce,
    /// A digit that turns and swells.
    RotateScale,
    /// A digit that passes behind a still bar.
    Occlusion,
    /// A digit at constant velocity under noise that is new in every frame.
    Noise,
    /// A digit at constant velocity, blurred by another width in every frame.
    Blur,
    /// Two digits of a class that never touch.
    TwoDigits,
    /// Two digits of a class that come together: the topology changes.
    Merge,
    /// Two digits of a class that part: the topology changes.
    Split,
    /// A digit, and later a second one: the topology changes.
    Appear,
}

/// `data.crop`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawCrop {
    /// The largest square in the middle.
    #[default]
    Center,
    /// The whole frame, whatever its proportions.
    Stretch,
}

/// `data.unreadable`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawUnreadable {
    /// They end the training.
    #[default]
    Error,
    /// They are left out, and counted.
    Skip,
}
