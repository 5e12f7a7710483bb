//! Evaluation of the penalties of one step, in two parts: before and after values are read from the device.
//!
//! A read waits for the device, so a step reads once: the checks of all rows, and the rows of all layers. Until
//! then only tensor operations are recorded; after it, everything runs on the host.

use std::time::{Duration, Instant};

use burn::prelude::*;
use rayon::prelude::*;

use super::activations::{Activations, LayerOf};
use super::active_penalty::{ActivePenalty, PendingRowTerm};
use super::batch_pairs::{LayerDiagrams, PendingFractions, layer_pairs};
use super::penalty_kind::Evaluation;
use super::pixel_sum::PixelSum;
use super::row_selection::RowSelection;
use super::topology_loss::{TopologyLoss, TopologyTiming};
use crate::error::{Error, Result};
use crate::fused::{HostReads, ReadValues};
use crate::nn::{PendingPoints, PendingRows, Persistence, PersistenceTiming};

/// Penalties of one step whose values are on their way to the host.
pub(crate) struct PendingLoss<'a> {
    activations: &'a Activations,
    step: usize,
    /// Penalties, each with its value if it is one on rows.
    active: Vec<(ActivePenalty<'a>, Option<PendingRowTerm>)>,
    layers: Vec<PendingLayer<'a>>,
    /// Padding of all tokens; `None` if there is none.
    padding: Option<PendingPoints>,
    /// Loss if nothing is added to it.
    zero: Tensor<1>,
    /// Time taken so far: for the selection of rows, and for penalties on rows.
    elapsed: [Duration; 2],
}

/// Diagrams that a step needs of one layer.
struct DiagramRequest {
    layer: LayerOf,
    selection: RowSelection,
    max_homology_dim: usize,
    /// True if a penalty with a weight other than 0 uses them.
    is_in_loss: bool,
    /// True if a penalty needs distances that are no births or deaths.
    reads_other_distances: bool,
}

/// Layer whose rows are on their way to the host.
struct PendingLayer<'a> {
    request: DiagramRequest,
    persistence: &'a Persistence,
    rows: PendingRows,
    within_frame_attention: Option<PendingFractions>,
}

impl<'a> PendingLoss<'a> {
    /// Selects what the penalties need, and adds it to the values that are read from the device.
    ///
    /// `persistence` has a layer for each largest homology dimension.
    ///
    /// # Errors
    ///
    /// As [`TopologyRegularizer::forward`](super::TopologyRegularizer::forward), but for those errors that only the
    /// values on the device tell: they are found by [`finish`](Self::finish).
    pub(super) fn new(
        persistence: &'a [Persistence],
        active: Vec<ActivePenalty<'a>>,
        activations: &'a Activations,
        step: usize,
        reads: &mut HostReads,
    ) -> Result<Self> {
        // Before anything else, since it refuses activations without any layer.
        let zero = activations.constant_zero()?;
        let started = Instant::now();
        // Tensor operations are recorded in one fixed order and by one thread.
        let layers = diagram_requests(activations, &active)?
            .into_iter()
            .map(|request| {
                let (selection, layer) = (request.selection, request.layer);
                let rows = selection.rows(activations, layer, reads)?;
                let persistence = &persistence[request.max_homology_dim];
                // Items of different sizes, and other distances, are for the host.
                let is_for_host = activations.padding.is_some() || request.reads_other_distances;
                let rows = if is_for_host {
                    PendingRows::new(rows, reads)
                } else {
                    persistence.begin_rows(rows, selection.distance, reads)
                };
                Ok(PendingLayer {
                    persistence,
                    rows,
                    within_frame_attention: PendingFractions::new(
                        selection,
                        activations,
                        layer,
                        reads,
                    ),
                    request,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let padding = (!layers.is_empty())
            .then_some(activations.padding.as_ref())
            .flatten();
        let padding = padding.map(|padding| PendingPoints::new(padding, reads));
        let selecting = started.elapsed();
        let active = active
            .into_iter()
            .map(|active| {
                let rows = match active.penalty.kind.evaluation() {
                    Evaluation::Rows(rows) => {
                        Some(active.begin_rows(rows, activations, step, reads)?)
                    }
                    _ => None,
                };
                Ok((active, rows))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            activations,
            step,
            active,
            layers,
            padding,
            zero,
            elapsed: [selecting, started.elapsed() - selecting],
        })
    }

    /// Computes the loss from the values that were read.
    ///
    /// # Errors
    ///
    /// As [`TopologyRegularizer::forward`](super::TopologyRegularizer::forward).
    pub(crate) fn finish(self, values: &mut ReadValues) -> Result<TopologyLoss> {
        values.check()?;
        let Self {
            activations, step, ..
        } = self;
        let started = Instant::now();
        let mut layers = layer_diagrams(self.layers, self.padding, activations, values)?;
        let n_items_on_host = layers
            .iter()
            .map(|layer| layer.diagrams.n_items_left())
            .sum();
        let PersistenceTiming {
            distances,
            persistence,
        } = divide_by_thread_time(started.elapsed(), &layers);
        let mut terms = Vec::with_capacity(self.active.len());
        let mut diagram_value = 0.0;
        let mut row_losses = Vec::new();
        let mut pixels: Option<PixelSum> = None;
        for (active, rows) in self.active {
            let term = match (active.penalty.kind.evaluation(), rows) {
                (Evaluation::Pixels(penalty), _) => {
                    let pixels = match &mut pixels {
                        Some(pixels) => pixels,
                        // Frames are read once for all penalties on pixels.
                        None => pixels.insert(PixelSum::new(activations)?),
                    };
                    active.evaluate_pixels(penalty, pixels, step)?
                }
                (Evaluation::Items(comparison), _) => {
                    let term = active.evaluate_items(comparison, activations, step, &mut layers)?;
                    // Without the condition, an infinite value would make a weight of 0 a NaN.
                    if term.weight != 0.0 {
                        diagram_value += term.weight * term.value;
                    }
                    term
                }
                (Evaluation::Rows(_), Some(rows)) => {
                    let (term, loss) = active.finish_rows(rows, values)?;
                    row_losses.extend(loss);
                    term
                }
                (Evaluation::Rows(_), None) => unreachable!("`new` begins every penalty on rows"),
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
            .unwrap_or(self.zero);
        let gradient = started.elapsed() - distances - persistence - matching;
        let [selecting, row_penalties] = self.elapsed;
        Ok(TopologyLoss {
            loss,
            terms,
            n_items_on_host,
            timing: TopologyTiming {
                distances: distances + selecting,
                persistence,
                matching: matching + row_penalties,
                gradient,
            },
        })
    }
}

/// Lists the diagrams that penalties need, each layer once for all penalties with the same selection of rows.
fn diagram_requests(
    activations: &Activations,
    active: &[ActivePenalty<'_>],
) -> Result<Vec<DiagramRequest>> {
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
        let reads_other_distances = comparison.reads_other_distances();
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
                    request.reads_other_distances |= reads_other_distances;
                }
                None => requests.push(DiagramRequest {
                    layer,
                    selection,
                    max_homology_dim,
                    is_in_loss,
                    reads_other_distances,
                }),
            }
        }
    }
    Ok(requests)
}

/// Computes the diagrams of all layers from the values that were read, layers in parallel.
fn layer_diagrams(
    layers: Vec<PendingLayer<'_>>,
    padding: Option<PendingPoints>,
    activations: &Activations,
    values: &mut ReadValues,
) -> Result<Vec<LayerDiagrams>> {
    let present_tokens = padding.map(|padding| padding.arrived(values)).transpose()?;
    let mut again = HostReads::default();
    let mut arrived = layers
        .into_iter()
        .map(|layer| {
            let fractions = layer
                .within_frame_attention
                .map(|fractions| fractions.arrived(values))
                .transpose()?;
            let rows = layer.rows.arrived(values, &mut again)?;
            Ok((layer.request, layer.persistence, rows, fractions))
        })
        .collect::<Result<Vec<_>>>()?;
    // Seldom needed: a second read, of the items that the device has no room for.
    let mut again = again.execute()?;
    for (_, _, rows, _) in &mut arrived {
        rows.complete(&mut again)?;
    }
    let layers: Vec<Result<LayerDiagrams>> = arrived
        .into_par_iter()
        .map(|(request, persistence, rows, within_frame_attention)| {
            let DiagramRequest {
                layer,
                selection,
                is_in_loss,
                ..
            } = request;
            let points = present_tokens
                .as_ref()
                .map(|tokens| selection.present_points(activations, layer, tokens));
            let diagrams = persistence
                .arrived_rows(rows, selection.distance, points.as_ref())
                .map_err(|e: Error| e.within(layer))?;
            let gradient = vec![Vec::new(); diagrams.batch_size()];
            Ok(LayerDiagrams {
                layer,
                selection,
                within_frame_attention,
                diagrams,
                gradient,
                is_in_loss,
            })
        })
        .collect();
    // Collecting all results first makes the error that of the first bad layer, not of the fastest thread.
    layers.into_iter().collect()
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
