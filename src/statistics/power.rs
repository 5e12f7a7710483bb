//! Power analysis: the number of seeds that an experiment needs.

use super::check_fraction;
use super::interval::two_sided_quantile;
use super::noncentral_t::two_sided_tail;
use crate::{Error, Result};

/// Largest number of seeds that [`PowerAnalysis::seeds_needed`] returns.
pub const MAX_SEEDS: usize = 100_000;

/// Power analysis of the two-sided paired t test, exact for normal differences.
///
/// ```text
/// power(n) = P(|T| > q)   T: noncentral t, n - 1 degrees of freedom, noncentrality d_z sqrt(n)
///                         q: two-sided quantile of Student's t at level alpha, n - 1 degrees of freedom
/// ```
///
/// # Source
///
/// Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988; the noncentral t
/// distribution is integrated numerically, to about 1e-9.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::PowerAnalysis;
///
/// let experiment = PowerAnalysis { d_z: 1.0, alpha: 0.05 };
/// assert!((experiment.power(5)? - 0.401).abs() < 1e-3);
/// assert_eq!(experiment.seeds_needed(0.8)?, Some(10));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerAnalysis {
    /// True mean difference in standard deviations of the seeds, finite; its sign is ignored.
    pub d_z: f64,
    /// Significance level of the test, between 0 and 1.
    pub alpha: f64,
}

impl PowerAnalysis {
    /// Power: probability that the test rejects the null hypothesis of no difference.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there are fewer than 2 seeds, and if `d_z` is not finite or
    /// `alpha` not between 0 and 1.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::PowerAnalysis;
    ///
    /// let no_difference = PowerAnalysis { d_z: 0.0, alpha: 0.05 };
    /// assert!((no_difference.power(8)? - 0.05).abs() < 1e-9);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn power(&self, n_seeds: usize) -> Result<f64> {
        self.check()?;
        if n_seeds < 2 {
            return Err(Error::invalid_parameter(format!(
                "n_seeds is {n_seeds}; expected at least 2, as one seed has no standard deviation"
            )));
        }
        Ok(self.checked_power(n_seeds))
    }

    /// Smallest number of seeds, at least 2, that reaches a power; `None` if there is none up to [`MAX_SEEDS`].
    ///
    /// The result is also `None` if `d_z` is 0.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if `d_z` is not finite, or `alpha` or `power` not between 0
    /// and 1.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::PowerAnalysis;
    ///
    /// let seeds_needed = |d_z| PowerAnalysis { d_z, alpha: 0.05 }.seeds_needed(0.8);
    /// assert_eq!(seeds_needed(0.5)?, Some(34));
    /// assert_eq!(seeds_needed(1.5)?, Some(6));
    /// assert_eq!(seeds_needed(0.001)?, None);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn seeds_needed(&self, power: f64) -> Result<Option<usize>> {
        self.check()?;
        check_fraction("power", power)?;
        let is_enough = |n_seeds: usize| self.checked_power(n_seeds) >= power;
        // At `d_z` 0 no number of seeds raises the power above alpha. Otherwise power grows with it,
        // so that no number is enough if the largest is not.
        if self.d_z == 0.0 || !is_enough(MAX_SEEDS) {
            return Ok(None);
        }
        // Bisection, since power grows with the number of seeds: `low` is too few, `high` is enough
        // once the first loop has doubled it far enough.
        let (mut low, mut high) = (1, 2);
        while high < MAX_SEEDS && !is_enough(high) {
            (low, high) = (high, (2 * high).min(MAX_SEEDS));
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if is_enough(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(Some(high))
    }

    /// Checks that `alpha` lies between 0 and 1 and that `d_z` is finite.
    fn check(&self) -> Result<()> {
        check_fraction("alpha", self.alpha)?;
        if self.d_z.is_finite() {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "d_z is {}; expected a finite number",
            self.d_z
        )))
    }

    /// Power for at least 2 seeds and parameters that were checked.
    fn checked_power(&self, n_seeds: usize) -> f64 {
        let degrees_of_freedom = (n_seeds - 1) as f64;
        let critical = two_sided_quantile(degrees_of_freedom, self.alpha);
        let noncentrality = self.d_z * (n_seeds as f64).sqrt();
        two_sided_tail(critical, degrees_of_freedom, noncentrality)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_out_of_range_are_rejected() {
        let experiment = |d_z, alpha| PowerAnalysis { d_z, alpha };
        let message = |result: Result<f64>| result.unwrap_err().to_string();
        assert_eq!(
            message(experiment(1.0, 0.05).power(1)),
            "n_seeds is 1; expected at least 2, as one seed has no standard deviation"
        );
        assert_eq!(
            message(experiment(f64::NAN, 0.05).power(5)),
            "d_z is NaN; expected a finite number"
        );
        assert_eq!(
            message(experiment(1.0, 1.0).power(5)),
            "alpha is 1; expected a number above 0 and below 1"
        );
        assert!(experiment(1.0, 0.05).seeds_needed(1.0).is_err());
    }

    #[test]
    fn power_grows_with_seeds_and_effect() {
        let mut previous = 0.0;
        for n_seeds in 2..60 {
            let power = |d_z| PowerAnalysis { d_z, alpha: 0.01 }.checked_power(n_seeds);
            assert!(power(0.3) > previous && power(-0.3) == power(0.3) && power(0.4) > power(0.3));
            previous = power(0.3);
        }
        let huge_effect = PowerAnalysis {
            d_z: 1e9,
            alpha: 0.05,
        };
        assert!((huge_effect.power(2).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(huge_effect.seeds_needed(0.999).unwrap(), Some(2));
    }
}
