//! Draws persistence diagrams as a PNG image.

use embedded_graphics::text::Alignment;

use super::axis::Axis;
use super::canvas::{Canvas, EncodedImage, FAINT, INK};
use crate::counted::counted;
use crate::topology::Diagram;

/// Side in pixels up to which TensorBoard shows an image without scaling it.
pub(super) const SIDE: i32 = 344;
/// Room for labels of seven characters, the longest that ticks have.
const LEFT: i32 = 58;
const BOTTOM: i32 = SIDE - 48;
const TOP: i32 = 38;
/// Room for half of a label below the last tick.
const RIGHT: i32 = SIDE - 26;

/// Draws bars as points above the diagonal, all homology dimensions in one image of 344 by 344 pixels.
///
/// Essential bars lie on a line of their own at the top. Bars with NaN are left out. `unit` is the unit of births and
/// deaths.
pub fn persistence_diagram(diagrams: &[Diagram<f64>], title: &str, unit: &str) -> EncodedImage {
    draw(diagrams, title, unit, largest(diagrams)).finish()
}

/// Draws diagrams on axes that end at `largest`.
pub(super) fn draw(diagrams: &[Diagram<f64>], title: &str, unit: &str, largest: f64) -> Canvas {
    let has_essential = diagrams.iter().any(|d| d.essential().count() > 0);
    // Essential bars get a line of their own above the axes.
    let top = if has_essential { TOP + 22 } else { TOP };
    let horizontal = Axis {
        range: [0.0, largest],
        pixels: [LEFT, RIGHT],
    };
    let vertical = Axis {
        range: [0.0, largest],
        pixels: [BOTTOM, top],
    };
    let mut canvas = Canvas::new(SIDE as u32, SIDE as u32);
    canvas.title(title, [8, 12]);
    for (value, label) in horizontal.ticks(5) {
        let x = horizontal.pixel(value);
        canvas.line([x, BOTTOM], [x, top], FAINT, 1);
        canvas.text(&label, [x, BOTTOM + 14], Alignment::Center);
    }
    for (value, label) in vertical.ticks(5) {
        let y = vertical.pixel(value);
        canvas.line([LEFT, y], [RIGHT, y], FAINT, 1);
        canvas.text(&label, [LEFT - 7, y], Alignment::Right);
    }
    canvas.line([LEFT, BOTTOM], [RIGHT, top], INK, 1);
    canvas.line([LEFT, BOTTOM], [RIGHT, BOTTOM], INK, 1);
    canvas.line([LEFT, BOTTOM], [LEFT, TOP], INK, 1);
    if has_essential {
        for x in (LEFT..RIGHT).step_by(8) {
            canvas.line([x, TOP + 6], [x + 3, TOP + 6], INK, 1);
        }
        canvas.text("inf", [LEFT - 7, TOP + 6], Alignment::Right);
    }
    let centre = (LEFT + RIGHT) / 2;
    canvas.text(
        &format!("birth ({unit})"),
        [centre, BOTTOM + 34],
        Alignment::Center,
    );
    canvas.text("death", [8, TOP - 8], Alignment::Left);
    legend(&mut canvas, diagrams);
    // Bars come last, so that neither the grid nor the legend hides them.
    for diagram in diagrams {
        for bar in diagram.finite().filter(|bar| !bar.persistence().is_nan()) {
            let at = [horizontal.pixel(bar.birth), vertical.pixel(bar.death)];
            canvas.mark(at, diagram.homology_dim);
        }
        for bar in diagram.essential() {
            canvas.mark([horizontal.pixel(bar.birth), TOP + 6], diagram.homology_dim);
        }
    }
    canvas
}

/// Returns the largest finite birth or death in the diagrams; 1 if there is none above 0.
pub(super) fn largest(diagrams: &[Diagram<f64>]) -> f64 {
    let bars = diagrams.iter().flat_map(|diagram| diagram.bars.iter());
    let largest = bars
        .flat_map(|bar| [bar.birth, bar.death])
        .filter(|x| x.is_finite())
        .fold(0.0, f64::max);
    if largest > 0.0 { largest } else { 1.0 }
}

/// Draws the mark and the number of bars of each dimension, below the diagonal, where no bar can lie.
fn legend(canvas: &mut Canvas, diagrams: &[Diagram<f64>]) {
    for (row, diagram) in diagrams.iter().enumerate() {
        let y = BOTTOM - 16 - 16 * (diagrams.len() - 1 - row) as i32;
        canvas.mark([RIGHT - 96, y], diagram.homology_dim);
        let bars = counted(diagram.bars.len(), "bar");
        let text = format!("H{}: {bars}", diagram.homology_dim);
        canvas.text(&text, [RIGHT - 87, y], Alignment::Left);
    }
}
