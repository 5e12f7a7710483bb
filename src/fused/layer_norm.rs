//! Layer normalisation of the last dimension of a tensor.

use burn::prelude::*;

/// Applies layer normalisation to every vector of the last dimension.
///
/// ```text
/// y = gamma (x - mean(x)) / sqrt(variance(x) + epsilon) + beta
/// ```
///
/// The parameters are those of Burn's `LayerNorm`.
///
/// # Shapes
///
/// - `x`: `[.., d]`; `gamma`, `beta`: `[d]`
///
/// # Gradient
///
/// With respect to `x`, `gamma` and `beta`.
///
/// # Cost
///
/// On the CPU backend in single precision there is one vectorised, parallel pass in each direction; elsewhere
/// Burn's own operations run.
///
/// # Source
///
/// Ba et al., "Layer Normalization", 2016, section 3; the variance has `d` in the denominator.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::fused::layer_norm;
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 3.0]], &device);
/// let y = layer_norm(x, Tensor::ones([2], &device), Tensor::zeros([2], &device), 0.0);
/// assert_eq!(y.into_data().try_into_vec::<f32>().unwrap(), [-1.0, 1.0]);
/// # }
/// ```
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(output) = on_flex::layer_norm([&gamma, &beta], &x, epsilon) {
        return output;
    }
    with_burn_operations(x, gamma, beta, epsilon)
}

/// Does the same with Burn's operations.
fn with_burn_operations<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    burn::tensor::module::layer_norm(x, gamma, Some(beta), epsilon)
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::tensor::Tensor;
    use pulp::{Arch, Simd, WithSimd};
    use rayon::prelude::*;

    use crate::fused::node::{
        HostTensor, Input, Operation, apply, contiguous, host_tensor, host_tensor_like, in_blocks,
        values,
    };
    use crate::fused::simd::{load, store};

    /// Number of vectors per task. It is fixed, so the sums over blocks do not depend on the number of threads.
    const BLOCK: usize = 64;

    /// Applies the function as one node of the graph; `None` if Burn's operations have to run.
    pub(super) fn layer_norm<const D: usize>(
        [gamma, beta]: [&Tensor<1>; 2],
        x: &Tensor<D>,
        epsilon: f64,
    ) -> Option<Tensor<D>> {
        let width = gamma.dims()[0];
        assert_eq!(
            (x.dims()[D - 1], beta.dims()[0]),
            (width, width),
            "layer norm: the last dimension of x and the length of beta differ from the length of gamma"
        );
        if width == 0 {
            return None;
        }
        let inputs = [
            Input::from_tensor(x.clone())?,
            Input::from_tensor(gamma.clone())?,
            Input::from_tensor(beta.clone())?,
        ];
        let epsilon = epsilon as f32;
        apply(LayerNorm { epsilon }, inputs)
    }

    #[derive(Debug, Clone, Copy)]
    struct LayerNorm {
        epsilon: f32,
    }

    /// Tensors for the backward pass: `x` and `gamma`. The gradient does not depend on `beta`.
    type Saved = [HostTensor; 2];

    impl Operation<3> for LayerNorm {
        type Saved = Saved;

        fn forward(&self, inputs: [HostTensor; 3]) -> (HostTensor, Saved) {
            let [x, gamma, beta] = inputs.map(contiguous);
            let (numbers, scales) = (values(&x), values(&gamma));
            let block = BLOCK * scales.len();
            let output = in_blocks(numbers.len(), block, |index, output| {
                let output = output.zeroed();
                Arch::new().dispatch(ForwardPass {
                    x: &numbers[index * block..][..output.len()],
                    gamma: scales,
                    beta: values(&beta),
                    epsilon: self.epsilon,
                    output,
                });
                output
            });
            (host_tensor_like(output, &x), [x, gamma])
        }

        fn backward(
            &self,
            [x, gamma]: Saved,
            gradient: HostTensor,
            _is_wanted: [bool; 3],
        ) -> [Option<HostTensor>; 3] {
            let gradient = contiguous(gradient);
            let (numbers, slopes, scales) = (values(&x), values(&gradient), values(&gamma));
            let width = scales.len();
            let block = BLOCK * width;
            let n_blocks = numbers.len().div_ceil(block);
            // Each block sums the gradients of `gamma` and `beta` of its own vectors, side by side.
            let mut partial_sums = vec![0.0; n_blocks * 2 * width];
            // Zeroed as a whole: `in_blocks` fills one output, but each task here writes to two.
            let mut output = vec![0.0; numbers.len()];
            output
                .par_chunks_mut(block)
                .zip(numbers.par_chunks(block).zip(slopes.par_chunks(block)))
                .zip(partial_sums.par_chunks_mut(2 * width))
                .for_each(|((output, (x, gradient)), sums)| {
                    let (gamma_gradient, beta_gradient) = sums.split_at_mut(width);
                    Arch::new().dispatch(BackwardPass {
                        x,
                        gamma: scales,
                        gradient,
                        epsilon: self.epsilon,
                        output,
                        gamma_gradient,
                        beta_gradient,
                    });
                });
            // One thread adds the blocks in order, so the result does not depend on the number of threads.
            let mut sums = vec![0.0; 2 * width];
            for part in partial_sums.chunks_exact(2 * width) {
                for (sum, term) in sums.iter_mut().zip(part) {
                    *sum += term;
                }
            }
            let beta_gradient = sums.split_off(width);
            [
                Some(host_tensor_like(output, &x)),
                Some(host_tensor(sums, [width])),
                Some(host_tensor(beta_gradient, [width])),
            ]
        }
    }

    /// Moments of one vector.
    struct Moments {
        mean: f32,
        inverse_deviation: f32,
    }

    /// Returns the mean and `1 / sqrt(variance + epsilon)` of a vector, in two passes.
    #[inline(always)]
    fn moments<S: Simd>(simd: S, x: &[f32], epsilon: f32) -> Moments {
        let lanes = S::F32_LANES;
        let count = x.len() as f32;
        let mut sum = simd.splat_f32s(0.0);
        // The zeros that fill up the last vector do not change the sum.
        for part in x.chunks(lanes) {
            sum = simd.add_f32s(sum, load(simd, part));
        }
        let mean = simd.reduce_sum_f32s(sum) / count;
        // A second pass, because the mean square minus the squared mean cancels where the mean is large.
        let mut squares = simd.splat_f32s(0.0);
        // Zeros would change the sum of squared deviations, so the tail is added value by value.
        let (whole, rest) = x.split_at(x.len() / lanes * lanes);
        for part in whole.chunks_exact(lanes) {
            let deviation = simd.sub_f32s(load(simd, part), simd.splat_f32s(mean));
            squares = simd.mul_add_f32s(deviation, deviation, squares);
        }
        let mut sum = simd.reduce_sum_f32s(squares);
        for x in rest {
            sum += (x - mean) * (x - mean);
        }
        Moments {
            mean,
            inverse_deviation: (sum / count + epsilon).sqrt().recip(),
        }
    }

    /// Forward pass over one block.
    struct ForwardPass<'a> {
        x: &'a [f32],
        gamma: &'a [f32],
        beta: &'a [f32],
        epsilon: f32,
        output: &'a mut [f32],
    }

    impl WithSimd for ForwardPass<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let width = self.gamma.len();
            let lanes = S::F32_LANES;
            for (output, x) in self.output.chunks_mut(width).zip(self.x.chunks(width)) {
                let moments = moments(simd, x, self.epsilon);
                let mean = simd.splat_f32s(moments.mean);
                let scale = simd.splat_f32s(moments.inverse_deviation);
                let parameters = self.gamma.chunks(lanes).zip(self.beta.chunks(lanes));
                let parts = output.chunks_mut(lanes).zip(x.chunks(lanes));
                for ((output, x), (gamma, beta)) in parts.zip(parameters) {
                    let deviation = simd.sub_f32s(load(simd, x), mean);
                    let normal = simd.mul_f32s(deviation, scale);
                    let gamma = load(simd, gamma);
                    let beta = load(simd, beta);
                    store(simd, output, simd.mul_add_f32s(normal, gamma, beta));
                }
            }
        }
    }

    /// Backward pass over one block.
    ///
    /// ```text
    /// n  = (x - mean) / deviation,  h = gradient * gamma
    /// dx = (h - mean(h) - n mean(h n)) / deviation
    /// d gamma = sum of gradient * n,  d beta = sum of gradient
    /// ```
    struct BackwardPass<'a> {
        x: &'a [f32],
        gamma: &'a [f32],
        gradient: &'a [f32],
        epsilon: f32,
        output: &'a mut [f32],
        gamma_gradient: &'a mut [f32],
        beta_gradient: &'a mut [f32],
    }

    impl WithSimd for BackwardPass<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let width = self.gamma.len();
            let lanes = S::F32_LANES;
            let load = |values: &[f32]| load(simd, values);
            let rows = self.x.chunks(width).zip(self.gradient.chunks(width));
            for (output, (x, gradient)) in self.output.chunks_mut(width).zip(rows) {
                // The moments are computed again: that is cheaper than storing them for the backward pass.
                let moments = moments(simd, x, self.epsilon);
                let means = simd.splat_f32s(moments.mean);
                let scales = simd.splat_f32s(moments.inverse_deviation);
                let normal = |x: &[f32]| simd.mul_f32s(simd.sub_f32s(load(x), means), scales);
                let mut sum = simd.splat_f32s(0.0);
                let mut moment = simd.splat_f32s(0.0);
                let sums = self
                    .gamma_gradient
                    .chunks_mut(lanes)
                    .zip(self.beta_gradient.chunks_mut(lanes));
                let inputs = x.chunks(lanes).zip(gradient.chunks(lanes));
                for (((x, gradient), gamma), (gamma_gradient, beta_gradient)) in
                    inputs.zip(self.gamma.chunks(lanes)).zip(sums)
                {
                    let (normal, gradient) = (normal(x), load(gradient));
                    // Beyond the end of the vector the gradient is filled up with 0, and so is every
                    // product with it.
                    let normal_gradient = simd.mul_f32s(gradient, load(gamma));
                    sum = simd.add_f32s(sum, normal_gradient);
                    moment = simd.mul_add_f32s(normal_gradient, normal, moment);
                    let updated = simd.mul_add_f32s(gradient, normal, load(gamma_gradient));
                    store(simd, gamma_gradient, updated);
                    let updated = simd.add_f32s(gradient, load(beta_gradient));
                    store(simd, beta_gradient, updated);
                }
                let count = width as f32;
                let sum = simd.splat_f32s(simd.reduce_sum_f32s(sum) / count);
                let moment = simd.splat_f32s(simd.reduce_sum_f32s(moment) / count);
                let inputs = x.chunks(lanes).zip(gradient.chunks(lanes));
                let parts = output.chunks_mut(lanes).zip(inputs);
                for ((output, (x, gradient)), gamma) in parts.zip(self.gamma.chunks(lanes)) {
                    let normal_gradient = simd.mul_f32s(load(gradient), load(gamma));
                    let centred = simd.sub_f32s(normal_gradient, sum);
                    let projected = simd.sub_f32s(centred, simd.mul_f32s(normal(x), moment));
                    store(simd, output, simd.mul_f32s(projected, scales));
                }
            }
        }
    }
}
