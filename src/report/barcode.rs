//! A barcode as a picture.

use embedded_graphics::text::Alignment;

use super::axis::Axis;
use super::canvas::{Canvas, FAINT, INK, Picture, color};
use super::persistence_diagram::largest;
use crate::topology::{Bar, Diagram};

/// As wide as TensorBoard shows a picture without scaling it.
const WIDTH: i32 = 344;
const LEFT: i32 = 16;
const RIGHT: i32 = WIDTH - 52;
const TOP: i32 = 30;
/// Height of a bar and of what lies between two, in pixels, where there is room.
const THICKEST: i32 = 6;
const HIGHEST: i32 = 400;
/// Between two homology dimensions.
const GAP: i32 = 14;

/// Bars as lines from birth to death, the homology dimensions one above the other, each from the
/// shortest-lived to the longest; essential bars run out of the picture.
///
/// `unit` is what births and deaths are measured in. 344 pixels wide, up to about 500 high. A NaN
/// is left out.
pub fn barcode(diagrams: &[Diagram<f64>], title: &str, unit: &str) -> Picture {
    let n_bars: usize = diagrams.iter().map(|diagram| diagram.bars.len()).sum();
    let pitch = (HIGHEST / n_bars.max(1) as i32).clamp(2, THICKEST);
    let room = (HIGHEST / pitch) as f64 / n_bars.max(1) as f64;
    let drawn: Vec<Vec<Bar<f64>>> = diagrams
        .iter()
        .map(|diagram| longest(diagram, (room * diagram.bars.len() as f64) as usize))
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
        let x = axis.place(value);
        canvas.line([x, TOP], [x, bottom], FAINT, 1);
        canvas.text(&label, [x, bottom + 14], Alignment::Center);
    }
    let mut y = TOP + 6;
    for (diagram, bars) in diagrams.iter().zip(drawn) {
        let start = y;
        for bar in bars {
            let end = match bar.is_essential() {
                true => RIGHT + 14,
                false => axis.place(bar.death),
            };
            let from = axis.place(bar.birth);
            let size = [(end - from).max(1) as u32, (pitch - 1).max(1) as u32];
            canvas.rectangle([from, y], size, color(diagram.homology_dim));
            y += pitch;
        }
        let middle = (start + y) / 2;
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

/// The longest bars, the longest last.
fn longest(diagram: &Diagram<f64>, n_at_most: usize) -> Vec<Bar<f64>> {
    let bars = diagram.bars.iter().copied();
    let mut bars: Vec<Bar<f64>> = bars.filter(|bar| !bar.persistence().is_nan()).collect();
    bars.sort_by(|a, b| {
        let by_length = a.persistence().total_cmp(&b.persistence());
        by_length.then(a.birth.total_cmp(&b.birth))
    });
    let n_hidden = bars.len().saturating_sub(n_at_most);
    bars.split_off(n_hidden)
}
