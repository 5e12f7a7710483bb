//! All penalties of a run, and their sum as one differentiable scalar.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::DType;
use rayon::prelude::*;

use super::layer_penalty::{LayerPenalty, PairPenalty};
use super::topology_loss::{Calibration, TopologyLoss, TopologyTerm};
use super::weight::{Clock, MAX_WEIGHT, Weight};
use crate::distance::RowDistance;
use crate::error::{Error, Result};
use crate::nn::{AttentionRows, DiagramBatch, EdgeGradient, Heads, Persistence, gradient_norm};

/// The topological regulariser: a list of penalties, each with its weight and schedule.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Clock, LayerPenalty, TopologyRegularizer};
///
/// let device = Device::flex().autodiff();
/// let attention: Vec<Tensor<4>> = (0..3)
///     .map(|_| Tensor::random([2, 4, 9, 9], Distribution::Default, &device))
///     .map(|scores| softmax(scores.require_grad(), 3))
///     .collect();
/// let regularizer = TopologyRegularizer::new(vec![LayerPenalty::new(1)])?;
/// let topology = regularizer.forward(&attention, 0, Clock::default())?;
/// assert_eq!(topology.terms[0].n_compared, 4); // two pairs of layers, two images
/// let gradients = topology.loss.backward();
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TopologyRegularizer {
    penalties: Vec<LayerPenalty>,
    weights: Vec<Option<f64>>,
}

/// The attention of one layer, read one way, and what the penalties ask of it.
struct Reading {
    layer: usize,
    rows: AttentionRows,
    diagrams: DiagramBatch,
    gradient: Vec<EdgeGradient>,
}

impl TopologyRegularizer {
    /// A regulariser of these penalties; an empty list adds nothing.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if a penalty has a parameter out of range.
    pub fn new(penalties: Vec<LayerPenalty>) -> Result<Self> {
        for (index, penalty) in penalties.iter().enumerate() {
            penalty
                .validate()
                .map_err(|e| e.within(format_args!("penalty {index}")))?;
        }
        let weights = penalties
            .iter()
            .map(|penalty| penalty.weight.known())
            .collect();
        Ok(Self { penalties, weights })
    }

    /// The penalties.
    pub fn penalties(&self) -> &[LayerPenalty] {
        &self.penalties
    }

    /// Full weight of each penalty; `None` while a gradient share is not measured.
    pub fn weights(&self) -> &[Option<f64>] {
        &self.weights
    }

    /// Takes over weights measured earlier, as from a checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there is not one weight per penalty.
    pub fn set_weights(&mut self, weights: Vec<Option<f64>>) -> Result<()> {
        if weights.len() != self.penalties.len() {
            return Err(Error::invalid_parameter(format!(
                "{} weights for {} penalties, expected one each",
                weights.len(),
                self.penalties.len()
            )));
        }
        self.weights = weights;
        Ok(())
    }

    /// Whether any penalty is on at this step.
    pub fn is_active(&self, clock: Clock) -> bool {
        self.weights_at(clock).iter().any(|&weight| weight != 0.0)
    }

    /// The weighted sum of the penalties that are on.
    ///
    /// # Shapes
    ///
    /// - `attention`: one `[batch_size, n_heads, n_tokens, n_tokens]` per layer, from after softmax
    ///   and before dropout
    /// - `n_prefix_tokens`: tokens before the first patch (class token, registers)
    ///
    /// # Gradient
    ///
    /// First order, with pairings and matchings held constant: to the attention rows of critical
    /// edges. Add the loss to the task's before the one call of `backward`.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distribution`] if a row of attention is not a distribution;
    /// [`Error::is_invalid_parameter`] if no attention was passed, a penalty names a layer that was
    /// not, or layers that it compares differ in images or, where each head counts, in heads.
    ///
    /// # Cost
    ///
    /// One copy of the selected rows of each layer to the host; distances, persistence and
    /// matchings there, in parallel over the batch; one constant of their size back.
    pub fn forward(
        &self,
        attention: &[Tensor<4>],
        n_prefix_tokens: usize,
        clock: Clock,
    ) -> Result<TopologyLoss> {
        self.evaluate(attention, n_prefix_tokens, &self.weights_at(clock))
    }

    /// Turns gradient shares into weights, once each, at the first step where a penalty is on.
    ///
    /// `forward` runs the model on one batch and returns the task loss and the attention; it is
    /// called once for the task and once for every penalty that is due, and must compute the same
    /// each time (seed the device first, where there is dropout). The weight is
    /// `share * task_norm / penalty_norm`, at most [`MAX_WEIGHT`] in absolute value. A penalty
    /// without gradient stays unmeasured and adds nothing; it is due again at the next step.
    ///
    /// # Errors
    ///
    /// As [`TopologyRegularizer::forward`], and what `forward` returns.
    ///
    /// # Cost
    ///
    /// One forward and one backward pass for the task, and one of each per penalty due; nothing
    /// if none is.
    pub fn calibrate<M: Module>(
        &mut self,
        model: &M,
        clock: Clock,
        n_prefix_tokens: usize,
        mut forward: impl FnMut() -> (Tensor<1>, Vec<Tensor<4>>),
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
        let task_norm = gradient_norm(model, &forward().0.backward());
        let mut measured = Vec::new();
        for (index, share) in due {
            let (_, attention) = forward();
            let mut weights = vec![0.0; self.penalties.len()];
            weights[index] = 1.0;
            let alone = self.evaluate(&attention, n_prefix_tokens, &weights)?;
            let penalty_norm = gradient_norm(model, &alone.loss.backward());
            let weight = share * task_norm / penalty_norm;
            // Without a gradient of the task there is nothing to take a share of, yet.
            let weight = (penalty_norm > 0.0 && task_norm > 0.0 && weight.is_finite())
                .then(|| weight.clamp(-MAX_WEIGHT, MAX_WEIGHT));
            self.weights[index] = weight;
            measured.push(Calibration {
                index,
                task_norm,
                penalty_norm,
                weight,
            });
        }
        Ok(measured)
    }

    fn weights_at(&self, clock: Clock) -> Vec<f64> {
        self.penalties
            .iter()
            .zip(&self.weights)
            .map(|(penalty, weight)| weight.unwrap_or(0.0) * penalty.schedule.factor(clock))
            .collect()
    }

    fn evaluate(
        &self,
        attention: &[Tensor<4>],
        n_prefix_tokens: usize,
        weights: &[f64],
    ) -> Result<TopologyLoss> {
        let Some(first) = attention.first() else {
            return Err(Error::invalid_parameter(
                "no attention was passed, expected that of each layer",
            ));
        };
        let active: Vec<usize> = (0..weights.len())
            .filter(|&index| weights[index] != 0.0)
            .collect();
        let mut readings = self.read(attention, n_prefix_tokens, &active)?;
        let mut terms = Vec::with_capacity(active.len());
        for index in active {
            let pairs = self.penalties[index].pairs(attention.len())?;
            let rows = self.penalties[index].attention_rows(n_prefix_tokens);
            let pairs: Vec<[usize; 2]> = pairs
                .iter()
                .map(|pair| pair.map(|layer| find(&readings, layer, rows).expect("was read")))
                .collect();
            terms.push(self.compare(index, weights[index], &pairs, &mut readings)?);
        }
        let value: f64 = terms.iter().map(|term| term.weight * term.value).sum();
        let loss = readings
            .iter()
            .map(|reading| reading.diagrams.surrogate(0.0, &reading.gradient))
            .reduce(|sum, part| sum + part)
            .map_or_else(|| constant_zero(first), |zero| zero + value);
        Ok(TopologyLoss { loss, terms })
    }

    /// Reads each layer once for all penalties that look at it in the same way.
    fn read(
        &self,
        attention: &[Tensor<4>],
        n_prefix_tokens: usize,
        active: &[usize],
    ) -> Result<Vec<Reading>> {
        let mut wanted: Vec<(usize, AttentionRows, usize)> = Vec::new();
        for penalty in active.iter().map(|&index| &self.penalties[index]) {
            let rows = penalty.attention_rows(n_prefix_tokens);
            let pairs = penalty.pairs(attention.len())?;
            for &[first, second] in &pairs {
                check_alike(penalty.heads, attention, [first, second])?;
            }
            for layer in pairs.into_iter().flatten() {
                match wanted
                    .iter_mut()
                    .find(|(l, r, _)| (*l, *r) == (layer, rows))
                {
                    Some((_, _, dim)) => *dim = (*dim).max(penalty.homology_dim),
                    None => wanted.push((layer, rows, penalty.homology_dim)),
                }
            }
        }
        wanted
            .into_iter()
            .map(|(layer, rows, max_homology_dim)| {
                let read = || {
                    let selected = rows.select(attention[layer].clone())?;
                    Persistence::new(max_homology_dim)?.rows(selected, RowDistance::JENSEN_SHANNON)
                };
                let diagrams = read().map_err(|e| e.within(format_args!("layer {layer}")))?;
                let gradient = vec![Vec::new(); diagrams.batch_size()];
                Ok(Reading {
                    layer,
                    rows,
                    diagrams,
                    gradient,
                })
            })
            .collect()
    }

    /// Evaluates one penalty and adds its weighted gradient to the readings.
    fn compare(
        &self,
        index: usize,
        weight: f64,
        pairs: &[[usize; 2]],
        readings: &mut [Reading],
    ) -> Result<TopologyTerm> {
        let penalty = &self.penalties[index];
        let batch_size = readings[pairs[0][0]].diagrams.batch_size();
        let n_compared = pairs.len() * batch_size;
        let outcomes: Vec<Option<PairPenalty>> = (0..n_compared)
            .into_par_iter()
            .map(|k| {
                let [first, second] = pairs[k / batch_size].map(|r| &readings[r].diagrams);
                penalty.compare(first, second, k % batch_size)
            })
            .collect::<Result<_>>()?;
        let share = 1.0 / n_compared as f64;
        let mut term = TopologyTerm {
            index,
            value: 0.0,
            weight,
            n_compared,
            n_gated: 0,
        };
        for (k, outcome) in outcomes.into_iter().enumerate() {
            let Some(PairPenalty { value, gradients }) = outcome else {
                term.n_gated += 1;
                continue;
            };
            term.value += share * value;
            for (reading, gradient) in pairs[k / batch_size].into_iter().zip(gradients) {
                let scaled = gradient
                    .into_iter()
                    .map(|(edge, g)| (edge, g * share * weight));
                readings[reading].gradient[k % batch_size].extend(scaled);
            }
        }
        Ok(term)
    }
}

/// Items of two layers are compared by number, so both must count the same things.
fn check_alike(heads: Heads, attention: &[Tensor<4>], pair: [usize; 2]) -> Result<()> {
    let [first, second] = pair.map(|layer| attention[layer].dims());
    if first[0] == second[0] && (heads == Heads::Mean || first[1] == second[1]) {
        return Ok(());
    }
    Err(Error::invalid_parameter(format!(
        "layer {} has {} images of {} heads and layer {} has {} of {}, expected as many of both",
        pair[0], first[0], first[1], pair[1], second[0], second[1]
    )))
}

/// Zero in the precision that a penalty on this attention would have.
fn constant_zero(attention: &Tensor<4>) -> Tensor<1> {
    let dtype = match attention.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    Tensor::zeros([1], (&attention.device(), dtype))
}

fn find(readings: &[Reading], layer: usize, rows: AttentionRows) -> Option<usize> {
    readings
        .iter()
        .position(|reading| (reading.layer, reading.rows) == (layer, rows))
}
