//! A sequence of frames, and metrics of its changes over time.

use super::similarity::{mean_squared_error, peak_signal_to_noise};
use crate::mean::mean;

/// Frames of one clip, with pixels in `[0, 1]`.
///
/// # Example
///
/// ```
/// use burn_topology::video_metrics::Frames;
///
/// // Three frames of one row of two pixels that flicker between dark and bright.
/// let pixels = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
/// let frames = Frames::new(&pixels, [1, 1, 2]);
/// assert_eq!(frames.flicker(), Some(1.0));
/// assert_eq!(frames.second_difference(), Some(2.0));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Frames<'a> {
    pixels: &'a [f32],
    shape: [usize; 3],
}

impl<'a> Frames<'a> {
    /// Wraps the pixels of consecutive frames.
    ///
    /// # Shapes
    ///
    /// - `pixels`: `[n_frames, n_channels, height, width]`
    /// - `shape`: `[n_channels, height, width]`
    ///
    /// # Panics
    ///
    /// If a frame has no pixels, or the length is not a multiple of the size of a frame.
    pub fn new(pixels: &'a [f32], shape: [usize; 3]) -> Self {
        let size: usize = shape.iter().product();
        assert!(
            size > 0 && pixels.len().is_multiple_of(size),
            "{} values, expected a whole number of frames of shape {shape:?}",
            pixels.len()
        );
        Self { pixels, shape }
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.size()
    }

    /// True if there are no frames.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Shape of one frame: `[n_channels, height, width]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Iterates over the frames, `[n_channels, height, width]` each.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.pixels.chunks_exact(self.size())
    }

    /// Returns the frame with this index: `[n_channels, height, width]`.
    ///
    /// # Panics
    ///
    /// If there is no such frame.
    pub fn get(&self, frame: usize) -> &'a [f32] {
        &self.pixels[frame * self.size()..][..self.size()]
    }

    /// Returns the frames from index `first` to the last.
    ///
    /// # Panics
    ///
    /// If there are fewer than `first` frames.
    pub fn starting_at(&self, first: usize) -> Self {
        Self {
            pixels: &self.pixels[first * self.size()..],
            ..*self
        }
    }

    /// Returns the grey values of each frame: the mean over its channels, `[height, width]`.
    pub fn grey(&self) -> Vec<Vec<f64>> {
        let [n_channels, height, width] = self.shape;
        let size = height * width;
        let grey = |frame: &[f32], pixel: usize| {
            let channels = (0..n_channels).map(|channel| f64::from(frame[channel * size + pixel]));
            channels.sum::<f64>() / n_channels as f64
        };
        self.iter()
            .map(|frame| (0..size).map(|pixel| grey(frame, pixel)).collect())
            .collect()
    }

    /// Number of values in one frame.
    fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Mean absolute difference of consecutive frames, in pixel values: 0 for a still clip; `None` below
    /// two frames.
    ///
    /// ```text
    /// mean over t and pixels of |x_(t+1) - x_t|
    /// ```
    pub fn flicker(&self) -> Option<f64> {
        let pairs = self.iter().zip(self.iter().skip(1));
        mean(pairs.map(|(now, next)| mean_f32(now.iter().zip(next).map(|(a, b)| (b - a).abs()))))
    }

    /// Mean absolute second difference in time, in pixel values: 0 where brightness changes at a
    /// constant rate; `None` below three frames.
    ///
    /// ```text
    /// mean over t and pixels of |x_(t+1) - 2 x_t + x_(t-1)|
    /// ```
    pub fn second_difference(&self) -> Option<f64> {
        let triples = self
            .iter()
            .zip(self.iter().skip(1))
            .zip(self.iter().skip(2));
        mean(triples.map(|((before, now), next)| {
            let pixels = before.iter().zip(now).zip(next);
            mean_f32(pixels.map(|((a, b), c)| (c - 2.0 * b + a).abs()))
        }))
    }

    /// Peak signal-to-noise ratio of the frame differences against those of the true frames, in decibels
    /// with a peak of 1; `None` below two frames.
    ///
    /// ```text
    /// PSNR(mean over t and pixels of ((x_(t+1) - x_t) - (y_(t+1) - y_t))^2),  y the true frames
    /// ```
    ///
    /// # Panics
    ///
    /// If the two clips differ in shape or length.
    pub fn difference_psnr(&self, truth: &Frames<'_>) -> Option<f64> {
        self.assert_same_size(truth);
        let changes = |frames: &Frames<'_>| -> Vec<Vec<f32>> {
            let pairs = frames.iter().zip(frames.iter().skip(1));
            let change =
                |(now, next): (&[f32], &[f32])| now.iter().zip(next).map(|(a, b)| b - a).collect();
            pairs.map(change).collect()
        };
        let (actual, expected) = (changes(self), changes(truth));
        let pairs = actual.iter().zip(&expected);
        mean(pairs.map(|(a, b)| mean_squared_error(a, b))).map(peak_signal_to_noise)
    }

    /// Amount of change relative to that of the true frames: 0 for a frozen output, about 1 for a good
    /// one; `None` if the true frames do not change.
    ///
    /// ```text
    /// flicker(x) / flicker(y),  y the true frames
    /// ```
    ///
    /// # Panics
    ///
    /// If the two clips differ in shape or length.
    ///
    /// # Source
    ///
    /// After the dynamic degree of Huang et al., "VBench", 2024, with changes of pixels in place of
    /// estimated flow.
    pub fn dynamic_degree(&self, truth: &Frames<'_>) -> Option<f64> {
        self.assert_same_size(truth);
        let true_change = truth.flicker().filter(|&change| change > 0.0)?;
        Some(self.flicker()? / true_change)
    }

    /// Fraction of frames that are nearest to the true frame of their own time; `None` if all true
    /// frames are equal.
    ///
    /// ```text
    /// mean over t of [MSE(x_t, y_t) < MSE(x_t, y_s) for every s with y_s != y_t],  y the true frames
    /// ```
    ///
    /// Frozen frames, and frames in a wrong order, are identified by chance only.
    ///
    /// # Panics
    ///
    /// If the two clips differ in shape or length.
    pub fn identification(&self, truth: &Frames<'_>) -> Option<f64> {
        self.assert_same_size(truth);
        let first = truth.iter().next()?;
        // Nothing could be identified: every frame would count as correct.
        if truth.iter().all(|frame| frame == first) {
            return None;
        }
        let is_identified = |(time, frame): (usize, &[f32])| {
            let own = truth.get(time);
            let error = mean_squared_error(frame, own);
            // A true frame that equals the own one is no competitor: nothing could tell them apart.
            let mut others = truth.iter().filter(|other| *other != own);
            f64::from(u8::from(
                // A tie counts as a failure: a constant frame must not be identified at several times.
                others.all(|other| mean_squared_error(frame, other) > error),
            ))
        };
        mean(self.iter().enumerate().map(is_identified))
    }

    /// Panics if the two clips differ in shape or length.
    fn assert_same_size(&self, truth: &Frames<'_>) {
        assert_eq!(
            (self.shape, self.len()),
            (truth.shape, truth.len()),
            "the two clips differ in shape or number of frames"
        );
    }
}

/// Mean of values that are widened to `f64` first; 0 without values.
fn mean_f32(values: impl Iterator<Item = f32>) -> f64 {
    // A sum of many pixels in `f32` would lose digits.
    mean(values.map(f64::from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bright pixel that moves one pixel to the right per frame.
    fn moving(n_frames: usize) -> Vec<f32> {
        let frame = |t| (0..8).map(move |column| f32::from(u8::from(column == t)));
        (0..n_frames).flat_map(frame).collect()
    }

    const SHAPE: [usize; 3] = [1, 1, 8];

    #[test]
    fn short_clips_have_no_metrics_and_still_clips_zero() {
        let still = [0.3; 24];
        let still = Frames::new(&still, SHAPE);
        assert_eq!(still.flicker(), Some(0.0));
        assert_eq!(still.second_difference(), Some(0.0));
        for (n_frames, expected) in [(0, [false, false]), (1, [false, false]), (2, [true, false])] {
            let pixels = moving(n_frames);
            let frames = Frames::new(&pixels, SHAPE);
            let actual = [frames.flicker(), frames.second_difference()];
            assert_eq!(actual.map(|value| value.is_some()), expected, "{n_frames}");
        }
    }

    #[test]
    fn grey_values_are_means_over_channels() {
        let frames = Frames::new(&[0.0, 1.0, 1.0, 0.5, 0.25, 0.5, 0.75, 1.0], [2, 1, 2]);
        assert_eq!(frames.grey(), [[0.5, 0.75], [0.5, 0.75]]);
    }

    #[test]
    fn differences_equal_the_changes_made() {
        let pixels = moving(4);
        let frames = Frames::new(&pixels, SHAPE);
        // Of eight pixels, one turns dark and another turns bright.
        assert_eq!(frames.flicker(), Some(0.25));
        // |1| of the previous pixel, |-2| of the current one and |1| of the next one, over 8 pixels.
        assert_eq!(frames.second_difference(), Some(0.5));
        let ramp: Vec<f32> = (0..4).flat_map(|t| [0.25 * t as f32; 8]).collect();
        let ramp = Frames::new(&ramp, SHAPE);
        assert_eq!(
            (ramp.flicker(), ramp.second_difference()),
            (Some(0.25), Some(0.0))
        );
    }

    #[test]
    fn frozen_and_shuffled_outputs_fail_the_guards() {
        let truth = moving(5);
        let truth = Frames::new(&truth, SHAPE);
        assert_eq!(truth.dynamic_degree(&truth), Some(1.0));
        assert_eq!(truth.identification(&truth), Some(1.0));
        assert_eq!(truth.difference_psnr(&truth), Some(100.0));

        let frozen: Vec<f32> = truth.get(2).repeat(5);
        let frozen = Frames::new(&frozen, SHAPE);
        assert_eq!(frozen.dynamic_degree(&truth), Some(0.0));
        assert_eq!(frozen.identification(&truth), Some(0.2));

        let order = [1, 2, 3, 4, 0];
        let shuffled: Vec<f32> = order.iter().flat_map(|&t| truth.get(t)).copied().collect();
        let shuffled = Frames::new(&shuffled, SHAPE);
        assert_eq!(shuffled.identification(&truth), Some(0.0));
        assert!(shuffled.difference_psnr(&truth) < Some(20.0));

        let still = [0.5; 40];
        let still = Frames::new(&still, SHAPE);
        assert_eq!(
            (truth.dynamic_degree(&still), truth.identification(&still)),
            (None, None)
        );
    }
}
