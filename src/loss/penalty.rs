//! One penalty on the topology of layers, frames or views.

use super::controls::{EdgeChoice, PartnerChoice};
use super::pairs::{Alignment, Between, Pairs};
use super::row_selection::RowSelection;
use super::scale::Normalize;
use super::source::Source;
use super::weight::{Schedule, Weight};
use crate::counted::counted;
use crate::distance::RowDistance;
use crate::error::{Error, Result};
use crate::nn::{Heads, Tokens};
use crate::topology::{DiagramDistance, DiagramSummary, GroundNorm, MAX_HOMOLOGY_DIM, Power};

/// Selection of the layers that a penalty compares, in the order of comparison.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{TopologyPenalty, Layers, TopologyRegularizer};
///
/// // Layer 0 with layer 3, and layer 3 with layer 11.
/// let penalty = TopologyPenalty { layers: Layers::Indices(vec![0, 3, 11]), ..TopologyPenalty::new(1) };
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

/// Side of a pair of layers, frames or views that receives the gradient.
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

/// Number `C(a, b)` that a penalty computes from two items, or `C(a)` from one.
///
/// An item is one image or frame in one layer; with [`Heads::Each`], it is one head of it.
///
/// ```text
/// A, B       distance matrices of the two items, each divided by its scale (see Normalize)
/// D_A, D_B   their persistence diagrams in the penalty's homology dimension
/// E_A, E_B   the critical edges of these diagrams, whose lengths are the births and deaths of finite bars
/// n          number of points
/// ```
///
/// `Signature`, `RtdLite`, `Rtd` and `DistanceMatrix` compare token by token, so both items need equally many
/// points. The controls `DistanceMatrix`, `CosineConsistency` and `EntropyBand` ignore the homology dimension.
/// The last two are row penalties, computed from the rows themselves: they do not use the distance either, and
/// need [`Normalize::None`].
///
/// # Example
///
/// ```
/// use burn_topology::loss::{Comparison, Normalize, TopologyPenalty, TopologyRegularizer, Weight};
/// use burn_topology::topology::DiagramSummary;
///
/// // Against collapse: a negative weight rewards long bars, in each layer on its own. Without normalisation,
/// // because dividing by the mean death would make the sum of deaths constant.
/// let total = DiagramSummary::TotalPersistence { order: 1.0, window: [0.0, f64::INFINITY] };
/// let reward = TopologyPenalty {
///     comparison: Comparison::Summary(total),
///     normalize: Normalize::None,
///     weight: Weight::Fixed(-0.1),
///     ..TopologyPenalty::new(0)
/// };
/// // And tokens that are close in one layer should be close in the next.
/// let keep = TopologyPenalty { comparison: Comparison::RtdLite, ..TopologyPenalty::new(0) };
/// assert!(TopologyRegularizer::new(vec![reward, keep]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// Distance between the two diagrams.
    ///
    /// ```text
    /// C(a, b) = d(D_A, D_B)      by default d = W_2^2
    /// ```
    Diagrams(DiagramDistance),
    /// Summary of the diagram of each layer on its own: total persistence or persistent entropy.
    ///
    /// ```text
    /// C(a) = sum of (death - birth)^order over the finite bars within a window,
    ///        or the entropy of the shares that the finite bars have in their total persistence
    /// ```
    ///
    /// Births, deaths and the window are those after division by the scale. With it, the total persistence of
    /// order 1 of all bars in dimension 0 is constant and has no gradient: use [`Normalize::None`] for it.
    Summary(DiagramSummary),
    /// Topological signature loss ([`signature_loss`](crate::topology::signature_loss)), on critical edges.
    ///
    /// ```text
    /// C(a, b) = 1/2 sum over e in E_A of (A_e - B_e)^2 + 1/2 sum over e in E_B of (A_e - B_e)^2
    /// ```
    ///
    /// This is the loss of topological autoencoders. It is a sum over edges, so it grows with the number of
    /// points: choose a small weight or a gradient share.
    Signature,
    /// RTD-Lite ([`rtd_lite`](crate::topology::rtd_lite)): difference of spanning trees, in dimension 0 only.
    ///
    /// ```text
    /// C(a, b) = (mst(A) + mst(B)) / 2 - mst(min(A, B))      mst: length of the minimum spanning tree
    ///                                                       min: entry by entry
    /// ```
    RtdLite,
    /// Representation topology divergence ([`rtd`](crate::topology::rtd)), in dimension 1 only.
    ///
    /// ```text
    /// C(a, b) = (R(A, B) + R(B, A)) / 2
    /// R(A, B)   total persistence in dimension 1 of 2n points, n with the distances A and n with min(A, B);
    ///           rtd has the whole matrix
    /// ```
    Rtd,
    /// Control: mean difference of all distances between tokens, raised to a power.
    ///
    /// ```text
    /// C(a, b) = 2 / (n (n - 1)) sum over i < j of |A_ij - B_ij|^order
    /// ```
    ///
    /// Its gradient reaches every entry of both matrices, whereas that of topology reaches the critical edges only.
    DistanceMatrix {
        /// Power of the differences, at least 1.
        order: f64,
    },
    /// Control: one minus the cosine similarity of corresponding rows; a row penalty.
    ///
    /// ```text
    /// C(a, b) = 1/n sum over i of (1 - <a_i, b_i> / (|a_i| |b_i|))      a_i, b_i: row i of either item
    /// ```
    ///
    /// The rows are attention rows or hidden states, of equal length in both items. For hidden states the
    /// distance of the penalty has to be Euclidean or cosine here too, although it is not used.
    CosineConsistency,
    /// Control: squared distance of the entropy of attention rows from a band; a row penalty.
    ///
    /// It is computed from each layer on its own.
    ///
    /// ```text
    /// C(a) = 1/n sum over i of (max(low - h_i, 0)^2 + max(h_i - high, 0)^2)
    /// h_i  = entropy of row i / ln(number of columns)      0: all weight on one token, 1: uniform
    /// ```
    EntropyBand {
        /// Lower end of the band, 0 to 1.
        low: f64,
        /// Upper end of the band, 0 to 1; at least `low`.
        high: f64,
    },
}

/// Penalty on the topology of layers, frames or views, in one homology dimension.
///
/// ```text
/// loss    = sum over penalties of  weight * schedule(step) * value
/// value   = mean over all pairs of items (a, b) of  C(a, b),  or over all items a of  C(a)
/// C(a, b) = W_2^2(D_a / s_a, D_b / s_b)      by default; the others: see Comparison
///
/// a, b      two items, by default the same image in two layers; or two frames of the same clip in the
///           same layer, or two views of the same image in the same layer; see Between
/// D_a       persistence diagram, in homology_dim, of the distances between the rows of item a
/// s_a       scale of item a: its mean finite death in dimension 0; see Normalize
/// ```
///
/// A *gated* pair counts in the mean with `C = 0` and no gradient. A pair is gated if `s_a` or `s_b` lies below
/// [`SCALE_FLOOR`](super::SCALE_FLOOR), if the within-frame attention of either item lies below
/// [`WITHIN_FRAME_FLOOR`](super::WITHIN_FRAME_FLOOR), or if fewer than two of their tokens correspond.
///
/// Start from [`TopologyPenalty::new`] and change what differs. Not every combination of fields makes sense:
/// [`TopologyRegularizer::new`](super::TopologyRegularizer::new) refuses those that do not, and says why.
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
/// use burn_topology::loss::{TopologyPenalty, Weight};
///
/// let penalty = TopologyPenalty { weight: Weight::Fixed(0.1), ..TopologyPenalty::new(1) };
/// assert_eq!(penalty.homology_dim, 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TopologyPenalty {
    /// Name in logs and messages; `None` for a default, see [`TopologyPenalty::effective_name`].
    ///
    /// It consists of ASCII letters, digits and `_`, and does not start with a digit.
    pub name: Option<String>,
    /// Homology dimension of the diagrams: 0 for connected components, 1 for cycles, 2 for voids.
    ///
    /// At most [`MAX_HOMOLOGY_DIM`]. Dimensions above 1 are slow.
    pub homology_dim: usize,
    /// Kind of things that are compared: layers, frames or views.
    pub between: Between,
    /// Pairs of layers, of frames or of views that are compared.
    pub pairs: Pairs,
    /// Correspondence between the tokens of two frames, for comparisons token by token.
    pub alignment: Alignment,
    /// Layers that the penalty uses.
    pub layers: Layers,
    /// Tensor of a layer whose rows are the points: attention or hidden states.
    pub source: Source,
    /// Distance between two rows; Euclidean or cosine for hidden states.
    pub distance: RowDistance,
    /// Heads: their mean, or each on its own; without effect on hidden states.
    pub heads: Heads,
    /// Tokens that are points: the patches, or all, prefix tokens included.
    pub tokens: Tokens,
    /// Number that the distances of each item are divided by.
    pub normalize: Normalize,
    /// Side of each pair that receives the gradient.
    pub direction: Direction,
    /// Number that is computed from two items, or from one.
    pub comparison: Comparison,
    /// Edges whose lengths serve as births and deaths: the critical ones, or as a control random ones.
    pub edges: EdgeChoice,
    /// Partner of each image or clip: itself, or as a control another one of the batch.
    pub partners: PartnerChoice,
    /// Factor of the penalty in the loss.
    pub weight: Weight,
    /// Steps at which the penalty is on.
    pub schedule: Schedule,
}

impl TopologyPenalty {
    /// Returns the squared 2-Wasserstein penalty between consecutive layers, with weight 1 and always on.
    ///
    /// All layers are used. The ground norm is L-infinity. The points are the attention rows of the patches,
    /// averaged over the heads, and their distances are Jensen-Shannon distances. Diagrams are divided by their
    /// scale ([`Normalize::SpanningTree`]). Both sides receive the gradient. There are no controls.
    pub fn new(homology_dim: usize) -> Self {
        Self {
            name: None,
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
            edges: EdgeChoice::Critical,
            partners: PartnerChoice::Same,
            weight: Weight::Fixed(1.0),
            schedule: Schedule::default(),
        }
    }

    /// True if the penalty is computed from each layer on its own, without pairs.
    pub(super) fn is_unary(&self) -> bool {
        matches!(
            self.comparison,
            Comparison::Summary(_) | Comparison::EntropyBand { .. }
        )
    }

    /// Returns the pairs of layers that are compared, as indices of layers.
    ///
    /// Each layer is paired with itself where its frames or views are compared, or nothing is.
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
        if self.is_unary() || self.between != Between::Layers {
            if layers.is_empty() {
                return Err(Error::invalid_parameter(
                    "layers is an empty list, expected at least one layer",
                ));
            }
            // A layer paired with itself takes the same path as two layers; the pairs of frames or views
            // come from `frame_pairs` and `view_pairs`.
            return Ok(layers.into_iter().map(|layer| [layer; 2]).collect());
        }
        let pairs = self.pairs.index_pairs(layers.len());
        if pairs.is_empty() {
            return Err(Error::invalid_parameter(format!(
                "layers has {}, expected {} to compare",
                counted(layers.len(), "entry"),
                match self.pairs {
                    Pairs::Stride(gap) => format!("more than the stride of {gap}"),
                    _ => "at least two".to_owned(),
                }
            )));
        }
        Ok(pairs
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
        if self.between != between {
            return Ok(None);
        }
        let pairs = self.pairs.index_pairs(n);
        if pairs.is_empty() {
            return Err(Error::invalid_parameter(message(self.pairs)));
        }
        Ok(Some(pairs))
    }

    /// Returns the selection of rows of a layer that the penalty is computed from.
    pub(super) fn row_selection(&self) -> RowSelection {
        RowSelection {
            source: self.source,
            distance: self.distance,
            heads: self.heads,
            tokens: self.tokens,
        }
    }

    /// Returns the largest homology dimension of which diagrams are needed.
    ///
    /// Dimension 0 is always among them, for the scale.
    pub(super) fn max_homology_dim(&self) -> usize {
        match self.comparison {
            // These take the distance matrices themselves and compute their own trees or diagrams.
            Comparison::RtdLite | Comparison::Rtd | Comparison::DistanceMatrix { .. } => 0,
            _ => self.homology_dim,
        }
    }

    /// True if the penalty is computed from rows themselves, without distances or diagrams.
    pub(super) fn is_row_penalty(&self) -> bool {
        matches!(
            self.comparison,
            Comparison::CosineConsistency | Comparison::EntropyBand { .. }
        )
    }

    /// Checks everything that does not depend on the model or the batch.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.homology_dim > MAX_HOMOLOGY_DIM {
            return Err(Error::invalid_parameter(format!(
                "homology_dim is {}, expected at most {MAX_HOMOLOGY_DIM}",
                self.homology_dim
            )));
        }
        self.row_selection().validate()?;
        self.validate_layers()?;
        self.pairs.validate()?;
        // Cosines of rows are taken token by token too, but row penalties do not support an alignment.
        let is_token_wise = matches!(
            self.comparison,
            Comparison::Signature
                | Comparison::RtdLite
                | Comparison::Rtd
                | Comparison::DistanceMatrix { .. }
        );
        if self.alignment == Alignment::Flow && !(is_token_wise && self.between == Between::Frames)
        {
            return Err(Error::invalid_parameter(
                "alignment by flow needs frames that are compared token by token, expected `signature`, \
                 `rtd_lite`, `rtd` or `distance_matrix` between `frames`; diagrams have no tokens to align",
            ));
        }
        match self.comparison {
            Comparison::Diagrams(distance) => {
                distance.validate()?;
                // Refused here, since the distance itself would only fail at the first diagram.
                let is_sorted = matches!(distance, DiagramDistance::SortedWasserstein { .. });
                if is_sorted && self.homology_dim != 0 {
                    return Err(Error::invalid_parameter(format!(
                        "the sorted Wasserstein distance needs equal births: homology_dim is {}, expected 0",
                        self.homology_dim
                    )));
                }
            }
            Comparison::Summary(summary) => {
                summary.validate()?;
                if self.direction != Direction::Symmetric {
                    return Err(Error::invalid_parameter(
                        "a summary is computed from each layer on its own and has no direction, expected \
                         direction `symmetric`",
                    ));
                }
                if self.between != Between::Layers {
                    return Err(Error::invalid_parameter(
                        "a summary is computed from each layer on its own and compares no frames or views, \
                         expected between `layers`",
                    ));
                }
            }
            // Diagrams of every dimension have critical edges.
            Comparison::Signature => {}
            Comparison::RtdLite => self.require_dim("RTD-Lite", 0)?,
            Comparison::Rtd => self.require_dim("RTD", 1)?,
            Comparison::DistanceMatrix { order } => {
                // Below 1 the slope would be infinite where two distances agree. The negation refuses NaN too.
                if !(order >= 1.0 && order.is_finite()) {
                    return Err(Error::invalid_parameter(format!(
                        "order of the difference of distance matrices is {order}, expected a finite number \
                         of at least 1"
                    )));
                }
            }
            Comparison::CosineConsistency => {}
            Comparison::EntropyBand { low, high } => self.check_band(low, high)?,
        }
        self.check_controls()?;
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

    /// Checks the parameters of [`Comparison::EntropyBand`].
    fn check_band(&self, low: f64, high: f64) -> Result<()> {
        let refuse = |message: String| Err(Error::invalid_parameter(message));
        // The negation refuses NaN too.
        if !(0.0 <= low && low <= high && high <= 1.0) {
            return refuse(format!(
                "the entropy band is {low} to {high}, expected two numbers from 0 to 1, the lower one first"
            ));
        }
        if self.source == Source::Hidden {
            return refuse(
                "hidden states are not distributions and have no entropy, expected source `attention`"
                    .to_owned(),
            );
        }
        if self.between != Between::Layers || self.direction != Direction::Symmetric {
            return refuse(
                "an entropy band is computed from each layer on its own, expected between `layers` and \
                 direction `symmetric`"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Checks that random edges, shuffled partners and the normalisation apply to the comparison.
    fn check_controls(&self) -> Result<()> {
        let refuse = |message| Err(Error::invalid_parameter(message));
        let has_bars = matches!(
            self.comparison,
            Comparison::Diagrams(_) | Comparison::Summary(_) | Comparison::Signature
        );
        if self.edges != EdgeChoice::Critical && !has_bars {
            return refuse(
                "random edges replace the edges of bars, but this comparison has no bars; expected \
                 edges `critical`",
            );
        }
        if self.partners != PartnerChoice::Same {
            if self.is_unary() {
                return refuse(
                    "a penalty of each layer on its own has no partners to shuffle, expected \
                     partners `same`",
                );
            }
            if self.alignment == Alignment::Flow {
                return refuse(
                    "shuffled partners come from different clips, between which there is no flow; expected \
                     alignment `position`",
                );
            }
        }
        if self.is_row_penalty() && self.normalize != Normalize::None {
            return refuse("a row penalty has no scale to divide by, expected normalize `none`");
        }
        Ok(())
    }

    /// Checks that the penalty is of the one homology dimension for which its comparison is defined.
    fn require_dim(&self, name: &str, homology_dim: usize) -> Result<()> {
        if self.homology_dim == homology_dim {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "{name} is defined for homology_dim {homology_dim} only, found {}",
            self.homology_dim
        )))
    }
}
