//! Selection of attention rows (mean of heads, patches, renormalisation) as one node of the graph.

use burn::prelude::*;

/// Selected rows of attention, and the sums by which they were divided.
pub(crate) struct SelectedRows {
    /// Rows that sum to one: `[n_items, n_points, n_points]`.
    ///
    /// Where each head is an item, heads vary faster than images.
    pub(crate) rows: Tensor<3>,
    /// Sums of the rows before renormalisation: `[n_items, n_points, 1]`.
    pub(crate) sums: Tensor<3>,
}

/// Selects rows as one node of the graph of `weights`, `[batch_size, n_heads, n_tokens, n_tokens]`.
///
/// `select` selects rows of the weights without their graph: the last tokens, averaged over heads if there
/// are fewer items than matrices. `None` if it has to run on the weights themselves, because they lie on
/// another backend or have no graph.
pub(crate) fn as_one_node<E>(
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

/// Selects rows of weights without a graph, in one pass, items in parallel.
///
/// Also returns the sums of the rows of all tokens, `[n_items, n_tokens]`. Rows are those of the tokens from
/// `first` on, of the mean of the heads or of each head. `None` if the weights are not in single precision on
/// the CPU backend.
pub(crate) fn select_on_host(
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

/// Copies a tensor of single precision from the CPU backend, once and in parallel; `None` for other tensors.
pub(crate) fn copy_to_host(tensor: &Tensor<3>) -> Option<Vec<f32>> {
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
    use crate::fused::node::{
        HostTensor, Input, Operation, apply, contiguous, host_tensor, in_blocks, values,
    };
    use crate::fused::simd::{inner_product, load, store};

    /// Number of values copied per task: 64 KiB.
    const COPY_BLOCK: usize = 1 << 14;

    /// Copies a tensor, see [`super::copy_to_host`].
    pub(super) fn copy_to_host(tensor: &Tensor<3>) -> Option<Vec<f32>> {
        match Input::from_tensor(tensor.clone().without_autodiff())? {
            Input::Constant(tensor) => {
                let tensor = contiguous(tensor);
                let numbers = values(&tensor);
                let blocks: Vec<&[f32]> = numbers.chunks(COPY_BLOCK).collect();
                // A block is filled with one copy of its source.
                Some(in_blocks(numbers.len(), COPY_BLOCK, |block, output| {
                    output.rows_of(blocks[block])
                }))
            }
            Input::Tracked(_) => None,
        }
    }

    /// Selects rows, see [`super::select_on_host`].
    pub(super) fn select(
        weights: &Tensor<4>,
        takes_mean: bool,
        first: usize,
    ) -> Option<(SelectedRows, Vec<f64>)> {
        let [batch_size, n_heads, n_tokens, _] = weights.dims();
        let Input::Constant(weights) = Input::from_tensor(weights.clone())? else {
            return None;
        };
        let weights = contiguous(weights);
        let (n_items, n_averaged) = if takes_mean {
            (batch_size, n_heads)
        } else {
            (batch_size * n_heads, 1)
        };
        let (n_points, size) = (n_tokens - first, n_tokens * n_tokens);
        if n_items * n_points == 0 {
            return None;
        }
        let mut rows = vec![0.0; n_items * n_points * n_points];
        let mut sums = vec![0.0; n_items * n_points];
        let mut totals = vec![0.0; n_items * n_tokens];
        rows.par_chunks_exact_mut(n_points * n_points)
            .zip(sums.par_chunks_exact_mut(n_points))
            .zip(totals.par_chunks_exact_mut(n_tokens))
            .zip(values(&weights).par_chunks_exact(n_averaged * size))
            .for_each_init(
                // One buffer per task, reused from item to item.
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
            |values, shape: [usize; 3]| Tensor::from_primitive::<Flex>(host_tensor(values, shape));
        let selected = SelectedRows {
            rows: tensor(rows, [n_items, n_points, n_points]),
            sums: tensor(sums, [n_items, n_points, 1]),
        };
        Some((selected, totals))
    }

    /// Selection of the rows of one item.
    struct Select<'a> {
        /// Weights of the heads to average: `[n_averaged, n_tokens, n_tokens]`.
        heads: &'a [f32],
        /// Buffer for the mean of one row: `[n_tokens]`.
        mean: &'a mut [f32],
        /// First token that is selected.
        first: usize,
        /// Output: `[n_points, n_points]`.
        rows: &'a mut [f32],
        /// Output, sums over the selected columns: `[n_points]`.
        sums: &'a mut [f32],
        /// Output, sums over all columns: `[n_tokens]`.
        totals: &'a mut [f64],
    }

    impl WithSimd for Select<'_> {
        type Output = ();

        // Plain loops: the dispatch lets the compiler vectorise them for the processor at hand.
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
                    for sum in self.mean.iter_mut() {
                        *sum /= n_averaged as f32;
                    }
                }
                self.totals[token] = f64::from(sum(self.mean));
                // Rows of prefix tokens are only checked, not selected.
                if token < self.first {
                    continue;
                }
                let patches = &self.mean[self.first..];
                let total = sum(patches);
                let point = token - self.first;
                self.sums[point] = total;
                let outputs = &mut self.rows[point * n_points..][..n_points];
                for (output, weight) in outputs.iter_mut().zip(patches) {
                    *output = weight / total;
                }
            }
        }
    }

    /// Returns the sum of a row, added in 16 lanes.
    ///
    /// The number of lanes is fixed, unlike that of the processor's vectors, so every processor adds in the
    /// same order and gets the same bits.
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

    /// Selects rows as one node, see [`super::as_one_node`].
    pub(super) fn as_one_node<E>(
        weights: &Tensor<4>,
        select: impl FnOnce(Tensor<4>) -> Result<SelectedRows, E>,
    ) -> Option<Result<Tensor<3>, E>> {
        let input = match Input::from_tensor(weights.clone())? {
            // Without a graph there is no node to record, and the caller selects directly.
            Input::Constant(_) => return None,
            tracked => tracked,
        };
        let selected = match select(weights.clone().without_autodiff()) {
            Ok(selected) => selected,
            Err(error) => return Some(Err(error)),
        };
        let [Input::Constant(rows), Input::Constant(sums)] = [
            Input::from_tensor(selected.rows)?,
            Input::from_tensor(selected.sums)?,
        ] else {
            return None;
        };
        let operation = Selected {
            dims: weights.dims(),
            rows: contiguous(rows),
            sums: contiguous(sums),
        };
        apply(operation, [input]).map(Ok)
    }

    /// Operation whose output, the selected rows, is already computed.
    #[derive(Debug, Clone)]
    struct Selected {
        /// Shape of the weights.
        dims: [usize; 4],
        rows: HostTensor,
        sums: HostTensor,
    }

    impl Operation<1> for Selected {
        /// Nothing: the backward pass uses the rows and sums of the operation itself.
        type Saved = ();

        fn forward(&self, _: [HostTensor; 1]) -> (HostTensor, ()) {
            (self.rows.clone(), ())
        }

        fn backward(
            &self,
            (): (),
            gradient: HostTensor,
            _is_wanted: [bool; 1],
        ) -> [Option<HostTensor>; 1] {
            let gradient = contiguous(gradient);
            let [batch_size, n_heads, n_tokens, _] = self.dims;
            // Without weights there are no items either, among which the heads could be divided.
            if self.dims.contains(&0) {
                return [Some(host_tensor(Vec::new(), self.dims))];
            }
            let [n_items, n_points, _] = self.rows.shape().dims();
            let size = n_tokens * n_tokens;
            // Heads that were averaged have the same gradient.
            let n_shared = batch_size * n_heads / n_items;
            let first = n_tokens - n_points;
            let numbers = in_blocks(n_items * size, size, |item, output| {
                // Rows and columns of prefix tokens keep the gradient 0.
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
            // `float_expand` repeats the matrix for all averaged heads without copying it.
            let shape = [batch_size, n_heads / n_shared, n_tokens, n_tokens];
            let gradient = host_tensor(numbers, shape);
            [Some(Flex::float_expand(gradient, Shape::from(self.dims)))]
        }
    }

    /// Gradient of the weights of one item.
    ///
    /// ```text
    /// r = w / s with s = sum of w:   dw = (g - <r, g>) / s,  with g the gradient of r
    /// ```
    struct Gradient<'a> {
        rows: &'a [f32],
        gradient: &'a [f32],
        sums: &'a [f32],
        /// Fraction of the gradient that goes to each averaged head.
        share: f32,
        /// Output: rows of the selected tokens, `[n_points, first + n_points]`.
        output: &'a mut [f32],
        /// First column that is selected; those before it are left unchanged.
        first: usize,
    }

    impl WithSimd for Gradient<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let n_points = self.sums.len();
            let lanes = S::F32_LANES;
            let inputs = self
                .rows
                .chunks_exact(n_points)
                .zip(self.gradient.chunks_exact(n_points));
            let outputs = self.output.chunks_exact_mut(self.first + n_points);
            for ((output, (row, gradient)), sum) in outputs.zip(inputs).zip(self.sums) {
                let mean = simd.splat_f32s(inner_product(simd, row, gradient));
                let scale = simd.splat_f32s(self.share / sum);
                let outputs = output[self.first..].chunks_mut(lanes);
                for (output, gradient) in outputs.zip(gradient.chunks(lanes)) {
                    let centred = simd.sub_f32s(load(simd, gradient), mean);
                    store(simd, output, simd.mul_f32s(centred, scale));
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_gradient_of_an_empty_batch_is_empty() {
            let dims = [0, 2, 3, 3];
            let empty = |n_columns: usize| host_tensor(Vec::new(), [0, 3, n_columns]);
            let selected = Selected {
                dims,
                rows: empty(3),
                sums: empty(1),
            };
            let [gradient] = selected.backward((), empty(3), [true]);
            assert_eq!(gradient.unwrap().shape(), Shape::from(dims));
        }
    }
}
