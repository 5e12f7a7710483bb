//! Pipeline from rows to distances to persistence diagrams, on the host.

use std::ops::RangeInclusive;
use std::time::Instant;

use super::item::PersistenceTiming;
use crate::distance::{DistanceElement, PairwiseDistances, RowDistance, RowMetric};
use crate::error::{Error, Result};
use crate::topology::{Diagram, DistanceMatrix, MAX_BOUNDED_POINTS, MAX_POINTS, VietorisRips};

/// Pipeline from the rows of one item to its distances and diagrams.
///
/// It has buffers that one thread reuses from item to item. A clone has buffers of its own.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline<T: DistanceElement> {
    max_homology_dim: usize,
    rips: VietorisRips<T>,
    pairwise: PairwiseDistances<T>,
    /// Rows of the sample by which it is decided whether bounds of the distances help.
    sample: Vec<T>,
}

/// Numbers of points for which bounds of the distances may help in dimension 1; below, all distances cost too little.
const BOUNDED_POINTS: RangeInclusive<usize> = 192..=MAX_BOUNDED_POINTS;

/// Fewest columns for which bounds cost less than the distances.
const MIN_BOUNDED_COLUMNS: usize = 128;

/// Number of rows in the sample.
const N_SAMPLED: usize = 48;

/// Largest fraction of the pairs of the sample whose distances may be needed; above, all distances cost less.
const MAX_NEEDED: f64 = 0.11;

/// Diagrams of one item, and its distances where all were needed for them.
#[derive(Debug)]
pub(crate) struct RowDiagrams<T> {
    /// Persistence diagrams by homology dimension.
    pub(crate) diagrams: Vec<Diagram<f64>>,
    /// Distances between all points, row-major; `None` if only some of them were computed.
    pub(crate) distances: Option<Vec<T>>,
    pub(crate) timing: PersistenceTiming,
}

/// Distances and diagrams of one item.
#[derive(Debug)]
pub(crate) struct RowTopology<T> {
    /// Persistence diagrams by homology dimension.
    pub(crate) diagrams: Vec<Diagram<f64>>,
    /// Distances between all points, row-major.
    pub(crate) distances: Vec<T>,
    pub(crate) timing: PersistenceTiming,
}

impl<T: DistanceElement> Pipeline<T> {
    /// Creates a pipeline for the homology dimensions `0..=max_homology_dim`, with empty buffers.
    ///
    /// The filtration ends at the diameter `threshold`; infinity for no limit.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the dimension is too large, or the
    /// threshold is negative or NaN.
    pub(crate) fn new(max_homology_dim: usize, threshold: f64) -> Result<Self> {
        let rips = VietorisRips::new(max_homology_dim)?;
        Ok(Self {
            max_homology_dim,
            rips: rips.with_threshold(T::from_f64_nearest(threshold))?,
            pairwise: PairwiseDistances::default(),
            sample: Vec::new(),
        })
    }

    /// Sets the memory for the simplices of one dimension, in bytes.
    // Only the command `persistence` has an option for it.
    #[cfg(feature = "cli")]
    pub(crate) fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.rips = self.rips.with_memory_limit(bytes);
        self
    }

    /// Computes the distances between rows, `[n_points, n_columns]`, and their diagrams.
    ///
    /// Rows without columns are all equal. It is not checked that distributions sum to one.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distribution`] if an entry is not finite; if an entry is negative, for metrics
    /// other than Euclidean and cosine; if the rows for [`RowMetric::Attention`] are not a square matrix; if
    /// there are more than [`MAX_POINTS`] points.
    pub(crate) fn rows(
        &mut self,
        rows: &[T],
        [n_points, n_columns]: [usize; 2],
        distance: RowDistance,
    ) -> Result<RowTopology<T>> {
        check_rows(rows, [n_points, n_columns], distance.metric)?;
        self.diagrams_of_all(rows, [n_points, n_columns], distance)
    }

    /// Computes all distances between rows that are valid, and their diagrams.
    fn diagrams_of_all(
        &mut self,
        rows: &[T],
        [n_points, n_columns]: [usize; 2],
        distance: RowDistance,
    ) -> Result<RowTopology<T>> {
        let started = Instant::now();
        let mut distances = vec![T::zero(); n_points * n_points];
        if n_columns > 0 {
            self.pairwise
                .compute(distance, rows, n_columns, &mut distances);
        }
        let distance_time = started.elapsed();
        let matrix = DistanceMatrix::from_symmetric(&distances, n_points);
        let diagrams = self.distances(&matrix)?;
        Ok(RowTopology {
            diagrams,
            distances,
            timing: PersistenceTiming {
                distances: distance_time,
                persistence: started.elapsed() - distance_time,
            },
        })
    }

    /// Computes the diagrams of rows, as [`rows`](Self::rows) does, but not all distances if only some are needed.
    ///
    /// # Errors
    ///
    /// As [`rows`](Self::rows).
    pub(crate) fn row_diagrams(
        &mut self,
        rows: &[T],
        [n_points, n_columns]: [usize; 2],
        distance: RowDistance,
    ) -> Result<RowDiagrams<T>> {
        check_rows(rows, [n_points, n_columns], distance.metric)?;
        if let Some(diagrams) = self.diagrams_of_some(rows, [n_points, n_columns], distance)? {
            return Ok(diagrams);
        }
        let topology = self.diagrams_of_all(rows, [n_points, n_columns], distance)?;
        Ok(RowDiagrams {
            diagrams: topology.diagrams,
            distances: Some(topology.distances),
            timing: topology.timing,
        })
    }

    /// Computes the diagrams of valid rows from some of the distances; `None` where computing all of them is faster.
    fn diagrams_of_some(
        &mut self,
        rows: &[T],
        [n_points, n_columns]: [usize; 2],
        distance: RowDistance,
    ) -> Result<Option<RowDiagrams<T>>> {
        let started = Instant::now();
        let has_bounds = distance == RowDistance::JENSEN_SHANNON
            && BOUNDED_POINTS.contains(&n_points)
            && n_columns >= MIN_BOUNDED_COLUMNS;
        let lengths = if self.max_homology_dim == 0 && n_columns > 0 {
            self.pairwise.spanning_edges(distance, rows, n_columns)
        } else if self.max_homology_dim == 1
            && has_bounds
            && self.has_structure(rows, [n_points, n_columns])
        {
            // Bounds of all distances tell which of them the diagrams depend on.
            let bounds = self.pairwise.jensen_shannon_bounds(rows, n_columns);
            let edges = bounds.map(|bounds| self.rips.undominated_edges(n_points, bounds));
            edges.map(|edges| {
                self.pairwise
                    .jensen_shannon_edges(distance, rows, n_columns, edges)
            })
        } else {
            None
        };
        let Some(lengths) = lengths else {
            return Ok(None);
        };
        let distance_time = started.elapsed();
        let diagrams = if self.max_homology_dim == 0 {
            vec![self.rips.component_diagram(n_points, lengths)]
        } else {
            self.rips.bounded_diagrams(n_points, lengths)?
        };
        Ok(Some(RowDiagrams {
            diagrams: diagrams.iter().map(Diagram::to_f64).collect(),
            distances: None,
            timing: PersistenceTiming {
                distances: distance_time,
                persistence: started.elapsed() - distance_time,
            },
        }))
    }

    /// True if the diagrams of some of the rows depend on few of their distances.
    ///
    /// Costs about a twentieth of all distances of 200 points, which is what rows without structure lose.
    fn has_structure(&mut self, rows: &[T], [n_points, n_columns]: [usize; 2]) -> bool {
        self.sample.clear();
        for k in 0..N_SAMPLED {
            // One row of each of as many equal ranges, at a place that follows no pattern of the rows.
            let mixed = (k as u32 + 1).wrapping_mul(0x9E37_79B9) ^ 0x5BD1_E995;
            let place = f64::from(mixed.wrapping_mul(0x85EB_CA6B)) / f64::from(u32::MAX);
            let row = ((k as f64 + place) * n_points as f64 / N_SAMPLED as f64) as usize;
            let start = row.min(n_points - 1) * n_columns;
            self.sample
                .extend_from_slice(&rows[start..start + n_columns]);
        }
        let bounds = self.pairwise.jensen_shannon_bounds(&self.sample, n_columns);
        let needed = bounds.map(|bounds| self.rips.undominated_edges(N_SAMPLED, bounds));
        let limit = MAX_NEEDED * (N_SAMPLED * (N_SAMPLED - 1) / 2) as f64;
        needed.is_some_and(|edges| edges.len() as f64 <= limit)
    }

    /// Computes the diagrams of a distance matrix.
    pub(crate) fn distances(
        &mut self,
        distances: &DistanceMatrix<'_, T>,
    ) -> Result<Vec<Diagram<f64>>> {
        let diagrams = self.rips.diagrams(distances)?;
        Ok(diagrams.iter().map(Diagram::to_f64).collect())
    }
}

/// Checks that the metric can compare the rows.
fn check_rows<T: DistanceElement>(
    rows: &[T],
    [n_points, n_columns]: [usize; 2],
    metric: RowMetric,
) -> Result<()> {
    if n_points > MAX_POINTS {
        return Err(Error::invalid_distribution(format!(
            "{n_points} rows were passed, expected at most {MAX_POINTS}"
        )));
    }
    if metric == RowMetric::Attention && n_points != n_columns {
        return Err(Error::invalid_distribution(format!(
            "attention has {n_points} rows and {n_columns} columns, expected a square matrix, whose \
             entries give the distances"
        )));
    }
    let (lowest, expected) = match metric {
        RowMetric::Cosine | RowMetric::Euclidean => (T::neg_infinity(), "a finite number"),
        _ => (T::zero(), "a probability"),
    };
    let is_valid = |x: &T| x.is_finite() & (*x >= lowest);
    // Without an early exit, so that the compiler can vectorise the loop.
    if rows.iter().fold(true, |all, x| all & is_valid(x)) {
        return Ok(());
    }
    // The fold has found an invalid entry, so there is a position.
    let bad = rows.iter().position(|x| !is_valid(x)).unwrap_or_default();
    Err(Error::invalid_distribution(format!(
        "row {} has the entry {} at column {}, expected {expected}",
        bad / n_columns,
        rows[bad],
        bad % n_columns
    )))
}

#[cfg(test)]
mod tests;
