//! Attention whose weights come back.

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

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::TensorMetadata;
    use burn::tensor::{Bool, Tensor};
    use pulp::{Arch, Simd, WithSimd};
    use rayon::prelude::*;

    use crate::nn::fused::matmul::{Matrix, new_product, product};
    use crate::nn::fused::node::{
        Host, Input, Operation, apply, contiguous, host, host_like, in_blocks, values,
    };
    use crate::nn::fused::simd::exp_of_negative;

    pub(super) fn weights(
        qkv: &Tensor<3>,
        n_heads: usize,
        mask: Option<&Tensor<4, Bool>>,
    ) -> Option<Tensor<4>> {
        if qkv.shape().num_elements() == 0 {
            return None;
        }
        let input = Input::of(qkv.clone())?;
        let mask = mask.map(|mask| Mask {
            dims: mask.dims(),
            hides: mask.to_data().iter::<bool>().collect(),
        });
        apply(Weights { n_heads, mask }, [input])
    }

    pub(super) fn mix(weights: &Tensor<4>, qkv: &Tensor<3>) -> Option<Tensor<3>> {
        apply(Mix, [Input::of(weights.clone())?, Input::of(qkv.clone())?])
    }

    /// The extents of one head.
    #[derive(Clone, Copy)]
    struct Extents {
        n_heads: usize,
        n_tokens: usize,
        /// Values per token: queries, keys and values.
        width: usize,
        d_head: usize,
    }

    impl Extents {
        fn of(qkv: &Host, n_heads: usize) -> Self {
            let [_, n_tokens, width] = qkv.shape().dims();
            Self {
                n_heads,
                n_tokens,
                width,
                d_head: width / (3 * n_heads),
            }
        }

        /// Queries (0), keys (1) or values (2) of a head of an image.
        fn part<'a>(&self, image: &'a [f32], head: usize, index: usize) -> Matrix<'a> {
            let start = index * self.width / 3 + head * self.d_head;
            Matrix::rows(&image[start..], self.width)
        }

        fn scale(&self) -> f32 {
            (self.d_head as f32).sqrt().recip()
        }
    }

    /// Copies `[n_tokens, width]` of a head into its columns of an image.
    fn place(columns: &[f32], width: usize, image: &mut [f32], image_width: usize, start: usize) {
        let rows = image.chunks_exact_mut(image_width);
        for (row, columns) in rows.zip(columns.chunks_exact(width)) {
            row[start..start + width].copy_from_slice(columns);
        }
    }

    #[derive(Debug, Clone)]
    struct Mask {
        dims: [usize; 4],
        hides: Vec<bool>,
    }

    impl Mask {
        /// What one token does not see.
        fn row(&self, image: usize, head: usize, token: usize) -> &[bool] {
            let of = |index: usize, extent: usize| if extent == 1 { 0 } else { index };
            let [images, heads, tokens, n_tokens] = self.dims;
            let place = (of(image, images) * heads + of(head, heads)) * tokens + of(token, tokens);
            &self.hides[place * n_tokens..][..n_tokens]
        }
    }

    #[derive(Debug, Clone)]
    struct Weights {
        n_heads: usize,
        mask: Option<Mask>,
    }

    impl Operation<1> for Weights {
        /// The input and the output.
        type Saved = [Host; 2];

        fn forward(&self, [qkv]: [Host; 1]) -> (Host, [Host; 2]) {
            let qkv = contiguous(qkv);
            let extents = Extents::of(&qkv, self.n_heads);
            let Extents {
                n_heads,
                n_tokens,
                width,
                d_head,
            } = extents;
            let n_images = qkv.shape()[0];
            let size = n_tokens * n_tokens;
            let output = in_blocks(n_images * n_heads * size, size, |index, output| {
                let (image, head) = (index / n_heads, index % n_heads);
                let of_image = &values(&qkv)[image * n_tokens * width..][..n_tokens * width];
                let query = extents.part(of_image, head, 0);
                let key = extents.part(of_image, head, 1).transposed();
                let shape = [n_tokens, d_head, n_tokens];
                let output = product(output, shape, query, key, extents.scale());
                if let Some(mask) = &self.mask {
                    for (token, row) in output.chunks_exact_mut(n_tokens).enumerate() {
                        let hidden = mask.row(image, head, token);
                        for (score, _) in row.iter_mut().zip(hidden).filter(|(_, hides)| **hides) {
                            *score = f32::NEG_INFINITY;
                        }
                    }
                }
                Arch::new().dispatch(Softmax {
                    rows: output,
                    n_tokens,
                });
                output
            });
            let output = host(output, [n_images, n_heads, n_tokens, n_tokens]);
            (output.clone(), [qkv, output])
        }

        fn backward(
            &self,
            [qkv, weights]: [Host; 2],
            gradient: Host,
            _is_wanted: [bool; 1],
        ) -> [Option<Host>; 1] {
            let gradient = contiguous(gradient);
            let extents = Extents::of(&qkv, self.n_heads);
            let Extents {
                n_heads,
                n_tokens,
                width,
                d_head,
            } = extents;
            let size = n_tokens * n_tokens;
            let output = in_blocks(values(&qkv).len(), n_tokens * width, |image, output| {
                let of_image = &values(&qkv)[image * n_tokens * width..][..n_tokens * width];
                let output = output.zeroed();
                let of_heads: Vec<_> = (0..n_heads)
                    .into_par_iter()
                    .map(|head| {
                        let start = (image * n_heads + head) * size;
                        let mut of_scores = vec![0.0; size];
                        Arch::new().dispatch(SoftmaxGradient {
                            weights: &values(&weights)[start..][..size],
                            gradient: &values(&gradient)[start..][..size],
                            n_tokens,
                            output: &mut of_scores,
                        });
                        let of_scores = Matrix::rows(&of_scores, n_tokens);
                        let shape = [n_tokens, n_tokens, d_head];
                        let product = |left, index| {
                            let right = extents.part(of_image, head, index);
                            new_product(shape, left, right, extents.scale())
                        };
                        [product(of_scores, 1), product(of_scores.transposed(), 0)]
                    })
                    .collect();
                for (head, parts) in of_heads.iter().enumerate() {
                    for (index, part) in parts.iter().enumerate() {
                        let start = index * width / 3 + head * d_head;
                        place(part, d_head, output, width, start);
                    }
                }
                output
            });
            [Some(host_like(output, &qkv))]
        }
    }

    #[derive(Debug, Clone)]
    struct Mix;

    impl Operation<2> for Mix {
        type Saved = [Host; 2];

        fn forward(&self, inputs: [Host; 2]) -> (Host, [Host; 2]) {
            let [weights, qkv] = inputs.map(contiguous);
            let [n_images, n_heads, n_tokens, _] = weights.shape().dims();
            let extents = Extents::of(&qkv, n_heads);
            let Extents { width, d_head, .. } = extents;
            let d_model = width / 3;
            let size = n_tokens * n_tokens;
            let block = n_tokens * d_model;
            let output = in_blocks(n_images * block, block, |image, output| {
                let of_image = &values(&qkv)[image * n_tokens * width..][..n_tokens * width];
                let weights = &values(&weights)[image * n_heads * size..][..n_heads * size];
                let output = output.zeroed();
                let heads = weights.par_chunks(size).enumerate();
                let of_heads: Vec<_> = heads
                    .map(|(head, weights)| {
                        let weights = Matrix::rows(weights, n_tokens);
                        let value = extents.part(of_image, head, 2);
                        let shape = [n_tokens, n_tokens, d_head];
                        new_product(shape, weights, value, 1.0)
                    })
                    .collect();
                for (head, mixed) in of_heads.iter().enumerate() {
                    place(mixed, d_head, output, d_model, head * d_head);
                }
                output
            });
            let output = host(output, [n_images, n_tokens, d_model]);
            (output, [weights, qkv])
        }

        fn backward(
            &self,
            [weights, qkv]: [Host; 2],
            gradient: Host,
            _is_wanted: [bool; 2],
        ) -> [Option<Host>; 2] {
            let gradient = contiguous(gradient);
            let [_, n_heads, n_tokens, _] = weights.shape().dims();
            let extents = Extents::of(&qkv, n_heads);
            let Extents { width, d_head, .. } = extents;
            let d_model = width / 3;
            let size = n_tokens * n_tokens;
            let of_image =
                |image: usize| &values(&qkv)[image * n_tokens * width..][..n_tokens * width];
            // Of the columns of a head, the gradient of what it mixed.
            let gradient = |image: usize, head: usize| {
                let start = image * n_tokens * d_model + head * d_head;
                Matrix::rows(&values(&gradient)[start..], d_model)
            };
            let of_weights = in_blocks(values(&weights).len(), size, |index, output| {
                let (image, head) = (index / n_heads, index % n_heads);
                let value = extents.part(of_image(image), head, 2).transposed();
                let shape = [n_tokens, d_head, n_tokens];
                let gradient = gradient(image, head);
                product(output, shape, gradient, value, 1.0)
            });
            let of_qkv = in_blocks(values(&qkv).len(), n_tokens * width, |image, output| {
                let output = output.zeroed();
                let heads = (0..n_heads).into_par_iter().map(|head| {
                    let weights = &values(&weights)[(image * n_heads + head) * size..][..size];
                    let weights = Matrix::rows(weights, n_tokens).transposed();
                    let shape = [n_tokens, n_tokens, d_head];
                    new_product(shape, weights, gradient(image, head), 1.0)
                });
                let of_values: Vec<_> = heads.collect();
                for (head, of_value) in of_values.iter().enumerate() {
                    place(of_value, d_head, output, width, 2 * d_model + head * d_head);
                }
                output
            });
            let of_weights = host_like(of_weights, &weights);
            [Some(of_weights), Some(host_like(of_qkv, &qkv))]
        }
    }

    /// The softmax of every row, in place; a row of negative infinities becomes zeros.
    struct Softmax<'a> {
        rows: &'a mut [f32],
        n_tokens: usize,
    }

    impl WithSimd for Softmax<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let lanes = S::F32_LANES;
            let whole = self.n_tokens / lanes * lanes;
            for row in self.rows.chunks_exact_mut(self.n_tokens) {
                let (parts, rest) = row.split_at(whole);
                let mut most = simd.splat_f32s(f32::NEG_INFINITY);
                for part in parts.chunks_exact(lanes) {
                    most = simd.max_f32s(most, simd.partial_load_f32s(part));
                }
                let most = simd.reduce_max_f32s(most);
                let most = rest.iter().fold(most, |most, score| most.max(*score));
                // Of a row that looks nowhere every exponential is 0, and so is the sum.
                let shift = if most == f32::NEG_INFINITY { 0.0 } else { most };
                let shift = simd.splat_f32s(shift);
                let mut sum = 0.0;
                let mut sums = simd.splat_f32s(0.0);
                for part in row.chunks_mut(lanes) {
                    let score = simd.sub_f32s(simd.partial_load_f32s(part), shift);
                    let weight = exp_of_negative(simd, score);
                    simd.partial_store_f32s(part, weight);
                    match part.len() == lanes {
                        true => sums = simd.add_f32s(sums, weight),
                        false => sum = part.iter().sum(),
                    }
                }
                let sum = simd.reduce_sum_f32s(sums) + sum;
                let scale = simd.splat_f32s(if sum == 0.0 { 0.0 } else { sum.recip() });
                for part in row.chunks_mut(lanes) {
                    let weight = simd.partial_load_f32s(part);
                    simd.partial_store_f32s(part, simd.mul_f32s(weight, scale));
                }
            }
        }
    }

    /// Gradients of scores from those of weights: `w (g - <w, g>)`.
    struct SoftmaxGradient<'a> {
        weights: &'a [f32],
        gradient: &'a [f32],
        n_tokens: usize,
        output: &'a mut [f32],
    }

    impl WithSimd for SoftmaxGradient<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let lanes = S::F32_LANES;
            let inputs = self.weights.chunks_exact(self.n_tokens);
            let inputs = inputs.zip(self.gradient.chunks_exact(self.n_tokens));
            for (output, (weights, gradient)) in
                self.output.chunks_exact_mut(self.n_tokens).zip(inputs)
            {
                let mut sums = simd.splat_f32s(0.0);
                for (weights, gradient) in weights.chunks(lanes).zip(gradient.chunks(lanes)) {
                    let weights = simd.partial_load_f32s(weights);
                    sums = simd.mul_add_f32s(weights, simd.partial_load_f32s(gradient), sums);
                }
                let mean = simd.splat_f32s(simd.reduce_sum_f32s(sums));
                let inputs = weights.chunks(lanes).zip(gradient.chunks(lanes));
                for (output, (weights, gradient)) in output.chunks_mut(lanes).zip(inputs) {
                    let centred = simd.sub_f32s(simd.partial_load_f32s(gradient), mean);
                    let weights = simd.partial_load_f32s(weights);
                    simd.partial_store_f32s(output, simd.mul_f32s(weights, centred));
                }
            }
        }
    }
}
