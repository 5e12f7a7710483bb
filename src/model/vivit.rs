//! Video transformer with one encoder for space and one for time.

use burn::module::Param;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::prelude::*;

use super::block::{Block, Encoded, encode, norm, normalize};
use super::clip_tokens::{join, later_frames};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::output_head::next_frames;
use super::patch_embed::PatchEmbed;
use super::video::{VideoConfig, VideoHead};
use crate::fused::linear;

/// Video transformer that encodes each frame separately, then the class tokens of the frames over time.
///
/// The attention maps that it returns are those of the encoder of frames. Should be created with
/// [`VideoConfig`]. If the clip is classified, a class token of the clip is added to those of the frames.
/// Frames are classified from the tokens of the temporal encoder. To predict the next frame, the temporal
/// encoder is causal, and its token of a frame is added to the patches of the frame before they are
/// projected to pixels.
///
/// # Source
///
/// Arnab et al., "ViViT: A Video Vision Transformer", ICCV 2021, section 3.3, model 2, with tubelets of
/// one frame.
#[derive(Module, Debug)]
pub struct Vivit {
    /// Projection of patches to tokens.
    pub patch_embed: PatchEmbed,
    /// Class token of every frame: `[1, 1, d_model]`.
    pub cls_token: Param<Tensor<3>>,
    /// Learned position embedding, also of the class token: `[1, n_tokens, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Dropout on the embedded tokens.
    pub pos_drop: Dropout,
    /// Blocks of the encoder of frames.
    pub blocks: Vec<Block>,
    /// Norm after the encoder of frames.
    pub norm: LayerNorm,
    /// Class token of the clip, `[1, 1, d_model]`; `None` unless the clip is classified.
    pub temporal_cls_token: Option<Param<Tensor<3>>>,
    /// Learned time embedding of the class token of the clip, if any, and of the frames.
    ///
    /// `[1, n_temporal_tokens, d_model]`.
    pub time_embed: Param<Tensor<3>>,
    /// Blocks of the temporal encoder, over the class tokens of the frames.
    pub temporal_blocks: Vec<Block>,
    /// Norm after the temporal encoder.
    pub temporal_norm: LayerNorm,
    /// Linear layer to class scores, or to changes of the pixels of a patch.
    pub head: Linear,
    n_frames: usize,
    grid: [usize; 2],
    norm_epsilon: f64,
    #[module(skip)]
    kind: VideoHead,
}

impl Vivit {
    /// Initialises the model from a checked configuration.
    pub(super) fn new(config: &VideoConfig, n_temporal_layers: usize, device: &Device) -> Self {
        let layout = config.token_layout();
        // Both norms lie outside of the blocks, so they share the epsilon of the norm before the head.
        let norm_epsilon = config.style.head_epsilon();
        // The drop-path probability rises from 0 in each of the two encoders.
        let blocks = |n_layers| {
            let blocks = config.blocks(n_layers);
            blocks.map(|block| block.init(device)).collect()
        };
        Self {
            patch_embed: config.patch_embed(device),
            cls_token: config.embedding(1, device),
            pos_embed: config.embedding(layout.n_tokens(), device),
            pos_drop: DropoutConfig::new(config.dropout).init(),
            blocks: blocks(config.n_layers),
            norm: norm(config.d_model, norm_epsilon, device),
            temporal_cls_token: (config.head == VideoHead::Clip)
                .then(|| config.embedding(1, device)),
            time_embed: config.embedding(config.n_clip_tokens() + config.n_frames, device),
            temporal_blocks: blocks(n_temporal_layers),
            temporal_norm: norm(config.d_model, norm_epsilon, device),
            head: config.linear_head(device),
            n_frames: layout.n_frames,
            grid: layout.grid,
            norm_epsilon,
            kind: config.head,
        }
    }

    /// Computes the predictions for clips, and returns what `capture` selects.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    ///
    /// # Cost
    ///
    /// Attention weights for `n_frames * n_tokens^2` pairs of tokens per clip and layer, and for `n_frames^2`
    /// pairs per temporal layer.
    pub fn forward(&self, clips: Tensor<5>, capture: Capture) -> ModelOutput {
        let Encoded {
            tokens,
            attention,
            hidden,
        } = encode(&self.blocks, self.embed(clips.clone()), capture);
        ModelOutput {
            output: self.predict(normalize(tokens, &self.norm, self.norm_epsilon), clips),
            tokens: self.token_layout(),
            attention,
            within_frame_attention: Vec::new(),
            hidden,
        }
    }

    /// Returns the arrangement of the tokens of each frame.
    pub fn token_layout(&self) -> TokenLayout {
        TokenLayout {
            n_frames: self.n_frames,
            n_prefix_tokens: 1,
            grid: self.grid,
        }
    }

    /// Computes the tokens of every frame before the first block.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    /// - returns `[batch_size * n_frames, n_tokens, d_model]`
    fn embed(&self, clips: Tensor<5>) -> Tensor<3> {
        let patches = self.patch_embed.forward(clips.flatten(0, 1));
        let [n_images, _, d_model] = patches.dims();
        let class = self.cls_token.val().expand([n_images, 1, d_model]);
        let tokens = join(Some(class), patches) + self.pos_embed.val();
        self.pos_drop.forward(tokens)
    }

    /// Computes the predictions from the normalised tokens of the frames.
    ///
    /// # Shapes
    ///
    /// - `frames`: `[batch_size * n_frames, n_tokens, d_model]`
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    fn predict(&self, frames: Tensor<3>, clips: Tensor<5>) -> Tensor<2> {
        let [n_images, _, d_model] = frames.dims();
        // The class token of a frame summarises it for the temporal encoder.
        let class = frames.clone().slice_dim(1, 0..1);
        let class = class.reshape([-1, self.n_frames as i64, d_model as i64]);
        let temporal = self.encode_over_time(class);
        match self.kind {
            VideoHead::Clip => {
                let clip_token = temporal.slice_dim(1, 0..1).squeeze_dim(1);
                linear(clip_token, &self.head)
            }
            VideoHead::Frames => linear(temporal.flatten(0, 1), &self.head),
            VideoHead::NextFrame => {
                let temporal = temporal.reshape([n_images, 1, d_model]);
                let changes = linear(frames.slice_dim(1, 1..) + temporal, &self.head);
                next_frames(clips, changes, self.grid)
            }
        }
    }

    /// Applies the temporal encoder to the class tokens of the frames, after that of the clip, if any.
    ///
    /// # Shapes
    ///
    /// - `class`: `[batch_size, n_frames, d_model]`
    /// - returns `[batch_size, n_temporal_tokens, d_model]`
    fn encode_over_time(&self, class: Tensor<3>) -> Tensor<3> {
        let [batch_size, n_frames, d_model] = class.dims();
        // Frames are encoded one by one, so only this encoder could look ahead.
        let mask =
            (self.kind == VideoHead::NextFrame).then(|| later_frames(n_frames, 1, &class.device()));
        let clip_token = self
            .temporal_cls_token
            .as_ref()
            .map(|token| token.val().expand([batch_size, 1, d_model]));
        let mut tokens = join(clip_token, class) + self.time_embed.val();
        for block in &self.temporal_blocks {
            tokens = block.forward_masked(tokens, mask.clone()).context;
        }
        normalize(tokens, &self.temporal_norm, self.norm_epsilon)
    }
}
