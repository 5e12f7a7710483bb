//! Kinds of penalties: what is computed from two items, or from one.

use super::diagram_penalty::DiagramPenalty;
use super::item_comparison::ItemComparison;
use super::item_pairs::ItemPairs;
use super::pairs::Alignment;
use super::pixel_penalty::PixelPenalty;
use super::row_penalty::RowPenalty;
use super::summary_penalty::SummaryPenalty;
use super::token_wise_penalty::{TokenWiseDivergence, TokenWisePenalty};
use crate::error::Result;

/// Number `C(a, b)` that a penalty computes from two items, or `C(a)` from one.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{DiagramPenalty, ItemPairs, PenaltyKind};
///
/// let kind = PenaltyKind::from(DiagramPenalty::new(1));
/// assert_eq!(kind.homology_dim(), Some(1));
/// assert_eq!(kind.pairs(), Some(ItemPairs::layers()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum PenaltyKind {
    /// Distance between the diagrams of two items.
    Diagrams(DiagramPenalty),
    /// Summary of the diagram of one item.
    Summary(SummaryPenalty),
    /// Divergence of the distances of two items whose tokens correspond.
    TokenWise(TokenWisePenalty),
    /// Control on the rows themselves, without distances or diagrams.
    Rows(RowPenalty),
    /// Comparison of the diagrams of predicted frames, as grey images.
    Pixels(PixelPenalty),
}

impl PenaltyKind {
    /// Pairs of items that are compared; `None` if a number is computed from each layer on its own.
    pub fn pairs(&self) -> Option<ItemPairs> {
        match self {
            Self::Diagrams(penalty) => Some(penalty.pairs),
            Self::TokenWise(penalty) => Some(penalty.pairs),
            Self::Rows(RowPenalty::CosineConsistency { pairs }) => Some(*pairs),
            Self::Summary(_) | Self::Rows(RowPenalty::EntropyBand { .. }) | Self::Pixels(_) => None,
        }
    }

    /// Homology dimension of the penalty; `None` for a control that has none.
    pub fn homology_dim(&self) -> Option<usize> {
        match self {
            Self::Diagrams(penalty) => Some(penalty.homology_dim),
            Self::Summary(penalty) => Some(penalty.homology_dim),
            Self::TokenWise(penalty) => match penalty.divergence {
                TokenWiseDivergence::Signature { homology_dim, .. } => Some(homology_dim),
                TokenWiseDivergence::RtdLite => Some(0),
                TokenWiseDivergence::Rtd => Some(1),
                TokenWiseDivergence::DistanceMatrix { .. } => None,
            },
            Self::Rows(_) => None,
            Self::Pixels(penalty) => Some(penalty.homology_dim),
        }
    }

    /// True if the penalty is computed from the births and deaths of bars, or from their edges or pixels.
    pub fn has_bars(&self) -> bool {
        match self {
            Self::Diagrams(_) | Self::Summary(_) | Self::Pixels(_) => true,
            Self::TokenWise(penalty) => {
                matches!(penalty.divergence, TokenWiseDivergence::Signature { .. })
            }
            Self::Rows(_) => false,
        }
    }

    /// Correspondence between the tokens of two items.
    pub(crate) fn alignment(&self) -> Alignment {
        match self {
            Self::TokenWise(penalty) => penalty.alignment,
            Self::Diagrams(_) | Self::Summary(_) | Self::Rows(_) | Self::Pixels(_) => {
                Alignment::Position
            }
        }
    }

    /// Returns the way in which the regulariser evaluates the penalty.
    pub(super) fn evaluation(&self) -> Evaluation<'_> {
        match self {
            Self::Diagrams(penalty) => Evaluation::Items(penalty),
            Self::Summary(penalty) => Evaluation::Items(penalty),
            Self::TokenWise(penalty) => Evaluation::Items(penalty),
            Self::Rows(penalty) => Evaluation::Rows(penalty),
            Self::Pixels(penalty) => Evaluation::Pixels(penalty),
        }
    }

    /// Checks everything that does not depend on the rows.
    pub(super) fn validate(&self) -> Result<()> {
        if let Some(pairs) = self.pairs() {
            pairs.validate()?;
        }
        match self {
            Self::Diagrams(penalty) => penalty.validate(),
            Self::Summary(penalty) => penalty.summary.validate(),
            Self::TokenWise(penalty) => penalty.validate(),
            Self::Rows(penalty) => penalty.validate(),
            Self::Pixels(penalty) => penalty.validate(),
        }
    }
}

/// Way of evaluating a penalty.
#[derive(Clone, Copy)]
pub(super) enum Evaluation<'a> {
    /// On the host, pair by pair, from diagrams or distances.
    Items(&'a dyn ItemComparison),
    /// With tensor operations on the rows.
    Rows(&'a RowPenalty),
    /// On the host, from the predicted frames.
    Pixels(&'a PixelPenalty),
}

impl From<DiagramPenalty> for PenaltyKind {
    fn from(penalty: DiagramPenalty) -> Self {
        Self::Diagrams(penalty)
    }
}

impl From<SummaryPenalty> for PenaltyKind {
    fn from(penalty: SummaryPenalty) -> Self {
        Self::Summary(penalty)
    }
}

impl From<TokenWisePenalty> for PenaltyKind {
    fn from(penalty: TokenWisePenalty) -> Self {
        Self::TokenWise(penalty)
    }
}

impl From<RowPenalty> for PenaltyKind {
    fn from(penalty: RowPenalty) -> Self {
        Self::Rows(penalty)
    }
}

impl From<PixelPenalty> for PenaltyKind {
    fn from(penalty: PixelPenalty) -> Self {
        Self::Pixels(penalty)
    }
}
