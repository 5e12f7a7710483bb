//! Draws the barcodes of persistence diagrams as a PNG image.

use embedded_graphics::text::Alignment;

use super::axis::Axis;
use super::canvas::{Canvas, EncodedImage, FAINT, INK, color};
use super::persistence_diagram::largest;
use crate::topology::{Bar, Diagram};

/// Width in pixels up to which TensorBoard shows an image without scaling it.
const WIDTH: i32 = 344;
const LEFT: i32 = 16;
const RIGHT: i32 = WIDTH - 52;
const TOP: i32 = 30;
/// Largest distance between two bars in pixels, from top to top.
const MAX_PITCH: i32 = 6;
/// Largest height of all bars together, in pixels.
const MAX_HEIGHT: i32 = 400;
/// Space between two homology dimensions, in pixels.
const GAP: i32 = 14;

/// Draws bars as horizontal lines from birth to death, sorted by persistence within each homology dimension.
///
/// The dimensions lie one below the other, the longest bar of each at the bottom. Essential bars extend beyond the
/// right end of the axis. Bars with NaN are left out, and so are the shortest bars of each dimension if all dimensions
/// together have more than 200. `unit` is the unit of births and deaths. The image is 344 pixels wide and up to about
/// 500 high.
pub fn barcode(diagrams: &[Diagram<f64>], title: &str, unit: &str) -> EncodedImage {
    let n_bars: usize = diagrams.iter().map(|diagram| diagram.bars.len()).sum();
    let pitch = (MAX_HEIGHT / n_bars.max(1) as i32).clamp(2, MAX_PITCH);
    // Fraction of the bars for which there is room, the same in every dimension.
    let fraction = (MAX_HEIGHT / pitch) as f64 / n_bars.max(1) as f64;
    let drawn: Vec<Vec<Bar<f64>>> = diagrams
        .iter()
        .map(|diagram| longest(diagram, (fraction * diagram.bars.len() as f64) as usize))
        .collect();
    let n_drawn: usize = drawn.iter().map(Vec::len).sum();
    let bottom = TOP + pitch * n_drawn as i32 + GAP * diagrams.len() as i32;
    let axis = Axis {
        range: [0.0, largest(diagrams)],
        pixels: [LEFT, RIGHT],
    };
    let mut canvas = Canvas::new(WIDTH as u32, (bottom + 48) as u32);
    canvas.title(title, [8, 12]);
    for (value, label) in axis.ticks(5) {
        let x = axis.pixel(value);
        canvas.line([x, TOP], [x, bottom], FAINT, 1);
        canvas.text(&label, [x, bottom + 14], Alignment::Center);
    }
    let mut y = TOP + 6;
    for (diagram, bars) in diagrams.iter().zip(drawn) {
        let top = y;
        for bar in bars {
            let end = if bar.is_essential() {
                RIGHT + 14
            } else {
                axis.pixel(bar.death)
            };
            let start = axis.pixel(bar.birth);
            // At least one pixel, so that no bar disappears.
            let size = [(end - start).max(1) as u32, (pitch - 1).max(1) as u32];
            canvas.rectangle([start, y], size, color(diagram.homology_dim));
            y += pitch;
        }
        let middle = (top + y) / 2;
        let name = format!("H{}", diagram.homology_dim);
        canvas.mark([RIGHT + 26, middle], diagram.homology_dim);
        canvas.text(&name, [RIGHT + 34, middle], Alignment::Left);
        y += GAP;
    }
    canvas.line([LEFT, bottom], [RIGHT, bottom], INK, 1);
    let centre = (LEFT + RIGHT) / 2;
    canvas.text(unit, [centre, bottom + 34], Alignment::Center);
    canvas.finish()
}

/// Returns the `max_bars` bars of largest persistence, in ascending order.
fn longest(diagram: &Diagram<f64>, max_bars: usize) -> Vec<Bar<f64>> {
    let mut bars: Vec<Bar<f64>> = diagram
        .bars
        .iter()
        .copied()
        .filter(|bar| !bar.persistence().is_nan())
        .collect();
    // Births break ties, so that the order of the bars in the diagram does not change the image.
    bars.sort_by(|a, b| {
        let by_length = a.persistence().total_cmp(&b.persistence());
        by_length.then(a.birth.total_cmp(&b.birth))
    });
    let n_omitted = bars.len().saturating_sub(max_bars);
    bars.split_off(n_omitted)
}
