//! Video transformer with attention divided into time and space.

use burn::module::{Initializer, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear, LinearConfig};
use burn::prelude::*;

use super::block::{Block, BlockConfig, DropPath, Mlp, norm, normalize};
use super::clip_tokens::{ClipTokens, join, later_frames};
use super::output::{Capture, ModelOutput, TokenLayout};
use super::output_head::OutputHead;
use super::patch_embed::PatchEmbed;
use super::video::{VideoConfig, VideoHead};
use super::vit::Pooling;
use crate::fused::linear;
use crate::nn::{AttentionOutput, SelfAttention, SelfAttentionConfig};

/// Video transformer whose blocks attend over time for each patch, then over space in each frame.
///
/// The attention maps that it returns are those over space. Should be created with [`VideoConfig`].
/// Fields are named as in the authors' code. If the clip is classified, there is a class token, which is
/// copied to every frame for the attention over space; the copies are then averaged. Otherwise there is
/// none, and the scores of a frame come from the mean of its tokens.
///
/// # Source
///
/// Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?", ICML 2021,
/// section 3. As in the authors' code, `time_embed` and `temporal_fc` are initialised to 0, so that a new
/// model processes each frame independently. Unlike there, dropout follows the embeddings once, not twice.
#[derive(Module, Debug)]
pub struct TimeSformer {
    /// Projection of patches to tokens.
    pub patch_embed: PatchEmbed,
    /// Class token of the clip, `[1, 1, d_model]`; `None` unless the clip is classified.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// Learned position embedding, also of the class token: `[1, n_tokens, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Learned embedding of the frames, added to their patches: `[1, n_frames, d_model]`.
    pub time_embed: Param<Tensor<3>>,
    /// Dropout on the embedded tokens.
    pub pos_drop: Dropout,
    /// Blocks of the encoder.
    pub blocks: Vec<DividedBlock>,
    /// Norm before the head.
    pub norm: LayerNorm,
    /// Linear layer to class scores, or to changes of the pixels of a patch.
    pub head: Linear,
    n_frames: usize,
    grid: [usize; 2],
    norm_epsilon: f64,
    #[module(skip)]
    kind: VideoHead,
}

/// Pre-norm block of attention over time, attention over space and MLP, each on a residual branch.
///
/// ```text
/// x = x + temporal_fc(branch(temporal_attn(temporal_norm1(x))))     for each patch, over frames
/// y = x + branch(attn(norm1(x)))                                    for each frame, over patches
/// z = y + branch(mlp(norm2(y)))                                     branch(u) = drop_path(dropout(u))
/// ```
///
/// Fields are named as in the authors' code.
#[derive(Module, Debug)]
pub struct DividedBlock {
    /// Norm before attention over time.
    pub temporal_norm1: LayerNorm,
    /// Attention over the frames, for each patch.
    pub temporal_attn: SelfAttention,
    /// Linear layer after attention over time, initialised to 0.
    pub temporal_fc: Linear,
    /// Norm before attention over space.
    pub norm1: LayerNorm,
    /// Attention over the patches, for each frame.
    pub attn: SelfAttention,
    /// Norm before the MLP.
    pub norm2: LayerNorm,
    /// Two-layer MLP.
    pub mlp: Mlp,
    /// Dropout after each branch.
    pub drop: Dropout,
    /// Stochastic depth of each branch; drops patches over time, frames over space, and clips in the MLP.
    pub drop_path: DropPath,
    norm_epsilon: f64,
}

impl DividedBlock {
    /// Initialises the block; layer scale is not supported.
    fn new(config: &BlockConfig, device: &Device) -> Self {
        let d_model = config.d_model;
        // The part over space is an ordinary block; `VideoConfig::check` rules out its layer scale.
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

    /// Computes the tokens after the block, and its attention maps over space.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[batch_size, n_prefix_tokens + n_frames * n_patches, d_model]`
    /// - `mask`, over time: `[1, 1, n_frames, n_frames]`
    /// - `context`: as `tokens`
    /// - `weights`: `[batch_size * n_frames, n_heads, n_prefix_tokens + n_patches, n_prefix_tokens + n_patches]`
    fn forward(
        &self,
        tokens: Tensor<3>,
        sequence: ClipTokens,
        mask: Option<Tensor<4, Bool>>,
    ) -> AttentionOutput {
        let branch = |output| self.drop_path.forward(self.drop.forward(output));
        let normalize = |tokens, norm| normalize(tokens, norm, self.norm_epsilon);

        // The class token takes no part in attention over time.
        let (class, patches) = sequence.split(tokens);
        let positions = normalize(sequence.to_positions(patches.clone()), &self.temporal_norm1);
        let over_time = self.temporal_attn.forward_masked(positions, mask).context;
        // Drop path comes before `temporal_fc`, as in the authors' code.
        let update = linear(branch(over_time), &self.temporal_fc);
        let tokens = join(class, patches + sequence.join_positions(update));

        let frames = normalize(sequence.to_frames(tokens.clone()), &self.norm1);
        let AttentionOutput { context, weights } = self.attn.forward(frames);
        let tokens = tokens + sequence.join_frames(branch(context));

        let update = self.mlp.forward(normalize(tokens.clone(), &self.norm2));
        AttentionOutput {
            context: tokens + branch(update),
            weights,
        }
    }
}

impl TimeSformer {
    /// Initialises the model from a checked configuration.
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

    /// Computes the predictions for clips, and returns what `capture` selects.
    ///
    /// # Shapes
    ///
    /// - `clips`: `[batch_size, n_frames, n_channels, height, width]`
    ///
    /// # Cost
    ///
    /// Attention weights for `n_frames * n_patches * (n_frames + n_patches)` pairs of tokens per clip and layer.
    pub fn forward(&self, clips: Tensor<5>, capture: Capture) -> ModelOutput {
        let sequence = ClipTokens {
            n_frames: self.n_frames,
            n_patches: self.grid[0] * self.grid[1],
        };
        // Only attention over time needs a mask: attention over space stays within a frame.
        let mask = (self.kind == VideoHead::NextFrame)
            .then(|| later_frames(self.n_frames, 1, &clips.device()));
        let patches = self.patch_embed.forward(clips.clone().flatten(0, 1));
        let class = self.cls_token.as_ref().map(Param::val);
        let (position, time) = (self.pos_embed.val(), self.time_embed.val());
        let mut tokens = self
            .pos_drop
            .forward(sequence.embed(class, patches, position, time));
        let mut attention = Vec::new();
        let mut hidden = Vec::new();
        for block in &self.blocks {
            let output = block.forward(tokens, sequence, mask.clone());
            tokens = output.context;
            if capture.keeps_attention() {
                attention.push(output.weights);
            }
            if capture.keeps_hidden() {
                // Each frame gets a copy of the class token, as in the attention maps.
                hidden.push(sequence.to_frames(tokens.clone()));
            }
        }
        let head = OutputHead {
            kind: self.kind,
            norm: &self.norm,
            norm_epsilon: self.norm_epsilon,
            pooling: Pooling::Cls, // `VideoConfig::check` allows no other
            head: &self.head,
            grid: self.grid,
        };
        ModelOutput {
            output: head.forward(tokens, clips, sequence),
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
            n_prefix_tokens: usize::from(self.cls_token.is_some()),
            grid: self.grid,
        }
    }
}
