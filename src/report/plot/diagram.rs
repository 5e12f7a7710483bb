//! A persistence diagram, small enough for a page to hold a thousand.

use std::fmt::Write;

use super::super::axis::Axis;
use super::{close, color, open, short, text};
use crate::topology::Diagram;

const SIDE: i32 = 220;
const LEFT: i32 = 34;
const BOTTOM: i32 = SIDE - 30;
const TOP: i32 = 26;
const RIGHT: i32 = SIDE - 8;

/// Bars as points over the diagonal on axes from 0 to `largest`, 220 pixels a side: discs in dimension 0,
/// triangles in dimension 1, squares above; bars that never die lie on a line at the top. A bar that is not
/// a number is left out.
///
/// # Example
///
/// ```
/// use burn_topology::report::diagram_plot;
/// use burn_topology::topology::{Bar, Diagram};
///
/// let bar = Bar { birth: 0.0, death: 0.4, birth_edge: None, death_edge: Some([0, 1]) };
/// let diagram = Diagram { homology_dim: 0, bars: vec![bar] };
/// assert!(diagram_plot(&[diagram], 0.5, "layer 0").len() < 2000);
/// ```
pub fn diagram_plot(diagrams: &[Diagram<f64>], largest: f64, title: &str) -> String {
    let largest = match largest.is_finite() && largest > 0.0 {
        // Room for the marks at the end.
        true => 1.05 * largest,
        false => 1.0,
    };
    let axis = |pixels| Axis {
        range: [0.0, largest],
        pixels,
    };
    let (x, y) = (axis([LEFT, RIGHT]), axis([BOTTOM, TOP + 14]));
    let mut svg = open([SIDE, SIDE], title);
    for (value, label) in y.ticks(3) {
        let at = y.place(value);
        let _ = write!(svg, "<path class=\"grid\" d=\"M{LEFT},{at}H{RIGHT}\"/>");
        text(
            &mut svg,
            [f64::from(LEFT) - 4.0, f64::from(at) + 4.0],
            "end",
            "soft",
            &label,
        );
    }
    for (value, label) in x.ticks(3) {
        text(
            &mut svg,
            [f64::from(x.place(value)), f64::from(BOTTOM) + 14.0],
            "middle",
            "soft",
            &label,
        );
    }
    let (high, inf) = (TOP + 14, TOP);
    let _ = write!(
        svg,
        "<path class=\"axis\" d=\"M{LEFT},{BOTTOM}H{RIGHT}M{LEFT},{BOTTOM}L{RIGHT},{high}M{LEFT},{BOTTOM}V{inf}\"/>"
    );
    text(&mut svg, [4.0, 14.0], "start", "soft", "death");
    text(
        &mut svg,
        [f64::from(RIGHT), f64::from(BOTTOM) + 27.0],
        "end",
        "soft",
        "birth",
    );
    for diagram in diagrams {
        let mut path = String::new();
        for bar in &diagram.bars {
            if !bar.birth.is_finite() || bar.death.is_nan() {
                continue;
            }
            let death = match bar.is_essential() {
                true => f64::from(inf),
                false => place(&y, bar.death),
            };
            let [x, y] = [place(&x, bar.birth), death].map(short);
            // One path for all: a page has a thousand of these.
            let _ = match diagram.homology_dim {
                0 => write!(path, "M{x},{y}h0"),
                1 => write!(path, "M{x},{y}m0-4l4,7h-8z"),
                _ => write!(path, "M{x},{y}m-3-3h6v6h-6z"),
            };
        }
        let class = match diagram.homology_dim {
            0 => "discs",
            _ => "dot",
        };
        let _ = write!(
            svg,
            "<g class=\"{}\"><path class=\"{class}\" d=\"{path}\"/></g>",
            color(diagram.homology_dim)
        );
    }
    close(svg)
}

fn place(axis: &Axis, value: f64) -> f64 {
    let [from, to] = axis.pixels.map(f64::from);
    from + (value / axis.range[1]).clamp(0.0, 1.0) * (to - from)
}
