//! Row distances that the device computes.

use crate::distance::{RowDistance, RowMetric};

/// Metric of which the device computes distances and gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum DeviceMetric {
    /// See [`RowMetric::JensenShannon`].
    JensenShannon,
    /// See [`RowMetric::Hellinger`].
    Hellinger,
    /// See [`RowMetric::Cosine`]; the rows are unit vectors.
    Cosine,
    /// See [`RowMetric::Euclidean`].
    Euclidean,
}

impl DeviceMetric {
    /// Returns the metric of a distance; `None` for a distance that the device does not compute.
    pub(crate) fn of(distance: RowDistance) -> Option<Self> {
        if distance.exponent != 1.0 {
            return None;
        }
        match distance.metric {
            RowMetric::JensenShannon => Some(Self::JensenShannon),
            RowMetric::Hellinger => Some(Self::Hellinger),
            RowMetric::Cosine => Some(Self::Cosine),
            RowMetric::Euclidean => Some(Self::Euclidean),
            RowMetric::TotalVariation | RowMetric::Attention => None,
        }
    }

    /// True if the rows are distributions, whose entries are at least 0.
    pub(super) fn takes_distributions(self) -> bool {
        matches!(self, Self::JensenShannon | Self::Hellinger)
    }

    /// Factor of the gradient that is common to all columns; 0 where the length is, as on the CPU.
    ///
    /// ```text
    /// Jensen-Shannon:  dd / dp_k = factor * ln(2 p_k / (p_k + q_k))          factor = 1 / (4 d)
    /// Hellinger:       dd / dp_k = factor * (1 - sqrt(q_k / p_k))            factor = 1 / (4 d)
    /// cosine:          dd / du_k = factor * (u_k - v_k), unit vectors        factor = 1
    /// Euclidean:       dd / du_k = factor * (u_k - v_k)                      factor = 1 / d
    /// ```
    pub(super) fn slope(self, length: f64) -> f64 {
        if length == 0.0 {
            return 0.0;
        }
        match self {
            Self::JensenShannon | Self::Hellinger => 0.25 / length,
            Self::Cosine => 1.0,
            Self::Euclidean => length.recip(),
        }
    }
}
