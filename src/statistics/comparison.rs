//! What a report prints of two arms.

use super::{
    Bootstrap, EffectSize, Equivalence, Interval, PairedDifferences, PowerAnalysis,
    equivalence_test, sign_flip_test, t_interval,
};
use crate::Result;

/// Fewest seeds whose resamples reach an interval of 95 %: that from the least to the greatest of `n` holds
/// the mean with `1 - 2^(1 - n)`.
const FEWEST_RESAMPLED: usize = 6;

/// Where the mean lies with a confidence of 95 %: by [`Bootstrap::default`] over seeds and units, of less than
/// six seeds by [`t_interval`] over the seeds, which resamples of so few cannot reach; `None` of one.
///
/// # Errors
///
/// As [`Bootstrap::interval`].
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{PairedDifferences, interval_of_mean};
///
/// let three = PairedDifferences::new(&[[0.0], [1.0], [2.0]])?;
/// let interval = interval_of_mean(&three)?.expect("seeds that differ");
/// // Wider than what was seen: Student's t of two degrees of freedom is 4.3.
/// assert!((interval.high - (1.0 + 4.302653 / 3f64.sqrt())).abs() < 1e-5);
/// assert_eq!(interval.confidence, 0.95);
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn interval_of_mean(differences: &PairedDifferences) -> Result<Option<Interval>> {
    match differences.n_seeds() < FEWEST_RESAMPLED {
        true => t_interval(differences, CONFIDENCE),
        false => Bootstrap::default().interval(differences),
    }
}

/// Of the intervals.
const CONFIDENCE: f64 = 0.95;

/// Level of the tests and of the planned one.
const ALPHA: f64 = 0.05;

/// Two arms, compared.
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
    /// Number of units that every seed was tested on.
    pub n_units: usize,
    /// Mean difference, treated minus baseline.
    pub mean: f64,
    /// Where the mean lies with a confidence of 95 %, see [`interval_of_mean`].
    pub interval: Option<Interval>,
    /// The p-value of [`sign_flip_test`], for new seeds on the same units.
    pub p_value: f64,
    /// The smallest p-value that so many seeds can reach.
    pub smallest_p_value: f64,
    /// Mean in standard deviations of the seeds, where there is one.
    pub effect_size: Option<EffectSize>,
    /// Seeds for a power of 0.8 at level 0.05, were the corrected effect size the true one; none
    /// where there is none, where it is 0, and where too many would be needed.
    ///
    /// An estimate as uncertain as the effect size: a number for planning, no finding.
    pub n_seeds_for_80_percent_power: Option<usize>,
    /// The test of [`equivalence_test`] at level 0.05, if a margin is given and the seeds differ.
    pub equivalence: Option<Equivalence>,
}

impl PairedComparison {
    /// Everything of one table of differences.
    ///
    /// # Errors
    ///
    /// [`crate::Error::is_invalid_parameter`] if the margin of equivalence is not finite and above 0.
    ///
    /// # Cost
    ///
    /// That of the bootstrap: some ten milliseconds for 10 seeds and 200 units.
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
        let effect_size = EffectSize::of(differences);
        let seeds_needed = |d_z| PowerAnalysis { d_z, alpha: ALPHA }.seeds_needed(0.8);
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
