//! Shapes, colours and dashes of series.
//!
//! A style is the index of a series or a homology dimension; styles differ in colour, dash and shape.

use super::drawing::pixels;

/// Number of colours, and of shapes, before they repeat.
pub(super) const N_STYLES: usize = 6;
/// Number of dashes; one fewer than colours, so that the combination repeats only after 30 lines.
const N_DASHES: usize = 5;

/// Returns the path of a mark: a disc, triangle or square as in the images for TensorBoard, then a diamond, an
/// inverted triangle and a cross.
pub(super) fn mark([x, y]: [f64; 2], style: usize) -> String {
    let from = |dx: f64, dy: f64| format!("M{} {}", pixels(x + dx), pixels(y + dy));
    match style % N_STYLES {
        // The disc consists of the round ends of a line of length 0.
        0 => from(0.0, 0.0) + "h0",
        1 => from(0.0, -4.2) + "l4.2 7.4h-8.4z",
        2 => from(-3.2, -3.2) + "h6.4v6.4h-6.4z",
        3 => from(0.0, -4.6) + "l4.4 4.6-4.4 4.6-4.4-4.6z",
        4 => from(0.0, 4.2) + "l4.2-7.4h-8.4z",
        _ => from(-1.3, -4.2) + "h2.6v2.9h2.9v2.6h-2.9v2.9h-2.6v-2.9h-2.9v-2.6h2.9z",
    }
}

/// Returns the CSS classes of a mark.
pub(super) fn mark_class(style: usize) -> String {
    match style % N_STYLES {
        0 => "k c0".to_owned(),
        style => format!("f c{style}"),
    }
}

/// Returns the CSS classes of a line.
pub(super) fn line_class(style: usize) -> String {
    format!("l c{} n{}", style % N_STYLES, style % N_DASHES)
}
