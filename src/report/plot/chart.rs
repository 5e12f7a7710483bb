//! The frame of a plot: axes, ticks, labels.

use std::fmt::Write;

use super::super::axis::Axis;
use super::{close, open, short, text};

/// A plot with two axes.
pub(super) struct Chart {
    svg: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

/// What an axis shows.
pub(super) struct Range<'a> {
    pub(super) values: [f64; 2],
    pub(super) label: &'a str,
    pub(super) n_ticks: usize,
}

pub(super) const LEFT: i32 = 56;
const TOP: i32 = 30;
const RIGHT: i32 = 14;
const BOTTOM: i32 = 44;

impl Chart {
    /// A chart of this size in pixels, of which so many at the lower end are left free.
    pub(super) fn new(
        size: [i32; 2],
        below: i32,
        title: &str,
        x: &Range<'_>,
        y: &Range<'_>,
    ) -> Self {
        let mut chart = Self {
            svg: open(size, title),
            x: Axis {
                range: x.values,
                pixels: [LEFT, size[0] - RIGHT],
            },
            y: Axis {
                range: y.values,
                pixels: [size[1] - below - BOTTOM, TOP],
            },
        };
        let [left, right] = chart.x.pixels;
        let [bottom, top] = chart.y.pixels;
        for (value, label) in chart.y.ticks(y.n_ticks) {
            let at = f64::from(chart.y.place(value));
            chart.line("grid", [f64::from(left), at], [f64::from(right), at]);
            text(
                &mut chart.svg,
                [f64::from(left) - 7.0, at + 4.0],
                "end",
                "soft",
                &label,
            );
        }
        for (value, label) in chart.x.ticks(x.n_ticks) {
            let at = f64::from(chart.x.place(value));
            chart.line(
                "axis",
                [at, f64::from(bottom)],
                [at, f64::from(bottom) + 4.0],
            );
            text(
                &mut chart.svg,
                [at, f64::from(bottom) + 17.0],
                "middle",
                "soft",
                &label,
            );
        }
        let [left, right, bottom, top] = [left, right, bottom, top].map(f64::from);
        chart.line("axis", [left, bottom], [right, bottom]);
        let middle = 0.5 * (left + right);
        text(
            &mut chart.svg,
            [middle, bottom + 36.0],
            "middle",
            "soft",
            x.label,
        );
        text(&mut chart.svg, [4.0, top - 14.0], "start", "soft", y.label);
        chart
    }

    pub(super) fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(short);
        self.push(&format!(
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        ));
    }

    pub(super) fn push(&mut self, markup: &str) {
        self.svg.push_str(markup);
    }

    pub(super) fn text(&mut self, at: [f64; 2], anchor: &str, class: &str, what: &str) {
        text(&mut self.svg, at, anchor, class, what);
    }

    /// Where a point lies.
    pub(super) fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [exact(&self.x, x), exact(&self.y, y)]
    }

    /// A path through points, which begins anew after each gap.
    pub(super) fn path(&mut self, class: &str, points: &[Option<[f64; 2]>]) {
        let mut path = String::new();
        let mut pen = 'M';
        for point in points {
            let Some(point) = point else {
                pen = 'M';
                continue;
            };
            let [x, y] = self.place(*point);
            let _ = write!(path, "{pen}{},{}", short(x), short(y));
            pen = 'L';
        }
        self.push(&format!("<path class=\"{class}\" d=\"{path}\"/>"));
    }

    pub(super) fn finish(self) -> String {
        close(self.svg)
    }
}

fn exact(axis: &Axis, value: f64) -> f64 {
    let [low, high] = axis.range;
    let [from, to] = axis.pixels.map(f64::from);
    from + ((value - low) / (high - low)).clamp(0.0, 1.0) * (to - from)
}

/// A range that holds all finite numbers with some room, whatever they are.
pub(super) fn around(values: impl Iterator<Item = f64>, holds_zero: bool) -> [f64; 2] {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| value.is_finite()) {
        low = low.min(value);
        high = high.max(value);
    }
    if holds_zero || low > high {
        low = low.min(0.0);
        high = high.max(0.0);
    }
    // Half of the largest number there is is room enough.
    let (low, high) = (low.max(-1e300), high.min(1e300));
    let room = match high - low {
        gap if gap > 1e-12 * low.abs().max(high.abs()) && gap > 0.0 => 0.06 * gap,
        _ if high == 0.0 => 1.0,
        _ => 0.1 * high.abs(),
    };
    let low = if holds_zero && low == 0.0 {
        0.0
    } else {
        low - room
    };
    [low, high + room]
}
