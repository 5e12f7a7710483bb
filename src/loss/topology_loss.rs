//! Results of the regulariser: the loss, one term per penalty, timing and calibration.

use std::time::Duration;

use burn::tensor::Tensor;

/// Loss of all penalties, to be added to the task loss, with one term for each penalty that is on.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};
///
/// let uniform = Tensor::<4>::full([1, 2, 4, 4], 0.25, &Device::flex());
/// let off = TopologyPenalty::new(1).with_weight(0.0);
/// let regularizer = TopologyRegularizer::new(vec![off, TopologyPenalty::new(0)])?;
/// let activations = Activations::from_attention(vec![uniform.clone(), uniform], 0);
/// let topology = regularizer.forward(&activations, Clock::default())?;
/// assert_eq!(topology.loss.clone().into_scalar::<f32>(), 0.0);
/// // The value of the first is reported, but adds nothing to the loss.
/// assert_eq!(topology.term("h1_layers").map(|term| term.weight), Some(0.0));
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TopologyLoss {
    /// Weighted sum of the penalties that are on: `[1]`; the constant 0 if none is on.
    ///
    /// Add it to the task loss as it is: weights and schedules are already in it. Its precision is 64 bits if
    /// the activations have 64 bits, and 32 bits otherwise: cast it before adding it to a loss in half precision.
    pub loss: Tensor<1>,
    /// Terms of the penalties that are on at this step, in the order of the regulariser's list.
    ///
    /// A penalty whose schedule is off has no term, so look terms up by name with [`TopologyLoss::term`]. A penalty
    /// of weight 0 has one, unless it compares views or a reference that were not passed.
    pub terms: Vec<TopologyTerm>,
    /// Wall-clock time of the parts of the evaluation.
    pub timing: TopologyTiming,
    /// Number of items whose diagrams the host computed because a graphics card could not: it had too little room for them,
    /// or could not compute their distances in 32 bits.
    pub n_items_on_host: usize,
}

impl TopologyLoss {
    /// Returns the term of the penalty with this name; `None` if it is off at this step.
    ///
    /// Names are those of [`TopologyRegularizer::names`](super::TopologyRegularizer::names).
    pub fn term(&self, name: &str) -> Option<&TopologyTerm> {
        self.terms.iter().find(|term| term.name == name)
    }
}

/// Wall-clock time of one evaluation of the penalties, by part.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};
///
/// let layer = Tensor::<4>::full([1, 2, 5, 5], 0.2, &Device::flex());
/// let activations = Activations::from_attention(vec![layer.clone(), layer], 1);
/// let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(1)])?;
/// let timing = regularizer.forward(&activations, Clock::default())?.timing;
/// assert!(timing.distances > std::time::Duration::ZERO);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopologyTiming {
    /// Copy of rows to the host, and distances between them.
    pub distances: Duration,
    /// Persistent homology of the distances.
    ///
    /// Each thread computes distances and bars in turn, so their common time is divided in the ratio of
    /// the threads' time on each.
    pub persistence: Duration,
    /// Comparison of diagrams or distance matrices.
    pub matching: Duration,
    /// Conversion of derivatives with respect to births and deaths to those with respect to rows.
    pub gradient: Duration,
}

/// Value and weight of one penalty at one step.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};
///
/// // Attention that has collapsed: all rows are equal, so there is no scale to compare by.
/// let uniform = Tensor::<4>::full([3, 2, 4, 4], 0.25, &Device::flex());
/// let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(1)])?;
/// let activations = Activations::from_attention(vec![uniform.clone(), uniform], 0);
/// let topology = regularizer.forward(&activations, Clock::default())?;
/// let term = &topology.terms[0];
/// assert_eq!((term.value, term.n_compared, term.n_gated), (0.0, 3, 3));
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TopologyTerm {
    /// Index of the penalty in the regulariser's list.
    pub index: usize,
    /// Name of the penalty, one of [`TopologyRegularizer::names`](super::TopologyRegularizer::names).
    pub name: String,
    /// Mean of the comparison over all pairs of items, before the weight; gated pairs count as 0.
    pub value: f64,
    /// Weight in force, including the schedule.
    pub weight: f64,
    /// Number of pairs of items that were compared, gated ones included; of items for summaries and entropy bands.
    pub n_compared: usize,
    /// Number of gated pairs, which contributed 0.
    ///
    /// A pair is gated if a scale or the within-frame attention is below its floor, or if fewer than two tokens
    /// correspond.
    pub n_gated: usize,
}
