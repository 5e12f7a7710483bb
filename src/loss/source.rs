//! Tensor of a layer that a penalty is computed from.

/// Tensor of a layer whose rows are the points of the filtration.
///
/// # Example
///
/// ```
/// use burn_topology::distance::{RowDistance, RowMetric};
/// use burn_topology::loss::{TopologyPenalty, Source};
///
/// // Cosine distances between the tokens after each layer.
/// let distance = RowDistance { metric: RowMetric::Cosine, exponent: 1.0 };
/// let penalty = TopologyPenalty { source: Source::Hidden, distance, ..TopologyPenalty::new(0) };
/// assert!(burn_topology::loss::TopologyRegularizer::new(vec![penalty]).is_ok());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "cli",
    derive(clap::ValueEnum),
    value(rename_all = "snake_case")
)]
pub enum Source {
    /// Attention rows.
    #[default]
    Attention,
    /// Attention rows after a second softmax, which makes them nearly uniform.
    ///
    /// Their Jensen-Shannon distance is nearly the Euclidean distance of the attention rows divided by
    /// `sqrt(8 n_tokens)`.
    DoubleSoftmax,
    /// Hidden states: the tokens after the layer, as vectors.
    Hidden,
}
