//! Arithmetic mean.

/// Arithmetic mean, summed in the order of the iterator; `None` without values.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0_usize);
    for value in values {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / n as f64)
}

#[cfg(test)]
mod tests {
    use super::mean;

    #[test]
    fn the_mean_of_nothing_is_not_a_number_that_can_be_mistaken_for_one() {
        assert_eq!(mean([]), None);
        assert_eq!(mean([1.0, 2.0, 6.0]), Some(3.0));
        // Zero has no sign in a table.
        assert!(mean([-0.0]).is_some_and(|zero| zero.is_sign_positive()));
    }
}
