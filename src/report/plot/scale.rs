//! Numbers to pixels.

use super::drawing::{Anchor, Drawing};
use super::text::{TEXT, text_width};
use crate::report::ticks::{Tick, ticks, ticks_apart, wide_enough};

/// A linear map from numbers to places in the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    range: [f64; 2],
    pixels: [f64; 2],
    smallest_step: f64,
}

impl Scale {
    pub(super) fn new(range: [f64; 2], pixels: [f64; 2]) -> Self {
        Self {
            range: wide_enough(range),
            pixels,
            smallest_step: 0.0,
        }
    }

    /// With ticks below it that are at least so far apart.
    pub(super) fn apart(mut self, smallest_step: f64) -> Self {
        self.smallest_step = smallest_step;
        self
    }

    /// A scale with room at both ends, so that no mark lies on the frame.
    pub(super) fn with_margin(range: [f64; 2], pixels: [f64; 2]) -> Self {
        let [low, high] = wide_enough(range);
        let margin = 0.04 * (high - low);
        Self::new([low - margin, high + margin], pixels)
    }

    pub(super) fn range(&self) -> [f64; 2] {
        self.range
    }

    /// Where a number is; what is outside is kept at the end, a NaN at the start.
    pub(super) fn place(&self, value: f64) -> f64 {
        let [low, high] = self.range;
        let [from, to] = self.pixels;
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        let share = if share.is_nan() { 0.0 } else { share };
        from + share * (to - from)
    }

    /// Grid lines and numbers of a horizontal axis, the lines from `top` to `bottom`.
    pub(super) fn draw_below(&self, drawing: &mut Drawing, [top, bottom]: [f64; 2]) {
        let room = (self.pixels[1] - self.pixels[0]).abs();
        let n_wanted = (room / 45.0).clamp(2.0, 8.0) as usize;
        let mut free_from = f64::NEG_INFINITY;
        let mut lines = Vec::new();
        for tick in ticks_apart(self.range, n_wanted, self.smallest_step) {
            let x = self.place(tick.value);
            lines.push([[x, top], [x, bottom]]);
            let half = 0.5 * text_width(&tick.label, TEXT);
            // A number that would touch the one before, or leave the drawing, is left out.
            if x - half > free_from && x + half <= drawing.width() {
                drawing.text("", [x, bottom + 16.0], Anchor::Middle, &tick.label);
                free_from = x + half + 4.0;
            }
        }
        drawing.lines("g", &lines);
    }

    /// Grid lines and names of the places 0, 1, 2, ... of a horizontal axis.
    pub(super) fn draw_names_below(
        &self,
        drawing: &mut Drawing,
        [top, bottom]: [f64; 2],
        names: &[String],
    ) {
        let room = self.place(1.0) - self.place(0.0) - 8.0;
        let mut lines = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let x = self.place(place as f64);
            lines.push([[x, top], [x, bottom]]);
            drawing.text_within("", [x, bottom + 16.0], Anchor::Middle, name, room);
        }
        drawing.lines("g", &lines);
    }

    /// Grid lines and numbers of a vertical axis, the lines from `left` to `right`.
    pub(super) fn draw_beside(&self, drawing: &mut Drawing, [left, right]: [f64; 2]) {
        let mut lines = Vec::new();
        for tick in self.ticks_beside() {
            let y = self.place(tick.value);
            lines.push([[left, y], [right, y]]);
            drawing.text("", [left - 7.0, y + 4.0], Anchor::End, &tick.label);
        }
        drawing.lines("g", &lines);
    }

    /// Room that the numbers of a vertical axis need.
    pub(super) fn width_beside(&self) -> f64 {
        let ticks = self.ticks_beside();
        let widths = ticks.iter().map(|tick| text_width(&tick.label, TEXT));
        widths.fold(20.0, f64::max) + 12.0
    }

    fn ticks_beside(&self) -> Vec<Tick> {
        let room = (self.pixels[1] - self.pixels[0]).abs();
        ticks(self.range, (room / 34.0).clamp(2.0, 6.0) as usize)
    }
}
