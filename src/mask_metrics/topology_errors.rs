//! Topological errors of a predicted mask.

use super::mask::Mask;
use crate::topology::{BarPair, CubicalComplex, GreyImage};
use crate::video_metrics::betti_numbers;

/// Betti errors of a predicted mask: by how much its numbers of components and of holes differ from those of the truth.
///
/// The foreground is 8-connected, as in [`betti_numbers`].
///
/// # Example
///
/// ```
/// use burn_topology::mask_metrics::{Mask, betti_errors};
///
/// let mask = |pixels: [u8; 5]| Mask::new(pixels.map(|pixel| pixel == 1).into(), [1, 5]);
/// assert_eq!(betti_errors(&mask([1, 0, 1, 0, 1]), &mask([1, 1, 1, 0, 0])), [2, 0]);
/// ```
pub fn betti_errors(predicted: &Mask, truth: &Mask) -> [usize; 2] {
    let predicted = betti_numbers(predicted.pixels(), predicted.shape());
    let truth = betti_numbers(truth.pixels(), truth.shape());
    [0, 1].map(|dim| predicted[dim].abs_diff(truth[dim]))
}

/// Betti matching error of a predicted mask: the number of its components and holes, and of those of the truth, that have no
/// partner at the same place in the other mask.
///
/// A mask with the right Betti numbers in the wrong places has Betti errors of 0, but not this error. The partners are those
/// of [`CubicalComplex::betti_matching`].
///
/// # Panics
///
/// If the shapes differ, or if a side of the masks is 0.
///
/// # Source
///
/// N. Stucki et al., [Topologically faithful image segmentation via induced matching of persistence
/// barcodes](https://arxiv.org/abs/2211.15272) (2023).
///
/// # Example
///
/// ```
/// use burn_topology::mask_metrics::{Mask, betti_errors, betti_matching_error};
///
/// let mask = |pixels: [u8; 7]| Mask::new(pixels.map(|pixel| pixel == 1).into(), [1, 7]);
/// let (predicted, truth) = (mask([1, 1, 0, 1, 0, 0, 0]), mask([1, 1, 0, 0, 0, 0, 1]));
/// assert_eq!(betti_errors(&predicted, &truth), [0, 0]);
/// // The second component of each is missing in the other.
/// assert_eq!(betti_matching_error(&predicted, &truth), 2);
/// ```
pub fn betti_matching_error(predicted: &Mask, truth: &Mask) -> usize {
    let values = [predicted, truth].map(|mask| {
        let pixels = mask.pixels().iter();
        pixels
            .map(|&pixel| f32::from(u8::from(pixel)))
            .collect::<Vec<f32>>()
    });
    let image = |index: usize, mask: &Mask| {
        GreyImage::new(&values[index], mask.shape()).expect("a mask with pixels")
    };
    let matching = CubicalComplex::default()
        .betti_matching(&image(0, predicted), &image(1, truth))
        .expect("two masks of one shape");
    let is_alone = |pair: &&BarPair<usize>| !matches!(pair, BarPair::Bars(..));
    let n_alone = matching.pairs.iter().flatten().filter(is_alone).count();
    // The components that never die are matched even if one of the masks is empty; then they are born apart.
    let [first, second] = [&matching.first[0], &matching.second[0]]
        .map(|diagram| diagram.essential().next().map(|bar| bar.birth));
    n_alone + usize::from(first != second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let pixels = rows.concat().chars().map(|c| c == '#').collect();
        Mask::new(pixels, [rows.len(), rows[0].len()])
    }

    #[test]
    fn errors_of_a_broken_ring_and_of_a_stray_pixel() {
        let ring = mask(&["#####..", "#...#..", "#...#..", "#####.."]);
        let broken = mask(&["#####..", "#...#..", "....#..", "#####.."]);
        let stray = mask(&["#####.#", "#...#..", "#...#..", "#####.."]);
        assert_eq!(betti_errors(&ring, &ring), [0, 0]);
        assert_eq!(betti_matching_error(&ring, &ring), 0);
        assert_eq!(betti_errors(&broken, &ring), [0, 1]);
        assert_eq!(betti_matching_error(&broken, &ring), 1);
        assert_eq!(betti_errors(&stray, &ring), [1, 0]);
        assert_eq!(betti_matching_error(&stray, &ring), 1);
        // Both at once: one component too many, and one hole too few.
        assert_eq!(betti_matching_error(&stray, &broken), 2);
    }

    #[test]
    fn an_empty_mask_misses_all_components_and_holes() {
        let empty = mask(&[".....", ".....", ".....", "....."]);
        let ring = mask(&["###..", "#.#..", "###..", "....#"]);
        assert_eq!(betti_errors(&empty, &ring), [2, 1]);
        for pair in [[&empty, &ring], [&ring, &empty]] {
            assert_eq!(betti_matching_error(pair[0], pair[1]), 3);
        }
        assert_eq!(betti_matching_error(&empty, &empty), 0);
        // A foreground without background.
        let full = mask(&["##", "##"]);
        assert_eq!(betti_matching_error(&full, &mask(&["..", ".."])), 1);
        assert_eq!(betti_matching_error(&full, &full), 0);
    }
}
