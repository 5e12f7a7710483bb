//! Frames along their motion.

use super::frames::{Frames, mean};

/// Where what is seen at each pixel goes by the next frame.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::{Frames, Motion};
///
/// // Everything goes one pixel to the right, and the last column out of the frame.
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
    is_seen_next: &'a [bool],
    frame: [usize; 2],
}

impl<'a> Motion<'a> {
    /// The motion of a clip.
    ///
    /// # Shapes
    ///
    /// - `flow`: displacements in pixels, rows then columns, `[n_frames - 1, 2, height, width]`
    /// - `is_seen_next`: whether what a pixel shows is seen in the next frame,
    ///   `[n_frames - 1, height, width]`
    /// - `frame`: height, width
    ///
    /// # Panics
    ///
    /// If the lengths do not fit.
    pub fn new(flow: &'a [f32], is_seen_next: &'a [bool], frame: [usize; 2]) -> Self {
        let size = frame[0] * frame[1];
        assert!(
            size > 0
                && is_seen_next.len().is_multiple_of(size)
                && flow.len() == 2 * is_seen_next.len(),
            "{} displacements for {} pixels of frames of {frame:?}",
            flow.len(),
            is_seen_next.len()
        );
        Self {
            flow,
            is_seen_next,
            frame,
        }
    }

    /// Number of pairs of frames.
    pub fn n_pairs(&self) -> usize {
        self.is_seen_next.len() / (self.frame[0] * self.frame[1])
    }

    /// The motion from this frame on.
    ///
    /// # Panics
    ///
    /// If there are not that many pairs.
    pub fn from(&self, first: usize) -> Self {
        let start = first * self.frame[0] * self.frame[1];
        Self {
            flow: &self.flow[2 * start..],
            is_seen_next: &self.is_seen_next[start..],
            ..*self
        }
    }
}

impl Frames<'_> {
    /// Mean absolute difference between a pixel and where it is said to go, over the pixels that are
    /// seen in the next frame too, the mean over all pairs of frames: 0 if brightness travels along the
    /// motion. `None` without a pair, or if nothing is seen twice.
    ///
    /// Between pixels the next frame is interpolated linearly, which for sharp pictures and motions of
    /// broken pixels leaves an error even of the truth: compare with that of the true frames.
    ///
    /// # Units
    ///
    /// Of the pixels.
    ///
    /// # Panics
    ///
    /// If the motion is not of as many pairs of frames of this size.
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
            "the motion is that of other frames"
        );
        let size = height * width;
        let of_pair = |pair: usize| {
            let flow = &motion.flow[2 * pair * size..][..2 * size];
            let is_seen = &motion.is_seen_next[pair * size..][..size];
            let seen = (0..size).filter(|&at| is_seen[at]);
            mean(seen.map(|at| {
                let place = [
                    (at / width) as f32 + flow[at],
                    (at % width) as f32 + flow[size + at],
                ];
                let channels = (0..n_channels).map(|channel| {
                    let now = self.get(pair)[channel * size + at];
                    let next = &self.get(pair + 1)[channel * size..][..size];
                    f64::from((now - sample(next, [height, width], place)).abs())
                });
                mean(channels).unwrap_or_default()
            }))
        };
        mean((0..motion.n_pairs()).filter_map(of_pair))
    }
}

/// Brightness between pixels, bilinear; that of the border outside.
pub(super) fn sample(pixels: &[f32], [height, width]: [usize; 2], [row, column]: [f32; 2]) -> f32 {
    let row = row.clamp(0.0, (height - 1) as f32);
    let column = column.clamp(0.0, (width - 1) as f32);
    let (top, left) = (row as usize, column as usize);
    let (bottom, right) = ((top + 1).min(height - 1), (left + 1).min(width - 1));
    let (down, across) = (row - top as f32, column - left as f32);
    let between = |row: usize| {
        let [first, second] = [left, right].map(|column| pixels[row * width + column]);
        first + across * (second - first)
    };
    let (upper, lower) = (between(top), between(bottom));
    upper + down * (lower - upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_flickers_while_it_moves_is_off_by_the_flicker() {
        // A bright column that goes right, and is 0.25 darker in every second frame.
        let frame = |t: usize| {
            (0..6).map(move |at| match at % 3 == t {
                true => 1.0 - 0.25 * (t % 2) as f32,
                false => 0.0,
            })
        };
        let pixels: Vec<f32> = (0..3).flat_map(frame).collect();
        let frames = Frames::new(&pixels, [1, 2, 3]);
        let flow: Vec<f32> = [[0.0; 6], [1.0; 6]].concat().repeat(2);
        let on_object: Vec<bool> = (0..2)
            .flat_map(|t| (0..6).map(move |at| at % 3 == t))
            .collect();
        let motion = Motion::new(&flow, &on_object, [2, 3]);
        assert_eq!(frames.warp_error(&motion), Some(0.25));
        let nothing = [false; 12];
        assert_eq!(
            frames.warp_error(&Motion::new(&flow, &nothing, [2, 3])),
            None
        );
        assert_eq!(motion.from(1).n_pairs(), 1);
        assert_eq!(frames.from(1).warp_error(&motion.from(1)), Some(0.25));
    }

    #[test]
    fn brightness_between_pixels_is_their_mean() {
        let pixels = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(sample(&pixels, [2, 2], [0.5, 0.5]), 1.5);
        assert_eq!(sample(&pixels, [2, 2], [-3.0, 9.0]), 1.0);
        assert_eq!(sample(&pixels, [2, 2], [1.0, 0.25]), 2.25);
    }
}
