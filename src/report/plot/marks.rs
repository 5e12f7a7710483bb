//! Shapes of marks.

use super::drawing::pixels;

/// Colours and shapes there are before they come again.
pub(super) const N_LOOKS: usize = 6;
/// Dashes there are; one fewer, so that a line looks like no other for a long time.
const N_DASHES: usize = 5;

/// The path of the mark of a series or homology dimension: discs, triangles and squares as in the
/// pictures for TensorBoard, then diamonds, triangles that point down, and crosses.
pub(super) fn mark([x, y]: [f64; 2], look: usize) -> String {
    let from = |dx: f64, dy: f64| format!("M{} {}", pixels(x + dx), pixels(y + dy));
    match look % N_LOOKS {
        // A line without length; its round ends are the disc.
        0 => from(0.0, 0.0) + "h0",
        1 => from(0.0, -4.2) + "l4.2 7.4h-8.4z",
        2 => from(-3.2, -3.2) + "h6.4v6.4h-6.4z",
        3 => from(0.0, -4.6) + "l4.4 4.6-4.4 4.6-4.4-4.6z",
        4 => from(0.0, 4.2) + "l4.2-7.4h-8.4z",
        _ => from(-1.3, -4.2) + "h2.6v2.9h2.9v2.6h-2.9v2.9h-2.6v-2.9h-2.9v-2.6h2.9z",
    }
}

/// Classes of marks.
pub(super) fn mark_class(look: usize) -> String {
    match look % N_LOOKS {
        0 => "k c0".to_owned(),
        look => format!("f c{look}"),
    }
}

/// Classes of lines.
pub(super) fn line_class(look: usize) -> String {
    format!("l c{} n{}", look % N_LOOKS, look % N_DASHES)
}
