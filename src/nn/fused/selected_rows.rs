//! The graph of rows of attention that are read, averaged over heads, cut out and made sum to one.

use burn::prelude::*;

/// What was made of attention weights, without a graph.
pub(in crate::nn) struct SelectedRows {
    /// `[n_items, n_points, n_points]`, rows summing to one; with every head by itself, heads vary
    /// fastest.
    pub(in crate::nn) rows: Tensor<3>,
    /// What they were divided by: `[n_items, n_points, 1]`.
    #[cfg_attr(
        not(feature = "flex"),
        expect(dead_code, reason = "Burn records the graph itself")
    )]
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

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::TensorMetadata;
    use burn::tensor::Tensor;
    use pulp::{Arch, Simd, WithSimd};

    use super::SelectedRows;
    use crate::nn::fused::node::{
        Host, Input, Operation, apply, contiguous, host, in_blocks, values,
    };
    use crate::nn::fused::simd::inner_product;

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
            let numbers = in_blocks(
                n_items * n_shared * size,
                n_shared * size,
                |item, output| {
                    let output = output.zeroed();
                    let (one, others) = output.split_at_mut(size);
                    let start = item * n_points * n_points;
                    Arch::new().dispatch(Gradient {
                        rows: &values(&self.rows)[start..][..n_points * n_points],
                        gradient: &values(&gradient)[start..][..n_points * n_points],
                        sums: &values(&self.sums)[item * n_points..][..n_points],
                        share: (n_shared as f32).recip(),
                        output: &mut one[first * n_tokens..],
                        first,
                    });
                    for other in others.chunks_exact_mut(size) {
                        other.copy_from_slice(one);
                    }
                    output
                },
            );
            [Some(host(numbers, self.dims))]
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
