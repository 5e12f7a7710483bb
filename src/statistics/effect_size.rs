//! Effect size: a mean difference in units of the standard deviation over seeds.

use statrs::function::gamma::ln_gamma;

use super::PairedDifferences;
use super::seed_moments::SeedMoments;

/// Standardised mean difference of paired seeds: Cohen's `d_z` and Hedges' correction of it.
///
/// ```text
/// d_z       = mean(x) / s           x: one difference per seed, s: its sample standard deviation
/// corrected = J(n - 1) d_z          n: number of seeds
/// J(m)      = gamma(m / 2) / (sqrt(m / 2) gamma((m - 1) / 2))
/// ```
///
/// # Units
///
/// Both numbers have no unit: multiplying all differences by a positive number does not change them.
///
/// # Source
///
/// Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, for `d_z`; Hedges,
/// "Distribution Theory for Glass's Estimator of Effect Size", 1981, for the correction.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{EffectSize, PairedDifferences};
///
/// let differences = PairedDifferences::new(&[[1.0], [2.0], [3.0]])?;
/// let size = EffectSize::from_differences(&differences).expect("3 seeds that differ");
/// assert_eq!(size.d_z, 2.0);
/// let corrected = size.corrected.expect("at least 3 seeds");
/// assert!((corrected - 2.0 / std::f64::consts::PI.sqrt()).abs() < 1e-12);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectSize {
    /// Mean of the seeds over their sample standard deviation; too large on average with few seeds.
    pub d_z: f64,
    /// `d_z` times the factor that removes its bias for normal differences; `None` with two seeds, for
    /// which the expectation of `d_z` does not exist.
    pub corrected: Option<f64>,
}

impl EffectSize {
    /// Computes the effect size; `None` for one seed and for seeds that are equal up to rounding.
    ///
    /// Such seeds have no standard deviation to divide the mean by.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::{EffectSize, PairedDifferences};
    ///
    /// assert_eq!(EffectSize::from_differences(&PairedDifferences::new(&[[1.0]])?), None);
    /// assert_eq!(EffectSize::from_differences(&PairedDifferences::new(&[[1.0], [1.0]])?), None);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn from_differences(differences: &PairedDifferences) -> Option<Self> {
        let moments = SeedMoments::from_differences(differences)?;
        // No division by 0: equal seeds have no `SeedMoments`.
        let d_z = moments.mean / moments.standard_deviation;
        let correction = hedges_correction(moments.degrees_of_freedom());
        Some(Self {
            d_z,
            corrected: correction.map(|factor| factor * d_z),
        })
    }
}

/// Factor `J(m)` that removes the bias of `d_z`; `None` for one degree of freedom.
///
/// Textbooks often give the approximation `1 - 3 / (4 m - 1)`.
fn hedges_correction(degrees_of_freedom: f64) -> Option<f64> {
    let half = degrees_of_freedom / 2.0;
    // The gamma function overflows above 171, so the ratio is taken between logarithms.
    let exact = || (ln_gamma(half) - ln_gamma(half - 0.5)).exp() / half.sqrt();
    (degrees_of_freedom > 1.0).then(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correction_is_close_to_its_approximation() {
        assert_eq!(hedges_correction(1.0), None);
        for degrees_of_freedom in [4.0, 9.0, 99.0, 9999.0] {
            let approximation = 1.0 - 3.0 / (4.0 * degrees_of_freedom - 1.0);
            let exact = hedges_correction(degrees_of_freedom).unwrap();
            let tolerance = 0.1 / (degrees_of_freedom * degrees_of_freedom);
            assert!((exact - approximation).abs() < tolerance + 1e-12, "{exact}");
        }
    }
}
