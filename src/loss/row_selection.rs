//! Selection of the rows of a layer between which distances are taken.

use burn::prelude::*;
use burn::tensor::{DType, activation::softmax};

use super::activations::{Activations, LayerOf};
use super::row_source::Source;
use crate::counted::counted;
use crate::distance::RowDistance;
use crate::error::{Error, Result};
use crate::fused::HostReads;
use crate::nn::{AttentionRows, Heads, PresentPoints, Tokens};

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
    pub(super) fn items_per_image(self, activations: &Activations, layer: LayerOf) -> usize {
        let (activations, layer) = activations.owner(layer);
        // Hidden states have no heads, whatever is selected.
        match (self.source, self.heads) {
            (Source::Hidden, _) | (_, Heads::Mean) => 1,
            (_, Heads::Each) => activations.attention[layer].dims()[1],
        }
    }

    /// Selects the rows of one layer: `[n_items, n_points, n_columns]`, heads varying faster than images.
    ///
    /// Attention rows are 0 in the columns of padding, and distributions over the other points. Those of the reference
    /// are constants. Errors name the layer. Checks that need values of a device wait until `reads` are executed.
    pub(super) fn rows(
        self,
        activations: &Activations,
        layer: LayerOf,
        reads: &mut HostReads,
    ) -> Result<Tensor<3>> {
        // The reference has the same padding, because it has the same tokens.
        let padding = activations.padding.as_ref();
        let (activations, index) = activations.owner(layer);
        let rows = reads.within(layer, |reads| match self.source {
            Source::Hidden => self.hidden_rows(activations, index, padding),
            Source::Attention => self.attention_rows(activations, index, padding, reads),
            Source::DoubleSoftmax => {
                self.attention_rows(activations, index, padding, reads)
                    .map(|rows| match padding {
                        None => softmax(rows, 2),
                        Some(padding) => {
                            let columns = self.point_padding(padding, &rows).unsqueeze_dim::<3>(1);
                            // The exponential of -1e4 is 0, and finite numbers keep the gradient finite.
                            softmax(rows.clone().mask_fill(columns.expand(rows.dims()), -1e4), 2)
                        }
                    })
            }
        })?;
        Ok(match layer {
            LayerOf::Model(_) => rows,
            LayerOf::Reference(_) => rows.without_autodiff(),
        })
    }

    /// Selects attention rows: `[n_items, n_points, n_points]`.
    fn attention_rows(
        self,
        activations: &Activations,
        layer: usize,
        padding: Option<&Tensor<2, Bool>>,
        reads: &mut HostReads,
    ) -> Result<Tensor<3>> {
        let rows = AttentionRows {
            heads: self.heads,
            tokens: self.tokens,
            n_prefix_tokens: activations.n_prefix_tokens,
        };
        let weights = activations.attention[layer].clone();
        let Some(padding) = padding else {
            return rows.select_later(weights, reads);
        };
        let [batch_size, n_heads, n_tokens, n_columns] = weights.dims();
        self.check_padding(padding, [batch_size, n_tokens])?;
        // Rows of padding may hold anything, and are not checked: a uniform row passes every check.
        let queries: Tensor<4, Bool> = padding.clone().reshape([batch_size, 1, n_tokens, 1]);
        let queries = queries.expand([batch_size, n_heads, n_tokens, n_columns]);
        let weights = weights.mask_fill(queries, 1.0 / n_columns as f64);
        let rows = rows.select_later(weights, reads)?;
        let points = self.point_padding(padding, &rows);
        let columns = points.clone().unsqueeze_dim::<3>(1).expand(rows.dims());
        let rows = rows.mask_fill(columns, 0.0);
        let sums = rows.clone().sum_dim(2);
        // Rows without any weight outside of padding become 0 / 1, and are refused unless they are padding themselves.
        let is_empty = sums.clone().equal_elem(0.0);
        let is_bad = is_empty
            .clone()
            .squeeze_dim::<2>(2)
            .bool_and(points.bool_not());
        reads.add_check(is_bad.any().float(), |is_bad| {
            if is_bad[0] == 0.0 {
                return Ok(());
            }
            Err(Error::invalid_distribution(
                "an attention row has no weight on tokens other than padding, expected some",
            ))
        });
        Ok(rows / sums.mask_fill(is_empty, 1.0))
    }

    /// Padding among the points of each item: `[n_items, n_points]`, true for padding.
    fn point_padding(self, padding: &Tensor<2, Bool>, rows: &Tensor<3>) -> Tensor<2, Bool> {
        let [batch_size, n_tokens] = padding.dims();
        let [n_items, n_points, _] = rows.dims();
        // Points are the last tokens; prefix tokens come before them.
        let points = padding
            .clone()
            .slice([0..batch_size, n_tokens - n_points..n_tokens]);
        // Items without images have no heads either.
        let n_heads = n_items / batch_size.max(1);
        points
            .unsqueeze_dim::<3>(1)
            .expand([batch_size, n_heads, n_points])
            .reshape([n_items, n_points])
    }

    /// Points of each item of a layer that are not padding, as a factor: `[n_items, n_points]`, 1 or 0.
    ///
    /// `None` if there is no padding.
    pub(super) fn point_weights(
        self,
        activations: &Activations,
        rows: &Tensor<3>,
    ) -> Option<Tensor<2>> {
        let padding = activations.padding.as_ref()?;
        let present = self.point_padding(padding, rows).bool_not();
        Some(present.float().cast(rows.dtype()))
    }

    /// Points of each item of a layer that are not padding, from those of each image.
    pub(super) fn present_points(
        self,
        activations: &Activations,
        layer: LayerOf,
        present_tokens: &PresentPoints,
    ) -> PresentPoints {
        let first = match self.tokens {
            Tokens::All => 0,
            Tokens::Patches => activations.n_prefix_tokens,
        };
        let n_heads = self.items_per_image(activations, layer);
        present_tokens.starting_at(first).repeated(n_heads)
    }

    /// Checks that there is an entry of padding for every token.
    fn check_padding(self, padding: &Tensor<2, Bool>, expected: [usize; 2]) -> Result<()> {
        if padding.dims() == expected {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "padding has the shape {:?}, expected {expected:?}, one entry for each token",
            padding.dims()
        )))
    }

    /// Selects hidden states, in at least 32 bits: `[batch_size, n_points, d_model]`.
    fn hidden_rows(
        self,
        activations: &Activations,
        layer: usize,
        padding: Option<&Tensor<2, Bool>>,
    ) -> Result<Tensor<3>> {
        let hidden = activations.hidden[layer].clone();
        if let Some(padding) = padding {
            let [batch_size, n_tokens, _] = hidden.dims();
            self.check_padding(padding, [batch_size, n_tokens])?;
        }
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
    pub(super) fn check_n_images(self, activations: &Activations, layer: LayerOf) -> Result<()> {
        let (activations, index) = activations.owner(layer);
        let [first, other] = [0, index].map(|index| match self.source {
            Source::Hidden => activations.hidden[index].dims()[0],
            Source::Attention | Source::DoubleSoftmax => activations.attention[index].dims()[0],
        });
        if first == other {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "layer 0 has a batch of {first} and {layer} a batch of {other}, expected the same size"
        )))
    }

    /// Number of images of each view, and of heads, of a layer; hidden states have one head.
    fn size(self, activations: &Activations, layer: LayerOf) -> [usize; 2] {
        let (activations, index) = activations.owner(layer);
        let [batch_size, n_heads] = match self.source {
            Source::Hidden => [activations.hidden[index].dims()[0], 1],
            Source::Attention | Source::DoubleSoftmax => {
                let [batch_size, n_heads, ..] = activations.attention[index].dims();
                [batch_size, n_heads]
            }
        };
        // No views are refused where they are counted; here they must not be divided by.
        [batch_size / activations.n_views.max(1), n_heads]
    }

    /// Checks that two layers have the same number of images and, where each head is an item, of heads.
    ///
    /// Items of two layers are compared by index, so the same index must mean the same image and head.
    pub(super) fn check_same_items(
        self,
        activations: &Activations,
        pair: [LayerOf; 2],
    ) -> Result<()> {
        let [first, second] = pair.map(|layer| self.size(activations, layer));
        // The mean of the heads is one item however many heads there are.
        if first[0] == second[0] && (self.heads == Heads::Mean || first[1] == second[1]) {
            return Ok(());
        }
        Err(Error::invalid_parameter(match self.source {
            Source::Hidden => format!(
                "{} has a batch of {} and {} a batch of {}, expected the same size",
                pair[0], first[0], pair[1], second[0]
            ),
            Source::Attention | Source::DoubleSoftmax => format!(
                "{} has {} of {} and {} has {} of {}, expected the same numbers",
                pair[0],
                counted(first[0], "image"),
                counted(first[1], "head"),
                pair[1],
                second[0],
                second[1]
            ),
        }))
    }
}
