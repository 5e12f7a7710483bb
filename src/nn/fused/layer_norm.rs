//! Layer normalisation.

use burn::prelude::*;

/// Shifts and scales every vector of the last dimension to mean 0 and variance 1, then by `gamma` and
/// `beta`.
///
/// Takes the parameters of Burn's `LayerNorm`.
///
/// # Shapes
///
/// - `x`: `[.., d]`; `gamma`, `beta`: `[d]`
///
/// # Gradient
///
/// In `x`, `gamma` and `beta`.
///
/// # Cost
///
/// On the CPU backend in single precision one vectorised, parallel pass each way; elsewhere Burn's own
/// operations.
///
/// # Source
///
/// Ba et al., "Layer Normalization", 2016, section 3; the variance is that of the population.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::layer_norm;
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
    of_tensors(x, gamma, beta, epsilon)
}

/// The same in Burn's operations.
fn of_tensors<const D: usize>(
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

    use crate::nn::fused::node::{
        Host, Input, Operation, apply, contiguous, host, host_like, in_blocks, values,
    };

    /// Vectors per task.
    const BLOCK: usize = 64;

    pub(super) fn layer_norm<const D: usize>(
        [gamma, beta]: [&Tensor<1>; 2],
        x: &Tensor<D>,
        epsilon: f64,
    ) -> Option<Tensor<D>> {
        let width = gamma.dims()[0];
        assert_eq!(
            (x.dims()[D - 1], beta.dims()[0]),
            (width, width),
            "layer norm: the last dimension of x, and beta, are not as long as gamma"
        );
        if width == 0 {
            return None;
        }
        let inputs = [
            Input::of(x.clone())?,
            Input::of(gamma.clone())?,
            Input::of(beta.clone())?,
        ];
        let epsilon = epsilon as f32;
        apply(LayerNorm { epsilon }, inputs)
    }

    #[derive(Debug, Clone, Copy)]
    struct LayerNorm {
        epsilon: f32,
    }

    /// The inputs but `beta`.
    type Saved = [Host; 2];

    impl Operation<3> for LayerNorm {
        type Saved = Saved;

        fn forward(&self, inputs: [Host; 3]) -> (Host, Saved) {
            let [x, gamma, beta] = inputs.map(contiguous);
            let (numbers, scales) = (values(&x), values(&gamma));
            let block = BLOCK * scales.len();
            let output = in_blocks(numbers.len(), block, |place, output| {
                let output = output.zeroed();
                Arch::new().dispatch(Forward {
                    x: &numbers[place * block..][..output.len()],
                    gamma: scales,
                    beta: values(&beta),
                    epsilon: self.epsilon,
                    output,
                });
                output
            });
            (host_like(output, &x), [x, gamma])
        }

        fn backward(
            &self,
            [x, gamma]: Saved,
            gradient: Host,
            _is_wanted: [bool; 3],
        ) -> [Option<Host>; 3] {
            let gradient = contiguous(gradient);
            let (numbers, slopes, scales) = (values(&x), values(&gradient), values(&gamma));
            let width = scales.len();
            let block = BLOCK * width;
            let n_blocks = numbers.len().div_ceil(block);
            let mut parts = vec![0.0; n_blocks * 2 * width];
            let mut output = vec![0.0; numbers.len()];
            let inputs = numbers.par_chunks(block).zip(slopes.par_chunks(block));
            let blocks = output.par_chunks_mut(block).zip(inputs);
            let blocks = blocks.zip(parts.par_chunks_mut(2 * width));
            blocks.for_each(|((output, (x, gradient)), sums)| {
                let (of_gamma, of_beta) = sums.split_at_mut(width);
                Arch::new().dispatch(BackwardPass {
                    x,
                    gamma: scales,
                    gradient,
                    epsilon: self.epsilon,
                    output,
                    of_gamma,
                    of_beta,
                });
            });
            let mut sums = vec![0.0; 2 * width];
            for part in parts.chunks_exact(2 * width) {
                for (sum, term) in sums.iter_mut().zip(part) {
                    *sum += term;
                }
            }
            let of_beta = sums.split_off(width);
            [
                Some(host_like(output, &x)),
                Some(host(sums, [width])),
                Some(host(of_beta, [width])),
            ]
        }
    }

    /// Mean and inverse standard deviation.
    #[inline(always)]
    fn moments<S: Simd>(simd: S, x: &[f32], epsilon: f32) -> [f32; 2] {
        let lanes = S::F32_LANES;
        let count = x.len() as f32;
        let mut sum = simd.splat_f32s(0.0);
        for part in x.chunks(lanes) {
            sum = simd.add_f32s(sum, simd.partial_load_f32s(part));
        }
        let mean = simd.reduce_sum_f32s(sum) / count;
        let mut squares = simd.splat_f32s(0.0);
        let (whole, rest) = x.split_at(x.len() / lanes * lanes);
        for part in whole.chunks_exact(lanes) {
            let deviation = simd.sub_f32s(simd.partial_load_f32s(part), simd.splat_f32s(mean));
            squares = simd.mul_add_f32s(deviation, deviation, squares);
        }
        let mut sum = simd.reduce_sum_f32s(squares);
        for x in rest {
            sum += (x - mean) * (x - mean);
        }
        [mean, (sum / count + epsilon).sqrt().recip()]
    }

    struct Forward<'a> {
        x: &'a [f32],
        gamma: &'a [f32],
        beta: &'a [f32],
        epsilon: f32,
        output: &'a mut [f32],
    }

    impl WithSimd for Forward<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let width = self.gamma.len();
            let lanes = S::F32_LANES;
            for (output, x) in self.output.chunks_mut(width).zip(self.x.chunks(width)) {
                let [mean, scale] = moments(simd, x, self.epsilon);
                let [mean, scale] = [mean, scale].map(|value| simd.splat_f32s(value));
                let parameters = self.gamma.chunks(lanes).zip(self.beta.chunks(lanes));
                let parts = output.chunks_mut(lanes).zip(x.chunks(lanes));
                for ((output, x), (gamma, beta)) in parts.zip(parameters) {
                    let deviation = simd.sub_f32s(simd.partial_load_f32s(x), mean);
                    let normal = simd.mul_f32s(deviation, scale);
                    let gamma = simd.partial_load_f32s(gamma);
                    let beta = simd.partial_load_f32s(beta);
                    simd.partial_store_f32s(output, simd.mul_add_f32s(normal, gamma, beta));
                }
            }
        }
    }

    struct BackwardPass<'a> {
        x: &'a [f32],
        gamma: &'a [f32],
        gradient: &'a [f32],
        epsilon: f32,
        output: &'a mut [f32],
        of_gamma: &'a mut [f32],
        of_beta: &'a mut [f32],
    }

    impl WithSimd for BackwardPass<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let width = self.gamma.len();
            let lanes = S::F32_LANES;
            let load = |values: &[f32]| simd.partial_load_f32s(values);
            let rows = self.x.chunks(width).zip(self.gradient.chunks(width));
            for (output, (x, gradient)) in self.output.chunks_mut(width).zip(rows) {
                let [mean, scale] = moments(simd, x, self.epsilon);
                let (means, scales) = (simd.splat_f32s(mean), simd.splat_f32s(scale));
                let normal = |x: &[f32]| simd.mul_f32s(simd.sub_f32s(load(x), means), scales);
                let mut sum = simd.splat_f32s(0.0);
                let mut moment = simd.splat_f32s(0.0);
                let sums = self
                    .of_gamma
                    .chunks_mut(lanes)
                    .zip(self.of_beta.chunks_mut(lanes));
                let inputs = x.chunks(lanes).zip(gradient.chunks(lanes));
                for (((x, gradient), gamma), (of_gamma, of_beta)) in
                    inputs.zip(self.gamma.chunks(lanes)).zip(sums)
                {
                    let (normal, gradient) = (normal(x), load(gradient));
                    // Behind the end of a row the gradient is 0, and so is all it multiplies.
                    let of_normal = simd.mul_f32s(gradient, load(gamma));
                    sum = simd.add_f32s(sum, of_normal);
                    moment = simd.mul_add_f32s(of_normal, normal, moment);
                    let grown = simd.mul_add_f32s(gradient, normal, load(of_gamma));
                    simd.partial_store_f32s(of_gamma, grown);
                    let grown = simd.add_f32s(gradient, load(of_beta));
                    simd.partial_store_f32s(of_beta, grown);
                }
                let count = width as f32;
                let sum = simd.splat_f32s(simd.reduce_sum_f32s(sum) / count);
                let moment = simd.splat_f32s(simd.reduce_sum_f32s(moment) / count);
                let inputs = x.chunks(lanes).zip(gradient.chunks(lanes));
                let parts = output.chunks_mut(lanes).zip(inputs);
                for ((output, (x, gradient)), gamma) in parts.zip(self.gamma.chunks(lanes)) {
                    let of_normal = simd.mul_f32s(load(gradient), load(gamma));
                    let centred = simd.sub_f32s(of_normal, sum);
                    let free = simd.sub_f32s(centred, simd.mul_f32s(normal(x), moment));
                    simd.partial_store_f32s(output, simd.mul_f32s(free, scales));
                }
            }
        }
    }
}
