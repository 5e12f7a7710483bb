//! Gaussian error linear unit (GELU), exact or with a hyperbolic tangent.

use burn::prelude::*;
use burn::tensor::activation;

/// Formula of a [`gelu`]: exact, or approximated with a hyperbolic tangent.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::fused::{Gelu, gelu};
///
/// let x = Tensor::<1>::from_floats([1.0], &Device::flex());
/// let value = |form| gelu(x.clone(), form).into_scalar::<f32>();
/// assert!((value(Gelu::Erf) - 0.841345).abs() < 1e-6);
/// assert!((value(Gelu::Tanh) - 0.841192).abs() < 1e-6);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gelu {
    /// Exact GELU: `x Phi(x)`, with `Phi` the distribution function of the standard normal distribution.
    Erf,
    /// Approximate GELU: `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
    Tanh,
}

/// Applies the Gaussian error linear unit to every entry.
///
/// # Gradient
///
/// The derivative of the same formula.
///
/// # Cost
///
/// On the CPU backend in single precision there is one vectorised, parallel pass in each direction; elsewhere
/// Burn's own operations run.
///
/// # Source
///
/// Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, section 2.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::fused::{Gelu, gelu};
///
/// let x = Tensor::<1>::from_floats([0.0], &Device::flex().autodiff()).require_grad();
/// let gradients = gelu(x.clone(), Gelu::Erf).sum().backward();
/// assert_eq!(x.grad(&gradients).unwrap().into_scalar::<f32>(), 0.5);
/// # }
/// ```
pub fn gelu<const D: usize>(x: Tensor<D>, form: Gelu) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(output) = on_flex::gelu(&x, form) {
        return output;
    }
    with_burn_operations(x, form)
}

/// Does the same with Burn's operations.
fn with_burn_operations<const D: usize>(x: Tensor<D>, form: Gelu) -> Tensor<D> {
    match form {
        Gelu::Erf => activation::gelu(x),
        Gelu::Tanh => activation::gelu_approximate(x),
    }
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::tensor::Tensor;
    use pulp::{Arch, Simd, WithSimd};

    use super::Gelu;
    use crate::fused::node::{
        HostTensor, Input, Operation, apply, contiguous, host_tensor_like, in_blocks, values,
    };
    use crate::fused::simd::{erf, exp_of_negative, load, store};

    /// Number of values per task: 32 KiB, enough work to outweigh the cost of a task.
    const BLOCK: usize = 1 << 13;

    /// Applies the function as one node of the graph; `None` if Burn's operations have to run.
    pub(super) fn gelu<const D: usize>(x: &Tensor<D>, form: Gelu) -> Option<Tensor<D>> {
        apply(form, [Input::from_tensor(x.clone())?])
    }

    impl Operation<1> for Gelu {
        /// The input: the derivative is cheaper to compute from it than to store.
        type Saved = HostTensor;

        fn forward(&self, [x]: [HostTensor; 1]) -> (HostTensor, HostTensor) {
            let x = contiguous(x);
            let numbers = values(&x);
            let output = in_blocks(numbers.len(), BLOCK, |block, output| {
                // Zeroing a block that stays in the cache is cheap, and spares an unsafe write.
                let output = output.zeroed();
                Arch::new().dispatch(Pass {
                    form: *self,
                    x: &numbers[block * BLOCK..][..output.len()],
                    gradient: None,
                    output,
                });
                output
            });
            (host_tensor_like(output, &x), x)
        }

        fn backward(
            &self,
            x: HostTensor,
            gradient: HostTensor,
            _is_wanted: [bool; 1],
        ) -> [Option<HostTensor>; 1] {
            let gradient = contiguous(gradient);
            let (numbers, slopes) = (values(&x), values(&gradient));
            let output = in_blocks(numbers.len(), BLOCK, |block, output| {
                let output = output.zeroed();
                Arch::new().dispatch(Pass {
                    form: *self,
                    x: &numbers[block * BLOCK..][..output.len()],
                    gradient: Some(&slopes[block * BLOCK..][..output.len()]),
                    output,
                });
                output
            });
            [Some(host_tensor_like(output, &x))]
        }
    }

    /// One pass over a block: values, or gradients where the gradient of the output is given.
    struct Pass<'a> {
        form: Gelu,
        x: &'a [f32],
        gradient: Option<&'a [f32]>,
        output: &'a mut [f32],
    }

    impl WithSimd for Pass<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            // The last chunk may be shorter than a vector: partial loads fill it with zeros, and partial
            // stores write only the part that exists.
            let outputs = self.output.chunks_mut(S::F32_LANES);
            let inputs = self.x.chunks(S::F32_LANES);
            match self.gradient {
                None => outputs.zip(inputs).for_each(|(output, x)| {
                    let x = load(simd, x);
                    let factor = factor(simd, x, self.form);
                    store(simd, output, simd.mul_f32s(x, factor));
                }),
                Some(gradient) => {
                    let inputs = inputs.zip(gradient.chunks(S::F32_LANES));
                    outputs.zip(inputs).for_each(|(output, (x, gradient))| {
                        let slope = slope(simd, load(simd, x), self.form);
                        let gradient = load(simd, gradient);
                        store(simd, output, simd.mul_f32s(gradient, slope));
                    });
                }
            }
        }
    }

    /// Factor of `x` in the output: `Phi(x)` or its approximation, 0 to 1.
    #[inline(always)]
    fn factor<S: Simd>(simd: S, x: S::f32s, form: Gelu) -> S::f32s {
        let half = simd.splat_f32s(0.5);
        let odd = match form {
            Gelu::Erf => erf(
                simd,
                simd.mul_f32s(x, simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2)),
            ),
            Gelu::Tanh => tanh(simd, inner(simd, x)),
        };
        simd.mul_add_f32s(odd, half, half)
    }

    /// Derivative of the output: `factor(x) + x factor'(x)`.
    #[inline(always)]
    fn slope<S: Simd>(simd: S, x: S::f32s, form: Gelu) -> S::f32s {
        const FRAC_1_SQRT_TAU: f32 = 0.398_942_3;
        let factor = factor(simd, x, form);
        let square = simd.mul_f32s(x, x);
        let factor_slope = match form {
            Gelu::Erf => {
                // The density of the standard normal distribution, exp(-x^2 / 2) / sqrt(2 pi).
                let exponent = simd.mul_f32s(square, simd.splat_f32s(-0.5));
                let density = exp_of_negative(simd, exponent);
                simd.mul_f32s(density, simd.splat_f32s(FRAC_1_SQRT_TAU))
            }
            Gelu::Tanh => {
                // With f = (1 + tanh(u)) / 2: df/dx = (1 - tanh(u)^2) / 2 du/dx = 2 f (1 - f) du/dx.
                let inner_slope = simd.mul_add_f32s(
                    square,
                    simd.splat_f32s(3.0 * CUBE * SLOPE),
                    simd.splat_f32s(SLOPE),
                );
                let variance = simd.sub_f32s(factor, simd.mul_f32s(factor, factor));
                simd.mul_f32s(simd.add_f32s(variance, variance), inner_slope)
            }
        };
        simd.mul_add_f32s(x, factor_slope, factor)
    }

    /// Slope of the argument of the hyperbolic tangent at 0: `sqrt(2 / pi)`.
    const SLOPE: f32 = 0.797_884_6;
    /// Coefficient of `x^3` in the argument of the hyperbolic tangent.
    const CUBE: f32 = 0.044_715;

    /// Argument of the hyperbolic tangent: `sqrt(2 / pi) (x + 0.044715 x^3)`.
    #[inline(always)]
    fn inner<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let square = simd.mul_f32s(x, x);
        let factor = simd.mul_add_f32s(
            square,
            simd.splat_f32s(CUBE * SLOPE),
            simd.splat_f32s(SLOPE),
        );
        simd.mul_f32s(x, factor)
    }

    /// Hyperbolic tangent: `sign(u) (1 - exp(-2 |u|)) / (1 + exp(-2 |u|))`.
    #[inline(always)]
    fn tanh<S: Simd>(simd: S, u: S::f32s) -> S::f32s {
        let one = simd.splat_f32s(1.0);
        // With the absolute value the exponential cannot overflow.
        let size = simd.abs_f32s(u);
        let decay = exp_of_negative(simd, simd.mul_f32s(size, simd.splat_f32s(-2.0)));
        // The difference loses relative accuracy near 0, but 1 is added to the result, so absolute accuracy suffices.
        let value = simd.div_f32s(simd.sub_f32s(one, decay), simd.add_f32s(one, decay));
        let is_negative = simd.less_than_f32s(u, simd.splat_f32s(0.0));
        simd.select_f32s(is_negative, simd.neg_f32s(value), value)
    }
}
