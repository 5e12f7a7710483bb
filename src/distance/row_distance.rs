//! Distances of all pairs of rows of a matrix, and the gradient of one of them.

use super::element::DistanceElement;
use super::vectorized::{Extension, squared_distances};
use super::vectors::normalize;
use crate::error::{Error, Result};

/// What two rows are compared by.
///
/// # Example
///
/// ```
/// use burn_topology::distance::{Metric, PairwiseDistances, RowDistance};
///
/// let rows = [1.0, 0.0, 0.0, 1.0];
/// let apart = |metric| {
///     let distance = RowDistance { metric, exponent: 1.0 };
///     let mut distances = [0.0_f64; 4];
///     PairwiseDistances::default().compute(distance, &rows, 2, &mut distances);
///     distances[1]
/// };
/// assert!((apart(Metric::JensenShannon) - 2f64.ln().sqrt()).abs() < 1e-15);
/// assert_eq!((apart(Metric::Hellinger), apart(Metric::Cosine)), (1.0, 1.0));
/// assert_eq!(apart(Metric::Euclidean), 2f64.sqrt());
/// assert_eq!(apart(Metric::Attention), 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Square root of the Jensen-Shannon divergence of two distributions, natural logarithm: 0 to
    /// `sqrt(ln 2) = 0.8326`. Rows need not sum to one; nothing is renormalised. Masses must not be
    /// negative, nor above an eighth of the largest number of their type.
    JensenShannon,
    /// Hellinger distance of two distributions, `|sqrt p - sqrt q| / sqrt 2`: 0 to 1, and between
    /// 0.83 and 1 times the Jensen-Shannon distance over `sqrt(ln 2)`.
    Hellinger,
    /// One less the cosine of the angle between two vectors: 0 to 2. A vector of zeros is at
    /// distance 1 from every other and 0 from another one, with gradient zero.
    Cosine,
    /// Euclidean distance of two vectors.
    Euclidean,
    /// `1 - max(a_ij, a_ji)` of a square matrix of attention: tokens that attend to each other are
    /// near. Not of rows, strictly: entry by entry. Never below 0.
    Attention,
}

/// A metric, and a power of it.
///
/// The pairing of births and deaths does not depend on the exponent, their values do. The square of
/// the Jensen-Shannon distance is the divergence; squares do not satisfy the triangle inequality,
/// which persistence does not need.
///
/// # Example
///
/// ```
/// use burn_topology::distance::{Metric, PairwiseDistances, RowDistance};
///
/// let divergence = RowDistance { metric: Metric::JensenShannon, exponent: 2.0 };
/// let mut distances = [0.0_f64; 4];
/// PairwiseDistances::default().compute(divergence, &[1.0, 0.0, 0.0, 1.0], 2, &mut distances);
/// assert!((distances[1] - 2f64.ln()).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowDistance {
    /// The metric.
    pub metric: Metric,
    /// The power it is raised to, above zero; 1 for the metric itself.
    pub exponent: f64,
}

/// All distances between the rows of matrices; keeps its scratch between them.
///
/// # Example
///
/// ```
/// use burn_topology::distance::{PairwiseDistances, RowDistance};
///
/// let rows = [0.5, 0.5, 0.0, 0.25, 0.25, 0.5];
/// let mut distances = [0.0_f64; 4];
/// PairwiseDistances::default().compute(RowDistance::JENSEN_SHANNON, &rows, 3, &mut distances);
/// assert_eq!(distances[0], 0.0);
/// assert!((distances[1] - 0.464501404).abs() < 1e-9);
/// assert_eq!(distances[1], distances[2]);
/// ```
#[derive(Debug, Clone)]
pub struct PairwiseDistances<T: DistanceElement> {
    lanes: Vec<T::Lanes>,
    /// The last outcomes, those that fill no lanes: all points of one after those of another.
    last_outcomes: Vec<T::Lanes>,
    vectors: Vec<f64>,
    /// Of one row, before they are distances.
    row: Vec<f64>,
}

impl<T: DistanceElement> Default for PairwiseDistances<T> {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            last_outcomes: Vec::new(),
            vectors: Vec::new(),
            row: Vec::new(),
        }
    }
}

/// Rows that one row is compared with at a time: it is read once for all of them.
const AT_ONCE: usize = 4;

/// Outcomes left over beside whole lanes up to which they are taken point by point, in lanes of
/// points, rather than in lanes of their own that stay empty for the most part.
fn most_last_outcomes(lanes: usize) -> usize {
    lanes / 2
}

impl<T: DistanceElement> PairwiseDistances<T> {
    /// Distances between all rows, symmetric bit for bit, with a zero diagonal.
    ///
    /// # Shapes
    ///
    /// `rows` is `[n_points, n_columns]`, `distances` is `[n_points, n_points]`, both row-major.
    ///
    /// # Cost
    ///
    /// `n_points^2 / 2 * n_columns` kernel steps on the calling thread ([`Metric::Attention`]: none
    /// but `n_points^2`). Nothing is allocated once a matrix of this size has been seen.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit the shapes, or a matrix of attention is not square.
    pub fn compute(
        &mut self,
        distance: RowDistance,
        rows: &[T],
        n_columns: usize,
        distances: &mut [T],
    ) {
        let n_points = rows.len().checked_div(n_columns).unwrap_or(0);
        assert_eq!(rows.len(), n_points * n_columns, "rows are incomplete");
        assert_eq!(distances.len(), n_points * n_points, "not a square matrix");
        let extension = Extension::best();
        self.row.clear();
        self.row.resize(n_points, 0.0);
        match distance.metric {
            Metric::JensenShannon => {
                let n_last = self.prepare_lanes(rows, n_columns);
                let lanes = Rows(&self.lanes, (n_columns - n_last).div_ceil(T::LANES));
                let outcomes = Rows(&self.last_outcomes, n_points.div_ceil(T::LANES));
                let write = |divergence: f64| distance.finish(divergence.sqrt());
                fill(
                    distances,
                    &mut self.row,
                    write,
                    |i, j| T::divergences(extension, lanes.one(i), lanes.some::<AT_ONCE>(j)),
                    |i, j| T::divergences(extension, lanes.one(i), lanes.some::<1>(j)),
                    |i, divergences| {
                        for outcome in 0..n_last {
                            T::add_outcome(extension, i, outcomes.one(outcome), divergences);
                        }
                    },
                );
            }
            Metric::Attention => {
                assert_eq!(n_points, n_columns, "attention is not square");
                for i in 0..n_points {
                    for j in 0..i {
                        let weight = rows[i * n_points + j].max(rows[j * n_points + i]);
                        let apart = (1.0 - weight.to_f64_exact()).max(0.0);
                        distances[i * n_points + j] = distance.finish(apart);
                        distances[j * n_points + i] = distances[i * n_points + j];
                    }
                    distances[i * n_points + i] = T::zero();
                }
            }
            Metric::Hellinger | Metric::Cosine | Metric::Euclidean => {
                self.vectors.clear();
                for row in rows.chunks_exact(n_columns.max(1)) {
                    let start = self.vectors.len();
                    self.vectors.extend(row.iter().map(|x| x.to_f64_exact()));
                    distance.metric.prepare(&mut self.vectors[start..]);
                }
                let vectors = Rows(&self.vectors, n_columns);
                let write = |square: f64| distance.finish(distance.metric.of_square(square));
                fill(
                    distances,
                    &mut self.row,
                    write,
                    |i, j| squared_distances(extension, vectors.one(i), vectors.some::<AT_ONCE>(j)),
                    |i, j| squared_distances(extension, vectors.one(i), vectors.some::<1>(j)),
                    |_, _| {},
                );
                if distance.metric == Metric::Cosine {
                    self.separate_zeros(distance, n_columns, distances);
                }
            }
        }
    }

    /// Prepares the rows for the Jensen-Shannon kernel; returns how many outcomes at their ends are
    /// in `last_outcomes` and not in `lanes`.
    fn prepare_lanes(&mut self, rows: &[T], n_columns: usize) -> usize {
        let left_over = n_columns % T::LANES;
        let n_last = match left_over <= most_last_outcomes(T::LANES) {
            true => left_over,
            false => 0,
        };
        self.lanes.clear();
        for row in rows.chunks_exact(n_columns.max(1)) {
            let whole = row[..n_columns - n_last].chunks(T::LANES);
            self.lanes.extend(whole.map(T::prepare));
        }
        self.last_outcomes.clear();
        let mut masses = Vec::with_capacity(T::LANES);
        for outcome in n_columns - n_last..n_columns {
            let mut of_points = rows.iter().skip(outcome).step_by(n_columns).peekable();
            while of_points.peek().is_some() {
                masses.clear();
                masses.extend(of_points.by_ref().take(T::LANES));
                self.last_outcomes.push(T::prepare(&masses));
            }
        }
        n_last
    }

    /// Vectors of zeros have no angle: distance 1 to all others.
    fn separate_zeros(&self, distance: RowDistance, n_columns: usize, distances: &mut [T]) {
        let rows = self.vectors.chunks_exact(n_columns.max(1));
        let is_zero: Vec<bool> = rows.map(|row| row.iter().all(|&x| x == 0.0)).collect();
        let n_points = is_zero.len();
        if is_zero.iter().any(|&zero| zero) {
            for (index, value) in distances.iter_mut().enumerate() {
                if is_zero[index / n_points] != is_zero[index % n_points] {
                    *value = distance.finish(1.0);
                }
            }
        }
    }
}

/// Rows of the same width.
struct Rows<'a, L>(&'a [L], usize);

impl<'a, L> Rows<'a, L> {
    fn one(&self, i: usize) -> &'a [L] {
        &self.0[i * self.1..][..self.1]
    }

    fn some<const N: usize>(&self, start: usize) -> [&'a [L]; N] {
        std::array::from_fn(|k| self.one(start + k))
    }
}

/// Fills a symmetric matrix, [`AT_ONCE`] entries of a row at a time and the last ones singly; `add`
/// completes the entries of row `i` before its diagonal.
fn fill<T: DistanceElement>(
    distances: &mut [T],
    row: &mut [f64],
    finish: impl Fn(f64) -> T,
    some: impl Fn(usize, usize) -> [f64; AT_ONCE],
    single: impl Fn(usize, usize) -> [f64; 1],
    add: impl Fn(usize, &mut [f64]),
) {
    let n_points = row.len();
    for i in 0..n_points {
        let (chunks, rest) = row[..i].as_chunks_mut::<AT_ONCE>();
        for (k, chunk) in chunks.iter_mut().enumerate() {
            *chunk = some(i, k * AT_ONCE);
        }
        for (k, entry) in rest.iter_mut().enumerate() {
            [*entry] = single(i, i - i % AT_ONCE + k);
        }
        add(i, &mut row[..i]);
        for (j, &value) in row[..i].iter().enumerate() {
            let distance = finish(value);
            distances[i * n_points + j] = distance;
            distances[j * n_points + i] = distance;
        }
        distances[i * n_points + i] = T::zero();
    }
}

impl Metric {
    /// Makes of a row one whose Euclidean distances tell those of the metric.
    fn prepare(self, row: &mut [f64]) {
        match self {
            Self::Hellinger => row.iter_mut().for_each(|x| *x = x.sqrt()),
            Self::Cosine => normalize(row),
            _ => {}
        }
    }

    pub(super) fn prepared<T: DistanceElement>(self, row: &[T]) -> Vec<f64> {
        let mut row: Vec<f64> = row.iter().map(|x| x.to_f64_exact()).collect();
        self.prepare(&mut row);
        row
    }

    /// The metric from the squared Euclidean distance of prepared rows.
    pub(super) fn of_square(self, square: f64) -> f64 {
        match self {
            Self::Hellinger => (0.5 * square).sqrt(),
            Self::Cosine => 0.5 * square,
            _ => square.sqrt(),
        }
    }
}

impl RowDistance {
    /// The Jensen-Shannon distance.
    pub const JENSEN_SHANNON: Self = Self {
        metric: Metric::JensenShannon,
        exponent: 1.0,
    };

    /// Checks the exponent.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] unless it is finite and above zero.
    pub fn validate(self) -> Result<()> {
        if self.exponent.is_finite() && self.exponent > 0.0 {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "exponent of the distance is {}, expected a finite number above 0",
            self.exponent
        )))
    }

    /// The power, rounded to the type of the rows.
    #[inline]
    fn finish<T: DistanceElement>(self, metric: f64) -> T {
        T::from_f64_nearest(if self.exponent == 1.0 {
            metric
        } else if self.exponent == 2.0 {
            metric * metric
        } else {
            metric.powf(self.exponent)
        })
    }
}

#[cfg(test)]
mod tests;
