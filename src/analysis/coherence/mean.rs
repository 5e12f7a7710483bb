//! Mean of values of which some are not defined.

/// Returns the mean of the values that are defined; NaN if there are none.
pub(super) fn mean(values: impl Iterator<Item = Option<f64>>) -> f64 {
    let values: Vec<f64> = values.flatten().collect();
    // Without values this is 0 / 0, which is NaN.
    values.iter().sum::<f64>() / values.len() as f64
}
