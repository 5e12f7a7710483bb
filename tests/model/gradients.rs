//! Gradients of outputs and attention with respect to every parameter.

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::Gradients;

use super::layers::numbers;
use super::{clips, configs, forward, network, noise};

/// Visitor that collects the names of parameters without a finite, nonzero gradient.
struct Unreached<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    names: Vec<String>,
    n_visited: usize,
}

impl ModuleVisitor for Unreached<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.n_visited += 1;
        let gradient = param.val().grad(self.gradients);
        let is_reached = gradient.is_some_and(|gradient| {
            let slopes = numbers(gradient);
            slopes.iter().all(|slope| slope.is_finite()) && slopes.iter().any(|x| *x != 0.0)
        });
        if !is_reached {
            self.names.push(self.path.join("."));
        }
    }
}

/// Names of the parameters of a model without a finite, nonzero gradient, and the number of all parameters.
pub fn unreached<M: Module>(model: &M, gradients: &Gradients) -> (Vec<String>, usize) {
    let mut visitor = Unreached {
        gradients,
        path: Vec::new(),
        names: Vec::new(),
        n_visited: 0,
    };
    model.visit(&mut visitor);
    (visitor.names, visitor.n_visited)
}

#[test]
fn gradients_reach_every_parameter() {
    let device = Device::flex().autodiff();
    for config in configs() {
        let network = network(&config, &device);
        let output = forward(&network, clips(&config, 2, &device));
        let weighted = |tensor: Tensor<1>| {
            let factors = noise(tensor.dims(), 2000, &device);
            (tensor * factors).sum()
        };
        let mut loss = weighted(output.output.flatten(0, 1));
        for weights in output.attention {
            loss = loss + weighted(weights.flatten(0, 3));
        }
        for fraction in output.within_frame_attention {
            loss = loss + weighted(fraction.flatten(0, 1));
        }
        let (names, n_visited) = unreached(&network, &loss.backward());
        assert_eq!(names, Vec::<String>::new(), "{config}");
        assert!(n_visited > 20, "{config}");
    }
}
