//! A persistence diagram.

use super::drawing::{Anchor, Drawing, Plot, pixels};
use super::marks::{mark, mark_class};
use super::scale::Scale;
use crate::topology::Diagram;

const SIDE: f64 = 300.0;
/// At least; more where numbers are long.
const LEFT: f64 = 44.0;
const RIGHT: f64 = SIDE - 12.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = SIDE - 40.0;
/// Where bars that never die lie, above the rest.
const INFINITY: f64 = 48.0;

/// Bars as points over the diagonal, all homology dimensions in one plot, on axes from 0 to `largest`;
/// bars that never die lie on a line of their own at the top.
///
/// Plots of several frames with the same `largest`, in the unit of births and deaths, can be compared;
/// what lies beyond is drawn at the edge. 300 pixels a side; about 1 KB and 12 bytes a bar. A bar with
/// a birth that is not finite or with a death that is NaN is left out, and no bar is counted that is.
///
/// # Example
///
/// ```
/// use burn_topology::report::plot::diagram_plot;
/// use burn_topology::topology::{DistanceMatrix, VietorisRips};
///
/// let pair = [0.0, 3.0, 3.0, 0.0];
/// let diagrams = VietorisRips::new(0)?.diagrams(&DistanceMatrix::new(&pair, 2)?)?;
/// let svg = diagram_plot(&diagrams, "Layer 2", "distance", 4.0).to_svg_file();
/// assert!(svg.contains("H0: 2 bars"));
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn diagram_plot(diagrams: &[Diagram<f64>], title: &str, unit: &str, largest: f64) -> Plot {
    let range = match largest.is_finite() && largest > 0.0 {
        true => [0.0, largest],
        false => [0.0, 1.0],
    };
    let up = Scale::new(range, [BOTTOM, TOP]);
    let left = up.width_beside().max(LEFT);
    let across = Scale::new(range, [left, RIGHT]);
    let mut drawing = Drawing::new([SIDE, SIDE]);
    drawing.text("t", [1.0, 15.0], Anchor::Start, title);
    across.draw_below(&mut drawing, [TOP, BOTTOM]);
    up.draw_beside(&mut drawing, [left, RIGHT]);
    let axes = [
        [[left, TOP], [left, BOTTOM]],
        [[left, BOTTOM], [RIGHT, BOTTOM]],
        [[left, BOTTOM], [RIGHT, TOP]],
    ];
    drawing.lines("a", &axes);
    drawing.lines("r", &[[[left, INFINITY], [RIGHT, INFINITY]]]);
    drawing.text("", [left - 7.0, INFINITY + 4.0], Anchor::End, "∞");
    let middle = (left + RIGHT) / 2.0;
    let below = [middle, BOTTOM + 34.0];
    let unit = if unit.is_empty() {
        String::new()
    } else {
        format!(" ({unit})")
    };
    drawing.text("", below, Anchor::Middle, &format!("birth{unit}"));
    drawing.text("", [1.0, 34.0], Anchor::Start, "death");

    let mut legend_y = BOTTOM - 12.0 - 17.0 * (diagrams.len() as f64 - 1.0);
    for diagram in diagrams {
        let look = diagram.homology_dim;
        let drawn = diagram.bars.iter();
        let drawn = drawn.filter(|bar| bar.birth.is_finite() && !bar.death.is_nan());
        let places = drawn.map(|bar| {
            let y = match bar.death == f64::INFINITY || bar.is_essential() {
                true => INFINITY,
                false => up.place(bar.death),
            };
            [across.place(bar.birth), y]
        });
        let marks: Vec<String> = places.map(|at| mark(at, look)).collect();
        let text = match marks.len() {
            1 => format!("H{look}: 1 bar"),
            n_bars => format!("H{look}: {n_bars} bars"),
        };
        // Below the diagonal, where no bar can be.
        if legend_y > TOP {
            let at = [RIGHT - 82.0, legend_y];
            drawing.path(&mark_class(look), &mark(at, look));
            drawing.text("", [at[0] + 11.0, at[1] + 4.0], Anchor::Start, &text);
        }
        legend_y += 17.0;
        drawing.path(&mark_class(look), &marks.concat());
    }
    let label = format!("Persistence diagram: {title}; axes to {}", pixels(range[1]));
    drawing.finish(&label)
}
