//! Images inside a page with regions and pixels that are marked.

use std::fmt::Write;

use maud::{Markup, Render, html};

use super::pixel_image::PixelImage;
use crate::report::condition::Condition;

/// Region of an image, and single pixels in it that are marked.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Condition, MarkedRegion};
///
/// let region = MarkedRegion {
///     pixels: vec![0, 1], birth: Some(0), death: None, style: 0, when: Condition::always(),
/// };
/// assert_eq!(region.pixels.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedRegion {
    /// Pixels of the region, in ascending order; empty to mark single pixels only.
    pub pixels: Vec<usize>,
    /// Pixel with a round mark.
    pub birth: Option<usize>,
    /// Pixel with a cross.
    pub death: Option<usize>,
    /// Number of the colour, from 0 to 5; larger numbers begin again.
    pub style: usize,
    /// Condition under which the region is shown.
    pub when: Condition,
}

/// Image with marked regions, as SVG over the enlarged pixels.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Condition, MarkedImage, MarkedRegion, PixelImage};
/// use maud::html;
///
/// let image = PixelImage { pixels: &[0.0, 1.0], shape: [1, 1, 2], alt: "a spot", width: 100 };
/// let regions = [MarkedRegion { pixels: vec![1], birth: Some(1), death: Some(0), style: 0, when: Condition::always() }];
/// let marked = MarkedImage { image, regions: &regions };
/// assert!(html! { (marked) }.into_string().contains("M1 0h1v1h-1z"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarkedImage<'a> {
    /// Image under the marks.
    pub image: PixelImage<'a>,
    /// Marked regions, in the order in which they are drawn.
    pub regions: &'a [MarkedRegion],
}

/// Number of colours of regions.
const N_STYLES: usize = 6;

impl Render for MarkedImage<'_> {
    fn render(&self) -> Markup {
        let Some(source) = self.image.source() else {
            return self.image.render();
        };
        let [_, height, width] = self.image.shape;
        let shown_height = (f64::from(self.image.width) * height as f64 / width as f64).round();
        // Marks have the same size on every image, in pixels of the page.
        let unit = width as f64 / f64::from(self.image.width);
        html! {
            svg.plot viewBox={ "0 0 " (width) " " (height) } width=(self.image.width) height=(shown_height)
                role="img" aria-label=(self.image.alt) {
                image href=(source) width=(width) height=(height) preserveAspectRatio="none"
                    style="image-rendering:pixelated" {}
                @for region in self.regions {
                    @let when = (!region.when.is_always()).then(|| region.when.to_string());
                    g class={ "c" (region.style % N_STYLES) } data-when=[when] {
                        @if !region.pixels.is_empty() {
                            path.f fill-opacity=".45" d=(outline(&region.pixels, width)) {}
                        }
                        @if let Some(pixel) = region.birth {
                            circle cx=(centre(pixel % width)) cy=(centre(pixel / width)) r=(5.0 * unit)
                                fill="none" stroke="currentColor" stroke-width=(2.5 * unit) {}
                        }
                        @if let Some(pixel) = region.death {
                            path fill="none" stroke="currentColor" stroke-width=(2.5 * unit)
                                d=(cross([pixel % width, pixel / width], 5.0 * unit)) {}
                        }
                    }
                }
            }
        }
    }
}

/// Middle of a row or column of pixels.
fn centre(index: usize) -> f64 {
    index as f64 + 0.5
}

/// Path of a cross around the middle of a pixel.
fn cross([column, row]: [usize; 2], arm: f64) -> String {
    let [x, y] = [column, row].map(centre);
    let [left, right] = [x - arm, x + arm];
    let [above, below] = [y - arm, y + arm];
    format!("M{left} {above}L{right} {below}M{left} {below}L{right} {above}")
}

/// Path that covers pixels: one rectangle for each run of pixels in a row.
fn outline(pixels: &[usize], width: usize) -> String {
    let mut path = String::new();
    let mut index = 0;
    while index < pixels.len() {
        let start = pixels[index];
        let mut length = 1;
        // A run ends with its row.
        while index + length < pixels.len()
            && pixels[index + length] == start + length
            && !(start + length).is_multiple_of(width)
        {
            length += 1;
        }
        let [column, row] = [start % width, start / width];
        // Writing to a string cannot fail.
        let _ = write!(path, "M{column} {row}h{length}v1h-{length}z");
        index += length;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_with_their_row() {
        assert_eq!(
            outline(&[1, 2, 3, 4, 8], 3),
            "M1 0h2v1h-2zM0 1h2v1h-2zM2 2h1v1h-1z"
        );
    }

    #[test]
    fn regions_have_their_conditions_and_a_wrong_shape_is_told() {
        let region = MarkedRegion {
            pixels: vec![0],
            birth: Some(0),
            death: None,
            style: 7,
            when: Condition::equals("bar", 1),
        };
        let image = PixelImage {
            pixels: &[0.5, 0.25],
            shape: [1, 2, 1],
            alt: "two",
            width: 10,
        };
        let regions = [region];
        let marked = MarkedImage {
            image,
            regions: &regions,
        };
        let html = marked.render().into_string();
        assert!(
            html.contains("<g class=\"c1\" data-when=\"bar=1\">"),
            "{html}"
        );
        assert!(html.contains("height=\"20\""), "{html}");
        let image = PixelImage {
            shape: [1, 0, 1],
            ..image
        };
        let html = MarkedImage {
            image,
            regions: &[],
        }
        .render()
        .into_string();
        assert!(html.contains("no image"), "{html}");
    }
}
