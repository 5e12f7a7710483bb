//! Selection of the rows of a layer between which distances are taken.

use burn::prelude::*;
use burn::tensor::{DType, activation::softmax};

use super::activations::Activations;
use super::row_source::Source;
use crate::counted::counted;
use crate::distance::RowDistance;
use crate::error::{Error, Result};
use crate::nn::{AttentionRows, Heads, Tokens};

/// Selection of rows of a layer, and the distance between them.
///
/// Penalties with the same selection share the distances and diagrams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowSelection {
    pub(super) source: Source,
    pub(super) distance: RowDistance,
    pub(super) heads: Heads,
    pub(super) tokens: Tokens,
}

impl RowSelection {
    /// Checks that the distance fits the source.
    pub(super) fn validate(self) -> Result<()> {
        self.source.check_distance(self.distance)
    }

    /// Returns the number of items per image or frame: 1, or the number of heads where each is an item.
    pub(super) fn items_per_image(self, activations: &Activations, layer: usize) -> usize {
        // Hidden states have no heads, whatever is selected.
        match (self.source, self.heads) {
            (Source::Hidden, _) | (_, Heads::Mean) => 1,
            (_, Heads::Each) => activations.attention[layer].dims()[1],
        }
    }

    /// Selects the rows of one layer: `[n_items, n_points, n_columns]`, heads varying faster than images.
    pub(super) fn rows(self, activations: &Activations, layer: usize) -> Result<Tensor<3>> {
        match self.source {
            Source::Hidden => self.hidden_rows(activations, layer),
            Source::Attention => self.attention_rows(activations, layer),
            Source::DoubleSoftmax => Ok(softmax(self.attention_rows(activations, layer)?, 2)),
        }
    }

    /// Selects attention rows: `[n_items, n_points, n_points]`.
    fn attention_rows(self, activations: &Activations, layer: usize) -> Result<Tensor<3>> {
        let rows = AttentionRows {
            heads: self.heads,
            tokens: self.tokens,
            n_prefix_tokens: activations.n_prefix_tokens,
        };
        rows.select(activations.attention[layer].clone())
    }

    /// Selects hidden states, in at least 32 bits: `[batch_size, n_points, d_model]`.
    fn hidden_rows(self, activations: &Activations, layer: usize) -> Result<Tensor<3>> {
        let hidden = activations.hidden[layer].clone();
        // Distances run in at least 32 bits.
        let hidden = match hidden.dtype() {
            DType::F64 | DType::F32 => hidden,
            _ => hidden.cast(DType::F32),
        };
        if self.tokens == Tokens::All {
            return Ok(hidden);
        }
        let [batch_size, n_tokens, d_model] = hidden.dims();
        let first = activations.n_prefix_tokens;
        if first >= n_tokens {
            return Err(Error::invalid_parameter(format!(
                "hidden states have {}, of which {first} come before the patches, expected at least one \
                 patch",
                counted(n_tokens, "token")
            )));
        }
        Ok(hidden.slice([0..batch_size, first..n_tokens, 0..d_model]))
    }

    /// Checks that a layer has as many images as the first one, from which the number of items is computed.
    pub(super) fn check_n_images(self, activations: &Activations, layer: usize) -> Result<()> {
        let [first, other] = [0, layer].map(|layer| match self.source {
            Source::Hidden => activations.hidden[layer].dims()[0],
            Source::Attention | Source::DoubleSoftmax => activations.attention[layer].dims()[0],
        });
        if first == other {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "layer 0 has a batch of {first} and layer {layer} a batch of {other}, expected the same size"
        )))
    }

    /// Checks that two layers have the same number of images and, where each head is an item, of heads.
    ///
    /// Items of two layers are compared by index, so the same index must mean the same image and head.
    pub(super) fn check_same_items(
        self,
        activations: &Activations,
        pair: [usize; 2],
    ) -> Result<()> {
        if self.source == Source::Hidden {
            let [first, second] = pair.map(|layer| activations.hidden[layer].dims());
            if first[0] == second[0] {
                return Ok(());
            }
            return Err(Error::invalid_parameter(format!(
                "layer {} has a batch of {} and layer {} a batch of {}, expected the same size",
                pair[0], first[0], pair[1], second[0]
            )));
        }
        let [first, second] = pair.map(|layer| activations.attention[layer].dims());
        // The mean of the heads is one item however many heads there are.
        if first[0] == second[0] && (self.heads == Heads::Mean || first[1] == second[1]) {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "layer {} has {} images of {} heads and layer {} has {} of {}, expected the same numbers",
            pair[0], first[0], first[1], pair[1], second[0], second[1]
        )))
    }
}
