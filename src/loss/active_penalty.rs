//! One penalty that is on at a step, and its evaluation.

use burn::prelude::*;
use rayon::prelude::*;

use super::activations::{Activations, LayerOf};
use super::batch_pairs::{LayerDiagrams, item_pairs};
use super::item_comparison::{BatchItem, ItemComparison, PairPenalty, evaluate_pair};
use super::penalty::TopologyPenalty;
use super::pixel_penalty::PixelPenalty;
use super::pixel_sum::PixelSum;
use super::row_penalty::{ItemRows, RowPenalty};
use super::topology_loss::TopologyTerm;
use crate::error::Result;
use crate::fused::{HostReads, ReadPlace, ReadValues};

/// One penalty that is on at a step.
pub(super) struct ActivePenalty<'a> {
    pub(super) penalty: &'a TopologyPenalty,
    pub(super) index: usize,
    pub(super) name: &'a str,
    /// Weight in force, schedule included.
    pub(super) weight: f64,
}

impl ActivePenalty<'_> {
    /// Computes the penalty on rows with its graph, and adds its value to those that are read.
    pub(super) fn begin_rows(
        &self,
        rows: &RowPenalty,
        activations: &Activations,
        step: usize,
        reads: &mut HostReads,
    ) -> Result<PendingRowTerm> {
        let selection = self.penalty.row_selection();
        let pairs = item_pairs(self.penalty, activations, step)?;
        let value = rows.evaluate(activations, &pairs, |layer| {
            let rows = selection.rows(activations, layer, reads)?;
            let weights = selection.point_weights(activations, &rows);
            Ok(ItemRows { rows, weights })
        })?;
        Ok(PendingRowTerm {
            place: reads.add(value.clone()),
            value,
            n_compared: pairs.len(),
        })
    }

    /// Returns the penalty on rows with its weighted loss; `None` if its weight is 0.
    pub(super) fn finish_rows(
        &self,
        pending: PendingRowTerm,
        values: &mut ReadValues,
    ) -> Result<(TopologyTerm, Option<Tensor<1>>)> {
        let value = values.take(pending.place)?[0];
        let loss = (self.weight != 0.0).then(|| pending.value * self.weight);
        Ok((self.term(value, pending.n_compared), loss))
    }

    /// Evaluates the penalty on diagrams or distances, and adds its weighted gradient to the layers.
    pub(super) fn evaluate_items(
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
    pub(super) fn evaluate_pixels(
        &self,
        penalty: &PixelPenalty,
        sum: &mut PixelSum,
        step: usize,
    ) -> Result<TopologyTerm> {
        let outcome = penalty.evaluate(&sum.frames, step)?;
        if self.weight != 0.0 {
            sum.add(self.weight, outcome.value, outcome.gradient);
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

/// Penalty on rows whose value is on its way to the host.
pub(super) struct PendingRowTerm {
    /// Value with its graph, `[1]`.
    value: Tensor<1>,
    place: ReadPlace,
    n_compared: usize,
}
