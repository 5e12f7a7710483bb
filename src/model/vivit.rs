//! The video transformer with one encoder for space and one for time.

use burn::module::Param;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::prelude::*;

use super::block::{Block, Encoded, encode, norm, normalize};
use super::clip_tokens::{join, later_frames};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::patch_embed::PatchEmbed;
use super::read_out::next_frames;
use super::video::{VideoConfig, VideoHead};
use crate::nn::linear;

/// A video transformer that encodes each frame by itself, then the class tokens of the frames over
/// time.
///
/// The attention that it returns is that of the frames' encoder. Should be created with
/// [`VideoConfig`]. A class token of the clip joins those of the frames where the clip is classified;
/// frames are classified by the temporal encoder's tokens. To predict the next frame, the temporal
/// encoder is causal, and its token of a frame is added to the frame's patches before they are
/// projected to pixels.
///
/// # Source
///
/// Arnab et al., "ViViT: A Video Vision Transformer", ICCV 2021, section 3.3, model 2, with one frame to
/// a tubelet.
#[derive(Module, Debug)]
pub struct Vivit {
    /// Patches to tokens.
    pub patch_embed: PatchEmbed,
    /// The class token of every frame: `[1, 1, d_model]`.
    pub cls_token: Param<Tensor<3>>,
    /// Learned position embedding, of the class token too: `[1, n_tokens, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Dropout on the embedded tokens.
    pub pos_drop: Dropout,
    /// The encoder of frames.
    pub blocks: Vec<Block>,
    /// Norm after the encoder of frames.
    pub norm: LayerNorm,
    /// The class token of the clip, if it has one: `[1, 1, d_model]`.
    pub temporal_cls_token: Option<Param<Tensor<3>>>,
    /// Learned embedding of the clip's class token, if it has one, and of the frames:
    /// `[1, n_temporal_tokens, d_model]`.
    pub time_embed: Param<Tensor<3>>,
    /// The encoder of the frames' class tokens.
    pub temporal_blocks: Vec<Block>,
    /// Norm after the temporal encoder.
    pub temporal_norm: LayerNorm,
    /// To class scores, or to changes of the pixels of a patch.
    pub head: Linear,
    n_frames: usize,
    grid: [usize; 2],
    norm_epsilon: f64,
    #[module(skip)]
    kind: VideoHead,
}

impl Vivit {
    pub(super) fn new(config: &VideoConfig, n_temporal_layers: usize, device: &Device) -> Self {
        let layout = config.token_layout();
        let norm_epsilon = config.style.head_epsilon();
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

    /// Tells of clips what the head is for, and keeps what `capture` asks for.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    ///
    /// # Cost
    ///
    /// Attention of `n_frames * n_tokens^2` pairs of tokens per clip and layer, and of `n_frames^2` per
    /// temporal layer.
    pub fn forward(&self, clips: Tensor<5>, capture: Capture) -> ModelOutput {
        let Encoded {
            tokens,
            attention,
            hidden,
        } = encode(&self.blocks, self.embed(clips.clone()), capture);
        ModelOutput {
            output: self.read_out(normalize(tokens, &self.norm, self.norm_epsilon), clips),
            tokens: self.token_layout(),
            attention,
            mass: Vec::new(),
            hidden,
        }
    }

    /// How the tokens lie over each frame.
    pub fn token_layout(&self) -> TokenLayout {
        TokenLayout {
            n_frames: self.n_frames,
            n_prefix_tokens: 1,
            grid: self.grid,
        }
    }

    /// The tokens of every frame: `[batch_size * n_frames, n_tokens, d_model]`.
    fn embed(&self, clips: Tensor<5>) -> Tensor<3> {
        let patches = self.patch_embed.forward(clips.flatten(0, 1));
        let [n_images, _, d_model] = patches.dims();
        let class = self.cls_token.val().expand([n_images, 1, d_model]);
        let tokens = join(Some(class), patches) + self.pos_embed.val();
        self.pos_drop.forward(tokens)
    }

    fn read_out(&self, frames: Tensor<3>, clips: Tensor<5>) -> Tensor<2> {
        let [n_images, _, d_model] = frames.dims();
        let class = frames.clone().slice_dim(1, 0..1);
        let over_time = self.over_time(class.reshape([-1, self.n_frames as i64, d_model as i64]));
        match self.kind {
            VideoHead::Clip => {
                let class = over_time.slice_dim(1, 0..1).squeeze_dim(1);
                linear(class, &self.head)
            }
            VideoHead::Frames => linear(over_time.flatten(0, 1), &self.head),
            VideoHead::NextFrame => {
                let over_time = over_time.reshape([n_images, 1, d_model]);
                let changes = linear(frames.slice_dim(1, 1..) + over_time, &self.head);
                next_frames(clips, changes, self.grid)
            }
        }
    }

    /// The class tokens of the frames after the temporal encoder, that of the clip before them.
    fn over_time(&self, class: Tensor<3>) -> Tensor<3> {
        let [batch_size, n_frames, d_model] = class.dims();
        let mask =
            (self.kind == VideoHead::NextFrame).then(|| later_frames(n_frames, 1, &class.device()));
        let of_clip = self
            .temporal_cls_token
            .as_ref()
            .map(|token| token.val().expand([batch_size, 1, d_model]));
        let mut tokens = join(of_clip, class) + self.time_embed.val();
        for block in &self.temporal_blocks {
            tokens = block.forward_masked(tokens, mask.clone()).context;
        }
        normalize(tokens, &self.temporal_norm, self.norm_epsilon)
    }
}
