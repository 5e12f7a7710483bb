//! One penalty on the topology of layers.

use super::reading::{LayerReading, Source};
use super::scale::Normalize;
use super::weight::{Schedule, Weight};
use crate::distance::RowDistance;
use crate::error::{Error, Result};
use crate::nn::{Heads, Tokens};
use crate::topology::{DiagramDistance, DiagramSummary, GroundNorm, MAX_HOMOLOGY_DIM, Power};

/// Which layers are compared, in this order.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{LayerPenalty, Layers, TopologyRegularizer};
///
/// // Layer 0 with layer 3, and layer 3 with layer 11.
/// let penalty = LayerPenalty { layers: Layers::Of(vec![0, 3, 11]), ..LayerPenalty::new(1) };
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

/// Which side of a pair of layers is moved.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// # use burn::prelude::*;
/// # use burn::tensor::{Distribution, activation::softmax};
/// use burn_topology::loss::{Activations, Clock, Direction, LayerPenalty, TopologyRegularizer};
///
/// # let device = Device::flex().autodiff();
/// # let layer = || {
/// #     let scores = Tensor::<4>::random([1, 2, 9, 9], Distribution::Default, &device);
/// #     softmax(scores, 3).require_grad()
/// # };
/// # let (earlier, later) = (layer(), layer());
/// let penalty = LayerPenalty { direction: Direction::TowardsFirst, ..LayerPenalty::new(0) };
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
    /// The later layer is pulled towards the earlier one, which is held constant.
    TowardsFirst,
    /// The earlier layer is pulled towards the later one, which is held constant.
    TowardsSecond,
}

/// What a penalty makes of the layers.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{Comparison, LayerPenalty, TopologyRegularizer, Weight};
/// use burn_topology::topology::DiagramSummary;
///
/// // Against collapse: reward long bars, in every layer by itself.
/// let total = DiagramSummary::TotalPersistence { order: 1.0, window: [0.0, f64::INFINITY] };
/// let reward = LayerPenalty {
///     comparison: Comparison::Summary(total),
///     weight: Weight::Fixed(-0.1),
///     ..LayerPenalty::new(0)
/// };
/// // And keep tokens that are near in one layer near in the next.
/// let keep = LayerPenalty { comparison: Comparison::RtdLite, ..LayerPenalty::new(0) };
/// assert!(TopologyRegularizer::new(vec![reward, keep]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// A distance between the diagrams of two layers.
    Diagrams(DiagramDistance),
    /// A number of the diagram of each layer by itself.
    Summary(DiagramSummary),
    /// The lengths of each layer's critical edges in the other layer, token by token:
    /// [`signature_loss`](crate::topology::signature_loss).
    Signature,
    /// [`rtd_lite`](crate::topology::rtd_lite), of dimension 0.
    RtdLite,
    /// [`rtd`](crate::topology::rtd), of dimension 1.
    Rtd,
}

/// A penalty on the topology of layers, in one homology dimension.
///
/// Its value is the mean, over the batch, the pairs of layers (or the layers) and the heads.
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
/// use burn_topology::loss::{LayerPenalty, Weight};
///
/// let penalty = LayerPenalty { weight: Weight::Fixed(0.1), ..LayerPenalty::new(1) };
/// assert_eq!(penalty.homology_dim, 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LayerPenalty {
    /// Homology dimension compared.
    pub homology_dim: usize,
    /// Layers compared; consecutive ones form the pairs.
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
    /// Factor in the loss.
    pub weight: Weight,
    /// When the penalty is on.
    pub schedule: Schedule,
}

impl LayerPenalty {
    /// The 2-Wasserstein penalty (squared, ground norm L-infinity) between all consecutive layers,
    /// on the Jensen-Shannon distances of the mean of the heads over the patches, normalised,
    /// symmetric, always on, with weight 1.
    pub fn new(homology_dim: usize) -> Self {
        Self {
            homology_dim,
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
            weight: Weight::Fixed(1.0),
            schedule: Schedule::default(),
        }
    }

    /// Checks what does not depend on the model.
    pub(super) fn validate(&self) -> Result<()> {
        if self.homology_dim > MAX_HOMOLOGY_DIM {
            return Err(Error::invalid_parameter(format!(
                "homology_dim is {}, expected at most {MAX_HOMOLOGY_DIM}",
                self.homology_dim
            )));
        }
        self.reading().validate()?;
        match self.comparison {
            Comparison::Diagrams(distance) => {
                distance.validate()?;
                let is_sorted = matches!(distance, DiagramDistance::SortedWasserstein { .. });
                if is_sorted && self.homology_dim != 0 {
                    return Err(Error::invalid_parameter(format!(
                        "sorted matching is that of dimension 0, where all births are equal, found \
                         homology_dim {}",
                        self.homology_dim
                    )));
                }
            }
            Comparison::Summary(summary) => {
                summary.validate()?;
                if self.direction != Direction::Symmetric {
                    return Err(Error::invalid_parameter(
                        "a number of each layer by itself has no direction, expected Symmetric",
                    ));
                }
            }
            Comparison::Signature => {}
            Comparison::RtdLite => self.require_dim("RTD-Lite", 0)?,
            Comparison::Rtd => self.require_dim("RTD", 1)?,
        }
        self.weight.validate()?;
        self.schedule.validate()
    }

    fn require_dim(&self, name: &str, homology_dim: usize) -> Result<()> {
        if self.homology_dim == homology_dim {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "{name} compares dimension {homology_dim}, found homology_dim {}",
            self.homology_dim
        )))
    }

    /// The pairs of layers compared; of a summary, each layer with itself.
    pub(crate) fn pairs(&self, n_layers: usize) -> Result<Vec<[usize; 2]>> {
        let layers: Vec<usize> = match &self.layers {
            Layers::All => (0..n_layers).collect(),
            Layers::Of(layers) => layers.clone(),
        };
        if let Some(layer) = layers.iter().find(|&&layer| layer >= n_layers) {
            return Err(Error::invalid_parameter(format!(
                "layers names layer {layer}, but {n_layers} layers were passed (counted from 0)"
            )));
        }
        if let Comparison::Summary(_) = self.comparison {
            return Ok(layers.into_iter().map(|layer| [layer; 2]).collect());
        }
        if layers.len() < 2 {
            return Err(Error::invalid_parameter(format!(
                "layers has {} entries, expected at least two to compare",
                layers.len()
            )));
        }
        Ok(layers.windows(2).map(|pair| [pair[0], pair[1]]).collect())
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
            Comparison::RtdLite | Comparison::Rtd => 0,
            _ => self.homology_dim,
        }
    }
}
