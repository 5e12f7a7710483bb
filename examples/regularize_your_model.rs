//! Adds a topological penalty to a hand-written Burn model.
//!
//! Run it with `cargo run --release --example regularize_your_model`. It trains the model on random images and
//! prints the task loss and the value of the penalty, which both fall.

use burn_topology::burn;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::softmax;
use burn::tensor::{Distribution, Gradients};
use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};

/// Model in plain Burn, without any part of this crate: three layers of single-head attention and a classifier.
#[derive(Module, Debug)]
struct MyModel {
    layers: Vec<Linear>,
    head: Linear,
}

impl MyModel {
    fn new(device: &Device) -> Self {
        let linear = |out| LinearConfig::new(16, out).init(device);
        Self {
            layers: (0..3).map(|_| linear(16)).collect(),
            head: linear(4),
        }
    }

    /// Returns the logits, and the attention weights of every layer for the regulariser.
    fn forward(&self, mut x: Tensor<3>) -> (Tensor<2>, Vec<Tensor<4>>) {
        let mut attention = Vec::new();
        for layer in &self.layers {
            let keys = layer.forward(x.clone());
            let weights = softmax(x.clone().matmul(keys.swap_dims(1, 2)) / 4.0, 2);
            x = weights.clone().matmul(x);
            attention.push(weights.unsqueeze_dim(1)); // [batch_size, n_heads, n_tokens, n_tokens]
        }
        (self.head.forward(x.mean_dim(1).squeeze_dim(1)), attention)
    }
}

/// Trains for some steps, and returns the task loss and the penalty's value (before its weight) at each step.
pub fn train(n_steps: usize) -> burn_topology::Result<Vec<(f32, f64)>> {
    // In Burn 0.22 a device names the backend, and `autodiff()` turns gradients on.
    let device = Device::flex().autodiff();
    device.seed(0);
    let mut model = MyModel::new(&device);
    let images = Tensor::random([8, 12, 16], Distribution::Normal(0.0, 1.0), &device);
    let labels = Tensor::<1, Int>::from_data([0, 1, 2, 3, 0, 1, 2, 3], &device);

    // Once: the squared 2-Wasserstein distance between the H1 diagrams of consecutive layers.
    let penalty = TopologyPenalty::new(1).with_weight(0.5);
    let regularizer = TopologyRegularizer::new(vec![penalty])?;

    let mut history = Vec::new();
    for step in 0..n_steps {
        let (logits, attention) = model.forward(images.clone());
        let task = CrossEntropyLossConfig::new()
            .init(&device)
            .forward(logits, labels.clone());

        // In every step: one call, and one sum. There is no class token, so no prefix tokens.
        let clock = Clock {
            step,
            ..Clock::default()
        };
        let topology = regularizer.forward(&Activations::from_attention(attention, 0), clock)?;
        let loss = task.clone() + topology.loss;

        history.push((task.into_scalar::<f32>(), topology.terms[0].value));
        model = descend(model, &loss.backward());
    }
    Ok(history)
}

/// Does one step of plain gradient descent, written out here instead of using an optimiser of Burn.
fn descend(model: MyModel, gradients: &Gradients) -> MyModel {
    struct Descent<'a>(&'a Gradients);
    impl burn::module::ModuleMapper for Descent<'_> {
        fn map_float<const D: usize>(
            &mut self,
            param: burn::module::Param<Tensor<D>>,
        ) -> burn::module::Param<Tensor<D>> {
            let Some(gradient) = param.val().grad(self.0) else {
                return param;
            };
            // The update runs without a graph, and the result starts a new one.
            param.map(|x| (x.inner() - gradient * 0.2).autodiff().require_grad())
        }
    }
    model.map(&mut Descent(gradients))
}

#[allow(
    dead_code,
    reason = "tests include this file as a module and call `train`"
)]
fn main() -> burn_topology::Result<()> {
    for (step, (task, penalty)) in train(40)?.into_iter().enumerate().step_by(5) {
        println!("step {step:3}  task {task:.4}  penalty {penalty:.4}");
    }
    Ok(())
}
