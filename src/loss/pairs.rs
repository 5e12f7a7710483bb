//! What a penalty compares, which pairs of it, and the correspondence between their tokens.

use std::fmt;

use crate::choice::word;
use crate::error::{Error, Result};

/// Kind of things that a penalty compares: layers, frames, views, or a model and its reference.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, DiagramPenalty, ItemPairs, TopologyRegularizer};
///
/// // One clip of three frames, which follow each other in the batch.
/// let layer = Tensor::<4>::full([3, 2, 5, 5], 0.2, &Device::flex());
/// let activations = Activations::from_attention(vec![layer], 1).with_frames(3);
/// let penalty = DiagramPenalty::new(1).with_pairs(ItemPairs::frames());
/// let regularizer = TopologyRegularizer::new(vec![penalty.into()])?;
/// let topology = regularizer.forward(&activations, Clock::default())?;
/// assert_eq!(topology.terms[0].n_compared, 2);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Between {
    /// Layers, for each image or frame on its own.
    Layers,
    /// Frames of a clip, for each layer on its own; each head is compared with the same head.
    Frames,
    /// Views of a sample, such as itself and its perturbed version, for each layer on its own; each head is
    /// compared with the same head.
    Views,
    /// The model and its reference, a frozen copy of the weights that fine-tuning started from, for each layer on
    /// its own; each head is compared with the same head.
    Reference,
}

/// Pairs of a sequence of layers, frames or views that are compared, the earlier one first.
///
/// # Example
///
/// ```
/// use burn_topology::loss::Pairs;
///
/// assert_eq!(Pairs::Consecutive.index_pairs(3), [[0, 1], [1, 2]]);
/// assert_eq!(Pairs::ToFirst.index_pairs(3), [[0, 1], [0, 2]]);
/// assert_eq!(Pairs::ToLast.index_pairs(3), [[0, 2], [1, 2]]);
/// assert_eq!(Pairs::All.index_pairs(3), [[0, 1], [0, 2], [1, 2]]);
/// assert_eq!(Pairs::Stride(2).index_pairs(4), [[0, 2], [1, 3]]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Pairs {
    /// Each element with the next: `(i, i + 1)`.
    #[default]
    Consecutive,
    /// The first element with each later one: `(0, i)`.
    ToFirst,
    /// Each element with the last: `(i, n - 1)`.
    ToLast,
    /// Each element with each later one: `(i, j)` for `i < j`.
    All,
    /// Each element with the one this many positions later: `(i, i + stride)`.
    Stride(usize),
}

impl Pairs {
    /// Returns the pairs of indices for a sequence of `n` elements; empty if it is too short.
    pub fn index_pairs(self, n: usize) -> Vec<[usize; 2]> {
        // A gap of 0 would pair each element with itself; `validate` refuses it.
        let with_gap = |gap: usize| (gap..n).map(|later| [later - gap, later]).collect();
        match self {
            Self::Consecutive => with_gap(1),
            Self::Stride(gap) => with_gap(gap),
            Self::ToFirst => (1..n).map(|later| [0, later]).collect(),
            Self::ToLast => (1..n).map(|later| [later - 1, n - 1]).collect(),
            Self::All => (0..n)
                .flat_map(|first| (first + 1..n).map(move |later| [first, later]))
                .collect(),
        }
    }

    /// Checks that a stride is at least 1.
    pub(super) fn validate(self) -> Result<()> {
        match self {
            Self::Stride(0) => Err(Error::invalid_parameter(
                "stride of the pairs is 0, expected at least 1",
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Pairs {
    /// Writes the choice as configurations spell it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stride(stride) => write!(f, "stride {stride}"),
            choice => f.write_str(&word(choice)),
        }
    }
}

/// Correspondence between the tokens of two frames, for comparisons token by token.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{
///     Alignment, ItemPairs, TokenWiseDivergence, TokenWisePenalty, TopologyRegularizer,
/// };
///
/// let penalty = TokenWisePenalty::new(TokenWiseDivergence::RtdLite).with_alignment(Alignment::Flow);
/// let is_valid = |pairs| {
///     TopologyRegularizer::new(vec![penalty.with_pairs(pairs).into()]).is_ok()
/// };
/// assert!(is_valid(ItemPairs::frames()));
/// assert!(!is_valid(ItemPairs::layers())); // nothing moves there
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Alignment {
    /// Tokens at the same position.
    #[default]
    Position,
    /// Tokens that show the same content, according to the known flow between the frames.
    ///
    /// The flow is [`Activations::motion`](super::Activations::motion). Tokens whose content is not visible
    /// in both frames are left out.
    Flow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_that_are_too_short_have_no_pairs() {
        for pairs in [
            Pairs::Consecutive,
            Pairs::ToFirst,
            Pairs::ToLast,
            Pairs::All,
            Pairs::Stride(2),
        ] {
            for n in 0..2 {
                assert_eq!(pairs.index_pairs(n), [[0; 2]; 0], "{pairs:?}, n = {n}");
            }
        }
        assert_eq!(Pairs::Stride(4).index_pairs(4), [[0; 2]; 0]);
        assert_eq!(Pairs::All.index_pairs(9).len(), 36);
    }
}
