//! One penalty on the topology of layers, frames, views, or a model and its reference.

use super::controls::PartnerChoice;
use super::diagram_penalty::DiagramPenalty;
use super::item_pairs::{Direction, ItemPairs};
use super::pairs::{Between, Pairs};
use super::penalty_kind::PenaltyKind;
use super::row_penalty::RowPenalty;
use super::row_selection::RowSelection;
use super::row_source::Source;
use super::weight::{Schedule, Weight};
use crate::counted::counted;
use crate::distance::RowDistance;
use crate::error::{Error, Result};
use crate::nn::{Heads, Tokens};
use crate::topology::MAX_HOMOLOGY_DIM;

/// Selection of the layers that a penalty compares, in the order of comparison.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{TopologyPenalty, Layers, TopologyRegularizer};
///
/// // Layer 0 with layer 3, and layer 3 with layer 11.
/// let penalty = TopologyPenalty::new(1).with_layers(Layers::Indices(vec![0, 3, 11]));
/// let regularizer = TopologyRegularizer::new(vec![penalty])?;
/// assert_ne!(regularizer.penalties()[0].layers, Layers::All);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layers {
    /// All layers that were passed in [`Activations`](super::Activations), first to last.
    All,
    /// Layers with these indices, counted from 0, each at most once.
    Indices(Vec<usize>),
}

/// Penalty on the topology of layers, frames, views, or a model and its reference.
///
/// ```text
/// loss    = sum over penalties of  weight * schedule(step) * value
/// value   = mean over all pairs of items (a, b) of  C(a, b),  or over all items a of  C(a)
/// C(a, b) = W_2^2(D_a / s_a, D_b / s_b)      by default; the others: see PenaltyKind
///
/// a, b      two items, by default the same image in two layers; or two frames of the same clip in the
///           same layer, two views of the same image in the same layer, or the same image in the same
///           layer of the model and of its reference; see ItemPairs
/// D_a       persistence diagram, in one homology dimension, of the distances between the rows of item a
/// s_a       scale of item a: its mean finite death in dimension 0; see Normalize
/// ```
///
/// An item is one image or frame in one layer; with [`Heads::Each`], it is one head of it. A *gated* pair counts in
/// the mean with `C = 0` and no gradient. A pair is gated if `s_a` or `s_b` lies below
/// [`SCALE_FLOOR`](super::SCALE_FLOOR), if the within-frame attention of either item lies below
/// [`WITHIN_FRAME_FLOOR`](super::WITHIN_FRAME_FLOOR), or if fewer than two of their tokens correspond.
///
/// [`TopologyPenalty::new`] compares the diagrams of consecutive layers. Every other penalty is converted from
/// its kind, such as [`DiagramPenalty`], with `TopologyPenalty::from`.
///
/// # Source
///
/// [carriere2021] analyses gradient descent through persistence, with the pairing held constant at each step.
///
/// [carriere2021]: https://proceedings.mlr.press/v139/carriere21a.html
///
/// # Example
///
/// ```
/// use burn_topology::loss::{DiagramPenalty, ItemPairs, TopologyPenalty, Weight};
/// use burn_topology::nn::Heads;
///
/// let between_layers = TopologyPenalty::new(1).with_weight(0.1);
/// assert_eq!(between_layers.weight, Weight::Fixed(0.1));
/// // Each head of consecutive frames of a clip.
/// let between_frames = DiagramPenalty::new(1).with_pairs(ItemPairs::frames());
/// let between_frames = TopologyPenalty::from(between_frames).with_heads(Heads::Each);
/// assert_eq!(between_frames.kind.homology_dim(), Some(1));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TopologyPenalty {
    /// Name in logs and messages; `None` for a default, see [`TopologyPenalty::effective_name`].
    ///
    /// It consists of ASCII letters, digits and `_`, and does not start with a digit.
    pub name: Option<String>,
    /// Number that is computed from two items, or from one.
    pub kind: PenaltyKind,
    /// Layers that the penalty uses.
    pub layers: Layers,
    /// Tensor of a layer whose rows are the points: attention or hidden states.
    pub source: Source,
    /// Distance between two rows; Euclidean or cosine for hidden states.
    pub row_distance: RowDistance,
    /// Heads: their mean, or each on its own; without effect on hidden states.
    pub heads: Heads,
    /// Tokens that are points: the patches, or all, prefix tokens included.
    pub tokens: Tokens,
    /// Factor of the penalty in the loss.
    pub weight: Weight,
    /// Steps at which the penalty is on.
    pub schedule: Schedule,
}

/// Gives any kind of penalty weight 1, always on.
///
/// All layers are used. The points are the attention rows of the patches, averaged over the heads, and their
/// distances are Jensen-Shannon distances.
impl<K: Into<PenaltyKind>> From<K> for TopologyPenalty {
    fn from(kind: K) -> Self {
        Self {
            name: None,
            kind: kind.into(),
            layers: Layers::All,
            source: Source::Attention,
            row_distance: RowDistance::JENSEN_SHANNON,
            heads: Heads::Mean,
            tokens: Tokens::Patches,
            weight: Weight::Fixed(1.0),
            schedule: Schedule::default(),
        }
    }
}

impl TopologyPenalty {
    /// Returns the squared 2-Wasserstein penalty between consecutive layers, with weight 1 and always on.
    ///
    /// It is [`DiagramPenalty::new`] on all layers. The points are the attention rows of the patches, averaged over
    /// the heads, and their distances are Jensen-Shannon distances. Both sides receive the gradient.
    pub fn new(homology_dim: usize) -> Self {
        DiagramPenalty::new(homology_dim).into()
    }

    /// Sets the name in logs and messages.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..self
        }
    }

    /// Sets the layers that the penalty uses.
    #[must_use]
    pub fn with_layers(self, layers: Layers) -> Self {
        Self { layers, ..self }
    }

    /// Sets the tensor of a layer whose rows are the points.
    #[must_use]
    pub fn with_source(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// Sets the distance between two rows.
    #[must_use]
    pub fn with_row_distance(self, row_distance: RowDistance) -> Self {
        Self {
            row_distance,
            ..self
        }
    }

    /// Sets whether the mean of the heads is an item, or each head.
    #[must_use]
    pub fn with_heads(self, heads: Heads) -> Self {
        Self { heads, ..self }
    }

    /// Sets the tokens that are points.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens, ..self }
    }

    /// Sets the factor of the penalty in the loss: a number, or a [`Weight`].
    #[must_use]
    pub fn with_weight(self, weight: impl Into<Weight>) -> Self {
        Self {
            weight: weight.into(),
            ..self
        }
    }

    /// Sets the steps at which the penalty is on.
    #[must_use]
    pub fn with_schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Side of each pair that receives the gradient.
    pub(super) fn direction(&self) -> Direction {
        match self.kind.pairs() {
            // The reference, the second side, is constant.
            Some(pairs) if pairs.between == Between::Reference => Direction::TowardsSecond,
            Some(pairs) => pairs.direction,
            None => Direction::Symmetric,
        }
    }

    /// Partner of each image or clip.
    pub(super) fn partners(&self) -> PartnerChoice {
        self.kind
            .pairs()
            .map_or(PartnerChoice::Same, |pairs| pairs.partners)
    }

    /// True if the penalty compares layers, frames, views or the reference, whichever is asked for.
    pub(crate) fn is_between(&self, between: Between) -> bool {
        self.kind
            .pairs()
            .is_some_and(|pairs| pairs.between == between)
    }

    /// Returns the pairs of layers that are compared, as indices of layers.
    ///
    /// Each layer is paired with itself, except where layers are compared.
    pub(crate) fn layer_pairs(&self, n_layers: usize) -> Result<Vec<[usize; 2]>> {
        let layers: Vec<usize> = match &self.layers {
            Layers::All => (0..n_layers).collect(),
            Layers::Indices(layers) => layers.clone(),
        };
        if let Some(layer) = layers.iter().find(|&&layer| layer >= n_layers) {
            return Err(Error::invalid_parameter(format!(
                "layers has the entry {layer}, expected numbers below {n_layers}, the number of layers passed"
            )));
        }
        let Some(ItemPairs {
            between: Between::Layers,
            pairs,
            ..
        }) = self.kind.pairs()
        else {
            if layers.is_empty() {
                return Err(Error::invalid_parameter(
                    "layers is an empty list, expected at least one layer",
                ));
            }
            // A layer paired with itself takes the same path as two layers; the pairs of frames or views
            // come from `frame_pairs` and `view_pairs`.
            return Ok(layers.into_iter().map(|layer| [layer; 2]).collect());
        };
        let index_pairs = pairs.index_pairs(layers.len());
        if index_pairs.is_empty() {
            return Err(Error::invalid_parameter(format!(
                "layers has {}, expected {} to compare",
                counted(layers.len(), "entry"),
                match pairs {
                    Pairs::Stride(gap) => format!("more than the stride of {gap}"),
                    _ => "at least two".to_owned(),
                }
            )));
        }
        Ok(index_pairs
            .into_iter()
            .map(|pair| pair.map(|index| layers[index]))
            .collect())
    }

    /// Returns the pairs of frames that are compared; `None` if the penalty does not compare frames.
    pub(crate) fn frame_pairs(&self, n_frames: usize) -> Result<Option<Vec<[usize; 2]>>> {
        self.pairs_between(Between::Frames, n_frames, |pairs| match n_frames {
            1 => "a penalty compares frames, but the samples are images, not clips".to_owned(),
            _ => format!(
                "a penalty compares frames (pairs: {pairs}), but clips have {}",
                counted(n_frames, "frame")
            ),
        })
    }

    /// Returns the pairs of views that are compared; `None` if the penalty does not compare views.
    pub(crate) fn view_pairs(&self, n_views: usize) -> Result<Option<Vec<[usize; 2]>>> {
        self.pairs_between(Between::Views, n_views, |pairs| {
            format!(
                "a penalty compares views (pairs: {pairs}), but each image has {}",
                counted(n_views, "view")
            )
        })
    }

    /// Returns the pairs of `n` frames or views; `None` if the penalty compares something else.
    ///
    /// `message` makes the error for a sequence that is too short to have pairs.
    fn pairs_between(
        &self,
        between: Between,
        n: usize,
        message: impl FnOnce(Pairs) -> String,
    ) -> Result<Option<Vec<[usize; 2]>>> {
        let Some(pairs) = self.kind.pairs().filter(|p| p.between == between) else {
            return Ok(None);
        };
        let index_pairs = pairs.pairs.index_pairs(n);
        if index_pairs.is_empty() {
            return Err(Error::invalid_parameter(message(pairs.pairs)));
        }
        Ok(Some(index_pairs))
    }

    /// Returns the selection of rows of a layer that the penalty is computed from.
    pub(super) fn row_selection(&self) -> RowSelection {
        RowSelection {
            source: self.source,
            distance: self.row_distance,
            heads: self.heads,
            tokens: self.tokens,
        }
    }

    /// Checks everything that does not depend on the model or the batch.
    pub(crate) fn validate(&self) -> Result<()> {
        if let Some(homology_dim) = self.kind.homology_dim()
            && homology_dim > MAX_HOMOLOGY_DIM
        {
            return Err(Error::invalid_parameter(format!(
                "homology_dim is {homology_dim}, expected at most {MAX_HOMOLOGY_DIM}"
            )));
        }
        self.row_selection().validate()?;
        self.validate_layers()?;
        self.kind.validate()?;
        let is_entropy_band =
            matches!(self.kind, PenaltyKind::Rows(RowPenalty::EntropyBand { .. }));
        if is_entropy_band && self.source == Source::Hidden {
            return Err(Error::invalid_parameter(
                "hidden states are not distributions and have no entropy, expected source `attention`",
            ));
        }
        self.weight.validate()?;
        self.schedule.validate()
    }

    /// Checks that no layer is listed more than once.
    pub(crate) fn validate_layers(&self) -> Result<()> {
        let Layers::Indices(layers) = &self.layers else {
            return Ok(());
        };
        // A layer has no distance from itself, and a penalty of each layer would count it twice.
        let repeated = (1..layers.len()).find(|&index| layers[..index].contains(&layers[index]));
        match repeated {
            Some(index) => Err(Error::invalid_parameter(format!(
                "layers has the entry {} more than once, expected each layer at most once",
                layers[index]
            ))),
            None => Ok(()),
        }
    }
}
