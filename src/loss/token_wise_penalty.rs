//! Penalty on the distances of two items whose tokens correspond.

use super::controls::{EdgeChoice, PartnerChoice, matrix_difference};
use super::item_comparison::{ItemComparison, ScaledItem, ScaledPenalty, compare_matrices};
use super::item_pairs::ItemPairs;
use super::pairs::{Alignment, Between};
use super::scale::Normalize;
use crate::choice::word;
use crate::error::{Error, Result};
use crate::topology::{rtd, rtd_lite, signature_loss};

/// Divergence between the distance matrices of two items whose tokens correspond.
///
/// ```text
/// A, B       distance matrices of the two items, each divided by its scale (see Normalize)
/// E_A, E_B   critical edges of their diagrams, whose lengths are the births and deaths of finite bars
/// n          number of points, equal in both
/// ```
///
/// # Example
///
/// ```
/// use burn_topology::loss::{TokenWiseDivergence, TokenWisePenalty, TopologyRegularizer};
///
/// // Tokens that are close in one layer should be close in the next.
/// let penalty = TokenWisePenalty::new(TokenWiseDivergence::RtdLite);
/// assert!(TopologyRegularizer::new(vec![penalty.into()]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TokenWiseDivergence {
    /// Topological signature loss ([`signature_loss`](crate::topology::signature_loss)), on critical edges.
    ///
    /// ```text
    /// C(a, b) = 1/2 sum over e in E_A of (A_e - B_e)^2 + 1/2 sum over e in E_B of (A_e - B_e)^2
    /// ```
    ///
    /// This is the loss of topological autoencoders. It is a sum over edges, so it grows with the number of
    /// points: choose a small weight or a gradient share.
    Signature {
        /// Homology dimension of the bars whose edges are compared.
        homology_dim: usize,
        /// Edges whose lengths are compared: the critical ones, or as a control random ones.
        edges: EdgeChoice,
    },
    /// RTD-Lite ([`rtd_lite`](crate::topology::rtd_lite)): difference of spanning trees, in dimension 0.
    ///
    /// ```text
    /// C(a, b) = (mst(A) + mst(B)) / 2 - mst(min(A, B))      mst: length of the minimum spanning tree
    ///                                                       min: entry by entry
    /// ```
    RtdLite,
    /// Representation topology divergence ([`rtd`](crate::topology::rtd)), in dimension 1.
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
}

/// Comparison of two items token by token.
///
/// Both items need equally many points.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{
///     Alignment, ItemPairs, TokenWiseDivergence, TokenWisePenalty, TopologyRegularizer,
/// };
///
/// // Content of consecutive frames that moves along, as the optical flow of the clip says.
/// let penalty = TokenWisePenalty::new(TokenWiseDivergence::RtdLite)
///     .with_pairs(ItemPairs::frames())
///     .with_alignment(Alignment::Flow);
/// assert!(TopologyRegularizer::new(vec![penalty.into()]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TokenWisePenalty {
    /// Divergence between the two distance matrices.
    pub divergence: TokenWiseDivergence,
    /// Pairs of items that are compared.
    pub pairs: ItemPairs,
    /// Number that the distances of each item are divided by.
    pub normalize: Normalize,
    /// Correspondence between the tokens; by flow only between frames of the same clip.
    pub alignment: Alignment,
}

impl TokenWisePenalty {
    /// Compares consecutive layers, token by token at the same position.
    ///
    /// Distances are divided by their scale ([`Normalize::SpanningTree`]).
    pub fn new(divergence: TokenWiseDivergence) -> Self {
        Self {
            divergence,
            pairs: ItemPairs::layers(),
            normalize: Normalize::SpanningTree,
            alignment: Alignment::Position,
        }
    }

    /// Sets the pairs of items that are compared.
    #[must_use]
    pub fn with_pairs(self, pairs: ItemPairs) -> Self {
        Self { pairs, ..self }
    }

    /// Sets the number that the distances of each item are divided by.
    #[must_use]
    pub fn with_normalize(self, normalize: Normalize) -> Self {
        Self { normalize, ..self }
    }

    /// Sets the correspondence between the tokens.
    #[must_use]
    pub fn with_alignment(self, alignment: Alignment) -> Self {
        Self { alignment, ..self }
    }

    /// Checks the parameters of the divergence, and that there is a flow where tokens are aligned by it.
    pub(super) fn validate(&self) -> Result<()> {
        if let TokenWiseDivergence::DistanceMatrix { order } = self.divergence
            // Below 1 the slope would be infinite where two distances agree. The negation refuses NaN too.
            && !(order >= 1.0 && order.is_finite())
        {
            return Err(Error::invalid_parameter(format!(
                "order of the difference of distance matrices is {order}, expected a finite number of at \
                 least 1"
            )));
        }
        if self.alignment == Alignment::Position {
            return Ok(());
        }
        if self.pairs.between != Between::Frames {
            return Err(Error::invalid_parameter(format!(
                "alignment by flow needs the frames of a clip, expected between `frames`, found `{}`",
                word(&self.pairs.between)
            )));
        }
        if self.pairs.partners != PartnerChoice::Same {
            return Err(Error::invalid_parameter(
                "shuffled partners come from different clips, between which there is no flow; expected \
                 alignment `position`",
            ));
        }
        Ok(())
    }
}

impl ItemComparison for TokenWisePenalty {
    fn homology_dim(&self) -> usize {
        match self.divergence {
            TokenWiseDivergence::Signature { homology_dim, .. } => homology_dim,
            // These take the distance matrices and compute their own trees or diagrams.
            TokenWiseDivergence::RtdLite
            | TokenWiseDivergence::Rtd
            | TokenWiseDivergence::DistanceMatrix { .. } => 0,
        }
    }

    fn reads_other_distances(&self) -> bool {
        true
    }

    fn normalize(&self) -> Normalize {
        self.normalize
    }

    fn edges(&self) -> EdgeChoice {
        match self.divergence {
            TokenWiseDivergence::Signature { edges, .. } => edges,
            TokenWiseDivergence::RtdLite
            | TokenWiseDivergence::Rtd
            | TokenWiseDivergence::DistanceMatrix { .. } => EdgeChoice::Critical,
        }
    }

    fn compare(&self, items: [&ScaledItem<'_>; 2]) -> Result<ScaledPenalty> {
        match self.divergence {
            TokenWiseDivergence::Signature { .. } => {
                let critical = items.map(ScaledItem::critical_edges);
                compare_matrices(items, |a, b| {
                    signature_loss([a, b], [&critical[0], &critical[1]])
                })
            }
            TokenWiseDivergence::RtdLite => compare_matrices(items, rtd_lite),
            TokenWiseDivergence::Rtd => compare_matrices(items, rtd),
            TokenWiseDivergence::DistanceMatrix { order } => {
                compare_matrices(items, |a, b| matrix_difference(a, b, order))
            }
        }
    }
}
