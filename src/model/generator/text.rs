//! Encoder of captions, and attention from the tokens of a clip to the words of its caption.

use burn::module::{Initializer, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::softmax;

use crate::fused::linear;
use crate::model::block::{Block, BlockConfig, norm, normalize};

/// Epsilon of the norm after the last block.
const NORM_EPSILON: f64 = 1e-6;

/// Encoder of captions whose words have learned embeddings.
#[derive(Module, Debug)]
pub struct TextEncoder {
    /// Embedding of the words.
    pub embedding: Embedding,
    /// Learned embedding of the places in a caption: `[1, max_words, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Blocks, in which words attend to words.
    pub blocks: Vec<Block>,
    /// Norm after the blocks.
    pub norm: LayerNorm,
}

/// Encoded captions of a batch.
#[derive(Debug, Clone)]
pub(super) struct EncodedCaptions {
    /// Words: `[batch_size, max_words, d_model]`.
    pub(super) words: Tensor<3>,
    /// Mean of the words of each caption, 0 for a caption of no words: `[batch_size, d_model]`.
    pub(super) means: Tensor<2>,
    /// True at the places after the last word: `[batch_size, 1, 1, max_words]`.
    pub(super) is_padding: Tensor<4, Bool>,
}

impl TextEncoder {
    /// Initialises the encoder for captions of up to `max_words` words, with numbers below `n_words`.
    pub(super) fn new(
        [n_words, max_words, n_layers]: [usize; 3],
        block: &BlockConfig,
        device: &Device,
    ) -> Self {
        let small = Initializer::Normal {
            mean: 0.0,
            std: 0.02,
        };
        Self {
            embedding: EmbeddingConfig::new(n_words, block.d_model).init(device),
            pos_embed: small.init([1, max_words, block.d_model], device),
            blocks: (0..n_layers).map(|_| block.init(device)).collect(),
            norm: norm(block.d_model, NORM_EPSILON, device),
        }
    }

    /// Encodes captions.
    ///
    /// # Shapes
    ///
    /// - `captions`: `[batch_size, max_words]`, 0 after the last word
    pub(super) fn forward(&self, captions: Tensor<2, Int>) -> EncodedCaptions {
        let is_padding = captions.clone().equal_elem(0);
        let mask: Tensor<4, Bool> = is_padding.clone().unsqueeze_dims(&[1, 2]);
        let mut words = self.embedding.forward(captions) + self.pos_embed.val();
        for block in &self.blocks {
            words = block.forward_masked(words, Some(mask.clone())).context;
        }
        let words = normalize(words, &self.norm, NORM_EPSILON);
        let is_word = is_padding.bool_not().float().unsqueeze_dim::<3>(2);
        // A caption without any word has the mean 0, and not NaN.
        let n_words = is_word.clone().sum_dim(1).clamp_min(1.0);
        let means = (words.clone() * is_word).sum_dim(1) / n_words;
        EncodedCaptions {
            words,
            means: means.squeeze_dim(1),
            is_padding: mask,
        }
    }
}

/// Attention from the tokens of a clip to the words of its caption.
#[derive(Module, Debug)]
pub struct CaptionAttention {
    /// Projection of tokens to queries.
    pub query: Linear,
    /// Projection of words to keys and values.
    pub key_value: Linear,
    /// Output projection, initialised to 0.
    pub proj: Linear,
    n_heads: usize,
}

impl CaptionAttention {
    /// Initialises the module; `n_heads` divides `d_model`.
    pub(super) fn new(d_model: usize, n_heads: usize, device: &Device) -> Self {
        Self {
            query: LinearConfig::new(d_model, d_model).init(device),
            key_value: LinearConfig::new(d_model, 2 * d_model).init(device),
            proj: LinearConfig::new(d_model, d_model)
                .with_initializer(Initializer::Zeros)
                .init(device),
            n_heads,
        }
    }

    /// Returns what the tokens read from the captions; from a caption without words, the shift of the projection alone.
    ///
    /// # Shapes
    ///
    /// - `tokens` and the result: `[batch_size, n_tokens, d_model]`
    pub(super) fn forward(&self, tokens: Tensor<3>, captions: &EncodedCaptions) -> Tensor<3> {
        let [batch_size, n_tokens, d_model] = tokens.dims();
        let d_head = d_model / self.n_heads;
        let heads = |values: Tensor<3>| {
            let n = values.dims()[1];
            values
                .reshape([batch_size, n, self.n_heads, d_head])
                .swap_dims(1, 2)
        };
        let query = heads(linear(tokens, &self.query)) * (d_head as f64).powf(-0.5);
        let key_value = linear(captions.words.clone(), &self.key_value);
        let key = heads(key_value.clone().slice_dim(2, 0..d_model));
        let value = heads(key_value.slice_dim(2, d_model..));
        let scores = query.matmul(key.swap_dims(2, 3));
        let mask = captions.is_padding.clone().expand(scores.dims());
        // A finite number instead of minus infinity, which would make rows without any word NaN.
        let weights = softmax(scores.mask_fill(mask.clone(), -1e30), 3).mask_fill(mask, 0.0);
        let mixed = weights.matmul(value).swap_dims(1, 2);
        linear(mixed.reshape([batch_size, n_tokens, d_model]), &self.proj)
    }
}
