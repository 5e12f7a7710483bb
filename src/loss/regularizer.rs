//! Regulariser: all penalties of a run, and their weighted sum as one differentiable number.

use super::activations::Activations;
use super::active_penalty::ActivePenalty;
use super::pairs::{Alignment, Between};
use super::penalty::TopologyPenalty;
use super::penalty_kind::PenaltyKind;
use super::penalty_name::{distinct_names, repeated_name};
use super::pending_loss::PendingLoss;
use super::row_source::Source;
use super::topology_loss::TopologyLoss;
use super::weight::{Clock, Weight};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::fused::HostReads;
use crate::nn::{Engine, Persistence};
use crate::topology::MAX_HOMOLOGY_DIM;

/// Topological regulariser: a list of penalties, each with its own weight and schedule.
///
/// ```text
/// loss = sum over penalties of  weight * schedule(step) * value
/// ```
///
/// A penalty whose weight is a [`Weight::GradientShare`] has to be measured first, by
/// [`calibrate`](TopologyRegularizer::calibrate).
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
/// let activations = Activations::from_attention(attention, 0);
/// let topology = regularizer.forward(&activations, Clock::default())?;
/// assert_eq!(topology.terms[0].n_compared, 4); // two pairs of layers, two images
/// let gradients = topology.loss.backward();
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TopologyRegularizer {
    pub(super) penalties: Vec<TopologyPenalty>,
    /// Effective names, all different.
    names: Vec<String>,
    /// Full weight of each penalty; `None` while a gradient share is not measured.
    pub(super) weights: Vec<Option<f64>>,
    /// True for each gradient share that [`calibrate`](Self::calibrate) has tried to measure.
    pub(super) was_calibrated: Vec<bool>,
    /// Persistence layer for each largest homology dimension, with buffers that are kept from step to step.
    persistence: Vec<Persistence>,
}

impl TopologyRegularizer {
    /// Creates a regulariser; if there are no penalties, its loss is 0.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if a penalty has a parameter out of range, a combination of
    /// fields that makes no sense, or a name that cannot be used or that another penalty was given too.
    pub fn new(penalties: Vec<TopologyPenalty>) -> Result<Self> {
        // Names first, because other errors refer to a penalty by its name.
        for (index, penalty) in penalties.iter().enumerate() {
            penalty
                .validate_name()
                .map_err(|e| e.within(format_args!("penalty {index}")))?;
        }
        if let Some(index) = repeated_name(&penalties) {
            return Err(Error::invalid_parameter(format!(
                "penalty {index}: an earlier penalty is named `{}` too, expected a name of its own",
                penalties[index].effective_name()
            )));
        }
        let names: Vec<_> = penalties
            .iter()
            .map(TopologyPenalty::name_or_default)
            .collect();
        let names = distinct_names(&names);
        for (penalty, name) in penalties.iter().zip(&names) {
            penalty
                .validate()
                .map_err(|e| e.within(format_args!("penalty {name}")))?;
        }
        let weights = penalties
            .iter()
            .map(|penalty| penalty.weight.fixed_value())
            .collect();
        Ok(Self {
            was_calibrated: vec![false; penalties.len()],
            penalties,
            names,
            weights,
            persistence: (0..=MAX_HOMOLOGY_DIM)
                .map(Persistence::new)
                .collect::<Result<_>>()?,
        })
    }

    /// Chooses where distances and diagrams are computed; by default where the rows are.
    pub fn with_engine(self, engine: Engine) -> Self {
        let layers = self.persistence.into_iter();
        Self {
            persistence: layers.map(|layer| layer.with_engine(engine)).collect(),
            ..self
        }
    }

    /// Name of each penalty, all different: see [`TopologyPenalty::effective_name`].
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Penalties, in the order in which they were passed.
    pub fn penalties(&self) -> &[TopologyPenalty] {
        &self.penalties
    }

    /// Full weight of each penalty, without its schedule; `None` while a gradient share is not measured.
    pub fn weights(&self) -> &[Option<f64>] {
        &self.weights
    }

    /// Sets weights that were measured earlier, for example those of a checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there is not one weight per penalty.
    pub fn set_weights(&mut self, weights: Vec<Option<f64>>) -> Result<()> {
        if weights.len() != self.penalties.len() {
            return Err(Error::invalid_parameter(format!(
                "{} for {}, expected one weight for each penalty",
                counted(weights.len(), "weight"),
                counted(self.penalties.len(), "penalty")
            )));
        }
        self.weights = weights;
        Ok(())
    }

    /// True if any penalty adds to the loss at this step.
    ///
    /// Its schedule is then on, and its weight is not 0; a weight that is not yet measured counts as 0.
    pub fn is_active(&self, clock: Clock) -> bool {
        self.weights_at(clock).iter().any(|&weight| weight != 0.0)
    }

    /// True if a penalty uses hidden states, [`Activations::hidden`].
    pub fn reads_hidden(&self) -> bool {
        self.penalties
            .iter()
            .any(|penalty| penalty.source == Source::Hidden)
    }

    /// True if a penalty uses layers: attention or hidden states.
    pub fn reads_layers(&self) -> bool {
        let mut penalties = self.penalties.iter();
        penalties.any(|penalty| !matches!(penalty.kind, PenaltyKind::Pixels(_)))
    }

    /// True if a penalty uses predicted frames, [`Activations::frames`].
    pub fn reads_frames(&self) -> bool {
        let mut penalties = self.penalties.iter();
        penalties.any(|penalty| matches!(penalty.kind, PenaltyKind::Pixels(_)))
    }

    /// True if a penalty compares views ([`Activations::n_views`]) at this step.
    ///
    /// Its schedule is then on, and its weight is not 0, but may still be unmeasured.
    pub fn reads_views(&self, clock: Clock) -> bool {
        self.compares(Between::Views, clock)
    }

    /// True if a penalty compares the model with its reference ([`Activations::reference`]) at this step.
    ///
    /// Its schedule is then on, and its weight is not 0, but may still be unmeasured. At all other steps the
    /// reference can be left out.
    pub fn reads_reference(&self, clock: Clock) -> bool {
        self.compares(Between::Reference, clock)
    }

    /// True if a penalty of this kind is on at this step, or only waits for its weight to be measured.
    fn compares(&self, between: Between, clock: Clock) -> bool {
        let mut penalties = self.penalties.iter().zip(&self.weights);
        penalties.any(|(penalty, &weight)| {
            let is_on = penalty.schedule.factor(clock) > 0.0 && weight != Some(0.0);
            is_on && penalty.is_between(between)
        })
    }

    /// True if a penalty aligns frames by flow and so needs [`Activations::motion`].
    pub fn reads_motion(&self) -> bool {
        self.penalties
            .iter()
            .any(|penalty| penalty.kind.alignment() == Alignment::Flow)
    }

    /// Computes the weighted sum of the penalties that are on.
    ///
    /// A penalty is on if its schedule is. If its weight is 0, its value is computed and reported, and nothing is
    /// added to the loss: so the penalty can be watched in a training without it. Only where such a penalty compares
    /// views or a reference that were not passed, it has no term.
    ///
    /// # Shapes
    ///
    /// See [`Activations`].
    ///
    /// # Gradient
    ///
    /// First order, with pairings and matchings held constant. It reaches the rows (attention rows or hidden
    /// states) that critical edges join. Add the loss to the task loss before the one call of `backward`.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_distribution`] if an attention row is not a distribution.
    /// - [`Error::is_invalid_distances`] if a comparison token by token has different numbers of points.
    /// - [`Error::is_invalid_parameter`] if a penalty that is on has a gradient share that
    ///   [`calibrate`](Self::calibrate) has never tried to measure;
    ///   if no layers were passed, even if no penalty is on; if a penalty names a
    ///   layer that does not exist; if its layers differ in their number of images or, where each head is an item
    ///   and they are compared, of heads; if there are no frames, views, motion or reference for a penalty that
    ///   needs them.
    ///
    /// # Cost
    ///
    /// The selected rows of all layers are copied to the host in one read, once for all penalties with the same rows and
    /// distance. Distances, persistence and matchings run there, in parallel over items and layers. One constant of the
    /// size of the rows is copied back.
    pub fn forward(&self, activations: &Activations, clock: Clock) -> Result<TopologyLoss> {
        let mut reads = HostReads::default();
        let pending = self.begin(activations, clock, &mut reads)?;
        pending.finish(&mut reads.execute()?)
    }

    /// Begins [`forward`](Self::forward): adds all that the penalties need to the values that are read from the device.
    ///
    /// The caller can so read its own values with them.
    pub(crate) fn begin<'a>(
        &'a self,
        activations: &'a Activations,
        clock: Clock,
        reads: &mut HostReads,
    ) -> Result<PendingLoss<'a>> {
        self.check_calibrated(clock)?;
        let weights: Vec<Option<f64>> = self
            .weights_at(clock)
            .into_iter()
            .zip(&self.penalties)
            .map(|(weight, penalty)| {
                let is_on = penalty.schedule.factor(clock) > 0.0;
                let is_computed = weight != 0.0 || can_be_watched(penalty, activations);
                (is_on && is_computed).then_some(weight)
            })
            .collect();
        self.begin_evaluation(activations, &weights, clock.step, reads)
    }

    /// Checks that no penalty that is on still waits for its first call of [`calibrate`](Self::calibrate).
    ///
    /// Such a penalty would be trained with weight 0 for ever, and nothing would tell.
    fn check_calibrated(&self, clock: Clock) -> Result<()> {
        for (index, penalty) in self.penalties.iter().enumerate() {
            if let Weight::GradientShare(share) = penalty.weight
                && self.weights[index].is_none()
                && !self.was_calibrated[index]
                && penalty.schedule.factor(clock) > 0.0
            {
                return Err(Error::invalid_parameter(format!(
                    "penalty {}: the weight for its gradient share of {share} is not measured; call `calibrate` \
                     before `forward` in every step, or give it a fixed weight",
                    self.names[index]
                )));
            }
        }
        Ok(())
    }

    /// Returns the weights in force at a step, schedule included; 0 for an unmeasured gradient share.
    fn weights_at(&self, clock: Clock) -> Vec<f64> {
        self.penalties
            .iter()
            .zip(&self.weights)
            .map(|(penalty, weight)| weight.unwrap_or(0.0) * penalty.schedule.factor(clock))
            .collect()
    }

    /// Computes the penalties that have a weight, and their weighted sum; those with `None` are left out.
    pub(super) fn evaluate(
        &self,
        activations: &Activations,
        weights: &[Option<f64>],
        step: usize,
    ) -> Result<TopologyLoss> {
        let mut reads = HostReads::default();
        let pending = self.begin_evaluation(activations, weights, step, &mut reads)?;
        pending.finish(&mut reads.execute()?)
    }

    /// Selects what the penalties that have a weight need, and adds it to the values that are read.
    fn begin_evaluation<'a>(
        &'a self,
        activations: &'a Activations,
        weights: &[Option<f64>],
        step: usize,
        reads: &mut HostReads,
    ) -> Result<PendingLoss<'a>> {
        let active = (self.penalties.iter().zip(&self.names))
            .zip(weights)
            .enumerate()
            .filter_map(|(index, ((penalty, name), weight))| {
                Some(ActivePenalty {
                    penalty,
                    index,
                    name,
                    weight: (*weight)?,
                })
            });
        PendingLoss::new(
            &self.persistence,
            active.collect(),
            activations,
            step,
            reads,
        )
    }
}

/// True if the activations have all that a penalty of weight 0 compares.
///
/// Callers may leave out the views and the reference that no weighted penalty needs, because they cost a forward pass.
fn can_be_watched(penalty: &TopologyPenalty, activations: &Activations) -> bool {
    let has_frames = match &penalty.kind {
        PenaltyKind::Pixels(pixels) => (activations.frames.as_ref())
            .is_some_and(|frames| frames.truth.is_some() || !pixels.comparison.reads_truth()),
        _ => true,
    };
    (!penalty.is_between(Between::Views) || activations.n_views > 1)
        && (!penalty.is_between(Between::Reference) || activations.reference.is_some())
        && has_frames
}
