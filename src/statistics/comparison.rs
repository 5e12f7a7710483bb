//! Complete comparison of two arms, as a report prints it.

use super::{
    Bootstrap, EffectSize, Equivalence, Interval, PairedDifferences, PowerAnalysis,
    equivalence_test, sign_flip_test, t_interval,
};
use crate::Result;

/// Smallest number of seeds for which a bootstrap interval can reach 95 % confidence.
///
/// The range of `n` seeds contains their median with probability `1 - 2^(1 - n)`, 0.97 for 6 seeds.
const MIN_BOOTSTRAP_SEEDS: usize = 6;

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// Significance level of the equivalence test and of the power analysis.
const ALPHA: f64 = 0.05;

/// 95 % confidence interval of the mean difference; `None` for one seed or without variation.
///
/// From six seeds on it is the interval of [`Bootstrap::default`] over seeds and units. With fewer
/// seeds, resamples cannot reach 95 %, and it is the [`t_interval`] over the seeds.
///
/// # Errors
///
/// Returns the errors of [`Bootstrap::interval`].
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{PairedDifferences, interval_of_mean};
///
/// let three = PairedDifferences::new(&[[0.0], [1.0], [2.0]])?;
/// let interval = interval_of_mean(&three)?.expect("seeds that differ");
/// // Wider than the range of the seeds: the quantile of Student's t with 2 degrees of freedom is 4.3.
/// assert!((interval.high - (1.0 + 4.302653 / 3f64.sqrt())).abs() < 1e-5);
/// assert_eq!(interval.confidence, 0.95);
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn interval_of_mean(differences: &PairedDifferences) -> Result<Option<Interval>> {
    if differences.n_seeds() < MIN_BOOTSTRAP_SEEDS {
        t_interval(differences, CONFIDENCE)
    } else {
        // The default seed, so that equal differences have equal intervals in every report.
        Bootstrap::default().interval(differences)
    }
}

/// Comparison of a treated arm with the baseline: mean difference, interval, tests and effect size.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{PairedComparison, PairedDifferences};
///
/// let rows = [[0.5, 1.0], [0.25, 1.5], [0.75, 0.5], [0.5, 0.5], [1.0, 1.25], [0.25, 0.75]];
/// let comparison = PairedComparison::new(&PairedDifferences::new(&rows)?, Some(0.25))?;
/// assert_eq!((comparison.n_seeds, comparison.n_units), (6, 2));
/// assert_eq!(comparison.p_value, 0.03125); // the smallest of 6 seeds
/// assert_eq!(comparison.n_seeds_for_80_percent_power, Some(4));
/// let equivalence = comparison.equivalence.expect("a margin, and seeds that differ");
/// assert!(equivalence.p_value > 0.99);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PairedComparison {
    /// Number of seeds.
    pub n_seeds: usize,
    /// Number of units that were measured within every seed.
    pub n_units: usize,
    /// Mean difference, treated minus baseline.
    pub mean: f64,
    /// 95 % confidence interval of the mean, see [`interval_of_mean`]; `None` without variation over seeds.
    pub interval: Option<Interval>,
    /// p-value of [`sign_flip_test`], for new seeds on the same units.
    pub p_value: f64,
    /// Smallest p-value that can be reached with this number of seeds.
    pub smallest_p_value: f64,
    /// Mean difference in standard deviations of the seeds; `None` without variation over seeds.
    pub effect_size: Option<EffectSize>,
    /// Number of seeds for a power of 0.8 at level 0.05 if the corrected effect size is the true one.
    ///
    /// `None` if there is no corrected effect size, if it is 0, or if more than
    /// [`MAX_SEEDS`](super::MAX_SEEDS) seeds would be needed. The number is as uncertain as the effect size:
    /// it serves to plan an experiment and is not a result.
    pub n_seeds_for_80_percent_power: Option<usize>,
    /// Result of [`equivalence_test`] at level 0.05; `None` without a margin or without variation over seeds.
    pub equivalence: Option<Equivalence>,
}

impl PairedComparison {
    /// Compares two arms by their paired differences, with an optional equivalence margin.
    ///
    /// # Errors
    ///
    /// [`crate::Error::is_invalid_parameter`] if the equivalence margin is not finite and above 0.
    ///
    /// # Cost
    ///
    /// The bootstrap takes most of the time: about ten milliseconds for 10 seeds and 200 units.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::{PairedComparison, PairedDifferences};
    ///
    /// let one_seed = PairedDifferences::new(&[[0.5, 0.25]])?;
    /// let comparison = PairedComparison::new(&one_seed, None)?;
    /// assert_eq!((comparison.mean, comparison.p_value), (0.375, 1.0));
    /// assert_eq!((comparison.interval, comparison.effect_size), (None, None));
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn new(differences: &PairedDifferences, margin: Option<f64>) -> Result<Self> {
        let test = sign_flip_test(differences);
        let equivalence = |margin| equivalence_test(differences, margin, ALPHA);
        let effect_size = EffectSize::from_differences(differences);
        let seeds_needed = |d_z| PowerAnalysis { d_z, alpha: ALPHA }.seeds_needed(0.8);
        // The uncorrected effect size is biased upward and would plan too few seeds.
        let corrected = effect_size.and_then(|size| size.corrected);
        Ok(Self {
            n_seeds: differences.n_seeds(),
            n_units: differences.n_units(),
            mean: differences.mean(),
            interval: interval_of_mean(differences)?,
            p_value: test.p_value,
            smallest_p_value: test.smallest_p_value,
            effect_size,
            n_seeds_for_80_percent_power: corrected.map(seeds_needed).transpose()?.flatten(),
            equivalence: margin.map(equivalence).transpose()?.flatten(),
        })
    }
}
