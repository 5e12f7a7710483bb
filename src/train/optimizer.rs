//! Learning rate schedule, parameter groups and gradient clipping.

use std::f64::consts::PI;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

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
        LearningRate::Constant => training.lr,
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

/// Replaces Burn's random parameter identifiers by consecutive numbers.
///
/// Identifiers are stored in checkpoints; with random ones, equal trainings would write different files.
pub fn number_parameters<M: Module>(model: M) -> M {
    model.map(&mut Number { next: 1 })
}

/// Module mapper that assigns consecutive identifiers.
struct Number {
    next: u64,
}

impl ModuleMapper for Number {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, tensor, mapper) = param.consume();
        let id = ParamId::from(self.next);
        self.next += 1;
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// Freezes the embedding and the first `n_blocks` blocks of a model.
pub(super) fn freeze<M: Module>(model: M, n_blocks: usize) -> M {
    model.map(&mut Freeze {
        path: Vec::new(),
        n_blocks,
    })
}

/// Module mapper that freezes parameters by their names.
struct Freeze {
    path: Vec<String>,
    n_blocks: usize,
}

impl ModuleMapper for Freeze {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        enter(&mut self.path, name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        exit(&mut self.path, container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match ParameterGroup::from_path(&self.path) {
            ParameterGroup::Embedding => param.set_require_grad(false),
            ParameterGroup::Block(block) if block < self.n_blocks => param.set_require_grad(false),
            ParameterGroup::Block(_) | ParameterGroup::Head => param,
        }
    }
}

/// Group of parameters of a transformer that share a learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ParameterGroup {
    /// Parameters before the first block.
    Embedding,
    /// Parameters of one block, counted from 0.
    Block(usize),
    /// Parameters after the last block; for a factorised encoder, the whole temporal encoder too.
    Head,
}

impl ParameterGroup {
    /// Group of the parameter with this name, split at its dots.
    fn from_path(path: &[String]) -> Self {
        match path.first().map_or("", String::as_str) {
            "blocks" => {
                // Burn names the elements of a list by their index, so this is always a number.
                let number = path.get(1).and_then(|number| number.parse().ok());
                Self::Block(number.unwrap_or(0))
            }
            "patch_embed" | "cls_token" | "dist_token" | "reg_token" | "pos_embed"
            | "time_embed" => Self::Embedding,
            _ => Self::Head,
        }
    }
}

/// Appends a module to the path of the current parameter.
fn enter(path: &mut Vec<String>, name: &str, container_type: &str) {
    // Burn also enters the variants of enums, which are not part of a parameter's name.
    if !container_type.starts_with("Enum:") {
        path.push(name.to_owned());
    }
}

/// Removes the last module from the path of the current parameter.
fn exit(path: &mut Vec<String>, container_type: &str) {
    if !container_type.starts_with("Enum:") {
        path.pop();
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
        Tensor::cat(squares.sums, 0)
            .sum()
            .into_scalar::<f64>()
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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::optim::ModuleOptimizer;
    use burn::prelude::*;

    use super::*;
    use crate::fused::AdamW;
    use crate::model::{Vit, VitConfig};

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

    #[test]
    fn frozen_parameters_have_no_gradient() {
        let device = Device::flex().autodiff();
        let model = freeze(VitConfig::new([4, 4], 1, 3, 2, 8, 2, 2).init(&device), 1);
        let model = number_parameters(model);
        let images = Tensor::ones([1, 1, 4, 4], &device);
        let output = model.forward(images, crate::model::Capture::Logits).output;
        let gradients = GradientsParams::from_grads(output.sum().backward(), &model);
        let bias = |block: usize| model.blocks[block].attn.proj.bias.as_ref().unwrap().id;
        assert!(gradients.get::<3>(model.pos_embed.id).is_none());
        assert!(gradients.get::<1>(bias(0)).is_none());
        assert!(gradients.get::<1>(bias(1)).is_some());
    }
}
