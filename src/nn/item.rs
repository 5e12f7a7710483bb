//! Results of one item of a batch.

use std::sync::OnceLock;
use std::time::Duration;

use super::host_values::HostValues;
use crate::topology::{Diagram, Edge};

/// Diagrams of one item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) diagrams: Vec<Diagram<f64>>,
    pub(super) timing: PersistenceTiming,
    /// Positions of the points in the input, ascending, if some of its points are padding; `None` if none are.
    ///
    /// Diagrams, distances and gradients number points among these, from 0 without gaps.
    pub(super) points: Option<Vec<u32>>,
}

impl Item {
    /// Number of points, of `n_points` in the input.
    pub(super) fn n_points(&self, n_points: usize) -> usize {
        self.points.as_ref().map_or(n_points, Vec::len)
    }

    /// Points of an edge, as they are numbered in the input.
    pub(super) fn in_input(&self, edge: Edge) -> Edge {
        match &self.points {
            None => edge,
            // Ascending as before, because the positions are.
            Some(points) => edge.map(|point| points[point as usize]),
        }
    }
}

/// Lengths of edges that were computed for the diagrams of an item.
pub(super) enum KnownLengths<'a> {
    /// All distances between a number of points.
    All(&'a HostValues, usize),
    /// Lengths of the critical edges, sorted by edge.
    Critical(Vec<(Edge, f64)>),
}

impl<'a> KnownLengths<'a> {
    /// Takes all distances between `n_points` points if they are known, and otherwise the lengths of critical edges.
    pub(super) fn new(item: &Item, distances: &'a OnceLock<HostValues>, n_points: usize) -> Self {
        if let Some(distances) = distances.get() {
            return Self::All(distances, n_points);
        }
        let finite = item.diagrams.iter().flat_map(Diagram::finite);
        let ends =
            finite.flat_map(|bar| [(bar.birth_edge, bar.birth), (bar.death_edge, bar.death)]);
        let mut lengths: Vec<(Edge, f64)> = ends
            .filter_map(|(edge, length)| Some((edge?, length)))
            .collect();
        lengths.sort_unstable_by_key(|(edge, _)| *edge);
        Self::Critical(lengths)
    }

    /// Returns the length of an edge; `None` if it is not known.
    pub(super) fn get(&self, edge: Edge) -> Option<f64> {
        match self {
            Self::All(distances, n_points) => {
                Some(distances.get(edge[0] as usize * n_points + edge[1] as usize))
            }
            Self::Critical(lengths) => {
                let position = lengths
                    .binary_search_by_key(&edge, |(edge, _)| *edge)
                    .ok()?;
                Some(lengths[position].1)
            }
        }
    }
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
