//! Motion of a clip, and the error of frames along it.

use super::frames::Frames;
use crate::mean::mean;

/// Motion of a clip: the displacement of every pixel to the next frame.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::{Frames, Motion};
///
/// // Everything moves one pixel to the right, and the last column leaves the frame.
/// let pixels = [0.9, 0.5, 0.1, 0.0, 0.9, 0.5];
/// let frames = Frames::new(&pixels, [1, 1, 3]);
/// let (rows, columns) = ([0.0; 3], [1.0; 3]);
/// let flow = [rows, columns].concat();
/// let motion = Motion::new(&flow, &[true, true, false], [1, 3]);
/// assert_eq!(frames.warp_error(&motion), Some(0.0));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Motion<'a> {
    flow: &'a [f32],
    is_visible_next: &'a [bool],
    frame: [usize; 2],
}

impl<'a> Motion<'a> {
    /// Wraps the displacements of a clip.
    ///
    /// # Shapes
    ///
    /// - `flow`: displacements in pixels, first the changes of the row and then those of the column,
    ///   `[n_frames - 1, 2, height, width]`
    /// - `is_visible_next`: true where the content of a pixel is visible in the next frame too,
    ///   `[n_frames - 1, height, width]`
    /// - `frame`: `[height, width]`
    ///
    /// # Panics
    ///
    /// If there are not two displacements for each pixel of a whole number of frames.
    pub fn new(flow: &'a [f32], is_visible_next: &'a [bool], frame: [usize; 2]) -> Self {
        let size = frame[0] * frame[1];
        assert!(
            size > 0
                && is_visible_next.len().is_multiple_of(size)
                && flow.len() == 2 * is_visible_next.len(),
            "{} displacements for {} pixels, expected two for each pixel of whole frames of size {frame:?}",
            flow.len(),
            is_visible_next.len()
        );
        Self {
            flow,
            is_visible_next,
            frame,
        }
    }

    /// Number of pairs of consecutive frames.
    pub fn n_pairs(&self) -> usize {
        self.is_visible_next.len() / (self.frame[0] * self.frame[1])
    }

    /// Returns the motion of the frames from index `first` to the last.
    ///
    /// # Panics
    ///
    /// If there are fewer than `first` pairs of frames.
    pub fn starting_at(&self, first: usize) -> Self {
        let start = first * self.frame[0] * self.frame[1];
        Self {
            // Each pixel has two displacements.
            flow: &self.flow[2 * start..],
            is_visible_next: &self.is_visible_next[start..],
            ..*self
        }
    }
}

impl Frames<'_> {
    /// Mean absolute error between the pixels and the next frame along the motion, in pixel values;
    /// `None` without a pixel that is visible in two consecutive frames.
    ///
    /// ```text
    /// mean over t of (mean over visible p and channels of |x_t(p) - x_(t+1)(p + flow_t(p))|)
    /// ```
    ///
    /// It is 0 if brightness is constant along the motion. Between pixels the next frame is interpolated
    /// bilinearly, which leaves an error even for the true frames if they are sharp and move by
    /// fractions of a pixel: compare with the warp error of the true frames.
    ///
    /// # Panics
    ///
    /// If the motion belongs to frames of another size or number.
    ///
    /// # Source
    ///
    /// Lai et al., "Learning Blind Video Temporal Consistency", 2018, equation 2, with absolute
    /// differences.
    pub fn warp_error(&self, motion: &Motion<'_>) -> Option<f64> {
        let [n_channels, height, width] = self.shape();
        assert_eq!(
            (motion.frame, motion.n_pairs()),
            ([height, width], self.len().saturating_sub(1)),
            "the motion does not have the size and number of pairs of these frames"
        );
        let size = height * width;
        let pair_error = |pair: usize| {
            let flow = &motion.flow[2 * pair * size..][..2 * size];
            let is_visible = &motion.is_visible_next[pair * size..][..size];
            let visible = (0..size).filter(|&pixel| is_visible[pixel]);
            mean(visible.map(|pixel| {
                let target = [
                    (pixel / width) as f32 + flow[pixel],
                    (pixel % width) as f32 + flow[size + pixel],
                ];
                let channels = (0..n_channels).map(|channel| {
                    let now = self.get(pair)[channel * size + pixel];
                    let next = &self.get(pair + 1)[channel * size..][..size];
                    f64::from((now - bilinear(next, [height, width], target)).abs())
                });
                mean(channels).unwrap_or_default()
            }))
        };
        // Pairs without a visible pixel are left out, not counted as 0.
        mean((0..motion.n_pairs()).filter_map(pair_error))
    }
}

/// Interpolates a plane bilinearly at a fractional position; beyond the border its pixels repeat.
pub(super) fn bilinear(
    pixels: &[f32],
    [height, width]: [usize; 2],
    [row, column]: [f32; 2],
) -> f32 {
    // Clamped before the conversion to integers, so that both fractions below lie in [0, 1).
    let row = row.clamp(0.0, (height - 1) as f32);
    let column = column.clamp(0.0, (width - 1) as f32);
    let (top, left) = (row as usize, column as usize);
    let (bottom, right) = ((top + 1).min(height - 1), (left + 1).min(width - 1));
    let (down, across) = (row - top as f32, column - left as f32);
    let along_row = |row: usize| {
        let [first, second] = [left, right].map(|column| pixels[row * width + column]);
        first + across * (second - first)
    };
    let (upper, lower) = (along_row(top), along_row(bottom));
    upper + down * (lower - upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warp_error_of_a_flickering_object_is_its_flicker() {
        // A bright column that moves to the right, and is darker by 0.25 in every second frame.
        let frame = |t: usize| {
            (0..6).map(move |pixel| {
                if pixel % 3 == t {
                    1.0 - 0.25 * (t % 2) as f32
                } else {
                    0.0
                }
            })
        };
        let pixels: Vec<f32> = (0..3).flat_map(frame).collect();
        let frames = Frames::new(&pixels, [1, 2, 3]);
        let flow: Vec<f32> = [[0.0; 6], [1.0; 6]].concat().repeat(2);
        let on_object: Vec<bool> = (0..2)
            .flat_map(|t| (0..6).map(move |pixel| pixel % 3 == t))
            .collect();
        let motion = Motion::new(&flow, &on_object, [2, 3]);
        assert_eq!(frames.warp_error(&motion), Some(0.25));
        let nothing = [false; 12];
        assert_eq!(
            frames.warp_error(&Motion::new(&flow, &nothing, [2, 3])),
            None
        );
        assert_eq!(motion.starting_at(1).n_pairs(), 1);
        assert_eq!(
            frames.starting_at(1).warp_error(&motion.starting_at(1)),
            Some(0.25)
        );
    }

    #[test]
    fn interpolation_between_pixels_is_linear() {
        let pixels = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(bilinear(&pixels, [2, 2], [0.5, 0.5]), 1.5);
        assert_eq!(bilinear(&pixels, [2, 2], [-3.0, 9.0]), 1.0);
        assert_eq!(bilinear(&pixels, [2, 2], [1.0, 0.25]), 2.25);
    }
}
