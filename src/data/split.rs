//! Where a validation split comes from if the source has none, and how a source is named.

use rand::seq::SliceRandom;

use super::batch::random_stream;

/// Names the shuffle of the split; changing it would make results incomparable.
const SPLIT_SEED: u64 = 0;

/// Places of the training and of the validation images, each ascending.
///
/// `validation_fraction` of every class, rounded, is set aside; one image of a class always stays
/// in training. The choice is fixed: it does not depend on the seed of a run.
///
/// # Errors
///
/// If nothing is set aside; `plural` is what the message calls the items.
pub(super) fn set_aside(
    labels: &[usize],
    validation_fraction: f64,
    plural: &str,
) -> Result<[Vec<usize>; 2], String> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.shuffle(&mut random_stream(SPLIT_SEED, &[]));
    order.sort_by_key(|&index| labels[index]);
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    for class in order.chunk_by(|&a, &b| labels[a] == labels[b]) {
        let wanted = (validation_fraction * class.len() as f64).round() as usize;
        let (aside, rest) = class.split_at(wanted.min(class.len() - 1));
        validation.extend_from_slice(aside);
        train.extend_from_slice(rest);
    }
    if validation.is_empty() {
        return Err(format!(
            "validation_fraction {validation_fraction} of each class sets aside none of {} training {plural}; raise it",
            labels.len()
        ));
    }
    train.sort_unstable();
    validation.sort_unstable();
    Ok([train, validation])
}

/// A digest as it is usually written.
pub(super) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_takes_its_share_of_every_class_and_nothing_twice() {
        let labels: Vec<usize> = (0..300).map(|index| index % 3 * (index % 2)).collect();
        let [train, validation] = set_aside(&labels, 0.2, "images").unwrap();
        let mut all = [train.clone(), validation.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..300).collect::<Vec<_>>());
        for (class, expected) in [(0, 40), (1, 10), (2, 10)] {
            let of_class = validation.iter().filter(|&&index| labels[index] == class);
            assert_eq!(of_class.count(), expected, "class {class}");
        }
        assert_eq!(
            set_aside(&labels, 0.2, "images").unwrap(),
            [train.clone(), validation]
        );
        // Chosen at random, not the first of each class.
        assert!(train.contains(&299) && train.iter().any(|&index| index < 30));
        assert!(train.windows(2).any(|pair| pair[1] - pair[0] > 1));
    }

    #[test]
    fn every_class_keeps_an_image_and_an_empty_split_is_an_error() {
        let [train, validation] = set_aside(&[0, 1, 1], 0.9, "images").unwrap();
        assert_eq!((train.len(), validation.len()), (2, 1));
        let error = set_aside(&[0, 1, 2], 0.2, "images").unwrap_err();
        assert!(
            error.contains("sets aside none of 3 training images"),
            "{error}"
        );
    }
}
