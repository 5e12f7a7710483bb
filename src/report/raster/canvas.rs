//! A canvas of pixels for drawing diagrams and frames.

use std::convert::Infallible;
use std::io::Cursor;

use embedded_graphics::Pixel;
use embedded_graphics::mono_font::ascii::{FONT_7X13, FONT_8X13};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, Line, PrimitiveStyle, Rectangle, Triangle};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use image::imageops::overlay;
use image::{ImageFormat, RgbImage};

/// Encoded image: a PNG file, or a GIF file if it is animated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedImage {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Content of the PNG or GIF file.
    pub bytes: Vec<u8>,
}

/// Colour of text and axes.
pub(super) const INK: Rgb888 = Rgb888::new(60, 60, 60);
/// Colour of grid lines.
pub(super) const FAINT: Rgb888 = Rgb888::new(225, 225, 225);

/// Colours by homology dimension, distinguishable with any kind of colour vision.
///
/// # Source
///
/// Okabe and Ito, "Color Universal Design", 2008.
pub(super) const COLORS: [Rgb888; 3] = [
    Rgb888::new(213, 94, 0),
    Rgb888::new(0, 114, 178),
    Rgb888::new(0, 158, 115),
];

/// Returns the colour of a homology dimension; colours repeat after the third.
pub(super) fn color(homology_dim: usize) -> Rgb888 {
    COLORS[homology_dim % COLORS.len()]
}

/// Image that starts white; what is drawn outside its borders is cut off.
pub(super) struct Canvas {
    image: RgbImage,
}

impl Canvas {
    /// Creates a white canvas.
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self {
            image: RgbImage::from_pixel(width, height, image::Rgb([255; 3])),
        }
    }

    /// Draws a line of the given width in pixels.
    pub(super) fn line(&mut self, from: [i32; 2], to: [i32; 2], color: Rgb888, width: u32) {
        let style = PrimitiveStyle::with_stroke(color, width);
        // Here and below, drawing cannot fail: the error type of the canvas is `Infallible`.
        let line = Line::new(point(from), point(to)).into_styled(style);
        let Ok(()) = line.draw(self);
    }

    /// Fills a rectangle, given its top left corner.
    pub(super) fn rectangle(&mut self, corner: [i32; 2], size: [u32; 2], color: Rgb888) {
        let rectangle = Rectangle::new(point(corner), Size::new(size[0], size[1]));
        let Ok(()) = rectangle
            .into_styled(PrimitiveStyle::with_fill(color))
            .draw(self);
    }

    /// Draws the mark of a homology dimension: a disc, a triangle or a square.
    pub(super) fn mark(&mut self, at: [i32; 2], homology_dim: usize) {
        const RADIUS: i32 = 3;
        let style = PrimitiveStyle::with_fill(color(homology_dim));
        let [x, y] = at;
        match homology_dim % COLORS.len() {
            0 => {
                let disc = Circle::with_center(point(at), 2 * RADIUS as u32 + 1);
                let Ok(()) = disc.into_styled(style).draw(self);
            }
            1 => {
                let corners = [
                    [x, y - RADIUS - 1],
                    [x - RADIUS - 1, y + RADIUS],
                    [x + RADIUS + 1, y + RADIUS],
                ];
                let [a, b, c] = corners.map(point);
                let Ok(()) = Triangle::new(a, b, c).into_styled(style).draw(self);
            }
            _ => self.rectangle(
                [x - RADIUS, y - RADIUS],
                [2 * RADIUS as u32; 2],
                color(homology_dim),
            ),
        }
    }

    /// Writes text of normal size, vertically centred on `at`.
    pub(super) fn text(&mut self, text: &str, at: [i32; 2], alignment: Alignment) {
        self.write(text, at, alignment, &FONT_7X13);
    }

    /// Writes text of the size of titles, its left end at `at`.
    pub(super) fn title(&mut self, text: &str, at: [i32; 2]) {
        self.write(text, at, Alignment::Left, &FONT_8X13);
    }

    fn write(&mut self, text: &str, at: [i32; 2], alignment: Alignment, font: &MonoFont<'_>) {
        let layout = TextStyleBuilder::new()
            .alignment(alignment)
            .baseline(Baseline::Middle)
            .build();
        // The fonts have only ASCII; other characters are drawn as question marks.
        let style = MonoTextStyle::new(font, INK);
        let Ok(_) = Text::with_text_style(text, point(at), style, layout).draw(self);
    }

    /// Copies another canvas onto this one, its top left corner at the given position.
    pub(super) fn paste(&mut self, other: &Self, [x, y]: [i32; 2]) {
        overlay(&mut self.image, &other.image, i64::from(x), i64::from(y));
    }

    /// Draws a frame `[n_channels, height, width]` with values between 0 and 1, each pixel as a square of side `scale`.
    pub(super) fn frame(
        &mut self,
        pixels: &[f32],
        [n_channels, height, width]: [usize; 3],
        corner: [i32; 2],
        scale: usize,
    ) {
        for row in 0..height {
            for column in 0..width {
                // A frame with one channel is grey: its last channel stands for the missing ones.
                let channel = |channel: usize| {
                    let channel = channel.min(n_channels - 1);
                    let value = pixels[(channel * height + row) * width + column];
                    (255.0 * value.clamp(0.0, 1.0)).round() as u8
                };
                let color = Rgb888::new(channel(0), channel(1), channel(2));
                let at = [
                    corner[0] + (column * scale) as i32,
                    corner[1] + (row * scale) as i32,
                ];
                self.rectangle(at, [scale as u32; 2], color);
            }
        }
    }

    /// Returns the pixels.
    pub(super) fn into_image(self) -> RgbImage {
        self.image
    }

    /// Encodes the canvas as PNG.
    pub(super) fn finish(self) -> EncodedImage {
        let (width, height) = self.image.dimensions();
        let mut png = Cursor::new(Vec::new());
        self.image
            .write_to(&mut png, ImageFormat::Png)
            // PNG can hold 8-bit RGB pixels, and memory does not refuse a write.
            .expect("writing to memory cannot fail");
        EncodedImage {
            width,
            height,
            bytes: png.into_inner(),
        }
    }
}

fn point([x, y]: [i32; 2]) -> Point {
    Point::new(x, y)
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.image.width(), self.image.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            // Positions may be negative or too large: what lies outside the image is cut off.
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else {
                continue;
            };
            if let Some(pixel) = self.image.get_pixel_mut_checked(x, y) {
                *pixel = image::Rgb([color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}
