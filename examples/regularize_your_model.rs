//! Adds the regulariser to a hand-written Burn model.
//!
//! Run with `cargo run --release --example regularize_your_model`. Prints the task loss and the
//! penalty as both fall.

use burn_topology::burn;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::softmax;
use burn::tensor::{Distribution, Gradients};
use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer, Weight};

/// A model of one's own: three layers of single-head attention and a classifier.
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

    /// Logits, and what the regulariser needs: the attention of every layer.
    fn forward(&self, mut x: Tensor<3>) -> (Tensor<2>, Vec<Tensor<4>>) {
        let mut attention = Vec::new();
        for layer in &self.layers {
            let keys = layer.forward(x.clone());
            let weights = softmax(x.clone().matmul(keys.swap_dims(1, 2)) / 4.0, 2);
            x = weights.clone().matmul(x);
            attention.push(weights.unsqueeze_dim(1)); // [batch, head, token, token]
        }
        (self.head.forward(x.mean_dim(1).squeeze_dim(1)), attention)
    }
}

/// Trains for some steps; returns (task loss, penalty) of each.
pub fn train(n_steps: usize) -> burn_topology::Result<Vec<(f32, f64)>> {
    let device = Device::flex().autodiff();
    device.seed(0);
    let mut model = MyModel::new(&device);
    let images = Tensor::random([8, 12, 16], Distribution::Normal(0.0, 1.0), &device);
    let labels = Tensor::<1, Int>::from_data([0, 1, 2, 3, 0, 1, 2, 3], &device);

    // The regulariser, once: H1 of neighbouring layers kept close.
    let penalty = TopologyPenalty {
        weight: Weight::Fixed(0.5),
        ..TopologyPenalty::new(1)
    };
    let regularizer = TopologyRegularizer::new(vec![penalty])?;

    let mut history = Vec::new();
    for step in 0..n_steps {
        let (logits, attention) = model.forward(images.clone());
        let task = CrossEntropyLossConfig::new()
            .init(&device)
            .forward(logits, labels.clone());

        // And in every step: one call, one sum.
        let clock = Clock {
            step,
            ..Clock::default()
        };
        let topology = regularizer.forward(&Activations::of_attention(attention, 0), clock)?;
        let loss = task.clone() + topology.loss;

        history.push((task.into_scalar::<f32>(), topology.terms[0].value));
        model = descend(model, &loss.backward());
    }
    Ok(history)
}

/// Plain gradient descent, to keep the example free of other features.
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
            param.map(|x| (x.inner() - gradient * 0.2).autodiff().require_grad())
        }
    }
    model.map(&mut Descent(gradients))
}

#[allow(dead_code, reason = "the tests run `train` alone")]
fn main() -> burn_topology::Result<()> {
    for (step, (task, penalty)) in train(40)?.into_iter().enumerate().step_by(5) {
        println!("step {step:3}  task {task:.4}  penalty {penalty:.4}");
    }
    Ok(())
}
