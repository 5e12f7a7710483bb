//! Corruptions of images and frames in five severities: noise, blur, contrast and occlusion.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::random_stream::Stream;
use super::{Sample, SampleSpec};

/// Corruption of every frame of a sample.
///
/// ```text
///                                            severity 1     2     3     4     5
/// Noise      x + sigma z,  z ~ N(0, 1)          sigma 0.05  0.1   0.2   0.3   0.4
/// Blur       Gaussian blur                sigma / side 0.04  0.06  0.09  0.12  0.16
/// Contrast   m + c (x - m),  m = mean(x)            c 0.75  0.5   0.35  0.2   0.1
/// Occlusion  grey square              its side / side 0.2   0.3   0.4   0.5   0.6
/// ```
///
/// `side` is the shorter side of a frame. Pixels `x` lie in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Corruption {
    /// Gaussian noise, independent in every pixel and frame.
    Noise,
    /// Gaussian blur.
    Blur,
    /// Reduced contrast about the mean of the frame.
    Contrast,
    /// Grey square at a random position, the same in all frames of a sample.
    Occlusion,
}

/// Number of severities; the mildest is 1.
pub const N_SEVERITIES: usize = 5;

impl Corruption {
    /// All corruptions.
    pub const ALL: [Self; 4] = [Self::Noise, Self::Blur, Self::Contrast, Self::Occlusion];

    /// Name in configurations, tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Blur => "blur",
            Self::Contrast => "contrast",
            Self::Occlusion => "occlusion",
        }
    }

    /// Constant of the table at [`Corruption`] for a severity.
    fn strength(self, severity: usize) -> f64 {
        let strengths: [f64; N_SEVERITIES] = match self {
            Self::Noise => [0.05, 0.1, 0.2, 0.3, 0.4],
            Self::Blur => [0.04, 0.06, 0.09, 0.12, 0.16],
            Self::Contrast => [0.75, 0.5, 0.35, 0.2, 0.1],
            Self::Occlusion => [0.2, 0.3, 0.4, 0.5, 0.6],
        };
        strengths[severity.clamp(1, N_SEVERITIES) - 1]
    }

    /// Returns the corrupted pixels of a sample, in `[0, 1]`.
    ///
    /// The result is the same whenever `seed` and `index`, the index of the sample in its data set, are the
    /// same. A severity below 1 counts as 1, and one above 5 as 5.
    pub fn apply(
        self,
        sample: &Sample,
        spec: SampleSpec,
        severity: usize,
        seed: u64,
        index: usize,
    ) -> Vec<f32> {
        let strength = self.strength(severity);
        let mut pixels = sample.pixels.clone();
        // The severity is not part of the key: the noise of two severities differs only in its strength.
        let kind = self as usize;
        let mut random = Stream::Corruption { index, kind }.of(seed);
        let [height, width] = [spec.height, spec.width];
        let shorter = height.min(width) as f64;
        match self {
            Self::Noise => add_noise(&mut pixels, strength, &mut random),
            Self::Blur => {
                for plane in pixels.chunks_exact_mut(height * width) {
                    blur(plane, width, strength * shorter);
                }
            }
            Self::Contrast => {
                for frame in pixels.chunks_exact_mut(spec.frame_len()) {
                    let mean = frame.iter().sum::<f32>() / frame.len() as f32;
                    frame
                        .iter_mut()
                        .for_each(|pixel| *pixel = mean + (*pixel - mean) * strength as f32);
                }
            }
            Self::Occlusion => {
                // At least one pixel, so that the corruption exists in the smallest frames too.
                let side = (strength * shorter).round().max(1.0) as usize;
                let [top, left] =
                    [height, width].map(|extent| random.random_range(0..=extent - side));
                for plane in pixels.chunks_exact_mut(height * width) {
                    for row in plane.chunks_exact_mut(width).skip(top).take(side) {
                        // Grey is the middle of the range, hence 0 for the model.
                        row[left..left + side].fill(0.5);
                    }
                }
            }
        }
        pixels
    }
}

/// Adds independent Gaussian noise to every pixel and clamps the result to `[0, 1]`.
pub fn add_noise(pixels: &mut [f32], deviation: f64, random: &mut impl rand::Rng) {
    for pixel in pixels {
        let noise: f32 = StandardNormal.sample(random);
        *pixel = (*pixel + deviation as f32 * noise).clamp(0.0, 1.0);
    }
}

/// Blurs a plane with a Gaussian of this standard deviation in pixels; the border repeats.
pub(super) fn blur(plane: &mut [f32], width: usize, deviation: f64) {
    // The weights beyond three standard deviations make up less than 0.3 % of the sum of all.
    let radius = (3.0 * deviation).ceil() as isize;
    let weights: Vec<f64> = (-radius..=radius)
        .map(|k| (-0.5 * (k as f64 / deviation).powi(2)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let height = plane.len() / width;
    // A Gaussian is separable: blur all rows, then all columns. `pixel` maps a position along the line
    // and the number of the line to an index of the plane.
    let mut pass = |extent: usize, pixel: &dyn Fn(usize, usize) -> usize, n_lines: usize| {
        for number in 0..n_lines {
            // A copy of the line, because its pixels are overwritten while neighbours still need them.
            let line: Vec<f64> = (0..extent)
                .map(|k| f64::from(plane[pixel(k, number)]))
                .collect();
            for k in 0..extent {
                let neighbour = |offset: isize| {
                    line[(k as isize + offset).clamp(0, extent as isize - 1) as usize]
                };
                let sum: f64 = weights
                    .iter()
                    .zip(-radius..)
                    .map(|(weight, offset)| weight * neighbour(offset))
                    .sum();
                plane[pixel(k, number)] = (sum / total) as f32;
            }
        }
    };
    pass(width, &|x, y| y * width + x, height);
    pass(height, &|y, x| y * width + x, width);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;

    const SPEC: SampleSpec = SampleSpec {
        n_frames: 2,
        n_channels: 1,
        height: 12,
        width: 10,
        n_classes: 1,
    };

    fn sample() -> Sample {
        let pixels = (0..240)
            .map(|k| if k % 7 < 3 { 0.9 } else { 0.1 })
            .collect();
        Sample::new(pixels, 0)
    }

    fn change(pixels: &[f32]) -> f64 {
        let sample = sample();
        let pairs = pixels.iter().zip(&sample.pixels);
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
    }

    #[test]
    fn corruptions_grow_with_severity_and_are_deterministic() {
        for corruption in Corruption::ALL {
            let mut last = 0.0;
            for severity in 1..=N_SEVERITIES {
                let corrupted = corruption.apply(&sample(), SPEC, severity, 3, 8);
                assert_eq!(corrupted, corruption.apply(&sample(), SPEC, severity, 3, 8));
                assert!(corrupted.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
                let change = change(&corrupted);
                assert!(
                    change > last,
                    "{} at {severity}: {change} after {last}",
                    corruption.name()
                );
                last = change;
            }
        }
    }

    #[test]
    fn noise_has_its_deviation_and_differs_by_frame_and_sample() {
        let grey = Sample::new(vec![0.5; 2 * 100 * 100], 0);
        let spec = SampleSpec {
            height: 100,
            width: 100,
            ..SPEC
        };
        let noisy = Corruption::Noise.apply(&grey, spec, 2, 0, 0);
        let variance = noisy
            .iter()
            .map(|p| f64::from(p - 0.5).powi(2))
            .sum::<f64>()
            / noisy.len() as f64;
        assert!((variance.sqrt() - 0.1).abs() < 0.002, "{variance}");
        assert_ne!(noisy[..10_000], noisy[10_000..]);
        assert_ne!(noisy, Corruption::Noise.apply(&grey, spec, 2, 0, 1));
    }

    #[test]
    fn blur_is_gaussian_and_keeps_flat_images() {
        let mut plane = vec![0.0; 21 * 21];
        plane[10 * 21 + 10] = 1.0;
        blur(&mut plane, 21, 1.5);
        let sum: f32 = plane.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        // In a Gaussian the value next to the middle is exp(-1 / (2 sigma^2)) times that of the middle.
        let ratio = plane[10 * 21 + 11] / plane[10 * 21 + 10];
        assert!((f64::from(ratio) - (-0.5_f64 / 2.25).exp()).abs() < 1e-5);
        let mut flat = vec![0.25; 63];
        blur(&mut flat, 7, 2.0);
        assert!(flat.iter().all(|pixel| (pixel - 0.25).abs() < 1e-6));
    }

    #[test]
    fn occlusion_covers_one_square() {
        let digit = digits().test.get(0).unwrap();
        let spec = SampleSpec {
            n_frames: 1,
            n_channels: 1,
            height: 8,
            width: 8,
            n_classes: 10,
        };
        let occluded = Corruption::Occlusion.apply(&digit, spec, 4, 1, 5);
        let changed = occluded
            .iter()
            .zip(&digit.pixels)
            .filter(|(a, b)| a != b)
            .count();
        let grey = occluded.iter().filter(|&&pixel| pixel == 0.5).count();
        assert!(changed <= 16 && grey >= 16, "{changed} {grey}");
    }
}
