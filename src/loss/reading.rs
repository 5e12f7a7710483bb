//! What the penalties read of a model's layers.

use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::{DType, activation::softmax};

use super::motion::PatchMotion;
use crate::distance::{Metric, RowDistance};
use crate::error::{Error, Result};
use crate::nn::{AttentionRows, Heads, Tokens};

/// What a forward pass of a model hands to the regulariser.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};
///
/// // Two layers of a model with one class token and four patches.
/// let layer = Tensor::<4>::full([1, 2, 5, 5], 0.2, &Device::flex());
/// let activations = Activations::of_attention(vec![layer.clone(), layer], 1);
/// let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(1)])?;
/// assert_eq!(regularizer.forward(&activations, Clock::default())?.terms.len(), 1);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Activations {
    /// Attention weights from after softmax and before dropout, one
    /// `[batch_size, n_heads, n_tokens, n_tokens]` per layer; empty if nothing reads them.
    pub attention: Vec<Tensor<4>>,
    /// Tokens after each layer, `[batch_size, n_tokens, d_model]`; empty if nothing reads them.
    pub hidden: Vec<Tensor<3>>,
    /// Tokens before the first patch: class token, registers.
    pub n_prefix_tokens: usize,
    /// Frames of each clip: the batch is the frames of one clip after those of another; 1 for images.
    pub n_frames: usize,
    /// Views of the same images or clips: the batch is all of one view after all of another; 1 where there is one.
    /// Penalties between layers or frames read the first, which is the clean one.
    pub n_views: usize,
    /// Share of their attention that the tokens of a frame give to their own frame, `[batch_size,
    /// n_heads]` per layer; empty where they give all. Frames below [`MASS_FLOOR`] are gated.
    pub mass: Vec<Tensor<2>>,
    /// Where patches go from frame to frame, where that is known.
    pub motion: Option<Arc<PatchMotion>>,
}

/// Share of attention within a frame below which the frame's topology is that of next to nothing, and
/// a pair with it contributes nothing.
pub const MASS_FLOOR: f64 = 1e-3;

impl Activations {
    /// The attention of each layer for images, and no hidden states.
    pub fn of_attention(attention: Vec<Tensor<4>>, n_prefix_tokens: usize) -> Self {
        Self {
            attention,
            hidden: Vec::new(),
            n_prefix_tokens,
            n_frames: 1,
            n_views: 1,
            mass: Vec::new(),
            motion: None,
        }
    }

    /// The batch as clips of so many frames.
    pub fn with_frames(self, n_frames: usize) -> Self {
        Self { n_frames, ..self }
    }

    /// The batch as so many views of the same images or clips, all of one after all of another.
    pub fn with_views(self, n_views: usize) -> Self {
        Self { n_views, ..self }
    }

    /// Images, or frames, of each view in what a penalty reads.
    pub(super) fn images_per_view(&self, source: Source) -> Result<usize> {
        let batch_size = match source {
            Source::Hidden => self.hidden.first().map(|layer| layer.dims()[0]),
            _ => self.attention.first().map(|layer| layer.dims()[0]),
        };
        let batch_size = batch_size.unwrap_or_default();
        if self.n_views == 0 || !batch_size.is_multiple_of(self.n_views) {
            return Err(Error::invalid_parameter(format!(
                "a batch of {batch_size} is not one of {} views of as many images each",
                self.n_views
            )));
        }
        Ok(batch_size / self.n_views)
    }

    /// Patches of an image or frame, where anything was passed.
    pub(super) fn n_patches(&self) -> Option<usize> {
        let of_attention = self.attention.first().map(|layer| layer.dims()[2]);
        let n_tokens = of_attention.or(self.hidden.first().map(|layer| layer.dims()[1]))?;
        Some(n_tokens.saturating_sub(self.n_prefix_tokens))
    }

    /// Layers that hold what a penalty reads.
    pub(super) fn n_layers(&self, source: Source) -> Result<usize> {
        let (what, n_layers) = match source {
            Source::Hidden => ("hidden states", self.hidden.len()),
            Source::Attention | Source::DoubleSoftmax => ("attention", self.attention.len()),
        };
        if n_layers == 0 {
            return Err(Error::invalid_parameter(format!(
                "a penalty reads {what}, but none was passed, expected that of each layer"
            )));
        }
        Ok(n_layers)
    }

    /// Zero in the precision that a penalty on these would have.
    pub(super) fn constant_zero(&self) -> Result<Tensor<1>> {
        let (dtype, device) = match (self.attention.first(), self.hidden.first()) {
            (Some(layer), _) => (layer.dtype(), layer.device()),
            (None, Some(layer)) => (layer.dtype(), layer.device()),
            (None, None) => {
                return Err(Error::invalid_parameter(
                    "neither attention nor hidden states were passed, expected those of each layer",
                ));
            }
        };
        let dtype = match dtype {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        Ok(Tensor::zeros([1], (&device, dtype)))
    }
}

/// What of a layer is read.
///
/// # Example
///
/// ```
/// use burn_topology::distance::{Metric, RowDistance};
/// use burn_topology::loss::{TopologyPenalty, Source};
///
/// // The angles between the tokens after each layer.
/// let distance = RowDistance { metric: Metric::Cosine, exponent: 1.0 };
/// let penalty = TopologyPenalty { source: Source::Hidden, distance, ..TopologyPenalty::new(0) };
/// assert!(burn_topology::loss::TopologyRegularizer::new(vec![penalty]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The rows of attention.
    Attention,
    /// The softmax of the rows of attention, which are themselves a softmax: nearly uniform rows,
    /// whose Jensen-Shannon distance is in effect Euclidean, over `sqrt(8 n_tokens)`.
    DoubleSoftmax,
    /// The tokens after the layer, as vectors.
    Hidden,
}

/// How a layer is read; penalties that read alike share the work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LayerReading {
    pub(super) source: Source,
    pub(super) distance: RowDistance,
    pub(super) heads: Heads,
    pub(super) tokens: Tokens,
}

impl LayerReading {
    pub(super) fn validate(self) -> Result<()> {
        self.distance.validate()?;
        if self.source == Source::Hidden
            && !matches!(self.distance.metric, Metric::Cosine | Metric::Euclidean)
        {
            return Err(Error::invalid_parameter(format!(
                "hidden states are vectors, expected the distance Cosine or Euclidean, found {:?}",
                self.distance.metric
            )));
        }
        Ok(())
    }

    /// Items of an image, or frame.
    pub(super) fn items_per_image(self, activations: &Activations, layer: usize) -> usize {
        match (self.source, self.heads) {
            (Source::Hidden, _) | (_, Heads::Mean) => 1,
            (_, Heads::Each) => activations.attention[layer].dims()[1],
        }
    }

    /// What is compared of one layer, image by image: `[n_items, n_points, n_columns]`.
    pub(super) fn rows(self, activations: &Activations, layer: usize) -> Result<Tensor<3>> {
        match self.source {
            Source::Hidden => self.hidden_rows(activations, layer),
            Source::Attention => self.attention_rows(activations, layer),
            Source::DoubleSoftmax => Ok(softmax(self.attention_rows(activations, layer)?, 2)),
        }
    }

    fn attention_rows(self, activations: &Activations, layer: usize) -> Result<Tensor<3>> {
        let rows = AttentionRows {
            heads: self.heads,
            tokens: self.tokens,
            n_prefix_tokens: activations.n_prefix_tokens,
        };
        rows.select(activations.attention[layer].clone())
    }

    fn hidden_rows(self, activations: &Activations, layer: usize) -> Result<Tensor<3>> {
        let hidden = activations.hidden[layer].clone();
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
                "there are {n_tokens} tokens of which {first} come before the patches, expected at \
                 least one patch"
            )));
        }
        Ok(hidden.slice([0..batch_size, first..n_tokens, 0..d_model]))
    }

    /// Items of two layers are compared by number, so both must count the same things.
    pub(super) fn check_alike(self, activations: &Activations, pair: [usize; 2]) -> Result<()> {
        if self.source == Source::Hidden {
            let [first, second] = pair.map(|layer| activations.hidden[layer].dims());
            if first[0] == second[0] {
                return Ok(());
            }
            return Err(Error::invalid_parameter(format!(
                "layer {} has {} images and layer {} has {}, expected as many",
                pair[0], first[0], pair[1], second[0]
            )));
        }
        let [first, second] = pair.map(|layer| activations.attention[layer].dims());
        if first[0] == second[0] && (self.heads == Heads::Mean || first[1] == second[1]) {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "layer {} has {} images of {} heads and layer {} has {} of {}, expected as many of both",
            pair[0], first[0], first[1], pair[1], second[0], second[1]
        )))
    }
}
