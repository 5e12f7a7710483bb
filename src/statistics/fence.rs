//! What lies far from most.

use super::bootstrap::lower_quantile;

/// Quartiles of some numbers, and the fence above which another one is called an outlier.
///
/// # Source
///
/// Tukey, "Exploratory Data Analysis", 1977, section 2D: one and a half interquartile ranges above the
/// upper quartile. Quantiles are linear between members.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::Fence;
///
/// let fence = Fence::of(&[4.0, 1.0, 2.0, 3.0, 5.0]).expect("numbers");
/// assert_eq!((fence.quartiles, fence.upper()), ([2.0, 3.0, 4.0], 7.0));
/// assert_eq!(fence.ranges_above_median(6.0), Some(1.5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fence {
    /// The lower quartile, the median, the upper quartile.
    pub quartiles: [f64; 3],
}

impl Fence {
    /// The fence of some numbers; `None` of none, or if one is not a number.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| value.is_nan()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let quartiles = [0.25, 0.5, 0.75].map(|share| lower_quantile(&sorted, share));
        Some(Self { quartiles })
    }

    /// One and a half interquartile ranges above the upper quartile.
    pub fn upper(self) -> f64 {
        self.quartiles[2] + 1.5 * self.range()
    }

    /// How far a number lies above the median, in interquartile ranges; `None` where these are 0.
    pub fn ranges_above_median(self, value: f64) -> Option<f64> {
        (self.range() > 0.0).then(|| (value - self.quartiles[1]) / self.range())
    }

    fn range(self) -> f64 {
        self.quartiles[2] - self.quartiles[0]
    }
}
