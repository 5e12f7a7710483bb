//! Random erasing: a random rectangle of a sample is replaced by noise.

use rand::{Rng, RngExt};

use super::geometry::Window;
use crate::data::SampleSpec;

/// Smallest and largest area of the rectangle, as a fraction of the image.
const AREA: [f32; 2] = [0.02, 1.0 / 3.0];

/// Largest ratio of the sides of the rectangle.
const WIDEST: f32 = 1.0 / 0.3;

/// Replaces a random rectangle by uniform noise, the same in all frames.
///
/// # Source
///
/// Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, with random values; areas and aspect ratios as in timm.
pub(super) fn erase(pixels: &mut [f32], spec: SampleSpec, random: &mut impl Rng) {
    let [smallest, largest] = AREA;
    let image = [spec.height, spec.width];
    // As in timm, an image into which no rectangle fits stays as it is. This is likely only for very long ones.
    let Some(Window { start, size }) = Window::draw(image, smallest..=largest, WIDEST, random)
    else {
        return;
    };
    for channel in 0..spec.n_channels {
        for row in start[0]..start[0] + size[0] {
            for column in start[1]..start[1] + size[1] {
                let value = random.random_range(0.0..1.0f32);
                let place = (channel * spec.height + row) * spec.width + column;
                for frame in pixels.chunks_mut(spec.frame_len()) {
                    frame[place] = value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rectangle_of_all_frames_becomes_noise() {
        let spec = SampleSpec {
            n_frames: 2,
            n_channels: 3,
            height: 20,
            width: 30,
            n_classes: 2,
        };
        let mut random = crate::data::random_stream(2, &[]);
        for _ in 0..200 {
            // Outside of the range of the noise, so that erased pixels are recognised.
            let mut pixels = vec![2.0; 2 * spec.frame_len()];
            erase(&mut pixels, spec, &mut random);
            let (first, second) = pixels.split_at(spec.frame_len());
            assert_eq!(first, second);
            let erased: Vec<usize> = (0..600).filter(|&place| first[place] < 1.0).collect();
            let rows: Vec<usize> = erased.iter().map(|place| place / 30).collect();
            let columns: Vec<usize> = erased.iter().map(|place| place % 30).collect();
            let side =
                |places: &[usize]| places.iter().max().unwrap() + 1 - places.iter().min().unwrap();
            // The erased pixels fill their bounding box, in every channel.
            assert_eq!(side(&rows) * side(&columns), erased.len());
            let fraction = erased.len() as f32 / 600.0;
            assert!((0.01..0.4).contains(&fraction), "{fraction}");
            for channel in first.chunks(600) {
                assert_eq!(
                    channel.iter().filter(|pixel| **pixel < 1.0).count(),
                    erased.len()
                );
            }
        }
    }
}
