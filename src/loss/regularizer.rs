//! All penalties of a run, and their sum as one differentiable scalar.

use std::time::{Duration, Instant};

use burn::module::Module;
use burn::prelude::*;
use rayon::prelude::*;

use super::compared::{Compared, Reading, compared, item_masses};
use super::comparison::{PairPenalty, Place};
use super::pairs::{Alignment, Between};
use super::penalty::TopologyPenalty;
use super::reading::{Activations, LayerReading, Source};
use super::topology_loss::{Calibration, TopologyLoss, TopologyTerm, TopologyTiming};
use super::weight::{Clock, MAX_WEIGHT, Weight};
use crate::error::{Error, Result};
use crate::nn::{Persistence, gradient_norm};

/// The topological regulariser: a list of penalties, each with its weight and schedule.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};
///
/// let device = Device::flex().autodiff();
/// let attention: Vec<Tensor<4>> = (0..3)
///     .map(|_| Tensor::random([2, 4, 9, 9], Distribution::Default, &device))
///     .map(|scores| softmax(scores.require_grad(), 3))
///     .collect();
/// let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(1)])?;
/// let activations = Activations::of_attention(attention, 0);
/// let topology = regularizer.forward(&activations, Clock::default())?;
/// assert_eq!(topology.terms[0].n_compared, 4); // two pairs of layers, two images
/// let gradients = topology.loss.backward();
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TopologyRegularizer {
    penalties: Vec<TopologyPenalty>,
    weights: Vec<Option<f64>>,
}

impl TopologyRegularizer {
    /// A regulariser of these penalties; an empty list adds nothing.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if a penalty has a parameter out of range.
    pub fn new(penalties: Vec<TopologyPenalty>) -> Result<Self> {
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
    pub fn penalties(&self) -> &[TopologyPenalty] {
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

    /// Whether a penalty reads the hidden states, [`Activations::hidden`].
    pub fn reads_hidden(&self) -> bool {
        self.penalties
            .iter()
            .any(|penalty| penalty.source == Source::Hidden)
    }

    /// Whether a penalty that is on at this step, or would be if its weight were known, compares views,
    /// [`Activations::n_views`].
    pub fn reads_views(&self, clock: Clock) -> bool {
        self.penalties.iter().any(|penalty| {
            penalty.between == Between::Views && penalty.schedule.factor(clock) > 0.0
        })
    }

    /// Whether a penalty needs to know where patches go, [`Activations::motion`].
    pub fn reads_motion(&self) -> bool {
        self.penalties
            .iter()
            .any(|penalty| penalty.alignment == Alignment::Flow)
    }

    /// The weighted sum of the penalties that are on.
    ///
    /// # Shapes
    ///
    /// See [`Activations`].
    ///
    /// # Gradient
    ///
    /// First order, with pairings and matchings held constant: to the rows (attention or tokens) of
    /// critical edges. Add the loss to the task's before the one call of `backward`.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distribution`] if a row of attention is not a distribution;
    /// [`Error::is_invalid_parameter`] if nothing was passed, a penalty names a layer that was not,
    /// layers that it compares differ in images or, where each head counts, in heads, or a penalty
    /// between frames finds none, or not the motion that it asks for.
    ///
    /// # Cost
    ///
    /// One copy of the selected rows of each layer to the host; distances, persistence and
    /// matchings there, in parallel over the batch, its frames and layers; one constant of their size
    /// back.
    pub fn forward(&self, activations: &Activations, clock: Clock) -> Result<TopologyLoss> {
        self.evaluate(activations, &self.weights_at(clock), clock.step)
    }

    /// Turns gradient shares into weights, once each, at the first step where a penalty is on.
    ///
    /// `forward` runs the model on one batch and returns the task loss and the activations; it is
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
        let task_norm = gradient_norm(model, &forward().0.backward());
        let mut measured = Vec::new();
        for (index, share) in due {
            let (_, activations) = forward();
            let mut weights = vec![0.0; self.penalties.len()];
            weights[index] = 1.0;
            let alone = self.evaluate(&activations, &weights, clock.step)?;
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
        activations: &Activations,
        weights: &[f64],
        step: usize,
    ) -> Result<TopologyLoss> {
        let zero = activations.constant_zero()?;
        let active: Vec<usize> = (0..weights.len())
            .filter(|&index| weights[index] != 0.0)
            .collect();
        let started = Instant::now();
        let mut readings = self.read(activations, &active)?;
        let [distances, persistence] = apportion(started.elapsed(), &readings);
        let mut terms = Vec::with_capacity(active.len());
        let mut value = 0.0;
        let mut direct = Vec::new();
        for index in active {
            let penalty = &self.penalties[index];
            let way = penalty.reading();
            if penalty.is_direct() {
                let compared = compared(penalty, activations, step, |layer| layer)?;
                let found = penalty.direct(activations, &compared, |layer| {
                    let within = |e: Error| e.within(format_args!("layer {layer}"));
                    way.rows(activations, layer).map_err(within)
                })?;
                let term = TopologyTerm {
                    index,
                    value: found.clone().into_scalar::<f64>(),
                    weight: weights[index],
                    n_compared: compared.len(),
                    n_gated: 0,
                };
                direct.push(found * weights[index]);
                terms.push(term);
                continue;
            }
            let place = |layer: usize| {
                let is_wanted = |reading: &Reading| (reading.layer, reading.way) == (layer, way);
                readings.iter().position(is_wanted).expect("was read")
            };
            let compared = compared(penalty, activations, step, place)?;
            let term = self.compare(index, weights[index], &compared, step, &mut readings)?;
            value += term.weight * term.value;
            terms.push(term);
        }
        let matching = started.elapsed() - distances - persistence;
        let of_distances = readings
            .iter()
            .map(|reading| reading.diagrams.surrogate(0.0, &reading.gradient))
            .reduce(|sum, part| sum + part)
            .map(|sum| sum + value);
        let loss = of_distances
            .into_iter()
            .chain(direct)
            .reduce(|sum, part| sum + part)
            .unwrap_or(zero);
        let timing = TopologyTiming {
            distances,
            persistence,
            matching,
            gradient: started.elapsed() - distances - persistence - matching,
        };
        Ok(TopologyLoss {
            loss,
            terms,
            timing,
        })
    }

    /// Reads each layer once for all penalties that look at it in the same way.
    fn read(&self, activations: &Activations, active: &[usize]) -> Result<Vec<Reading>> {
        let mut wanted: Vec<(usize, LayerReading, usize)> = Vec::new();
        let active = active.iter().map(|&index| &self.penalties[index]);
        for penalty in active.filter(|penalty| !penalty.is_direct()) {
            let way = penalty.reading();
            let pairs = penalty.layer_pairs(activations.n_layers(penalty.source)?)?;
            for &pair in &pairs {
                way.check_alike(activations, pair)?;
            }
            for layer in pairs.into_iter().flatten() {
                match wanted.iter_mut().find(|(l, w, _)| (*l, *w) == (layer, way)) {
                    Some((_, _, dim)) => *dim = penalty.needed_dim().max(*dim),
                    None => wanted.push((layer, way, penalty.needed_dim())),
                }
            }
        }
        let within = |layer: usize| move |e: Error| e.within(format_args!("layer {layer}"));
        // The graph is recorded in order; what happens on the host has none.
        let rows = wanted
            .iter()
            .map(|&(layer, way, _)| way.rows(activations, layer).map_err(within(layer)));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let readings = wanted.into_par_iter().zip(rows);
        let readings = readings.map(|((layer, way, homology_dim), rows)| {
            let diagrams = Persistence::new(homology_dim)?
                .rows(rows, way.distance)
                .map_err(within(layer))?;
            let gradient = vec![Vec::new(); diagrams.batch_size()];
            Ok(Reading {
                layer,
                way,
                masses: item_masses(way, activations, layer)?,
                diagrams,
                gradient,
            })
        });
        // By way of a list, so that of several bad layers the first is named, not the fastest.
        readings.collect::<Vec<_>>().into_iter().collect()
    }

    /// Evaluates one penalty and adds its weighted gradient to the readings.
    fn compare(
        &self,
        index: usize,
        weight: f64,
        compared: &[Compared],
        step: usize,
        readings: &mut [Reading],
    ) -> Result<TopologyTerm> {
        let penalty = &self.penalties[index];
        let outcomes: Vec<Option<PairPenalty>> = compared
            .par_iter()
            .map(|pair| {
                let places = [0, 1].map(|side| (&readings[pair.readings[side]], pair.items[side]));
                if !places.iter().all(|(reading, item)| reading.is_heard(*item)) {
                    return Ok(None);
                }
                let places = places.map(|(reading, item)| Place {
                    batch: &reading.diagrams,
                    item,
                });
                let matched = pair.matched.as_ref().map(|matched| &matched[..]);
                penalty.compare(places, matched, step)
            })
            .collect::<Result<_>>()?;
        let n_compared = compared.len();
        let share = 1.0 / n_compared as f64;
        let mut term = TopologyTerm {
            index,
            value: 0.0,
            weight,
            n_compared,
            n_gated: 0,
        };
        for (pair, outcome) in compared.iter().zip(outcomes) {
            let Some(PairPenalty { value, gradients }) = outcome else {
                term.n_gated += 1;
                continue;
            };
            term.value += share * value;
            for (side, gradient) in gradients.into_iter().enumerate() {
                let scaled = gradient
                    .into_iter()
                    .map(|(edge, g)| (edge, g * share * weight));
                readings[pair.readings[side]].gradient[pair.items[side]].extend(scaled);
            }
        }
        Ok(term)
    }
}

/// Wall-clock time of distances and of bars, in the ratio of what threads spent on each.
fn apportion(elapsed: Duration, readings: &[Reading]) -> [Duration; 2] {
    let spent = |part: usize| -> f64 {
        let times = readings
            .iter()
            .map(|reading| reading.diagrams.times()[part]);
        times.sum::<Duration>().as_secs_f64()
    };
    let (distances, persistence) = (spent(0), spent(1));
    let sum = (distances + persistence).max(f64::MIN_POSITIVE);
    let persistence = elapsed.mul_f64((persistence / sum).min(1.0)).min(elapsed);
    [elapsed - persistence, persistence]
}
