//! Attention that also returns its weights.

#[cfg(feature = "flex")]
mod on_flex;

use burn::prelude::*;
use burn::tensor::activation::softmax;

/// Output of [`attention`]: the mixed values and the attention weights.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::fused::{MixedTokens, attention};
///
/// let qkv = Tensor::<3>::zeros([2, 5, 3 * 8], &Device::flex());
/// let MixedTokens { mixed, weights } = attention(qkv, 4, None, |weights| weights);
/// assert_eq!((mixed.dims(), weights.dims()), ([2, 5, 8], [2, 4, 5, 5]));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MixedTokens {
    /// Values mixed by the weights, heads side by side: `[batch_size, n_tokens, d_model]`.
    pub mixed: Tensor<3>,
    /// Attention weights before `drop`: `[batch_size, n_heads, n_tokens, n_tokens]`, rows sum to one.
    pub weights: Tensor<4>,
}

/// Computes scaled dot-product attention of every head, and returns the attention weights too.
///
/// ```text
/// weights = softmax(q k^T / sqrt(d_head))
/// mixed   = drop(weights) v
/// ```
///
/// `drop` is dropout, or any other change of the weights that mix the values; the weights that are returned
/// are those of the softmax. A token does not attend to tokens for which `mask` is true; a token that may
/// attend to none has weights 0.
///
/// # Shapes
///
/// - `qkv`: `[batch_size, n_tokens, 3 * d_model]`: queries, then keys, then values, each with its heads side
///   by side
/// - `mask`: `[batch_size or 1, n_heads or 1, n_tokens or 1, n_tokens]`
///
/// # Gradient
///
/// With respect to `qkv`, through the mixed values, the weights or both.
///
/// # Cost
///
/// O(batch_size n_tokens^2 d_model). On the CPU backend in single precision there are two nodes of the graph,
/// which work on images and heads in parallel; elsewhere Burn's own operations run.
///
/// # Panics
///
/// If `n_heads` does not divide `d_model` or the mask has another shape.
///
/// # Source
///
/// Vaswani et al., "Attention Is All You Need", 2017, equation 1.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::fused::attention;
///
/// let device = Device::flex();
/// let qkv = Tensor::<3>::ones([1, 2, 6], &device);
/// // The first token does not attend to the second.
/// let mask = Tensor::<2, Int>::from_ints([[0, 1], [0, 0]], &device).equal_elem(1);
/// let weights = attention(qkv, 2, Some(mask.unsqueeze()), |weights| weights).weights;
/// let first_head = weights.slice([0..1, 0..1]).into_data().try_into_vec::<f32>().unwrap();
/// assert_eq!(first_head, [1.0, 0.0, 0.5, 0.5]);
/// # }
/// ```
pub fn attention(
    qkv: Tensor<3>,
    n_heads: usize,
    mask: Option<Tensor<4, Bool>>,
    drop: impl FnOnce(Tensor<4>) -> Tensor<4>,
) -> MixedTokens {
    let [batch_size, n_tokens, width] = qkv.dims();
    assert!(
        n_heads > 0 && width.is_multiple_of(3 * n_heads),
        "attention: {width} values per token cannot be divided into queries, keys and values of {n_heads} heads"
    );
    if let Some(mask) = &mask {
        let dims = mask.dims();
        // Every dimension but the last may be 1, which stands for all images, heads or tokens.
        let fits = |(actual, full): (usize, usize)| actual == full || actual == 1;
        let full = [batch_size, n_heads, n_tokens];
        assert!(
            dims[3] == n_tokens && dims.into_iter().zip(full).all(fits),
            "attention: the mask has shape {dims:?}, which does not fit weights of shape {:?}",
            [batch_size, n_heads, n_tokens, n_tokens]
        );
    }
    #[cfg(feature = "flex")]
    if let Some(weights) = on_flex::weights(&qkv, n_heads, mask.as_ref()) {
        let dropped = drop(weights.clone());
        // `drop` may return a tensor that the node does not accept.
        let mixed = match on_flex::mix(&dropped, &qkv) {
            Some(mixed) => mixed,
            None => mix(dropped, qkv),
        };
        return MixedTokens { mixed, weights };
    }
    let weights = weights(qkv.clone(), n_heads, mask);
    MixedTokens {
        mixed: mix(drop(weights.clone()), qkv),
        weights,
    }
}

/// Returns queries (0), keys (1) or values (2): `[batch_size, n_heads, n_tokens, d_head]`.
fn part(qkv: &Tensor<3>, n_heads: usize, index: usize) -> Tensor<4> {
    let [batch_size, n_tokens, width] = qkv.dims();
    let d_model = width / 3;
    qkv.clone()
        .slice_dim(2, index * d_model..(index + 1) * d_model)
        .reshape([batch_size, n_tokens, n_heads, d_model / n_heads])
        .swap_dims(1, 2)
}

/// Computes the weights with Burn's operations.
fn weights(qkv: Tensor<3>, n_heads: usize, mask: Option<Tensor<4, Bool>>) -> Tensor<4> {
    let d_head = qkv.dims()[2] / (3 * n_heads);
    // Queries are scaled instead of scores, of which there are more as soon as n_tokens exceeds d_head.
    let query = part(&qkv, n_heads, 0) * (d_head as f64).powf(-0.5);
    let scores = query.matmul(part(&qkv, n_heads, 1).swap_dims(2, 3));
    let Some(mask) = mask else {
        return softmax(scores, 3);
    };
    // The least finite number instead of minus infinity: a fully masked row would get NaN gradients.
    let least = scores
        .dtype()
        .finfo()
        .map_or(f64::from(f32::MIN), |info| info.min);
    let mask = mask.expand(scores.dims());
    softmax(scores.mask_fill(mask.clone(), least), 3).mask_fill(mask, 0.0)
}

/// Mixes the values with Burn's operations.
fn mix(weights: Tensor<4>, qkv: Tensor<3>) -> Tensor<3> {
    let [batch_size, n_heads, n_tokens, _] = weights.dims();
    let mixed = weights.matmul(part(&qkv, n_heads, 2));
    let d_head = mixed.dims()[3];
    mixed
        .swap_dims(1, 2)
        .reshape([batch_size, n_tokens, n_heads * d_head])
}
