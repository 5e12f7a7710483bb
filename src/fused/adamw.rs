//! AdamW optimiser in one pass over each parameter.

use burn::optim::{AdamWConfig, AdamWState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

/// AdamW optimiser: Adam with decoupled weight decay.
///
/// ```text
/// m <- beta_1 m + (1 - beta_1) g
/// v <- beta_2 v + (1 - beta_2) g^2
/// x <- (1 - lr weight_decay) x - lr m' / (sqrt(v') + epsilon)
/// m' = m / (1 - beta_1^t),  v' = v / (1 - beta_2^t)      at step t = 1, 2, ...
/// ```
///
/// The state has the format of that of Burn's own `AdamW`, and the results are the same up to rounding.
///
/// # Cost
///
/// On the CPU backend in single precision there is one vectorised, parallel pass over each parameter, in place
/// unless something else holds the tensor or it is a part of a larger one. Elsewhere Burn's own operations run,
/// in about ten passes.
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
/// use burn_topology::fused::AdamW;
///
/// let device = Device::flex().autodiff();
/// let layer = LinearConfig::new(1, 1).with_bias(false).init(&device);
/// let mut optimizer = ModuleOptimizer::from(AdamW { weight_decay: 0.0, ..AdamW::default() });
/// let before = layer.weight.val().into_scalar::<f32>();
/// let loss = layer.forward(Tensor::<2>::ones([1, 1], &device)).sum();
/// let gradients = GradientsParams::from_grads(loss.backward(), &layer);
/// let layer = optimizer.step(0.5, layer, gradients);
/// // The length of the first step is the learning rate.
/// let moved = layer.weight.val().into_scalar::<f32>() - before;
/// assert!((moved + 0.5).abs() < 1e-5);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Decay rate of the mean gradient, at least 0 and below 1.
    pub beta_1: f32,
    /// Decay rate of the mean squared gradient, at least 0 and below 1.
    pub beta_2: f32,
    /// Number added to the root of the mean square, against division by 0.
    pub epsilon: f32,
    /// Fraction of a parameter by which a step at learning rate 1 shrinks it.
    pub weight_decay: f32,
}

impl Default for AdamW {
    /// Returns the parameters of the paper, with PyTorch's default weight decay of 0.01.
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
    use crate::fused::node::{HostTensor, Input, contiguous, values};
    use crate::fused::simd::{load, store};

    /// Number of values per task: 32 KiB of each of the four arrays.
    const BLOCK: usize = 1 << 13;

    /// True if all tensors are in single precision on the CPU backend.
    pub(super) fn holds<const D: usize>(
        tensor: &Tensor<D>,
        gradient: &Tensor<D>,
        state: Option<&AdamWState<D>>,
    ) -> bool {
        let moments = state.map(|state| [&state.momentum.moment_1, &state.momentum.moment_2]);
        // The clones share memory and are dropped here, so that `step` can still work in place.
        [tensor, gradient]
            .into_iter()
            .chain(moments.into_iter().flatten())
            .all(|tensor| matches!(Input::from_tensor(tensor.clone()), Some(Input::Constant(_))))
    }

    /// Takes a tensor from the CPU backend.
    fn into_host_tensor<const D: usize>(tensor: Tensor<D>) -> HostTensor {
        match Input::from_tensor(tensor) {
            Some(Input::Constant(tensor)) => tensor,
            _ => unreachable!("`holds` has checked that the tensor is on the CPU backend"),
        }
    }

    /// Returns the tensor with contiguous values and no others in its memory; copies only if needed.
    ///
    /// `storage_mut` begins at the start of the memory, which for a slice of a larger tensor is not the start of
    /// the slice.
    fn whole(tensor: HostTensor) -> HostTensor {
        let n_stored = tensor.storage::<f32>().len();
        match tensor.as_slice::<f32>() {
            Some(values) if values.len() == n_stored => tensor,
            _ => tensor.to_contiguous(),
        }
    }

    /// Updates the parameters and the state by one step.
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
                // Only the AMSGrad variant uses it.
                max_moment_2: None,
            },
        };
        momentum.time += 1;
        let mut parameters = whole(into_host_tensor(parameters));
        let gradient = contiguous(into_host_tensor(gradient));
        let mut first = whole(into_host_tensor(momentum.moment_1));
        let mut second = whole(into_host_tensor(momentum.moment_2));
        // Far beyond this number of steps the corrections are 1 anyway.
        let steps = i32::try_from(momentum.time).unwrap_or(i32::MAX);
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
        // `storage_mut` copies only if something else holds the tensor.
        parameters
            .storage_mut::<f32>()
            .par_chunks_mut(BLOCK)
            .zip(first.storage_mut::<f32>().par_chunks_mut(BLOCK))
            .zip(second.storage_mut::<f32>().par_chunks_mut(BLOCK))
            .zip(values(&gradient).par_chunks(BLOCK))
            .for_each(|(((parameters, first), second), gradient)| {
                Arch::new().dispatch(pass(parameters, first, second, gradient));
            });
        momentum.moment_1 = Tensor::from_primitive::<Flex>(first);
        momentum.moment_2 = Tensor::from_primitive::<Flex>(second);
        (
            Tensor::from_primitive::<Flex>(parameters),
            AdamWState { momentum },
        )
    }

    /// Update of one block of values.
    struct Pass<'a> {
        /// Decay rates of the first and of the second moment.
        beta: [f32; 2],
        /// Factors that correct the bias of the first and of the second moment.
        correction: [f32; 2],
        epsilon: f32,
        /// Factor of a parameter by weight decay: `1 - lr * weight_decay`.
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
            let inputs = self
                .first
                .chunks_mut(lanes)
                .zip(self.second.chunks_mut(lanes))
                .zip(self.gradient.chunks(lanes));
            // In the tail, partial loads fill up with zeros and partial stores drop what lies beyond it.
            for (parameters, ((first, second), gradient)) in
                self.parameters.chunks_mut(lanes).zip(inputs)
            {
                let gradient = load(simd, gradient);
                let added = simd.mul_f32s(gradient, add_1);
                let mean = simd.mul_add_f32s(load(simd, first), keep_1, added);
                let added = simd.mul_f32s(simd.mul_f32s(gradient, gradient), add_2);
                let square = simd.mul_add_f32s(load(simd, second), keep_2, added);
                store(simd, first, mean);
                store(simd, second, square);
                let root = simd.sqrt_f32s(simd.mul_f32s(square, correct_2));
                let scale = simd.add_f32s(root, splat(self.epsilon));
                let update = simd.div_f32s(simd.mul_f32s(mean, correct_1), scale);
                let kept = simd.mul_f32s(load(simd, parameters), splat(self.kept));
                let moved = simd.mul_add_f32s(update, splat(-self.lr), kept);
                store(simd, parameters, moved);
            }
        }
    }
}
