//! Outlier threshold by Tukey's fence.

use super::bootstrap::lower_quantile;

/// Quartiles of a sample, and the upper fence above which a number counts as an outlier.
///
/// ```text
/// upper fence = q3 + 1.5 (q3 - q1)   q1, q3: lower and upper quartile
/// ```
///
/// # Source
///
/// Tukey, "Exploratory Data Analysis", 1977, section 2D. Quartiles are interpolated linearly between
/// sorted numbers.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::TukeyFence;
///
/// let fence = TukeyFence::from_values(&[4.0, 1.0, 2.0, 3.0, 5.0]).expect("numbers");
/// assert_eq!((fence.quartiles, fence.upper()), ([2.0, 3.0, 4.0], 7.0));
/// assert_eq!(fence.ranges_above_median(6.0), Some(1.5));
/// assert_eq!(TukeyFence::from_values(&[1.0, f64::INFINITY]), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TukeyFence {
    /// Lower quartile, median and upper quartile.
    pub quartiles: [f64; 3],
}

impl TukeyFence {
    /// Computes the quartiles of a sample; `None` if it is empty or a number is not finite.
    ///
    /// Between infinite numbers, a quartile and the interquartile range are not defined.
    pub fn from_values(values: &[f64]) -> Option<Self> {
        if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        // NaN was excluded above, so this is the order of the numbers.
        sorted.sort_by(f64::total_cmp);
        let quartiles = [0.25, 0.5, 0.75].map(|fraction| lower_quantile(&sorted, fraction));
        Some(Self { quartiles })
    }

    /// Upper fence: one and a half interquartile ranges above the upper quartile.
    pub fn upper(self) -> f64 {
        self.quartiles[2] + 1.5 * self.interquartile_range()
    }

    /// Number of interquartile ranges by which a value exceeds the median; `None` if the range is 0.
    pub fn ranges_above_median(self, value: f64) -> Option<f64> {
        let range = self.interquartile_range();
        (range > 0.0).then(|| (value - self.quartiles[1]) / range)
    }

    /// Interquartile range.
    fn interquartile_range(self) -> f64 {
        self.quartiles[2] - self.quartiles[0]
    }
}
