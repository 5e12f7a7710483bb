//! Images inside a page.

use std::io::Cursor;

use base64::prelude::{BASE64_STANDARD, Engine};
use image::{GrayImage, ImageFormat, RgbImage};
use maud::{Markup, Render, html};

/// Image given by its pixels, embedded in the page and enlarged so that each pixel is a square.
///
/// The embedded PNG takes about a third more bytes than a PNG file. If the number of values does not match the shape,
/// or is 0, the alternative text is shown instead. NaN is drawn black.
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
    /// Values between 0 and 1, `[n_channels, height, width]`.
    pub pixels: &'a [f32],
    /// Number of channels, height and width; the first three channels are red, green and blue.
    pub shape: [usize; 3],
    /// Alternative text for readers who cannot see the image.
    pub alt: &'a str,
    /// Width on the page, in CSS pixels.
    pub width: u32,
}

impl PixelImage<'_> {
    /// Address of the image with its content in it; `None` if the number of values does not match the shape.
    pub(super) fn source(&self) -> Option<String> {
        let png = self.png()?;
        Some(format!(
            "data:image/png;base64,{}",
            BASE64_STANDARD.encode(&png)
        ))
    }

    /// Encodes the image as PNG; `None` if the number of values does not match the shape.
    fn png(&self) -> Option<Vec<u8>> {
        let [n_channels, height, width] = self.shape;
        // Checked, since the product of any three numbers may overflow.
        let n_pixels = height.checked_mul(width)?;
        let n_values = n_channels.checked_mul(n_pixels)?;
        if n_values == 0 || n_values != self.pixels.len() {
            return None;
        }
        let [columns, rows] = [u32::try_from(width).ok()?, u32::try_from(height).ok()?];
        // An image with two channels has no blue: its last channel stands for the missing one. `NaN as u8` is 0.
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
        let Some(source) = self.source() else {
            return html! { span.missing { (self.alt) " (no image)" } };
        };
        let [_, height, width] = self.shape.map(|side| side as f64);
        let displayed_height = (f64::from(self.width) * height / width).round();
        html! {
            img.pixels src=(source) alt=(self.alt)
                width=(self.width) height=(displayed_height);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_encoded_and_wrong_shapes_reported() {
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
            assert_eq!(text, "<span class=\"missing\">&lt;b&gt; (no image)</span>");
        }
    }
}
