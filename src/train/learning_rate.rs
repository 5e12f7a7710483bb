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
/// warm-up:    lr (step + 1) / warmup_steps                  step < warmup_steps, else with
///             t = (step - warmup_steps) / (total_steps - warmup_steps):
/// constant:   lr
/// cosine:     lr (1 + cos(pi t)) / 2
/// linear:     lr (1 - t)
/// step:       lr factor^k                                   k = number of times that every_epochs epochs have passed
/// one cycle:  lr (1 + (1 / start_divisor - 1) (1 + cos(pi step / n_rise)) / 2)             step < n_rise
///             lr / d + (lr - lr / d) (1 + cos(pi (step - n_rise) / (n - n_rise))) / 2      otherwise
///             n = total_steps - 1,  n_rise = rise n,  d = start_divisor end_divisor
/// ```
///
/// # Source
///
/// Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5 without restarts, after a linear warm-up. Smith and Topin,
/// "Super-convergence", 2018, with the half cosines of PyTorch's `OneCycleLR`; momentum stays as it is.
pub fn learning_rate(training: &TrainingSpec, step: usize, total_steps: usize) -> f64 {
    let lr = training.optimizer.lr;
    match training.schedule {
        LearningRate::Constant {} => lr,
        LearningRate::Cosine { warmup_steps } => {
            after_warmup(lr, step, [warmup_steps, total_steps], half_cosine)
        }
        LearningRate::Linear { warmup_steps } => {
            after_warmup(lr, step, [warmup_steps, total_steps], |done| 1.0 - done)
        }
        LearningRate::Step {
            every_epochs,
            factor,
            warmup_steps,
        } => {
            let steps_per_epoch = (total_steps / training.epochs.max(1)).max(1);
            let n_changes = step / every_epochs.saturating_mul(steps_per_epoch);
            let n_changes = i32::try_from(n_changes).unwrap_or(i32::MAX);
            after_warmup(lr, step, [warmup_steps, total_steps], |_| {
                factor.powi(n_changes)
            })
        }
        LearningRate::OneCycle {
            rise,
            start_divisor,
            end_divisor,
        } => {
            let last = total_steps.saturating_sub(1) as f64;
            let peak = rise * last;
            let (step, start) = (step as f64, lr / start_divisor);
            if step < peak {
                start + (lr - start) * (1.0 - half_cosine(step / peak))
            } else {
                let end = start / end_divisor;
                // A run of one step is all peak; the 1 avoids a division by 0.
                let done = (step - peak) / (last - peak).max(1.0);
                end + (lr - end) * half_cosine(done.min(1.0))
            }
        }
    }
}

/// Learning rate with a linear rise, then with the factor `fall` of the fraction of the remaining steps that is done.
fn after_warmup(
    lr: f64,
    step: usize,
    [warmup_steps, total_steps]: [usize; 2],
    fall: impl FnOnce(f64) -> f64,
) -> f64 {
    if step < warmup_steps {
        // Counted from 1, because a rate of 0 would waste the first step.
        return lr * (step + 1) as f64 / warmup_steps as f64;
    }
    // A warm-up may fill the whole run; the 1 avoids a division by 0.
    let span = total_steps.saturating_sub(warmup_steps).max(1);
    let done = (step - warmup_steps) as f64 / span as f64;
    lr * fall(done.min(1.0))
}

/// Half a cosine: 1 at 0, 0 at 1.
fn half_cosine(done: f64) -> f64 {
    0.5 * (1.0 + (PI * done).cos())
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
