//! Small random motions of an image.

use rand::{Rng, RngExt};

use super::ImageSpec;

/// A random shift and rotation; what enters the frame is black.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Augment {
    /// Largest shift along each axis, in whole pixels.
    pub shift: usize,
    /// Largest rotation about the centre either way, in degrees.
    pub rotation: f32,
}

impl Augment {
    /// The image moved by a random amount.
    ///
    /// # Shapes
    ///
    /// - `pixels`: `[n_channels, height, width]`, row-major
    pub fn apply(&self, pixels: &[f32], spec: ImageSpec, random: &mut impl Rng) -> Vec<f32> {
        let reach = self.shift as i32;
        let shift = [0; 2].map(|_| random.random_range(-reach..=reach) as f32);
        let degrees = self.rotation * random.random_range(-1.0..=1.0f32);
        move_image(pixels, spec, shift, degrees)
    }
}

/// Rotates about the centre, then shifts; bilinear.
fn move_image(pixels: &[f32], spec: ImageSpec, shift: [f32; 2], degrees: f32) -> Vec<f32> {
    if shift == [0.0; 2] && degrees == 0.0 {
        return pixels.to_vec();
    }
    let (height, width) = (spec.height, spec.width);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let centre = [(height - 1) as f32 / 2.0, (width - 1) as f32 / 2.0];
    let mut out = Vec::with_capacity(pixels.len());
    for channel in pixels.chunks(height * width) {
        for row in 0..height {
            for column in 0..width {
                let y = row as f32 - shift[0] - centre[0];
                let x = column as f32 - shift[1] - centre[1];
                let source = [cos * y - sin * x + centre[0], sin * y + cos * x + centre[1]];
                out.push(bilinear(channel, [height, width], source));
            }
        }
    }
    out
}

fn bilinear(channel: &[f32], [height, width]: [usize; 2], [y, x]: [f32; 2]) -> f32 {
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = (y - top, x - left);
    let pixel = |row: f32, column: f32| {
        let inside = (0.0..height as f32).contains(&row) && (0.0..width as f32).contains(&column);
        if inside {
            channel[row as usize * width + column as usize]
        } else {
            0.0
        }
    };
    let upper = (1.0 - right) * pixel(top, left) + right * pixel(top, left + 1.0);
    let lower = (1.0 - right) * pixel(top + 1.0, left) + right * pixel(top + 1.0, left + 1.0);
    (1.0 - down) * upper + down * lower
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: ImageSpec = ImageSpec {
        n_channels: 1,
        height: 3,
        width: 3,
        n_classes: 2,
    };
    const IMAGE: [f32; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

    #[test]
    fn a_shift_moves_pixels_and_lets_black_in() {
        let down_and_right = move_image(&IMAGE, SPEC, [1.0, 1.0], 0.0);
        assert_eq!(
            down_and_right,
            [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 4.0, 5.0]
        );
    }

    #[test]
    fn a_quarter_turn_turns_the_corners() {
        let turned = move_image(&IMAGE, SPEC, [0.0, 0.0], 90.0);
        let expected = [7.0, 4.0, 1.0, 8.0, 5.0, 2.0, 9.0, 6.0, 3.0];
        for (found, expected) in turned.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{turned:?}");
        }
    }

    #[test]
    fn no_motion_leaves_the_image_alone() {
        let mut random = crate::data::random_stream(0, &[]);
        assert_eq!(Augment::default().apply(&IMAGE, SPEC, &mut random), IMAGE);
    }
}
