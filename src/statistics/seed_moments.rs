//! Mean and spread of one number per seed.

use super::PairedDifferences;
use super::differences::mean;

/// Numbers that differ by less than this share of the largest of them differ by rounding.
pub(super) const ROUNDING: f64 = 1e-12;

/// What the t distribution needs of at least two seeds that differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SeedMoments {
    pub(super) n_seeds: usize,
    pub(super) mean: f64,
    /// Of a sample, with `n_seeds - 1` in the denominator; above 0.
    pub(super) standard_deviation: f64,
}

impl SeedMoments {
    /// None of one seed, and of seeds that are equal but for rounding.
    pub(super) fn of(differences: &PairedDifferences) -> Option<Self> {
        let by_seed = differences.by_seed();
        let mean = mean(&by_seed);
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let size = largest(&mut by_seed.iter().map(|x| x.abs()));
        let spread = largest(&mut by_seed.iter().map(|x| (x - mean).abs()));
        if by_seed.len() < 2 || spread <= ROUNDING * size {
            return None;
        }
        // Of numbers up to 1, since the squares of very small or large ones are no numbers.
        let squares = by_seed.iter().map(|x| ((x - mean) / spread).powi(2));
        let degrees_of_freedom = (by_seed.len() - 1) as f64;
        Some(Self {
            n_seeds: by_seed.len(),
            mean,
            standard_deviation: spread * (squares.sum::<f64>() / degrees_of_freedom).sqrt(),
        })
    }

    pub(super) fn degrees_of_freedom(&self) -> f64 {
        (self.n_seeds - 1) as f64
    }

    pub(super) fn standard_error(&self) -> f64 {
        self.standard_deviation / (self.n_seeds as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(by_seed: &[f64]) -> Option<SeedMoments> {
        let rows: Vec<[f64; 1]> = by_seed.iter().map(|&x| [x]).collect();
        SeedMoments::of(&PairedDifferences::new(&rows).unwrap())
    }

    #[test]
    fn spread_is_that_of_a_sample_at_every_scale() {
        for scale in [1e-300, 1e-20, 1.0, 1e290] {
            let found = moments(&[scale, 2.0 * scale, 6.0 * scale]).unwrap();
            assert!((found.mean / scale - 3.0).abs() < 1e-14);
            assert!((found.standard_deviation / scale - 7f64.sqrt()).abs() < 1e-14);
        }
    }

    #[test]
    fn seeds_equal_but_for_rounding_have_no_spread() {
        assert_eq!(moments(&[0.3]), None);
        assert_eq!(moments(&[0.0, 0.0]), None);
        assert_eq!(moments(&[0.1 + 0.2, 0.3, 0.3]), None);
        assert!(moments(&[0.3, 0.3 + 1e-9]).is_some());
    }
}
