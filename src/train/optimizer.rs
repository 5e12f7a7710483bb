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
