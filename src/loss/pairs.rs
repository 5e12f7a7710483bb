//! What is compared with what: layers, the frames of a clip, or views of the same.

use crate::error::{Error, Result};

/// What a penalty compares.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Between, Clock, TopologyPenalty, TopologyRegularizer};
///
/// // One clip of three frames; the layer's attention is that of each frame, one after the other.
/// let layer = Tensor::<4>::full([3, 2, 5, 5], 0.2, &Device::flex());
/// let activations = Activations::of_attention(vec![layer], 1).with_frames(3);
/// let penalty = TopologyPenalty { between: Between::Frames, ..TopologyPenalty::new(1) };
/// let regularizer = TopologyRegularizer::new(vec![penalty])?;
/// let topology = regularizer.forward(&activations, Clock::default())?;
/// assert_eq!(topology.terms[0].n_compared, 2);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// Layers, of every image or frame by itself.
    Layers,
    /// Frames of a clip, in every layer by itself; a head with the same head.
    Frames,
    /// Views of an image or frame, clean and perturbed, in every layer by itself; a head with the same head.
    Views,
}

/// Which pairs of a sequence of layers, frames or views are compared, the earlier one first.
///
/// # Example
///
/// ```
/// use burn_topology::loss::Pairs;
///
/// assert_eq!(Pairs::Consecutive.of(3), [[0, 1], [1, 2]]);
/// assert_eq!(Pairs::ToFirst.of(3), [[0, 1], [0, 2]]);
/// assert_eq!(Pairs::ToLast.of(3), [[0, 2], [1, 2]]);
/// assert_eq!(Pairs::All.of(3), [[0, 1], [0, 2], [1, 2]]);
/// assert_eq!(Pairs::Stride(2).of(4), [[0, 2], [1, 3]]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// Each with the next.
    Consecutive,
    /// The first with each later one.
    ToFirst,
    /// Each earlier one with the last.
    ToLast,
    /// Each with each later one.
    All,
    /// Each with the one so many places later.
    Stride(usize),
}

impl Pairs {
    /// The pairs of `n` places in a sequence.
    pub fn of(self, n: usize) -> Vec<[usize; 2]> {
        let apart = |gap: usize| (gap..n).map(|later| [later - gap, later]).collect();
        match self {
            Self::Consecutive => apart(1),
            Self::Stride(gap) => apart(gap),
            Self::ToFirst => (1..n).map(|later| [0, later]).collect(),
            Self::ToLast => (1..n).map(|later| [later - 1, n - 1]).collect(),
            Self::All => (0..n)
                .flat_map(|first| (first + 1..n).map(move |later| [first, later]))
                .collect(),
        }
    }

    pub(super) fn validate(self) -> Result<()> {
        match self {
            Self::Stride(0) => Err(Error::invalid_parameter(
                "stride of the pairs is 0, expected at least 1",
            )),
            _ => Ok(()),
        }
    }
}

/// Which tokens of two frames are taken for the same, where tokens are compared one by one.
///
/// # Example
///
/// ```
/// use burn_topology::loss::{Alignment, Between, Comparison, TopologyPenalty, TopologyRegularizer};
///
/// let penalty = |between| TopologyPenalty {
///     between,
///     comparison: Comparison::RtdLite,
///     alignment: Alignment::Flow,
///     ..TopologyPenalty::new(0)
/// };
/// assert!(TopologyRegularizer::new(vec![penalty(Between::Frames)]).is_ok());
/// assert!(TopologyRegularizer::new(vec![penalty(Between::Layers)]).is_err()); // nothing moves
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// Those at the same place.
    Position,
    /// Those that show the same, as [`Activations::motion`](super::Activations::motion) tells;
    /// tokens whose content is not seen in both frames are left out.
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
                assert_eq!(pairs.of(n), [[0; 2]; 0], "{pairs:?} of {n}");
            }
        }
        assert_eq!(Pairs::Stride(4).of(4), [[0; 2]; 0]);
        assert_eq!(Pairs::All.of(9).len(), 36);
    }
}
