//! Choice of a few samples of a split that stand for all of it.

use rand::seq::SliceRandom;

use super::Samples;
use super::random_stream::random_stream;
use super::subset::selected;

/// Seed of the choice; changing it would make results incomparable with earlier ones.
const SPREAD_SEED: u64 = 2;

/// Chooses `n` indices that are spread evenly over groups, such as classes; all indices if there are no more than `n`.
///
/// Each group contributes in proportion to its size, up to rounding, so that means over the choice estimate means over
/// everything. Within a group the choice is random, but always the same. Index 0 is always chosen. The indices are
/// ascending.
///
/// # Shapes
///
/// - `groups`: the group of every index
///
/// # Source
///
/// This is systematic sampling within strata in proportion to their sizes: Cochran, "Sampling Techniques", 1977,
/// sections 5.9 and 8.
///
/// # Example
///
/// ```
/// use burn_topology::data::spread_indices;
///
/// // Sorted by class, as folders are: the first six would all be of class 0.
/// let classes = [[0; 30], [1; 30], [2; 30]].concat();
/// let chosen = spread_indices(&classes, 6);
/// let of_class = |class| chosen.iter().filter(|&&index| classes[index] == class).count();
/// assert_eq!([0, 1, 2].map(of_class), [2, 2, 2]);
/// assert_eq!(spread_indices(&classes, 100), (0..90).collect::<Vec<_>>());
/// ```
pub fn spread_indices(groups: &[usize], n: usize) -> Vec<usize> {
    let n_all = groups.len();
    if n >= n_all {
        return (0..n_all).collect();
    }
    let Some(&first_group) = groups.first() else {
        return Vec::new();
    };
    let mut order: Vec<usize> = (0..n_all).collect();
    // Samples of a group may alternate in a pattern, such as the kinds of clips, which even steps would meet or miss.
    order.shuffle(&mut random_stream(SPREAD_SEED, &[]));
    // The sort is stable, so that the order within a group stays random.
    order.sort_by_key(|&index| (groups[index] != first_group, groups[index]));
    // Middles of n equal parts, in 128 bits, because the product of two large numbers may not fit into 64.
    let middle = |k: usize| ((2 * k as u128 + 1) * n_all as u128 / (2 * n as u128)) as usize;
    if n > 0
        && let Some(place) = order.iter().position(|&index| index == 0)
    {
        // Reports show the first sample, and plots of a training always the same one.
        order.swap(place, middle(0));
    }
    let mut chosen: Vec<usize> = (0..n).map(|k| order[middle(k)]).collect();
    chosen.sort_unstable();
    chosen
}

/// Selects `n` samples, spread evenly over the classes of a split; all samples if there are no more than `n`.
///
/// See [`spread_indices`] for which ones. No sample is read.
pub fn spread_samples(all: &Samples, n: usize) -> Samples {
    selected(all, spread_indices(&labels(all), n))
}

/// Indices of `n` samples of one class, spread evenly over a split, or over all classes if `class` is `None`.
///
/// All indices if there are no more than `n`; see [`spread_indices`].
pub fn spread_in_class(all: &Samples, class: Option<usize>, n: usize) -> Vec<usize> {
    let labels = labels(all);
    match class {
        None => spread_indices(&labels, n),
        Some(class) => {
            let members: Vec<usize> = (0..labels.len())
                .filter(|&index| labels[index] == class)
                .collect();
            let chosen = spread_indices(&vec![class; members.len()], n);
            chosen
                .into_iter()
                .map(|position| members[position])
                .collect()
        }
    }
}

/// All samples, those that [`spread_samples`] selects first.
///
/// The first sample stays the first, and the order stays as it is if there are no more than `n`.
pub fn spread_first(all: &Samples, n: usize) -> Samples {
    if n >= all.len() {
        return Samples::clone(all);
    }
    let mut indices = spread_indices(&labels(all), n);
    let mut is_chosen = vec![false; all.len()];
    for &index in &indices {
        is_chosen[index] = true;
    }
    indices.extend((0..all.len()).filter(|&index| !is_chosen[index]));
    selected(all, indices)
}

/// Label of every sample.
fn labels(all: &Samples) -> Vec<usize> {
    (0..all.len()).map(|index| all.label(index)).collect()
}

#[cfg(test)]
mod tests {
    use burn::data::dataset::Dataset;

    use super::*;
    use crate::data::{ClipKind, MovingDigits, digits};

    #[test]
    fn every_group_has_its_share_whatever_the_order() {
        let sorted = [vec![4; 100], vec![1; 50], vec![9; 1], vec![2; 49]].concat();
        let mixed: Vec<usize> = (0..200).map(|k| sorted[k * 77 % 200]).collect();
        for groups in [&sorted, &mixed] {
            for n in [1, 2, 3, 10, 20, 100, 199] {
                let chosen = spread_indices(groups, n);
                assert_eq!(chosen.len(), n);
                assert_eq!(chosen[0], 0);
                assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
                for group in [4, 1, 9, 2] {
                    let count = |indices: &mut dyn Iterator<Item = usize>| {
                        indices.filter(|&index| groups[index] == group).count()
                    };
                    let share = n as f64 * count(&mut (0..200)) as f64 / 200.0;
                    let n_chosen = count(&mut chosen.iter().copied()) as f64;
                    assert!((n_chosen - share).abs() < 1.0, "{group}: {n_chosen} of {n}");
                }
                assert_eq!(chosen, spread_indices(groups, n));
            }
        }
        assert!(spread_indices(&[], 3).is_empty() && spread_indices(&[1, 2], 0).is_empty());
    }

    #[test]
    fn samples_are_chosen_by_class_and_the_others_follow() {
        let all = digits().test;
        let few = spread_samples(&all, 20);
        let labels: Vec<usize> = (0..20).map(|index| few.label(index)).collect();
        let expected: Vec<usize> = (0..20).map(|index| index / 2).collect();
        assert_eq!(labels, expected);
        let threes = spread_in_class(&all, Some(3), 5);
        assert!(threes.len() == 5 && threes.iter().all(|&index| all.label(index) == 3));
        assert_eq!(spread_in_class(&all, Some(3), 500).len(), 36);
        assert_eq!(spread_in_class(&all, None, 20).len(), 20);
        let reordered = spread_first(&all, 20);
        assert_eq!(reordered.len(), all.len());
        for index in 0..20 {
            assert_eq!(reordered.get(index).unwrap(), few.get(index).unwrap());
        }
        let mut seen: Vec<Vec<u32>> = reordered
            .iter()
            .map(|sample| sample.unwrap().pixels.iter().map(|p| p.to_bits()).collect())
            .collect();
        let mut expected: Vec<Vec<u32>> = all
            .iter()
            .map(|sample| sample.unwrap().pixels.iter().map(|p| p.to_bits()).collect())
            .collect();
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
        assert_eq!(
            spread_first(&all, 1000).get(7).unwrap(),
            all.get(7).unwrap()
        );
    }

    #[test]
    fn patterns_within_a_class_are_not_met_in_step() {
        // The kind of a clip is its index modulo ten, and every class has 36 or so clips in a row.
        let clips = MovingDigits::new(ClipKind::ALL.to_vec(), 2, 16, 1, 0.0).unwrap();
        let clips = clips.splits().test;
        let chosen = spread_indices(&labels(&clips), 36);
        let mut kinds: Vec<usize> = chosen.iter().map(|index| index % 10).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert!(kinds.len() >= 8, "{kinds:?}");
    }
}
