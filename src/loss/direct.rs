//! Penalties of rows themselves, without distances or topology: what a regulariser of the usual kind does.

use burn::prelude::*;

use super::compared::Compared;
use super::penalty::{Comparison, Direction, TopologyPenalty};
use super::reading::Activations;
use crate::error::{Error, Result};

impl TopologyPenalty {
    /// Whether it is one of these.
    pub(super) fn is_direct(&self) -> bool {
        matches!(
            self.comparison,
            Comparison::CosineConsistency | Comparison::EntropyBand { .. }
        )
    }

    /// Mean over all that is compared, as a tensor with its graph: `[1]`.
    ///
    /// `rows` gives the rows of a layer; each element of `compared` names two layers and the item of each.
    pub(super) fn direct(
        &self,
        activations: &Activations,
        compared: &[Compared],
        rows: impl Fn(usize) -> Result<Tensor<3>>,
    ) -> Result<Tensor<1>> {
        let mut sum: Option<Tensor<1>> = None;
        for of_layers in compared.chunk_by(|a, b| a.readings == b.readings) {
            let pair = of_layers[0].readings;
            let items = |side: usize| {
                let items = of_layers.iter().map(|pair| pair.items[side] as i64);
                items.collect::<Vec<i64>>()
            };
            let part = match self.comparison {
                Comparison::EntropyBand { low, high } => {
                    let rows = rows(pair[0])?.slice_dim(0, 0..of_layers.len());
                    outside_band(rows, [low, high])
                }
                _ => {
                    let side = |side: usize| -> Result<Tensor<3>> {
                        let rows = rows(pair[side])?;
                        let items = Tensor::<1, Int>::from_data(&items(side)[..], &rows.device());
                        Ok(rows.select(0, items))
                    };
                    let [first, second] = [side(0)?, side(1)?];
                    let (first, second) = match self.direction {
                        Direction::Symmetric => (first, second),
                        Direction::TowardsFirst => (first.detach(), second),
                        Direction::TowardsSecond => (first, second.detach()),
                    };
                    one_less_cosine(first, second)?
                }
            };
            let share = of_layers.len() as f64 / compared.len() as f64;
            let part = part * share;
            sum = Some(match sum {
                None => part,
                Some(sum) => sum + part,
            });
        }
        match sum {
            None => activations.constant_zero(),
            Some(sum) => Ok(sum),
        }
    }
}

/// Mean over items and points of one less the cosine of two rows; 1 where one of them is zero.
fn one_less_cosine(first: Tensor<3>, second: Tensor<3>) -> Result<Tensor<1>> {
    if first.dims() != second.dims() {
        return Err(Error::invalid_parameter(format!(
            "rows of {:?} and {:?} have no cosine, expected as many numbers in both",
            first.dims(),
            second.dims()
        )));
    }
    let product = (first.clone() * second.clone()).sum_dim(2);
    let squares = first.square().sum_dim(2) * second.square().sum_dim(2);
    let cosine = product / squares.clamp_min(f32::MIN_POSITIVE).sqrt();
    Ok((-cosine + 1.0).mean())
}

/// Mean over items and rows of how far their entropy, over that of a uniform row, is outside of a band,
/// squared.
fn outside_band(rows: Tensor<3>, [low, high]: [f64; 2]) -> Tensor<1> {
    let n_outcomes = rows.dims()[2] as f64;
    // x ln x is 0 at 0; the clamp keeps the logarithm finite there.
    let terms = rows.clone() * rows.clamp_min(f32::MIN_POSITIVE).log();
    let entropy = terms.sum_dim(2) * (-1.0 / n_outcomes.ln().max(f64::MIN_POSITIVE));
    let below = (-entropy.clone() + low).clamp_min(0.0);
    let above = (entropy - high).clamp_min(0.0);
    (below.square() + above.square()).mean()
}
