//! Changes of the colours of a sample, and their random strengths.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::SampleSpec;

/// Random changes of the colours of a sample, in random order.
///
/// # Source
///
/// As in torchvision's `ColorJitter`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    /// Largest change of the factor of brightness, which is 1 for no change.
    pub brightness: f32,
    /// Largest change of the factor of contrast, which is 1 for no change.
    pub contrast: f32,
    /// Largest change of the factor of saturation, which is 1 for no change.
    pub saturation: f32,
    /// Largest rotation of the hue in either direction, as a fraction of the circle of colours.
    pub hue: f32,
}

impl ColorJitter {
    /// Changes the colours at random, in all frames alike.
    pub(super) fn apply(&self, pixels: &mut [f32], spec: SampleSpec, random: &mut impl Rng) {
        let mut order = [0, 1, 2, 3];
        order.shuffle(random);
        let mut factor = |range: f32| 1.0 + range * random.random_range(-1.0..=1.0f32);
        let factors = [self.brightness, self.contrast, self.saturation].map(&mut factor);
        let turn = factor(self.hue) - 1.0;
        for change in order {
            match change {
                0 => brightness(pixels, factors[0]),
                1 => contrast(pixels, spec, factors[1]),
                2 => saturation(pixels, spec, factors[2]),
                _ => turn_hue(pixels, spec, turn),
            }
        }
    }
}

/// Moves a pixel from `other`, which it becomes at factor 0; the result is clamped to `[0, 1]`.
fn blend(pixel: f32, other: f32, factor: f32) -> f32 {
    (other + factor * (pixel - other)).clamp(0.0, 1.0)
}

/// Multiplies all pixels.
pub(super) fn brightness(pixels: &mut [f32], factor: f32) {
    pixels
        .iter_mut()
        .for_each(|pixel| *pixel = blend(*pixel, 0.0, factor));
}

/// Multiplies the differences from the mean brightness of the sample.
pub(super) fn contrast(pixels: &mut [f32], spec: SampleSpec, factor: f32) {
    let size = spec.height * spec.width;
    let n_pixels = (spec.n_frames * size) as f64;
    let sum: f64 = pixels
        .chunks(spec.frame_len())
        .flat_map(|frame| (0..size).map(|place| f64::from(grey(frame, size, place))))
        .sum();
    let mean = (sum / n_pixels) as f32;
    pixels
        .iter_mut()
        .for_each(|pixel| *pixel = blend(*pixel, mean, factor));
}

/// Multiplies the differences of all channels from the brightness of each pixel; grey images stay as they are.
pub(super) fn saturation(pixels: &mut [f32], spec: SampleSpec, factor: f32) {
    let size = spec.height * spec.width;
    for frame in pixels.chunks_mut(spec.frame_len()) {
        for place in 0..size {
            let grey = grey(frame, size, place);
            for pixel in frame[place..].iter_mut().step_by(size) {
                *pixel = blend(*pixel, grey, factor);
            }
        }
    }
}

/// Rotates the hue by a fraction of the circle of colours; grey images stay as they are.
pub(super) fn turn_hue(pixels: &mut [f32], spec: SampleSpec, turn: f32) {
    if spec.n_channels != 3 || turn == 0.0 {
        return;
    }
    let size = spec.height * spec.width;
    for frame in pixels.chunks_mut(spec.frame_len()) {
        for place in 0..size {
            let colour = [0, 1, 2].map(|channel| frame[channel * size + place]);
            let turned = with_turned_hue(colour, turn);
            for (channel, value) in turned.into_iter().enumerate() {
                frame[channel * size + place] = value;
            }
        }
    }
}

/// Inverts all pixels from a threshold on.
pub(super) fn solarize(pixels: &mut [f32], threshold: f32) {
    for pixel in pixels {
        if *pixel >= threshold {
            *pixel = 1.0 - *pixel;
        }
    }
}

/// Keeps so many bits of each pixel, which has eight.
pub(super) fn posterize(pixels: &mut [f32], n_bits: u32) {
    let step = f32::from(1u16 << (8 - n_bits.clamp(1, 8)));
    for pixel in pixels {
        // Rounded, because a byte divided by 255 may have come out too small.
        let byte = (*pixel * 255.0).round();
        *pixel = (byte / step).floor() * step / 255.0;
    }
}

/// Stretches each channel to the whole range of pixels.
pub(super) fn autocontrast(pixels: &mut [f32], spec: SampleSpec) {
    for_each_channel(pixels, spec, |pixels, places| {
        let values = places.clone().map(|place| pixels[place]);
        let (low, high) = values.fold((1.0f32, 0.0f32), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if high > low {
            for place in places {
                pixels[place] = (pixels[place] - low) / (high - low);
            }
        }
    });
}

/// Equalises the histogram of each channel, of 256 bins, as Pillow does.
pub(super) fn equalize(pixels: &mut [f32], spec: SampleSpec) {
    for_each_channel(pixels, spec, |pixels, places| {
        let bin = |pixel: f32| (pixel * 255.0).round().clamp(0.0, 255.0) as usize;
        let mut counts = [0usize; 256];
        for place in places.clone() {
            counts[bin(pixels[place])] += 1;
        }
        let last = counts.iter().rev().find(|count| **count > 0);
        let total: usize = counts.iter().sum();
        let step = (total - last.copied().unwrap_or(total)) / 255;
        if step == 0 {
            return;
        }
        let mut sum = step / 2;
        let table = counts.map(|count| {
            let level = (sum / step).min(255);
            sum += count;
            level as f32 / 255.0
        });
        for place in places {
            pixels[place] = table[bin(pixels[place])];
        }
    });
}

/// Moves each pixel away from the weighted mean of its neighbourhood; pixels at the border stay as they are.
pub(super) fn sharpness(pixels: &mut [f32], spec: SampleSpec, factor: f32) {
    let (height, width) = (spec.height, spec.width);
    for channel in pixels.chunks_mut(height * width) {
        let before = channel.to_vec();
        for row in 1..height.saturating_sub(1) {
            for column in 1..width.saturating_sub(1) {
                let centre = row * width + column;
                let rows = [centre - width, centre, centre + width];
                let sum: f32 = rows
                    .iter()
                    .map(|&place| before[place - 1..=place + 1].iter().sum::<f32>())
                    .sum();
                // Pillow's kernel: 5 in the middle, 1 around it.
                let smooth = (sum + 4.0 * before[centre]) / 13.0;
                channel[centre] = blend(before[centre], smooth, factor);
            }
        }
    }
}

/// Brightness of the pixel at a place of a frame.
fn grey(frame: &[f32], size: usize, place: usize) -> f32 {
    match frame.len() / size {
        // The luma of ITU-R 601, as in Pillow.
        3 => 0.299 * frame[place] + 0.587 * frame[size + place] + 0.114 * frame[2 * size + place],
        _ => frame[place],
    }
}

/// Calls a function with the places of the pixels of each channel, in all frames.
fn for_each_channel(
    pixels: &mut [f32],
    spec: SampleSpec,
    mut change: impl FnMut(&mut [f32], std::vec::IntoIter<usize>),
) {
    let size = spec.height * spec.width;
    for channel in 0..spec.n_channels {
        let places: Vec<usize> = (0..spec.n_frames)
            .flat_map(|frame| {
                let first = frame * spec.frame_len() + channel * size;
                first..first + size
            })
            .collect();
        change(pixels, places.into_iter());
    }
}

/// Rotates the hue of one colour.
fn with_turned_hue([red, green, blue]: [f32; 3], turn: f32) -> [f32; 3] {
    let value = red.max(green).max(blue);
    let range = value - red.min(green).min(blue);
    if range == 0.0 {
        return [red, green, blue];
    }
    // Position on the circle of colours, in sixths: red 0, green 2, blue 4.
    let sixth = if value == red {
        (green - blue) / range
    } else if value == green {
        2.0 + (blue - red) / range
    } else {
        4.0 + (red - green) / range
    };
    let turned = sixth + 6.0 * turn;
    [5.0, 3.0, 1.0].map(|offset| {
        let distance = (turned + offset).rem_euclid(6.0);
        let missing = distance.min(4.0 - distance).clamp(0.0, 1.0);
        (value - range * missing).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(n_frames: usize, n_channels: usize, [height, width]: [usize; 2]) -> SampleSpec {
        SampleSpec {
            n_frames,
            n_channels,
            height,
            width,
            n_classes: 2,
        }
    }

    /// Asserts that a change of `pixels` gives `expected`.
    fn assert_changed(pixels: &[f32], change: impl FnOnce(&mut [f32]), expected: &[f32]) {
        let mut actual = pixels.to_vec();
        change(&mut actual);
        for (value, expected) in actual.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-5, "{actual:?}");
        }
        assert_eq!(actual.len(), expected.len());
    }

    #[test]
    fn factors_scale_brightness_contrast_and_saturation() {
        let grey = spec(1, 1, [1, 4]);
        let ramp = [0.0, 0.2, 0.4, 0.6];
        assert_changed(&ramp, |p| brightness(p, 0.5), &[0.0, 0.1, 0.2, 0.3]);
        assert_changed(&ramp, |p| brightness(p, 2.0), &[0.0, 0.4, 0.8, 1.0]);
        // The mean is 0.3.
        assert_changed(&ramp, |p| contrast(p, grey, 0.5), &[0.15, 0.25, 0.35, 0.45]);
        assert_changed(&ramp, |p| saturation(p, grey, 0.1), &ramp);
        // Pure red has the luma 0.299.
        let red = [1.0, 0.0, 0.0];
        let colour = spec(1, 3, [1, 1]);
        assert_changed(&red, |p| saturation(p, colour, 0.0), &[0.299; 3]);
        assert_changed(&red, |p| saturation(p, colour, 1.0), &red);
    }

    #[test]
    fn a_third_of_the_circle_permutes_the_channels() {
        let colour = spec(1, 3, [1, 1]);
        let start = [0.8, 0.3, 0.1];
        assert_changed(&start, |p| turn_hue(p, colour, 1.0 / 3.0), &[0.1, 0.8, 0.3]);
        assert_changed(
            &start,
            |p| turn_hue(p, colour, -1.0 / 3.0),
            &[0.3, 0.1, 0.8],
        );
        assert_changed(&start, |p| turn_hue(p, colour, 1.0), &start);
        assert_changed(&[0.4; 3], |p| turn_hue(p, colour, 0.2), &[0.4; 3]);
        // Red becomes yellow after a sixth.
        assert_changed(
            &[1.0, 0.0, 0.0],
            |p| turn_hue(p, colour, 1.0 / 6.0),
            &[1.0, 1.0, 0.0],
        );
    }

    #[test]
    fn solarisation_and_posterisation_follow_their_definitions() {
        assert_changed(&[0.2, 0.5, 0.9], |p| solarize(p, 0.5), &[0.2, 0.5, 0.1]);
        let bytes = [0.0, 100.0 / 255.0, 128.0 / 255.0, 1.0];
        let top_bits = [0.0, 64.0 / 255.0, 128.0 / 255.0, 192.0 / 255.0];
        assert_changed(&bytes, |p| posterize(p, 2), &top_bits);
        assert_changed(&bytes, |p| posterize(p, 8), &bytes);
    }

    #[test]
    fn channels_are_stretched_over_all_frames() {
        // Two frames of two pixels: the darkest pixel is in one, the lightest in the other.
        let clip = spec(2, 1, [1, 2]);
        let pixels = [0.2, 0.3, 0.4, 0.6];
        assert_changed(&pixels, |p| autocontrast(p, clip), &[0.0, 0.25, 0.5, 1.0]);
        let flat = [0.5; 4];
        assert_changed(&flat, |p| autocontrast(p, clip), &flat);
    }

    #[test]
    fn equalisation_flattens_the_histogram() {
        // 512 pixels in the dark half, each level twice: they are spread over the whole range.
        let image = spec(1, 1, [1, 512]);
        let dark: Vec<f32> = (0..512).map(|k| (k / 4) as f32 / 255.0).collect();
        let mut equal = dark.clone();
        equalize(&mut equal, image);
        assert!(equal.is_sorted(), "the order of pixels stays");
        assert!(
            equal[0] < 0.01 && equal[511] > 0.99,
            "{} {}",
            equal[0],
            equal[511]
        );
        // With few pixels Pillow changes nothing.
        assert_changed(
            &[0.1, 0.2],
            |p| equalize(p, spec(1, 1, [1, 2])),
            &[0.1, 0.2],
        );
    }

    #[test]
    fn sharpness_moves_from_the_smoothed_image() {
        let image = spec(1, 1, [3, 3]);
        let spot = [0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0];
        let smooth = 5.0 * 0.5 / 13.0;
        let mut expected = spot;
        expected[4] = smooth;
        assert_changed(&spot, |p| sharpness(p, image, 0.0), &expected);
        expected[4] = smooth + 1.5 * (0.5 - smooth);
        assert_changed(&spot, |p| sharpness(p, image, 1.5), &expected);
    }

    #[test]
    fn jitter_changes_all_frames_alike_and_stays_in_range() {
        let clip = spec(2, 3, [2, 2]);
        let frame: Vec<f32> = (0..12).map(|k| k as f32 / 11.0).collect();
        let start = [&frame[..], &frame].concat();
        let jitter = ColorJitter {
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.1,
        };
        let mut random = crate::data::random_stream(3, &[]);
        let mut means = Vec::new();
        for _ in 0..200 {
            let mut pixels = start.clone();
            jitter.apply(&mut pixels, clip, &mut random);
            assert_eq!(pixels[..12], pixels[12..]);
            assert!(pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
            means.push(pixels.iter().sum::<f32>() / 24.0);
        }
        let spread = means.iter().fold((1.0f32, 0.0f32), |(low, high), mean| {
            (low.min(*mean), high.max(*mean))
        });
        assert!(spread.0 < 0.4 && spread.1 > 0.55, "{spread:?}");
        let mut unchanged = start.clone();
        ColorJitter::default().apply(&mut unchanged, clip, &mut random);
        for (pixel, expected) in unchanged.iter().zip(&start) {
            assert!((pixel - expected).abs() < 1e-6);
        }
    }
}
