//! Correction for multiple tests.

use crate::{Error, Result};

/// Adjusts the p-values of a family of tests by Holm's step-down method.
///
/// ```text
/// adjusted_(k) = min(1, max_{j <= k} (n - j + 1) p_(j))   p_(1) <= ... <= p_(n): sorted p-values
/// ```
///
/// Rejecting all tests whose adjusted p-value is at most `alpha` limits the probability of any false
/// rejection to `alpha`, for any dependence among the tests.
///
/// # Shapes
///
/// - returns as many numbers as `p_values`, in the same order
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if a p-value is not in `[0, 1]`.
///
/// # Cost
///
/// O(n log n).
///
/// # Source
///
/// Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::holm;
///
/// assert_eq!(holm(&[0.5, 0.125, 0.25])?, [0.5, 0.375, 0.5]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>> {
    if let Some(index) = p_values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        let value = p_values[index];
        return Err(Error::invalid_parameter(format!(
            "p-value {index} is {value}; expected a number from 0 to 1"
        )));
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    // Stable, so that ties keep their order; they get the same adjusted p-value in any order.
    order.sort_by(|&i, &j| p_values[i].total_cmp(&p_values[j]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0f64;
    for (rank, index) in order.into_iter().enumerate() {
        let n_remaining = (p_values.len() - rank) as f64;
        // The running maximum keeps the adjusted p-values in the order of the original ones.
        largest = largest.max(p_values[index] * n_remaining).min(1.0);
        adjusted[index] = largest;
    }
    Ok(adjusted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_single_families_are_unchanged() {
        assert_eq!(holm(&[]).unwrap(), [0.0; 0]);
        assert_eq!(holm(&[0.04]).unwrap(), [0.04]);
    }

    #[test]
    fn values_outside_0_to_1_are_rejected() {
        for bad in [f64::NAN, -0.1, 1.1] {
            let message = holm(&[0.5, bad]).unwrap_err().to_string();
            let expected = format!("p-value 1 is {bad}; expected a number from 0 to 1");
            assert_eq!(message, expected);
        }
    }
}
