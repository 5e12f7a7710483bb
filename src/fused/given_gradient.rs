//! Numbers whose gradient is computed outside of the graph.

use burn::prelude::*;

/// Returns a number with the given value and the derivatives of `linear`: `[1]`.
///
/// `linear - detach(linear)` is exactly 0 and keeps the graph. Adding `value - linear` instead would lose
/// digits to cancellation.
pub(crate) fn linearised(linear: Tensor<1>, value: f64) -> Tensor<1> {
    linear.clone() - linear.detach() + value
}

/// Returns a number, `[1]`, with the given value and the given gradient with respect to `x`, of the shape of `x`.
pub(crate) fn with_gradient<const D: usize>(
    x: &Tensor<D>,
    value: f64,
    gradient: TensorData,
) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if let Some(input) = on_flex::input(x) {
        return on_flex::with_gradient(input, value, gradient);
    }
    with_burn_operations(x, value, gradient)
}

/// Does the same with Burn's operations.
fn with_burn_operations<const D: usize>(
    x: &Tensor<D>,
    value: f64,
    gradient: TensorData,
) -> Tensor<1> {
    let constant = Tensor::<D>::from_data(gradient, (&x.device(), x.dtype()));
    linearised((x.clone() * constant).sum(), value)
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::tensor::{Tensor, TensorData};

    use crate::fused::node::{
        HostTensor, Input, Operation, apply, contiguous, host_tensor, host_tensor_like, in_blocks,
        values,
    };

    /// Number of values per task: 32 KiB, enough work to outweigh the cost of a task.
    const BLOCK: usize = 1 << 13;

    /// Returns the input of the node; `None` if Burn's operations have to run.
    pub(super) fn input<const D: usize>(x: &Tensor<D>) -> Option<Input> {
        Input::from_tensor(x.clone())
    }

    /// Records the number as one node of the graph.
    pub(super) fn with_gradient(input: Input, value: f64, gradient: TensorData) -> Tensor<1> {
        let gradient = HostTensor::from_data(gradient);
        let value = value as f32;
        apply(GivenGradient { value, gradient }, [input]).expect("a single input is tracked or not")
    }

    /// Operation with a constant value and a constant gradient.
    #[derive(Debug, Clone)]
    struct GivenGradient {
        value: f32,
        gradient: HostTensor,
    }

    impl Operation<1> for GivenGradient {
        type Saved = ();

        fn forward(&self, _: [HostTensor; 1]) -> (HostTensor, ()) {
            (host_tensor(vec![self.value], [1]), ())
        }

        fn backward(
            &self,
            (): (),
            upstream: HostTensor,
            _is_wanted: [bool; 1],
        ) -> [Option<HostTensor>; 1] {
            let upstream = values(&contiguous(upstream))[0];
            // The usual case, a summand of the loss: the gradient is passed on without a copy.
            if upstream == 1.0 {
                return [Some(self.gradient.clone())];
            }
            // Made from data, so it is contiguous.
            let given = values(&self.gradient);
            let scaled = in_blocks(given.len(), BLOCK, |block, output| {
                let output = output.zeroed();
                for (output, given) in output.iter_mut().zip(&given[block * BLOCK..]) {
                    *output = upstream * given;
                }
                output
            });
            [Some(host_tensor_like(scaled, &self.gradient))]
        }
    }
}
