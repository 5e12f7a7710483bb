//! What a model is to be other than in its file.

use super::layout::Layout;
use crate::model::{NetworkConfig, VideoPositions};

/// What is to be other than in the file.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Changes {
    /// Height and width of images, in pixels: position embeddings are interpolated as the library does
    /// whose weights they are.
    pub image_size: Option<[usize; 2]>,
    /// Frames of a clip, of a TimeSformer or VideoMAE.
    pub n_frames: Option<usize>,
    /// Number of classes; where it is not that of the file, the classifier is a new one.
    pub n_classes: Option<usize>,
    /// Attention heads, where no file tells their number.
    pub n_heads: Option<usize>,
    /// Dropout probability.
    pub dropout: f64,
    /// Probability of dropping the last block's branches.
    pub drop_path: f64,
}

impl Layout {
    /// Tells the width of the MLP by its ratio where that is whole, as configuration files do.
    pub(super) fn use_mlp_ratio(&mut self) {
        let (d_model, ratio, style) = match &mut self.config {
            NetworkConfig::Vit(config) => {
                (config.d_model, &mut config.mlp_ratio, &mut config.style)
            }
            NetworkConfig::Video(config) => {
                (config.d_model, &mut config.mlp_ratio, &mut config.style)
            }
            NetworkConfig::LinearProbe(_) => return,
        };
        let is_whole = |d_mlp: &usize| d_model > 0 && *d_mlp > 0 && d_mlp.is_multiple_of(d_model);
        if let Some(d_mlp) = style.d_mlp.filter(is_whole) {
            *ratio = d_mlp / d_model;
            style.d_mlp = None;
        }
    }

    /// Makes the changes; tells whether the classifier of the file is kept.
    pub(super) fn change(&mut self, changes: &Changes) -> Result<bool, String> {
        let n_steps = self.config.token_layout().n_frames;
        let found = self.config.n_classes();
        let keeps_head = self.has_head && changes.n_classes.is_none_or(|asked| asked == found);
        if changes.n_classes.is_some() && !self.has_head {
            self.add_head();
        }
        match &mut self.config {
            NetworkConfig::Vit(config) => {
                config.image_size = changes.image_size.unwrap_or(config.image_size);
                config.n_classes = changes.n_classes.unwrap_or(config.n_classes);
                config.dropout = changes.dropout;
                config.drop_path = changes.drop_path;
                if changes.n_frames.is_some_and(|n_frames| n_frames != 1) {
                    return Err(
                        "this is a model of images, expected no clips of several frames".into(),
                    );
                }
            }
            NetworkConfig::Video(config) => {
                config.image_size = changes.image_size.unwrap_or(config.image_size);
                config.n_classes = changes.n_classes.unwrap_or(config.n_classes);
                config.n_frames = changes.n_frames.unwrap_or(config.n_frames);
                config.dropout = changes.dropout;
                config.drop_path = changes.drop_path;
                let is_stretched = n_steps != config.n_frames / config.tubelet_size.max(1);
                if config.positions == VideoPositions::Each && is_stretched {
                    return Err(format!(
                        "n_frames is {}, expected the {} that a ViViT has position embeddings of",
                        config.n_frames,
                        n_steps * config.tubelet_size
                    ));
                }
            }
            NetworkConfig::LinearProbe(_) => {}
        }
        Ok(keeps_head)
    }
}
