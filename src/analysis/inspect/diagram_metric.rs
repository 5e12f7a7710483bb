//! Distances between persistence diagrams that inspections report.

use crate::error::Result;
use crate::topology::{GroundNorm, Point, bottleneck, wasserstein};

/// Distance between two persistence diagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiagramMetric {
    /// 2-Wasserstein distance with ground norm L-infinity.
    Wasserstein,
    /// Bottleneck distance with ground norm L-infinity.
    Bottleneck,
}

impl DiagramMetric {
    /// All metrics, in the order of reports.
    pub const ALL: [Self; 2] = [Self::Wasserstein, Self::Bottleneck];

    /// Returns the displayed name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Wasserstein => "2-Wasserstein",
            Self::Bottleneck => "bottleneck",
        }
    }

    /// Returns the name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wasserstein => "wasserstein",
            Self::Bottleneck => "bottleneck",
        }
    }

    pub(super) fn distance(self, first: &[Point], second: &[Point]) -> Result<f64> {
        let matching = match self {
            Self::Wasserstein => wasserstein(first, second, 2.0, GroundNorm::Infinity),
            Self::Bottleneck => bottleneck(first, second, GroundNorm::Infinity),
        };
        matching.map(|matching| matching.distance)
    }
}
