//! Persistence of matrices from files.

use super::batched::in_batches;
use crate::counted::counted;
use crate::data::{Matrices, MatrixValues};
use crate::distance::{DistanceElement, RowDistance, RowMetric};
use crate::error::{Error, Result};
use crate::nn::Pipeline;
use crate::topology::{Diagram, DistanceMatrix};

/// Meaning of the rows of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatrixInput {
    /// Distances between points.
    Distances,
    /// Probability distributions, such as attention rows; compared by the Jensen-Shannon distance.
    Attention,
    /// Coordinates of points; compared by the Euclidean distance.
    Points,
}

/// Settings for the persistence of matrices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatrixPersistence {
    /// Meaning of the rows.
    pub input: MatrixInput,
    /// Largest homology dimension.
    pub max_homology_dim: usize,
    /// Largest diameter of the filtration; `inf` for no limit.
    pub threshold: f64,
    /// Memory for the simplices of one dimension above 1, in bytes; `None` for 4 GiB.
    pub memory_limit: Option<u64>,
}

/// Number of matrices for each thread between two calls of `progress`.
const MATRICES_PER_REPORT: usize = 8;

impl MatrixPersistence {
    /// Computes the diagrams by matrix and homology dimension, in the precision of the file. `progress` is called with
    /// the number of matrices done.
    ///
    /// # Errors
    ///
    /// For the first matrix that does not fit the settings: [`Error::is_invalid_distances`],
    /// [`Error::is_invalid_distribution`] or, for points that are not finite, [`Error::is_invalid_parameter`].
    pub fn diagrams(
        self,
        matrices: &Matrices,
        progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<Diagram<f64>>>> {
        match &matrices.values {
            MatrixValues::F32(values) => self.typed_diagrams(values, matrices, progress),
            MatrixValues::F64(values) => self.typed_diagrams(values, matrices, progress),
        }
    }

    /// [`Self::diagrams`] for one element type.
    fn typed_diagrams<T: DistanceElement>(
        self,
        values: &[T],
        matrices: &Matrices,
        progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<Diagram<f64>>>> {
        let [n_matrices, n_rows, n_columns] = matrices.shape;
        let mut pipeline = Pipeline::new(self.max_homology_dim, self.threshold)?;
        if let Some(bytes) = self.memory_limit {
            pipeline = pipeline.with_memory_limit(bytes);
        }
        let matrix = |k: usize| &values[k * n_rows * n_columns..][..n_rows * n_columns];
        let diagrams = |pipeline: &mut _, k| {
            let diagrams = self.matrix_diagrams(matrix(k), [n_rows, n_columns], pipeline);
            diagrams.map_err(|error| {
                if matrices.is_stack {
                    error.within(format_args!("matrix {k}"))
                } else {
                    error
                }
            })
        };
        in_batches(
            n_matrices,
            MATRICES_PER_REPORT,
            &pipeline,
            diagrams,
            progress,
        )
    }

    /// Returns the diagrams of one matrix.
    fn matrix_diagrams<T: DistanceElement>(
        self,
        values: &[T],
        [n_rows, n_columns]: [usize; 2],
        pipeline: &mut Pipeline<T>,
    ) -> Result<Vec<Diagram<f64>>> {
        let metric = match self.input {
            MatrixInput::Distances if n_rows != n_columns => {
                return Err(Error::invalid_distances(format!(
                    "the matrix has {} and {}, expected a square distance matrix; use --input attention or --input \
                     points for other matrices",
                    counted(n_rows, "row"),
                    counted(n_columns, "column")
                )));
            }
            MatrixInput::Distances => {
                return pipeline.distances(&DistanceMatrix::new(values, n_rows)?);
            }
            MatrixInput::Attention => RowMetric::JensenShannon,
            MatrixInput::Points => RowMetric::Euclidean,
        };
        let rows = match self.input {
            MatrixInput::Attention => distributions(values, n_columns)?,
            _ => points(values, n_columns)?,
        };
        let distance = RowDistance {
            metric,
            exponent: 1.0,
        };
        let topology = pipeline.row_diagrams(&rows, [n_rows, n_columns], distance)?;
        Ok(topology.diagrams)
    }
}

/// Checks that the rows are distributions and divides each by its sum.
fn distributions<T: DistanceElement>(values: &[T], n_columns: usize) -> Result<Vec<T>> {
    // Largest error of a sum that rounding can cause in this precision.
    let tolerance = if size_of::<T>() == 4 { 1e-4 } else { 1e-9 };
    let mut rows = Vec::with_capacity(values.len());
    for (index, row) in values.chunks(n_columns.max(1)).enumerate() {
        if let Some(column) = row.iter().position(|x| !(x.is_finite() && *x >= T::zero())) {
            return Err(Error::invalid_distribution(format!(
                "row {index} has the entry {} at column {column}, expected a probability",
                row[column]
            )));
        }
        let sum: f64 = row.iter().map(|x| x.to_f64_exact()).sum();
        if (sum - 1.0).abs() > tolerance {
            return Err(Error::invalid_distribution(format!(
                "row {index} sums to {sum:.6}, expected 1 within {tolerance:.0e}: attention after \
                 softmax and before dropout"
            )));
        }
        rows.extend(
            row.iter()
                .map(|x| T::from_f64_nearest(x.to_f64_exact() / sum)),
        );
    }
    Ok(rows)
}

/// Checks that all coordinates are finite.
fn points<T: DistanceElement>(values: &[T], n_columns: usize) -> Result<Vec<T>> {
    match values.iter().position(|x| !x.is_finite()) {
        // A bad entry is in some column, so the divisions below are not by 0.
        None => Ok(values.to_vec()),
        Some(bad) => Err(Error::invalid_parameter(format!(
            "point {} has the coordinate {} at column {}, expected a finite number",
            bad / n_columns,
            values[bad],
            bad % n_columns
        ))),
    }
}
