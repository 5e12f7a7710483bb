//! Dice coefficient of two masks, and of their centre lines.

use super::mask::Mask;
use super::skeleton::skeleton;

/// Dice coefficient of two masks: 1 if they are equal, 0 if they have no pixel in common.
///
/// ```text
/// 2 |A and B| / (|A| + |B|)
/// ```
///
/// Two empty masks are equal, so their coefficient is 1.
///
/// # Panics
///
/// If the shapes differ.
///
/// # Example
///
/// ```
/// use burn_topology::mask_metrics::{Mask, dice};
///
/// let first = Mask::new(vec![true, true, false], [1, 3]);
/// let second = Mask::new(vec![false, true, false], [1, 3]);
/// assert_eq!(dice(&first, &second), 2.0 / 3.0);
/// ```
pub fn dice(first: &Mask, second: &Mask) -> f64 {
    let total = first.area() + second.area();
    match total {
        0 => 1.0,
        _ => 2.0 * first.common_area(second) as f64 / total as f64,
    }
}

/// Dice coefficient of centre lines (clDice): 1 if the centre line of each mask lies within the other mask.
///
/// ```text
/// precision   = |S(predicted) and truth| / |S(predicted)|
/// sensitivity = |S(truth) and predicted| / |S(truth)|
/// clDice      = 2 precision sensitivity / (precision + sensitivity)
/// ```
///
/// `S` is the [`skeleton`]. Unlike [`dice`], it weighs a thin connection as much as a wide one. Two empty masks are equal,
/// so their coefficient is 1; if only one is empty, it is 0.
///
/// # Panics
///
/// If the shapes differ.
///
/// # Source
///
/// Shit et al., "clDice: a novel topology-preserving loss function for tubular structure segmentation", CVPR 2021,
/// equations 1 and 2.
///
/// # Example
///
/// ```
/// use burn_topology::mask_metrics::{Mask, centerline_dice, dice};
///
/// // A line, and the same line one pixel thicker: the centre lines agree, the areas do not.
/// let mask = |rows: [&str; 5]| Mask::new(rows.concat().chars().map(|c| c == '#').collect(), [5, 7]);
/// let thin = mask([".......", ".......", ".#####.", ".......", "......."]);
/// let thick = mask([".......", ".#####.", ".#####.", ".#####.", "......."]);
/// assert_eq!(centerline_dice(&thin, &thick), 1.0);
/// assert_eq!(dice(&thin, &thick), 0.5);
/// ```
pub fn centerline_dice(predicted: &Mask, truth: &Mask) -> f64 {
    if predicted.area() == 0 && truth.area() == 0 {
        return 1.0;
    }
    let part_of_skeleton = |mask: &Mask, other: &Mask| {
        let line = skeleton(mask);
        match line.area() {
            0 => 0.0,
            length => line.common_area(other) as f64 / length as f64,
        }
    };
    let precision = part_of_skeleton(predicted, truth);
    let sensitivity = part_of_skeleton(truth, predicted);
    match precision + sensitivity {
        0.0 => 0.0,
        sum => 2.0 * precision * sensitivity / sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_masks_are_equal_to_each_other_alone() {
        let empty = Mask::new(vec![false; 6], [2, 3]);
        let full = Mask::new(vec![true; 6], [2, 3]);
        for coefficient in [dice, centerline_dice] {
            assert_eq!(coefficient(&empty, &empty), 1.0);
            assert_eq!(coefficient(&empty, &full), 0.0);
            assert_eq!(coefficient(&full, &empty), 0.0);
            assert_eq!(coefficient(&full, &full), 1.0);
        }
    }
}
