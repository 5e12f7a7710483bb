//! Topology of one matrix: one head of a layer, or the mean of its heads, on one image.

use rand::seq::SliceRandom;

use super::diagram_metric::{DiagramMetric, compared_kinds};
use super::spec::InspectSpec;
use crate::data::random_stream;
use crate::distance::{DistanceElement, RowMetric};
use crate::error::Result;
use crate::loss::Source;
use crate::nn::{Pipeline, RowTopology, row_entropy, uniform_entropy};
use crate::topology::{Diagram, DistanceMatrix, Point};

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
    /// Mean distance between two different points.
    pub mean_distance: f64,
    /// Smallest diameter at which one point is connected to all others; nothing is born beyond it.
    pub enclosing_radius: f64,
    /// Mean entropy of the rows, divided by the entropy of a uniform row; `None` if rows are not distributions.
    pub entropy: Option<f64>,
}

/// Distances between the diagram of a matrix and those of its shuffled copies, for one metric and homology dimension.
///
/// In a shuffled copy the entries of every row are shuffled, each row on its own. This keeps how concentrated each row
/// is, but makes any likeness between two rows a matter of chance.
#[derive(Debug, Clone, PartialEq)]
pub struct ShuffledDistances {
    /// Distance between two diagrams.
    pub metric: DiagramMetric,
    /// Homology dimension of the diagrams.
    pub homology_dim: usize,
    /// One distance for each shuffled copy.
    pub values: Vec<f64>,
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
pub(super) struct MatrixRows<T> {
    /// Image, layer and head of the rows.
    index: MatrixIndex,
    /// Rows of attention or hidden states, `[n_points, n_columns]`.
    values: Vec<T>,
    /// Length of a row.
    n_columns: usize,
}

/// Topology of a matrix, and its distances.
pub(super) struct MatrixData<T> {
    /// Diagrams and summaries.
    pub(super) topology: MatrixTopology,
    /// Distances between points, `[n_points, n_points]`.
    pub(super) distances: Vec<T>,
}

impl<T: DistanceElement> MatrixRows<T> {
    /// Converts rows to the precision of the analysis and, for attention, makes each row sum to one.
    pub(super) fn new(
        index: MatrixIndex,
        values: &[f32],
        n_columns: usize,
        source: Source,
    ) -> Self {
        let mut converted = Vec::with_capacity(values.len());
        let mut row = Vec::with_capacity(n_columns);
        for values in values.chunks_exact(n_columns.max(1)) {
            row.clear();
            row.extend(values.iter().map(|&x| f64::from(x)));
            match source {
                Source::Hidden => {}
                // In single precision the sums are off by rounding.
                Source::Attention => normalize(&mut row),
                Source::DoubleSoftmax => {
                    normalize(&mut row);
                    // Entries lie in [0, 1], so `exp` cannot overflow without subtracting the largest.
                    row.iter_mut().for_each(|x| *x = x.exp());
                    normalize(&mut row);
                }
            }
            converted.extend(row.iter().map(|&x| T::from_f64_nearest(x)));
        }
        Self {
            index,
            values: converted,
            n_columns,
        }
    }

    fn n_points(&self) -> usize {
        self.values.len().checked_div(self.n_columns).unwrap_or(0)
    }

    fn shape(&self) -> [usize; 2] {
        [self.n_points(), self.n_columns]
    }

    /// Computes diagrams up to a homology dimension.
    fn diagrams(&self, spec: &InspectSpec, max_homology_dim: usize) -> Result<Vec<Diagram<f64>>> {
        let mut pipeline = Pipeline::new(max_homology_dim, f64::INFINITY)?;
        let topology = pipeline.row_diagrams(&self.values, self.shape(), spec.distance)?;
        Ok(topology.diagrams)
    }

    /// Returns the births and deaths of the finite bars, by homology dimension.
    pub(super) fn points(&self, spec: &InspectSpec) -> Result<Vec<Vec<Point>>> {
        let diagrams = self.diagrams(spec, spec.max_homology_dim)?;
        Ok(diagrams.iter().map(finite_points).collect())
    }

    /// Computes distances, diagrams and summaries.
    pub(super) fn analyze(&self, spec: &InspectSpec) -> Result<MatrixData<T>> {
        let mut pipeline = Pipeline::new(spec.max_homology_dim, f64::INFINITY)?;
        let RowTopology {
            diagrams,
            distances,
            ..
        } = pipeline.rows(&self.values, self.shape(), spec.distance)?;
        let matrix = DistanceMatrix::from_symmetric(&distances, self.n_points());
        let (mean_distance, enclosing_radius) = (matrix.mean(), matrix.enclosing_radius());
        // The attention metric uses single weights, and its rows need not be whole distributions.
        let is_distribution =
            spec.source != Source::Hidden && spec.distance.metric != RowMetric::Attention;
        let rows = self.values.chunks_exact(self.n_columns.max(1));
        let entropies = rows.map(|row| row_entropy(row) / uniform_entropy(row.len()));
        let entropy = is_distribution.then(|| entropies.sum::<f64>() / self.n_points() as f64);
        Ok(MatrixData {
            topology: MatrixTopology {
                index: self.index,
                diagrams,
                mean_distance,
                enclosing_radius: enclosing_radius.to_f64_exact(),
                entropy,
            },
            distances,
        })
    }

    /// Returns the distances between the diagrams of these rows and those of a shuffled copy, in the order of
    /// [`compared_kinds`].
    pub(super) fn distances_to_shuffled(
        &self,
        spec: &InspectSpec,
        draw: u64,
        original: &MatrixTopology,
    ) -> Result<Vec<f64>> {
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
        };
        // Only dimensions 0 and 1 are compared.
        let diagrams = shuffled.diagrams(spec, spec.max_homology_dim.min(1))?;
        let kinds = compared_kinds(spec.max_homology_dim).into_iter();
        let distance = |(metric, dim): (DiagramMetric, usize)| {
            metric.distance(&original.points(dim), &finite_points(&diagrams[dim]))
        };
        kinds.map(distance).collect()
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
