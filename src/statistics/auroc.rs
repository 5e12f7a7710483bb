//! How well a score tells two groups apart.

/// Area under the receiver operating characteristic: the chance that one of the second group scores
/// higher than one of the first, equal scores counting one half. 1 if all do, 1/2 if the score knows
/// nothing; `None` where a group is empty or a score is not a number.
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
pub fn area_under_roc(first: &[f64], second: &[f64]) -> Option<f64> {
    if first.is_empty() || second.is_empty() || first.iter().chain(second).any(|x| x.is_nan()) {
        return None;
    }
    let mut sorted = first.to_vec();
    sorted.sort_by(f64::total_cmp);
    let wins = second.iter().map(|score| {
        let below = sorted.partition_point(|other| other < score);
        let up_to = sorted.partition_point(|other| other <= score);
        (below + up_to) as f64 / 2.0
    });
    Some(wins.sum::<f64>() / (first.len() * second.len()) as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_share_of_pairs_in_order(
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
            let found = area_under_roc(&a, &b).unwrap();
            prop_assert!((found - sum / (a.len() * b.len()) as f64).abs() < 1e-12);
            prop_assert!((found + area_under_roc(&b, &a).unwrap() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn an_empty_group_has_none() {
        assert_eq!(area_under_roc(&[], &[1.0]), None);
        assert_eq!(area_under_roc(&[f64::NAN], &[1.0]), None);
    }
}
