//! The video transformer with attention divided into time and space.

use burn::module::{Initializer, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear, LinearConfig};
use burn::prelude::*;

use super::block::{Block, BlockConfig, DropPath, Mlp, norm, normalize};
use super::clip_tokens::{ClipTokens, join, later_frames};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::patch_embed::PatchEmbed;
use super::read_out::ReadOut;
use super::video::{VideoConfig, VideoHead};
use super::vit::Pooling;
use crate::nn::{AttentionOutput, SelfAttention, SelfAttentionConfig, linear};

/// A video transformer whose blocks attend over time at each place, then over space in each frame.
///
/// The attention that it returns is the one over space. Should be created with [`VideoConfig`].
/// Fields are named as in the authors' code. With a head for the clip, a class token is copied to
/// every frame for the attention over space, and its copies averaged; there is none otherwise, and the
/// scores of a frame come from the mean of its tokens.
///
/// # Source
///
/// Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?", ICML 2021,
/// section 3. As in the authors' code `time_embed` and `temporal_fc` begin at 0, so that each frame is
/// seen by itself at first. Unlike there, dropout follows the embeddings once, not twice.
#[derive(Module, Debug)]
pub struct TimeSformer {
    /// Patches to tokens.
    pub patch_embed: PatchEmbed,
    /// The class token of the clip, if it has one: `[1, 1, d_model]`.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// Learned position embedding, of the class token too: `[1, n_tokens, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Learned embedding of the frames, added to their patches: `[1, n_frames, d_model]`.
    pub time_embed: Param<Tensor<3>>,
    /// Dropout on the embedded tokens.
    pub pos_drop: Dropout,
    /// The encoder.
    pub blocks: Vec<DividedBlock>,
    /// Norm before the head.
    pub norm: LayerNorm,
    /// To class scores, or to changes of the pixels of a patch.
    pub head: Linear,
    n_frames: usize,
    grid: [usize; 2],
    norm_epsilon: f64,
    #[module(skip)]
    kind: VideoHead,
}

/// A pre-norm block of attention over time, attention over space and MLP, each on a residual branch.
///
/// Fields are named as in the authors' code.
#[derive(Module, Debug)]
pub struct DividedBlock {
    /// Norm before attention over time.
    pub temporal_norm1: LayerNorm,
    /// Attention over the frames, at each place.
    pub temporal_attn: SelfAttention,
    /// Applied to what attention over time adds; 0 at first.
    pub temporal_fc: Linear,
    /// Norm before attention over space.
    pub norm1: LayerNorm,
    /// Attention over the patches, in each frame.
    pub attn: SelfAttention,
    /// Norm before the MLP.
    pub norm2: LayerNorm,
    /// The MLP.
    pub mlp: Mlp,
    /// Dropout after each branch.
    pub drop: Dropout,
    /// Stochastic depth of each branch: of places over time, frames over space, clips in the MLP.
    pub drop_path: DropPath,
    norm_epsilon: f64,
}

impl DividedBlock {
    fn new(config: &BlockConfig, device: &Device) -> Self {
        let d_model = config.d_model;
        let Block {
            norm1,
            attn,
            norm2,
            mlp,
            drop,
            drop_path,
            ..
        } = config.init(device);
        let norm_epsilon = config.style.norm_epsilon;
        Self {
            temporal_norm1: norm(d_model, norm_epsilon, device),
            temporal_attn: SelfAttentionConfig::new(d_model, config.n_heads)
                .with_dropout(config.dropout)
                .init(device),
            temporal_fc: LinearConfig::new(d_model, d_model)
                .with_initializer(Initializer::Zeros)
                .init(device),
            norm1,
            attn,
            norm2,
            mlp,
            drop,
            drop_path,
            norm_epsilon,
        }
    }

    /// The tokens after the block, and its attention over space.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_prefix_tokens + n_frames * n_patches, d_model]`
    /// - `mask`: `[1, 1, n_frames, n_frames]`
    fn forward(
        &self,
        tokens: Tensor<3>,
        extents: ClipTokens,
        mask: Option<Tensor<4, Bool>>,
    ) -> AttentionOutput {
        let branch = |output| self.drop_path.forward(self.drop.forward(output));
        let normalize = |tokens, norm| normalize(tokens, norm, self.norm_epsilon);

        let (class, patches) = extents.split(tokens);
        let places = normalize(extents.to_places(patches.clone()), &self.temporal_norm1);
        let over_time = self.temporal_attn.forward_masked(places, mask).context;
        let update = linear(branch(over_time), &self.temporal_fc);
        let tokens = join(class, patches + extents.join_places(update));

        let frames = normalize(extents.to_frames(tokens.clone()), &self.norm1);
        let AttentionOutput { context, weights } = self.attn.forward(frames);
        let tokens = tokens + extents.join_frames(branch(context));

        let update = self.mlp.forward(normalize(tokens.clone(), &self.norm2));
        AttentionOutput {
            context: tokens + branch(update),
            weights,
        }
    }
}

impl TimeSformer {
    pub(super) fn new(config: &VideoConfig, device: &Device) -> Self {
        let layout = config.token_layout();
        Self {
            patch_embed: config.patch_embed(device),
            cls_token: (config.head == VideoHead::Clip).then(|| config.embedding(1, device)),
            pos_embed: config.embedding(layout.n_tokens(), device),
            time_embed: Initializer::Zeros.init([1, config.n_frames, config.d_model], device),
            pos_drop: DropoutConfig::new(config.dropout).init(),
            blocks: config
                .blocks(config.n_layers)
                .map(|block| DividedBlock::new(&block, device))
                .collect(),
            norm: norm(config.d_model, config.style.head_epsilon(), device),
            head: config.linear_head(device),
            n_frames: layout.n_frames,
            grid: layout.grid,
            norm_epsilon: config.style.head_epsilon(),
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
    /// Attention of `n_frames * n_patches * (n_frames + n_patches)` pairs of tokens per clip and layer.
    pub fn forward(&self, clips: Tensor<5>, capture: Capture) -> ModelOutput {
        let extents = ClipTokens {
            n_frames: self.n_frames,
            n_patches: self.grid[0] * self.grid[1],
        };
        let mask = (self.kind == VideoHead::NextFrame)
            .then(|| later_frames(self.n_frames, 1, &clips.device()));
        let patches = self.patch_embed.forward(clips.clone().flatten(0, 1));
        let class = self.cls_token.as_ref().map(Param::val);
        let embeddings = [self.pos_embed.val(), self.time_embed.val()];
        let mut tokens = self
            .pos_drop
            .forward(extents.embed(class, patches, embeddings));
        let mut attention = Vec::new();
        let mut hidden = Vec::new();
        for block in &self.blocks {
            let output = block.forward(tokens, extents, mask.clone());
            tokens = output.context;
            if capture.keeps_attention() {
                attention.push(output.weights);
            }
            if capture.keeps_hidden() {
                hidden.push(extents.to_frames(tokens.clone()));
            }
        }
        let read_out = ReadOut {
            kind: self.kind,
            norm: &self.norm,
            norm_epsilon: self.norm_epsilon,
            pooling: Pooling::Cls,
            head: &self.head,
            grid: self.grid,
        };
        ModelOutput {
            output: read_out.forward(tokens, clips, extents),
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
            n_prefix_tokens: usize::from(self.cls_token.is_some()),
            grid: self.grid,
        }
    }
}
