//! Transparent pixels over the background, and frames that are painted over earlier ones.

use image::error::{LimitError, LimitErrorKind};
use image::{DynamicImage, ImageError, ImageResult, Rgb, RgbImage, Rgba, RgbaImage};

/// Largest number of pixels of a frame. Several buffers of its size, of up to 4 bytes a pixel, are in memory at a time.
pub(super) const MAX_FRAME_PIXELS: u64 = 1 << 25;

/// Refuses an animation whose frames are too large.
///
/// # Errors
///
/// [`ImageError::Limits`] of the kind `DimensionError`.
pub(super) fn check_size((width, height): (u32, u32)) -> ImageResult<()> {
    if u64::from(width) * u64::from(height) <= MAX_FRAME_PIXELS {
        return Ok(());
    }
    let kind = LimitErrorKind::DimensionError;
    Err(ImageError::Limits(LimitError::from_kind(kind)))
}

/// Colour under transparent pixels: white, as on a page.
const BACKGROUND: Rgb<u8> = Rgb([255; 3]);

/// Draws an image over the background, and drops its alpha channel.
pub(super) fn opaque(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    let mut opaque = RgbImage::new(image.width(), image.height());
    for (target, pixel) in opaque.pixels_mut().zip(image.pixels()) {
        *target = over(*pixel, BACKGROUND);
    }
    opaque
}

/// Colour of a pixel that lies over an opaque one.
fn over(pixel: Rgba<u8>, below: Rgb<u8>) -> Rgb<u8> {
    let [red, green, blue, alpha] = pixel.0.map(u32::from);
    let mut colours = [red, green, blue];
    for (colour, below) in colours.iter_mut().zip(below.0) {
        // Rounded to the nearest integer.
        *colour = (*colour * alpha + u32::from(below) * (255 - alpha) + 127) / 255;
    }
    Rgb(colours.map(|colour| colour as u8))
}

/// Treatment of the pixels of a frame before the next frame of the animation is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposal {
    /// They stay.
    Keep,
    /// They become the background.
    Clear,
    /// They become what they were before the frame.
    Restore,
}

/// Rectangle of pixels that one frame of an animation paints.
pub(super) struct Part {
    pub(super) pixels: RgbaImage,
    /// Column of the left edge on the canvas.
    pub(super) left: u32,
    /// Row of the upper edge on the canvas.
    pub(super) top: u32,
    /// True if transparent pixels show the frame before, false if they show the background.
    pub(super) is_blended: bool,
    pub(super) disposal: Disposal,
}

/// Picture onto which the frames of an animation are painted, one over the other.
///
/// It is opaque. Painting over the background gives the same colours as painting over transparent pixels, and
/// drawing the result over the background.
pub(super) struct Canvas {
    pixels: RgbImage,
    /// Pixels that replace those of the last frame before the next one is painted, with their left and upper edge.
    replacement: Option<(RgbImage, u32, u32)>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self {
            pixels: RgbImage::from_pixel(width, height, BACKGROUND),
            replacement: None,
        }
    }

    /// True if a rectangle, given by its left upper corner and its size, lies within the canvas.
    pub(super) fn contains(&self, (left, top): (u32, u32), (width, height): (u32, u32)) -> bool {
        let fits = |start: u32, extent: u32, all: u32| {
            start.checked_add(extent).is_some_and(|end| end <= all)
        };
        fits(left, width, self.pixels.width()) && fits(top, height, self.pixels.height())
    }

    /// Paints a frame, and returns what is displayed then; `None` if the frame does not lie within the canvas.
    pub(super) fn paint(&mut self, part: &Part) -> Option<&RgbImage> {
        let (width, height) = part.pixels.dimensions();
        if !self.contains((part.left, part.top), (width, height)) {
            return None;
        }
        if let Some((replacement, left, top)) = self.replacement.take() {
            image::imageops::replace(&mut self.pixels, &replacement, left.into(), top.into());
        }
        self.replacement = match part.disposal {
            Disposal::Keep => None,
            Disposal::Clear => Some(RgbImage::from_pixel(width, height, BACKGROUND)),
            Disposal::Restore => Some(
                image::imageops::crop_imm(&self.pixels, part.left, part.top, width, height)
                    .to_image(),
            ),
        }
        .map(|pixels| (pixels, part.left, part.top));
        for (x, y, &pixel) in part.pixels.enumerate_pixels() {
            let target = self.pixels.get_pixel_mut(part.left + x, part.top + y);
            *target = over(pixel, if part.is_blended { *target } else { BACKGROUND });
        }
        Some(&self.pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(colour: [u8; 4], left: u32, disposal: Disposal) -> Part {
        Part {
            pixels: RgbaImage::from_pixel(2, 1, Rgba(colour)),
            left,
            top: 0,
            is_blended: true,
            disposal,
        }
    }

    /// Red channel of a canvas of 4 by 1 pixels after each of the parts.
    fn painted(parts: &[Part]) -> Vec<[u8; 4]> {
        let mut canvas = Canvas::new(4, 1);
        let mut red = |part| {
            let pixels = canvas.paint(part).unwrap();
            std::array::from_fn(|x| pixels.get_pixel(x as u32, 0)[0])
        };
        parts.iter().map(&mut red).collect()
    }

    #[test]
    fn frames_stay_are_cleared_or_are_undone() {
        let opaque = |grey: u8| [grey, grey, grey, 255];
        let last = || part(opaque(90), 3, Disposal::Keep);
        // Only one of its two columns lies on the canvas.
        assert!(Canvas::new(4, 1).paint(&last()).is_none());
        let frames = |disposal| {
            painted(&[
                part(opaque(10), 0, Disposal::Keep),
                part(opaque(20), 1, disposal),
                part(opaque(30), 2, Disposal::Keep),
            ])
        };
        let [first, second] = [[10, 10, 255, 255], [10, 20, 20, 255]];
        assert_eq!(frames(Disposal::Keep), [first, second, [10, 20, 30, 30]]);
        assert_eq!(frames(Disposal::Clear), [first, second, [10, 255, 30, 30]]);
        assert_eq!(frames(Disposal::Restore), [first, second, [10, 10, 30, 30]]);
        // Restored is what was left after the frame before had been cleared, not that frame.
        let after_cleared = painted(&[
            part(opaque(10), 0, Disposal::Clear),
            part(opaque(20), 1, Disposal::Restore),
            part(opaque(30), 2, Disposal::Keep),
        ]);
        let expected = [first, [255, 20, 20, 255], [255, 255, 30, 30]];
        assert_eq!(after_cleared, expected);
    }

    #[test]
    fn transparent_pixels_show_the_frame_before_or_the_background() {
        let half = [0, 0, 0, 51];
        let first = || part([100, 0, 0, 255], 0, Disposal::Keep);
        let blended = part(half, 0, Disposal::Keep);
        assert_eq!(painted(&[first(), blended])[1], [80, 80, 255, 255]);
        let replacing = Part {
            is_blended: false,
            ..part(half, 0, Disposal::Keep)
        };
        assert_eq!(painted(&[first(), replacing])[1], [204, 204, 255, 255]);
    }
}
