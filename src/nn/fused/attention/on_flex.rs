//! Attention on the CPU backend: a node that makes the weights, and one that mixes the values.

use burn::backend::TensorMetadata;
use burn::tensor::{Bool, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::nn::fused::matmul::{Matrix, new_product, product};
use crate::nn::fused::node::{
    Host, Input, Operation, apply, contiguous, host, host_like, in_blocks, values,
};
use crate::nn::fused::simd::{exp_of_negative, inner_product};

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

    /// Queries, keys and values of an image.
    fn image<'a>(&self, qkv: &'a Host, image: usize) -> &'a [f32] {
        let size = self.n_tokens * self.width;
        &values(qkv)[image * size..][..size]
    }

    fn scale(&self) -> f32 {
        (self.d_head as f32).sqrt().recip()
    }

    /// Writes `[n_tokens, d_head]` matrices of all heads, made in parallel, into an image whose tokens
    /// have `width` values, side by side from each of `starts` on.
    fn place_heads<const N: usize>(
        &self,
        image: &mut [f32],
        width: usize,
        starts: [usize; N],
        make: impl Fn(usize) -> [Vec<f32>; N] + Send + Sync,
    ) {
        let of_heads: Vec<_> = (0..self.n_heads).into_par_iter().map(make).collect();
        for (head, parts) in of_heads.iter().enumerate() {
            for (part, start) in parts.iter().zip(starts) {
                let rows = image.chunks_exact_mut(width);
                for (row, columns) in rows.zip(part.chunks_exact(self.d_head)) {
                    row[start + head * self.d_head..][..self.d_head].copy_from_slice(columns);
                }
            }
        }
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
            d_head,
            ..
        } = extents;
        let n_images = qkv.shape()[0];
        let size = n_tokens * n_tokens;
        let output = in_blocks(n_images * n_heads * size, size, |index, output| {
            let (image, head) = (index / n_heads, index % n_heads);
            let of_image = extents.image(&qkv, image);
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
            let of_image = extents.image(&qkv, image);
            let output = output.zeroed();
            extents.place_heads(output, width, [0, width / 3], |head| {
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
            });
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
            let of_image = extents.image(&qkv, image);
            let weights = &values(&weights)[image * n_heads * size..][..n_heads * size];
            let output = output.zeroed();
            extents.place_heads(output, d_model, [0], |head| {
                let weights = Matrix::rows(&weights[head * size..][..size], n_tokens);
                let value = extents.part(of_image, head, 2);
                let shape = [n_tokens, n_tokens, d_head];
                [new_product(shape, weights, value, 1.0)]
            });
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
        // Of the columns of a head, the gradient of what it mixed.
        let gradient = |image: usize, head: usize| {
            let start = image * n_tokens * d_model + head * d_head;
            Matrix::rows(&values(&gradient)[start..], d_model)
        };
        let of_weights = in_blocks(values(&weights).len(), size, |index, output| {
            let (image, head) = (index / n_heads, index % n_heads);
            let value = extents
                .part(extents.image(&qkv, image), head, 2)
                .transposed();
            let shape = [n_tokens, d_head, n_tokens];
            let gradient = gradient(image, head);
            product(output, shape, gradient, value, 1.0)
        });
        let of_qkv = in_blocks(values(&qkv).len(), n_tokens * width, |image, output| {
            let output = output.zeroed();
            extents.place_heads(output, width, [2 * d_model], |head| {
                let weights = &values(&weights)[(image * n_heads + head) * size..][..size];
                let weights = Matrix::rows(weights, n_tokens).transposed();
                let shape = [n_tokens, n_tokens, d_head];
                [new_product(shape, weights, gradient(image, head), 1.0)]
            });
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
        for (output, (weights, gradient)) in self.output.chunks_exact_mut(self.n_tokens).zip(inputs)
        {
            let mean = simd.splat_f32s(inner_product(simd, weights, gradient));
            let inputs = weights.chunks(lanes).zip(gradient.chunks(lanes));
            for (output, (weights, gradient)) in output.chunks_mut(lanes).zip(inputs) {
                let centred = simd.sub_f32s(simd.partial_load_f32s(gradient), mean);
                let weights = simd.partial_load_f32s(weights);
                simd.partial_store_f32s(output, simd.mul_f32s(weights, centred));
            }
        }
    }
}
