//! Gradients of single distances.

use super::element::DistanceElement;
use super::row_distance::{Metric, RowDistance};
use super::vectorized::Extension;

impl RowDistance {
    /// Adds `upstream` times the gradient of the distance of two rows to those of the rows.
    ///
    /// # Shapes
    ///
    /// `rows` are rows `i` and `j` of the matrix, `edge` is `[i, j]` and `distance` the entry there,
    /// as [`PairwiseDistances`](super::PairwiseDistances) found it; all slices are `[n_columns]`.
    ///
    /// # Gradient
    ///
    /// To both rows, the free derivative, not projected onto rows of constant sum:
    ///
    /// - Jensen-Shannon: `d distance / d p_k = ln(2 p_k / (p_k + q_k)) / (4 distance)`
    /// - Hellinger: `(1 - sqrt(q_k / p_k)) / (4 distance)`
    /// - cosine: `((1 - distance) u_k / |u| - v_k / |v|) / |u|`
    /// - Euclidean: `(u_k - v_k) / distance`
    /// - attention: `-1` to the larger of the two entries, half to each if they are equal
    ///
    /// and the same with the rows exchanged. It is defined as zero where the distance is zero, for
    /// an outcome without mass in either row, and for vectors of zeros. Where `p_k = 0 < q_k` the
    /// derivative of the first two is infinite; it is then taken at the smallest normal number.
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
    /// let (mut on_p, mut on_q) = ([0.0; 2], [0.0; 2]);
    /// let gradients = [&mut on_p[..], &mut on_q[..]];
    /// let distance = 0.3195;
    /// RowDistance::JENSEN_SHANNON.accumulate_gradient([&p, &q], [0, 1], distance, 1.0, gradients);
    /// // Mass that moves from the first outcome of `p` to the second brings the rows together.
    /// assert!(on_p[0] > 0.0 && on_p[1] < 0.0);
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
        if distance == 0.0 {
            return;
        }
        let metric = match self.exponent {
            1.0 => distance,
            exponent => distance.powf(exponent.recip()),
        };
        let upstream = upstream * self.outer(metric);
        match self.metric {
            Metric::JensenShannon => {
                let scale = 0.25 * upstream / metric;
                T::add_log_ratios(Extension::best(), rows, scale, gradients);
            }
            Metric::Attention => accumulate_entry(rows, edge, upstream, gradients),
            _ => self.accumulate_vectors(rows, metric, upstream, gradients),
        }
    }

    fn accumulate_vectors<T: DistanceElement>(
        self,
        rows: [&[T]; 2],
        distance: f64,
        upstream: f64,
        [on_u, on_v]: [&mut [T]; 2],
    ) {
        let [u, v] = rows.map(|row| self.metric.prepared(row));
        let lengths = rows.map(length);
        if self.metric == Metric::Cosine && lengths.contains(&0.0) {
            return;
        }
        let pairs = || u.iter().zip(&v);
        match self.metric {
            Metric::Hellinger => {
                let scale = 0.25 * upstream / distance;
                let least = T::min_positive_value().to_f64_exact().sqrt();
                let slope = |x: f64, y: f64| scale * (x - y) / x.max(least);
                add(on_u, pairs().map(|(&u, &v)| slope(u, v)));
                add(on_v, pairs().map(|(&u, &v)| slope(v, u)));
            }
            Metric::Cosine => {
                // By way of the difference, which stays accurate where both nearly agree.
                let [scale_u, scale_v] = lengths.map(|length| upstream / length);
                add(
                    on_u,
                    pairs().map(|(u, v)| scale_u * ((u - v) - distance * u)),
                );
                add(
                    on_v,
                    pairs().map(|(u, v)| scale_v * ((v - u) - distance * v)),
                );
            }
            _ => {
                let scale = upstream / distance;
                add(on_u, pairs().map(|(u, v)| scale * (u - v)));
                add(on_v, pairs().map(|(u, v)| scale * (v - u)));
            }
        }
    }

    /// Derivative of the power at a distance above zero.
    fn outer(self, distance: f64) -> f64 {
        if self.exponent == 1.0 {
            1.0
        } else {
            self.exponent * distance.powf(self.exponent - 1.0)
        }
    }
}

/// The derivative goes to the larger entry, or half to each.
fn accumulate_entry<T: DistanceElement>(
    rows: [&[T]; 2],
    [i, j]: [usize; 2],
    upstream: f64,
    gradients: [&mut [T]; 2],
) {
    let weights = [rows[0][j], rows[1][i]];
    let largest = weights[0].max(weights[1]);
    let n_attaining = weights.iter().filter(|&&weight| weight == largest).count();
    let slope = T::from_f64_nearest(-upstream / n_attaining as f64);
    for ((gradient, place), weight) in gradients.into_iter().zip([j, i]).zip(weights) {
        if weight == largest {
            gradient[place] = gradient[place] + slope;
        }
    }
}

fn length<T: DistanceElement>(row: &[T]) -> f64 {
    row.iter()
        .map(|x| x.to_f64_exact().powi(2))
        .sum::<f64>()
        .sqrt()
}

fn add<T: DistanceElement>(gradient: &mut [T], parts: impl Iterator<Item = f64>) {
    for (sum, part) in gradient.iter_mut().zip(parts) {
        *sum = *sum + T::from_f64_nearest(part);
    }
}
