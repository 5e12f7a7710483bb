//! Tensor of a layer that a penalty is computed from.

use crate::choice::word;
use crate::distance::{RowDistance, RowMetric};
use crate::error::{Error, Result};

/// Tensor of a layer whose rows are the points of the filtration.
///
/// # Example
///
/// ```
/// use burn_topology::distance::{RowDistance, RowMetric};
/// use burn_topology::loss::{Source, TopologyPenalty, TopologyRegularizer};
///
/// // Cosine distances between the tokens after each layer.
/// let cosine = RowDistance { metric: RowMetric::Cosine, exponent: 1.0 };
/// let penalty = TopologyPenalty::new(0).with_source(Source::Hidden).with_row_distance(cosine);
/// assert!(TopologyRegularizer::new(vec![penalty]).is_ok());
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

impl Source {
    /// Checks a distance, and that it is defined for the rows of this tensor.
    pub(crate) fn check_distance(self, distance: RowDistance) -> Result<()> {
        distance.validate()?;
        let is_of_vectors = matches!(distance.metric, RowMetric::Cosine | RowMetric::Euclidean);
        if self == Self::Hidden && !is_of_vectors {
            return Err(Error::invalid_parameter(format!(
                "hidden states are vectors, expected distance `cosine` or `euclidean`, found `{}`",
                word(&distance.metric)
            )));
        }
        Ok(())
    }
}
