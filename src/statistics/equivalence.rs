//! Equivalence test: evidence that a mean difference is too small to matter.

use statrs::distribution::ContinuousCDF;

use super::interval::{student, t_interval_from_moments};
use super::seed_moments::SeedMoments;
use super::{Interval, PairedDifferences, check_fraction};
use crate::{Error, Result};

/// Result of [`equivalence_test`].
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{PairedDifferences, equivalence_test};
///
/// let differences = PairedDifferences::new(&[[0.1], [-0.2], [0.1], [0.0]])?;
/// let test = equivalence_test(&differences, 0.5, 0.05)?.expect("4 seeds that differ");
/// // The p-value is at most `alpha` if and only if the interval lies within the margin.
/// assert!(test.p_value < 0.05 && -0.5 < test.interval.low && test.interval.high < 0.5);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Equivalence {
    /// Equivalence margin, for differences in either direction, in units of the differences.
    pub margin: f64,
    /// Larger p-value of the two one-sided tests; small if the mean difference lies within the margin.
    pub p_value: f64,
    /// Student's t interval with confidence `1 - 2 alpha`.
    pub interval: Interval,
}

/// Two one-sided paired t tests (TOST) of the null hypothesis that the mean difference reaches the margin.
///
/// ```text
/// p = P(T > (margin - |mean(x)|) sqrt(n) / s)   x: one difference per seed, s: its sample standard deviation
///                                               T: Student's t with n - 1 degrees of freedom
/// ```
///
/// A small p-value is evidence that the mean difference is smaller than `margin` in absolute value. The margin
/// is chosen before the experiment, as the largest difference that would not matter. The result is
/// `None` for one seed and for seeds that are equal up to rounding, which have no variation to test
/// against.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if `margin` is not finite and above 0, or `alpha` not above 0 and
/// below 0.5.
///
/// # Source
///
/// Schuirmann, "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for
/// Assessing the Equivalence of Average Bioavailability", 1987.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::{PairedDifferences, equivalence_test};
///
/// let differences = PairedDifferences::new(&[[0.1], [-0.2], [0.1], [0.0]])?;
/// let test = equivalence_test(&differences, 0.1, 0.05)?.expect("4 seeds that differ");
/// assert!(test.p_value > 0.05); // not shown to be equivalent; that is no evidence of a difference
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn equivalence_test(
    differences: &PairedDifferences,
    margin: f64,
    alpha: f64,
) -> Result<Option<Equivalence>> {
    if !(margin > 0.0 && margin.is_finite()) {
        return Err(Error::invalid_parameter(format!(
            "equivalence margin is {margin}; expected a finite number above 0"
        )));
    }
    check_fraction("alpha", alpha)?;
    // Two tests at level alpha correspond to an interval with alpha beyond each end.
    check_fraction("confidence 1 - 2 alpha", 1.0 - 2.0 * alpha)?;
    let Some(moments) = SeedMoments::from_differences(differences) else {
        return Ok(None);
    };
    let distribution = student(moments.degrees_of_freedom());
    // Of the two one-sided tests, the one against the nearer end of the margin has the larger p-value.
    let t_statistic = (margin - moments.mean.abs()) / moments.standard_error();
    Ok(Some(Equivalence {
        margin,
        p_value: distribution.sf(t_statistic),
        interval: t_interval_from_moments(&moments, 1.0 - 2.0 * alpha),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_out_of_range_are_rejected() {
        let differences = PairedDifferences::new(&[[0.1], [0.2]]).unwrap();
        let error_message = |margin, alpha| {
            let error = equivalence_test(&differences, margin, alpha).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            error_message(-1.0, 0.05),
            "equivalence margin is -1; expected a finite number above 0"
        );
        assert_eq!(
            error_message(1.0, 0.0),
            "alpha is 0; expected a number above 0 and below 1"
        );
        assert_eq!(
            error_message(1.0, 0.75),
            "confidence 1 - 2 alpha is -0.5; expected a number above 0 and below 1"
        );
    }

    #[test]
    fn one_seed_or_equal_seeds_have_no_test() {
        for rows in [vec![[0.0]], vec![[0.1]; 5]] {
            let differences = PairedDifferences::new(&rows).unwrap();
            assert_eq!(equivalence_test(&differences, 1.0, 0.05).unwrap(), None);
        }
    }
}
