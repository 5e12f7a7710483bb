//! One penalty on the topology of layers, frames or views.

use super::controls::{Edges, Partners};
use super::pairs::{Alignment, Between, Pairs};
use super::reading::{LayerReading, Source};
use super::scale::Normalize;
use super::weight::{Schedule, Weight};
use crate::distance::RowDistance;
use crate::error::{Error, Result};
use crate::nn::{Heads, Tokens};
use crate::topology::{DiagramDistance, DiagramSummary, GroundNorm, Power};

/// Which layers are read, in this order.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{TopologyPenalty, Layers, TopologyRegularizer};
///
/// // Layer 0 with layer 3, and layer 3 with layer 11.
/// let penalty = TopologyPenalty { layers: Layers::Of(vec![0, 3, 11]), ..TopologyPenalty::new(1) };
/// let regularizer = TopologyRegularizer::new(vec![penalty])?;
/// assert_ne!(regularizer.penalties()[0].layers, Layers::All);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layers {
    /// Every layer whose attention is passed in.
    All,
    /// These, counted from 0.
    Of(Vec<usize>),
}

/// Which side of a pair of layers, frames or views is moved.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// # use burn::prelude::*;
/// # use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Activations, Clock, Direction, TopologyPenalty, TopologyRegularizer};
///
/// # let device = Device::flex().autodiff();
/// # let layer = || {
/// #     let scores = Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
/// #     softmax(scores, 3).require_grad()
/// # };
/// # let (earlier, later) = (layer(), layer());
/// let penalty = TopologyPenalty { direction: Direction::TowardsFirst, ..TopologyPenalty::new(0) };
/// let regularizer = TopologyRegularizer::new(vec![penalty])?;
/// let activations = Activations::of_attention(vec![earlier.clone(), later.clone()], 0);
/// let gradients = regularizer.forward(&activations, Clock::default())?.loss.backward();
/// let size = |layer: Tensor<4>| layer.grad(&gradients).unwrap().abs().sum().into_scalar::<f32>();
/// assert!(size(earlier) == 0.0 && size(later) > 0.0);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    Symmetric,
    /// The later one is pulled towards the earlier one, which is held constant.
    TowardsFirst,
    /// The earlier one is pulled towards the later one, which is held constant.
    TowardsSecond,
}

/// What a penalty makes of two layers or frames, or of one.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{Comparison, TopologyPenalty, TopologyRegularizer, Weight};
/// use burn_topology::topology::DiagramSummary;
///
/// // Against collapse: reward long bars, in every layer by itself.
/// let total = DiagramSummary::TotalPersistence { order: 1.0, window: [0.0, f64::INFINITY] };
/// let reward = TopologyPenalty {
///     comparison: Comparison::Summary(total),
///     weight: Weight::Fixed(-0.1),
///     ..TopologyPenalty::new(0)
/// };
/// // And keep tokens that are near in one layer near in the next.
/// let keep = TopologyPenalty { comparison: Comparison::RtdLite, ..TopologyPenalty::new(0) };
/// assert!(TopologyRegularizer::new(vec![reward, keep]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// A distance between the diagrams of both.
    Diagrams(DiagramDistance),
    /// A number of the diagram of each layer by itself.
    Summary(DiagramSummary),
    /// The lengths of each one's critical edges in the other, token by token:
    /// [`signature_loss`](crate::topology::signature_loss).
    Signature,
    /// [`rtd_lite`](crate::topology::rtd_lite), of dimension 0.
    RtdLite,
    /// [`rtd`](crate::topology::rtd), of dimension 1.
    Rtd,
    /// A control: all distances of both, token by token, mean of `|a - b|^order`. Reaches every entry,
    /// where topology reaches a few.
    DistanceMatrix {
        /// The power, at least 1.
        order: f64,
    },
    /// A control: one less the cosine of the rows of both, token by token; no distances, no scale.
    CosineConsistency,
    /// A control: how far the entropy of each layer's rows, over that of uniform ones, is outside of a band,
    /// squared; no distances, no scale.
    EntropyBand {
        /// Lower end, 0 to 1.
        low: f64,
        /// Upper end, 0 to 1.
        high: f64,
    },
}

/// A penalty on the topology of layers, frames or views, in one homology dimension.
///
/// Its value is the mean, over the batch, the pairs of layers (or the layers, or layers and pairs of
/// frames or views) and the heads.
///
/// # Source
///
/// [carriere2021] for optimising through the pairing, held constant at each step.
///
/// [carriere2021]: https://proceedings.mlr.press/v139/carriere21a.html
///
/// # Example
///
/// ```
/// use burn_topology::loss::{TopologyPenalty, Weight};
///
/// let penalty = TopologyPenalty { weight: Weight::Fixed(0.1), ..TopologyPenalty::new(1) };
/// assert_eq!(penalty.homology_dim, 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TopologyPenalty {
    /// Homology dimension compared.
    pub homology_dim: usize,
    /// What is compared.
    pub between: Between,
    /// Which pairs of layers, of frames or of views are.
    pub pairs: Pairs,
    /// Which tokens of two frames are taken for the same.
    pub alignment: Alignment,
    /// Layers read.
    pub layers: Layers,
    /// What of a layer is read.
    pub source: Source,
    /// Distance between two rows of it.
    pub distance: RowDistance,
    /// Heads read; hidden states have none.
    pub heads: Heads,
    /// Tokens read.
    pub tokens: Tokens,
    /// Scale removed from each diagram.
    pub normalize: Normalize,
    /// Side that is moved.
    pub direction: Direction,
    /// What is made of two layers, or of one.
    pub comparison: Comparison,
    /// Which distances are taken for births and deaths.
    pub edges: Edges,
    /// Who is compared with whom.
    pub partners: Partners,
    /// Factor in the loss.
    pub weight: Weight,
    /// When the penalty is on.
    pub schedule: Schedule,
}

impl TopologyPenalty {
    /// The 2-Wasserstein penalty (squared, ground norm L-infinity) between all consecutive layers,
    /// on the Jensen-Shannon distances of the mean of the heads over the patches, normalised,
    /// symmetric, always on, with weight 1.
    pub fn new(homology_dim: usize) -> Self {
        Self {
            homology_dim,
            between: Between::Layers,
            pairs: Pairs::Consecutive,
            alignment: Alignment::Position,
            layers: Layers::All,
            source: Source::Attention,
            distance: RowDistance::JENSEN_SHANNON,
            heads: Heads::Mean,
            tokens: Tokens::Patches,
            normalize: Normalize::SpanningTree,
            direction: Direction::Symmetric,
            comparison: Comparison::Diagrams(DiagramDistance::Wasserstein {
                order: 2.0,
                ground_norm: GroundNorm::Infinity,
                power: Power::P,
            }),
            edges: Edges::Critical,
            partners: Partners::Same,
            weight: Weight::Fixed(1.0),
            schedule: Schedule::default(),
        }
    }

    /// Whether it is one of each layer by itself.
    pub(super) fn is_alone(&self) -> bool {
        matches!(
            self.comparison,
            Comparison::Summary(_) | Comparison::EntropyBand { .. }
        )
    }

    /// The pairs of layers compared; each layer with itself where its frames or views are, or nothing.
    pub(crate) fn layer_pairs(&self, n_layers: usize) -> Result<Vec<[usize; 2]>> {
        let layers: Vec<usize> = match &self.layers {
            Layers::All => (0..n_layers).collect(),
            Layers::Of(layers) => layers.clone(),
        };
        if let Some(layer) = layers.iter().find(|&&layer| layer >= n_layers) {
            return Err(Error::invalid_parameter(format!(
                "layers names layer {layer}, but {n_layers} layers were passed (counted from 0)"
            )));
        }
        if self.is_alone() || self.between != Between::Layers {
            if layers.is_empty() {
                return Err(Error::invalid_parameter(
                    "layers is an empty list, expected at least one layer",
                ));
            }
            return Ok(layers.into_iter().map(|layer| [layer; 2]).collect());
        }
        let pairs = self.pairs.of(layers.len());
        if pairs.is_empty() {
            return Err(Error::invalid_parameter(format!(
                "layers has {} entries, expected {} to compare",
                layers.len(),
                match self.pairs {
                    Pairs::Stride(gap) => format!("more than the stride of {gap}"),
                    _ => "at least two".to_owned(),
                }
            )));
        }
        Ok(pairs
            .into_iter()
            .map(|pair| pair.map(|place| layers[place]))
            .collect())
    }

    /// The pairs of frames compared, `None` if frames are not.
    pub(crate) fn frame_pairs(&self, n_frames: usize) -> Result<Option<Vec<[usize; 2]>>> {
        self.pairs_between(Between::Frames, n_frames, |pairs| {
            format!("a penalty compares frames ({pairs:?}), but clips have {n_frames} of them")
        })
    }

    /// The pairs of views compared, `None` if views are not.
    pub(crate) fn view_pairs(&self, n_views: usize) -> Result<Option<Vec<[usize; 2]>>> {
        self.pairs_between(Between::Views, n_views, |pairs| {
            format!("a penalty compares views ({pairs:?}), but there are {n_views} of each image")
        })
    }

    /// The pairs of `n` of what is compared; `None` if something else is. `too_few` says that there are none.
    fn pairs_between(
        &self,
        between: Between,
        n: usize,
        too_few: impl FnOnce(Pairs) -> String,
    ) -> Result<Option<Vec<[usize; 2]>>> {
        if self.between != between {
            return Ok(None);
        }
        let pairs = self.pairs.of(n);
        match pairs.is_empty() {
            true => Err(Error::invalid_parameter(too_few(self.pairs))),
            false => Ok(Some(pairs)),
        }
    }

    /// How a layer is read.
    pub(super) fn reading(&self) -> LayerReading {
        LayerReading {
            source: self.source,
            distance: self.distance,
            heads: self.heads,
            tokens: self.tokens,
        }
    }

    /// Largest dimension whose diagrams are needed: that of the bars, or 0 for the scale.
    pub(super) fn needed_dim(&self) -> usize {
        match self.comparison {
            Comparison::RtdLite | Comparison::Rtd | Comparison::DistanceMatrix { .. } => 0,
            _ => self.homology_dim,
        }
    }
}
