//! Penalties on attention rows or tokens themselves, without distances or diagrams.

use burn::prelude::*;

use super::activations::{Activations, LayerOf};
use super::item_pairs::{Direction, ItemPair, ItemPairs};
use crate::error::{Error, Result};
use crate::nn::{row_entropies, uniform_entropy};

/// Control on the rows of items themselves, without distances or diagrams.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{ItemPairs, RowPenalty, TopologyRegularizer};
///
/// let penalties = vec![
///     RowPenalty::CosineConsistency { pairs: ItemPairs::frames() }.into(),
///     RowPenalty::EntropyBand { low: 0.2, high: 0.9 }.into(),
/// ];
/// assert!(TopologyRegularizer::new(penalties).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RowPenalty {
    /// One minus the cosine similarity of corresponding rows.
    ///
    /// ```text
    /// C(a, b) = 1/n sum over i of (1 - <a_i, b_i> / (|a_i| |b_i|))      a_i, b_i: row i of either item
    /// ```
    ///
    /// The rows are attention rows or hidden states, of equal length in both items. For hidden states the
    /// row distance of the penalty has to be Euclidean or cosine here too, although it is not used.
    CosineConsistency {
        /// Pairs of items that are compared.
        pairs: ItemPairs,
    },
    /// Squared distance of the entropy of attention rows from a band, for each layer on its own.
    ///
    /// ```text
    /// C(a) = 1/n sum over i of (max(low - h_i, 0)^2 + max(h_i - high, 0)^2)
    /// h_i  = entropy of row i / ln(number of columns)      0: all weight on one token, 1: uniform
    /// ```
    EntropyBand {
        /// Lower end of the band, 0 to 1.
        low: f64,
        /// Upper end of the band, 0 to 1; at least `low`.
        high: f64,
    },
}

impl RowPenalty {
    /// Checks that the band has two ends in order.
    pub(super) fn validate(&self) -> Result<()> {
        match *self {
            // The negation refuses NaN too.
            Self::EntropyBand { low, high } if !(0.0 <= low && low <= high && high <= 1.0) => {
                Err(Error::invalid_parameter(format!(
                    "the entropy band is {low} to {high}, expected two numbers from 0 to 1, the lower one first"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Returns the mean over all pairs of items, as a tensor with its graph, `[1]`.
    ///
    /// `rows` returns the rows of a layer.
    pub(super) fn evaluate(
        &self,
        activations: &Activations,
        item_pairs: &[ItemPair],
        mut rows: impl FnMut(LayerOf) -> Result<ItemRows>,
    ) -> Result<Tensor<1>> {
        let mut mean: Option<Tensor<1>> = None;
        // Pairs of the same two layers follow each other, so each pair of layers takes one tensor operation.
        for same_layers in item_pairs.chunk_by(|a, b| a.layers == b.layers) {
            let layers_mean = match *self {
                Self::EntropyBand { low, high } => {
                    // Each pair is one item with itself, in the order of the rows; rows beyond them belong to
                    // other views.
                    let [layer, _] = same_layers[0].layers;
                    let rows = rows(layer)?.map(
                        |rows| rows.slice_dim(0, 0..same_layers.len()),
                        |weights| weights.slice_dim(0, 0..same_layers.len()),
                    );
                    outside_band(rows, low, high)
                }
                Self::CosineConsistency { pairs } => {
                    let [first, second] =
                        [0, 1].map(|side| selected_rows(same_layers, side, &mut rows));
                    let (first, second) = match pairs.direction {
                        Direction::Symmetric => (first?, second?),
                        Direction::TowardsFirst => (first?.detach(), second?),
                        Direction::TowardsSecond => (first?, second?.detach()),
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
}

/// Rows of the items of a layer, and which of them count.
pub(super) struct ItemRows {
    /// Rows: `[n_items, n_points, n_columns]`.
    pub(super) rows: Tensor<3>,
    /// Weight of each row: `[n_items, n_points]`, 1, or 0 for padding; `None` if there is no padding.
    pub(super) weights: Option<Tensor<2>>,
}

impl ItemRows {
    /// Changes the rows and, in the same way, their weights.
    fn map(
        self,
        rows: impl FnOnce(Tensor<3>) -> Tensor<3>,
        weights: impl FnOnce(Tensor<2>) -> Tensor<2>,
    ) -> Self {
        Self {
            rows: rows(self.rows),
            weights: self.weights.map(weights),
        }
    }

    /// Cuts the rows off from their graph.
    fn detach(self) -> Self {
        self.map(Tensor::detach, |weights| weights)
    }
}

/// Rows of one side of some pairs of items, all of the same two layers: `[n_pairs, n_points, n_columns]`.
fn selected_rows(
    same_layers: &[ItemPair],
    side: usize,
    mut rows: impl FnMut(LayerOf) -> Result<ItemRows>,
) -> Result<ItemRows> {
    let items: Vec<i64> = same_layers
        .iter()
        .map(|pair| pair.items[side] as i64)
        .collect();
    let rows = rows(same_layers[0].layers[side])?;
    let items = Tensor::<1, Int>::from_data(&items[..], &rows.rows.device());
    Ok(rows.map(
        |rows| rows.select(0, items.clone()),
        |weights| weights.select(0, items.clone()),
    ))
}

/// Mean over items and rows of one minus the cosine similarity; 1 where a row is zero.
fn one_minus_cosine(first: ItemRows, second: ItemRows) -> Result<Tensor<1>> {
    let weights = match (first.weights, second.weights) {
        (Some(first), Some(second)) => Some(first * second),
        _ => None,
    };
    let (first, second) = (first.rows, second.rows);
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
    Ok(mean_over_rows(-cosine + 1.0, weights))
}

/// Mean over items and rows of the squared distance of the relative entropy from the band `[low, high]`.
fn outside_band(ItemRows { rows, weights }: ItemRows, low: f64, high: f64) -> Tensor<1> {
    let n_outcomes = rows.dims()[2];
    let entropy = row_entropies(rows);
    let entropy = match &weights {
        None => entropy * (1.0 / uniform_entropy(n_outcomes)),
        Some(weights) => {
            // Only columns that are no padding are outcomes. A single one has entropy 0 and is divided by 1.
            let largest = weights.clone().sum_dim(1).clamp_min(1.0).log();
            let is_zero = largest.clone().equal_elem(0.0);
            entropy / largest.mask_fill(is_zero, 1.0).unsqueeze_dim::<3>(2)
        }
    };
    let below = (-entropy.clone() + low).clamp_min(0.0);
    let above = (entropy - high).clamp_min(0.0);
    mean_over_rows(below.square() + above.square(), weights)
}

/// Mean over items of the mean over their rows, `[n_items, n_points, 1]` to `[1]`; an item of padding alone is 0.
fn mean_over_rows(values: Tensor<3>, weights: Option<Tensor<2>>) -> Tensor<1> {
    let Some(weights) = weights else {
        return values.mean();
    };
    let n_rows = weights.clone().sum_dim(1).clamp_min(1.0);
    // Filled, not multiplied, because rows of padding may be NaN.
    let is_padding = weights.equal_elem(0.0);
    let values = values.squeeze_dim::<2>(2).mask_fill(is_padding, 0.0);
    (values.sum_dim(1) / n_rows).mean()
}
