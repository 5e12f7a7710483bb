//! A persistence diagram as a picture.

use embedded_graphics::text::Alignment;

use super::axis::Axis;
use super::canvas::{Canvas, FAINT, INK, Picture};
use crate::topology::Diagram;

/// As wide as TensorBoard shows a picture without scaling it.
pub(super) const SIDE: i32 = 344;
const LEFT: i32 = 46;
const BOTTOM: i32 = SIDE - 48;
const TOP: i32 = 38;
const RIGHT: i32 = SIDE - 14;

/// Bars as points over the diagonal, all homology dimensions in one picture; essential classes lie
/// on a line of their own at the top.
///
/// `unit` is what births and deaths are measured in. Square, 344 pixels a side. A NaN is left out.
pub fn persistence_diagram(diagrams: &[Diagram<f64>], title: &str, unit: &str) -> Picture {
    drawn(diagrams, title, unit, largest(diagrams)).finish()
}

/// A diagram on axes that end at `largest`.
pub(super) fn drawn(diagrams: &[Diagram<f64>], title: &str, unit: &str, largest: f64) -> Canvas {
    let has_essential = diagrams.iter().any(|d| d.essential().count() > 0);
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
        let x = horizontal.place(value);
        canvas.line([x, BOTTOM], [x, top], FAINT, 1);
        canvas.text(&label, [x, BOTTOM + 14], Alignment::Center);
    }
    for (value, label) in vertical.ticks(5) {
        let y = vertical.place(value);
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
    for diagram in diagrams {
        for bar in diagram.finite().filter(|bar| !bar.persistence().is_nan()) {
            let at = [horizontal.place(bar.birth), vertical.place(bar.death)];
            canvas.mark(at, diagram.homology_dim);
        }
        for bar in diagram.essential() {
            canvas.mark([horizontal.place(bar.birth), TOP + 6], diagram.homology_dim);
        }
    }
    canvas
}

/// The largest finite number in the diagrams, 1 if there is none above 0.
pub(super) fn largest(diagrams: &[Diagram<f64>]) -> f64 {
    let bars = diagrams.iter().flat_map(|diagram| diagram.bars.iter());
    let numbers = bars.flat_map(|bar| [bar.birth, bar.death]);
    let largest = numbers.filter(|x| x.is_finite()).fold(0.0, f64::max);
    if largest > 0.0 { largest } else { 1.0 }
}

/// Marks and numbers of bars, below the diagonal, where no bar can be.
fn legend(canvas: &mut Canvas, diagrams: &[Diagram<f64>]) {
    for (row, diagram) in diagrams.iter().enumerate() {
        let y = BOTTOM - 16 - 16 * (diagrams.len() - 1 - row) as i32;
        canvas.mark([RIGHT - 96, y], diagram.homology_dim);
        let n_bars = diagram.bars.len();
        let text = format!("H{}: {n_bars} bars", diagram.homology_dim);
        canvas.text(&text, [RIGHT - 87, y], Alignment::Left);
    }
}
