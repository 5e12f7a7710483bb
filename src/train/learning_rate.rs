//! Learning rates: the schedule over the steps, and the decay over the layers.

use std::f64::consts::PI;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::parameters::{ParameterGroup, enter, exit};
use crate::config::{LearningRate, TrainingSpec};

/// Learning rate of a step, counted from 0.
///
/// ```text
/// constant:  lr
/// cosine:    lr (step + 1) / warmup_steps                                 step < warmup_steps
///            lr (1 + cos(pi (step - warmup_steps) / (total_steps - warmup_steps))) / 2    otherwise
/// ```
///
/// # Source
///
/// Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5 without restarts, after a linear warm-up.
pub fn learning_rate(training: &TrainingSpec, step: usize, total_steps: usize) -> f64 {
    match training.schedule {
        LearningRate::Constant {} => training.lr,
        LearningRate::Cosine { warmup_steps } if step < warmup_steps => {
            // Counted from 1, because a rate of 0 would waste the first step.
            training.lr * (step + 1) as f64 / warmup_steps as f64
        }
        LearningRate::Cosine { warmup_steps } => {
            // A warm-up may fill the whole run; the 1 avoids a division by 0.
            let span = total_steps.saturating_sub(warmup_steps).max(1);
            let done = (step - warmup_steps) as f64 / span as f64;
            training.lr * 0.5 * (1.0 + (PI * done.min(1.0)).cos())
        }
    }
}

/// Gradients of the parameters that share a learning rate.
pub(super) struct GradientGroup {
    /// Factor of the learning rate.
    pub lr_factor: f64,
    /// Gradients of the parameters of the group.
    pub gradients: GradientsParams,
}

/// Splits gradients into groups with layer-wise decay of the learning rate.
///
/// ```text
/// lr_factor = decay^(n_layers + 1 - depth)    depth: 0 embedding, k + 1 block k, n_layers + 1 head
/// ```
///
/// # Source
///
/// Clark et al., "ELECTRA", ICLR 2020, appendix A; blocks counted as in BEiT and MAE.
pub(super) fn group_by_learning_rate<M: Module>(
    model: &M,
    gradients: GradientsParams,
    decay: f64,
    n_layers: usize,
) -> Vec<GradientGroup> {
    // A single group needs no pass over the model, and one update instead of many.
    if decay == 1.0 {
        return vec![GradientGroup {
            lr_factor: 1.0,
            gradients,
        }];
    }
    let mut splitter = SplitByDepth {
        path: Vec::new(),
        gradients,
        groups: (0..n_layers + 2).map(|_| GradientsParams::new()).collect(),
    };
    model.visit(&mut splitter);
    let factor = |depth: usize| decay.powi((n_layers + 1 - depth) as i32);
    splitter
        .groups
        .into_iter()
        .enumerate()
        .map(|(depth, gradients)| GradientGroup {
            lr_factor: factor(depth),
            gradients,
        })
        .collect()
}

/// Module visitor that moves each gradient to the group of its parameter.
struct SplitByDepth {
    path: Vec<String>,
    gradients: GradientsParams,
    groups: Vec<GradientsParams>,
}

impl ModuleVisitor for SplitByDepth {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        enter(&mut self.path, name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        exit(&mut self.path, container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let depth = match ParameterGroup::from_path(&self.path) {
            ParameterGroup::Embedding => 0,
            ParameterGroup::Block(block) => block + 1,
            ParameterGroup::Head => self.groups.len() - 1,
        };
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.groups[depth].register(param.id, gradient);
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::optim::ModuleOptimizer;
    use burn::prelude::*;

    use super::*;
    use crate::fused::AdamW;
    use crate::model::{Vit, VitConfig};
    use crate::train::number_parameters;

    /// Change of one parameter of each depth after three steps with constant gradients.
    fn parameter_changes(decay: f64) -> [f32; 4] {
        let device = Device::flex().autodiff();
        device.seed(5);
        let start = number_parameters(VitConfig::new([4, 4], 1, 3, 2, 8, 2, 2).init(&device));
        let biases = |vit: &Vit| {
            [
                vit.patch_embed.proj.bias.as_ref().map(Param::val),
                vit.blocks[0].attn.proj.bias.as_ref().map(Param::val),
                vit.blocks[1].attn.proj.bias.as_ref().map(Param::val),
                vit.head.bias.as_ref().map(Param::val),
            ]
            .map(Option::unwrap)
        };
        let mut model = start.clone();
        let mut optimizer = ModuleOptimizer::from(AdamW {
            weight_decay: 0.0,
            ..AdamW::default()
        });
        for _ in 0..3 {
            let loss = biases(&model)
                .map(Tensor::sum)
                .into_iter()
                .reduce(|a, b| a + b);
            let gradients = GradientsParams::from_grads(loss.unwrap().backward(), &model);
            for group in group_by_learning_rate(&model, gradients, decay, 2) {
                model = optimizer.step(1e-2 * group.lr_factor, model, group.gradients);
            }
        }
        let (before, after) = (biases(&start), biases(&model));
        let change = |index: usize| (before[index].clone() - after[index].clone()).mean();
        [0, 1, 2, 3].map(|index| change(index).into_scalar::<f32>())
    }

    #[test]
    fn the_learning_rate_decays_from_the_head_to_the_embedding() {
        let undecayed = parameter_changes(1.0);
        let decayed = parameter_changes(0.5);
        let factors = [0.125, 0.25, 0.5, 1.0];
        for (index, factor) in factors.into_iter().enumerate() {
            assert!((undecayed[index] - 0.03).abs() < 1e-4, "{undecayed:?}");
            let expected = factor * undecayed[index];
            assert!((decayed[index] - expected).abs() < 1e-5, "{decayed:?}");
        }
    }
}
