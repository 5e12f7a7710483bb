//! Adam with decoupled weight decay, in one pass.

use burn::optim::{AdamWConfig, AdamWState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

/// AdamW: adaptive moments, and weight decay apart from the gradient.
///
/// The state, and the numbers up to rounding, are those of Burn's own `AdamW`.
///
/// # Cost
///
/// On the CPU backend in single precision one vectorised, parallel pass over each parameter, in place
/// where nothing else holds it; elsewhere Burn's own operations, some ten passes.
///
/// # Source
///
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::LinearConfig;
/// use burn::optim::{GradientsParams, ModuleOptimizer};
/// use burn::prelude::*;
/// use burn_topology::nn::AdamW;
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(1, 1).with_bias(false).init(&device);
/// let mut optimizer = ModuleOptimizer::from(AdamW { weight_decay: 0.0, ..AdamW::default() });
/// let before = layer.weight.val().into_scalar::<f32>();
/// let loss = layer.forward(Tensor::<2>::ones([1, 1], &device)).sum();
/// let gradients = GradientsParams::from_grads(loss.backward(), &layer);
/// let layer = optimizer.step(0.5, layer, gradients);
/// // The first step is as long as the learning rate.
/// let moved = layer.weight.val().into_scalar::<f32>() - before;
/// assert!((moved + 0.5).abs() < 1e-5);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Decay of the mean of gradients.
    pub beta_1: f32,
    /// Decay of the mean of their squares.
    pub beta_2: f32,
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// Share of a parameter that a step at learning rate 1 takes off it.
    pub weight_decay: f32,
}

impl Default for AdamW {
    /// Those of the paper, with the decay of PyTorch.
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        #[cfg(feature = "flex")]
        if on_flex::holds(&tensor, &grad, state.as_ref()) {
            let (tensor, state) = on_flex::step(self, lr, tensor, grad, state);
            return (tensor, Some(state));
        }
        let burns = AdamWConfig::new()
            .with_beta_1(self.beta_1)
            .with_beta_2(self.beta_2)
            .with_epsilon(self.epsilon)
            .with_weight_decay(self.weight_decay);
        burns.build().step(lr, tensor, grad, state)
    }

    fn to_device<const D: usize>(mut state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::Flex;
    use burn::optim::{AdamWState, AdaptiveMomentumState};
    use burn::tensor::Tensor;
    use pulp::{Arch, Simd, WithSimd};
    use rayon::prelude::*;

    use super::AdamW;
    use crate::nn::fused::node::{Host, Input, contiguous, values};

    /// Entries per task.
    const BLOCK: usize = 1 << 13;

    /// Whether all of it lies on the CPU backend in single precision.
    pub(super) fn holds<const D: usize>(
        tensor: &Tensor<D>,
        gradient: &Tensor<D>,
        state: Option<&AdamWState<D>>,
    ) -> bool {
        let moments = state.map(|state| [&state.momentum.moment_1, &state.momentum.moment_2]);
        let all = [tensor, gradient].into_iter();
        let mut all = all.chain(moments.into_iter().flatten());
        all.all(|tensor| matches!(Input::of(tensor.clone()), Some(Input::Constant(_))))
    }

    fn host<const D: usize>(tensor: Tensor<D>) -> Host {
        match Input::of(tensor) {
            Some(Input::Constant(tensor)) => contiguous(tensor),
            _ => unreachable!("looked at before"),
        }
    }

    pub(super) fn step<const D: usize>(
        optimizer: &AdamW,
        lr: f64,
        parameters: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, AdamWState<D>) {
        let mut momentum = match state {
            Some(state) => state.momentum,
            None => AdaptiveMomentumState {
                time: 0,
                moment_1: parameters.zeros_like(),
                moment_2: parameters.zeros_like(),
                max_moment_2: None,
            },
        };
        momentum.time += 1;
        let mut parameters = host(parameters);
        let gradient = host(gradient);
        let [mut first, mut second] = [momentum.moment_1, momentum.moment_2].map(host);
        let steps = i32::try_from(momentum.time).unwrap_or(i32::MAX);
        let length = values(&gradient).len();
        let pass = |parameters, first, second, gradient| Pass {
            beta: [optimizer.beta_1, optimizer.beta_2],
            correction: [optimizer.beta_1, optimizer.beta_2]
                .map(|beta| 1.0 / (1.0 - beta.powi(steps))),
            epsilon: optimizer.epsilon,
            kept: (1.0 - lr * f64::from(optimizer.weight_decay)) as f32,
            lr: lr as f32,
            parameters,
            first,
            second,
            gradient,
        };
        // Copies only what something else holds too.
        let blocks = parameters.storage_mut::<f32>()[..length].par_chunks_mut(BLOCK);
        let blocks = blocks.zip(first.storage_mut::<f32>()[..length].par_chunks_mut(BLOCK));
        let blocks = blocks.zip(second.storage_mut::<f32>()[..length].par_chunks_mut(BLOCK));
        let blocks = blocks.zip(values(&gradient).par_chunks(BLOCK));
        blocks.for_each(|(((parameters, first), second), gradient)| {
            Arch::new().dispatch(pass(parameters, first, second, gradient));
        });
        momentum.moment_1 = Tensor::from_primitive::<Flex>(first);
        momentum.moment_2 = Tensor::from_primitive::<Flex>(second);
        (
            Tensor::from_primitive::<Flex>(parameters),
            AdamWState { momentum },
        )
    }

    struct Pass<'a> {
        beta: [f32; 2],
        correction: [f32; 2],
        epsilon: f32,
        /// Share of a parameter that the decay leaves.
        kept: f32,
        lr: f32,
        parameters: &'a mut [f32],
        first: &'a mut [f32],
        second: &'a mut [f32],
        gradient: &'a [f32],
    }

    impl WithSimd for Pass<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let lanes = S::F32_LANES;
            let splat = |value| simd.splat_f32s(value);
            let [keep_1, keep_2] = self.beta.map(splat);
            let [add_1, add_2] = self.beta.map(|beta| splat(1.0 - beta));
            let [correct_1, correct_2] = self.correction.map(splat);
            let moments = self
                .first
                .chunks_mut(lanes)
                .zip(self.second.chunks_mut(lanes));
            let inputs = moments.zip(self.gradient.chunks(lanes));
            for (parameters, ((first, second), gradient)) in
                self.parameters.chunks_mut(lanes).zip(inputs)
            {
                let gradient = simd.partial_load_f32s(gradient);
                let added = simd.mul_f32s(gradient, add_1);
                let mean = simd.mul_add_f32s(simd.partial_load_f32s(first), keep_1, added);
                let added = simd.mul_f32s(simd.mul_f32s(gradient, gradient), add_2);
                let square = simd.mul_add_f32s(simd.partial_load_f32s(second), keep_2, added);
                simd.partial_store_f32s(first, mean);
                simd.partial_store_f32s(second, square);
                let root = simd.sqrt_f32s(simd.mul_f32s(square, correct_2));
                let scale = simd.add_f32s(root, splat(self.epsilon));
                let update = simd.div_f32s(simd.mul_f32s(mean, correct_1), scale);
                let kept = simd.mul_f32s(simd.partial_load_f32s(parameters), splat(self.kept));
                let moved = simd.mul_add_f32s(update, splat(-self.lr), kept);
                simd.partial_store_f32s(parameters, moved);
            }
        }
    }
}
