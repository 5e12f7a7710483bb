//! Skeleton of a mask, by thinning.

use super::mask::Mask;

/// Thins the foreground of a mask to lines of one pixel.
///
/// In turns, pixels at the lower right and pixels at the upper left of the foreground are removed together, if that neither
/// disconnects their neighbours nor shortens the end of a line, until no pixel can be removed. Pixels outside of the image
/// count as background.
///
/// # Cost
///
/// Proportional to the number of pixels times half of the width of the thickest part.
///
/// # Source
///
/// T. Y. Zhang and C. Y. Suen, "A fast parallel algorithm for thinning digital patterns", Communications of the ACM 27
/// (1984).
///
/// # Example
///
/// ```
/// use burn_topology::mask_metrics::{Mask, skeleton};
///
/// // A bar of 3 by 7 pixels becomes a part of its middle line.
/// let bar = Mask::new(vec![true; 21], [3, 7]);
/// let line = skeleton(&bar);
/// assert!(line.pixels()[..7].iter().chain(&line.pixels()[14..]).all(|&pixel| !pixel));
/// assert!((4..=6).contains(&line.area()));
/// ```
pub fn skeleton(mask: &Mask) -> Mask {
    let [height, width] = mask.shape();
    // A border of background saves the test for neighbours outside of the image.
    let padded_width = width + 2;
    let mut pixels = vec![false; (height + 2) * padded_width];
    let index = |[row, column]: [usize; 2]| (row + 1) * padded_width + column + 1;
    let mut foreground: Vec<usize> = mask.points().map(index).collect();
    for &pixel in &foreground {
        pixels[pixel] = true;
    }
    let mut was_changed = true;
    while was_changed {
        was_changed = false;
        for pass in [Pass::LowerRight, Pass::UpperLeft] {
            // All are found before the first is removed, so that the result does not depend on their order.
            let (removed, kept): (Vec<usize>, Vec<usize>) = foreground
                .iter()
                .partition(|&&pixel| pass.removes(neighbours(&pixels, pixel, padded_width)));
            for &pixel in &removed {
                pixels[pixel] = false;
            }
            was_changed |= !removed.is_empty();
            foreground = kept;
        }
    }
    let rows = pixels.chunks_exact(padded_width).skip(1).take(height);
    let inner = rows.flat_map(|row| row[1..=width].iter().copied());
    Mask::new(inner.collect(), mask.shape())
}

/// The eight neighbours of a pixel, clockwise from the one above it.
fn neighbours(pixels: &[bool], pixel: usize, width: usize) -> [bool; 8] {
    let [above, below] = [pixel - width, pixel + width];
    [
        above,
        above + 1,
        pixel + 1,
        below + 1,
        below,
        below - 1,
        pixel - 1,
        above - 1,
    ]
    .map(|neighbour| pixels[neighbour])
}

/// One of the two passes that follow each other.
#[derive(Debug, Clone, Copy)]
enum Pass {
    /// Removes pixels at the lower and right border, and upper left corners.
    LowerRight,
    /// Removes pixels at the upper and left border, and lower right corners.
    UpperLeft,
}

impl Pass {
    /// True if this pass removes a pixel with these neighbours.
    fn removes(self, neighbours: [bool; 8]) -> bool {
        let n_foreground = neighbours.iter().filter(|&&pixel| pixel).count();
        // Around the pixel, from background to foreground: one such step means that its neighbours stay connected.
        let n_steps = (0..8)
            .filter(|&k| !neighbours[k] && neighbours[(k + 1) % 8])
            .count();
        let [above, _, right, _, below, _, left, _] = neighbours;
        let is_at_border = match self {
            Self::LowerRight => !(right && below && (above || left)),
            Self::UpperLeft => !(above && left && (right || below)),
        };
        // A single neighbour is that of the end of a line, which would shrink.
        (2..=6).contains(&n_foreground) && n_steps == 1 && is_at_border
    }
}
