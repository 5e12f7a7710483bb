//! Coordinates of points in panels, and the matrix of all inner products between the points.

use super::extension::Extension;
use super::gram::PANEL;
use super::vectorized::inner_products;

/// Coordinates of points, in panels of [`PANEL`] points.
///
/// Coordinate `k` of all points of a panel is one array, and the arrays of a panel follow each other. The kernel then
/// reads memory in order, whatever the number of coordinates.
#[derive(Debug, Clone, Default)]
pub(super) struct Panels {
    values: Vec<[f32; PANEL]>,
    n_points: usize,
    n_coordinates: usize,
}

impl Panels {
    /// Replaces all points; `write(i, coordinates)` writes the coordinates of point `i`.
    pub(super) fn fill(
        &mut self,
        n_points: usize,
        n_coordinates: usize,
        mut write: impl FnMut(usize, &mut [f32]),
    ) {
        (self.n_points, self.n_coordinates) = (n_points, n_coordinates);
        self.values.clear();
        let mut rows = vec![0.0; PANEL * n_coordinates];
        for start in (0..n_points).step_by(PANEL) {
            let n_present = PANEL.min(n_points - start);
            // Places without a point get zeros.
            rows[n_present * n_coordinates..].fill(0.0);
            for (k, row) in rows
                .chunks_exact_mut(n_coordinates)
                .take(n_present)
                .enumerate()
            {
                write(start + k, row);
            }
            let rows: [&[f32]; PANEL] =
                std::array::from_fn(|k| &rows[k * n_coordinates..][..n_coordinates]);
            self.values
                .extend((0..n_coordinates).map(|k| std::array::from_fn(|point| rows[point][k])));
        }
    }

    /// Moves the mean of the points to the origin, and returns the squared length of what it was.
    ///
    /// Distances between points stay the same. Inner products become as small as the distances are, and so do their
    /// rounding errors.
    pub(super) fn centre(&mut self) -> f64 {
        let n_coordinates = self.n_coordinates;
        let mut squared_length = 0.0;
        for k in 0..n_coordinates {
            let mut sums = [0.0_f32; PANEL];
            for panel in self.values.chunks_exact(n_coordinates) {
                for (sum, value) in sums.iter_mut().zip(&panel[k]) {
                    *sum += value;
                }
            }
            // Any number does as the origin, so that rounding errors of the mean do not matter.
            let mean = sums.iter().sum::<f32>() / self.n_points as f32;
            squared_length += f64::from(mean).powi(2);
            for panel in self.values.chunks_exact_mut(n_coordinates) {
                for value in &mut panel[k] {
                    *value -= mean;
                }
            }
        }
        // Places without a point are zero again.
        let n_last = self.n_points % PANEL;
        if n_last > 0 {
            let last = self.values.len() - n_coordinates;
            for values in &mut self.values[last..] {
                values[n_last..].fill(0.0);
            }
        }
        squared_length
    }

    /// Largest `(a - b) / (a + b)` of two squares of the same coordinate of different points, where no coordinate is
    /// negative; 0 for equal points.
    pub(super) fn largest_delta(&self) -> f64 {
        let n_coordinates = self.n_coordinates.max(1);
        let whole = self.n_points / PANEL * n_coordinates;
        let mut largest = 0.0_f32;
        for k in 0..n_coordinates {
            let (mut low, mut high) = ([f32::INFINITY; PANEL], [0.0_f32; PANEL]);
            for values in self.values[..whole].iter().skip(k).step_by(n_coordinates) {
                for lane in 0..PANEL {
                    let x = values[lane];
                    low[lane] = if x < low[lane] { x } else { low[lane] };
                    high[lane] = if x > high[lane] { x } else { high[lane] };
                }
            }
            // The last panel has places without a point.
            let last = self
                .values
                .get(whole + k)
                .map_or(&[][..], |values| &values[..self.n_points % PANEL]);
            let low = low.iter().chain(last).fold(f32::INFINITY, |a, &b| a.min(b));
            let high = high.iter().chain(last).fold(0.0, |a: f32, &b| a.max(b));
            // Of the ratio of the two, rather than of the squares, which could overflow.
            let ratio = if high > 0.0 { low / high } else { 1.0 };
            largest = largest.max((1.0 - ratio * ratio) / (1.0 + ratio * ratio));
        }
        // A margin for rounding.
        (f64::from(largest) * (1.0 + 1e-5)).min(1.0)
    }

    /// Squared length of each point, and 0 for places without a point.
    pub(super) fn squared_lengths(&self) -> Vec<f64> {
        let squares = self.panels().map(|panel| {
            let mut sums = [0.0; PANEL];
            for values in panel {
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum += f64::from(value) * f64::from(value);
                }
            }
            sums
        });
        squares.flatten().collect()
    }

    /// Coordinates of each panel, those of places without a point 0.
    pub(super) fn panels(&self) -> impl Iterator<Item = &[[f32; PANEL]]> {
        self.values.chunks_exact(self.n_coordinates.max(1))
    }

    /// Number of points and of places without one that fill the last panel.
    pub(super) fn n_places(&self) -> usize {
        self.n_points.next_multiple_of(PANEL)
    }

    /// Writes the inner products of all places, `[n_places, n_places]`, row-major and symmetric bit for bit.
    pub(super) fn inner_products(&self, extension: Extension, products: &mut [f32]) {
        let (depth, stride) = (self.n_coordinates, self.n_places());
        let panel = |p: usize| &self.values[p * depth..][..depth];
        for i in 0..stride / PANEL {
            for j in 0..=i {
                let block = inner_products(extension, panel(i), panel(j));
                for (r, line) in block.iter().enumerate() {
                    products[(i * PANEL + r) * stride + j * PANEL..][..PANEL].copy_from_slice(line);
                }
                // The transposed block; on the diagonal it is the same.
                for c in 0..PANEL {
                    let line = &mut products[(j * PANEL + c) * stride + i * PANEL..][..PANEL];
                    for (product, row) in line.iter_mut().zip(&block) {
                        *product = row[c];
                    }
                }
            }
        }
    }
}
