//! Mean and standard deviation of one number per seed.

use super::PairedDifferences;
use crate::mean::mean;

/// Relative tolerance below which numbers count as equal: they differ by rounding only.
pub(super) const ROUNDING: f64 = 1e-12;

/// Sample mean and standard deviation of at least two seeds that differ.
///
/// ```text
/// mean               = sum_i x_i / n                     x_i: mean difference of seed i
/// standard deviation = sqrt(sum_i (x_i - mean)^2 / (n - 1))
/// standard error     = standard deviation / sqrt(n)
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SeedMoments {
    /// Number of seeds, at least 2.
    pub(super) n_seeds: usize,
    /// Mean over seeds.
    pub(super) mean: f64,
    /// Sample standard deviation, with `n_seeds - 1` in the denominator; above 0.
    pub(super) standard_deviation: f64,
}

impl SeedMoments {
    /// Computes the moments; `None` for one seed and for seeds that are equal up to rounding.
    pub(super) fn from_differences(differences: &PairedDifferences) -> Option<Self> {
        let by_seed = differences.by_seed();
        let mean = mean(by_seed.iter().copied())?;
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let size = largest(&mut by_seed.iter().map(|x| x.abs()));
        let spread = largest(&mut by_seed.iter().map(|x| (x - mean).abs()));
        // `<=` and not `<`: if all seeds are 0, both sides are 0.
        if by_seed.len() < 2 || spread <= ROUNDING * size {
            return None;
        }
        // Divided by the largest deviation first: squares of very small numbers underflow to 0, those
        // of very large ones overflow.
        let squares = by_seed.iter().map(|x| ((x - mean) / spread).powi(2));
        let degrees_of_freedom = (by_seed.len() - 1) as f64;
        Some(Self {
            n_seeds: by_seed.len(),
            mean,
            standard_deviation: spread * (squares.sum::<f64>() / degrees_of_freedom).sqrt(),
        })
    }

    /// Degrees of freedom of the t statistic, `n_seeds - 1`.
    pub(super) fn degrees_of_freedom(&self) -> f64 {
        (self.n_seeds - 1) as f64
    }

    /// Standard error of the mean.
    pub(super) fn standard_error(&self) -> f64 {
        self.standard_deviation / (self.n_seeds as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(by_seed: &[f64]) -> Option<SeedMoments> {
        let rows: Vec<[f64; 1]> = by_seed.iter().map(|&x| [x]).collect();
        SeedMoments::from_differences(&PairedDifferences::new(&rows).unwrap())
    }

    #[test]
    fn deviation_is_that_of_a_sample_at_every_scale() {
        for scale in [1e-300, 1e-20, 1.0, 1e290] {
            let actual = moments(&[scale, 2.0 * scale, 6.0 * scale]).unwrap();
            assert!((actual.mean / scale - 3.0).abs() < 1e-14);
            assert!((actual.standard_deviation / scale - 7f64.sqrt()).abs() < 1e-14);
        }
    }

    #[test]
    fn seeds_equal_up_to_rounding_have_no_moments() {
        assert_eq!(moments(&[0.3]), None);
        assert_eq!(moments(&[0.0, 0.0]), None);
        assert_eq!(moments(&[0.1 + 0.2, 0.3, 0.3]), None);
        assert!(moments(&[0.3, 0.3 + 1e-9]).is_some());
    }
}
