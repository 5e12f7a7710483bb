//! Curves.

use std::fmt::Write;

use super::chart::{Chart, LEFT, Range, around};
use super::{color, escaped, short, width_of};
use crate::report::page::when;

/// A curve.
#[derive(Debug, Clone)]
pub struct Series {
    name: String,
    points: Vec<[f64; 2]>,
    band: Vec<[f64; 2]>,
}

impl Series {
    /// Through these points, x rising; those that are not finite are gaps.
    pub fn new(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Self {
            name: name.into(),
            points,
            band: Vec::new(),
        }
    }

    /// Within this band: lower and upper end at each point.
    pub fn with_band(mut self, band: Vec<[f64; 2]>) -> Self {
        self.band = band;
        self
    }
}

/// A line that stands at one x for each value of a control.
#[derive(Debug, Clone)]
pub struct Cursor {
    /// The control.
    pub control: &'static str,
    /// Where it stands, by value.
    pub x: Vec<f64>,
}

/// Curves over one axis.
///
/// # Example
///
/// ```
/// use burn_topology::report::{LinePlot, Series};
///
/// let series = vec![Series::new("plain", vec![[1.0, 0.2], [2.0, f64::NAN], [3.0, 0.4]])];
/// let svg = LinePlot::new("Flips", "gap (frames)", "flip rate", series).svg();
/// assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
/// ```
#[derive(Debug, Clone)]
pub struct LinePlot {
    title: String,
    labels: [String; 2],
    series: Vec<Series>,
    cursor: Option<Cursor>,
    size: [i32; 2],
    y_range: Option<[f64; 2]>,
}

impl LinePlot {
    /// A plot 370 pixels wide; labels carry their units. `title` is for those who hear it.
    pub fn new(title: &str, x_label: &str, y_label: &str, series: Vec<Series>) -> Self {
        Self {
            title: title.to_owned(),
            labels: [x_label, y_label].map(str::to_owned),
            series,
            cursor: None,
            size: [370, 250],
            y_range: None,
        }
    }

    /// With a line that follows a control.
    pub fn with_cursor(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// With this range of y, so that several plots can be compared.
    pub fn with_y_range(mut self, range: [f64; 2]) -> Self {
        self.y_range = Some(range).filter(|[low, high]| low < high);
        self
    }

    /// The plot.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let bands = self
            .series
            .iter()
            .flat_map(|series| series.band.iter().flatten());
        let y_range = self
            .y_range
            .unwrap_or_else(|| around(points().map(|point| point[1]).chain(bands.copied()), true));
        let cursor = self
            .cursor
            .iter()
            .flat_map(|cursor| cursor.x.iter().copied());
        let rows = self.legend_rows();
        let size = [self.size[0], self.size[1] + 18 * rows.len() as i32]; // the legend lies below
        let x = Range {
            values: around(points().map(|point| point[0]).chain(cursor), false),
            label: &self.labels[0],
            n_ticks: 6,
        };
        let y = Range {
            values: y_range,
            label: &self.labels[1],
            n_ticks: 5,
        };
        let below = 18 * rows.len() as i32;
        let mut chart = Chart::new(size, below, &self.title, &x, &y);
        for (place, series) in self.series.iter().enumerate() {
            chart.push(&format!("<g class=\"{}\">", color(place)));
            draw(&mut chart, series, place);
            chart.push("</g>");
        }
        if let Some(cursor) = &self.cursor {
            let [bottom, top] = chart.y.pixels.map(f64::from);
            for (value, &x) in cursor.x.iter().enumerate() {
                let [x, _] = chart.place([x, 0.0]).map(short);
                chart.push(&format!(
                    "<line class=\"cursor\" data-when=\"{}\" x1=\"{x}\" y1=\"{bottom}\" x2=\"{x}\" y2=\"{top}\"/>",
                    when(&[(cursor.control, value)])
                ));
            }
        }
        self.draw_legend(&mut chart, &rows, size[1]);
        chart.finish()
    }

    /// Series by row, as many as fit.
    fn legend_rows(&self) -> Vec<Vec<usize>> {
        if self.series.len() < 2 {
            return Vec::new();
        }
        let mut rows: Vec<Vec<usize>> = Vec::new();
        let mut used = f64::INFINITY;
        for (place, series) in self.series.iter().enumerate() {
            let width = 40.0 + width_of(&series.name);
            if used + width > f64::from(self.size[0] - LEFT) {
                rows.push(Vec::new());
                used = 0.0;
            }
            rows.last_mut().expect("a row was begun").push(place);
            used += width;
        }
        rows
    }

    fn draw_legend(&self, chart: &mut Chart, rows: &[Vec<usize>], height: i32) {
        for (row, places) in rows.iter().enumerate() {
            let y = f64::from(height) - 6.0 - 18.0 * (rows.len() - 1 - row) as f64;
            let mut x = f64::from(LEFT);
            for &place in places {
                let name = &self.series[place].name;
                chart.push(&format!("<g class=\"{}\">", color(place)));
                let class = format!("curve dash{place}");
                chart.line(&class, [x, y - 4.0], [x + 22.0, y - 4.0]);
                chart.push("</g>");
                chart.text([x + 28.0, y], "start", "", name);
                x += 40.0 + width_of(name);
            }
        }
    }
}

fn draw(chart: &mut Chart, series: &Series, place: usize) {
    let finite = |point: &[f64; 2]| {
        point
            .iter()
            .all(|value| value.is_finite())
            .then_some(*point)
    };
    let points: Vec<Option<[f64; 2]>> = series.points.iter().map(finite).collect();
    let ends = series.points.iter().zip(&series.band);
    let ends: Vec<[[f64; 2]; 2]> = ends
        .map(|([x, _], [low, high])| [[*x, *low], [*x, *high]])
        .filter(|ends| ends.iter().flatten().all(|value| value.is_finite()))
        .collect();
    if ends.len() > 1 {
        let around = ends
            .iter()
            .map(|ends| ends[1])
            .chain(ends.iter().rev().map(|ends| ends[0]));
        let around: Vec<_> = around.map(Some).collect();
        chart.path("band", &around);
    }
    chart.path(&format!("curve dash{place}"), &points);
    for point in points.iter().flatten() {
        let [x, y] = chart.place(*point).map(short);
        let mut dot = String::new();
        let _ = write!(
            dot,
            "<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"2.6\"><title>{}: {} at {}</title></circle>",
            escaped(&series.name),
            round(point[1]),
            round(point[0])
        );
        chart.push(&dot);
    }
}

/// With four digits that say something.
pub(super) fn round(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
