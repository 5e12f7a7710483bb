//! The graph of rows of attention that are read, averaged over heads, cut out and made sum to one.

use burn::prelude::*;

/// What was made of attention weights, without a graph.
pub(in crate::nn) struct SelectedRows {
    /// `[n_items, n_points, n_points]`, rows summing to one; with every head by itself, heads vary
    /// fastest.
    pub(in crate::nn) rows: Tensor<3>,
    /// What they were divided by: `[n_items, n_points, 1]`.
    pub(in crate::nn) sums: Tensor<3>,
}

/// The rows as one node of the graph of `weights`, `[batch_size, n_heads, n_tokens, n_tokens]`: the
/// last tokens of it, averaged over heads if there are fewer items than matrices.
///
/// `select` makes them, of the weights without their graph. `None` where it has to run on the weights
/// themselves: elsewhere than on the CPU backend, or without a graph.
pub(in crate::nn) fn as_one_node<E>(
    weights: &Tensor<4>,
    select: impl FnOnce(Tensor<4>) -> Result<SelectedRows, E>,
) -> Option<Result<Tensor<3>, E>> {
    #[cfg(feature = "flex")]
    return on_flex::as_one_node(weights, select);
    #[cfg(not(feature = "flex"))]
    {
        let _ = (weights, select);
        None
    }
}

/// The rows of weights without a graph, and the sums of all rows of all tokens, `[n_items, n_tokens]`:
/// of each head or their mean, from the token `first` on. One pass, items in parallel; `None` elsewhere
/// than on the CPU backend in single precision.
pub(in crate::nn) fn select_on_host(
    weights: &Tensor<4>,
    takes_mean: bool,
    first: usize,
) -> Option<(SelectedRows, Vec<f64>)> {
    #[cfg(feature = "flex")]
    return on_flex::select(weights, takes_mean, first);
    #[cfg(not(feature = "flex"))]
    {
        let _ = (weights, takes_mean, first);
        None
    }
}

/// The numbers of a tensor of single precision on the CPU backend, copied once.
pub(in crate::nn) fn copy_to_host(tensor: &Tensor<3>) -> Option<Vec<f32>> {
    #[cfg(feature = "flex")]
    return on_flex::copy_to_host(tensor);
    #[cfg(not(feature = "flex"))]
    {
        let _ = tensor;
        None
    }
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::ops::FloatTensorOps;
    use burn::backend::{Flex, TensorMetadata};
    use burn::tensor::{Shape, Tensor};
    use pulp::{Arch, Simd, WithSimd};
    use rayon::prelude::*;

    use super::SelectedRows;
    use crate::nn::fused::node::{
        Host, Input, Operation, apply, contiguous, host, in_blocks, values,
    };
    use crate::nn::fused::simd::inner_product;

    /// Numbers copied per task.
    const COPY_BLOCK: usize = 1 << 14;

    pub(super) fn copy_to_host(tensor: &Tensor<3>) -> Option<Vec<f32>> {
        match Input::of(tensor.clone().without_autodiff())? {
            Input::Constant(tensor) => {
                let tensor = contiguous(tensor);
                let numbers = values(&tensor);
                let blocks: Vec<&[f32]> = numbers.chunks(COPY_BLOCK).collect();
                Some(in_blocks(numbers.len(), COPY_BLOCK, |block, output| {
                    output.rows_of(blocks[block])
                }))
            }
            Input::Tracked(_) => None,
        }
    }

    pub(super) fn select(
        weights: &Tensor<4>,
        takes_mean: bool,
        first: usize,
    ) -> Option<(SelectedRows, Vec<f64>)> {
        let [batch_size, n_heads, n_tokens, _] = weights.dims();
        let Input::Constant(weights) = Input::of(weights.clone())? else {
            return None;
        };
        let weights = contiguous(weights);
        let (n_items, n_averaged) = match takes_mean {
            true => (batch_size, n_heads),
            false => (batch_size * n_heads, 1),
        };
        let (n_points, size) = (n_tokens - first, n_tokens * n_tokens);
        if n_items * n_points == 0 {
            return None;
        }
        let mut rows = vec![0.0; n_items * n_points * n_points];
        let mut sums = vec![0.0; n_items * n_points];
        let mut totals = vec![0.0; n_items * n_tokens];
        let inputs = values(&weights).par_chunks_exact(n_averaged * size);
        let outputs = rows.par_chunks_exact_mut(n_points * n_points);
        let outputs = outputs.zip(sums.par_chunks_exact_mut(n_points));
        let outputs = outputs.zip(totals.par_chunks_exact_mut(n_tokens));
        outputs.zip(inputs).for_each_init(
            || vec![0.0; n_tokens],
            |mean, (((rows, sums), totals), heads)| {
                Arch::new().dispatch(Select {
                    heads,
                    mean,
                    first,
                    rows,
                    sums,
                    totals,
                });
            },
        );
        let tensor =
            |values, shape: [usize; 3]| Tensor::from_primitive::<Flex>(host(values, shape));
        let selected = SelectedRows {
            rows: tensor(rows, [n_items, n_points, n_points]),
            sums: tensor(sums, [n_items, n_points, 1]),
        };
        Some((selected, totals))
    }

    /// The rows of one item.
    struct Select<'a> {
        /// `[n_averaged, n_tokens, n_tokens]`
        heads: &'a [f32],
        /// Memory for a row.
        mean: &'a mut [f32],
        first: usize,
        rows: &'a mut [f32],
        sums: &'a mut [f32],
        totals: &'a mut [f64],
    }

    impl WithSimd for Select<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) {
            let n_tokens = self.mean.len();
            let size = n_tokens * n_tokens;
            let n_averaged = self.heads.len() / size;
            let n_points = n_tokens - self.first;
            for token in 0..n_tokens {
                let row = |head: usize| &self.heads[head * size + token * n_tokens..][..n_tokens];
                self.mean.copy_from_slice(row(0));
                for head in 1..n_averaged {
                    for (sum, weight) in self.mean.iter_mut().zip(row(head)) {
                        *sum += weight;
                    }
                }
                if n_averaged > 1 {
                    self.mean
                        .iter_mut()
                        .for_each(|sum| *sum /= n_averaged as f32);
                }
                self.totals[token] = f64::from(sum(self.mean));
                if token < self.first {
                    continue;
                }
                let patches = &self.mean[self.first..];
                let total = sum(patches);
                let place = token - self.first;
                self.sums[place] = total;
                let outputs = &mut self.rows[place * n_points..][..n_points];
                for (output, weight) in outputs.iter_mut().zip(patches) {
                    *output = weight / total;
                }
            }
        }
    }

    /// In lanes, the same on every processor.
    #[inline(always)]
    fn sum(row: &[f32]) -> f32 {
        let (chunks, rest) = row.as_chunks::<16>();
        let mut lanes = [0.0f32; 16];
        for chunk in chunks {
            for (lane, weight) in lanes.iter_mut().zip(chunk) {
                *lane += weight;
            }
        }
        for (lane, weight) in lanes.iter_mut().zip(rest) {
            *lane += weight;
        }
        for half in [8, 4, 2, 1] {
            for k in 0..half {
                lanes[k] += lanes[k + half];
            }
        }
        lanes[0]
    }

    pub(super) fn as_one_node<E>(
        weights: &Tensor<4>,
        select: impl FnOnce(Tensor<4>) -> Result<SelectedRows, E>,
    ) -> Option<Result<Tensor<3>, E>> {
        let input = match Input::of(weights.clone())? {
            Input::Constant(_) => return None,
            tracked => tracked,
        };
        let selected = match select(weights.clone().without_autodiff()) {
            Ok(selected) => selected,
            Err(error) => return Some(Err(error)),
        };
        let [Input::Constant(rows), Input::Constant(sums)] =
            [Input::of(selected.rows)?, Input::of(selected.sums)?]
        else {
            return None;
        };
        let operation = Selected {
            dims: weights.dims(),
            rows: contiguous(rows),
            sums: contiguous(sums),
        };
        apply(operation, [input]).map(Ok)
    }

    #[derive(Debug, Clone)]
    struct Selected {
        dims: [usize; 4],
        rows: Host,
        sums: Host,
    }

    impl Operation<1> for Selected {
        type Saved = ();

        fn forward(&self, _: [Host; 1]) -> (Host, ()) {
            (self.rows.clone(), ())
        }

        fn backward(&self, (): (), gradient: Host, _is_wanted: [bool; 1]) -> [Option<Host>; 1] {
            let gradient = contiguous(gradient);
            let [batch_size, n_heads, n_tokens, _] = self.dims;
            let [n_items, n_points, _] = self.rows.shape().dims();
            let size = n_tokens * n_tokens;
            // Heads that were averaged share one gradient.
            let n_shared = batch_size * n_heads / n_items;
            let first = n_tokens - n_points;
            let numbers = in_blocks(n_items * size, size, |item, output| {
                let output = output.zeroed();
                let start = item * n_points * n_points;
                Arch::new().dispatch(Gradient {
                    rows: &values(&self.rows)[start..][..n_points * n_points],
                    gradient: &values(&gradient)[start..][..n_points * n_points],
                    sums: &values(&self.sums)[item * n_points..][..n_points],
                    share: (n_shared as f32).recip(),
                    output: &mut output[first * n_tokens..],
                    first,
                });
                output
            });
            // One matrix in memory stands for all heads that share it.
            let of_items = [batch_size, n_heads / n_shared, n_tokens, n_tokens];
            let gradient = host(numbers, of_items);
            [Some(Flex::float_expand(gradient, Shape::from(self.dims)))]
        }
    }

    /// From the gradient of `w / s`, with `s` the sum of `w`, to that of `w`: `(g - <w / s, g>) / s`.
    struct Gradient<'a> {
        rows: &'a [f32],
        gradient: &'a [f32],
        sums: &'a [f32],
        share: f32,
        /// Rows of all tokens, of which the first are left alone.
        output: &'a mut [f32],
        first: usize,
    }

    impl WithSimd for Gradient<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let n_points = self.sums.len();
            let lanes = S::F32_LANES;
            let inputs = self.rows.chunks_exact(n_points);
            let inputs = inputs.zip(self.gradient.chunks_exact(n_points));
            let outputs = self.output.chunks_exact_mut(self.first + n_points);
            for ((output, (row, gradient)), sum) in outputs.zip(inputs).zip(self.sums) {
                let mean = simd.splat_f32s(inner_product(simd, row, gradient));
                let scale = simd.splat_f32s(self.share / sum);
                let outputs = output[self.first..].chunks_mut(lanes);
                for (output, gradient) in outputs.zip(gradient.chunks(lanes)) {
                    let centred = simd.sub_f32s(simd.partial_load_f32s(gradient), mean);
                    simd.partial_store_f32s(output, simd.mul_f32s(centred, scale));
                }
            }
        }
    }
}
