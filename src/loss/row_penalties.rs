//! Penalties on attention rows or tokens themselves, without distances or diagrams.

use burn::prelude::*;

use super::activations::Activations;
use super::item_pairs::ItemPair;
use super::penalty::{Comparison, Direction, TopologyPenalty};
use crate::error::{Error, Result};

/// Evaluates a row penalty: its mean over all pairs of items, as a tensor with its graph, `[1]`.
///
/// `rows` returns the rows of a layer, `[n_items, n_points, n_columns]`. The pairs name layers by their
/// own number.
pub(super) fn row_penalty(
    penalty: &TopologyPenalty,
    activations: &Activations,
    item_pairs: &[ItemPair],
    rows: impl Fn(usize) -> Result<Tensor<3>>,
) -> Result<Tensor<1>> {
    let mut mean: Option<Tensor<1>> = None;
    // Pairs of the same two layers follow each other, so each pair of layers takes one tensor operation.
    for same_layers in item_pairs.chunk_by(|a, b| a.layers == b.layers) {
        let [first, second] = same_layers[0].layers;
        let layers_mean = match penalty.comparison {
            Comparison::EntropyBand { low, high } => {
                // Each pair is one item with itself, in the order of the rows; rows beyond them belong to other views.
                let rows = rows(first)?.slice_dim(0, 0..same_layers.len());
                outside_band(rows, low, high)
            }
            _ => {
                let select_items = |layer: usize, side: usize| -> Result<Tensor<3>> {
                    let items: Vec<i64> = same_layers
                        .iter()
                        .map(|pair| pair.items[side] as i64)
                        .collect();
                    let rows = rows(layer)?;
                    let items = Tensor::<1, Int>::from_data(&items[..], &rows.device());
                    Ok(rows.select(0, items))
                };
                let (first, second) = (select_items(first, 0)?, select_items(second, 1)?);
                let (first, second) = match penalty.direction {
                    Direction::Symmetric => (first, second),
                    Direction::TowardsFirst => (first.detach(), second),
                    Direction::TowardsSecond => (first, second.detach()),
                };
                one_minus_cosine(first, second)?
            }
        };
        let fraction = same_layers.len() as f64 / item_pairs.len() as f64;
        let weighted = layers_mean * fraction;
        mean = Some(match mean {
            None => weighted,
            Some(mean) => mean + weighted,
        });
    }
    match mean {
        None => activations.constant_zero(),
        Some(mean) => Ok(mean),
    }
}

/// Mean over items and rows of one minus the cosine similarity; 1 where a row is zero.
fn one_minus_cosine(first: Tensor<3>, second: Tensor<3>) -> Result<Tensor<1>> {
    if first.dims() != second.dims() {
        return Err(Error::invalid_parameter(format!(
            "rows have shapes {:?} and {:?}, expected the same shape to take cosines",
            first.dims(),
            second.dims()
        )));
    }
    let product = (first.clone() * second.clone()).sum_dim(2);
    let squares = first.square().sum_dim(2) * second.square().sum_dim(2);
    // The clamp keeps the quotient finite, and its cosine 0, where a row is zero.
    let cosine = product / squares.clamp_min(f32::MIN_POSITIVE).sqrt();
    Ok((-cosine + 1.0).mean())
}

/// Mean over items and rows of the squared distance of the relative entropy from the band `[low, high]`.
fn outside_band(rows: Tensor<3>, low: f64, high: f64) -> Tensor<1> {
    let n_outcomes = rows.dims()[2] as f64;
    // x ln x is 0 at 0; the clamp keeps the logarithm finite there.
    let terms = rows.clone() * rows.clamp_min(f32::MIN_POSITIVE).log();
    // One outcome has entropy 0 and ln 1 = 0: the lower bound avoids 0 / 0.
    let entropy = terms.sum_dim(2) * (-1.0 / n_outcomes.ln().max(f64::MIN_POSITIVE));
    let below = (-entropy.clone() + low).clamp_min(0.0);
    let above = (entropy - high).clamp_min(0.0);
    (below.square() + above.square()).mean()
}
