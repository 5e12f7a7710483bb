//! Scalars whose gradient is known beforehand.

use burn::prelude::*;

/// The value, with the derivatives of `linear`: their difference is exactly zero and keeps the
/// graph, where adding the value to the sum itself would cancel digits.
pub(in crate::nn) fn linearised(linear: Tensor<1>, value: f64) -> Tensor<1> {
    linear.clone() - linear.detach() + value
}

/// A scalar of this value whose gradient in `x` is the given one, of the same shape.
pub(in crate::nn) fn with_gradient<const D: usize>(
    x: &Tensor<D>,
    value: f64,
    gradient: TensorData,
) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if let Some(input) = on_flex::input(x) {
        return on_flex::with_gradient(input, value, gradient);
    }
    of_tensors(x, value, gradient)
}

/// The same in Burn's operations.
fn of_tensors<const D: usize>(x: &Tensor<D>, value: f64, gradient: TensorData) -> Tensor<1> {
    let constant = Tensor::<D>::from_data(gradient, (&x.device(), x.dtype()));
    linearised((x.clone() * constant).sum(), value)
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::tensor::{Tensor, TensorData};

    use crate::nn::fused::node::{
        Host, Input, Operation, apply, contiguous, host, host_like, in_blocks, values,
    };

    /// Entries per task.
    const BLOCK: usize = 1 << 13;

    pub(super) fn input<const D: usize>(x: &Tensor<D>) -> Option<Input> {
        Input::of(x.clone())
    }

    pub(super) fn with_gradient(input: Input, value: f64, gradient: TensorData) -> Tensor<1> {
        let gradient = Host::from_data(gradient);
        let value = value as f32;
        apply(GivenGradient { value, gradient }, [input]).expect("one input is of one kind")
    }

    #[derive(Debug, Clone)]
    struct GivenGradient {
        value: f32,
        gradient: Host,
    }

    impl Operation<1> for GivenGradient {
        type Saved = ();

        fn forward(&self, _: [Host; 1]) -> (Host, ()) {
            (host(vec![self.value], [1]), ())
        }

        fn backward(&self, (): (), upstream: Host, _is_wanted: [bool; 1]) -> [Option<Host>; 1] {
            let upstream = values(&contiguous(upstream))[0];
            // That of a term of a sum of losses.
            if upstream == 1.0 {
                return [Some(self.gradient.clone())];
            }
            let given = values(&self.gradient);
            let scaled = in_blocks(given.len(), BLOCK, |block, output| {
                let output = output.zeroed();
                for (output, given) in output.iter_mut().zip(&given[block * BLOCK..]) {
                    *output = upstream * given;
                }
                output
            });
            [Some(host_like(scaled, &self.gradient))]
        }
    }
}
