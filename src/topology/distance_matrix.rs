//! The checked input of the engine.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::real::Real;

/// Largest asymmetry or diagonal entry, as a fraction of the largest finite entry, that is taken
/// for rounding.
pub const SYMMETRY_TOLERANCE: f64 = 1e-5;

/// Most points a matrix may have: edge indices are 32-bit.
pub const MAX_POINTS: usize = 32_768;

/// Dense symmetric dissimilarities between `n_points` points, row-major.
///
/// Entries are non-negative; `inf` says that two points are never joined. The triangle inequality
/// is not required.
///
/// # Example
///
/// ```
/// use burn_topology::topology::DistanceMatrix;
///
/// // A path 0 - 1 - 2 of unit steps: the middle point reaches all others within 1.
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
    /// Checks a square matrix and wraps it.
    ///
    /// Asymmetry within [`SYMMETRY_TOLERANCE`] of the largest finite entry is rounding: the two
    /// entries are replaced by their average, the diagonal by zero.
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
    /// One pass; a copy only where the matrix has to be made symmetric.
    pub fn new(values: &'a [T], n_points: usize) -> Result<Self> {
        check_shape(values.len(), n_points)?;
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
                // A NaN difference cannot occur: equal infinities were passed over above.
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

    /// Wraps a matrix that its maker wrote symmetric, finite and with a zero diagonal.
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

    /// The distance of points `i` and `j`.
    ///
    /// # Panics
    ///
    /// If there is no such point.
    pub fn get(&self, i: usize, j: usize) -> T {
        self.row(i)[j]
    }

    /// The distances from point `i`.
    ///
    /// # Panics
    ///
    /// If there is no such point.
    pub fn row(&self, i: usize) -> &[T] {
        &self.values[i * self.n_points..(i + 1) * self.n_points]
    }

    /// Mean over all pairs of different points; 0 below two points, infinite if one distance is.
    pub fn mean(&self) -> f64 {
        let pairs = self.n_points * self.n_points.saturating_sub(1) / 2;
        let above = (0..self.n_points).map(|i| sum(&self.row(i)[i + 1..]));
        let sum: f64 = above.sum();
        sum / pairs.max(1) as f64
    }

    /// The smallest, over the points, of the largest distance from that point.
    ///
    /// From this diameter on the Vietoris-Rips complex is a cone, so nothing is born or dies above
    /// it. Infinite if every point has an infinite distance; zero without points.
    pub fn enclosing_radius(&self) -> T {
        (0..self.n_points)
            .map(|i| largest(self.row(i)))
            .reduce(T::min)
            .unwrap_or_else(T::zero)
    }
}

/// The sum of numbers in 64 bits, in lanes.
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

/// The largest of non-negative numbers; lanes, since one running maximum would wait for itself.
fn largest<T: Real>(values: &[T]) -> T {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [T::zero(); 16];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(T::zero(), |most, &value| most.max(value))
}

fn check_shape(len: usize, n_points: usize) -> Result<()> {
    if n_points > MAX_POINTS {
        return Err(Error::invalid_distances(format!(
            "distance matrix has {n_points} points, expected at most {MAX_POINTS}"
        )));
    }
    if len != n_points * n_points {
        return Err(Error::invalid_distances(format!(
            "distance matrix of {n_points} points has {len} entries, expected {}",
            n_points * n_points
        )));
    }
    Ok(())
}

/// Side of the squares in which a matrix is compared with its transpose: two of them stay in the
/// first-level cache.
const TILE: usize = 16;

/// Whether the matrix needs neither averaging nor an error.
fn is_exact<T: Real>(values: &[T], n_points: usize) -> bool {
    // Negative entries and NaN fail the comparison; no early end, so that it is vectorised.
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

/// Whether the tile that begins there is the transpose of its mirror image.
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

/// The largest finite entry.
fn check_entries<T: Real>(values: &[T], n_points: usize) -> Result<f64> {
    let mut largest = T::zero();
    for (index, &value) in values.iter().enumerate() {
        if value.is_nan() || value < T::zero() {
            let (i, j) = (index / n_points, index % n_points);
            let found = if value.is_nan() {
                "a NaN".to_string()
            } else {
                format!("the negative entry {value}")
            };
            return Err(Error::invalid_distances(format!(
                "distance matrix has {found} at ({i}, {j}), expected distances of at least 0"
            )));
        }
        if value.is_finite() {
            largest = largest.max(value);
        }
    }
    Ok(largest.to_f64_exact())
}

fn symmetrised<T: Real>(values: &[T], n_points: usize) -> Vec<T> {
    let half = T::from_f64_nearest(0.5);
    let mut out = values.to_vec();
    for i in 0..n_points {
        out[i * n_points + i] = T::zero();
        for j in i + 1..n_points {
            let (upper, lower) = (values[i * n_points + j], values[j * n_points + i]);
            if upper != lower {
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
    fn bad_entries_are_named() {
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
    fn rounding_is_averaged() {
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
        // A path 0 - 1 - 2 with unit steps: the middle point reaches all within 1.
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
