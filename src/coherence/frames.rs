//! A sequence of frames, and how it changes.

use super::similarity::{mean_squared_error, peak_signal_to_noise};

/// Frames of one clip, pixels in `[0, 1]`.
///
/// # Example
///
/// ```
/// use burn_topology::coherence::Frames;
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
    /// Frames one after the other.
    ///
    /// # Shapes
    ///
    /// - `pixels`: `[n_frames, n_channels, height, width]`
    /// - `shape`: channels, height, width
    ///
    /// # Panics
    ///
    /// If a frame has no pixels, or the last one is not whole.
    pub fn new(pixels: &'a [f32], shape: [usize; 3]) -> Self {
        let size: usize = shape.iter().product();
        assert!(
            size > 0 && pixels.len().is_multiple_of(size),
            "{} pixels are no whole frames of {shape:?}",
            pixels.len()
        );
        Self { pixels, shape }
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Channels, height, width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// One frame after the other: `[n_channels, height, width]` each.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.pixels.chunks_exact(self.size())
    }

    /// One frame.
    ///
    /// # Panics
    ///
    /// If there is no such frame.
    pub fn get(&self, frame: usize) -> &'a [f32] {
        &self.pixels[frame * self.size()..][..self.size()]
    }

    /// The frames from this one on.
    ///
    /// # Panics
    ///
    /// If there are not that many.
    pub fn from(&self, first: usize) -> Self {
        Self {
            pixels: &self.pixels[first * self.size()..],
            ..*self
        }
    }

    fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Mean absolute difference of each frame to the next: 0 for a still clip. `None` below two frames.
    ///
    /// # Units
    ///
    /// Of the pixels.
    pub fn flicker(&self) -> Option<f64> {
        let pairs = self.iter().zip(self.iter().skip(1));
        mean(pairs.map(|(now, next)| mean_of(now.iter().zip(next).map(|(a, b)| (b - a).abs()))))
    }

    /// Mean absolute second difference, `x_(t+1) - 2 x_t + x_(t-1)`: 0 where brightness changes at a
    /// constant pace. `None` below three frames.
    ///
    /// # Units
    ///
    /// Of the pixels.
    pub fn second_difference(&self) -> Option<f64> {
        let triples = self
            .iter()
            .zip(self.iter().skip(1))
            .zip(self.iter().skip(2));
        mean(triples.map(|((before, now), next)| {
            let places = before.iter().zip(now).zip(next);
            mean_of(places.map(|((a, b), c)| (c - 2.0 * b + a).abs()))
        }))
    }

    /// Peak signal-to-noise ratio of the changes from frame to frame, against those of the true frames.
    /// `None` below two frames.
    ///
    /// # Units
    ///
    /// Decibels, with a peak of 1.
    ///
    /// # Panics
    ///
    /// If the two clips differ in size.
    pub fn difference_psnr(&self, truth: &Frames<'_>) -> Option<f64> {
        self.assert_alike(truth);
        let changes = |frames: &Frames<'_>| -> Vec<Vec<f32>> {
            let pairs = frames.iter().zip(frames.iter().skip(1));
            let change =
                |(now, next): (&[f32], &[f32])| now.iter().zip(next).map(|(a, b)| b - a).collect();
            pairs.map(change).collect()
        };
        let (found, expected) = (changes(self), changes(truth));
        let errors = found.iter().zip(&expected);
        mean(errors.map(|(a, b)| mean_squared_error(a, b))).map(peak_signal_to_noise)
    }

    /// How much the frames change over how much the true ones do: 0 for a frozen output, about 1 for a
    /// good one. `None` where the true ones do not change.
    ///
    /// # Panics
    ///
    /// If the two clips differ in size.
    ///
    /// # Source
    ///
    /// After the dynamic degree of Huang et al., "VBench", 2024, with changes of pixels in place of
    /// estimated flow.
    pub fn dynamic_degree(&self, truth: &Frames<'_>) -> Option<f64> {
        self.assert_alike(truth);
        let of_truth = truth.flicker().filter(|&change| change > 0.0)?;
        Some(self.flicker()? / of_truth)
    }

    /// Share of the frames that are nearer to the true frame of their own time than to any other true
    /// frame of the clip, by the mean squared error; equal true frames are one. A frozen output and one
    /// in a wrong order are right by chance only. `None` where all true frames are equal.
    ///
    /// # Panics
    ///
    /// If the two clips differ in size.
    pub fn identification(&self, truth: &Frames<'_>) -> Option<f64> {
        self.assert_alike(truth);
        let first = truth.iter().next()?;
        if truth.iter().all(|frame| frame == first) {
            return None;
        }
        let is_right = |(time, frame): (usize, &[f32])| {
            let own = truth.get(time);
            let error = mean_squared_error(frame, own);
            let mut others = truth.iter().filter(|other| *other != own);
            f64::from(u8::from(
                others.all(|other| mean_squared_error(frame, other) > error),
            ))
        };
        mean(self.iter().enumerate().map(is_right))
    }

    fn assert_alike(&self, truth: &Frames<'_>) {
        assert_eq!(
            (self.shape, self.len()),
            (truth.shape, truth.len()),
            "clips differ in size"
        );
    }
}

/// `None` of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0);
    for value in values {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / f64::from(n))
}

fn mean_of(values: impl Iterator<Item = f32>) -> f64 {
    mean(values.map(f64::from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bright pixel that goes one to the right per frame.
    fn moving(n_frames: usize) -> Vec<f32> {
        let frame = |t| (0..8).map(move |place| f32::from(u8::from(place == t)));
        (0..n_frames).flat_map(frame).collect()
    }

    const SHAPE: [usize; 3] = [1, 1, 8];

    #[test]
    fn still_clips_do_not_change_and_short_ones_have_no_number() {
        let still = [0.3; 24];
        let still = Frames::new(&still, SHAPE);
        assert_eq!(still.flicker(), Some(0.0));
        assert_eq!(still.second_difference(), Some(0.0));
        for (n_frames, expected) in [(0, [false, false]), (1, [false, false]), (2, [true, false])] {
            let pixels = moving(n_frames);
            let frames = Frames::new(&pixels, SHAPE);
            let found = [frames.flicker(), frames.second_difference()];
            assert_eq!(found.map(|number| number.is_some()), expected, "{n_frames}");
        }
    }

    #[test]
    fn changes_are_those_that_were_made() {
        let pixels = moving(4);
        let frames = Frames::new(&pixels, SHAPE);
        // One pixel goes dark and another bright, of eight.
        assert_eq!(frames.flicker(), Some(0.25));
        // The one before, twice the one now, the one after.
        assert_eq!(frames.second_difference(), Some(0.5));
        let ramp: Vec<f32> = (0..4).flat_map(|t| [0.25 * t as f32; 8]).collect();
        let ramp = Frames::new(&ramp, SHAPE);
        assert_eq!(
            (ramp.flicker(), ramp.second_difference()),
            (Some(0.25), Some(0.0))
        );
    }

    #[test]
    fn frozen_and_shuffled_outputs_are_caught_and_the_truth_is_not() {
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
