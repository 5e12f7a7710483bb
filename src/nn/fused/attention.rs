//! Attention whose weights come back.

#[cfg(feature = "flex")]
mod on_flex;

use burn::prelude::*;
use burn::tensor::activation::softmax;

/// What [`attention`] returns.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::{MixedTokens, attention};
///
/// let qkv = Tensor::<3>::zeros([2, 5, 3 * 8], &Device::flex());
/// let MixedTokens { mixed, weights } = attention(qkv, 4, None, |weights| weights);
/// assert_eq!((mixed.dims(), weights.dims()), ([2, 5, 8], [2, 4, 5, 5]));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MixedTokens {
    /// The values mixed by the weights, heads side by side: `[batch_size, n_tokens, d_model]`.
    pub mixed: Tensor<3>,
    /// The weights, rows summing to one: `[batch_size, n_heads, n_tokens, n_tokens]`.
    pub weights: Tensor<4>,
}

/// `softmax(q k^T / sqrt(d_head)) v` of every head, and the weights themselves.
///
/// `drop` changes the weights that mix the values, as dropout does; those that are returned are as the
/// softmax left them. Where `mask` is true a token does not look; a token that may look nowhere has
/// weights 0.
///
/// # Shapes
///
/// - `qkv`: `[batch_size, n_tokens, 3 * d_model]`: queries, keys, values, each with its heads side by
///   side
/// - `mask`: `[batch_size or 1, n_heads or 1, n_tokens or 1, n_tokens]`
///
/// # Gradient
///
/// In `qkv`, through the mixed tokens, the weights or both.
///
/// # Cost
///
/// O(batch_size n_tokens^2 d_model). On the CPU backend in single precision two nodes of the graph that
/// work on images and heads in parallel; elsewhere Burn's own operations.
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
/// use burn_topology::nn::attention;
///
/// let device = Device::flex();
/// let qkv = Tensor::<3>::ones([1, 2, 6], &device);
/// // The first token does not see the second.
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
        "attention: {width} values per token are no queries, keys and values of {n_heads} heads"
    );
    if let Some(mask) = &mask {
        let dims = mask.dims();
        let fits = |(found, full): (usize, usize)| found == full || found == 1;
        let full = [batch_size, n_heads, n_tokens];
        assert!(
            dims[3] == n_tokens && dims.into_iter().zip(full).all(fits),
            "attention: a mask of shape {dims:?} for weights of shape \
             {:?}",
            [batch_size, n_heads, n_tokens, n_tokens]
        );
    }
    #[cfg(feature = "flex")]
    if let Some(weights) = on_flex::weights(&qkv, n_heads, mask.as_ref()) {
        let dropped = drop(weights.clone());
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

/// Queries, keys or values: `[batch_size, n_heads, n_tokens, d_head]`.
fn part(qkv: &Tensor<3>, n_heads: usize, index: usize) -> Tensor<4> {
    let [batch_size, n_tokens, width] = qkv.dims();
    let d_model = width / 3;
    qkv.clone()
        .slice_dim(2, index * d_model..(index + 1) * d_model)
        .reshape([batch_size, n_tokens, n_heads, d_model / n_heads])
        .swap_dims(1, 2)
}

/// The weights in Burn's operations.
fn weights(qkv: Tensor<3>, n_heads: usize, mask: Option<Tensor<4, Bool>>) -> Tensor<4> {
    let d_head = qkv.dims()[2] / (3 * n_heads);
    let query = part(&qkv, n_heads, 0) * (d_head as f64).powf(-0.5);
    let scores = query.matmul(part(&qkv, n_heads, 1).swap_dims(2, 3));
    let Some(mask) = mask else {
        return softmax(scores, 3);
    };
    // Finite in place of infinite: a row that looks nowhere has no NaN in its gradient.
    let least = scores
        .dtype()
        .finfo()
        .map_or(f64::from(f32::MIN), |info| info.min);
    let mask = mask.expand(scores.dims());
    softmax(scores.mask_fill(mask.clone(), least), 3).mask_fill(mask, 0.0)
}

/// The mixing in Burn's operations.
fn mix(weights: Tensor<4>, qkv: Tensor<3>) -> Tensor<3> {
    let [batch_size, n_heads, n_tokens, _] = weights.dims();
    let mixed = weights.matmul(part(&qkv, n_heads, 2));
    let d_head = mixed.dims()[3];
    mixed
        .swap_dims(1, 2)
        .reshape([batch_size, n_tokens, n_heads * d_head])
}
