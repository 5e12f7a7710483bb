//! Topology of one matrix: one head of a layer, or the mean of its heads, on one image.

use rand::seq::SliceRandom;

use super::spec::InspectSpec;
use crate::data::random_stream;
use crate::distance::{RowMetric, ScaledPoints, multidimensional_scaling};
use crate::error::Result;
use crate::loss::Source;
use crate::nn::{Pipeline, RowTopology, row_entropy, uniform_entropy};
use crate::topology::{Diagram, DistanceMatrix, Point, representative_cycle};

/// Image, layer and head that a matrix belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MatrixIndex {
    /// Index of the image, counted from 0 over all batches.
    pub image: usize,
    /// Index of the layer in the model.
    pub layer: usize,
    /// Index of the head; `None` for the mean of all heads and for hidden states.
    pub head: Option<usize>,
}

/// Diagrams and summaries of one distance matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixTopology {
    /// Image, layer and head of the matrix.
    pub index: MatrixIndex,
    /// Persistence diagram by homology dimension.
    pub diagrams: Vec<Diagram<f64>>,
    /// Representative cycle of each bar of dimension 1, as a list of points; see [`representative_cycle`].
    pub cycles: Vec<Vec<u32>>,
    /// Mean distance between two different points.
    pub mean_distance: f64,
    /// Smallest diameter at which one point is connected to all others; nothing is born beyond it.
    pub enclosing_radius: f64,
    /// Mean entropy of the rows, divided by the entropy of a uniform row; `None` if rows are not distributions.
    pub entropy: Option<f64>,
}

/// Topology of a matrix together with the values that it was computed from.
pub(super) struct MatrixData {
    /// Diagrams and summaries.
    pub(super) topology: MatrixTopology,
    /// Distances between points, `[n_points, n_points]`.
    pub(super) distances: Vec<f64>,
    /// Attention between all tokens, `[n_tokens, n_tokens]`; empty for hidden states.
    pub(super) attention: Vec<f32>,
    /// Points in three dimensions, for drawing.
    pub(super) coordinates: ScaledPoints,
}

impl MatrixTopology {
    /// Returns the births and deaths of the finite bars of one homology dimension.
    pub fn points(&self, homology_dim: usize) -> Vec<Point> {
        finite_points(&self.diagrams[homology_dim])
    }

    /// Returns the Betti number at a diameter: the number of bars with `birth <= diameter < death`.
    ///
    /// In dimension 0, points at distance 0 from each other count as one component.
    pub fn betti(&self, homology_dim: usize, diameter: f64) -> usize {
        let bars = self.diagrams[homology_dim].bars.iter();
        bars.filter(|bar| bar.birth <= diameter && diameter < bar.death)
            .count()
    }
}

/// Rows whose pairwise distances are analysed, one row for each point.
pub(super) struct MatrixRows {
    /// Image, layer and head of the rows.
    pub(super) index: MatrixIndex,
    /// Rows of attention or hidden states, `[n_points, n_columns]`.
    pub(super) values: Vec<f64>,
    /// Length of a row.
    pub(super) n_columns: usize,
    /// Attention between all tokens, `[n_tokens, n_tokens]`; empty for hidden states.
    pub(super) attention: Vec<f32>,
}

impl MatrixRows {
    /// Converts rows to double precision and, for attention, makes each row sum to one.
    pub(super) fn new(
        index: MatrixIndex,
        values: &[f32],
        n_columns: usize,
        attention: Vec<f32>,
        source: Source,
    ) -> Self {
        let mut values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
        for row in values.chunks_exact_mut(n_columns.max(1)) {
            match source {
                Source::Hidden => {}
                // In single precision the sums are off by rounding.
                Source::Attention => normalize(row),
                Source::DoubleSoftmax => {
                    normalize(row);
                    // Entries lie in [0, 1], so `exp` cannot overflow without subtracting the largest.
                    row.iter_mut().for_each(|x| *x = x.exp());
                    normalize(row);
                }
            }
        }
        Self {
            index,
            values,
            n_columns,
            attention,
        }
    }

    fn n_points(&self) -> usize {
        self.values.len().checked_div(self.n_columns).unwrap_or(0)
    }

    fn shape(&self) -> [usize; 2] {
        [self.n_points(), self.n_columns]
    }

    /// Computes distances, and diagrams up to a homology dimension.
    fn topology(&self, spec: &InspectSpec, max_homology_dim: usize) -> Result<RowTopology<f64>> {
        let mut pipeline = Pipeline::new(max_homology_dim, f64::INFINITY)?;
        pipeline.rows(&self.values, self.shape(), spec.distance)
    }

    /// Returns the births and deaths of the finite bars, by homology dimension.
    pub(super) fn points(&self, spec: &InspectSpec) -> Result<Vec<Vec<Point>>> {
        let mut pipeline = Pipeline::new(spec.max_homology_dim, f64::INFINITY)?;
        let topology = pipeline.row_diagrams(&self.values, self.shape(), spec.distance)?;
        Ok(topology.diagrams.iter().map(finite_points).collect())
    }

    /// Computes distances, diagrams, cycles, summaries and coordinates.
    pub(super) fn analyze(self, spec: &InspectSpec) -> Result<MatrixData> {
        let n = self.n_points();
        let RowTopology {
            diagrams,
            distances,
            ..
        } = self.topology(spec, spec.max_homology_dim)?;
        let matrix = DistanceMatrix::from_symmetric(&distances, n);
        let cycles = diagrams.get(1).map_or_else(Vec::new, |diagram| {
            // Every bar of dimension 1 has a birth edge, so that cycles and bars have the same indices.
            let births = diagram.bars.iter().filter_map(|bar| bar.birth_edge);
            births
                .map(|birth| representative_cycle(&matrix, birth))
                .collect()
        });
        // The attention metric uses single weights, and its rows need not be whole distributions.
        let is_distribution =
            spec.source != Source::Hidden && spec.distance.metric != RowMetric::Attention;
        let rows = self.values.chunks_exact(self.n_columns.max(1));
        let entropies = rows.map(|row| row_entropy(row) / uniform_entropy(row.len()));
        let entropy = is_distribution.then(|| entropies.sum::<f64>() / n as f64);
        let topology = MatrixTopology {
            index: self.index,
            cycles,
            mean_distance: matrix.mean(),
            enclosing_radius: matrix.enclosing_radius(),
            entropy,
            diagrams,
        };
        let coordinates = multidimensional_scaling(&distances, n);
        // Ends the borrow of `distances`, which is moved below.
        drop(matrix);
        Ok(MatrixData {
            topology,
            distances,
            attention: self.attention,
            coordinates,
        })
    }

    /// Returns the topology after the entries of every row have been shuffled, each row on its own.
    ///
    /// Shuffling keeps how concentrated each row is, but makes any likeness between two rows a matter of chance.
    pub(super) fn shuffled(&self, spec: &InspectSpec, draw: u64) -> Result<MatrixTopology> {
        let MatrixIndex { image, layer, head } = self.index;
        // Each matrix and each draw has a stream of its own, so results do not depend on the order of the work.
        let head = head.map_or(u64::MAX, |head| head as u64);
        let mut stream = random_stream(draw, &[image as u64, layer as u64, head]);
        let mut values = self.values.clone();
        for row in values.chunks_exact_mut(self.n_columns.max(1)) {
            row.shuffle(&mut stream);
        }
        let shuffled = Self {
            index: self.index,
            values,
            n_columns: self.n_columns,
            attention: Vec::new(),
        };
        // Only dimensions 0 and 1 are compared.
        let RowTopology {
            diagrams,
            distances,
            ..
        } = shuffled.topology(spec, spec.max_homology_dim.min(1))?;
        let matrix = DistanceMatrix::from_symmetric(&distances, self.n_points());
        Ok(MatrixTopology {
            index: self.index,
            diagrams,
            cycles: Vec::new(),
            mean_distance: matrix.mean(),
            enclosing_radius: matrix.enclosing_radius(),
            entropy: None,
        })
    }
}

fn finite_points(diagram: &Diagram<f64>) -> Vec<Point> {
    let bars = diagram.finite();
    bars.map(|bar| [bar.birth, bar.death]).collect()
}

fn normalize(row: &mut [f64]) {
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}
