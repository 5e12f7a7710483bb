//! Plots of persistence diagrams.

use super::drawing::{Anchor, Drawing, Plot, pixels};
use super::marks::{mark, mark_class};
use super::scale::Scale;
use crate::counted::counted;
use crate::topology::Diagram;

const SIDE: f64 = 300.0;
/// Smallest distance of the vertical axis from the left border; larger if its labels are long.
const MIN_LEFT: f64 = 44.0;
const RIGHT: f64 = SIDE - 12.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = SIDE - 40.0;
/// Height of the line of essential bars, above the axes.
const INFINITY_Y: f64 = 48.0;

/// Draws bars as points above the diagonal, all homology dimensions in one plot, on axes from 0 to `largest`.
///
/// Essential bars lie on a line of their own at the top. Plots of several frames can be compared if `largest`, in the
/// unit of births and deaths, is the same for all; bars beyond it are drawn at the edge. Bars whose birth is not finite
/// or whose death is NaN are neither drawn nor counted. The plot is 300 by 300 pixels, in about 1 KB plus 12 bytes per
/// bar.
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
    // Without a usable end, as for empty diagrams, the axes reach to 1.
    let range = if largest.is_finite() && largest > 0.0 {
        [0.0, largest]
    } else {
        [0.0, 1.0]
    };
    let up = Scale::new(range, [BOTTOM, TOP]);
    let left = up.width_beside().max(MIN_LEFT);
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
    drawing.lines("r", &[[[left, INFINITY_Y], [RIGHT, INFINITY_Y]]]);
    drawing.text("", [left - 7.0, INFINITY_Y + 4.0], Anchor::End, "∞");
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
        let style = diagram.homology_dim;
        let marks: Vec<String> = diagram
            .bars
            .iter()
            .filter(|bar| bar.birth.is_finite() && !bar.death.is_nan())
            .map(|bar| {
                // With infinite distances, a bar may die at infinity and still have a death edge.
                let y = if bar.death == f64::INFINITY || bar.is_essential() {
                    INFINITY_Y
                } else {
                    up.position(bar.death)
                };
                mark([across.position(bar.birth), y], style)
            })
            .collect();
        let text = format!("H{style}: {}", counted(marks.len(), "bar"));
        // The legend lies below the diagonal, where no bar can lie. Dimensions without room have no entry.
        if legend_y > TOP {
            let at = [RIGHT - 82.0, legend_y];
            drawing.path(&mark_class(style), &mark(at, style));
            drawing.text("", [at[0] + 11.0, at[1] + 4.0], Anchor::Start, &text);
        }
        legend_y += 17.0;
        drawing.path(&mark_class(style), &marks.concat());
    }
    let label = format!(
        "Persistence diagram: {title}; axes from 0 to {}",
        pixels(range[1])
    );
    drawing.finish(&label)
}
