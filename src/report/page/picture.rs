//! Frames within a page.

use std::io::Cursor;

use base64::prelude::{BASE64_STANDARD, Engine};
use image::{ImageFormat, RgbImage};
use maud::{Markup, html};

/// A frame of pixels in `[0, 1]`, each of them a square.
///
/// # Shapes
///
/// - `pixels`: `[n_channels, height, width]`, one channel for grey, else red, green and blue
///
/// # Panics
///
/// If there are fewer pixels than that.
///
/// # Example
///
/// ```
/// use burn_topology::report::pixels;
///
/// let text = pixels(&[0.0, 0.5, 1.0, 0.5], [1, 2, 2], "a checkerboard").into_string();
/// assert!(text.contains("src=\"data:image/png;base64,") && text.contains("alt=\"a checkerboard\""));
/// ```
pub fn pixels(pixels: &[f32], [n_channels, height, width]: [usize; 3], alt: &str) -> Markup {
    let picture = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        let of = |channel: usize| {
            let value = pixels[channel.min(n_channels - 1) * height * width + at];
            (255.0 * value.clamp(0.0, 1.0)).round() as u8
        };
        image::Rgb([of(0), of(1), of(2)])
    });
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .expect("memory takes every picture");
    let uri = format!(
        "data:image/png;base64,{}",
        BASE64_STANDARD.encode(png.get_ref())
    );
    html! { img.pixels src=(uri) alt=(alt) width=(width) height=(height); }
}
