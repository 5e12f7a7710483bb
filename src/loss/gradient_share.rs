//! Weights of penalties that are measured, so that a penalty has a given share of the gradient.

use burn::module::Module;
use burn::prelude::*;

use super::activations::Activations;
use super::regularizer::TopologyRegularizer;
use super::weight::{Clock, MAX_WEIGHT, Weight};
use crate::error::Result;
use crate::nn::gradient_norm;

/// Measurement of a gradient share: the two gradient norms, and the weight that follows from them.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn::tensor::Distribution;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer, Weight};
/// use burn_topology::nn::SelfAttentionConfig;
///
/// let device = Device::flex().autodiff();
/// # device.seed(0);
/// let model = [0, 1].map(|_| SelfAttentionConfig::new(8, 1).init(&device));
/// let images = Tensor::<3>::random([2, 9, 8], Distribution::Normal(0.0, 2.0), &device);
/// let forward = || {
///     let (mut tokens, mut attention) = (images.clone(), Vec::new());
///     for layer in &model {
///         let output = layer.forward(tokens.clone());
///         tokens = tokens + output.context;
///         attention.push(output.weights);
///     }
///     (tokens.square().mean(), Activations::from_attention(attention, 0))
/// };
/// let penalty = TopologyPenalty::new(0).with_weight(Weight::GradientShare(0.1));
/// let mut regularizer = TopologyRegularizer::new(vec![penalty])?;
/// let measured = regularizer.calibrate(&model, Clock::default(), forward)?[0];
/// let weight = 0.1 * measured.task_norm / measured.penalty_norm;
/// assert_eq!((measured.weight, regularizer.weights()), (Some(weight), &[Some(weight)][..]));
/// assert_eq!(regularizer.calibrate(&model, Clock::default(), forward)?, []); // measured only once
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Index of the penalty in the regulariser's list.
    pub index: usize,
    /// Euclidean norm of the task loss's gradient over all parameters.
    pub task_norm: f64,
    /// Euclidean norm of the unweighted penalty's gradient over all parameters.
    pub penalty_norm: f64,
    /// Weight that was set; `None` if one of the two gradients is 0 or not finite, so that it stays unmeasured.
    pub weight: Option<f64>,
}

impl TopologyRegularizer {
    /// Measures the weights of penalties with a [`Weight::GradientShare`], each once, when it is first on.
    ///
    /// ```text
    /// weight = share * |gradient of the task loss| / |gradient of the penalty's value|
    /// ```
    ///
    /// with Euclidean norms over all parameters of the model, and at most [`MAX_WEIGHT`] in absolute value.
    /// Call it before [`forward`](TopologyRegularizer::forward) in every step: it does nothing once all
    /// weights are known, and without it `forward` refuses such penalties. If the gradient of the penalty
    /// or of the task is 0 or not finite, the weight stays unmeasured and counts as 0, and is measured at the next step
    /// where the penalty is on. The measured weight is the full one, after the warm-up of the schedule.
    ///
    /// The closure runs the model on one batch and returns the task loss and the activations. It is called
    /// once for the task and once per penalty to measure, and must compute the same each time: if the model
    /// has dropout, seed the device at the start of the closure.
    ///
    /// # Errors
    ///
    /// As [`TopologyRegularizer::forward`].
    ///
    /// # Cost
    ///
    /// One forward and one backward pass for the task, and one of each per penalty that is measured; nothing
    /// if no penalty is to be measured.
    pub fn calibrate<M: Module>(
        &mut self,
        model: &M,
        clock: Clock,
        mut forward: impl FnMut() -> (Tensor<1>, Activations),
    ) -> Result<Vec<Calibration>> {
        let due: Vec<(usize, f64)> = (0..self.penalties.len())
            .filter(|&index| self.weights[index].is_none())
            .filter(|&index| self.penalties[index].schedule.factor(clock) > 0.0)
            .filter_map(|index| match self.penalties[index].weight {
                Weight::GradientShare(share) => Some((index, share)),
                Weight::Fixed(_) => None,
            })
            .collect();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        // The task loss alone: a share is relative to the gradient without any penalty.
        let task_norm = gradient_norm(model, &forward().0.backward());
        let mut calibrations = Vec::new();
        for (index, share) in due {
            // `backward` consumes the graph, so each penalty needs a forward pass of its own.
            let (_, activations) = forward();
            // Weight 1 whatever the schedule says: the share applies to the full weight after warm-up.
            let mut weights = vec![None; self.penalties.len()];
            weights[index] = Some(1.0);
            let alone = self.evaluate(&activations, &weights, clock.step)?;
            let penalty_norm = gradient_norm(model, &alone.loss.backward());
            let weight = share * task_norm / penalty_norm;
            // If a norm is 0, infinite or NaN, so is the quotient. A weight of 0 would switch the penalty off for
            // the whole run, so the next step tries again.
            let weight = weight
                .is_normal()
                // A penalty with hardly any gradient now would otherwise keep an enormous weight for the whole run.
                .then(|| weight.clamp(-MAX_WEIGHT, MAX_WEIGHT));
            self.weights[index] = weight;
            self.was_calibrated[index] = true;
            calibrations.push(Calibration {
                index,
                task_norm,
                penalty_norm,
                weight,
            });
        }
        Ok(calibrations)
    }
}
