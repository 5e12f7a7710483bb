//! Distances between all pairs of rows of a matrix.

use super::divergence_bounds::DivergenceBounds;
use super::element::DistanceElement;
use super::extension::Extension;
use super::spanning_candidates::{EXPONENTS, SpanningCandidates, SquareBounds};
use super::vectorized::{squared_distances, sums_of_differences};
use super::vectors::normalize;
use crate::error::{Error, Result};

/// Metric by which two rows of a matrix are compared.
///
/// With rows `p` and `q` (distributions), `u` and `v` (vectors), or entries `a_ij` (attention):
///
/// ```text
/// Jensen-Shannon:  d^2 = 1/2 sum_k p_k ln(p_k / m_k) + 1/2 sum_k q_k ln(q_k / m_k),  m = (p + q) / 2
/// Hellinger:       d^2 = 1/2 sum_k (sqrt p_k - sqrt q_k)^2
/// total variation: d   = 1/2 sum_k |p_k - q_k|
/// cosine:          d   = 1 - <u, v> / (|u| |v|)
/// Euclidean:       d^2 = sum_k (u_k - v_k)^2
/// attention:       d   = 1 - max(a_ij, a_ji)
/// ```
///
/// # Example
///
/// ```
/// use burn_topology::distance::{PairwiseDistances, RowDistance, RowMetric};
///
/// let rows = [1.0, 0.0, 0.0, 1.0];
/// let distance = |metric| {
///     let distance = RowDistance { metric, exponent: 1.0 };
///     let mut distances = [0.0_f64; 4];
///     PairwiseDistances::default().compute(distance, &rows, 2, &mut distances);
///     distances[1]
/// };
/// assert!((distance(RowMetric::JensenShannon) - 2f64.ln().sqrt()).abs() < 1e-15);
/// assert_eq!((distance(RowMetric::Hellinger), distance(RowMetric::Cosine)), (1.0, 1.0));
/// assert_eq!(distance(RowMetric::TotalVariation), 1.0);
/// assert_eq!(distance(RowMetric::Euclidean), 2f64.sqrt());
/// assert_eq!(distance(RowMetric::Attention), 1.0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "cli",
    derive(clap::ValueEnum),
    value(rename_all = "snake_case")
)]
pub enum RowMetric {
    /// Jensen-Shannon distance between two distributions: the square root of the Jensen-Shannon divergence
    /// with natural logarithms, from 0 to `sqrt(ln 2) = 0.8326`.
    ///
    /// Rows need not sum to one; nothing is renormalised. Masses must not be negative, nor above an
    /// eighth of the largest number of their type.
    #[default]
    JensenShannon,
    /// Hellinger distance between two distributions, `|sqrt p - sqrt q| / sqrt 2`, from 0 to 1.
    ///
    /// It lies between 0.83 and 1 times the Jensen-Shannon distance divided by `sqrt(ln 2)`.
    Hellinger,
    /// Total variation distance between two distributions: half the sum of the absolute differences, from 0
    /// to 1.
    ///
    /// It is the largest difference between the probabilities that the two distributions give to any set of
    /// outcomes, and the mass that has to move to turn one into the other.
    TotalVariation,
    /// One minus the cosine similarity of two vectors, from 0 to 2.
    ///
    /// A vector of zeros is at distance 1 from every other vector and at distance 0 from another vector
    /// of zeros, with gradient zero.
    Cosine,
    /// Euclidean distance between two vectors.
    Euclidean,
    /// Attention distance `1 - max(a_ij, a_ji)` between two tokens, at least 0.
    ///
    /// Tokens that attend to each other are near. It is read from two entries of a square attention map
    /// rather than from its rows.
    Attention,
}

/// Distance between two rows: a metric raised to a power.
///
/// ```text
/// distance(p, q) = metric(p, q)^exponent
/// ```
///
/// The pairing of births and deaths does not depend on the exponent; their values do. The square of the
/// Jensen-Shannon distance is the Jensen-Shannon divergence. Squares do not satisfy the triangle
/// inequality, which persistence does not need.
///
/// # Example
///
/// ```
/// use burn_topology::distance::{PairwiseDistances, RowDistance, RowMetric};
///
/// let divergence = RowDistance { metric: RowMetric::JensenShannon, exponent: 2.0 };
/// let mut distances = [0.0_f64; 4];
/// PairwiseDistances::default().compute(divergence, &[1.0, 0.0, 0.0, 1.0], 2, &mut distances);
/// assert!((distances[1] - 2f64.ln()).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowDistance {
    /// Metric that is raised to a power.
    pub metric: RowMetric,
    /// Exponent of that power, finite and above zero; 1 for the metric itself.
    pub exponent: f64,
}

/// Computes all distances between the rows of a matrix, and keeps its buffers for the next one.
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
    /// Rows for the Jensen-Shannon kernel, point by point.
    lanes: Vec<T::Lanes>,
    /// Outcomes at the end of the rows that fill no lanes: for each such outcome the masses of all points.
    last_outcomes: Vec<T::Lanes>,
    /// Prepared rows of all distances but Jensen-Shannon and attention.
    vectors: Vec<f64>,
    /// Divergences, squared distances or sums of some rows of the result, before they become distances.
    block: Vec<f64>,
    /// The outcomes of `last_outcomes` row by row, for distances of single pairs.
    last_lanes: Vec<T::Lanes>,
    candidates: SpanningCandidates,
    bounds: DivergenceBounds,
    /// Edges of single pairs, with their lengths.
    edges: Vec<([u32; 2], T)>,
}

impl<T: DistanceElement> Default for PairwiseDistances<T> {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            last_outcomes: Vec::new(),
            vectors: Vec::new(),
            block: Vec::new(),
            last_lanes: Vec::new(),
            candidates: SpanningCandidates::default(),
            bounds: DivergenceBounds::default(),
            edges: Vec::new(),
        }
    }
}

/// Number of rows that one row is compared with at a time, so that it is loaded once for all of them.
const AT_ONCE: usize = 4;

/// Largest number of leftover outcomes that are stored transposed.
///
/// A row seldom fills its last lanes. If at most half of them would be used, it is cheaper to handle
/// these few outcomes one by one, each over lanes of points, which are full.
fn max_last_outcomes(lanes: usize) -> usize {
    lanes / 2
}

impl<T: DistanceElement> PairwiseDistances<T> {
    /// Computes the distances between all rows: symmetric bit for bit, with a zero diagonal.
    ///
    /// # Shapes
    ///
    /// `rows` is `[n_points, n_columns]`, `distances` is `[n_points, n_points]`, both row-major.
    ///
    /// # Cost
    ///
    /// `n_points^2 / 2 * n_columns` kernel steps on the calling thread; `n_points^2` for
    /// [`RowMetric::Attention`]. The buffers are kept, so that a matrix no larger than an earlier one needs
    /// no large allocation.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit the shapes, or an attention map is not square.
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
        self.block.clear();
        self.block.resize(BLOCK_ROWS * n_points, 0.0);
        match distance.metric {
            RowMetric::JensenShannon => {
                let scale = mass_scale(rows);
                let n_last = self.prepare_lanes(rows, n_columns, scale);
                let lanes = Rows(&self.lanes, (n_columns - n_last).div_ceil(T::LANES));
                let outcomes = Rows(&self.last_outcomes, n_points.div_ceil(T::LANES));
                // Exact, as the scale is a power of 16.
                let unit = scale.to_f64_exact().sqrt().recip();
                let to_distance = |divergence: f64| distance.power(divergence.sqrt() * unit);
                fill(
                    distances,
                    &mut self.block,
                    to_distance,
                    |i, j| T::divergences(extension, lanes.row(i), lanes.rows::<AT_ONCE>(j)),
                    |i, j| T::divergences(extension, lanes.row(i), lanes.rows::<1>(j)),
                    |i, divergences| {
                        for outcome in 0..n_last {
                            T::add_outcome(extension, i, outcomes.row(outcome), divergences);
                        }
                    },
                );
            }
            RowMetric::Attention => {
                assert_eq!(n_points, n_columns, "attention is not square");
                for i in 0..n_points {
                    for j in 0..i {
                        let weight = rows[i * n_points + j].max(rows[j * n_points + i]);
                        // Rounding can lift a weight slightly above 1.
                        let metric = (1.0 - weight.to_f64_exact()).max(0.0);
                        distances[i * n_points + j] = distance.power(metric);
                        distances[j * n_points + i] = distances[i * n_points + j];
                    }
                    distances[i * n_points + i] = T::zero();
                }
            }
            RowMetric::TotalVariation => {
                self.prepare_vectors(distance.metric, rows, n_columns);
                let vectors = Rows(&self.vectors, n_columns);
                fill(
                    distances,
                    &mut self.block,
                    |sum: f64| distance.power(0.5 * sum),
                    |i, j| {
                        sums_of_differences(extension, vectors.row(i), vectors.rows::<AT_ONCE>(j))
                    },
                    |i, j| sums_of_differences(extension, vectors.row(i), vectors.rows::<1>(j)),
                    |_, _| {},
                );
            }
            RowMetric::Hellinger | RowMetric::Cosine | RowMetric::Euclidean => {
                self.prepare_vectors(distance.metric, rows, n_columns);
                let vectors = Rows(&self.vectors, n_columns);
                let to_distance =
                    |square: f64| distance.power(distance.metric.value_from_square(square));
                fill(
                    distances,
                    &mut self.block,
                    to_distance,
                    |i, j| squared_distances(extension, vectors.row(i), vectors.rows::<AT_ONCE>(j)),
                    |i, j| squared_distances(extension, vectors.row(i), vectors.rows::<1>(j)),
                    |_, _| {},
                );
                if distance.metric == RowMetric::Cosine {
                    self.separate_zeros(distance, n_columns, distances);
                }
            }
        }
    }

    /// Computes the lengths of some edges, which contain all edges of the minimum spanning tree.
    ///
    /// Bounds of all distances, which cost one matrix product, show that the other edges are not in the tree. Each
    /// length is the number that [`compute`](Self::compute) gives, bit for bit.
    ///
    /// `None` where computing all distances is faster, or bounds are not known: for less than 24 points, for
    /// [`RowMetric::TotalVariation`] and [`RowMetric::Attention`], for exponents outside of 1/4 to 2, for
    /// coordinates beyond 1e15, for the cosine of a vector of zeros, and if the bounds leave more than a third of the
    /// edges, as in rows without any structure.
    ///
    /// # Shapes
    ///
    /// `rows` is `[n_points, n_columns]`, row-major. The edges `[i, j]` have `i < j`, and each occurs once.
    ///
    /// # Cost
    ///
    /// `n_points^2 / 2 * n_columns` multiplications and additions, and the exact distances of the edges that are left.
    ///
    /// # Panics
    ///
    /// If the length does not fit the shape.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::distance::{PairwiseDistances, RowDistance};
    ///
    /// // Distributions over 40 outcomes whose peak moves along the line.
    /// let peak = |i: usize, k: usize| (-(i as f32 - k as f32).powi(2) / 8.0).exp();
    /// let rows: Vec<f32> = (0..1600).map(|index| peak(index / 40, index % 40)).collect();
    /// let mut pairwise = PairwiseDistances::default();
    /// let edges = pairwise.spanning_edges(RowDistance::JENSEN_SHANNON, &rows, 40).unwrap();
    /// assert!(edges.len() < 40 * 39 / 2 / 4);
    /// assert!((1..40).all(|i| edges.iter().any(|(edge, _)| *edge == [i - 1, i])));
    /// ```
    pub fn spanning_edges(
        &mut self,
        distance: RowDistance,
        rows: &[T],
        n_columns: usize,
    ) -> Option<&[([u32; 2], T)]> {
        let n_points = rows.len().checked_div(n_columns).unwrap_or(0);
        assert_eq!(rows.len(), n_points * n_columns, "rows are incomplete");
        let extension = Extension::best();
        let shape = [n_points, n_columns];
        let has_bounds = !matches!(
            distance.metric,
            RowMetric::TotalVariation | RowMetric::Attention
        );
        if !has_bounds || !EXPONENTS.contains(&distance.exponent) {
            return None;
        }
        if distance.metric == RowMetric::JensenShannon {
            let bounds = SquareBounds::JensenShannon;
            let roots = |i: usize, coordinates: &mut [f32]| {
                for (x, mass) in coordinates.iter_mut().zip(&rows[i * n_columns..]) {
                    *x = mass.to_f32_nearest().sqrt();
                }
            };
            if !self.candidates.find(extension, bounds, shape, roots) {
                return None;
            }
            // Taken out for the time in which the other buffers are written.
            let candidates = std::mem::take(&mut self.candidates);
            self.jensen_shannon_edges(distance, rows, n_columns, candidates.pairs());
            self.candidates = candidates;
        } else {
            self.prepare_vectors(distance.metric, rows, n_columns);
            let vectors = Rows(&self.vectors, n_columns);
            // The distance of a vector of zeros is not that of the coordinates, see `separate_zeros`.
            let mut all = self.vectors.chunks_exact(n_columns.max(1));
            if distance.metric == RowMetric::Cosine && all.any(is_zero) {
                return None;
            }
            // Relative to the first row: far from the origin, single precision would lose the differences.
            let offsets = |i: usize, coordinates: &mut [f32]| {
                let pairs = vectors.row(i).iter().zip(vectors.row(0));
                for (x, (value, origin)) in coordinates.iter_mut().zip(pairs) {
                    *x = (value - origin) as f32;
                }
            };
            let bounds = SquareBounds::Equal;
            if !self.candidates.find(extension, bounds, shape, offsets) {
                return None;
            }
            self.edges.clear();
            push_edges(
                &mut self.edges,
                self.candidates.pairs(),
                |square| distance.power(distance.metric.value_from_square(square)),
                |i, others| {
                    squared_distances(extension, vectors.row(i), others.map(|j| vectors.row(j)))
                },
                |i, j| squared_distances(extension, vectors.row(i), [vectors.row(j)]),
                |_, _| {},
            );
        }
        Some(&self.edges)
    }

    /// Computes bounds `[lower, upper]` of the squares of all distances by [`RowDistance::JENSEN_SHANNON`].
    ///
    /// Those of the pairs `(i, j)` with `j < i`, in the order `(1, 0), (2, 0), (2, 1), ...`. They hold for the numbers that
    /// [`compute`](Self::compute) gives. `None` if the masses or their number are too large for single precision.
    pub(crate) fn jensen_shannon_bounds(
        &mut self,
        rows: &[T],
        n_columns: usize,
    ) -> Option<&[[f32; 2]]> {
        self.bounds.compute(Extension::best(), rows, n_columns)
    }

    /// Computes the Jensen-Shannon distances of some pairs, of which those with the same first point follow each other.
    ///
    /// The edges have the order of the pairs, and each length is the number that [`compute`](Self::compute) gives.
    pub(crate) fn jensen_shannon_edges(
        &mut self,
        distance: RowDistance,
        rows: &[T],
        n_columns: usize,
        pairs: &[[u32; 2]],
    ) -> &[([u32; 2], T)] {
        let extension = Extension::best();
        let scale = mass_scale(rows);
        let n_last = self.prepare_lanes(rows, n_columns, scale);
        let unit = scale.to_f64_exact().sqrt().recip();
        self.last_lanes.clear();
        if n_last > 0 {
            let ends = rows
                .chunks_exact(n_columns)
                .map(|row| &row[n_columns - n_last..]);
            self.last_lanes
                .extend(ends.map(|end| T::prepare(end, scale)));
        }
        let lanes = Rows(&self.lanes, (n_columns - n_last).div_ceil(T::LANES));
        self.edges.clear();
        push_edges(
            &mut self.edges,
            pairs,
            |divergence| distance.power(divergence.sqrt() * unit),
            |i, others| T::divergences(extension, lanes.row(i), others.map(|j| lanes.row(j))),
            |i, j| T::divergences(extension, lanes.row(i), [lanes.row(j)]),
            |[i, j], divergence| {
                if n_last > 0 {
                    let ends = [&self.last_lanes[i], &self.last_lanes[j]];
                    T::add_terms(extension, ends, n_last, divergence);
                }
            },
        );
        &self.edges
    }

    /// Prepares the rows as vectors in `f64`.
    fn prepare_vectors(&mut self, metric: RowMetric, rows: &[T], n_columns: usize) {
        self.vectors.clear();
        // `max(1)`: without columns there is no row either, but a chunk length of 0 panics.
        for row in rows.chunks_exact(n_columns.max(1)) {
            let start = self.vectors.len();
            self.vectors.extend(row.iter().map(|x| x.to_f64_exact()));
            metric.prepare(&mut self.vectors[start..]);
        }
    }

    /// Prepares the rows for the Jensen-Shannon kernel, and returns the number of outcomes at the end of
    /// each row that are stored in `last_outcomes` instead of `lanes`.
    fn prepare_lanes(&mut self, rows: &[T], n_columns: usize, scale: T) -> usize {
        let left_over = n_columns % T::LANES;
        let n_last = if left_over <= max_last_outcomes(T::LANES) {
            left_over
        } else {
            0
        };
        self.lanes.clear();
        for row in rows.chunks_exact(n_columns.max(1)) {
            let whole = row[..n_columns - n_last].chunks(T::LANES);
            self.lanes
                .extend(whole.map(|outcomes| T::prepare(outcomes, scale)));
        }
        // Transposed: lanes of points for each outcome, rather than lanes of outcomes for each point.
        self.last_outcomes.clear();
        let mut masses = Vec::with_capacity(T::LANES);
        for outcome in n_columns - n_last..n_columns {
            let mut point_masses = rows.iter().skip(outcome).step_by(n_columns).peekable();
            while point_masses.peek().is_some() {
                masses.clear();
                masses.extend(point_masses.by_ref().take(T::LANES));
                self.last_outcomes.push(T::prepare(&masses, scale));
            }
        }
        n_last
    }

    /// Sets the cosine distance between a vector of zeros, which has no angle, and any other vector to 1.
    ///
    /// The kernel gives 1/2 for such a pair, since only one of its vectors has length 1.
    fn separate_zeros(&self, distance: RowDistance, n_columns: usize, distances: &mut [T]) {
        let rows = self.vectors.chunks_exact(n_columns.max(1));
        let is_zero: Vec<bool> = rows.map(is_zero).collect();
        let n_points = is_zero.len();
        if is_zero.iter().any(|&zero| zero) {
            for (index, value) in distances.iter_mut().enumerate() {
                if is_zero[index / n_points] != is_zero[index % n_points] {
                    *value = distance.power(1.0);
                }
            }
        }
    }
}

/// True if a vector consists of zeros.
fn is_zero(vector: &[f64]) -> bool {
    vector.iter().all(|&x| x == 0.0)
}

/// Factor of the masses for the Jensen-Shannon kernel: a power of 16, so that it is exact.
///
/// It is as large as it can be without an overflow in the sums, so that terms of very small masses keep their
/// digits. Masses up to 1 have the same factor.
fn mass_scale<T: DistanceElement>(rows: &[T]) -> T {
    /// Binary digits that remain for the sums of a row.
    const RESERVE: f64 = 40.0;
    let (chunks, rest) = rows.as_chunks::<16>();
    // Lanes, because a single maximum would wait for each comparison.
    let mut largest = [T::one(); 16];
    for chunk in chunks.iter().map(|chunk| &chunk[..]).chain([rest]) {
        for (largest, &mass) in largest.iter_mut().zip(chunk) {
            *largest = if mass > *largest { mass } else { *largest };
        }
    }
    let largest = largest.into_iter().fold(T::one(), T::max);
    let headroom = (T::max_value() / largest).to_f64_exact().log2();
    let power = ((headroom - RESERVE) / 4.0).floor();
    T::from_f64_nearest(16.0).powi(power as i32)
}

/// Rows of one width, stored one after the other.
struct Rows<'a, L>(&'a [L], usize);

impl<'a, L> Rows<'a, L> {
    fn row(&self, i: usize) -> &'a [L] {
        &self.0[i * self.1..][..self.1]
    }

    /// `N` consecutive rows.
    fn rows<const N: usize>(&self, start: usize) -> [&'a [L]; N] {
        std::array::from_fn(|k| self.row(start + k))
    }
}

/// Number of rows of the result that are computed together.
///
/// The rows that they are compared with are then read from memory once for all of them. Without this, rows of more
/// than a thousand outcomes would be read from beyond the second-level cache again for each row.
const BLOCK_ROWS: usize = 16;

/// Fills a symmetric matrix from its lower triangle, [`AT_ONCE`] entries of [`BLOCK_ROWS`] rows at a time.
///
/// `several(i, j)` computes entries `j..j + AT_ONCE` of row `i`, and `single(i, j)` one entry, for the
/// rest before the diagonal. `complete` adds to all entries of row `i` before the diagonal, and
/// `to_distance` turns each into a distance. `block` is a buffer of `BLOCK_ROWS` rows.
fn fill<T: DistanceElement>(
    distances: &mut [T],
    block: &mut [f64],
    to_distance: impl Fn(f64) -> T,
    several: impl Fn(usize, usize) -> [f64; AT_ONCE],
    single: impl Fn(usize, usize) -> [f64; 1],
    complete: impl Fn(usize, &mut [f64]),
) {
    let n_points = block.len() / BLOCK_ROWS;
    for start in (0..n_points).step_by(BLOCK_ROWS) {
        let end = n_points.min(start + BLOCK_ROWS);
        let rows = || (start..end).zip((0..).step_by(n_points));
        for j in (0..end).step_by(AT_ONCE) {
            for (i, offset) in rows() {
                if j + AT_ONCE <= i {
                    block[offset + j..][..AT_ONCE].copy_from_slice(&several(i, j));
                } else {
                    // The last entries before the diagonal, up to three.
                    for j in j..i {
                        [block[offset + j]] = single(i, j);
                    }
                }
            }
        }
        for (i, offset) in rows() {
            let row = &mut block[offset..][..i];
            complete(i, row);
            for (distance, &value) in distances[i * n_points..].iter_mut().zip(&*row) {
                *distance = to_distance(value);
            }
            distances[i * n_points + i] = T::zero();
        }
        // Both triangles get the same number: symmetric bit for bit, whatever the kernel rounds.
        for j in 0..end {
            for i in start.max(j + 1)..end {
                distances[j * n_points + i] = distances[i * n_points + j];
            }
        }
    }
}

/// Computes the lengths of pairs `[i, j]`, of which those with the same `i` follow each other, and adds them to
/// `edges` with the smaller point first.
///
/// The other arguments are as those of [`fill`], except that `several` takes any points `j`, and `complete` adds to one
/// entry.
fn push_edges<T: DistanceElement>(
    edges: &mut Vec<([u32; 2], T)>,
    pairs: &[[u32; 2]],
    to_distance: impl Fn(f64) -> T,
    several: impl Fn(usize, [usize; AT_ONCE]) -> [f64; AT_ONCE],
    single: impl Fn(usize, usize) -> [f64; 1],
    complete: impl Fn([usize; 2], &mut f64),
) {
    let mut push = |i: usize, j: usize, mut value: f64| {
        complete([i, j], &mut value);
        edges.push(([i.min(j) as u32, i.max(j) as u32], to_distance(value)));
    };
    for group in pairs.chunk_by(|a, b| a[0] == b[0]) {
        let i = group[0][0] as usize;
        let (chunks, rest) = group.as_chunks::<AT_ONCE>();
        for chunk in chunks {
            let others = chunk.map(|[_, j]| j as usize);
            for (j, value) in others.into_iter().zip(several(i, others)) {
                push(i, j, value);
            }
        }
        for &[_, j] in rest {
            let [value] = single(i, j as usize);
            push(i, j as usize, value);
        }
    }
}

impl RowMetric {
    /// Transforms a row so that the metric is a function of the Euclidean distance of transformed rows.
    fn prepare(self, row: &mut [f64]) {
        match self {
            Self::Hellinger => row.iter_mut().for_each(|x| *x = x.sqrt()),
            Self::Cosine => normalize(row),
            _ => {}
        }
    }

    /// Returns a prepared copy of a row, in `f64`.
    pub(super) fn prepared<T: DistanceElement>(self, row: &[T]) -> Vec<f64> {
        let mut row: Vec<f64> = row.iter().map(|x| x.to_f64_exact()).collect();
        self.prepare(&mut row);
        row
    }

    /// Computes the metric from the squared Euclidean distance of prepared rows.
    pub(super) fn value_from_square(self, square: f64) -> f64 {
        match self {
            Self::Hellinger => (0.5 * square).sqrt(),
            Self::Cosine => 0.5 * square,
            _ => square.sqrt(),
        }
    }
}

impl RowDistance {
    /// Jensen-Shannon distance, with exponent 1.
    pub const JENSEN_SHANNON: Self = Self {
        metric: RowMetric::JensenShannon,
        exponent: 1.0,
    };

    /// Computes the distance between two rows, the same number as in a matrix of all distances, bit for bit.
    ///
    /// Rows without entries are equal. For [`RowMetric::Attention`] the rows are those of a map of two tokens.
    ///
    /// # Cost
    ///
    /// O(n_columns).
    ///
    /// # Panics
    ///
    /// If the rows differ in length, or if those of [`RowMetric::Attention`] do not have two entries.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::distance::RowDistance;
    ///
    /// let distance = RowDistance::JENSEN_SHANNON.between([&[1.0, 0.0], &[0.0, 1.0_f64]]);
    /// assert!((distance - 2f64.ln().sqrt()).abs() < 1e-15);
    /// ```
    pub fn between<T: DistanceElement>(self, [p, q]: [&[T]; 2]) -> T {
        assert_eq!(p.len(), q.len(), "rows differ in length");
        if p.is_empty() {
            return T::zero();
        }
        let mut distances = [T::zero(); 4];
        PairwiseDistances::default().compute(self, &[p, q].concat(), p.len(), &mut distances);
        distances[1]
    }

    /// Checks that the exponent is in its range.
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

    /// Raises a value of the metric to the exponent, and rounds it to the type of the rows.
    #[inline]
    fn power<T: DistanceElement>(self, metric: f64) -> T {
        // No call of `powf` for the two usual exponents: it is slow and does not round exactly.
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
