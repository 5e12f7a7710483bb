//! Distances between persistence diagrams that inspections report.

use crate::error::Result;
use crate::topology::{GroundNorm, Point, bottleneck, wasserstein};

/// Number of homology dimensions whose diagrams are compared: 0 and 1.
const N_COMPARED_DIMS: usize = 2;

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

/// Returns the metrics and homology dimensions by which diagrams are compared, in the order of reports.
pub(super) fn compared_kinds(max_homology_dim: usize) -> Vec<(DiagramMetric, usize)> {
    let n_dims = N_COMPARED_DIMS.min(1 + max_homology_dim);
    DiagramMetric::ALL
        .into_iter()
        .flat_map(|metric| (0..n_dims).map(move |dim| (metric, dim)))
        .collect()
}
