//! Lines over a common axis.

mod series;

pub use series::{PlotPoint, Series};

use super::drawing::{Anchor, Drawing, Plot};
use super::marks::{line_class, mark, mark_class};
use super::scale::Scale;
use super::text::{TEXT, text_width};
use crate::report::page::Condition;
use crate::report::ticks::{range_of, smallest_step};

const WIDTH: f64 = 680.0;
const RIGHT: f64 = WIDTH - 16.0;
const HEIGHT: f64 = 220.0;
const LEGEND_ROW: f64 = 20.0;
/// Line and mark before a name in the legend.
const SAMPLE: f64 = 36.0;
/// Longest name in the legend, where longer ones are cut.
const WIDEST_NAME: f64 = 300.0;

/// A vertical line in a [`LinePlot`], such as a cursor at the current frame.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::Condition;
/// use burn_topology::report::plot::Marker;
///
/// let marker = Marker { x: 3.0, when: Condition::of("frame", 3) };
/// assert_eq!(marker.when.to_string(), "frame=3");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Marker {
    /// Where it is, in the unit of the horizontal axis.
    pub x: f64,
    /// When it is shown.
    pub when: Condition,
}

/// Several lines with bands around them.
///
/// A line has a gap where a number is not finite. Axes reach over all points, bands and markers.
/// What lies beyond a range that was given is drawn at its end.
/// 680 pixels wide; points are marked and say their numbers where there are up to 40 of a series,
/// otherwise some twelve of them are.
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
    /// What the horizontal axis is, and its unit.
    pub x_axis: String,
    /// What the vertical axis is, and its unit.
    pub y_axis: String,
    /// Drawn in this order.
    pub series: Vec<Series>,
    /// Vertical lines.
    pub markers: Vec<Marker>,
    /// Names of the places 0, 1, 2, ... of the horizontal axis, instead of numbers; none where it is empty.
    pub x_names: Vec<String>,
    /// Lower and upper end of the vertical axis; of all points and bands where it is left out.
    pub y_range: Option<[f64; 2]>,
}

impl LinePlot {
    /// A plot without series.
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

    /// With one more series.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// With one more vertical line.
    #[must_use]
    pub fn marker(mut self, x: f64, when: Condition) -> Self {
        self.markers.push(Marker { x, when });
        self
    }

    /// With names for the places of the horizontal axis.
    #[must_use]
    pub fn x_names(mut self, names: Vec<String>) -> Self {
        self.x_names = names;
        self
    }

    /// With ends of the vertical axis, so that plots can be compared.
    #[must_use]
    pub fn y_range(mut self, range: [f64; 2]) -> Self {
        self.y_range = Some(range);
        self
    }

    /// Draws it.
    pub fn draw(&self) -> Plot {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let of_markers = self.markers.iter().map(|marker| marker.x);
        let xs = points().map(|point| point.x).chain(of_markers);
        let x_range = range_of(xs.clone());
        let of_points = range_of(points().flat_map(|point| {
            let [low, high] = point.interval.unwrap_or([point.y; 2]);
            [point.y, low, high]
        }));
        let y_range = self.y_range.unwrap_or(of_points);

        let legend = self.legend_places();
        let n_rows = legend.last().map_or(0.0, |[_, row]| row + 1.0);
        let top = 32.0 + LEGEND_ROW * n_rows + 22.0;
        let bottom = top + HEIGHT;
        let up = Scale::with_margin(y_range, [bottom, top]);
        let left = up.width_beside();
        let across = match self.x_names.is_empty() {
            true => Scale::with_margin(x_range, [left, RIGHT]).apart(smallest_step(xs)),
            // Half a place at both ends, where names have room.
            false => Scale::new([x_range[0] - 0.5, x_range[1] + 0.5], [left, RIGHT]),
        };

        let mut drawing = Drawing::new([WIDTH, bottom + 42.0]);
        drawing.text("t", [1.0, 17.0], Anchor::Start, &self.title);
        for (place, (series, [x, row])) in self.series.iter().zip(&legend).enumerate() {
            let y = 36.0 + LEGEND_ROW * row;
            drawing.lines(&line_class(place), &[[[x + 1.0, y], [x + 29.0, y]]]);
            drawing.path(&mark_class(place), &mark([x + 15.0, y], place));
            let at = [x + SAMPLE, y + 4.0];
            drawing.text_within("i", at, Anchor::Start, &series.label, WIDEST_NAME);
        }
        drawing.text("", [1.0, top - 9.0], Anchor::Start, &self.y_axis);
        match self.x_names.is_empty() {
            true => across.draw_below(&mut drawing, [top, bottom]),
            false => across.draw_names_below(&mut drawing, [top, bottom], &self.x_names),
        }
        up.draw_beside(&mut drawing, [left, RIGHT]);
        drawing.lines("a", &[[[left, bottom], [RIGHT, bottom]]]);
        let below = [(left + RIGHT) / 2.0, bottom + 36.0];
        drawing.text("", below, Anchor::Middle, &self.x_axis);
        for marker in self.markers.iter().filter(|marker| marker.x.is_finite()) {
            let x = across.place(marker.x);
            drawing.group(&marker.when, |drawing| {
                drawing.lines("w", &[[[x, top], [x, bottom]]]);
            });
        }
        for (place, series) in self.series.iter().enumerate() {
            series.draw_band(&mut drawing, place, &across, &up);
        }
        for (place, series) in self.series.iter().enumerate() {
            series.draw_line(&mut drawing, place, [&across, &up], &self.x_names);
        }
        drawing.finish(&format!(
            "{}: {} over {}",
            self.title, self.y_axis, self.x_axis
        ))
    }

    /// Left end and row of each name in the legend.
    fn legend_places(&self) -> Vec<[f64; 2]> {
        let [mut x, mut row] = [0.0, 0.0];
        let place = |series: &Series| {
            let width = SAMPLE + text_width(&series.label, TEXT).min(WIDEST_NAME) + 16.0;
            if x > 0.0 && x + width > WIDTH {
                [x, row] = [0.0, row + 1.0];
            }
            let place = [x, row];
            x += width;
            place
        };
        self.series.iter().map(place).collect()
    }
}
