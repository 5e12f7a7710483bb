//! Images and their labels. Nothing here knows of topology.

mod augment;
mod batch;
mod digits;

pub use augment::Augment;
pub use batch::{ImageBatch, ImageBatcher, epoch_order, random_stream};
pub use digits::{DIGITS_SPEC, digits};

use burn::data::dataset::InMemDataset;

/// One image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageItem {
    /// Pixels in `[0, 1]`, channel by channel, row by row.
    pub pixels: Vec<f32>,
    /// Class, counted from 0.
    pub label: u8,
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

/// A data set, cut once and for all.
pub struct ImageSplits {
    /// Shape of the images.
    pub spec: ImageSpec,
    /// What is learned from.
    pub train: InMemDataset<ImageItem>,
    /// What choices are made on.
    pub validation: InMemDataset<ImageItem>,
    /// What is reported; it chooses nothing.
    pub test: InMemDataset<ImageItem>,
    /// SHA-256 of the source bytes, in hexadecimal.
    pub sha256: String,
}
