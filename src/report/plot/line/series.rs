//! One line of a plot.

use crate::report::plot::drawing::{Drawing, polyline};
use crate::report::plot::marks::{line_class, mark, mark_class};
use crate::report::plot::scale::Scale;
use crate::report::ticks::number;

/// Points that are all marked.
const MOST_MARKED: usize = 40;
/// About so many are marked otherwise.
const SOME_MARKED: usize = 12;

/// A point of a [`Series`].
///
/// # Example
///
/// ```
/// use burn_topology::report::plot::PlotPoint;
///
/// let point = PlotPoint::new(2.0, 0.7).between(0.6, 0.8);
/// assert_eq!(point.interval, Some([0.6, 0.8]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlotPoint {
    /// Place along the horizontal axis.
    pub x: f64,
    /// Height; the line has a gap where it is not finite.
    pub y: f64,
    /// Lower and upper end of the band there.
    pub interval: Option<[f64; 2]>,
}

impl PlotPoint {
    /// A point without a band.
    pub fn new(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            interval: None,
        }
    }

    /// With a band.
    #[must_use]
    pub fn between(mut self, low: f64, high: f64) -> Self {
        self.interval = Some([low, high]);
        self
    }

    /// The ends of the band, where they and the place are finite.
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
    /// Joined in this order.
    pub points: Vec<PlotPoint>,
}

impl Series {
    /// A series of points.
    pub fn new(label: impl Into<String>, points: Vec<PlotPoint>) -> Self {
        Self {
            label: label.into(),
            points,
        }
    }

    pub(super) fn draw_band(&self, drawing: &mut Drawing, look: usize, across: &Scale, up: &Scale) {
        let class = format!("b {}", mark_color(look));
        for part in self.points.split(|point| point.band().is_none()) {
            let edge = |end: usize| {
                move |point: &PlotPoint| {
                    let height = point.interval.map_or(f64::NAN, |ends| ends[end]);
                    [across.place(point.x), up.place(height)]
                }
            };
            let lower = part.iter().map(edge(0));
            let outline: Vec<[f64; 2]> = lower.chain(part.iter().rev().map(edge(1))).collect();
            if part.len() > 1 {
                drawing.path(&class, &(polyline(&outline) + "z"));
            }
        }
    }

    /// `x_names` are the names of the places 0, 1, 2, ... of the horizontal axis.
    pub(super) fn draw_line(
        &self,
        drawing: &mut Drawing,
        look: usize,
        [across, up]: [&Scale; 2],
        x_names: &[String],
    ) {
        let place = |point: &PlotPoint| [across.place(point.x), up.place(point.y)];
        let known = |point: &PlotPoint| point.x.is_finite() && point.y.is_finite();
        let parts = || self.points.split(|point| !known(point));
        let lines = parts().filter(|part| part.len() > 1);
        let lines = lines.map(|part| polyline(&part.iter().map(place).collect::<Vec<_>>()));
        drawing.path(&line_class(look), &lines.collect::<String>());

        let every = match self.points.len() {
            0..=MOST_MARKED => 1,
            // Not at the same places as those of the other series.
            n_points => n_points.div_ceil(SOME_MARKED),
        };
        let offset = (look * every / 3) % every;
        let mut number_of_point = 0;
        for part in parts() {
            for point in part {
                // A point between two gaps has no line that shows it.
                if number_of_point % every == offset || part.len() == 1 {
                    let title = self.in_words(point, across, up, x_names);
                    drawing.titled_path(&mark_class(look), &mark(place(point), look), &title);
                }
                number_of_point += 1;
            }
        }
    }

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
        let is_whole = point.x == point.x.round() && point.x.abs() < 1e9;
        let x = match x_names.get(point.x as usize) {
            Some(name) if is_whole && point.x >= 0.0 => name.clone(),
            _ if is_whole => point.x.to_string(),
            _ => number(point.x, across.range()),
        };
        format!("{}: {}{interval} at {x}", self.label, y(point.y))
    }
}

fn mark_color(look: usize) -> String {
    mark_class(look)
        .split(' ')
        .next_back()
        .unwrap_or_default()
        .to_owned()
}
