//! Results of one item of a batch.

use std::time::Duration;

use super::host_values::HostValues;
use crate::topology::{Diagram, Edge};

/// Diagrams and distances of one item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) diagrams: Vec<Diagram<f64>>,
    pub(super) mean_distance: f64,
    /// Distances between all points, row-major.
    pub(super) distances: HostValues,
    pub(super) timing: PersistenceTiming,
}

/// Time that threads spent on distances and on persistent homology.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PersistenceTiming {
    pub(crate) distances: Duration,
    pub(crate) persistence: Duration,
}

impl std::ops::Add for PersistenceTiming {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            distances: self.distances + other.distances,
            persistence: self.persistence + other.persistence,
        }
    }
}

/// Birth or death of one finite bar of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct BarEnd {
    pub(super) item: usize,
    pub(super) edge: Edge,
    pub(super) length: f64,
}
