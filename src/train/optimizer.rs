//! Learning rate and clipping.

use std::f64::consts::PI;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::config::{LearningRate, TrainingSpec};

/// The learning rate of a step, counted from 0.
///
/// # Source
///
/// Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5 without restarts, after a linear rise.
pub fn learning_rate(training: &TrainingSpec, step: usize, total_steps: usize) -> f64 {
    match training.schedule {
        LearningRate::Constant => training.lr,
        LearningRate::Cosine { warmup_steps } if step < warmup_steps => {
            training.lr * (step + 1) as f64 / warmup_steps as f64
        }
        LearningRate::Cosine { warmup_steps } => {
            let span = total_steps.saturating_sub(warmup_steps).max(1);
            let done = (step - warmup_steps) as f64 / span as f64;
            training.lr * 0.5 * (1.0 + (PI * done.min(1.0)).cos())
        }
    }
}

/// The model with its parameters numbered in order, in place of Burn's random identifiers, so that
/// equal trainings write equal files.
pub fn number_parameters<M: Module>(model: M) -> M {
    model.map(&mut Number { next: 1 })
}

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

/// The model with its first blocks, and all that comes before them, not learning.
pub fn freeze<M: Module>(model: M, n_blocks: usize) -> M {
    model.map(&mut Freeze {
        path: Vec::new(),
        n_blocks,
    })
}

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
        match Place::of(&self.path) {
            Place::Embedding => param.set_require_grad(false),
            Place::Block(block) if block < self.n_blocks => param.set_require_grad(false),
            Place::Block(_) | Place::Head => param,
        }
    }
}

/// Where in a transformer a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first block.
    Embedding,
    /// In a block, counted from 0.
    Block(usize),
    /// After the last block; of a factorised encoder all that is over time.
    Head,
}

impl Place {
    /// Of a parameter whose name has these parts.
    fn of(path: &[String]) -> Self {
        match path.first().map_or("", String::as_str) {
            "blocks" => {
                let number = path.get(1).and_then(|number| number.parse().ok());
                Self::Block(number.unwrap_or(0))
            }
            "patch_embed" | "cls_token" | "dist_token" | "reg_token" | "pos_embed"
            | "time_embed" => Self::Embedding,
            _ => Self::Head,
        }
    }
}

fn enter(path: &mut Vec<String>, name: &str, container_type: &str) {
    // The variant of an enum is no part of a name.
    if !container_type.starts_with("Enum:") {
        path.push(name.to_owned());
    }
}

fn exit(path: &mut Vec<String>, container_type: &str) {
    if !container_type.starts_with("Enum:") {
        path.pop();
    }
}

/// The gradients of parameters that learn equally fast, and the factor of their learning rate: `decay`
/// from each block to the one before, 1 after the last.
///
/// # Source
///
/// Clark et al., "ELECTRA", ICLR 2020, appendix A; blocks counted as in BEiT and MAE.
pub fn by_learning_rate<M: Module>(
    model: &M,
    gradients: GradientsParams,
    decay: f64,
    n_layers: usize,
) -> Vec<(f64, GradientsParams)> {
    if decay == 1.0 {
        return vec![(1.0, gradients)];
    }
    let mut sorter = Sort {
        path: Vec::new(),
        gradients,
        groups: (0..n_layers + 2).map(|_| GradientsParams::new()).collect(),
    };
    model.visit(&mut sorter);
    let factor = |depth: usize| decay.powi((n_layers + 1 - depth) as i32);
    let groups = sorter.groups.into_iter().enumerate();
    groups
        .map(|(depth, group)| (factor(depth), group))
        .collect()
}

struct Sort {
    path: Vec<String>,
    gradients: GradientsParams,
    groups: Vec<GradientsParams>,
}

impl ModuleVisitor for Sort {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        enter(&mut self.path, name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        exit(&mut self.path, container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let depth = match Place::of(&self.path) {
            Place::Embedding => 0,
            Place::Block(block) => block + 1,
            Place::Head => self.groups.len() - 1,
        };
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.groups[depth].register(param.id, gradient);
        }
    }
}

/// Scales the whole gradient down to a norm of at most `limit`; returns the norm it had.
///
/// Burn's own clipping looks at each parameter alone, which changes the direction.
pub fn clip_global_norm<M: Module>(
    model: &M,
    gradients: GradientsParams,
    limit: Option<f64>,
) -> (GradientsParams, f64) {
    let mut squares = Squares {
        gradients: &gradients,
        sums: Vec::new(),
    };
    model.visit(&mut squares);
    let norm = match squares.sums.is_empty() {
        true => 0.0,
        false => Tensor::cat(squares.sums, 0)
            .sum()
            .into_scalar::<f64>()
            .sqrt(),
    };
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

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.sums
            .extend(self.gradients.get::<D>(param.id).map(|g| g.square().sum()));
    }
}

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
    use crate::model::{Vit, VitConfig};
    use crate::nn::AdamW;

    /// How far the mean parameter of each depth moves in three steps whose gradients do not change.
    fn moved(decay: f64) -> [f32; 4] {
        let device = Device::flex().autodiff();
        device.seed(5);
        let start = number_parameters(VitConfig::new([4, 4], 1, 3, 2, 8, 2, 2).init(&device));
        let places = |vit: &Vit| {
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
            let loss = places(&model)
                .map(Tensor::sum)
                .into_iter()
                .reduce(|a, b| a + b);
            let gradients = GradientsParams::from_grads(loss.unwrap().backward(), &model);
            for (factor, group) in by_learning_rate(&model, gradients, decay, 2) {
                model = optimizer.step(1e-2 * factor, model, group);
            }
        }
        let (before, after) = (places(&start), places(&model));
        let change = |index: usize| (before[index].clone() - after[index].clone()).mean();
        [0, 1, 2, 3].map(|index| change(index).into_scalar::<f32>())
    }

    #[test]
    fn the_learning_rate_falls_from_block_to_block() {
        let everywhere = moved(1.0);
        let decayed = moved(0.5);
        let factors = [0.125, 0.25, 0.5, 1.0];
        for (index, factor) in factors.into_iter().enumerate() {
            assert!((everywhere[index] - 0.03).abs() < 1e-4, "{everywhere:?}");
            let expected = factor * everywhere[index];
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
