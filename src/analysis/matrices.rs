//! Persistence of matrices that come from files.

use rayon::prelude::*;

use crate::data::{Matrices, MatrixValues};
use crate::distance::{DistanceElement, Metric, PairwiseDistances, RowDistance};
use crate::topology::{Diagram, DistanceMatrix, VietorisRips};

/// What the rows of a matrix are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatrixInput {
    /// Distances between points.
    Distances,
    /// Distributions, as the rows of attention: their Jensen-Shannon distances are taken.
    Attention,
    /// Points: their Euclidean distances are taken.
    Points,
}

/// How the persistence of matrices is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatrixPersistence {
    /// What the rows are.
    pub input: MatrixInput,
    /// Largest homology dimension.
    pub max_homology_dim: usize,
    /// Largest diameter that enters; `inf` for all.
    pub threshold: f64,
}

/// Matrices between two reports of progress, for each thread.
const MATRICES_PER_REPORT: usize = 8;

impl MatrixPersistence {
    /// Diagrams by matrix and homology dimension, each in the precision of the file; `progress` is
    /// told how many matrices are done.
    ///
    /// # Errors
    ///
    /// A sentence that names the first matrix that is not what it should be.
    pub fn diagrams(
        self,
        matrices: &Matrices,
        progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<Diagram<f64>>>, String> {
        match &matrices.values {
            MatrixValues::F32(values) => self.diagrams_of(values, matrices, progress),
            MatrixValues::F64(values) => self.diagrams_of(values, matrices, progress),
        }
    }

    fn diagrams_of<T: DistanceElement>(
        self,
        values: &[T],
        matrices: &Matrices,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<Diagram<f64>>>, String> {
        let [n_matrices, n_rows, n_columns] = matrices.shape;
        let rips = VietorisRips::new(self.max_homology_dim)
            .and_then(|rips| rips.with_threshold(T::from_f64_nearest(self.threshold)))
            .map_err(|e| e.to_string())?;
        let matrix = |k: usize| &values[k * n_rows * n_columns..][..n_rows * n_columns];
        let at_once = MATRICES_PER_REPORT * rayon::current_num_threads();
        let mut found = Vec::with_capacity(n_matrices);
        while found.len() < n_matrices {
            let end = n_matrices.min(found.len() + at_once);
            let batch: Vec<Result<_, String>> = (found.len()..end)
                .into_par_iter()
                .map_init(
                    || (rips.clone(), PairwiseDistances::default()),
                    |(rips, pairwise), k| {
                        let diagrams = self.of_one(matrix(k), [n_rows, n_columns], rips, pairwise);
                        let within = |e: String| {
                            if matrices.is_stack {
                                format!("matrix {k}: {e}")
                            } else {
                                e
                            }
                        };
                        diagrams.map_err(within)
                    },
                )
                .collect();
            for diagrams in batch {
                found.push(diagrams?);
            }
            progress(found.len());
        }
        Ok(found)
    }

    fn of_one<T: DistanceElement>(
        self,
        values: &[T],
        [n_rows, n_columns]: [usize; 2],
        rips: &mut VietorisRips<T>,
        pairwise: &mut PairwiseDistances<T>,
    ) -> Result<Vec<Diagram<f64>>, String> {
        let metric = match self.input {
            MatrixInput::Distances if n_rows != n_columns => {
                return Err(format!(
                    "the matrix has {n_rows} rows and {n_columns} columns, expected a square one of \
                     distances; --input attention or points takes others"
                ));
            }
            MatrixInput::Distances => {
                let matrix = DistanceMatrix::new(values, n_rows).map_err(|e| e.to_string())?;
                return of_distances(rips, &matrix);
            }
            MatrixInput::Attention => Metric::JensenShannon,
            MatrixInput::Points => Metric::Euclidean,
        };
        let rows = match self.input {
            MatrixInput::Attention => distributions(values, n_columns)?,
            _ => points(values, n_columns)?,
        };
        let mut distances = vec![T::zero(); n_rows * n_rows];
        let distance = RowDistance {
            metric,
            exponent: 1.0,
        };
        if n_columns > 0 {
            pairwise.compute(distance, &rows, n_columns, &mut distances);
        }
        let matrix = DistanceMatrix::new(&distances, n_rows).map_err(|e| e.to_string())?;
        of_distances(rips, &matrix)
    }
}

fn of_distances<T: DistanceElement>(
    rips: &mut VietorisRips<T>,
    matrix: &DistanceMatrix<'_, T>,
) -> Result<Vec<Diagram<f64>>, String> {
    let diagrams = rips.diagrams(matrix).map_err(|e| e.to_string())?;
    Ok(diagrams.iter().map(Diagram::to_f64).collect())
}

/// The rows, made to sum to one.
fn distributions<T: DistanceElement>(values: &[T], n_columns: usize) -> Result<Vec<T>, String> {
    // What rounding alone can do to a sum in this precision.
    let tolerance = if size_of::<T>() == 4 { 1e-4 } else { 1e-9 };
    let mut rows = Vec::with_capacity(values.len());
    for (index, row) in values.chunks(n_columns.max(1)).enumerate() {
        if let Some(column) = row.iter().position(|x| !(x.is_finite() && *x >= T::zero())) {
            return Err(format!(
                "row {index} has the entry {} at column {column}, expected a probability",
                row[column]
            ));
        }
        let sum: f64 = row.iter().map(|x| x.to_f64_exact()).sum();
        if (sum - 1.0).abs() > tolerance {
            return Err(format!(
                "row {index} sums to {sum:.6}, expected 1 within {tolerance:.0e}: attention after \
                 softmax and before dropout"
            ));
        }
        rows.extend(
            row.iter()
                .map(|x| T::from_f64_nearest(x.to_f64_exact() / sum)),
        );
    }
    Ok(rows)
}

fn points<T: DistanceElement>(values: &[T], n_columns: usize) -> Result<Vec<T>, String> {
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(values.to_vec()),
        Some(bad) => Err(format!(
            "point {} has the coordinate {} at column {}, expected a finite number",
            bad / n_columns,
            values[bad],
            bad % n_columns
        )),
    }
}
