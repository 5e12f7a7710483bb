//! Series of a line plot.

use crate::report::plot::drawing::{Drawing, polyline};
use crate::report::plot::marks::{line_class, mark, mark_class};
use crate::report::plot::scale::Scale;
use crate::report::ticks::number;

/// Largest number of points in a series of which every point has a mark.
const MAX_ALL_MARKED: usize = 40;
/// Approximate number of marks in a longer series.
const N_SOME_MARKED: usize = 12;

/// Point of a [`Series`], with an optional interval.
///
/// # Example
///
/// ```
/// use burn_topology::report::plot::PlotPoint;
///
/// let point = PlotPoint::new(2.0, 0.7).with_interval(0.6, 0.8);
/// assert_eq!(point.interval, Some([0.6, 0.8]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlotPoint {
    /// Position on the horizontal axis.
    pub x: f64,
    /// Value; the line has a gap where it is not finite.
    pub y: f64,
    /// Lower and upper end of the band at this point.
    pub interval: Option<[f64; 2]>,
}

impl PlotPoint {
    /// Creates a point without a band.
    pub fn new(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            interval: None,
        }
    }

    /// Sets the ends of the band.
    #[must_use]
    pub fn with_interval(mut self, low: f64, high: f64) -> Self {
        self.interval = Some([low, high]);
        self
    }

    /// Returns the ends of the band; `None` if they or the position are not finite.
    fn band(&self) -> Option<[f64; 2]> {
        let finite = |ends: &[f64; 2]| self.x.is_finite() && ends.iter().all(|end| end.is_finite());
        self.interval.filter(finite)
    }
}

/// One line of a [`LinePlot`](super::LinePlot).
///
/// # Example
///
/// ```
/// use burn_topology::report::plot::{PlotPoint, Series};
///
/// let series = Series::new("baseline", vec![PlotPoint::new(0.0, f64::NAN)]);
/// assert_eq!(series.points.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name in the legend.
    pub label: String,
    /// Points, in the order in which the line connects them.
    pub points: Vec<PlotPoint>,
}

impl Series {
    /// Creates a series.
    pub fn new(label: impl Into<String>, points: Vec<PlotPoint>) -> Self {
        Self {
            label: label.into(),
            points,
        }
    }

    /// Draws the band, with gaps between points that have none; the interval of a single point is a vertical line.
    pub(super) fn draw_band(
        &self,
        drawing: &mut Drawing,
        style: usize,
        across: &Scale,
        up: &Scale,
    ) {
        let class = format!("b {}", mark_color(style));
        for part in self.points.split(|point| point.band().is_none()) {
            let edge = |end: usize| {
                move |point: &PlotPoint| {
                    let height = point.interval.map_or(f64::NAN, |ends| ends[end]);
                    [across.position(point.x), up.position(height)]
                }
            };
            let lower = part.iter().map(edge(0));
            let outline: Vec<[f64; 2]> = lower.chain(part.iter().rev().map(edge(1))).collect();
            match part.len() {
                0 => {}
                1 => drawing.path(&line_class(style), &polyline(&outline)),
                _ => drawing.path(&class, &(polyline(&outline) + "z")),
            }
        }
    }

    /// Draws the line and its marks; `x_names` are the names of the positions 0, 1, 2, ... on the horizontal axis.
    pub(super) fn draw_line(
        &self,
        drawing: &mut Drawing,
        style: usize,
        [across, up]: [&Scale; 2],
        x_names: &[String],
    ) {
        let position = |point: &PlotPoint| [across.position(point.x), up.position(point.y)];
        let is_finite = |point: &PlotPoint| point.x.is_finite() && point.y.is_finite();
        let parts = || self.points.split(|point| !is_finite(point));
        let path: String = parts()
            .filter(|part| part.len() > 1)
            .map(|part| polyline(&part.iter().map(position).collect::<Vec<_>>()))
            .collect();
        drawing.path(&line_class(style), &path);

        let every = match self.points.len() {
            0..=MAX_ALL_MARKED => 1,
            n_points => n_points.div_ceil(N_SOME_MARKED),
        };
        // Shifted from series to series, so that marks of different series lie at different positions.
        let offset = (style * every / 3) % every;
        let mut index = 0;
        for part in parts() {
            for point in part {
                // A point between two gaps has no line, so without a mark it would be invisible.
                if index % every == offset || part.len() == 1 {
                    let title = self.in_words(point, across, up, x_names);
                    drawing.titled_path(&mark_class(style), &mark(position(point), style), &title);
                }
                index += 1;
            }
        }
    }

    /// Returns the tooltip of a point: the series, the value, its interval and the position.
    fn in_words(
        &self,
        point: &PlotPoint,
        across: &Scale,
        up: &Scale,
        x_names: &[String],
    ) -> String {
        let y = |value| number(value, up.range());
        let interval = match point.interval {
            Some([low, high]) => format!(" [{}, {}]", y(low), y(high)),
            None => String::new(),
        };
        // Beyond 1e9, all digits of a whole number would be too many to read.
        let is_whole = point.x == point.x.round() && point.x.abs() < 1e9;
        // A negative position becomes index 0 here, so the guard below refuses it.
        let x = match x_names.get(point.x as usize) {
            Some(name) if is_whole && point.x >= 0.0 => name.clone(),
            _ if is_whole => point.x.to_string(),
            _ => number(point.x, across.range()),
        };
        format!("{}: {}{interval} at {x}", self.label, y(point.y))
    }
}

/// Returns the class of the colour of a series.
fn mark_color(style: usize) -> String {
    mark_class(style)
        .split(' ')
        .next_back()
        .unwrap_or_default()
        .to_owned()
}
