//! What a report prints of two arms.

use super::{
    Bootstrap, EffectSize, Equivalence, Interval, PairedDifferences, PowerAnalysis,
    equivalence_test, sign_flip_test,
};
use crate::Result;

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
    /// The interval of [`Bootstrap::default`], for new seeds and new units.
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
            interval: Bootstrap::default().interval(differences)?,
            p_value: test.p_value,
            smallest_p_value: test.smallest_p_value,
            effect_size,
            n_seeds_for_80_percent_power: corrected.map(seeds_needed).transpose()?.flatten(),
            equivalence: margin.map(equivalence).transpose()?.flatten(),
        })
    }
}
