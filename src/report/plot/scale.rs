//! Axes of plots.

use super::drawing::{Anchor, Drawing};
use super::text::{TEXT, text_width};
use crate::report::ticks::{Tick, ticks, ticks_apart, wide_enough};

/// Linear map from numbers to coordinates of the drawing, with its ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    range: [f64; 2],
    pixels: [f64; 2],
    smallest_step: f64,
}

impl Scale {
    /// Creates a scale that maps the ends of `range` to `pixels`.
    pub(super) fn new(range: [f64; 2], pixels: [f64; 2]) -> Self {
        Self {
            range: wide_enough(range),
            pixels,
            smallest_step: 0.0,
        }
    }

    /// Sets the smallest distance between ticks below the axis.
    pub(super) fn with_smallest_step(mut self, smallest_step: f64) -> Self {
        self.smallest_step = smallest_step;
        self
    }

    /// Creates a scale with a margin at both ends, so that no mark lies on the border.
    pub(super) fn with_margin(range: [f64; 2], pixels: [f64; 2]) -> Self {
        // Widened first, because a range of length 0 would have no margin.
        let [low, high] = wide_enough(range);
        let margin = 0.04 * (high - low);
        Self::new([low - margin, high + margin], pixels)
    }

    /// Numbers at both ends.
    pub(super) fn range(&self) -> [f64; 2] {
        self.range
    }

    /// Returns the coordinate of a number; numbers outside the range are moved to its ends, and NaN to the start.
    pub(super) fn position(&self, value: f64) -> f64 {
        let [low, high] = self.range;
        let [from, to] = self.pixels;
        let fraction = ((value - low) / (high - low)).clamp(0.0, 1.0);
        let fraction = if fraction.is_nan() { 0.0 } else { fraction };
        from + fraction * (to - from)
    }

    /// Draws the grid lines and numbers of a horizontal axis, the lines from `top` to `bottom`.
    pub(super) fn draw_below(&self, drawing: &mut Drawing, [top, bottom]: [f64; 2]) {
        let room = (self.pixels[1] - self.pixels[0]).abs();
        let n_wanted = (room / 45.0).clamp(2.0, 8.0) as usize;
        let mut free_from = f64::NEG_INFINITY;
        let mut lines = Vec::new();
        for tick in ticks_apart(self.range, n_wanted, self.smallest_step) {
            let x = self.position(tick.value);
            lines.push([[x, top], [x, bottom]]);
            let half = 0.5 * text_width(&tick.label, TEXT);
            // A number that would touch the one before, or cross the border, is left out.
            if x - half > free_from && x + half <= drawing.width() {
                drawing.text("", [x, bottom + 16.0], Anchor::Middle, &tick.label);
                free_from = x + half + 4.0;
            }
        }
        drawing.lines("g", &lines);
    }

    /// Draws the grid lines and names of the positions 0, 1, 2, ... on a horizontal axis.
    pub(super) fn draw_names_below(
        &self,
        drawing: &mut Drawing,
        [top, bottom]: [f64; 2],
        names: &[String],
    ) {
        let room = self.position(1.0) - self.position(0.0) - 8.0;
        let mut lines = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let x = self.position(index as f64);
            lines.push([[x, top], [x, bottom]]);
            drawing.text_within("", [x, bottom + 16.0], Anchor::Middle, name, room);
        }
        drawing.lines("g", &lines);
    }

    /// Draws the grid lines and numbers of a vertical axis, the lines from `left` to `right`.
    pub(super) fn draw_beside(&self, drawing: &mut Drawing, [left, right]: [f64; 2]) {
        let mut lines = Vec::new();
        for tick in self.ticks_beside() {
            let y = self.position(tick.value);
            lines.push([[left, y], [right, y]]);
            drawing.text("", [left - 7.0, y + 4.0], Anchor::End, &tick.label);
        }
        drawing.lines("g", &lines);
    }

    /// Returns the width of the numbers beside a vertical axis.
    pub(super) fn width_beside(&self) -> f64 {
        let ticks = self.ticks_beside();
        let widths = ticks.iter().map(|tick| text_width(&tick.label, TEXT));
        widths.fold(20.0, f64::max) + 12.0
    }

    /// Returns the ticks of a vertical axis.
    fn ticks_beside(&self) -> Vec<Tick> {
        let room = (self.pixels[1] - self.pixels[0]).abs();
        ticks(self.range, (room / 34.0).clamp(2.0, 6.0) as usize)
    }
}
