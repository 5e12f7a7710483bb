//! Pairs of points that can be edges of the minimum spanning tree, found without computing all distances.
//!
//! # Bounds
//!
//! Several metrics are bounded on both sides by the Euclidean distance of suitable coordinates, and the squared
//! Euclidean distances of all pairs follow from one matrix product. With `D^2` the squared distance between the
//! coordinates of two rows,
//!
//! ```text
//! metric           coordinates     square s       bounds
//! Jensen-Shannon   sqrt(p)         d^2            ln 2 * D^2 / 2 <= s <= D^2 / 2
//! Hellinger        sqrt(p)         2 d^2          s = D^2
//! cosine           u / |u|         2 d            s = D^2
//! Euclidean        u               d^2            s = D^2
//! ```
//!
//! The first line holds for each outcome by itself, so that rows need not sum to one. With `t = p + q` and
//! `delta = (p - q) / t`, an outcome adds `t / 4 * g(delta^2)` to the Jensen-Shannon divergence (see
//! [`jensen_shannon`](super::jensen_shannon)) and `t / 2 * (1 - sqrt(1 - delta^2))` to `D^2 / 2`. The quotient of the two
//! decreases with `|delta|`, from 1 at `delta = 0` to `ln 2` at `|delta| = 1`. If the masses of every outcome lie within a
//! known range, the largest possible `|delta|` gives a closer bound than `ln 2`; near collapse it is almost 1.
//!
//! # Which pairs are left
//!
//! A pair is an edge of the minimum spanning tree only if no path between its points has shorter edges alone. Let
//! `m(i, j)` be the least possible longest edge of a path from `i` to `j`, when every edge has the length of its upper
//! bound. If the lower bound of the pair exceeds `m(i, j)`, that path has shorter edges alone, whatever the exact
//! distances are, and the pair is no edge of the tree. All others are *candidates*. They contain the tree, so their
//! exact distances give it, ties included.
//!
//! Prim's algorithm on the upper bounds gives `m`: if it adds points in the order `v_0, v_1, ...` by edges of lengths
//! `w_1, w_2, ...`, then `m(v_s, v_t)` is the largest of `w_{s+1}, ..., w_t`. Whenever it adds a point, one pass over a
//! row of the matrix therefore updates the distances to the tree and finds the candidates.
//!
//! # Rounding
//!
//! The bounds hold for the numbers that the kernels compute. Let `x_i` be the coordinates after rounding to `f32` and
//! centring, `h_i` a bound of the length of their errors, and `g` the relative error of an inner product. Then
//!
//! ```text
//! e_i = g |x_i|^2 + 2 h_i^2 / tau + 1e-30
//! (1 - tau) (Q - e_i - e_j) <= D^2 <= (1 + tau) (Q + e_i + e_j),   tau = 2^-10
//! ```
//!
//! where `Q` is the computed squared distance. The first term of `e_i` covers the product, the second the coordinates,
//! since `2 a h <= tau a^2 + h^2 / tau`, and the last one numbers too small for `f32`. A pair is left out if its lower
//! bound exceeds `m` by a factor of `1 + 4 tau`. This also covers the errors of the exact kernels, which are below 1e-5
//! of the square, and it keeps the distances apart when they are rounded: squares that differ by a factor of `1 + tau`
//! never become equal distances.

use super::extension::Extension;
use super::panels::Panels;
use super::spanning_search::{Points, Search};
use super::vectorized::search_candidates;

/// Relative slack of the bounds.
const TAU: f64 = 1.0 / 1024.0;

/// Absolute error of a squared distance that numbers below the range of `f32` can cause.
const SMALLEST: f64 = 1e-30;

/// Largest squared length of coordinates: sums of such numbers stay far below the largest `f32`.
const LARGEST: f64 = 1e30;

/// Exponents for which distances of different bounds stay apart after rounding.
pub(super) const EXPONENTS: std::ops::RangeInclusive<f64> = 0.25..=2.0;

/// Fewest points for which candidates are worth searching; below, all distances cost less.
const MIN_POINTS: usize = 24;

/// Most columns: the error bound of a sum of so many products in `f32` is still far below the sum.
const MAX_COLUMNS: usize = 1 << 20;

/// Largest fraction of the pairs, one in so many, that may be candidates; above, all distances cost less.
const LEAST_GAIN: usize = 3;

/// Bounds of the square `s` of a metric, by the squared distance `D^2` between coordinates.
#[derive(Debug, Clone, Copy)]
pub(super) enum SquareBounds {
    /// `s` is between `ln 2 * D^2 / 2` and `D^2 / 2`.
    JensenShannon,
    /// `s = D^2`.
    Equal,
}

/// Search for candidates, with buffers that are kept for the next matrix.
#[derive(Debug, Clone, Default)]
pub(super) struct SpanningCandidates {
    panels: Panels,
    /// Inner products of the coordinates, `[n_places, n_places]`.
    products: Vec<f32>,
    /// Pairs `[i, j]` found, grouped by their first point.
    pairs: Vec<[u32; 2]>,
    points: Points,
}

/// Quotient of the Jensen-Shannon divergence by `D^2 / 2` for one outcome, at `delta` in [0, 1].
fn jensen_shannon_quotient(delta: f64) -> f64 {
    let square = delta * delta;
    // delta^2 / (2 (1 - sqrt(1 - delta^2))), without the difference, which would cancel.
    let inverse_share = 0.5 * (1.0 + (1.0 - square).sqrt());
    if delta < 0.25 {
        // g(x) / x = 1 + x / 6 + x^2 / 15 + x^3 / 28 + ..., where the logarithms below would cancel.
        let terms = [1.0 / 45.0, 1.0 / 28.0, 1.0 / 15.0, 1.0 / 6.0, 1.0];
        return inverse_share * terms.into_iter().fold(0.0, |sum, term| sum * square + term);
    }
    let logarithm = |x: f64| if x > 0.0 { x * x.ln() } else { 0.0 };
    inverse_share * (logarithm(1.0 + delta) + logarithm(1.0 - delta)) / square
}

impl SpanningCandidates {
    /// Searches the candidates, which are then [`pairs`](Self::pairs).
    ///
    /// `coordinates(i, x)` writes those of point `i`: exact or correctly rounded twice, and for the Jensen-Shannon
    /// distance not negative.
    ///
    /// Returns false if there are so few points, such large numbers or so many candidates that all distances cost less.
    ///
    /// # Cost
    ///
    /// `n_points^2 / 2 * n_columns` multiplications and O(n_points^2) further operations.
    pub(super) fn find(
        &mut self,
        extension: Extension,
        bounds: SquareBounds,
        [n_points, n_columns]: [usize; 2],
        coordinates: impl FnMut(usize, &mut [f32]),
    ) -> bool {
        if n_points < MIN_POINTS || n_columns > MAX_COLUMNS {
            return false;
        }
        self.panels.fill(n_points, n_columns, coordinates);
        // Ratio of the upper to the lower bound of the square, without rounding.
        let ratio = match bounds {
            SquareBounds::JensenShannon => {
                1.0 / jensen_shannon_quotient(self.panels.largest_delta())
            }
            SquareBounds::Equal => 1.0,
        };
        let squared_mean = self.panels.centre();
        let squares = self.panels.squared_lengths();
        // False for NaN too.
        let is_small = |square: &f64| *square < LARGEST;
        if !squares.iter().chain([&squared_mean]).all(is_small) {
            return false;
        }
        let n_places = self.panels.n_places();
        // Only resized, not zeroed anew: every entry is written before it is read.
        self.products.resize(n_places * n_places, 0.0);
        self.panels.inner_products(extension, &mut self.products);
        self.points
            .reset(&squares, squared_mean, [n_points, n_columns]);
        self.pairs.clear();
        let search = Search {
            kappa: (ratio * (1.0 + 4.0 * TAU)) as f32,
            max_pairs: n_points * (n_points - 1) / 2 / LEAST_GAIN,
        };
        search_candidates(
            extension,
            search,
            &self.products,
            &mut self.points,
            &mut self.pairs,
        )
    }

    /// Candidates that the last search found, as pairs `[i, j]`; those with the same `i` follow each other.
    pub(super) fn pairs(&self) -> &[[u32; 2]] {
        &self.pairs
    }
}

impl Points {
    /// Starts with an empty tree.
    fn reset(&mut self, squares: &[f64], squared_mean: f64, [n_points, n_columns]: [usize; 2]) {
        let unit = f64::from(f32::EPSILON) / 2.0;
        let depth = n_columns as f64 * unit;
        // The sum of `n_columns` products, and some operations on the result.
        let relative = depth / (1.0 - depth) + 16.0 * unit;
        let slack = |square: f64| {
            // A square root, a conversion and a subtraction, each rounded; numbers too small for `f32` have a root
            // below 1e-22.
            let error = 4.0 * unit * (square.sqrt() + squared_mean.sqrt())
                + 1e-22 * (n_columns as f64).sqrt();
            relative * square + 2.02 / TAU * error * error + SMALLEST
        };
        self.own.clear();
        self.own
            .extend(squares.iter().map(|&s| (s + slack(s)) as f32));
        // Places without a point are infinitely far from all others.
        self.own[n_points..].fill(f32::INFINITY);
        self.slack.clear();
        self.slack
            .extend(squares.iter().map(|&s| 2.0 * slack(s) as f32));
        for (values, start) in [
            (&mut self.nearest, f32::INFINITY),
            (&mut self.longest, f32::NEG_INFINITY),
            (&mut self.inside, f32::NEG_INFINITY),
        ] {
            values.clear();
            values.resize(squares.len(), start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{PairwiseDistances, RowDistance, RowMetric};

    #[test]
    fn the_quotient_of_the_bounds_falls_from_one_to_ln_2() {
        assert_eq!(jensen_shannon_quotient(0.0), 1.0);
        assert!((jensen_shannon_quotient(1.0) - std::f64::consts::LN_2).abs() < 1e-15);
        // Both formulas agree where one takes over from the other.
        let [below, above] = [0.25 - 1e-9, 0.25].map(jensen_shannon_quotient);
        assert!((below - above).abs() < 1e-7, "{below} and {above}");
        let quotients: Vec<f64> = (0..=1000)
            .map(|k| jensen_shannon_quotient(f64::from(k) / 1000.0))
            .collect();
        assert!(quotients.is_sorted_by(|a, b| a > b));
    }

    /// Rows whose logarithms are spread over `spread`; the seed is the index of the first number.
    fn rows(n_points: usize, n_columns: usize, spread: f64, seed: usize) -> Vec<f64> {
        let noise = |k: usize| ((k * 7919 + seed * 104_729 + 13) % 10_007) as f64 / 10_007.0;
        let mut rows: Vec<f64> = (0..n_points * n_columns)
            .map(|k| (spread * noise(k * k + k)).exp())
            .collect();
        for row in rows.chunks_exact_mut(n_columns) {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum);
        }
        rows
    }

    /// Computes the bounds of all squares as `find` does: `[lower, upper]` for each pair.
    fn bounds(extension: Extension, rows: &[f64], n_columns: usize) -> Vec<[f64; 2]> {
        let n_points = rows.len() / n_columns;
        let mut search = SpanningCandidates::default();
        search.find(
            extension,
            SquareBounds::JensenShannon,
            [n_points, n_columns],
            |i, coordinates| {
                for (x, mass) in coordinates.iter_mut().zip(&rows[i * n_columns..]) {
                    *x = (*mass as f32).sqrt();
                }
            },
        );
        let n_places = search.panels.n_places();
        let (own, slack) = (&search.points.own, &search.points.slack);
        let pair = |i: usize, j: usize| {
            let product = search.products[i * n_places + j];
            let upper = own[i] + own[j] - 2.0 * product;
            [
                f64::from(upper - slack[i] - slack[j]) * (1.0 - TAU),
                f64::from(upper) * (1.0 + TAU),
            ]
        };
        (0..n_points * n_points)
            .map(|k| pair(k / n_points, k % n_points))
            .collect()
    }

    #[test]
    fn squares_lie_between_their_bounds_on_every_extension() {
        let (n_points, n_columns) = (40, 33);
        for (seed, spread) in [0.0, 1e-6, 1e-3, 0.1, 3.0, 40.0].into_iter().enumerate() {
            let rows = rows(n_points, n_columns, spread, seed);
            let squares = |metric, exponent| {
                let mut squares = vec![0.0; n_points * n_points];
                let distance = RowDistance { metric, exponent };
                PairwiseDistances::default().compute(distance, &rows, n_columns, &mut squares);
                squares
            };
            let divergences = squares(RowMetric::JensenShannon, 2.0);
            let hellinger = squares(RowMetric::Hellinger, 2.0);
            for extension in Extension::available() {
                let bounds = bounds(extension, &rows, n_columns);
                for (k, [lower, upper]) in bounds.into_iter().enumerate() {
                    let square = 2.0 * hellinger[k];
                    assert!(
                        lower <= square && square <= upper,
                        "{extension:?}, spread {spread}: {square:e} not in {lower:e} to {upper:e}"
                    );
                    let ln_2 = std::f64::consts::LN_2;
                    assert!(2.0 * divergences[k] <= upper);
                    assert!(2.0 * divergences[k] >= ln_2 * lower);
                }
            }
        }
    }

    #[test]
    fn the_bounds_are_attained_by_disjoint_and_by_nearly_equal_rows() {
        let value = |metric, rows: &[f64]| {
            let mut squares = [0.0; 4];
            let distance = RowDistance {
                metric,
                exponent: 2.0,
            };
            PairwiseDistances::default().compute(distance, rows, 2, &mut squares);
            squares[1]
        };
        for (rows, quotient) in [
            ([1.0, 0.0, 0.0, 1.0], std::f64::consts::LN_2),
            ([0.5, 0.5, 0.5 + 1e-6, 0.5 - 1e-6], 1.0),
        ] {
            let divergence = value(RowMetric::JensenShannon, &rows);
            let hellinger = value(RowMetric::Hellinger, &rows);
            assert!((divergence / hellinger - quotient).abs() < 1e-9);
        }
    }
}
