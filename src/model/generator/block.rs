//! Block of a generator: attention over time, over space and to the caption, and MLP, modulated by the noise level.

use burn::module::{Initializer, Param};
use burn::nn::LayerNorm;
use burn::prelude::*;

use super::text::{CaptionAttention, EncodedCaptions};
use crate::model::block::{Block, BlockConfig, Mlp, norm, normalize};
use crate::model::clip_tokens::ClipTokens;
use crate::nn::{AttentionOutput, SelfAttention, SelfAttentionConfig};

/// Number of vectors that modulate a block: shift, scale and gate of three branches.
pub(in crate::model) const N_MODULATIONS: usize = 9;

/// Block whose branches are modulated by the noise level and the caption as a whole (adaLN-zero).
///
/// ```text
/// m = table + modulation                                              9 vectors: shift, scale and gate of 3 branches
/// x = x + gate_1 temporal_attn(mod_1(norm x) + time)                  for each patch, over frames
/// x = x + gate_2 attn(mod_2(norm x))                                  for each frame, over patches
/// x = x + caption_attn(norm x, words)                                 from every token to the words
/// x = x + gate_3 mlp(mod_3(norm x))                                   mod_i(u) = u (1 + scale_i) + shift_i
/// ```
///
/// A new block is the identity, since tables, modulation and the projection of `caption_attn` begin at 0.
#[derive(Module, Debug)]
pub struct GeneratorBlock {
    /// Own part of the modulation: `[1, 9, d_model]`, initialised to 0.
    pub table: Param<Tensor<3>>,
    /// Norm before attention over time.
    pub temporal_norm: LayerNorm,
    /// Attention over the frames, for each patch; queries and keys are normalised.
    pub temporal_attn: SelfAttention,
    /// Norm before attention over space.
    pub norm1: LayerNorm,
    /// Attention over the patches, for each frame; queries and keys are normalised.
    pub attn: SelfAttention,
    /// Norm before attention to the caption.
    pub caption_norm: LayerNorm,
    /// Attention to the caption.
    pub caption_attn: CaptionAttention,
    /// Norm before the MLP.
    pub norm2: LayerNorm,
    /// Two-layer MLP.
    pub mlp: Mlp,
    norm_epsilon: f64,
}

/// What all blocks are given beside the tokens.
#[derive(Debug, Clone)]
pub(super) struct BlockContext {
    /// Part of the modulation that all blocks share: `[batch_size, 9, d_model]`.
    pub(super) modulation: Tensor<3>,
    pub(super) captions: EncodedCaptions,
    /// Embedding of the time of each frame: `[1, n_frames, d_model]`.
    pub(super) time: Tensor<3>,
    pub(super) sequence: ClipTokens,
}

impl GeneratorBlock {
    /// Initialises the block.
    pub(super) fn new(config: &BlockConfig, device: &Device) -> Self {
        let (d_model, n_heads) = (config.d_model, config.n_heads);
        let norm_epsilon = config.style.norm_epsilon;
        // The MLP is that of an ordinary block.
        let Block { mlp, .. } = config.init(device);
        let norm = || norm(d_model, norm_epsilon, device);
        let attention = || {
            let config = SelfAttentionConfig::new(d_model, n_heads).with_qk_norm(true);
            config.init(device)
        };
        Self {
            table: Initializer::Zeros.init([1, N_MODULATIONS, d_model], device),
            temporal_norm: norm(),
            temporal_attn: attention(),
            norm1: norm(),
            attn: attention(),
            caption_norm: norm(),
            caption_attn: CaptionAttention::new(d_model, n_heads, device),
            norm2: norm(),
            mlp,
            norm_epsilon,
        }
    }

    /// Computes the tokens after the block, and its attention maps over space.
    ///
    /// # Shapes
    ///
    /// - `tokens`, `context`: `[batch_size, n_frames * n_patches, d_model]`
    /// - `weights`: `[batch_size * n_frames, n_heads, n_patches, n_patches]`
    pub(super) fn forward(&self, tokens: Tensor<3>, context: &BlockContext) -> AttentionOutput {
        let sequence = context.sequence;
        let modulation = context.modulation.clone() + self.table.val();
        let part = |index: usize| modulation.clone().slice_dim(1, index..index + 1);
        let modulated = |tokens: &Tensor<3>, norm, branch: usize| {
            let normalized = normalize(tokens.clone(), norm, self.norm_epsilon);
            modulate(normalized, part(3 * branch), part(3 * branch + 1))
        };
        let gate = |branch: usize| part(3 * branch + 2);

        // After the modulation, so that frames know their time at full strength whatever the modulation is.
        let positions = sequence.to_positions(modulated(&tokens, &self.temporal_norm, 0));
        let over_time = self.temporal_attn.forward(positions + context.time.clone());
        let tokens = tokens + gate(0) * sequence.join_positions(over_time.context);

        let frames = sequence.to_frames(modulated(&tokens, &self.norm1, 1));
        let AttentionOutput {
            context: over_space,
            weights,
        } = self.attn.forward(frames);
        let tokens = tokens + gate(1) * sequence.join_frames(over_space);

        let normalized = normalize(tokens.clone(), &self.caption_norm, self.norm_epsilon);
        let tokens = tokens + self.caption_attn.forward(normalized, &context.captions);

        let update = self.mlp.forward(modulated(&tokens, &self.norm2, 2));
        AttentionOutput {
            context: tokens + gate(2) * update,
            weights,
        }
    }
}

/// Shifts and scales the channels of all tokens of a clip: `tokens (1 + scale) + shift`.
///
/// # Shapes
///
/// - `tokens`: `[batch_size, n_tokens, d_model]`
/// - `shift`, `scale`: `[batch_size, 1, d_model]`
pub(super) fn modulate(tokens: Tensor<3>, shift: Tensor<3>, scale: Tensor<3>) -> Tensor<3> {
    tokens * (scale + 1.0) + shift
}
