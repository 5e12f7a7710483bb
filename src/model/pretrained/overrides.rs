//! Settings of a model that replace those of its file.

use crate::model::PixelStatistics;

/// Settings of a model that replace those of its file; `None` keeps the setting of the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelOverrides {
    /// Height and width of images, in pixels; `None` for those that the library of the file runs the model on.
    ///
    /// Position embeddings are interpolated in the same way as by that library, and the preprocessing is scaled.
    pub image_size: Option<[usize; 2]>,
    /// Number of frames of a clip, for a TimeSformer or VideoMAE.
    pub n_frames: Option<usize>,
    /// Number of classes; the classifier is newly initialised if it differs from that of the file.
    pub n_classes: Option<usize>,
    /// Number of attention heads, used if no file states it.
    pub n_heads: Option<usize>,
    /// Dropout probability; 0 by default, since files do not state it.
    pub dropout: f64,
    /// Drop-path probability of the last block; 0 by default, since files do not state it.
    pub drop_path: f64,
    /// Statistics by which the first layer normalises pixels; `None` by default, for a first layer that takes them in
    /// [-1, 1].
    ///
    /// The weights of the first layer are converted from those of the file, so that the model computes the same.
    pub statistics: Option<PixelStatistics>,
}
