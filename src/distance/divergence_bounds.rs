//! Bounds of the Jensen-Shannon divergences between all pairs of rows, at the cost of a matrix product.
//!
//! # Planes
//!
//! An outcome with the masses `p` and `q` adds `f` to the divergence of two rows, where `f` is homogeneous: for a given
//! ratio of the masses it is proportional to `p + q`. So are the squared distances between coordinates of the masses,
//!
//! ```text
//! a = (sqrt p - sqrt q)^2                                 coordinate   sqrt(p)
//! b = p + q - 2 sqrt(p q) cos(0.6 ln(p / q))              coordinates  sqrt(p) cos(0.6 ln p), sqrt(p) sin(0.6 ln p)
//! ```
//!
//! If `c1 a + c2 b <= f` at every ratio of the masses, then the sum over outcomes is a lower bound `c1 A + c2 B` of the
//! divergence, with `A` and `B` the squared Euclidean distances between the coordinates of two rows. In the same way
//! `c0 (p + q) + c1 a + c2 b >= f` gives an upper bound `c0 s + c1 A + c2 B`, with `s` the sum of both rows. Rows need
//! not sum to one. Of a few such planes the closest is taken for each pair; on attention matrices the bounds of the
//! distance are 0.3 % to 0.8 % apart, where `A` alone would leave up to 17 %.
//!
//! # Errors
//!
//! The bounds hold for the numbers that the kernels of the exact distances compute. Let `u = 2^-24`, `m` the number of
//! columns, `S_i` the sum of row `i`, and `x_i` its computed coordinates. The error of a bound is at most `tau` times the
//! bound plus `e_i + e_j`, in which there are:
//!
//! - *Coordinates.* The angle of a wave has an error of at most `6e-7`: `0.8 u` in turns from the logarithm and the
//!   reduction, and `1.5 u` relative from the product with pi, of at most a quarter turn, twice. Sine and cosine of the
//!   half angle have errors of at most `2.4e-7` and `1.6e-7`, of which the series leave out `5.7e-8` and `6.4e-9`; the
//!   formulas of the double angle turn them into `1.1e-6`. With the root and two products the error vector of one mass
//!   is at most `1.9e-6 sqrt(p)` long, and a mass rounded from `f64` adds `1e-7 sqrt(p)`. Masses below the normal range
//!   of `f32` have roots below `1.1e-19`, and their coordinates have errors of at most three times as much. The origin
//!   is the same for all points, so that it cancels; its subtraction adds `u |x_i|`. Hence the error vector of row `i`
//!   has a length of at most `h_i = 2e-6 sqrt(S_i) + u |x_i| + 4e-19 sqrt(m)`. It changes a squared distance `d^2` by at
//!   most `2 d (h_i + h_j) + (h_i + h_j)^2 <= t d^2 + (1 + 1 / t) (h_i + h_j)^2`, where `t = tau / 2`.
//! - *Products.* A sum of `2 m` products has an error of at most `g (|x_i|^2 + |x_j|^2) / 2`, where `g = 2 m u / (1 - 4 m u)`
//!   with respect to computed lengths. A squared distance takes three such sums, which add up to
//!   `2 g (|x_i|^2 + |x_j|^2)`, and the operations on them add at most `4 u` of the same.
//! - *Planes.* Both errors are multiplied by coefficients, which are at least 5 % below [`LARGEST_COEFFICIENT`]; this
//!   also covers the rounding of `e_i`. Where a coefficient is negative, its term is at most a third of `c0 s`, since
//!   `B <= 2 s`, so that `t d^2` is still at most `t` times the bound, and rounding in the evaluation at most
//!   `12 u` of it. The planes themselves hold with their `f32` coefficients. The sums `S_i` have an error of `2 u`.
//! - *Exact kernels.* A term of the `f32` kernel has a relative error of at most 4e-7 from its polynomial and `16 u` from
//!   rounding, a sum of 16 steps, 4 levels and the blocks one of `24 u`, and the rounding of the distance and of its
//!   square `3 u`: 3e-6 in total. The `f64` kernel has one of 1e-12. Masses below the normal range add less than
//!   [`SMALLEST`].
//!
//! The relative errors other than `t` add up to less than `5e-6`, and `tau / 2` is `3e-5`.

use super::divergence_planes::{Coordinates, LARGEST_COEFFICIENT, PointTerms, coordinates_of};
use super::element::DistanceElement;
use super::extension::Extension;
use super::gram::PANEL;
use super::panels::Panels;
use super::vectorized;

/// Relative error of the bounds, in which all relative errors are contained.
const TAU: f64 = 1.0 / 16_384.0;

/// Bound of the length of the error of the three coordinates of a mass, divided by the root of the mass.
///
/// The largest error of 15 million masses is 9.4e-7.
const COORDINATE_ERROR: f64 = 2e-6;

/// Absolute error of a divergence that numbers below the range of `f32` can cause.
const SMALLEST: f64 = 1e-30;

/// Largest sum of a row: squares of such numbers stay far below the largest `f32`.
const LARGEST: f64 = 1e30;

/// Most columns: the error bound of a sum of so many products in `f32` is still far below the sum.
const MAX_COLUMNS: usize = 1 << 16;

/// Computes bounds, with buffers that are kept for the next matrix.
#[derive(Debug, Clone, Default)]
pub(super) struct DivergenceBounds {
    masses: Panels,
    origin: Vec<Coordinates>,
    /// Coordinates of each panel: the roots, then the waves.
    coordinates: Vec<[f32; PANEL]>,
    /// Terms of the points of each panel.
    points: Vec<PointTerms>,
    /// Bounds `[lower, upper]` of the pairs `(i, j)` with `j < i`, ordered by `i`, then by `j`.
    bounds: Vec<[f32; 2]>,
}

impl DivergenceBounds {
    /// Computes the bounds `[lower, upper]` of all pairs `(i, j)` with `j < i`, in the order `(1, 0), (2, 0), (2, 1), ...`.
    ///
    /// `rows` is `[n_points, n_columns]`, finite and not negative. `None` if a row has too large a sum or too many columns.
    ///
    /// # Cost
    ///
    /// `3 / 2 n_points^2 * n_columns` multiplications and additions, and `n_points * n_columns` evaluations of the
    /// coordinates.
    pub(super) fn compute<T: DistanceElement>(
        &mut self,
        extension: Extension,
        rows: &[T],
        n_columns: usize,
    ) -> Option<&[[f32; 2]]> {
        let n_points = rows.len().checked_div(n_columns)?;
        if n_columns > MAX_COLUMNS {
            return None;
        }
        self.set_origin(rows, n_columns);
        self.masses.fill(n_points, n_columns, |i, masses| {
            for (x, mass) in masses.iter_mut().zip(&rows[i * n_columns..]) {
                *x = mass.to_f32_nearest();
            }
        });
        let depth = 3 * n_columns;
        let n_panels = n_points.div_ceil(PANEL);
        let n_pairs = n_points * n_points.saturating_sub(1) / 2;
        // Never shortened nor zeroed anew: every entry is written before it is read.
        grow(&mut self.coordinates, n_panels * depth, [0.0; PANEL]);
        grow(&mut self.bounds, n_pairs, [0.0; 2]);
        self.points.clear();
        for (i, masses) in self.masses.panels().enumerate() {
            let (_, rest) = self.coordinates.split_at_mut(i * depth);
            let sums = vectorized::coordinates(extension, masses, &self.origin, &mut rest[..depth]);
            // False for NaN too.
            if !sums.iter().all(|sum| *sum < LARGEST) {
                return None;
            }
            let parts =
                |panel: usize| self.coordinates[panel * depth..][..depth].split_at(n_columns);
            let rows = parts(i);
            // The diagonal block comes first, because its diagonal are the squared lengths of the points.
            for j in (0..=i).rev() {
                let columns = parts(j);
                let products = [
                    vectorized::inner_products(extension, rows.0, columns.0),
                    vectorized::inner_products(extension, rows.1, columns.1),
                ];
                if i == j {
                    let squares = products.map(|block| std::array::from_fn(|k| block[k][k]));
                    self.points.push(point_terms(squares, sums, n_columns));
                }
                let block = vectorized::bounds(
                    extension,
                    products.each_ref(),
                    [&self.points[i], &self.points[j]],
                    TAU as f32,
                );
                for (r, line) in block.iter().enumerate() {
                    let point = i * PANEL + r;
                    let width = PANEL.min(point.saturating_sub(j * PANEL));
                    if point < n_points {
                        let start = point * point.saturating_sub(1) / 2 + j * PANEL;
                        self.bounds[start..start + width].copy_from_slice(&line[..width]);
                    }
                }
            }
        }
        Some(&self.bounds[..n_pairs])
    }

    /// Makes the coordinates of the mean row the origin.
    ///
    /// Coordinates then become small where rows are similar, and so do the errors of their products. Any origin does.
    fn set_origin<T: DistanceElement>(&mut self, rows: &[T], n_columns: usize) {
        let mut sums = vec![0.0_f32; n_columns];
        for row in rows.chunks_exact(n_columns) {
            for (sum, mass) in sums.iter_mut().zip(row) {
                *sum += mass.to_f32_nearest();
            }
        }
        let n_points = rows.len() / n_columns;
        let mean = sums.iter().map(|sum| sum / n_points as f32);
        self.origin.clear();
        self.origin.extend(mean.map(coordinates_of::<false>));
    }
}

/// Makes a vector at least this long.
fn grow<T: Copy>(values: &mut Vec<T>, len: usize, value: T) {
    if values.len() < len {
        values.resize(len, value);
    }
}

/// Terms of sixteen points with these squared lengths of roots and waves and these sums of masses.
fn point_terms(squares: [[f32; PANEL]; 2], sums: [f64; PANEL], n_columns: usize) -> PointTerms {
    let unit = f64::from(f32::EPSILON) / 2.0;
    let depth = 2.0 * n_columns as f64 * unit;
    let products = 2.0 * depth / (1.0 - 2.0 * depth) + 4.0 * unit;
    let slack = |k: usize| {
        let square = f64::from(squares[0][k]) + f64::from(squares[1][k]);
        let coordinates = COORDINATE_ERROR * sums[k].sqrt()
            + unit * square.sqrt()
            + 4e-19 * (n_columns as f64).sqrt();
        // (h_i + h_j)^2 is at most 2 h_i^2 + 2 h_j^2.
        let distances = 2.0 * (1.0 + 2.0 / TAU) * coordinates * coordinates;
        LARGEST_COEFFICIENT * (products * square + distances) + SMALLEST
    };
    PointTerms {
        squares,
        sum: sums.map(|sum| sum as f32),
        slack: std::array::from_fn(|k| slack(k) as f32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{PairwiseDistances, RowDistance, RowMetric};

    /// Rows whose logarithms are spread over `spread`, with some zeros in every third row.
    fn rows(n_points: usize, n_columns: usize, spread: f64) -> Vec<f64> {
        let noise = |k: usize| ((k * 7919 + 13) % 10_007) as f64 / 10_007.0;
        let mut rows: Vec<f64> = (0..n_points * n_columns)
            .map(|k| (spread * noise(k * k + k)).exp())
            .collect();
        for (i, row) in rows.chunks_exact_mut(n_columns).enumerate() {
            if i % 3 == 2 && spread > 1.0 {
                row[i % n_columns..].fill(0.0);
                row[0] = 1.0;
            }
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum);
        }
        rows
    }

    fn divergences(rows: &[f64], n_columns: usize) -> Vec<f64> {
        let n_points = rows.len() / n_columns;
        let mut all = vec![0.0; n_points * n_points];
        let distance = RowDistance {
            metric: RowMetric::JensenShannon,
            exponent: 2.0,
        };
        PairwiseDistances::default().compute(distance, rows, n_columns, &mut all);
        let below = (0..n_points).flat_map(|i| (0..i).map(move |j| i * n_points + j));
        below.map(|at| all[at]).collect()
    }

    #[test]
    fn bounds_contain_the_divergences_on_every_extension() {
        for (n_points, n_columns) in [(1, 3), (2, 1), (16, 40), (37, 33), (50, 97)] {
            for spread in [0.0, 1e-5, 1e-3, 0.1, 3.0, 40.0] {
                for scale in [1.0, 1e-25, 1e-10, 1e20] {
                    let mut rows = rows(n_points, n_columns, spread);
                    rows.iter_mut().for_each(|x| *x *= scale);
                    let exact = divergences(&rows, n_columns);
                    for extension in Extension::available() {
                        let mut search = DivergenceBounds::default();
                        let bounds = search.compute(extension, &rows, n_columns);
                        let bounds = bounds.expect("bounds of small numbers");
                        assert_eq!(bounds.len(), exact.len());
                        for (&exact, bounds) in exact.iter().zip(bounds) {
                            let [lower, upper] = bounds.map(f64::from);
                            // With room for the errors of the `f32` kernel.
                            assert!(
                                lower <= exact * (1.0 - 8e-6) && exact * (1.0 + 8e-6) <= upper,
                                "{extension:?}, {spread}, {scale}: {exact:e}, {lower:e} to {upper:e}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn bounds_are_close_and_need_their_margins() {
        let width = |rows: &[f64]| {
            let mut search = DivergenceBounds::default();
            let bounds = search.compute(Extension::best(), rows, 97).expect("bounds");
            let widths = bounds.iter().map(|[lower, upper]| (upper - lower) / upper);
            widths.fold(0.0, f32::max)
        };
        assert!(width(&rows(50, 97, 3.0)) < 0.04);
        assert!(width(&rows(50, 97, 0.1)) < 0.01);
        // Near collapse rounding errors are as large as the divergences.
        let rows = rows(50, 97, 1e-5);
        let mut search = DivergenceBounds::default();
        search
            .compute(Extension::best(), &rows, 97)
            .expect("bounds");
        let pairs = (0..50).flat_map(|i| (0..i).map(move |j| [i, j]));
        let slack = |i: usize| f64::from(search.points[i / PANEL].slack[i % PANEL]);
        let fails = pairs
            .zip(&search.bounds)
            .zip(divergences(&rows, 97))
            .filter(|(([i, j], bounds), exact)| {
                let slack = slack(*i) + slack(*j);
                let [lower, upper] = bounds.map(f64::from);
                lower + slack > *exact || upper - slack < *exact
            });
        assert!(fails.count() > 100);
    }

    #[test]
    fn numbers_beyond_single_precision_have_no_bounds() {
        let mut search = DivergenceBounds::default();
        for large in [1e35, 1e200] {
            let rows = [large, 1.0, 1.0, 1.0];
            assert!(search.compute(Extension::best(), &rows, 2).is_none());
        }
        assert!(search.compute::<f64>(Extension::best(), &[], 0).is_none());
    }
}
