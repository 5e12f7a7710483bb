//! Settings of a model that replace those of its file.

/// Settings of a model that replace those of its file; `None` keeps the setting of the file.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
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
}
