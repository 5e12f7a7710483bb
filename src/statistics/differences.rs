//! Paired differences between two arms, seed by seed and unit by unit.

use crate::counted::counted;
use crate::mean::mean;
use crate::{Error, Result};

/// Largest absolute value of a difference that is accepted, so that no sum of differences overflows.
pub const LARGEST_DIFFERENCE: f64 = 1e300;

/// Table of paired differences, treated minus baseline, between two arms with the same seeds and units.
///
/// A unit is what is measured repeatedly within a seed: a clip, an image, a class. With a single
/// number per seed there is 1 unit.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::PairedDifferences;
///
/// // Errors of 3 seeds on the same 2 clips.
/// let treated = [[0.75, 0.5], [0.5, 0.5], [1.0, 0.25]];
/// let baseline = [[1.0, 1.0], [0.75, 0.5], [1.0, 0.5]];
/// let differences = PairedDifferences::between(&treated, &baseline)?;
/// assert_eq!(differences.by_seed(), [-0.375, -0.125, -0.125]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PairedDifferences {
    /// Differences in row-major order, one row per seed: `[n_seeds, n_units]`.
    values: Vec<f64>,
    n_units: usize,
    /// Range that no difference can leave; `None` if there is none.
    range: Option<[f64; 2]>,
}

impl PairedDifferences {
    /// Creates a table from differences, one row per seed.
    ///
    /// # Shapes
    ///
    /// - `rows`: `n_seeds` rows of `n_units` differences, both at least 1
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there is no seed or no unit, if the rows differ in length,
    /// or if a difference is not finite or larger than [`LARGEST_DIFFERENCE`] in absolute value.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::PairedDifferences;
    ///
    /// let one_number_per_seed = PairedDifferences::new(&[[0.5], [0.25], [0.75]])?;
    /// assert_eq!(one_number_per_seed.mean(), 0.5);
    ///
    /// let error = PairedDifferences::new(&[vec![0.5, 0.25], vec![0.75]]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "differences: 1 unit for seed 1; expected 2 units, as for seed 0"
    /// );
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn new<R: AsRef<[f64]>>(rows: &[R]) -> Result<Self> {
        let n_units = n_units(rows).map_err(|error| error.within("differences"))?;
        let mut values = Vec::with_capacity(rows.len() * n_units);
        for (seed, row) in rows.iter().enumerate() {
            let row = row.as_ref();
            if let Some(unit) = row.iter().position(|x| !is_usable(*x)) {
                let value = row[unit];
                return Err(Error::invalid_parameter(format!(
                    "difference of seed {seed} on unit {unit} is {value:e}; expected a finite number \
                     of at most {LARGEST_DIFFERENCE:e} in absolute value"
                )));
            }
            values.extend_from_slice(row);
        }
        Ok(Self {
            values,
            n_units,
            range: None,
        })
    }

    /// Computes the differences of two arms, `treated - baseline`.
    ///
    /// # Shapes
    ///
    /// - `treated`, `baseline`: `n_seeds` rows of `n_units` numbers, seeds and units in the same order
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if the arms differ in shape, and as [`PairedDifferences::new`].
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::PairedDifferences;
    ///
    /// let differences = PairedDifferences::between(&[[1.0], [2.0]], &[[0.5], [1.0]])?;
    /// assert_eq!(differences, PairedDifferences::new(&[[0.5], [1.0]])?);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn between<R: AsRef<[f64]>>(treated: &[R], baseline: &[R]) -> Result<Self> {
        let shape = |rows: &[R], arm: &str| -> Result<[usize; 2]> {
            let n_units = n_units(rows).map_err(|error| error.within(arm))?;
            Ok([rows.len(), n_units])
        };
        let expected = shape(treated, "treated arm")?;
        let actual = shape(baseline, "baseline arm")?;
        if actual != expected {
            return Err(Error::invalid_parameter(format!(
                "baseline arm has {} and {}; expected {} and {}, as in the treated arm",
                counted(actual[0], "seed"),
                counted(actual[1], "unit"),
                counted(expected[0], "seed"),
                counted(expected[1], "unit"),
            )));
        }
        let difference = |(treated, baseline): (&R, &R)| -> Vec<f64> {
            treated
                .as_ref()
                .iter()
                .zip(baseline.as_ref())
                .map(|(treated, baseline)| treated - baseline)
                .collect()
        };
        let rows: Vec<Vec<f64>> = treated.iter().zip(baseline).map(difference).collect();
        Self::new(&rows)
    }

    /// States the range that differences cannot leave, so that no interval of their mean leaves it either.
    ///
    /// It is `[-1, 1]` for differences of rates such as an accuracy, and `[0, 1]` for rates themselves.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if a difference lies outside, or the range has no length.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::{PairedDifferences, t_interval};
    ///
    /// let accuracies = PairedDifferences::new(&[[0.9], [0.99]])?;
    /// let interval = t_interval(&accuracies, 0.95)?.expect("seeds that differ");
    /// assert!(interval.high > 1.0);
    /// let interval = t_interval(&accuracies.within([0.0, 1.0])?, 0.95)?.expect("seeds that differ");
    /// assert!(0.0 <= interval.low && interval.high <= 1.0);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn within(mut self, range: [f64; 2]) -> Result<Self> {
        let [low, high] = range;
        // Means of rates may leave the range by rounding.
        let slack = 1e-9 * (high - low);
        let outside = |value: &&f64| **value < low - slack || **value > high + slack;
        let has_length = low < high && (high - low).is_finite();
        let message = match self.values.iter().find(outside) {
            Some(value) => {
                format!("difference {value:e} lies outside of the range {low} to {high}")
            }
            None if !has_length => {
                format!(
                    "the range is {low} to {high}; expected two finite numbers, the smaller one first"
                )
            }
            None => {
                self.range = Some(range);
                return Ok(self);
            }
        };
        Err(Error::invalid_parameter(message))
    }

    /// Range that no difference can leave; `None` if none was stated.
    pub fn range(&self) -> Option<[f64; 2]> {
        self.range
    }

    /// Number of seeds, at least 1.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::PairedDifferences;
    ///
    /// let differences = PairedDifferences::new(&[[1.0, 2.0, 0.5], [3.0, 6.0, 0.0]])?;
    /// assert_eq!((differences.n_seeds(), differences.n_units()), (2, 3));
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn n_seeds(&self) -> usize {
        self.values.len() / self.n_units
    }

    /// Number of units that were measured within every seed, at least 1.
    pub fn n_units(&self) -> usize {
        self.n_units
    }

    /// Mean over seeds and units.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::PairedDifferences;
    ///
    /// assert_eq!(PairedDifferences::new(&[[1.0, 2.0], [3.0, 6.0]])?.mean(), 3.0);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn mean(&self) -> f64 {
        // All seeds have the same number of units, so this is the mean of all numbers.
        mean_of(&self.by_seed())
    }

    /// Mean over the units, for each seed.
    ///
    /// # Shapes
    ///
    /// - returns `n_seeds` numbers
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::statistics::PairedDifferences;
    ///
    /// assert_eq!(PairedDifferences::new(&[[1.0, 2.0], [3.0, 6.0]])?.by_seed(), [1.5, 4.5]);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn by_seed(&self) -> Vec<f64> {
        self.rows().map(mean_of).collect()
    }

    /// Iterates over the differences of each seed, `n_units` numbers each.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.n_units)
    }
}

/// Mean of a list that has at least one number, as do those of all seeds and of all units of a seed.
fn mean_of(values: &[f64]) -> f64 {
    mean(values.iter().copied()).expect("at least one number")
}

/// True if a difference is finite and not too large to be summed.
fn is_usable(difference: f64) -> bool {
    // False for NaN, too.
    difference.abs() <= LARGEST_DIFFERENCE
}

/// Returns the common length of all rows.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if there are no rows or no units, or if the rows differ in length.
fn n_units<R: AsRef<[f64]>>(rows: &[R]) -> Result<usize> {
    let Some(first) = rows.first() else {
        return Err(Error::invalid_parameter("no seeds; expected at least 1"));
    };
    let n_units = first.as_ref().len();
    if n_units == 0 {
        return Err(Error::invalid_parameter(
            "no units for seed 0; expected at least 1",
        ));
    }
    let lengths = rows.iter().map(|row| row.as_ref().len());
    match lengths.enumerate().find(|(_, length)| *length != n_units) {
        None => Ok(n_units),
        Some((seed, length)) => Err(Error::invalid_parameter(format!(
            "{} for seed {seed}; expected {}, as for seed 0",
            counted(length, "unit"),
            counted(n_units, "unit"),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_message(rows: &[Vec<f64>]) -> String {
        let error = PairedDifferences::new(rows).unwrap_err();
        assert!(error.is_invalid_parameter());
        error.to_string()
    }

    #[test]
    fn errors_name_position_value_and_expectation() {
        assert_eq!(
            error_message(&[]),
            "differences: no seeds; expected at least 1"
        );
        assert_eq!(
            error_message(&[vec![], vec![]]),
            "differences: no units for seed 0; expected at least 1"
        );
        for (bad, printed) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (-2e300, "-2")] {
            let message = error_message(&[vec![1.0, 2.0], vec![3.0, bad]]);
            let start = format!("difference of seed 1 on unit 1 is {printed}");
            assert!(message.starts_with(&start), "{message}");
            let end = "; expected a finite number of at most 1e300 in absolute value";
            assert!(message.ends_with(end), "{message}");
        }
    }

    #[test]
    fn arms_of_different_shapes_are_rejected() {
        let error = PairedDifferences::between(&[vec![1.0], vec![2.0]], &[vec![1.0, 2.0]]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "baseline arm has 1 seed and 2 units; expected 2 seeds and 1 unit, as in the treated arm"
        );
        let error = PairedDifferences::between(&[vec![1.0]], &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "baseline arm: no seeds; expected at least 1"
        );
    }
}
