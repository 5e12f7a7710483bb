//! Division of training samples into training and validation split, and digests in hexadecimal.

use rand::seq::SliceRandom;

use super::random_stream::random_stream;
use crate::error::{Error, Result};

/// Seed of the split; changing it would make results incomparable with earlier ones.
const SPLIT_SEED: u64 = 0;

/// Divides samples into training and validation: returns the indices of both, each ascending.
///
/// `validation_fraction` of every class, rounded, is set aside for validation; at least one sample of a
/// class stays in training. The choice is fixed: it does not depend on the seed of a run.
///
/// # Errors
///
/// If no sample is set aside; `plural` names the samples in the message.
pub(super) fn set_aside(
    labels: &[usize],
    validation_fraction: f64,
    plural: &str,
) -> Result<[Vec<usize>; 2]> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.shuffle(&mut random_stream(SPLIT_SEED, &[]));
    // The sort is stable, so that the order within a class stays random.
    order.sort_by_key(|&index| labels[index]);
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    for class in order.chunk_by(|&a, &b| labels[a] == labels[b]) {
        let n_aside = (validation_fraction * class.len() as f64).round() as usize;
        let (aside, rest) = class.split_at(n_aside.min(class.len() - 1));
        validation.extend_from_slice(aside);
        train.extend_from_slice(rest);
    }
    if validation.is_empty() {
        return Err(Error::invalid_parameter(format!(
            "validation_fraction {validation_fraction} of each class sets aside none of {} training {plural}; raise it",
            labels.len()
        )));
    }
    // In the order of the data set again; the order of training is drawn anew for each epoch.
    train.sort_unstable();
    validation.sort_unstable();
    Ok([train, validation])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_takes_its_share_of_every_class() {
        let labels: Vec<usize> = (0..300).map(|index| index % 3 * (index % 2)).collect();
        let [train, validation] = set_aside(&labels, 0.2, "images").unwrap();
        let mut all = [train.clone(), validation.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..300).collect::<Vec<_>>());
        for (class, expected) in [(0, 40), (1, 10), (2, 10)] {
            let n = validation.iter().filter(|&&index| labels[index] == class);
            assert_eq!(n.count(), expected, "class {class}");
        }
        assert_eq!(
            set_aside(&labels, 0.2, "images").unwrap(),
            [train.clone(), validation]
        );
        // The choice is random, not the first samples of each class.
        assert!(train.contains(&299) && train.iter().any(|&index| index < 30));
        assert!(train.windows(2).any(|pair| pair[1] - pair[0] > 1));
    }

    #[test]
    fn every_class_keeps_a_training_sample() {
        let [train, validation] = set_aside(&[0, 1, 1], 0.9, "images").unwrap();
        assert_eq!((train.len(), validation.len()), (2, 1));
        let error = set_aside(&[0, 1, 2], 0.2, "images").unwrap_err();
        assert!(error.is_invalid_parameter());
        let error = error.to_string();
        assert!(
            error.contains("sets aside none of 3 training images"),
            "{error}"
        );
    }
}
