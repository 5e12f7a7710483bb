//! Geometric changes of a sample: affine maps, and crops that are scaled up.

use std::ops::RangeInclusive;

use rand::{Rng, RngExt};

use crate::data::SampleSpec;

/// Rectangle within an image, in pixels from its top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// First row and column.
    pub(super) start: [usize; 2],
    /// Rows and columns.
    pub(super) size: [usize; 2],
}

impl Window {
    /// Draws a window with an area within `area`, a fraction of the image, and with a ratio of width to height from
    /// `1 / widest` to `widest`; `None` if none of ten windows fits into the image.
    pub(super) fn draw(
        [height, width]: [usize; 2],
        area: RangeInclusive<f32>,
        widest: f32,
        random: &mut impl Rng,
    ) -> Option<Self> {
        const ATTEMPTS: usize = 10;
        let image_area = (height * width) as f32;
        for _ in 0..ATTEMPTS {
            let area = image_area * random.random_range(area.clone());
            let aspect = random.random_range(-widest.ln()..=widest.ln()).exp();
            let size = [area / aspect, area * aspect].map(|square| square.sqrt().round() as usize);
            if (1..=height).contains(&size[0]) && (1..=width).contains(&size[1]) {
                let start = [height - size[0], width - size[1]];
                return Some(Self {
                    start: start.map(|room| random.random_range(0..=room)),
                    size,
                });
            }
        }
        None
    }

    /// Draws a crop of at least `min_area`, with an aspect ratio from 3/4 to 4/3.
    pub(super) fn draw_crop(image: [usize; 2], min_area: f32, random: &mut impl Rng) -> Self {
        const WIDEST: f32 = 4.0 / 3.0;
        let [height, width] = image;
        Self::draw(image, min_area..=1.0, WIDEST, random).unwrap_or_else(|| {
            // No drawn window fitted, which is likely only for long images. As in torchvision, take the
            // largest centred window with an allowed aspect ratio.
            let limit =
                |side: usize, other: usize| side.min((WIDEST * other as f32).round() as usize);
            let size = [limit(height, width), limit(width, height)];
            Self {
                start: [(height - size[0]) / 2, (width - size[1]) / 2],
                size,
            }
        })
    }

    /// Scales the window up to the whole image, bilinearly between the centres of its pixels.
    pub(super) fn enlarge(self, pixels: &[f32], spec: SampleSpec) -> Vec<f32> {
        let frame = [spec.height, spec.width];
        let source = |axis: usize, index: usize| {
            let scale = self.size[axis] as f32 / frame[axis] as f32;
            // Pixel `index` has its centre at `index + 0.5`, in the image as in the window.
            let inside = (index as f32 + 0.5) * scale - 0.5;
            // The clamp repeats the border of the window, so that no pixel outside of it contributes.
            self.start[axis] as f32 + inside.clamp(0.0, (self.size[axis] - 1) as f32)
        };
        let columns: Vec<f32> = (0..spec.width).map(|column| source(1, column)).collect();
        let mut out = Vec::with_capacity(pixels.len());
        for channel in pixels.chunks(spec.height * spec.width) {
            for row in 0..spec.height {
                let y = source(0, row);
                out.extend(columns.iter().map(|&x| bilinear(channel, frame, [y, x])));
            }
        }
        out
    }
}

/// Rotates an image about its centre, then shifts it, with bilinear interpolation.
pub(super) fn move_image(
    pixels: &[f32],
    spec: SampleSpec,
    shift: [f32; 2],
    degrees: f32,
) -> Vec<f32> {
    // Skips the interpolation, which would only copy the pixels.
    if shift == [0.0; 2] && degrees == 0.0 {
        return pixels.to_vec();
    }
    let (sin, cos) = degrees.to_radians().sin_cos();
    map_affine(pixels, spec, shift, [[cos, -sin], [sin, cos]])
}

/// Maps an image affinely, with bilinear interpolation; black where the source lies outside of the image.
///
/// The pixel at `p` comes from `inverse (p - shift - centre) + centre`; positions are rows, then columns.
pub(super) fn map_affine(
    pixels: &[f32],
    spec: SampleSpec,
    shift: [f32; 2],
    inverse: [[f32; 2]; 2],
) -> Vec<f32> {
    let (height, width) = (spec.height, spec.width);
    let centre = [(height - 1) as f32 / 2.0, (width - 1) as f32 / 2.0];
    let mut out = Vec::with_capacity(pixels.len());
    for channel in pixels.chunks(height * width) {
        for row in 0..height {
            for column in 0..width {
                let y = row as f32 - shift[0] - centre[0];
                let x = column as f32 - shift[1] - centre[1];
                let source =
                    [0, 1].map(|axis| inverse[axis][0] * y + inverse[axis][1] * x + centre[axis]);
                out.push(bilinear(channel, [height, width], source));
            }
        }
    }
    out
}

/// Interpolates a channel bilinearly at a fractional position; black outside of the image.
fn bilinear(channel: &[f32], [height, width]: [usize; 2], [y, x]: [f32; 2]) -> f32 {
    let (top, left) = (y.floor(), x.floor());
    // Weights of the lower and of the right neighbours.
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

    const SPEC: SampleSpec = SampleSpec {
        n_frames: 1,
        n_channels: 1,
        height: 3,
        width: 3,
        n_classes: 2,
    };
    const IMAGE: [f32; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

    #[test]
    fn a_shift_moves_pixels_and_fills_with_black() {
        let down_and_right = move_image(&IMAGE, SPEC, [1.0, 1.0], 0.0);
        assert_eq!(
            down_and_right,
            [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 4.0, 5.0]
        );
    }

    #[test]
    fn a_quarter_turn_permutes_the_corners() {
        let turned = move_image(&IMAGE, SPEC, [0.0, 0.0], 90.0);
        let expected = [7.0, 4.0, 1.0, 8.0, 5.0, 2.0, 9.0, 6.0, 3.0];
        for (actual, expected) in turned.iter().zip(expected) {
            assert!((actual - expected).abs() < 1e-4, "{turned:?}");
        }
    }

    #[test]
    fn crops_lie_inside_with_allowed_area_and_aspect() {
        let mut random = crate::data::random_stream(0, &[]);
        let mut areas = Vec::new();
        for _ in 0..2000 {
            let Window { start, size } = Window::draw_crop([64, 64], 0.1, &mut random);
            assert!((0..2).all(|axis| start[axis] + size[axis] <= 64));
            // Sides are rounded to whole pixels.
            let [shortest, longest] = [-0.5, 0.5].map(|half| size.map(|side| side as f32 + half));
            assert!(longest[0] * longest[1] >= 0.1 * 64.0 * 64.0, "{size:?}");
            assert!(shortest[1] / longest[0] <= 4.0 / 3.0, "{size:?}");
            assert!(longest[1] / shortest[0] >= 3.0 / 4.0, "{size:?}");
            areas.push((size[0] * size[1]) as f32 / (64.0 * 64.0));
        }
        let (small, large) = areas
            .iter()
            .fold((1.0f32, 0.0f32), |(small, large), &area| {
                (small.min(area), large.max(area))
            });
        assert!(small < 0.13 && large > 0.9, "{small} {large}");
    }

    #[test]
    fn a_long_image_is_cropped_to_its_middle() {
        let mut random = crate::data::random_stream(0, &[]);
        let window = Window::draw_crop([2, 1000], 0.9, &mut random);
        assert_eq!((window.start, window.size), ([0, 498], [2, 3]));
    }

    #[test]
    fn a_crop_is_enlarged_between_pixel_centres() {
        let window = Window {
            start: [1, 0],
            size: [2, 3],
        };
        let actual = window.enlarge(&IMAGE, SPEC);
        let expected = [4.0, 5.0, 6.0, 5.5, 6.5, 7.5, 7.0, 8.0, 9.0];
        for (pixel, expected) in actual.iter().zip(expected) {
            assert!((pixel - expected).abs() < 1e-5, "{actual:?}");
        }
        let whole = Window {
            start: [0, 0],
            size: [3, 3],
        };
        assert_eq!(whole.enlarge(&IMAGE, SPEC), IMAGE);
    }
}
