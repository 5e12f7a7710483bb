//! Line plots: several series over a common horizontal axis.

mod series;

pub use series::{PlotPoint, Series};

use super::drawing::{Anchor, Drawing, Plot};
use super::marks::{line_class, mark, mark_class};
use super::scale::Scale;
use super::text::{TEXT, text_width};
use crate::report::condition::Condition;
use crate::report::ticks::{range_of, smallest_step};

const WIDTH: f64 = 680.0;
const RIGHT: f64 = WIDTH - 16.0;
const HEIGHT: f64 = 220.0;
const LEGEND_ROW: f64 = 20.0;
/// Width of the line and mark before a name in the legend.
const SAMPLE: f64 = 36.0;
/// Largest width of a name in the legend; longer ones are cut.
const WIDEST_NAME: f64 = 300.0;

/// Vertical line in a [`LinePlot`], such as a cursor at the current frame.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::Condition;
/// use burn_topology::report::plot::Marker;
///
/// let marker = Marker { x: 3.0, when: Condition::equals("frame", 3) };
/// assert_eq!(marker.when.to_string(), "frame=3");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Marker {
    /// Position on the horizontal axis.
    pub x: f64,
    /// Condition under which the line is shown.
    pub when: Condition,
}

/// Line plot: several series, each with an optional band around its line.
///
/// A line has a gap where a number is not finite. The axes cover all points, bands and markers unless a range is given;
/// points outside it are drawn at its ends. In a series of up to 40 points, every point has a mark with a tooltip;
/// otherwise about twelve points have one. The plot is 680 pixels wide.
///
/// # Example
///
/// ```
/// use burn_topology::report::plot::{LinePlot, PlotPoint, Series};
///
/// let points = (0..5).map(|k| PlotPoint::new(k as f64, 0.1 * k as f64)).collect();
/// let plot = LinePlot::new("Accuracy", "epoch", "accuracy").series(Series::new("run 1", points));
/// assert!(plot.draw().to_svg_file().contains("run 1: 0.200 at 2"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LinePlot {
    /// Title above the plot.
    pub title: String,
    /// Quantity on the horizontal axis, and its unit.
    pub x_axis: String,
    /// Quantity on the vertical axis, and its unit.
    pub y_axis: String,
    /// Series, in the order in which they are drawn.
    pub series: Vec<Series>,
    /// Vertical lines at single positions.
    pub markers: Vec<Marker>,
    /// Names of the positions 0, 1, 2, ... on the horizontal axis; empty for an axis of numbers.
    pub x_names: Vec<String>,
    /// Lower and upper end of the vertical axis; the range of all points and bands if `None`.
    pub y_range: Option<[f64; 2]>,
}

impl LinePlot {
    /// Creates a plot without series.
    pub fn new(
        title: impl Into<String>,
        x_axis: impl Into<String>,
        y_axis: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            x_axis: x_axis.into(),
            y_axis: y_axis.into(),
            series: Vec::new(),
            markers: Vec::new(),
            x_names: Vec::new(),
            y_range: None,
        }
    }

    /// Appends a series.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Adds a vertical line that is shown under a condition.
    #[must_use]
    pub fn marker(mut self, x: f64, when: Condition) -> Self {
        self.markers.push(Marker { x, when });
        self
    }

    /// Sets the names of the positions on the horizontal axis.
    #[must_use]
    pub fn x_names(mut self, names: Vec<String>) -> Self {
        self.x_names = names;
        self
    }

    /// Sets the ends of the vertical axis, so that plots can be compared.
    #[must_use]
    pub fn y_range(mut self, range: [f64; 2]) -> Self {
        self.y_range = Some(range);
        self
    }

    /// Draws the plot.
    pub fn draw(&self) -> Plot {
        let legend = self.legend();
        // Rows are counted from 0; without series there is no legend.
        let n_rows = legend.last().map_or(0.0, |entry| entry.row + 1.0);
        let top = 32.0 + LEGEND_ROW * n_rows + 22.0;
        let bottom = top + HEIGHT;
        let (across, up) = self.scales(top, bottom);
        let left = up.width_beside();

        let mut drawing = Drawing::new([WIDTH, bottom + 42.0]);
        drawing.text("t", [1.0, 17.0], Anchor::Start, &self.title);
        for (style, (series, LegendEntry { x, row })) in self.series.iter().zip(&legend).enumerate()
        {
            let y = 36.0 + LEGEND_ROW * row;
            drawing.lines(&line_class(style), &[[[x + 1.0, y], [x + 29.0, y]]]);
            drawing.path(&mark_class(style), &mark([x + 15.0, y], style));
            let at = [x + SAMPLE, y + 4.0];
            drawing.text_within("i", at, Anchor::Start, &series.label, WIDEST_NAME);
        }
        drawing.text("", [1.0, top - 9.0], Anchor::Start, &self.y_axis);
        if self.x_names.is_empty() {
            across.draw_below(&mut drawing, [top, bottom]);
        } else {
            across.draw_names_below(&mut drawing, [top, bottom], &self.x_names);
        }
        up.draw_beside(&mut drawing, [left, RIGHT]);
        drawing.lines("a", &[[[left, bottom], [RIGHT, bottom]]]);
        let below = [(left + RIGHT) / 2.0, bottom + 36.0];
        drawing.text("", below, Anchor::Middle, &self.x_axis);
        for marker in self.markers.iter().filter(|marker| marker.x.is_finite()) {
            let x = across.position(marker.x);
            drawing.group(&marker.when, |drawing| {
                drawing.lines("w", &[[[x, top], [x, bottom]]]);
            });
        }
        // All bands before all lines, so that no band covers a line.
        for (style, series) in self.series.iter().enumerate() {
            series.draw_band(&mut drawing, style, &across, &up);
        }
        for (style, series) in self.series.iter().enumerate() {
            series.draw_line(&mut drawing, style, [&across, &up], &self.x_names);
        }
        drawing.finish(&format!(
            "{}: {} over {}",
            self.title, self.y_axis, self.x_axis
        ))
    }

    /// Returns the horizontal and the vertical scale of a plot between two heights.
    fn scales(&self, top: f64, bottom: f64) -> (Scale, Scale) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let marker_xs = self.markers.iter().map(|marker| marker.x);
        let xs = points().map(|point| point.x).chain(marker_xs);
        let x_range = range_of(xs.clone());
        let y_range = self.y_range.unwrap_or_else(|| {
            range_of(points().flat_map(|point| {
                let [low, high] = point.interval.unwrap_or([point.y; 2]);
                [point.y, low, high]
            }))
        });
        let up = Scale::with_margin(y_range, [bottom, top]);
        let left = up.width_beside();
        let across = if self.x_names.is_empty() {
            Scale::with_margin(x_range, [left, RIGHT]).with_smallest_step(smallest_step(xs))
        } else {
            // Half a position at both ends gives room for the names.
            Scale::new([x_range[0] - 0.5, x_range[1] + 0.5], [left, RIGHT])
        };
        (across, up)
    }

    /// Arranges the names of the series in rows.
    fn legend(&self) -> Vec<LegendEntry> {
        let mut x = 0.0;
        let mut row = 0.0;
        let mut entries = Vec::with_capacity(self.series.len());
        for series in &self.series {
            let width = SAMPLE + text_width(&series.label, TEXT).min(WIDEST_NAME) + 16.0;
            // A name that is alone in its row stays there, however long it is.
            if x > 0.0 && x + width > WIDTH {
                x = 0.0;
                row += 1.0;
            }
            entries.push(LegendEntry { x, row });
            x += width;
        }
        entries
    }
}

/// Position of a name in the legend: its left end, and its row from 0.
struct LegendEntry {
    x: f64,
    row: f64,
}
