//! Hausdorff distance between two masks.

use super::mask::Mask;

/// Hausdorff distance between the foregrounds of two masks, in pixels.
///
/// ```text
/// max( max_{a in A} min_{b in B} |a - b|,  max_{b in B} min_{a in A} |a - b| )
/// ```
///
/// Points are centres of pixels. It is the distance of the worst pixel: 0 for equal masks. If only one mask is empty, every
/// distance would be infinite; the diagonal of the image, which no distance exceeds, stands for it, so that means over
/// samples exist.
///
/// # Panics
///
/// If the shapes differ.
///
/// # Cost
///
/// Proportional to the number of pixels that are foreground in one mask alone, times the area of the other.
///
/// # Example
///
/// ```
/// use burn_topology::mask_metrics::{Mask, hausdorff_distance};
///
/// let near = Mask::new(vec![true, false, false, false], [1, 4]);
/// let both = Mask::new(vec![true, false, false, true], [1, 4]);
/// assert_eq!(hausdorff_distance(&near, &both), 3.0);
/// ```
pub fn hausdorff_distance(first: &Mask, second: &Mask) -> f64 {
    assert_eq!(first.shape(), second.shape(), "the masks differ in shape");
    let points = [first, second].map(|mask| mask.points().collect::<Vec<_>>());
    match points.each_ref().map(Vec::is_empty) {
        [true, true] => 0.0,
        [false, false] => {
            let squared = farthest(&points[0], second, &points[1])
                .max(farthest(&points[1], first, &points[0]));
            (squared as f64).sqrt()
        }
        _ => {
            let [height, width] = first.shape().map(|side| side as f64);
            height.hypot(width)
        }
    }
}

/// Largest squared distance between a point and the nearest of the points of a mask.
fn farthest(points: &[[usize; 2]], mask: &Mask, others: &[[usize; 2]]) -> usize {
    let width = mask.shape()[1];
    let outside = points
        .iter()
        // The distance of a point that the mask has is 0.
        .filter(|[row, column]| !mask.pixels()[row * width + column]);
    let nearest = outside.map(|&[row, column]| {
        let squares = others
            .iter()
            .map(|other| row.abs_diff(other[0]).pow(2) + column.abs_diff(other[1]).pow(2));
        squares.min().unwrap_or(0)
    });
    nearest.max().unwrap_or(0)
}
