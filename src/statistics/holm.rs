//! Many tests at once.

use crate::{Error, Result};

/// P-values of a family of tests, adjusted so that rejecting those up to a level falsely rejects any
/// of them with at most that probability, whatever the dependence among the tests.
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
        let found = p_values[index];
        return Err(Error::invalid_parameter(format!(
            "p-value {index} is {found}; expected a number from 0 to 1"
        )));
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&i, &j| p_values[i].total_cmp(&p_values[j]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0f64;
    for (n_smaller, index) in order.into_iter().enumerate() {
        let n_left = (p_values.len() - n_smaller) as f64;
        largest = largest.max(p_values[index] * n_left).min(1.0);
        adjusted[index] = largest;
    }
    Ok(adjusted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_may_be_empty_or_of_one() {
        assert_eq!(holm(&[]).unwrap(), [0.0; 0]);
        assert_eq!(holm(&[0.04]).unwrap(), [0.04]);
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        for bad in [f64::NAN, -0.1, 1.1] {
            let message = holm(&[0.5, bad]).unwrap_err().to_string();
            let expected = format!("p-value 1 is {bad}; expected a number from 0 to 1");
            assert_eq!(message, expected);
        }
    }
}
