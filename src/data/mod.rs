//! Images and clips with their labels, and matrices from files. Nothing here knows of topology.

mod augment;
mod batch;
mod cifar;
mod class_folder;
mod clip;
mod digits;
#[cfg(feature = "download")]
mod download;
mod idx;
mod image_file;
mod image_folder;
mod matrix_file;
mod mixup;
mod open;
mod packed;
mod split;
mod targets;

use std::sync::Arc;

pub use augment::Augment;
pub use batch::{ImageBatch, ImageBatcher, epoch_order, random_stream};
pub use clip::{ClipCut, ClipFolder, ClipFolders, Clips, Crop, FileClip, clip_folder, read_clip};
pub use digits::{DIGITS_SPEC, digits};
pub use image_file::read_image;
pub use matrix_file::{Matrices, MatrixValues, read_matrices};
pub use mixup::{mixup, mixup_stream};
pub use open::{DataSpec, MNIST_WITHOUT_PATH, open_data};
pub use targets::{MixedLabel, soft_targets};

use burn::data::dataset::Dataset;

/// One image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageItem {
    /// Pixels in `[0, 1]`, channel by channel, row by row.
    pub pixels: Vec<f32>,
    /// Class, counted from 0.
    pub label: usize,
}

/// What all images of a data set have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSpec {
    /// Number of channels.
    pub n_channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Number of classes.
    pub n_classes: usize,
}

/// Images in memory, or decoded whenever one is asked for.
pub type Images = Arc<dyn Dataset<ImageItem>>;

/// A data set, cut once and for all.
pub struct ImageSplits {
    /// Shape of the images.
    pub spec: ImageSpec,
    /// What is learned from.
    pub train: Images,
    /// What choices are made on.
    pub validation: Images,
    /// What is reported; it chooses nothing.
    pub test: Images,
    /// SHA-256 of the source, in hexadecimal: of the files' bytes, one file after the other and
    /// decompressed; for image folders, which are not read whole, of every file's path and size.
    pub sha256: String,
}
