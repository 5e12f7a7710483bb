//! Moving average of the weights of a model over the steps of its training.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Exponential moving average of the parameters of a model.
///
/// ```text
/// average <- average + (1 - d) (parameters - average),    d = min(decay, (1 + t) / (10 + t))    after step t = 1, 2, ...
/// ```
///
/// The decay is smaller during the first steps, so that the initial parameters are soon forgotten. The average is a
/// model of its own, without gradients.
///
/// # Source
///
/// Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the decay of the first steps
/// is that of TensorFlow's `tf.train.ExponentialMovingAverage` with `num_updates`.
pub(super) struct AveragedWeights<M> {
    decay: f64,
    /// The average, with the parameter identifiers of the model.
    pub(super) model: M,
}

impl<M: Module> AveragedWeights<M> {
    /// Starts from a model without gradients.
    pub(super) fn new(decay: f64, model: M) -> Self {
        Self { decay, model }
    }

    /// Adds the parameters of the model after a step, counted from 1.
    pub(super) fn update(&mut self, model: &M, step: usize) {
        let mut values = Values(GradientsParams::new());
        model.visit(&mut values);
        let step = step as f64;
        let decay = self.decay.min((1.0 + step) / (10.0 + step));
        self.model = self.model.clone().map(&mut MoveTowards {
            values: &values.0,
            share: 1.0 - decay,
        });
    }
}

/// Module visitor that collects all parameters. Burn has this container of tensors by parameter for gradients.
struct Values(GradientsParams);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val().without_autodiff());
    }
}

/// Module mapper that moves each parameter by a share of the way to another value.
struct MoveTowards<'a> {
    values: &'a GradientsParams,
    share: f64,
}

impl ModuleMapper for MoveTowards<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, average, mapper) = param.consume();
        let value = self
            .values
            .get::<D>(id)
            .expect("the average has the parameters of the model");
        // Written as a difference, which is exactly 0 for parameters that are not trained.
        let moved = average.clone() + (value - average) * self.share;
        Param::from_mapped_value(id, moved, mapper)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::prelude::*;

    use super::*;
    use crate::train::number_parameters;

    /// Layer with one weight.
    fn layer(value: f32, device: &Device) -> Linear {
        let layer: Linear = LinearConfig::new(1, 1).with_bias(false).init(device);
        let mut layer = number_parameters(layer);
        layer.weight = layer.weight.map(|weight| weight.full_like(value));
        layer
    }

    #[test]
    fn the_average_follows_its_formula() {
        let device = Device::flex();
        let mut averaged = AveragedWeights::new(0.25, layer(1.0, &device));
        let mut expected = 1.0;
        for (step, value) in [(1, 3.0f32), (2, -1.0), (3, 0.5)] {
            averaged.update(&layer(value, &device), step);
            // 2 / 11 at the first step, then 1 / 4.
            let decay = if step == 1 { 2.0 / 11.0 } else { 0.25 };
            expected = decay * expected + (1.0 - decay) * value;
            let actual = averaged.model.weight.val().into_scalar::<f32>();
            assert!((actual - expected).abs() < 1e-6, "{actual} {expected}");
        }
    }

    #[test]
    fn parameters_that_stand_still_are_their_own_average() {
        let device = Device::flex();
        let mut averaged = AveragedWeights::new(0.999, layer(0.1, &device));
        for step in 1..100 {
            averaged.update(&layer(0.1, &device), step);
        }
        assert_eq!(averaged.model.weight.val().into_scalar::<f32>(), 0.1);
    }
}
