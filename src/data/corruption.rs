//! Corruptions of images and frames, in five severities.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::batch::random_stream;
use super::{Sample, SampleSpec};

/// What is done to every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Corruption {
    /// Gaussian noise, new in every pixel and frame; standard deviation 0.05, 0.1, 0.2, 0.3, 0.4.
    Noise,
    /// A Gaussian blur; standard deviation 0.04, 0.06, 0.09, 0.12, 0.16 of the shorter side.
    Blur,
    /// Contrast to the mean of the frame times 0.75, 0.5, 0.35, 0.2, 0.1.
    Contrast,
    /// A grey square at a place of the sample's own, the same in all its frames; its side 0.2, 0.3, 0.4, 0.5, 0.6 of
    /// the shorter one.
    Occlusion,
}

/// Severities, the mildest is 1.
pub const N_SEVERITIES: usize = 5;

impl Corruption {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Noise, Self::Blur, Self::Contrast, Self::Occlusion];

    /// As in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Blur => "blur",
            Self::Contrast => "contrast",
            Self::Occlusion => "occlusion",
        }
    }

    fn strength(self, severity: usize) -> f64 {
        let strengths: [f64; N_SEVERITIES] = match self {
            Self::Noise => [0.05, 0.1, 0.2, 0.3, 0.4],
            Self::Blur => [0.04, 0.06, 0.09, 0.12, 0.16],
            Self::Contrast => [0.75, 0.5, 0.35, 0.2, 0.1],
            Self::Occlusion => [0.2, 0.3, 0.4, 0.5, 0.6],
        };
        strengths[severity.clamp(1, N_SEVERITIES) - 1]
    }

    /// The corrupted pixels of a sample, in `[0, 1]`; of the same `seed` and `place` always the same. Severities below
    /// 1 and above 5 count as those.
    pub fn apply(
        self,
        sample: &Sample,
        spec: SampleSpec,
        severity: usize,
        seed: u64,
        place: usize,
    ) -> Vec<f32> {
        let strength = self.strength(severity);
        let mut pixels = sample.pixels.clone();
        let mut random = random_stream(seed, &[place as u64, self as u64]);
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
                let side = (strength * shorter).round().max(1.0) as usize;
                let [top, left] =
                    [height, width].map(|extent| random.random_range(0..=extent - side));
                for plane in pixels.chunks_exact_mut(height * width) {
                    for row in plane.chunks_exact_mut(width).skip(top).take(side) {
                        row[left..left + side].fill(0.5);
                    }
                }
            }
        }
        pixels
    }
}

/// Gaussian noise, new in every pixel; what leaves the range of pixels is cut.
pub fn add_noise(pixels: &mut [f32], deviation: f64, random: &mut impl rand::Rng) {
    for pixel in pixels {
        let noise: f32 = StandardNormal.sample(random);
        *pixel = (*pixel + deviation as f32 * noise).clamp(0.0, 1.0);
    }
}

/// A separable Gaussian, to three deviations; borders repeat.
fn blur(plane: &mut [f32], width: usize, deviation: f64) {
    let radius = (3.0 * deviation).ceil() as isize;
    let weights: Vec<f64> = (-radius..=radius)
        .map(|k| (-0.5 * (k as f64 / deviation).powi(2)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let height = plane.len() / width;
    let mut pass = |extent: usize, place: &dyn Fn(usize, usize) -> usize, others: usize| {
        for other in 0..others {
            let line: Vec<f64> = (0..extent)
                .map(|k| f64::from(plane[place(k, other)]))
                .collect();
            for k in 0..extent {
                let at = |offset: isize| {
                    line[(k as isize + offset).clamp(0, extent as isize - 1) as usize]
                };
                let sum: f64 = weights
                    .iter()
                    .zip(-radius..)
                    .map(|(weight, offset)| weight * at(offset))
                    .sum();
                plane[place(k, other)] = (sum / total) as f32;
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
    fn corruptions_grow_with_severity_stay_in_range_and_repeat() {
        for corruption in Corruption::ALL {
            let mut last = 0.0;
            for severity in 1..=N_SEVERITIES {
                let found = corruption.apply(&sample(), SPEC, severity, 3, 8);
                assert_eq!(found, corruption.apply(&sample(), SPEC, severity, 3, 8));
                assert!(found.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
                let change = change(&found);
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
    fn noise_has_the_deviation_it_says_and_is_new_in_every_frame_and_sample() {
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
    fn a_blur_keeps_the_sum_away_from_borders_and_a_flat_image_whole() {
        let mut plane = vec![0.0; 21 * 21];
        plane[10 * 21 + 10] = 1.0;
        blur(&mut plane, 21, 1.5);
        let sum: f32 = plane.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        // Of a Gaussian, the neighbour is exp(-1 / (2 sigma^2)) times the middle.
        let ratio = plane[10 * 21 + 11] / plane[10 * 21 + 10];
        assert!((f64::from(ratio) - (-0.5_f64 / 2.25).exp()).abs() < 1e-5);
        let mut flat = vec![0.25; 63];
        blur(&mut flat, 7, 2.0);
        assert!(flat.iter().all(|pixel| (pixel - 0.25).abs() < 1e-6));
    }

    #[test]
    fn an_occlusion_is_one_square_of_real_digits() {
        let digit = digits().test.get(0).unwrap();
        let spec = SampleSpec {
            n_frames: 1,
            n_channels: 1,
            height: 8,
            width: 8,
            n_classes: 10,
        };
        let found = Corruption::Occlusion.apply(&digit, spec, 4, 1, 5);
        let changed = found
            .iter()
            .zip(&digit.pixels)
            .filter(|(a, b)| a != b)
            .count();
        let grey = found.iter().filter(|&&pixel| pixel == 0.5).count();
        assert!(changed <= 16 && grey >= 16, "{changed} {grey}");
    }
}
