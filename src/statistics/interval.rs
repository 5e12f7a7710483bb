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
/// Differences with a [range](PairedDifferences::within) have the interval of the log-odds of their mean instead, which
/// does not leave the range:
///
/// ```text
/// p = (mean - low) / (high - low),  e = s / (sqrt(n) (high - low))
/// log(p / (1 - p)) +- t e / (p (1 - p)),  converted back
/// ```
///
/// For the range -1 to 1 these are Fisher's z, `2 atanh(mean)`. In the middle of the range both intervals agree; for
/// accuracies near 1 this one also covers better: in 95 % instead of 89 % of the simulated experiments with three seeds of
/// a mean of 0.05, and 96 % instead of 88 % for a mean of 0.97.
///
/// # Errors
///
/// [`crate::Error::is_invalid_parameter`] if `confidence` is not between 0 and 1.
///
/// # Source
///
/// Student, "The Probable Error of a Mean", 1908. For the log-odds: Dean and Pagano, "Evaluating Confidence Interval Methods
/// for Binomial Proportions in Clustered Surveys", 2015, the logit interval.
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
    let moments = SeedMoments::from_differences(differences);
    Ok(moments.map(|moments| match differences.range() {
        None => t_interval_from_moments(&moments, confidence),
        Some(range) => log_odds_interval(&moments, range, confidence),
    }))
}

/// Interval from Student's t on the log-odds of the position within a range; see [`t_interval`].
fn log_odds_interval(moments: &SeedMoments, [low, high]: [f64; 2], confidence: f64) -> Interval {
    let length = high - low;
    let position = (moments.mean - low) / length;
    let quantile = two_sided_quantile(moments.degrees_of_freedom(), 1.0 - confidence);
    let half_width = quantile * moments.standard_error() / length / (position * (1.0 - position));
    let log_odds = (position / (1.0 - position)).ln();
    let back = |log_odds: f64| low + length / (1.0 + (-log_odds).exp());
    // Seeds that differ have a mean within the range, so both numbers are finite up to rounding at its ends.
    if !(log_odds.is_finite() && half_width.is_finite()) {
        return Interval {
            low,
            high,
            confidence,
        };
    }
    Interval {
        low: back(log_odds - half_width),
        high: back(log_odds + half_width),
        confidence,
    }
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

    fn interval(by_seed: &[f64], range: Option<[f64; 2]>) -> Interval {
        let rows: Vec<[f64; 1]> = by_seed.iter().map(|&x| [x]).collect();
        let mut differences = PairedDifferences::new(&rows).unwrap();
        if let Some(range) = range {
            differences = differences.within(range).unwrap();
        }
        t_interval(&differences, 0.95).unwrap().unwrap()
    }

    #[test]
    fn intervals_of_rates_stay_in_their_range() {
        let rates = [
            vec![0.0, 0.25],
            vec![1.0, 0.875],
            vec![0.9, 0.99],
            vec![0.0, 1.0],
            vec![0.0, 0.0, 1e-9],
            vec![1.0, 1.0, 1.0, 1.0 - 1e-9],
        ];
        for by_seed in rates {
            let plain = interval(&by_seed, None);
            let actual = interval(&by_seed, Some([0.0, 1.0]));
            let mean = by_seed.iter().sum::<f64>() / by_seed.len() as f64;
            assert!(0.0 <= actual.low && actual.high <= 1.0, "{actual:?}");
            assert!(
                actual.low <= mean && mean <= actual.high,
                "{actual:?} {plain:?}"
            );
        }
        for by_seed in [vec![-1.0, 1.0], vec![0.9, 1.0], vec![-0.2, -1.0, 0.4]] {
            let actual = interval(&by_seed, Some([-1.0, 1.0]));
            assert!(-1.0 <= actual.low && actual.high <= 1.0, "{actual:?}");
        }
    }

    #[test]
    fn small_differences_of_rates_have_nearly_the_plain_interval() {
        let by_seed = [0.010, 0.014, 0.011];
        let plain = interval(&by_seed, None);
        let actual = interval(&by_seed, Some([-1.0, 1.0]));
        assert!(
            (actual.low / plain.low - 1.0).abs() < 0.01,
            "{actual:?} {plain:?}"
        );
        assert!(
            (actual.high / plain.high - 1.0).abs() < 0.01,
            "{actual:?} {plain:?}"
        );
        // Negated differences have the negated interval.
        let negated = interval(&by_seed.map(|x| -x), Some([-1.0, 1.0]));
        assert!((negated.low + actual.high).abs() < 1e-15);
        // Log-odds of 0.8 and the t quantile 12.706 with a standard error of 0.1, by hand.
        let actual = interval(&[0.7, 0.9], Some([0.0, 1.0]));
        let expected =
            |sign: f64| 1.0 / (1.0 + (-(4f64.ln() + sign * 12.706_204_736 * 0.1 / 0.16)).exp());
        assert!((actual.low - expected(-1.0)).abs() < 1e-9);
        assert!((actual.high - expected(1.0)).abs() < 1e-9);
    }

    #[test]
    fn ranges_that_do_not_hold_are_refused() {
        let differences = || PairedDifferences::new(&[[0.5], [1.5]]).unwrap();
        for (range, expected) in [
            (
                [0.0, 1.0],
                "difference 1.5e0 lies outside of the range 0 to 1",
            ),
            (
                [2.0, 2.0],
                "difference 5e-1 lies outside of the range 2 to 2",
            ),
            (
                [0.0, f64::INFINITY],
                "the range is 0 to inf; expected two finite numbers, the smaller one first",
            ),
        ] {
            let message = differences().within(range).unwrap_err().to_string();
            assert_eq!(message, expected);
        }
        assert_eq!(
            differences().within([0.0, 2.0]).unwrap().range(),
            Some([0.0, 2.0])
        );
    }

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
