//! Gradients of the row distances.

use super::element::DistanceElement;
use super::extension::Extension;
use super::row_distance::{RowDistance, RowMetric};

impl RowDistance {
    /// Adds `upstream` times the gradient of the distance between two rows to the gradients of these rows.
    ///
    /// # Shapes
    ///
    /// `rows` are rows `i` and `j` of the matrix, `edge` is `[i, j]`, and `distance` is the entry there
    /// as [`PairwiseDistances`](super::PairwiseDistances) computed it; all slices are `[n_columns]`.
    ///
    /// # Gradient
    ///
    /// Both rows receive the derivatives with respect to their entries, not projected onto rows of constant sum.
    /// For exponent 1, with `d` the distance between the rows `p` and `q` (or the vectors `u` and `v`):
    ///
    /// ```text
    /// Jensen-Shannon:  dd / dp_k = ln(2 p_k / (p_k + q_k)) / (4 d)
    /// Hellinger:       dd / dp_k = (1 - sqrt(q_k / p_k)) / (4 d)
    /// total variation: dd / dp_k = sign(p_k - q_k) / 2, sign 0 = 0
    /// cosine:          dd / du_k = ((1 - d) u_k / |u| - v_k / |v|) / |u|
    /// Euclidean:       dd / du_k = (u_k - v_k) / d
    /// attention:       -1 for the larger of a_ij and a_ji, -1/2 for each if they are equal
    /// ```
    ///
    /// and the same with the rows exchanged. An exponent `e` multiplies these by `e d^(e - 1)`. The
    /// gradient is defined as zero where the distance is zero, for an outcome without mass in either row,
    /// and for the cosine of a vector of zeros. Where `p_k = 0 < q_k` the derivative of the first two is
    /// infinite; it is then taken at the smallest normal number.
    ///
    /// # Cost
    ///
    /// O(n_columns).
    ///
    /// # Panics
    ///
    /// If the slices differ in length, or one of attention is too short for the edge.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::distance::RowDistance;
    ///
    /// let (p, q) = ([0.9, 0.1], [0.5, 0.5]);
    /// let (mut grad_p, mut grad_q) = ([0.0; 2], [0.0; 2]);
    /// let gradients = [&mut grad_p[..], &mut grad_q[..]];
    /// let distance = 0.3195;
    /// RowDistance::JENSEN_SHANNON.accumulate_gradient([&p, &q], [0, 1], distance, 1.0, gradients);
    /// // Moving mass from the first outcome of `p` to the second makes the distance smaller.
    /// assert!(grad_p[0] > 0.0 && grad_p[1] < 0.0);
    /// ```
    pub fn accumulate_gradient<T: DistanceElement>(
        self,
        rows: [&[T]; 2],
        edge: [usize; 2],
        distance: f64,
        upstream: f64,
        gradients: [&mut [T]; 2],
    ) {
        for (row, gradient) in rows.iter().zip(&gradients) {
            assert_eq!(row.len(), rows[0].len(), "rows differ in length");
            assert_eq!(
                row.len(),
                gradient.len(),
                "row and gradient differ in length"
            );
        }
        // The distance has no derivative there; zero is the subgradient of least norm.
        if distance == 0.0 {
            return;
        }
        // The value of the metric itself, of which the distance is a power.
        let metric = if self.exponent == 1.0 {
            distance
        } else {
            distance.powf(self.exponent.recip())
        };
        let upstream = upstream * self.power_derivative(metric);
        match self.metric {
            RowMetric::JensenShannon => {
                let scale = 0.25 * upstream / metric;
                T::add_log_ratios(Extension::best(), rows, scale, gradients);
            }
            RowMetric::Attention => accumulate_larger_entry(rows, edge, upstream, gradients),
            _ => self.accumulate_vectors(rows, metric, upstream, gradients),
        }
    }

    /// Adds `upstream` times the gradient of a distance other than Jensen-Shannon and attention, with exponent 1.
    fn accumulate_vectors<T: DistanceElement>(
        self,
        rows: [&[T]; 2],
        distance: f64,
        upstream: f64,
        [grad_u, grad_v]: [&mut [T]; 2],
    ) {
        let [u, v] = rows.map(|row| self.metric.prepared(row));
        let lengths = rows.map(length);
        // A vector of zeros has no direction that a gradient could turn.
        if self.metric == RowMetric::Cosine && lengths.contains(&0.0) {
            return;
        }
        let pairs = || u.iter().zip(&v);
        match self.metric {
            RowMetric::Hellinger => {
                let scale = 0.25 * upstream / distance;
                // The prepared rows hold square roots, so the root of the smallest normal number.
                let least = T::min_positive_value().to_f64_exact().sqrt();
                let slope = |x: f64, y: f64| scale * (x - y) / x.max(least);
                add(grad_u, pairs().map(|(&u, &v)| slope(u, v)));
                add(grad_v, pairs().map(|(&u, &v)| slope(v, u)));
            }
            RowMetric::TotalVariation => {
                // `signum` alone would be 1 at 0.
                let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
                let slope = |x: f64, y: f64| 0.5 * upstream * sign(x - y);
                add(grad_u, pairs().map(|(&u, &v)| slope(u, v)));
                add(grad_v, pairs().map(|(&u, &v)| slope(v, u)));
            }
            RowMetric::Cosine => {
                // `(u - v) - d u` rather than `(1 - d) u - v`: the difference is exact where both
                // unit vectors nearly agree.
                let [scale_u, scale_v] = lengths.map(|length| upstream / length);
                add(
                    grad_u,
                    pairs().map(|(u, v)| scale_u * ((u - v) - distance * u)),
                );
                add(
                    grad_v,
                    pairs().map(|(u, v)| scale_v * ((v - u) - distance * v)),
                );
            }
            _ => {
                let scale = upstream / distance;
                add(grad_u, pairs().map(|(u, v)| scale * (u - v)));
                add(grad_v, pairs().map(|(u, v)| scale * (v - u)));
            }
        }
    }

    /// Derivative `e d^(e - 1)` of the power `d^e` with respect to a distance `d` above zero; `e` is the exponent.
    fn power_derivative(self, distance: f64) -> f64 {
        if self.exponent == 1.0 {
            1.0
        } else {
            self.exponent * distance.powf(self.exponent - 1.0)
        }
    }
}

/// Adds the gradient of `1 - max(a_ij, a_ji)`: `-upstream` to the larger entry, half to each if equal.
fn accumulate_larger_entry<T: DistanceElement>(
    rows: [&[T]; 2],
    [i, j]: [usize; 2],
    upstream: f64,
    gradients: [&mut [T]; 2],
) {
    let weights = [rows[0][j], rows[1][i]];
    let largest = weights[0].max(weights[1]);
    let n_attaining = weights.iter().filter(|&&weight| weight == largest).count();
    let slope = T::from_f64_nearest(-upstream / n_attaining as f64);
    for ((gradient, column), weight) in gradients.into_iter().zip([j, i]).zip(weights) {
        if weight == largest {
            gradient[column] = gradient[column] + slope;
        }
    }
}

/// Euclidean length of a row.
fn length<T: DistanceElement>(row: &[T]) -> f64 {
    row.iter()
        .map(|x| x.to_f64_exact().powi(2))
        .sum::<f64>()
        .sqrt()
}

/// Adds `parts` to a gradient, each rounded to the type of the rows first.
fn add<T: DistanceElement>(gradient: &mut [T], parts: impl Iterator<Item = f64>) {
    for (sum, part) in gradient.iter_mut().zip(parts) {
        *sum = *sum + T::from_f64_nearest(part);
    }
}
