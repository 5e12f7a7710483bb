//! Regulariser: all penalties of a run, and their weighted sum as one differentiable number.

use std::time::{Duration, Instant};

use burn::prelude::*;
use burn::tensor::DType;
use rayon::prelude::*;

use super::activations::{Activations, LayerOf};
use super::batch_pairs::{LayerDiagrams, item_pairs, layer_pairs, within_frame_attention};
use super::frame_diagrams::HostFrames;
use super::item_comparison::{BatchItem, ItemComparison, PairPenalty, evaluate_pair};
use super::pairs::{Alignment, Between};
use super::penalty::TopologyPenalty;
use super::penalty_kind::{Evaluation, PenaltyKind};
use super::penalty_name::{distinct_names, repeated_name};
use super::pixel_penalty::PixelPenalty;
use super::row_penalty::{ItemRows, RowPenalty};
use super::row_selection::RowSelection;
use super::row_source::Source;
use super::topology_loss::{TopologyLoss, TopologyTerm, TopologyTiming};
use super::weight::{Clock, Weight};
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::fused::with_gradient;
use crate::nn::{Persistence, PersistenceTiming, PresentPoints};
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
    /// The selected rows of each layer are copied to the host, once for all penalties with the same rows and distance.
    /// Distances, persistence and matchings run there, in parallel over items and layers. One constant of the
    /// size of the rows is copied back.
    pub fn forward(&self, activations: &Activations, clock: Clock) -> Result<TopologyLoss> {
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
        self.evaluate(activations, &weights, clock.step)
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
        // Before anything else, since it refuses activations without any layer.
        let zero = activations.constant_zero()?;
        let active: Vec<ActivePenalty<'_>> = (self.penalties.iter().zip(&self.names))
            .zip(weights)
            .enumerate()
            .filter_map(|(index, ((penalty, name), weight))| {
                Some(ActivePenalty {
                    penalty,
                    index,
                    name,
                    weight: (*weight)?,
                })
            })
            .collect();
        let started = Instant::now();
        let mut layers = self.layer_diagrams(activations, &active)?;
        let PersistenceTiming {
            distances,
            persistence,
        } = divide_by_thread_time(started.elapsed(), &layers);
        let mut terms = Vec::with_capacity(active.len());
        let mut diagram_value = 0.0;
        let mut row_losses = Vec::new();
        let mut pixels: Option<PixelSum> = None;
        for active in active {
            let term = match active.penalty.kind.evaluation() {
                Evaluation::Rows(rows) => {
                    let (term, loss) = active.evaluate_rows(rows, activations, step)?;
                    row_losses.extend(loss);
                    term
                }
                Evaluation::Pixels(penalty) => {
                    let pixels = match &mut pixels {
                        Some(pixels) => pixels,
                        // Frames are read once for all penalties on pixels.
                        None => pixels.insert(PixelSum::new(activations)?),
                    };
                    active.evaluate_pixels(penalty, pixels, step)?
                }
                Evaluation::Items(comparison) => {
                    let term = active.evaluate_items(comparison, activations, step, &mut layers)?;
                    // Without the condition, an infinite value would make a weight of 0 a NaN.
                    if term.weight != 0.0 {
                        diagram_value += term.weight * term.value;
                    }
                    term
                }
            };
            terms.push(term);
        }
        let matching = started.elapsed() - distances - persistence;
        // Each surrogate has value 0 and the collected gradient; the value is added once, in 64 bits.
        let diagram_loss = layers
            .iter()
            // The reference is constant, and penalties of weight 0 leave no trace in the graph.
            .filter(|layer| layer.is_in_loss && matches!(layer.layer, LayerOf::Model(_)))
            .map(|layer| layer.diagrams.surrogate(0.0, &layer.gradient))
            .reduce(|sum, part| sum + part)
            .map(|sum| sum + diagram_value);
        let pixel_loss = match pixels {
            Some(pixels) if pixels.is_in_loss => Some(pixels.loss(activations)?),
            _ => None,
        };
        let loss = diagram_loss
            .into_iter()
            .chain(row_losses)
            .chain(pixel_loss)
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

    /// Computes the diagrams of each layer once for all active penalties with the same selection of rows.
    fn layer_diagrams(
        &self,
        activations: &Activations,
        active: &[ActivePenalty<'_>],
    ) -> Result<Vec<LayerDiagrams>> {
        let mut requests: Vec<DiagramRequest> = Vec::new();
        for ActivePenalty {
            penalty, weight, ..
        } in active
        {
            let is_in_loss = *weight != 0.0;
            let Evaluation::Items(comparison) = penalty.kind.evaluation() else {
                continue;
            };
            let selection = penalty.row_selection();
            // Dimension 0 is always among them, for the scale.
            let max_homology_dim = comparison.homology_dim();
            let pairs = layer_pairs(penalty, activations)?;
            for layer in pairs.into_iter().flatten() {
                // A list is searched, because a selection holds an `f64` and cannot be the key of a map.
                match requests
                    .iter_mut()
                    .find(|request| (request.layer, request.selection) == (layer, selection))
                {
                    Some(request) => {
                        request.max_homology_dim = max_homology_dim.max(request.max_homology_dim);
                        request.is_in_loss |= is_in_loss;
                    }
                    None => requests.push(DiagramRequest {
                        layer,
                        selection,
                        max_homology_dim,
                        is_in_loss,
                    }),
                }
            }
        }
        // Tensor operations are recorded in one fixed order; only the work on the host is parallel.
        let rows = requests
            .iter()
            .map(|request| request.selection.rows(activations, request.layer))
            .collect::<Result<Vec<_>>>()?;
        let padding = activations.padding.as_ref();
        let present_tokens = padding.map(PresentPoints::read).transpose()?;
        let layers: Vec<Result<LayerDiagrams>> = requests
            .into_par_iter()
            .zip(rows)
            .map(|(request, rows)| {
                let DiagramRequest {
                    layer,
                    selection,
                    max_homology_dim,
                    is_in_loss,
                } = request;
                let points = present_tokens
                    .as_ref()
                    .map(|tokens| selection.present_points(activations, layer, tokens));
                let diagrams = self.persistence[max_homology_dim]
                    .rows_of_points(rows, selection.distance, points.as_ref())
                    .map_err(|e: Error| e.within(layer))?;
                let gradient = vec![Vec::new(); diagrams.batch_size()];
                Ok(LayerDiagrams {
                    layer,
                    selection,
                    within_frame_attention: within_frame_attention(selection, activations, layer)?,
                    diagrams,
                    gradient,
                    is_in_loss,
                })
            })
            .collect();
        // Collecting all results first makes the error that of the first bad layer, not of the fastest thread.
        layers.into_iter().collect()
    }
}

/// One penalty that is on at a step.
struct ActivePenalty<'a> {
    penalty: &'a TopologyPenalty,
    index: usize,
    name: &'a str,
    /// Weight in force, schedule included.
    weight: f64,
}

impl ActivePenalty<'_> {
    /// Evaluates the penalty on rows, and returns it with its weighted loss; `None` if its weight is 0.
    fn evaluate_rows(
        &self,
        rows: &RowPenalty,
        activations: &Activations,
        step: usize,
    ) -> Result<(TopologyTerm, Option<Tensor<1>>)> {
        let selection = self.penalty.row_selection();
        let pairs = item_pairs(self.penalty, activations, step)?;
        let value = rows.evaluate(activations, &pairs, |layer| {
            let rows = selection.rows(activations, layer)?;
            let weights = selection.point_weights(activations, &rows);
            Ok(ItemRows { rows, weights })
        })?;
        let term = self.term(value.clone().into_scalar::<f64>(), pairs.len());
        let loss = (self.weight != 0.0).then(|| value * self.weight);
        Ok((term, loss))
    }

    /// Evaluates the penalty on diagrams or distances, and adds its weighted gradient to the layers.
    fn evaluate_items(
        &self,
        comparison: &dyn ItemComparison,
        activations: &Activations,
        step: usize,
        layers: &mut [LayerDiagrams],
    ) -> Result<TopologyTerm> {
        let selection = self.penalty.row_selection();
        let direction = self.penalty.direction();
        let pairs = item_pairs(self.penalty, activations, step)?;
        let index_of = |layer: LayerOf| {
            layers
                .iter()
                .position(|other| (other.layer, other.selection) == (layer, selection))
                .expect("diagrams of every layer of an active penalty were computed")
        };
        let indices: Vec<[usize; 2]> = pairs.iter().map(|pair| pair.layers.map(index_of)).collect();
        let outcomes: Vec<Option<PairPenalty>> = pairs
            .par_iter()
            .zip(&indices)
            .map(|(pair, indices)| {
                let sides = [0, 1].map(|side| (&layers[indices[side]], pair.items[side]));
                if sides
                    .iter()
                    .any(|(layer, item)| !layer.is_above_floor(*item))
                {
                    return Ok(None);
                }
                let items = sides.map(|(layer, index)| BatchItem {
                    batch: &layer.diagrams,
                    index,
                });
                evaluate_pair(comparison, direction, items, pair.matched.as_deref(), step)
            })
            .collect::<Result<_>>()?;
        let mut term = self.term(0.0, pairs.len());
        // Infinite without pairs, but then the loop below does not run.
        let pair_weight = 1.0 / pairs.len() as f64;
        // Sums run in the order of the pairs, so results do not depend on the number of threads.
        for ((pair, indices), outcome) in pairs.iter().zip(&indices).zip(outcomes) {
            let Some(PairPenalty { value, gradients }) = outcome else {
                term.n_gated += 1;
                continue;
            };
            term.value += pair_weight * value;
            if self.weight == 0.0 {
                continue;
            }
            for (side, gradient) in gradients.into_iter().enumerate() {
                let weighted = gradient
                    .into_iter()
                    .map(|(edge, derivative)| (edge, derivative * pair_weight * self.weight));
                layers[indices[side]].gradient[pair.items[side]].extend(weighted);
            }
        }
        Ok(term)
    }

    /// Evaluates the penalty on pixels, and adds its weighted value and gradient to the sum.
    fn evaluate_pixels(
        &self,
        penalty: &PixelPenalty,
        sum: &mut PixelSum,
        step: usize,
    ) -> Result<TopologyTerm> {
        let outcome = penalty.evaluate(&sum.frames, step)?;
        if self.weight != 0.0 {
            sum.is_in_loss = true;
            sum.value += self.weight * outcome.value;
            for (pixel, derivative) in outcome.gradient {
                sum.gradient[pixel] += self.weight * derivative;
            }
        }
        Ok(self.term(outcome.value, outcome.n_compared))
    }

    /// Returns the term of the loss for a number of pairs, none of them gated.
    fn term(&self, value: f64, n_compared: usize) -> TopologyTerm {
        TopologyTerm {
            index: self.index,
            name: self.name.to_owned(),
            value,
            weight: self.weight,
            n_compared,
            n_gated: 0,
        }
    }
}

/// Weighted sum of all penalties on pixels.
struct PixelSum {
    frames: HostFrames,
    value: f64,
    /// Derivatives with respect to the predicted pixels.
    gradient: Vec<f64>,
    /// True if a penalty with a weight other than 0 is in it.
    is_in_loss: bool,
}

impl PixelSum {
    /// Reads the frames; the sum is 0.
    fn new(activations: &Activations) -> Result<Self> {
        let frames = HostFrames::read(activations.required_frames()?)?;
        Ok(Self {
            value: 0.0,
            gradient: vec![0.0; frames.is_within.len()],
            frames,
            is_in_loss: false,
        })
    }

    /// Returns the sum as a number with its gradient: `[1]`.
    fn loss(self, activations: &Activations) -> Result<Tensor<1>> {
        let prediction = &activations.required_frames()?.prediction;
        let gradient = TensorData::new(self.gradient, self.frames.shape);
        let prediction = match prediction.dtype() {
            DType::F64 | DType::F32 => prediction.clone(),
            // The sum has at least 32 bits, as that of the other penalties.
            _ => prediction.clone().cast(DType::F32),
        };
        let gradient = gradient.convert_dtype(prediction.dtype());
        Ok(with_gradient(&prediction, self.value, gradient))
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

/// Diagrams that a step needs of one layer.
struct DiagramRequest {
    layer: LayerOf,
    selection: RowSelection,
    max_homology_dim: usize,
    /// True if a penalty with a weight other than 0 uses them.
    is_in_loss: bool,
}

/// Divides elapsed time between distances and persistence, in the ratio of the threads' time on each.
fn divide_by_thread_time(elapsed: Duration, layers: &[LayerDiagrams]) -> PersistenceTiming {
    let timings = layers.iter().map(|layer| layer.diagrams.timing());
    let total = timings.fold(PersistenceTiming::default(), |sum, timing| sum + timing);
    let [distances, persistence] =
        [total.distances, total.persistence].map(|time| time.as_secs_f64());
    // Without diagrams both times are 0, and the bound avoids 0 / 0.
    let sum = (distances + persistence).max(f64::MIN_POSITIVE);
    // Rounding must not make this longer than `elapsed`, from which it is subtracted.
    let persistence = elapsed.mul_f64((persistence / sum).min(1.0)).min(elapsed);
    PersistenceTiming {
        distances: elapsed - persistence,
        persistence,
    }
}
