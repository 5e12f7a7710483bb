//! Attention on the CPU backend: one node for the weights, and one that mixes the values.
//!
//! There are two nodes because dropout runs between them, and because penalties use the weights.

use burn::backend::TensorMetadata;
use burn::tensor::{Bool, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::fused::matmul::{Matrix, new_product, product};
use crate::fused::node::{
    HostTensor, Input, Operation, apply, contiguous, host_tensor, host_tensor_like, in_blocks,
    values,
};
use crate::fused::simd::{exp_of_negative, inner_product, load, store};

/// Computes the weights as one node of the graph; `None` if Burn's operations have to run.
pub(super) fn weights(
    qkv: &Tensor<3>,
    n_heads: usize,
    mask: Option<&Tensor<4, Bool>>,
) -> Option<Tensor<4>> {
    // Without values there are no blocks to divide the work into.
    if qkv.shape().num_elements() == 0 {
        return None;
    }
    let input = Input::from_tensor(qkv.clone())?;
    let mask = mask.map(|mask| Mask {
        dims: mask.dims(),
        hides: mask.to_data().iter::<bool>().collect(),
    });
    apply(Weights { n_heads, mask }, [input])
}

/// Mixes the values as one node of the graph; `None` if Burn's operations have to run.
pub(super) fn mix(weights: &Tensor<4>, qkv: &Tensor<3>) -> Option<Tensor<3>> {
    apply(
        Mix,
        [
            Input::from_tensor(weights.clone())?,
            Input::from_tensor(qkv.clone())?,
        ],
    )
}

/// Extents of the tensors of attention.
#[derive(Clone, Copy)]
struct Extents {
    n_heads: usize,
    n_tokens: usize,
    /// Number of values per token, of queries, keys and values together.
    width: usize,
    d_head: usize,
}

impl Extents {
    /// Reads the extents off the shape of queries, keys and values.
    fn new(qkv: &HostTensor, n_heads: usize) -> Self {
        let [_, n_tokens, width] = qkv.shape().dims();
        Self {
            n_heads,
            n_tokens,
            width,
            d_head: width / (3 * n_heads),
        }
    }

    /// Returns queries (0), keys (1) or values (2) of one head of an image, `[n_tokens, d_head]`.
    fn part<'a>(&self, image: &'a [f32], head: usize, index: usize) -> Matrix<'a> {
        let start = index * self.width / 3 + head * self.d_head;
        Matrix::rows(&image[start..], self.width)
    }

    /// Returns queries, keys and values of one image, `[n_tokens, width]`.
    fn image<'a>(&self, qkv: &'a HostTensor, image: usize) -> &'a [f32] {
        let size = self.n_tokens * self.width;
        &values(qkv)[image * size..][..size]
    }

    /// Factor of the scores: `1 / sqrt(d_head)`.
    fn scale(&self) -> f32 {
        (self.d_head as f32).sqrt().recip()
    }

    /// Computes matrices `[n_tokens, d_head]` of all heads in parallel, and writes them into an image.
    ///
    /// Tokens of the image have `width` values. Matrix `k` of each head is written to the columns from
    /// `starts[k]` on, heads side by side.
    fn write_heads<const N: usize>(
        &self,
        image: &mut [f32],
        width: usize,
        starts: [usize; N],
        compute: impl Fn(usize) -> [Vec<f32>; N] + Send + Sync,
    ) {
        // Heads interleave within each token, so they cannot write to disjoint slices in parallel.
        let heads: Vec<_> = (0..self.n_heads).into_par_iter().map(compute).collect();
        for (head, parts) in heads.iter().enumerate() {
            for (part, start) in parts.iter().zip(starts) {
                let rows = image.chunks_exact_mut(width);
                for (row, columns) in rows.zip(part.chunks_exact(self.d_head)) {
                    row[start + head * self.d_head..][..self.d_head].copy_from_slice(columns);
                }
            }
        }
    }
}

/// Mask of attention on the host; true where a token does not attend.
#[derive(Debug, Clone)]
struct Mask {
    dims: [usize; 4],
    hides: Vec<bool>,
}

impl Mask {
    /// Returns the mask of one row of weights, `[n_tokens]`.
    fn row(&self, image: usize, head: usize, token: usize) -> &[bool] {
        // A dimension of extent 1 stands for all indices.
        let index_in = |index: usize, extent: usize| if extent == 1 { 0 } else { index };
        let [images, heads, tokens, n_tokens] = self.dims;
        let row = (index_in(image, images) * heads + index_in(head, heads)) * tokens
            + index_in(token, tokens);
        &self.hides[row * n_tokens..][..n_tokens]
    }
}

/// Operation that computes the weights from queries, keys and values.
#[derive(Debug, Clone)]
struct Weights {
    n_heads: usize,
    mask: Option<Mask>,
}

impl Operation<1> for Weights {
    /// The input and the output: the derivative of a softmax follows from its output.
    type Saved = [HostTensor; 2];

    fn forward(&self, [qkv]: [HostTensor; 1]) -> (HostTensor, [HostTensor; 2]) {
        let qkv = contiguous(qkv);
        let extents = Extents::new(&qkv, self.n_heads);
        let Extents {
            n_heads,
            n_tokens,
            d_head,
            ..
        } = extents;
        let n_images = qkv.shape()[0];
        let size = n_tokens * n_tokens;
        // One block per head of an image: its scores are still in the cache when the softmax runs.
        let output = in_blocks(n_images * n_heads * size, size, |index, output| {
            let (image, head) = (index / n_heads, index % n_heads);
            let image_qkv = extents.image(&qkv, image);
            let query = extents.part(image_qkv, head, 0);
            let key = extents.part(image_qkv, head, 1).transposed();
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
        let output = host_tensor(output, [n_images, n_heads, n_tokens, n_tokens]);
        (output.clone(), [qkv, output])
    }

    fn backward(
        &self,
        [qkv, weights]: [HostTensor; 2],
        gradient: HostTensor,
        _is_wanted: [bool; 1],
    ) -> [Option<HostTensor>; 1] {
        let gradient = contiguous(gradient);
        let extents = Extents::new(&qkv, self.n_heads);
        let Extents {
            n_heads,
            n_tokens,
            width,
            d_head,
        } = extents;
        let size = n_tokens * n_tokens;
        let output = in_blocks(values(&qkv).len(), n_tokens * width, |image, output| {
            let image_qkv = extents.image(&qkv, image);
            // Values have no gradient through the weights, so their columns stay 0.
            let output = output.zeroed();
            extents.write_heads(output, width, [0, width / 3], |head| {
                let start = (image * n_heads + head) * size;
                // The mask is not needed: a hidden token has weight 0, and its gradient is a multiple of that.
                let mut score_gradient = vec![0.0; size];
                Arch::new().dispatch(SoftmaxGradient {
                    weights: &values(&weights)[start..][..size],
                    gradient: &values(&gradient)[start..][..size],
                    n_tokens,
                    output: &mut score_gradient,
                });
                let score_gradient = Matrix::rows(&score_gradient, n_tokens);
                let shape = [n_tokens, n_tokens, d_head];
                let product = |left, index| {
                    let right = extents.part(image_qkv, head, index);
                    new_product(shape, left, right, extents.scale())
                };
                [
                    product(score_gradient, 1),
                    product(score_gradient.transposed(), 0),
                ]
            });
            output
        });
        [Some(host_tensor_like(output, &qkv))]
    }
}

/// Operation that mixes the values of each head by its weights.
#[derive(Debug, Clone)]
struct Mix;

impl Operation<2> for Mix {
    type Saved = [HostTensor; 2];

    fn forward(&self, inputs: [HostTensor; 2]) -> (HostTensor, [HostTensor; 2]) {
        let [weights, qkv] = inputs.map(contiguous);
        let [n_images, n_heads, n_tokens, _] = weights.shape().dims();
        let extents = Extents::new(&qkv, n_heads);
        let Extents { width, d_head, .. } = extents;
        let d_model = width / 3;
        let size = n_tokens * n_tokens;
        let block = n_tokens * d_model;
        let output = in_blocks(n_images * block, block, |image, output| {
            let image_qkv = extents.image(&qkv, image);
            let weights = &values(&weights)[image * n_heads * size..][..n_heads * size];
            let output = output.zeroed();
            extents.write_heads(output, d_model, [0], |head| {
                let weights = Matrix::rows(&weights[head * size..][..size], n_tokens);
                let value = extents.part(image_qkv, head, 2);
                let shape = [n_tokens, n_tokens, d_head];
                [new_product(shape, weights, value, 1.0)]
            });
            output
        });
        let output = host_tensor(output, [n_images, n_tokens, d_model]);
        (output, [weights, qkv])
    }

    fn backward(
        &self,
        [weights, qkv]: [HostTensor; 2],
        gradient: HostTensor,
        _is_wanted: [bool; 2],
    ) -> [Option<HostTensor>; 2] {
        let gradient = contiguous(gradient);
        let [_, n_heads, n_tokens, _] = weights.shape().dims();
        let extents = Extents::new(&qkv, n_heads);
        let Extents { width, d_head, .. } = extents;
        let d_model = width / 3;
        let size = n_tokens * n_tokens;
        // Gradient of the mixed values of one head: the columns of that head.
        let gradient = |image: usize, head: usize| {
            let start = image * n_tokens * d_model + head * d_head;
            Matrix::rows(&values(&gradient)[start..], d_model)
        };
        let weight_gradient = in_blocks(values(&weights).len(), size, |index, output| {
            let (image, head) = (index / n_heads, index % n_heads);
            let value = extents
                .part(extents.image(&qkv, image), head, 2)
                .transposed();
            let shape = [n_tokens, d_head, n_tokens];
            let gradient = gradient(image, head);
            product(output, shape, gradient, value, 1.0)
        });
        let qkv_gradient = in_blocks(values(&qkv).len(), n_tokens * width, |image, output| {
            // Queries and keys have no gradient through the mixing, so their columns stay 0.
            let output = output.zeroed();
            extents.write_heads(output, width, [2 * d_model], |head| {
                let weights = &values(&weights)[(image * n_heads + head) * size..][..size];
                let weights = Matrix::rows(weights, n_tokens).transposed();
                let shape = [n_tokens, n_tokens, d_head];
                [new_product(shape, weights, gradient(image, head), 1.0)]
            });
            output
        });
        let weight_gradient = host_tensor_like(weight_gradient, &weights);
        [
            Some(weight_gradient),
            Some(host_tensor_like(qkv_gradient, &qkv)),
        ]
    }
}

/// Softmax of every row, in place; a row of negative infinities becomes zeros.
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
            // The zeros of a partial load could exceed the largest score, so the tail is taken value by value.
            let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
            for part in parts.chunks_exact(lanes) {
                largest = simd.max_f32s(largest, load(simd, part));
            }
            let largest = rest
                .iter()
                .fold(simd.reduce_max_f32s(largest), |largest, score| {
                    largest.max(*score)
                });
            // In a fully masked row minus infinity minus itself would be NaN. With shift 0 every exponential
            // is 0, and so is the sum.
            let shift = if largest == f32::NEG_INFINITY {
                0.0
            } else {
                largest
            };
            let shift = simd.splat_f32s(shift);
            let mut sum = 0.0;
            let mut sums = simd.splat_f32s(0.0);
            for part in row.chunks_mut(lanes) {
                let score = simd.sub_f32s(load(simd, part), shift);
                let weight = exp_of_negative(simd, score);
                store(simd, part, weight);
                // Lanes beyond the tail hold exponentials of the filled-up zeros, which must not be added.
                if part.len() == lanes {
                    sums = simd.add_f32s(sums, weight);
                } else {
                    sum = part.iter().sum();
                }
            }
            let sum = simd.reduce_sum_f32s(sums) + sum;
            let scale = simd.splat_f32s(if sum == 0.0 { 0.0 } else { sum.recip() });
            for part in row.chunks_mut(lanes) {
                let weight = load(simd, part);
                store(simd, part, simd.mul_f32s(weight, scale));
            }
        }
    }
}

/// Gradient of the scores from that of the weights: `w (g - <w, g>)` for every row.
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
        let inputs = self
            .weights
            .chunks_exact(self.n_tokens)
            .zip(self.gradient.chunks_exact(self.n_tokens));
        for (output, (weights, gradient)) in self.output.chunks_exact_mut(self.n_tokens).zip(inputs)
        {
            let mean = simd.splat_f32s(inner_product(simd, weights, gradient));
            let inputs = weights.chunks(lanes).zip(gradient.chunks(lanes));
            for (output, (weights, gradient)) in output.chunks_mut(lanes).zip(inputs) {
                let centred = simd.sub_f32s(load(simd, gradient), mean);
                let weights = load(simd, weights);
                store(simd, output, simd.mul_f32s(weights, centred));
            }
        }
    }
}
