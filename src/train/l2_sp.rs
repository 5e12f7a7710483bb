//! L2-SP: weight decay towards the weights that fine-tuning started from.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::parameters::{enter, exit};

/// Weight decay towards the starting weights (L2-SP), in place of that towards 0.
///
/// ```text
/// w <- w - lr alpha (w - w_0)      every parameter but the classifier; w_0 is its starting value
/// w <- w - lr beta w               the classifier
/// ```
///
/// This is a gradient step on the penalty `alpha / 2 |w - w_0|^2 + beta / 2 |w|^2`, decoupled from the gradient of
/// the loss as weight decay is in AdamW: neither the moments of the optimiser nor the clipping of the gradient see it.
///
/// # Source
///
/// Li, Grandvalet and Davoine, "Explicit inductive bias for transfer learning with convolutional networks", ICML 2018,
/// section 3, where the penalty is a term of the loss.
pub(super) struct L2Sp {
    alpha: f64,
    beta: f64,
    /// Starting values by parameter. Burn has this container of tensors by parameter for gradients.
    start: GradientsParams,
}

impl L2Sp {
    /// Creates the decay towards the parameters of `start`, which have the identifiers of those of the model.
    pub(super) fn new<M: Module>(start: &M, alpha: f64, beta: f64) -> Self {
        let mut values = StartingValues(GradientsParams::new());
        start.visit(&mut values);
        Self {
            alpha,
            beta,
            start: values.0,
        }
    }

    /// Decays the parameters that have a gradient; frozen ones have none.
    pub(super) fn decay<M: Module>(&self, model: M, gradients: &GradientsParams, lr: f64) -> M {
        model.map(&mut Decay {
            l2_sp: self,
            gradients,
            lr,
            path: Vec::new(),
        })
    }
}

/// Module visitor that collects all parameters.
struct StartingValues(GradientsParams);

impl ModuleVisitor for StartingValues {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val().without_autodiff());
    }
}

/// Module mapper that decays the parameters.
struct Decay<'a> {
    l2_sp: &'a L2Sp,
    gradients: &'a GradientsParams,
    lr: f64,
    path: Vec<String>,
}

impl ModuleMapper for Decay<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        enter(&mut self.path, name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        exit(&mut self.path, container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.gradients.get::<D>(param.id).is_none() {
            return param;
        }
        let L2Sp { alpha, beta, start } = self.l2_sp;
        // Classifiers are named `head` and `head_dist`.
        let is_classifier = self
            .path
            .first()
            .is_some_and(|name| name.starts_with("head"));
        let (id, tensor, mapper) = param.consume();
        let value = tensor.without_autodiff();
        let decayed = if is_classifier {
            value.clone() - value * (self.lr * beta)
        } else {
            let start = start
                .get::<D>(id)
                .expect("every parameter has a starting value");
            value.clone() - (value - start) * (self.lr * alpha)
        };
        // Only parameters that are trained have a gradient.
        Param::from_mapped_value(id, decayed.autodiff().require_grad(), mapper)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::prelude::*;

    use super::*;
    use crate::model::{Capture, Vit, VitConfig};
    use crate::train::number_parameters;

    fn model(seed: u64) -> Vit {
        let device = Device::flex().autodiff();
        device.seed(seed);
        number_parameters(VitConfig::new([4, 4], 1, 3, 2, 8, 2, 2).init(&device))
    }

    /// A gradient for every parameter.
    fn gradients(model: &Vit) -> GradientsParams {
        let images = Tensor::ones([1, 1, 4, 4], &model.head.weight.device());
        let output = model.forward(images, Capture::Logits).output;
        GradientsParams::from_grads(output.square().sum().backward(), model)
    }

    /// All parameters one after another, those of the classifier last.
    struct Values {
        path: Vec<String>,
        pretrained: Vec<f64>,
        classifier: Vec<f64>,
    }

    impl ModuleVisitor for Values {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            enter(&mut self.path, name, container_type);
        }

        fn exit_module(&mut self, _name: &str, container_type: &str) {
            exit(&mut self.path, container_type);
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data().convert::<f64>();
            let list = match self.path[0].as_str() {
                "head" => &mut self.classifier,
                _ => &mut self.pretrained,
            };
            list.extend(values.try_into_vec::<f64>().unwrap());
        }
    }

    fn values(model: &Vit) -> [Vec<f64>; 2] {
        let mut values = Values {
            path: Vec::new(),
            pretrained: Vec::new(),
            classifier: Vec::new(),
        };
        model.visit(&mut values);
        [values.pretrained, values.classifier]
    }

    #[test]
    fn the_decay_is_a_gradient_step_on_the_penalty() {
        let (start, model) = (model(1), model(2));
        let (alpha, beta, lr) = (0.3, 0.07, 0.1);
        let decayed = L2Sp::new(&start, alpha, beta).decay(model.clone(), &gradients(&model), lr);
        let [start, before, after] = [&start, &model, &decayed].map(values);
        // The penalty as it is written in the paper.
        let penalty = |part: usize, index: usize, value: f64| match part {
            0 => 0.5 * alpha * (value - start[0][index]).powi(2),
            _ => 0.5 * beta * value.powi(2),
        };
        for part in 0..2 {
            assert!(before[part].len() > 10);
            for (index, (&old, &new)) in before[part].iter().zip(&after[part]).enumerate() {
                let h = 1e-4;
                let slope = penalty(part, index, old + h) - penalty(part, index, old - h);
                let expected = old - lr * slope / (2.0 * h);
                assert!((new - expected).abs() < 1e-6, "{new} {expected}");
            }
        }
    }

    #[test]
    fn starting_weights_and_frozen_parameters_stay_as_they_are() {
        let start = model(1);
        let l2_sp = L2Sp::new(&start, 0.3, 0.0);
        let same = l2_sp.decay(start.clone(), &gradients(&start), 0.1);
        assert_eq!(values(&same), values(&start));
        // Parameters without a gradient are frozen.
        let other = model(2);
        let frozen = l2_sp.decay(other.clone(), &GradientsParams::new(), 0.1);
        assert_eq!(values(&frozen), values(&other));
        // What was trained can be trained further.
        let moved = l2_sp.decay(other.clone(), &gradients(&other), 0.1);
        assert!(gradients(&moved).len() == gradients(&other).len());
    }
}
