//! Distance matrices, checked for shape, symmetry and invalid entries.

use std::borrow::Cow;

use crate::counted::counted;
use crate::error::{Error, Result};
use crate::real::Real;

/// Largest asymmetry or diagonal entry that counts as rounding, as a fraction of the largest finite entry.
pub const SYMMETRY_TOLERANCE: f64 = 1e-5;

/// Largest number of points of a distance matrix.
///
/// Two indices of points then fit one 32-bit word, and so does the number of edges.
pub const MAX_POINTS: usize = 32_768;

/// Symmetric `[n_points, n_points]` matrix of pairwise distances, row-major.
///
/// Entries are non-negative. Two points at distance `inf` are never joined by an edge. The triangle
/// inequality is not required.
///
/// # Example
///
/// ```
/// use burn_topology::topology::DistanceMatrix;
///
/// // A path 0 - 1 - 2 with steps of length 1: all points lie within 1 of the middle one.
/// let path = [0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0];
/// let matrix = DistanceMatrix::new(&path, 3)?;
/// assert_eq!((matrix.n_points(), matrix.get(0, 2), matrix.enclosing_radius()), (3, 2.0, 1.0));
/// assert!(DistanceMatrix::new(&[0.0, 1.0, 2.0, 0.0], 2).is_err()); // not symmetric
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DistanceMatrix<'a, T: Real> {
    values: Cow<'a, [T]>,
    n_points: usize,
}

impl<'a, T: Real> DistanceMatrix<'a, T> {
    /// Checks the entries of a square matrix and wraps them.
    ///
    /// Asymmetry of at most [`SYMMETRY_TOLERANCE`] times the largest finite entry counts as rounding: the two
    /// entries are then replaced by their mean. Diagonal entries within this tolerance become zero.
    ///
    /// # Shapes
    ///
    /// - `values`: `[n_points, n_points]`, row-major
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_distances`] if the length is not `n_points` squared, an entry is NaN or
    /// negative, or asymmetry or the diagonal exceeds the tolerance.
    ///
    /// # Cost
    ///
    /// O(n_points^2). The matrix is copied only if it has to be made symmetric.
    pub fn new(values: &'a [T], n_points: usize) -> Result<Self> {
        check_shape(values.len(), n_points)?;
        // The usual case, in one fast pass; the slow one below finds what to report or to repair.
        if is_exact(values, n_points) {
            return Ok(Self::from_symmetric(values, n_points));
        }
        let tolerance = check_entries(values, n_points)? * SYMMETRY_TOLERANCE;
        for i in 0..n_points {
            let diagonal = values[i * n_points + i];
            if diagonal.to_f64_exact() > tolerance {
                return Err(Error::invalid_distances(format!(
                    "distance matrix has d({i}, {i}) = {diagonal} on its diagonal, expected 0"
                )));
            }
            for j in i + 1..n_points {
                let (upper, lower) = (values[i * n_points + j], values[j * n_points + i]);
                if upper == lower {
                    continue;
                }
                // The difference is never NaN: equal infinities were skipped above.
                if (upper - lower).abs().to_f64_exact() > tolerance {
                    return Err(Error::invalid_distances(format!(
                        "distance matrix is not symmetric: d({i}, {j}) = {upper} but d({j}, {i}) = {lower}"
                    )));
                }
            }
        }
        Ok(Self {
            values: Cow::Owned(symmetrised(values, n_points)),
            n_points,
        })
    }

    /// Wraps, without a check, a matrix that is symmetric by construction, with a zero diagonal and no NaN.
    pub(crate) fn from_symmetric(values: &'a [T], n_points: usize) -> Self {
        debug_assert_eq!(values.len(), n_points * n_points);
        Self {
            values: Cow::Borrowed(values),
            n_points,
        }
    }

    /// Number of points.
    pub fn n_points(&self) -> usize {
        self.n_points
    }

    /// Distance between points `i` and `j`.
    ///
    /// # Panics
    ///
    /// If `i` or `j` is not below `n_points`.
    pub fn get(&self, i: usize, j: usize) -> T {
        self.row(i)[j]
    }

    /// Distances from point `i` to all points, itself included.
    ///
    /// # Panics
    ///
    /// If `i` is not below `n_points`.
    pub fn row(&self, i: usize) -> &[T] {
        &self.values[i * self.n_points..(i + 1) * self.n_points]
    }

    /// Mean distance over all pairs of different points.
    ///
    /// 0 for fewer than two points; infinite if any distance is.
    pub fn mean(&self) -> f64 {
        let pairs = self.n_points * self.n_points.saturating_sub(1) / 2;
        let above = (0..self.n_points).map(|i| sum(&self.row(i)[i + 1..]));
        let sum: f64 = above.sum();
        sum / pairs.max(1) as f64
    }

    /// Enclosing radius: the smallest diameter at which one point is connected to all others.
    ///
    /// ```text
    /// enclosing radius = min over i of (max over j of d(i, j))
    /// ```
    ///
    /// From this diameter on the Vietoris-Rips complex is a cone, so nothing is born or dies above it.
    /// Infinite if every point has an infinite distance to some other; zero without points.
    pub fn enclosing_radius(&self) -> T {
        (0..self.n_points)
            .map(|i| largest(self.row(i)))
            .reduce(T::min)
            .unwrap_or_else(T::zero)
    }
}

/// Sum of numbers in `f64`.
///
/// In eight lanes, because the additions of a single running sum would wait for each other.
fn sum<T: Real>(values: &[T]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value.to_f64_exact();
        }
    }
    let rest = rest.iter().map(|value| value.to_f64_exact());
    lanes.into_iter().chain(rest).sum()
}

/// Largest of non-negative numbers; 0 without numbers.
///
/// In sixteen lanes, because the comparisons of a single running maximum would wait for each other.
fn largest<T: Real>(values: &[T]) -> T {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [T::zero(); 16];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            // Not `max`, whose rules for NaN keep the loop from being vectorised.
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(T::zero(), |most, &value| most.max(value))
}

/// Checks the number of points and the number of entries.
fn check_shape(len: usize, n_points: usize) -> Result<()> {
    if n_points > MAX_POINTS {
        return Err(Error::invalid_distances(format!(
            "distance matrix has {n_points} points, expected at most {MAX_POINTS}"
        )));
    }
    if len != n_points * n_points {
        return Err(Error::invalid_distances(format!(
            "distance matrix of {} has {}, expected {}",
            counted(n_points, "point"),
            counted(len, "entry"),
            n_points * n_points
        )));
    }
    Ok(())
}

/// Side of the square tiles in which a matrix is compared with its transpose.
///
/// Two tiles stay in the first-level cache; comparing whole rows with columns would miss it at every entry.
const TILE: usize = 16;

/// True if the matrix is symmetric, with a zero diagonal and without NaN or negative entries.
fn is_exact<T: Real>(values: &[T], n_points: usize) -> bool {
    // Negative entries and NaN fail the comparison. No early return within a chunk, so that the loop is
    // vectorised.
    let all_valid = |row: &[T]| row.iter().fold(true, |all, &x| all & (x >= T::zero()));
    let starts = || (0..n_points).step_by(TILE);
    values.chunks(TILE * TILE).all(all_valid)
        && (0..n_points).all(|i| values[i * n_points + i] == T::zero())
        && starts().all(|rows| {
            starts()
                .take_while(|&columns| columns <= rows)
                .all(|columns| is_symmetric_tile(values, n_points, [rows, columns]))
        })
}

/// True if the tile that begins at `[rows, columns]` is the transpose of the tile at `[columns, rows]`.
fn is_symmetric_tile<T: Real>(values: &[T], n_points: usize, [rows, columns]: [usize; 2]) -> bool {
    let side = |start: usize| TILE.min(n_points - start);
    let mut mirror = [[T::zero(); TILE]; TILE];
    for (k, line) in mirror[..side(columns)].iter_mut().enumerate() {
        let start = (columns + k) * n_points + rows;
        line[..side(rows)].copy_from_slice(&values[start..][..side(rows)]);
    }
    let mut equal = true;
    for i in 0..side(rows) {
        let row = &values[(rows + i) * n_points + columns..][..side(columns)];
        for (upper, line) in row.iter().zip(&mirror) {
            equal &= *upper == line[i];
        }
    }
    equal
}

/// Checks for NaN and negative entries, and returns the largest finite entry.
fn check_entries<T: Real>(values: &[T], n_points: usize) -> Result<f64> {
    let mut largest = T::zero();
    for (index, &value) in values.iter().enumerate() {
        if value.is_nan() || value < T::zero() {
            let (i, j) = (index / n_points, index % n_points);
            let problem = if value.is_nan() {
                "a NaN".to_string()
            } else {
                format!("the negative entry {value}")
            };
            return Err(Error::invalid_distances(format!(
                "distance matrix has {problem} at ({i}, {j}), expected distances of at least 0"
            )));
        }
        if value.is_finite() {
            largest = largest.max(value);
        }
    }
    Ok(largest.to_f64_exact())
}

/// Copy of a matrix with a zero diagonal, and each pair of mirrored entries replaced by its mean.
fn symmetrised<T: Real>(values: &[T], n_points: usize) -> Vec<T> {
    let half = T::from_f64_nearest(0.5);
    let mut out = values.to_vec();
    for i in 0..n_points {
        out[i * n_points + i] = T::zero();
        for j in i + 1..n_points {
            let (upper, lower) = (values[i * n_points + j], values[j * n_points + i]);
            if upper != lower {
                // Halved before they are added, so that the sum does not overflow.
                let mean = upper * half + lower * half;
                out[i * n_points + j] = mean;
                out[j * n_points + i] = mean;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(values: &[f64], n: usize) -> String {
        DistanceMatrix::new(values, n).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_invalid_entry() {
        assert_eq!(
            message(&[0.0, 0.41, 0.39, 0.0], 2),
            "distance matrix is not symmetric: d(0, 1) = 0.41 but d(1, 0) = 0.39"
        );
        assert_eq!(
            message(&[0.0, f64::NAN, f64::NAN, 0.0], 2),
            "distance matrix has a NaN at (0, 1), expected distances of at least 0"
        );
        assert_eq!(
            message(&[0.0, -1.0, -1.0, 0.0], 2),
            "distance matrix has the negative entry -1 at (0, 1), expected distances of at least 0"
        );
        assert_eq!(
            message(&[0.5, 1.0, 1.0, 0.0], 2),
            "distance matrix has d(0, 0) = 0.5 on its diagonal, expected 0"
        );
        assert_eq!(
            message(&[0.0, 1.0, 1.0], 2),
            "distance matrix of 2 points has 3 entries, expected 4"
        );
        assert_eq!(
            message(&[0.0, f64::INFINITY, 1.0, 0.0], 2),
            "distance matrix is not symmetric: d(0, 1) = inf but d(1, 0) = 1"
        );
    }

    #[test]
    fn small_asymmetry_is_averaged() {
        let step = 2f64.powi(-20);
        let values = [1e-7, 1.0, 1.0 + 2.0 * step, 0.0];
        let matrix = DistanceMatrix::new(&values, 2).unwrap();
        assert_eq!(matrix.get(0, 0), 0.0);
        assert_eq!(matrix.get(0, 1), 1.0 + step);
        assert_eq!(matrix.get(1, 0), 1.0 + step);
    }

    #[test]
    fn mean_of_large_distances_does_not_overflow() {
        let far = [0.0, 3e38, 3e38, 3e38, 0.0, 3e38, 3e38, 3e38, 0.0_f32];
        let mean = DistanceMatrix::new(&far, 3).unwrap().mean();
        assert!((mean / 3e38 - 1.0).abs() < 1e-7);
    }

    #[test]
    fn enclosing_radius_is_the_least_eccentricity() {
        // A path 0 - 1 - 2 with steps of length 1: all points lie within 1 of the middle one.
        let path = [0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0];
        assert_eq!(
            DistanceMatrix::new(&path, 3).unwrap().enclosing_radius(),
            1.0
        );
        assert_eq!(
            DistanceMatrix::<f64>::new(&[], 0)
                .unwrap()
                .enclosing_radius(),
            0.0
        );
    }
}
