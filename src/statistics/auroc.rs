//! Area under the ROC curve, for scores that separate two groups.

/// Area under the ROC curve of scores that separate a negative from a positive group; `None` if undefined.
///
/// ```text
/// AUROC = P(positive > negative) + P(positive = negative) / 2
/// ```
///
/// The probabilities are over pairs of one element of each group. The area is 1 if every positive
/// scores higher than every negative, and 1/2 on average if the score is uninformative. It is `None` if
/// a group is empty or a score is NaN.
///
/// # Source
///
/// Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
/// curve", Radiology 143, 1982.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::area_under_roc;
///
/// assert_eq!(area_under_roc(&[0.1, 0.4], &[0.4, 0.8]), Some(0.875));
/// ```
pub fn area_under_roc(negatives: &[f64], positives: &[f64]) -> Option<f64> {
    let is_nan = |score: &f64| score.is_nan();
    if negatives.is_empty() || positives.is_empty() || negatives.iter().chain(positives).any(is_nan)
    {
        return None;
    }
    let mut sorted = negatives.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Binary search instead of all pairs: O((n + m) log n) for n negatives and m positives.
    let wins = positives.iter().map(|score| {
        let n_less = sorted.partition_point(|other| other < score);
        let n_less_or_equal = sorted.partition_point(|other| other <= score);
        // The mean of the two counts every equal score as one half.
        (n_less + n_less_or_equal) as f64 / 2.0
    });
    Some(wins.sum::<f64>() / (negatives.len() * positives.len()) as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn area_is_the_fraction_of_ordered_pairs(
            first in proptest::collection::vec(0u8..9, 1..20),
            second in proptest::collection::vec(0u8..9, 1..20),
        ) {
            let [a, b] = [&first, &second].map(|g| g.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            let mut sum = 0.0;
            for x in &a {
                for y in &b {
                    sum += if x < y { 1.0 } else if x == y { 0.5 } else { 0.0 };
                }
            }
            let area = area_under_roc(&a, &b).unwrap();
            prop_assert!((area - sum / (a.len() * b.len()) as f64).abs() < 1e-12);
            prop_assert!((area + area_under_roc(&b, &a).unwrap() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn empty_groups_and_nan_have_no_area() {
        assert_eq!(area_under_roc(&[], &[1.0]), None);
        assert_eq!(area_under_roc(&[f64::NAN], &[1.0]), None);
    }
}
