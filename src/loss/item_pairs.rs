//! Pairs of the items that a penalty compares, and the side of each pair that learns.

use std::sync::Arc;

use super::activations::LayerOf;
use super::controls::PartnerChoice;
use super::pairs::{Between, Pairs};
use crate::error::{Error, Result};

/// Side of a pair of layers, frames or views that receives the gradient.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// # use burn::prelude::*;
/// # use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{
///     Activations, Clock, DiagramPenalty, Direction, ItemPairs, TopologyRegularizer,
/// };
///
/// # let device = Device::flex().autodiff();
/// # let layer = || {
/// #     let scores = Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
/// #     softmax(scores, 3).require_grad()
/// # };
/// # let (earlier, later) = (layer(), layer());
/// let pairs = ItemPairs::layers().with_direction(Direction::TowardsFirst);
/// let penalty = DiagramPenalty::new(0).with_pairs(pairs);
/// let regularizer = TopologyRegularizer::new(vec![penalty.into()])?;
/// let activations = Activations::from_attention(vec![earlier.clone(), later.clone()], 0);
/// let gradients = regularizer.forward(&activations, Clock::default())?.loss.backward();
/// let size = |layer: Tensor<4>| layer.grad(&gradients).unwrap().abs().sum().into_scalar::<f32>();
/// assert!(size(earlier) == 0.0 && size(later) > 0.0);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Direction {
    /// Both sides receive the gradient.
    #[default]
    Symmetric,
    /// Only the second (later) side receives the gradient; the first is held constant.
    TowardsFirst,
    /// Only the first (earlier) side receives the gradient; the second is held constant.
    TowardsSecond,
}

/// Choice of the pairs of items that a penalty compares.
///
/// An item is one image or frame in one layer; with [`Heads::Each`](crate::nn::Heads::Each), it is one head of it.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{DiagramPenalty, Direction, ItemPairs, Pairs, TopologyRegularizer};
///
/// // Each frame with the first frame of its clip, which stays as it is.
/// let pairs = ItemPairs::frames().with_pairs(Pairs::ToFirst).with_direction(Direction::TowardsFirst);
/// let penalty = DiagramPenalty::new(1).with_pairs(pairs);
/// assert!(TopologyRegularizer::new(vec![penalty.into()]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemPairs {
    /// Kind of things that are compared: layers, frames, views, or the model and its reference.
    pub between: Between,
    /// Pairs of layers, of frames or of views that are compared.
    pub pairs: Pairs,
    /// Side of each pair that receives the gradient.
    pub direction: Direction,
    /// Partner of each image or clip: itself, or as a control another one of the batch.
    pub partners: PartnerChoice,
}

impl ItemPairs {
    /// Pairs each layer with the next, for each image or frame on its own.
    pub fn layers() -> Self {
        Self::of(Between::Layers)
    }

    /// Pairs each frame of a clip with the next, for each layer on its own.
    pub fn frames() -> Self {
        Self::of(Between::Frames)
    }

    /// Pairs each view of a sample with the next, for each layer on its own.
    pub fn views() -> Self {
        Self::of(Between::Views)
    }

    /// Pairs each layer of the model with the same layer of its reference, for the same image.
    ///
    /// The reference is constant, so only the model receives the gradient. There are no other pairs or directions:
    /// leave both as they are.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// # use burn::prelude::*;
    /// # use burn::tensor::{Distribution, activation::softmax};
    /// use burn_topology::loss::{
    ///     Activations, Clock, DiagramPenalty, ItemPairs, TopologyRegularizer,
    /// };
    ///
    /// # let device = Device::flex().autodiff();
    /// # let layer = || {
    /// #     let scores = Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
    /// #     softmax(scores, 3).require_grad()
    /// # };
    /// let (attention, before) = (layer(), layer());
    /// let penalty = DiagramPenalty::new(0).with_pairs(ItemPairs::reference());
    /// let regularizer = TopologyRegularizer::new(vec![penalty.into()])?;
    /// let reference = Activations::from_attention(vec![before.clone()], 0);
    /// let activations = Activations::from_attention(vec![attention.clone()], 0).with_reference(reference);
    /// let gradients = regularizer.forward(&activations, Clock::default())?.loss.backward();
    /// assert!(attention.grad(&gradients).is_some() && before.grad(&gradients).is_none());
    /// # }
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn reference() -> Self {
        Self::of(Between::Reference)
    }

    /// Pairs consecutive layers, frames or views of the same sample; both sides receive the gradient.
    fn of(between: Between) -> Self {
        Self {
            between,
            pairs: Pairs::Consecutive,
            direction: Direction::Symmetric,
            partners: PartnerChoice::Same,
        }
    }

    /// Sets the pairs of layers, of frames or of views that are compared.
    #[must_use]
    pub fn with_pairs(self, pairs: Pairs) -> Self {
        Self { pairs, ..self }
    }

    /// Sets the side of each pair that receives the gradient.
    #[must_use]
    pub fn with_direction(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    /// Sets the partner of each image or clip.
    #[must_use]
    pub fn with_partners(self, partners: PartnerChoice) -> Self {
        Self { partners, ..self }
    }

    /// Checks the stride, and that nothing is chosen about a reference for which there is no choice.
    pub(super) fn validate(self) -> Result<()> {
        self.pairs.validate()?;
        if self.between != Between::Reference {
            return Ok(());
        }
        if self.pairs != Pairs::Consecutive {
            return Err(Error::invalid_parameter(
                "each layer is compared with the same layer of the reference, so there are no other pairs; \
                 leave pairs out",
            ));
        }
        if self.direction != Direction::Symmetric {
            return Err(Error::invalid_parameter(
                "the reference is constant, so only the model receives a gradient; leave direction out",
            ));
        }
        Ok(())
    }
}

/// Corresponding points: pairs of a point of the first item and a point of the second.
pub(super) type MatchedPoints = Arc<[[u32; 2]]>;

/// Two items that a penalty compares.
pub(super) struct ItemPair {
    /// Layer of each item.
    pub(super) layers: [LayerOf; 2],
    /// Index of each item within its layer.
    pub(super) items: [usize; 2],
    /// Corresponding points; `None` if points with the same index correspond.
    pub(super) matched: Option<MatchedPoints>,
}
