//! Confidence intervals of a mean difference, by Student's t distribution.

use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

use super::seed_moments::SeedMoments;
use super::{PairedDifferences, check_fraction};
use crate::Result;

/// Confidence interval of a mean difference.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{PairedDifferences, t_interval};
///
/// let differences = PairedDifferences::new(&[[1.0], [2.0], [3.0]])?;
/// let interval = t_interval(&differences, 0.95)?.expect("3 seeds that differ");
/// assert_eq!(interval.confidence, 0.95);
/// assert!(interval.low < 0.0 && 0.0 < interval.high);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end, in units of the differences.
    pub low: f64,
    /// Upper end, in units of the differences.
    pub high: f64,
    /// Nominal coverage: fraction of experiments whose interval contains the true mean, between 0 and 1.
    pub confidence: f64,
}

/// Student's t interval of the mean over seeds, for fixed units; `None` without variation over seeds.
///
/// ```text
/// mean(x) +- t s / sqrt(n)   x: one difference per seed, s: its sample standard deviation, n: number of seeds
///                            t: quantile (1 + confidence) / 2 of Student's t, n - 1 degrees of freedom
/// ```
///
/// The result is `None` for one seed and for seeds that are equal up to rounding. The interval is
/// exact for normal differences; with fewer than five seeds it is the only one here with the stated
/// coverage.
///
/// # Errors
///
/// [`crate::Error::is_invalid_parameter`] if `confidence` is not between 0 and 1.
///
/// # Source
///
/// Student, "The Probable Error of a Mean", 1908.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{PairedDifferences, t_interval};
///
/// let differences = PairedDifferences::new(&[[1.0], [2.0], [3.0]])?;
/// let interval = t_interval(&differences, 0.95)?.expect("3 seeds that differ");
/// assert!((interval.high - 4.484).abs() < 1e-3);
/// assert_eq!(t_interval(&PairedDifferences::new(&[[1.0]])?, 0.95)?, None);
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn t_interval(differences: &PairedDifferences, confidence: f64) -> Result<Option<Interval>> {
    check_fraction("confidence", confidence)?;
    Ok(SeedMoments::from_differences(differences)
        .map(|moments| t_interval_from_moments(&moments, confidence)))
}

/// Student's t interval from the moments of the seeds; see [`t_interval`].
pub(super) fn t_interval_from_moments(moments: &SeedMoments, confidence: f64) -> Interval {
    let quantile = two_sided_quantile(moments.degrees_of_freedom(), 1.0 - confidence);
    let half_width = quantile * moments.standard_error();
    Interval {
        low: moments.mean - half_width,
        high: moments.mean + half_width,
        confidence,
    }
}

/// Student's t distribution with location 0 and scale 1.
pub(super) fn student(degrees_of_freedom: f64) -> StudentsT {
    // All callers have at least two seeds, so there is at least one degree of freedom.
    StudentsT::new(0.0, 1.0, degrees_of_freedom).expect("degrees of freedom are above 0")
}

/// Two-sided quantile `q` of Student's t distribution: `P(|T| > q) = alpha`.
pub(super) fn two_sided_quantile(degrees_of_freedom: f64, alpha: f64) -> f64 {
    let distribution = student(degrees_of_freedom);
    // From the lower tail, because `1 - alpha / 2` would round a small alpha away.
    let mut quantile = -distribution.inverse_cdf(alpha / 2.0);
    // Two Newton steps: with many degrees of freedom the inverse of `statrs` is off by 1e-6.
    for _ in 0..2 {
        let excess = distribution.sf(quantile) - alpha / 2.0;
        let step = excess / distribution.pdf(quantile);
        // Far in the tail the density underflows to 0, and the step would not be finite.
        quantile += if step.is_finite() { step } else { 0.0 };
    }
    quantile
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_scipy() {
        // -scipy.stats.t.ppf(alpha / 2, degrees_of_freedom)
        for (degrees_of_freedom, alpha, expected) in QUANTILES {
            let actual = two_sided_quantile(degrees_of_freedom, alpha);
            let error = (actual / expected - 1.0).abs();
            assert!(error < 1e-9, "{degrees_of_freedom}, {alpha}: {actual}");
        }
    }

    const QUANTILES: [(f64, f64, f64); 10] = [
        (1.0, 0.05, 12.706_204_736_174_705),
        (1.0, 1e-06, 636_619.772_367_057_7),
        (2.0, 0.05, 4.302_652_729_749_464),
        (4.0, 0.1, 2.131_846_786_326_651),
        (9.0, 0.05, 2.262_157_162_798_205_3),
        (9.0, 1e-06, 11.636_782_027_328_891),
        (33.0, 0.05, 2.034_515_297_449_338_3),
        (999.0, 0.1, 1.646_380_345_427_535_4),
        (99_999.0, 0.05, 1.959_987_707_771_844_8),
        (99_999.0, 1e-06, 4.891_943_343_763_957),
    ];
}
