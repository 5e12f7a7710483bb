//! One matrix: a layer's head, or the mean of its heads, on one picture.

use rand::seq::SliceRandom;

use super::spec::InspectSpec;
use crate::data::random_stream;
use crate::distance::{Metric, PairwiseDistances, multidimensional_scaling};
use crate::error::Result;
use crate::loss::Source;
use crate::topology::{Diagram, DistanceMatrix, Point, VietorisRips, representative_cycle};

/// Where a matrix comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The picture, counted from 0.
    pub picture: usize,
    /// The layer, as the model counts it.
    pub layer: usize,
    /// The head; `None` for the mean of all heads, or the hidden states.
    pub head: Option<usize>,
}

/// What is read of one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where it comes from.
    pub place: Place,
    /// By homology dimension.
    pub diagrams: Vec<Diagram<f64>>,
    /// For each bar of dimension 1 a cycle that it stands for, see [`representative_cycle`].
    pub cycles: Vec<Vec<u32>>,
    /// Mean distance of two different points.
    pub mean_distance: f64,
    /// Diameter from which on nothing can be born: some point is within reach of all others.
    pub enclosing_radius: f64,
    /// Mean entropy of the rows over that of uniform ones; `None` where they are no distributions.
    pub entropy: Option<f64>,
}

/// An item and the matrices that it was read from.
pub(super) struct WholeItem {
    pub(super) item: Item,
    /// `[n_points, n_points]`
    pub(super) distances: Vec<f64>,
    /// `[n_tokens, n_tokens]`, of the tokens that are no points too; empty for hidden states.
    pub(super) attention: Vec<f32>,
    /// In three dimensions, and the share of the variance each holds.
    pub(super) coordinates: (Vec<[f64; 3]>, [f64; 3]),
}

impl Item {
    /// Births and deaths of a dimension, without the essential bars.
    pub fn points(&self, homology_dim: usize) -> Vec<Point> {
        finite_points(&self.diagrams[homology_dim])
    }

    /// Classes alive at a diameter: born up to it and not dead. In dimension 0 points that lie on each
    /// other are one class, at the diameter 0 already.
    pub fn betti(&self, homology_dim: usize, diameter: f64) -> usize {
        let bars = self.diagrams[homology_dim].bars.iter();
        bars.filter(|bar| bar.birth <= diameter && diameter < bar.death)
            .count()
    }
}

/// The rows of one matrix and what stands beside them.
pub(super) struct Rows {
    pub(super) place: Place,
    /// `[n_points, n_columns]`
    pub(super) values: Vec<f64>,
    pub(super) n_columns: usize,
    pub(super) attention: Vec<f32>,
}

impl Rows {
    /// The rows of attention or of hidden states, which rounding may have left short of one.
    pub(super) fn new(
        place: Place,
        values: &[f32],
        n_columns: usize,
        attention: Vec<f32>,
        source: Source,
    ) -> Self {
        let mut values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
        for row in values.chunks_exact_mut(n_columns.max(1)) {
            match source {
                Source::Hidden => {}
                Source::Attention => normalize(row),
                Source::DoubleSoftmax => {
                    normalize(row);
                    // Entries lie in [0, 1]: no largest one need be taken out first.
                    row.iter_mut().for_each(|x| *x = x.exp());
                    normalize(row);
                }
            }
        }
        Self {
            place,
            values,
            n_columns,
            attention,
        }
    }

    fn n_points(&self) -> usize {
        self.values.len().checked_div(self.n_columns).unwrap_or(0)
    }

    fn distances(&self, spec: &InspectSpec) -> Vec<f64> {
        let mut distances = vec![0.0; self.n_points().pow(2)];
        PairwiseDistances::default().compute(
            spec.distance,
            &self.values,
            self.n_columns,
            &mut distances,
        );
        distances
    }

    /// Births and deaths by dimension, without the essential bars.
    pub(super) fn points(&self, spec: &InspectSpec) -> Result<Vec<Vec<Point>>> {
        let distances = self.distances(spec);
        let matrix = DistanceMatrix::new(&distances, self.n_points())?;
        let diagrams = VietorisRips::new(spec.max_homology_dim)?.diagrams(&matrix)?;
        Ok(diagrams.iter().map(finite_points).collect())
    }

    /// All there is to read.
    pub(super) fn read(self, spec: &InspectSpec) -> Result<WholeItem> {
        let n = self.n_points();
        let distances = self.distances(spec);
        let matrix = DistanceMatrix::new(&distances, n)?;
        let diagrams = VietorisRips::new(spec.max_homology_dim)?.diagrams(&matrix)?;
        let cycles = diagrams.get(1).map_or_else(Vec::new, |diagram| {
            let births = diagram.bars.iter().filter_map(|bar| bar.birth_edge);
            births
                .map(|birth| representative_cycle(&matrix, birth))
                .collect()
        });
        let is_distribution =
            spec.source != Source::Hidden && spec.distance.metric != Metric::Attention;
        let rows = self.values.chunks_exact(self.n_columns.max(1));
        let entropies = rows.map(|row| {
            let sum: f64 = row.iter().filter(|x| **x > 0.0).map(|x| -x * x.ln()).sum();
            sum / (row.len() as f64).ln().max(f64::MIN_POSITIVE)
        });
        let entropy = is_distribution.then(|| entropies.sum::<f64>() / n as f64);
        let item = Item {
            place: self.place,
            cycles,
            mean_distance: matrix.mean(),
            enclosing_radius: matrix.enclosing_radius(),
            entropy,
            diagrams,
        };
        let coordinates = multidimensional_scaling(&distances, n);
        drop(matrix);
        Ok(WholeItem {
            item,
            distances,
            attention: self.attention,
            coordinates,
        })
    }

    /// The diagrams of the rows, the entries of each shuffled by itself: as concentrated as before, and
    /// no token like another but by chance.
    pub(super) fn shuffled(&self, spec: &InspectSpec, draw: u64) -> Result<Item> {
        let Place {
            picture,
            layer,
            head,
        } = self.place;
        let head = head.map_or(u64::MAX, |head| head as u64);
        let mut stream = random_stream(draw, &[picture as u64, layer as u64, head]);
        let mut values = self.values.clone();
        for row in values.chunks_exact_mut(self.n_columns.max(1)) {
            row.shuffle(&mut stream);
        }
        let shuffled = Self {
            place: self.place,
            values,
            n_columns: self.n_columns,
            attention: Vec::new(),
        };
        let distances = shuffled.distances(spec);
        let matrix = DistanceMatrix::new(&distances, self.n_points())?;
        // Higher dimensions are not compared.
        let dim = spec.max_homology_dim.min(1);
        Ok(Item {
            place: self.place,
            diagrams: VietorisRips::new(dim)?.diagrams(&matrix)?,
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
