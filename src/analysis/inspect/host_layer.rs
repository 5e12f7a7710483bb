//! Rows, attention and hidden states of one layer in host memory.

use burn::tensor::Tensor;

use super::matrix_topology::{MatrixIndex, MatrixRows};
use super::spec::{HeadChoice, InspectSpec};
use crate::distance::DistanceElement;
use crate::error::Result;
use crate::fused::read_values;
use crate::loss::Source;
use crate::model::TokenLayout;
use crate::nn::{AttentionRows, Heads, Tokens};

/// Rows, attention and hidden states of one layer of a batch, in host memory.
pub(super) struct HostLayer {
    /// Index of the layer in the model.
    pub(super) layer: usize,
    source: Source,
    n_images: usize,
    /// Rows of every head, or of the hidden states: `[n_images * n_heads, n_points, n_columns]`.
    rows: Vec<f32>,
    /// Rows of the mean of the heads, `[n_images, n_points, n_points]`; empty for hidden states.
    mean_rows: Vec<f32>,
    /// Length of a row.
    n_columns: usize,
    /// Number of heads; 1 for hidden states.
    n_heads: usize,
    /// Attention between all tokens, `[n_images, n_heads, n_tokens, n_tokens]`; `None` for hidden states.
    attention: Option<Tensor<4>>,
    /// Hidden states, `[n_images, n_tokens, d_model]`; empty if the model does not return them.
    hidden: Vec<f32>,
    n_tokens: usize,
}

impl HostLayer {
    /// Copies one layer to the host; `hidden` is `None` if the model returns no hidden states.
    ///
    /// # Errors
    ///
    /// The errors of [`AttentionRows::select`]; [`crate::Error::is_device_error`] if a tensor cannot be read.
    pub(super) fn new(
        layer: usize,
        attention: Option<Tensor<4>>,
        hidden: Option<Tensor<3>>,
        layout: TokenLayout,
        spec: &InspectSpec,
    ) -> Result<Self> {
        let n_tokens = layout.n_tokens();
        let n_images = match (&attention, &hidden) {
            (Some(attention), _) => attention.dims()[0],
            (None, Some(hidden)) => hidden.dims()[0],
            (None, None) => 0,
        };
        let d_model = hidden.as_ref().map_or(0, |hidden| hidden.dims()[2]);
        // Read for every source, because the page can show cosines of hidden states.
        let hidden = hidden.map_or_else(|| Ok(Vec::new()), read_to_host)?;
        let mut host = Self {
            layer,
            source: spec.source,
            n_images,
            rows: Vec::new(),
            mean_rows: Vec::new(),
            n_columns: d_model,
            n_heads: 1,
            attention: None,
            hidden,
            n_tokens,
        };
        let attention = attention.filter(|_| spec.source != Source::Hidden);
        let Some(attention) = attention else {
            let first = match spec.tokens {
                Tokens::All => 0,
                Tokens::Patches => layout.n_prefix_tokens,
            };
            let by_image = host.hidden.chunks_exact((n_tokens * d_model).max(1));
            let points = by_image.flat_map(|tokens| &tokens[first * d_model..]);
            host.rows = points.copied().collect();
            return Ok(host);
        };
        let weights = attention.without_autodiff();
        host.n_heads = weights.dims()[1];
        let has_single_heads = spec.heads != HeadChoice::Mean;
        for (heads, values) in [
            (Heads::Each, &mut host.rows),
            (Heads::Mean, &mut host.mean_rows),
        ] {
            if heads == Heads::Each && !has_single_heads {
                continue;
            }
            let rows = AttentionRows {
                heads,
                tokens: spec.tokens,
                n_prefix_tokens: layout.n_prefix_tokens,
            }
            .select(weights.clone())?;
            host.n_columns = rows.dims()[2];
            *values = read_to_host(rows)?;
        }
        host.attention = Some(weights);
        Ok(host)
    }

    /// Returns the rows of one matrix of the image at position `in_batch` of the batch.
    pub(super) fn rows<T: DistanceElement>(
        &self,
        image: usize,
        in_batch: usize,
        head: Option<usize>,
    ) -> MatrixRows<T> {
        // Hidden states have one matrix per image, stored in `rows`.
        let (values, position, n_matrices) = match (head, self.mean_rows.is_empty()) {
            (Some(head), _) => (
                &self.rows,
                in_batch * self.n_heads + head,
                self.n_images * self.n_heads,
            ),
            (None, true) => (&self.rows, in_batch, self.n_images),
            (None, false) => (&self.mean_rows, in_batch, self.n_images),
        };
        let size = values.len() / n_matrices;
        let index = MatrixIndex {
            image,
            layer: self.layer,
            head,
        };
        let values = &values[position * size..][..size];
        MatrixRows::new(index, values, self.n_columns, self.source)
    }

    /// Returns the attention of one image as the model returned it, of one head or the mean of all; empty for hidden
    /// states.
    ///
    /// # Errors
    ///
    /// [`crate::Error::is_device_error`] if the attention cannot be read.
    pub(super) fn attention_of(&self, in_batch: usize, head: Option<usize>) -> Result<Vec<f32>> {
        match &self.attention {
            Some(attention) => read_attention(attention, in_batch, head),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the hidden states of one image, `[n_tokens, d_model]`; empty if the model does not return them.
    pub(super) fn hidden_of(&self, in_batch: usize) -> &[f32] {
        let size = self.hidden.len() / self.n_images.max(1);
        &self.hidden[in_batch * size..][..size]
    }

    /// Returns the number of tokens of an image.
    pub(super) fn n_tokens(&self) -> usize {
        self.n_tokens
    }
}

/// Copies the attention of one image to the host, of one head or the mean of all: `[n_tokens, n_tokens]`.
///
/// # Errors
///
/// [`crate::Error::is_device_error`] if it cannot be read.
pub(super) fn read_attention(
    attention: &Tensor<4>,
    in_batch: usize,
    head: Option<usize>,
) -> Result<Vec<f32>> {
    let image = attention
        .clone()
        .without_autodiff()
        .slice_dim(0, in_batch..in_batch + 1);
    if let Some(head) = head {
        return read_to_host(image.slice_dim(1, head..head + 1));
    }
    let n_heads = image.dims()[1];
    let all = read_to_host(image)?;
    let size = all.len() / n_heads.max(1);
    let mut mean = vec![0.0; size];
    for head in all.chunks_exact(size.max(1)) {
        for (sum, x) in mean.iter_mut().zip(head) {
            *sum += x / n_heads as f32;
        }
    }
    Ok(mean)
}

/// Copies a tensor to the host.
///
/// # Errors
///
/// [`crate::Error::is_device_error`] if it cannot be read.
fn read_to_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    read_values(tensor.without_autodiff())
        .map_err(|error| error.within("attention or hidden states cannot be read from the device"))
}
