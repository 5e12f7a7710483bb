//! Outputs of a model's forward pass that the penalties are computed from.

use std::fmt;
use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::DType;

use super::motion::PatchMotion;
use super::row_source::Source;
use crate::error::{Error, Result};

/// Attention and hidden states of one forward pass, from which the penalties are computed.
///
/// Start from [`Activations::from_attention`] or [`Activations::from_hidden`] and set the other fields that a penalty
/// needs: `n_frames` for clips, `n_views` for views, `padding` for sequences of different lengths, `reference` for a
/// frozen copy of the model.
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
/// let activations = Activations::from_attention(vec![layer.clone(), layer], 1);
/// let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(1)])?;
/// assert_eq!(regularizer.forward(&activations, Clock::default())?.terms.len(), 1);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Activations {
    /// Attention weights of each layer: `[batch_size, n_heads, n_tokens, n_tokens]`.
    ///
    /// They are those after softmax and before dropout, so that every row sums to one. The list may be empty if
    /// no penalty uses attention.
    pub attention: Vec<Tensor<4>>,
    /// Hidden states, the tokens after each layer: `[batch_size, n_tokens, d_model]`.
    ///
    /// The list may be empty if no penalty uses hidden states.
    pub hidden: Vec<Tensor<3>>,
    /// Number of prefix tokens, which come before the first patch: class token, register tokens.
    pub n_prefix_tokens: usize,
    /// Number of frames of each clip, 1 for images.
    ///
    /// The frames of a clip follow each other along the batch axis, so `batch_size` counts frames.
    pub n_frames: usize,
    /// Number of views of the same images or clips, usually 1.
    ///
    /// The batch holds the whole first view, then the whole second, and so on. Penalties between layers or frames
    /// use the first view only, which should be the clean one.
    pub n_views: usize,
    /// Within-frame attention of each layer: `[batch_size, n_heads]`, fractions from 0 to 1.
    ///
    /// It is the fraction of their attention that the tokens of a frame give to their own frame, in a model whose
    /// tokens attend to other frames too. The list is empty if tokens attend to their own frame only. Pairs with
    /// a frame below [`WITHIN_FRAME_FLOOR`] are gated; row penalties and hidden states ignore it.
    pub within_frame_attention: Vec<Tensor<2>>,
    /// Tokens that only fill a sequence up to the length of the batch: `[batch_size, n_tokens]`, true for padding.
    ///
    /// Padding is left out of the topology of all layers, and of the reference: it is no point, and the rows of the other
    /// tokens are renormalised over those that are left. `None` if all tokens count. It is the mask that Burn's
    /// `MultiHeadAttention` takes as `mask_pad`.
    pub padding: Option<Tensor<2, Bool>>,
    /// Motion of patches from frame to frame, for [`Alignment::Flow`](super::Alignment::Flow); `None` if unknown.
    pub motion: Option<Arc<PatchMotion>>,
    /// Activations of the reference for the same images, for [`Between::Reference`](super::Between::Reference).
    ///
    /// They are constant: no gradient flows into them, even if they are part of a graph. `None` if no penalty
    /// compares the model with a reference.
    pub reference: Option<Box<Activations>>,
    /// Predicted frames and the true ones, for a [`PixelPenalty`](super::PixelPenalty); `None` if there are none.
    pub frames: Option<PredictedFrames>,
}

/// Predicted grey frames or images, and the true ones.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, PixelComparison, PixelPenalty, TopologyRegularizer};
///
/// // Two clips of three frames, which are predicted as they are.
/// let truth = Tensor::<4>::random([2, 3, 8, 8], burn::tensor::Distribution::Default, &Device::flex());
/// let activations = Activations::from_frames(truth.clone(), Some(truth));
/// let penalty = PixelPenalty::new(1, PixelComparison::truth());
/// let term = TopologyRegularizer::new(vec![penalty.into()])?.forward(&activations, Clock::default())?.terms.remove(0);
/// assert_eq!((term.name.as_str(), term.value, term.n_compared), ("h1_pixels_truth", 0.0, 6));
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PredictedFrames {
    /// Predicted frames: `[n_clips, n_frames, height, width]`, from 0 (black) to 1; images are clips of one frame.
    pub prediction: Tensor<4>,
    /// True frames, of the same shape; `None` if no penalty compares with them.
    ///
    /// They are constant: no gradient flows into them, even if they are part of a graph.
    pub truth: Option<Tensor<4>>,
}

/// Within-frame attention below which a frame is gated (its pairs contribute 0): 1e-3.
///
/// Dividing such rows by their small sums, to make them distributions, would amplify rounding.
pub const WITHIN_FRAME_FLOOR: f64 = 1e-3;

impl Activations {
    /// Creates the activations of images from the attention of each layer, without hidden states.
    ///
    /// `n_prefix_tokens` is the number of tokens before the first patch, 0 if there are none.
    ///
    /// # Shapes
    ///
    /// - `attention`: one `[batch_size, n_heads, n_tokens, n_tokens]` per layer, see [`Activations::attention`]
    pub fn from_attention(attention: Vec<Tensor<4>>, n_prefix_tokens: usize) -> Self {
        Self {
            attention,
            hidden: Vec::new(),
            n_prefix_tokens,
            n_frames: 1,
            n_views: 1,
            within_frame_attention: Vec::new(),
            padding: None,
            motion: None,
            reference: None,
            frames: None,
        }
    }

    /// Creates activations that hold predicted frames alone, for penalties on pixels.
    ///
    /// # Shapes
    ///
    /// - `prediction`, `truth`: `[n_clips, n_frames, height, width]`, from 0 to 1
    pub fn from_frames(prediction: Tensor<4>, truth: Option<Tensor<4>>) -> Self {
        Self {
            frames: Some(PredictedFrames { prediction, truth }),
            ..Self::from_attention(Vec::new(), 0)
        }
    }

    /// Creates the activations of images from the hidden states of each layer, without attention.
    ///
    /// Penalties then need [`Source::Hidden`](super::Source::Hidden). The vectors may be any others that have a
    /// distance, for example the input and the latent space of an autoencoder.
    ///
    /// # Shapes
    ///
    /// - `hidden`: one `[batch_size, n_tokens, d_model]` per layer; layers may differ in `d_model`
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::prelude::*;
    /// use burn::tensor::Distribution;
    /// use burn_topology::prelude::*;
    ///
    /// let points = |d_model| Tensor::<3>::random([1, 20, d_model], Distribution::Default, &Device::flex());
    /// let euclidean = RowDistance { metric: RowMetric::Euclidean, exponent: 1.0 };
    /// let penalty = TopologyPenalty::new(0).with_source(Source::Hidden).with_row_distance(euclidean);
    /// let activations = Activations::from_hidden(vec![points(10), points(2)], 0);
    /// let topology = TopologyRegularizer::new(vec![penalty])?.forward(&activations, Clock::default())?;
    /// assert!(topology.terms[0].value > 0.0);
    /// # }
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn from_hidden(hidden: Vec<Tensor<3>>, n_prefix_tokens: usize) -> Self {
        Self {
            hidden,
            ..Self::from_attention(Vec::new(), n_prefix_tokens)
        }
    }

    /// Declares that the batch consists of clips of `n_frames` frames each.
    pub fn with_frames(self, n_frames: usize) -> Self {
        Self { n_frames, ..self }
    }

    /// Declares that the batch consists of `n_views` views of the same images or clips, one after the other.
    pub fn with_views(self, n_views: usize) -> Self {
        Self { n_views, ..self }
    }

    /// Declares which tokens are padding, see [`Activations::padding`].
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::prelude::*;
    /// use burn::tensor::{Distribution, activation::softmax};
    /// use burn_topology::prelude::*;
    ///
    /// // Two sequences, of which the second has three tokens and two of padding.
    /// let device = Device::flex();
    /// let layer = || softmax(Tensor::<4>::random([2, 2, 5, 5], Distribution::Default, &device), 3);
    /// let padding = [[false; 5], [false, false, false, true, true]];
    /// let activations = Activations::from_attention(vec![layer(), layer()], 0)
    ///     .with_padding(Tensor::from_data(padding, &device));
    /// let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(0)])?;
    /// assert_eq!(regularizer.forward(&activations, Clock::default())?.terms[0].n_compared, 2);
    /// # }
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn with_padding(self, padding: Tensor<2, Bool>) -> Self {
        Self {
            padding: Some(padding),
            ..self
        }
    }

    /// Adds the activations of the reference for the same images, of which only the first view is used.
    ///
    /// The reference is usually a frozen copy of the weights that fine-tuning started from, with dropout off.
    pub fn with_reference(self, reference: Self) -> Self {
        Self {
            reference: Some(Box::new(reference)),
            ..self
        }
    }

    /// Returns the activations of the reference; an error if none were passed.
    pub(super) fn required_reference(&self) -> Result<&Self> {
        self.reference.as_deref().ok_or_else(|| {
            Error::invalid_parameter(
                "a penalty compares the model with its reference, but no activations of the reference were \
                 passed; pass them to `with_reference`",
            )
        })
    }

    /// Returns the predicted frames; an error if none were passed.
    pub(super) fn required_frames(&self) -> Result<&PredictedFrames> {
        self.frames.as_ref().ok_or_else(|| {
            Error::invalid_parameter(
                "a penalty compares predicted frames, but none were passed; set `frames` of the activations",
            )
        })
    }

    /// Returns the activations that a layer belongs to, and its index among their layers.
    ///
    /// # Panics
    ///
    /// If the layer is one of a reference that was not passed; see [`Activations::required_reference`].
    pub(super) fn owner(&self, layer: LayerOf) -> (&Self, usize) {
        match layer {
            LayerOf::Model(index) => (self, index),
            LayerOf::Reference(index) => {
                let reference = self.reference.as_deref();
                (reference.expect("there is a reference"), index)
            }
        }
    }

    /// Returns the number of images, or frames, of each view.
    pub(super) fn images_per_view(&self, source: Source) -> Result<usize> {
        let batch_size = match source {
            Source::Hidden => self.hidden.first().map(|layer| layer.dims()[0]),
            _ => self.attention.first().map(|layer| layer.dims()[0]),
        };
        // Missing layers count as an empty batch here; `n_layers` reports them.
        let batch_size = batch_size.unwrap_or_default();
        if self.n_views == 0 || !batch_size.is_multiple_of(self.n_views) {
            return Err(Error::invalid_parameter(format!(
                "a batch of {batch_size} cannot be divided into {} views of equally many images",
                self.n_views
            )));
        }
        Ok(batch_size / self.n_views)
    }

    /// Returns the number of patches of an image or frame; `None` if no layers were passed.
    pub(super) fn n_patches(&self) -> Option<usize> {
        // Attention and hidden states have the same tokens, so either will do.
        let n_tokens = match (self.attention.first(), self.hidden.first()) {
            (Some(layer), _) => layer.dims()[2],
            (None, Some(layer)) => layer.dims()[1],
            (None, None) => return None,
        };
        // Too many prefix tokens are reported where rows are selected; here they must not underflow.
        Some(n_tokens.saturating_sub(self.n_prefix_tokens))
    }

    /// Returns the number of layers of a source; an error if none was passed.
    pub(super) fn n_layers(&self, source: Source) -> Result<usize> {
        let (name, n_layers) = match source {
            Source::Hidden => ("hidden states", self.hidden.len()),
            Source::Attention | Source::DoubleSoftmax => ("attention", self.attention.len()),
        };
        if n_layers == 0 {
            return Err(Error::invalid_parameter(format!(
                "a penalty uses {name}, but the list is empty, expected one tensor per layer"
            )));
        }
        Ok(n_layers)
    }

    /// Returns the constant 0, in the precision and on the device of a penalty on these activations.
    pub(super) fn constant_zero(&self) -> Result<Tensor<1>> {
        let frames = self.frames.as_ref().map(|frames| &frames.prediction);
        let (dtype, device) = match (self.attention.first(), self.hidden.first(), frames) {
            (Some(layer), _, _) => (layer.dtype(), layer.device()),
            (None, Some(layer), _) => (layer.dtype(), layer.device()),
            (None, None, Some(frames)) => (frames.dtype(), frames.device()),
            (None, None, None) => {
                return Err(Error::invalid_parameter(
                    "neither attention nor hidden states nor predicted frames were passed, expected one tensor per \
                     layer",
                ));
            }
        };
        // Distances and diagrams run in 32 bits for half precision, and so does the loss.
        let dtype = match dtype {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        Ok(Tensor::zeros([1], (&device, dtype)))
    }
}

/// Layer of the model, or of its reference, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerOf {
    Model(usize),
    Reference(usize),
}

impl fmt::Display for LayerOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(index) => write!(f, "layer {index}"),
            Self::Reference(index) => write!(f, "layer {index} of the reference"),
        }
    }
}
