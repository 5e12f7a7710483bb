//! Euclidean norm of a gradient over the parameters of a model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor};

/// Returns the Euclidean norm of a gradient over all parameters of a module; 0 if it reaches none.
///
/// # Cost
///
/// One pass over the gradients and one number read back per parameter.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::LinearConfig;
/// use burn::prelude::*;
/// use burn_topology::nn::gradient_norm;
///
/// let device = Device::flex().autodiff();
/// let linear = LinearConfig::new(1, 1).init(&device);
/// // d(w x + b)/dw = x, d/db = 1.
/// let loss = linear.forward(Tensor::<2>::full([1, 1], 2.0, &device)).sum();
/// assert!((gradient_norm(&linear, &loss.backward()) - 5f64.sqrt()).abs() < 1e-6);
/// # }
/// ```
pub fn gradient_norm<M: Module>(module: &M, gradients: &Gradients) -> f64 {
    let mut visitor = SumOfSquares {
        gradients,
        sum: 0.0,
    };
    module.visit(&mut visitor);
    visitor.sum.sqrt()
}

/// Visitor that sums the squares of all gradients.
struct SumOfSquares<'a> {
    gradients: &'a Gradients,
    sum: f64,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            // Squares overflow half precision already at 256.
            let gradient = match gradient.dtype() {
                DType::F64 => gradient,
                _ => gradient.cast(DType::F32),
            };
            self.sum += gradient.square().sum().into_scalar::<f64>();
        }
    }
}
