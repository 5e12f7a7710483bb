//! Pictures inside a page.

use std::io::Cursor;

use base64::prelude::{BASE64_STANDARD, Engine};
use image::{GrayImage, ImageFormat, RgbImage};
use maud::{Markup, Render, html};

/// Pixels as a picture inside the page, enlarged so that each is a square.
///
/// The PNG is part of the page: about a third more bytes than its file. Where the number of pixels is
/// not that of the shape, or is 0, the text stands alone; a NaN is black.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::PixelImage;
/// use maud::html;
///
/// let pixels = [0.0, 0.5, 1.0, 0.25];
/// let image = PixelImage { pixels: &pixels, shape: [1, 2, 2], alt: "a digit", width: 120 };
/// assert!(html! { (image) }.into_string().contains("data:image/png;base64,"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelImage<'a> {
    /// `[n_channels, height, width]`, between 0 and 1.
    pub pixels: &'a [f32],
    /// Channels, of which the first three are red, green and blue, height and width.
    pub shape: [usize; 3],
    /// What is seen, for those who do not see it.
    pub alt: &'a str,
    /// Width on the page, in CSS pixels.
    pub width: u32,
}

impl PixelImage<'_> {
    /// The picture as a PNG file; `None` where shape and pixels do not agree.
    fn png(&self) -> Option<Vec<u8>> {
        let [n_channels, height, width] = self.shape;
        let n_pixels = height.checked_mul(width)?;
        let n_values = n_channels.checked_mul(n_pixels)?;
        if n_values == 0 || n_values != self.pixels.len() {
            return None;
        }
        let [columns, rows] = [u32::try_from(width).ok()?, u32::try_from(height).ok()?];
        let byte = |channel: usize, pixel: usize| {
            let value = self.pixels[channel.min(n_channels - 1) * n_pixels + pixel];
            (255.0 * value.clamp(0.0, 1.0)).round() as u8
        };
        let mut file = Cursor::new(Vec::new());
        let written = if n_channels == 1 {
            let bytes = (0..n_pixels).map(|pixel| byte(0, pixel)).collect();
            let image = GrayImage::from_raw(columns, rows, bytes)?;
            image.write_to(&mut file, ImageFormat::Png)
        } else {
            let bytes =
                (0..n_pixels).flat_map(|pixel| [0, 1, 2].map(|channel| byte(channel, pixel)));
            let image = RgbImage::from_raw(columns, rows, bytes.collect())?;
            image.write_to(&mut file, ImageFormat::Png)
        };
        written.ok().map(|()| file.into_inner())
    }
}

impl Render for PixelImage<'_> {
    fn render(&self) -> Markup {
        let Some(png) = self.png() else {
            return html! { span.missing { (self.alt) " (no picture)" } };
        };
        let [_, height, width] = self.shape.map(|side| side as f64);
        let shown_height = (f64::from(self.width) * height / width).round();
        html! {
            img.pixels src={ "data:image/png;base64," (BASE64_STANDARD.encode(&png)) } alt=(self.alt)
                width=(self.width) height=(shown_height);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_come_back_and_wrong_shapes_are_said() {
        let image = |pixels, shape| PixelImage {
            pixels,
            shape,
            alt: "<b>",
            width: 8,
        };
        let png = image(&[0.0, f32::NAN, 2.0, 0.5], [1, 2, 2]).png().unwrap();
        let decoded = image::load_from_memory(&png).unwrap().to_luma8();
        assert_eq!(decoded.into_raw(), [0, 0, 255, 128]);
        let color = image(&[0.0, 1.0, 0.5], [3, 1, 1]).png().unwrap();
        let decoded = image::load_from_memory(&color).unwrap().to_rgb8();
        assert_eq!(decoded.into_raw(), [0, 255, 128]);
        for (pixels, shape) in [
            (&[][..], [1, 0, 3]),
            (&[0.5], [1, 2, 2]),
            (&[0.5], [usize::MAX; 3]),
        ] {
            let text = image(pixels, shape).render().into_string();
            assert_eq!(
                text,
                "<span class=\"missing\">&lt;b&gt; (no picture)</span>"
            );
        }
    }
}
