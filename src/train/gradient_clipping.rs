//! Clipping of the gradient by its norm over all parameters.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::fused::read_value;

/// Scales the whole gradient down to a norm of at most `limit`; returns it with its norm before scaling.
///
/// Burn's own clipping scales each parameter separately, which changes the direction of the gradient.
pub fn clip_global_norm<M: Module>(
    model: &M,
    gradients: GradientsParams,
    limit: Option<f64>,
) -> (GradientsParams, f64) {
    let mut squares = SumSquares {
        gradients: &gradients,
        sums: Vec::new(),
    };
    model.visit(&mut squares);
    let norm = if squares.sums.is_empty() {
        0.0
    } else {
        // One transfer from the device for all parameters together.
        read_value(Tensor::cat(squares.sums, 0).sum())
            .expect("a device that computed the gradient can be read")
            .sqrt()
    };
    // A NaN is not above the limit: such a gradient is returned as it is, and the caller reports its norm.
    match limit {
        Some(limit) if norm > limit => {
            let mut scale = Scale {
                gradients,
                factor: limit / norm,
            };
            model.visit(&mut scale);
            (scale.gradients, norm)
        }
        _ => (gradients, norm),
    }
}

/// Module visitor that collects the sum of squares of each gradient.
struct SumSquares<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for SumSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.sums
            .extend(self.gradients.get::<D>(param.id).map(|g| g.square().sum()));
    }
}

/// Module visitor that multiplies every gradient by a factor.
struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}
