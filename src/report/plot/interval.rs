//! Forest plots: estimates with their intervals, one per row.

use super::drawing::{Anchor, Drawing, Plot, polyline};
use super::marks::mark;
use super::scale::Scale;
use super::text::{TEXT, text_width};
use crate::report::NO_INTERVAL;
use crate::report::ticks::{number, range_of};

const WIDTH: f64 = 680.0;
const ROW: f64 = 24.0;
const TOP: f64 = 44.0;
/// Largest width of the labels; longer ones are cut.
const WIDEST_LABEL: f64 = 230.0;

/// Row of an [`IntervalPlot`]: an estimate and its interval.
///
/// # Example
///
/// ```
/// use burn_topology::report::plot::IntervalRow;
///
/// let row = IntervalRow::new("weight 0.1", 0.4, [0.1, 0.7]);
/// assert_eq!(row.interval, [0.1, 0.7]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalRow {
    /// Name of the estimated quantity.
    pub label: String,
    /// Estimated value.
    pub estimate: f64,
    /// Lower and upper end of the interval; an infinite end is drawn as an arrow at the border. If both are NaN there is no
    /// interval, and the estimate is drawn alone.
    pub interval: [f64; 2],
}

impl IntervalRow {
    /// Creates a row.
    pub fn new(label: impl Into<String>, estimate: f64, interval: [f64; 2]) -> Self {
        Self {
            label: label.into(),
            estimate,
            interval,
        }
    }
}

/// Forest plot: estimates and their intervals, one per row, with a reference line.
///
/// The plot is 680 pixels wide and has 24 pixels per row.
///
/// # Example
///
/// ```
/// use burn_topology::report::plot::{IntervalPlot, IntervalRow};
///
/// let plot = IntervalPlot::new("Difference from the baseline", "difference in accuracy (percentage points)")
///     .row(IntervalRow::new("weight 0.1", 0.4, [0.1, 0.7]))
///     .reference(0.0)
///     .equivalence([-0.5, 0.5]);
/// assert!(plot.draw().to_svg_file().contains("0.40 [0.10, 0.70]"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalPlot {
    /// Title above the plot.
    pub title: String,
    /// Estimated quantity and its unit.
    pub axis: String,
    /// Rows from top to bottom.
    pub rows: Vec<IntervalRow>,
    /// Value at which a vertical line is drawn, such as 0 for no difference.
    pub reference: Option<f64>,
    /// Ends of the shaded region in which a difference would not matter.
    pub equivalence: Option<[f64; 2]>,
}

impl IntervalPlot {
    /// Creates a plot without rows.
    pub fn new(title: impl Into<String>, axis: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            axis: axis.into(),
            rows: Vec::new(),
            reference: None,
            equivalence: None,
        }
    }

    /// Appends a row.
    #[must_use]
    pub fn row(mut self, row: IntervalRow) -> Self {
        self.rows.push(row);
        self
    }

    /// Adds a vertical line at a value.
    #[must_use]
    pub fn reference(mut self, value: f64) -> Self {
        self.reference = Some(value);
        self
    }

    /// Adds a shaded region.
    #[must_use]
    pub fn equivalence(mut self, region: [f64; 2]) -> Self {
        self.equivalence = Some(region);
        self
    }

    /// Draws the plot.
    pub fn draw(&self) -> Plot {
        let row_values = self
            .rows
            .iter()
            .flat_map(|row| [row.estimate, row.interval[0], row.interval[1]]);
        let other_values = self
            .reference
            .into_iter()
            .chain(self.equivalence.into_iter().flatten());
        let range = range_of(row_values.chain(other_values));
        let texts: Vec<String> = self.rows.iter().map(|row| in_words(row, range)).collect();
        let widest = |texts: &mut dyn Iterator<Item = &String>| {
            texts.fold(0.0, |w: f64, text| w.max(text_width(text, TEXT)))
        };
        let labels = widest(&mut self.rows.iter().map(|row| &row.label)).min(WIDEST_LABEL);
        let left = labels + 22.0;
        // The plot lies between the labels and the numbers, and is at least 180 pixels wide.
        let right = (WIDTH - widest(&mut texts.iter()) - 20.0).max(left + 180.0);
        // Even without rows, the axis has the height of one.
        let bottom = TOP + ROW * self.rows.len().max(1) as f64;
        let scale = Scale::with_margin(range, [left, right]);

        let mut drawing = Drawing::new([WIDTH, bottom + 44.0]);
        drawing.text("t", [1.0, 17.0], Anchor::Start, &self.title);
        // Drawn first, so that the grid and the estimates lie on top of it.
        if let Some(region) = self.equivalence {
            let [from, to] = region.map(|value| scale.position(value));
            let corner = [from.min(to), TOP - 6.0];
            drawing.rectangle("s", corner, [(to - from).abs(), bottom - corner[1]]);
        }
        scale.draw_below(&mut drawing, [TOP - 6.0, bottom]);
        drawing.lines("a", &[[[left, bottom], [right, bottom]]]);
        if let Some(value) = self.reference.filter(|value| value.is_finite()) {
            let x = scale.position(value);
            drawing.lines("r", &[[[x, TOP - 6.0], [x, bottom]]]);
        }
        let below = [(left + right) / 2.0, bottom + 36.0];
        drawing.text("", below, Anchor::Middle, &self.axis);
        for (index, (row, text)) in self.rows.iter().zip(&texts).enumerate() {
            let y = TOP + ROW * (index as f64 + 0.5) - 3.0;
            drawing.text_within("i", [1.0, y + 4.0], Anchor::Start, &row.label, labels + 1.0);
            drawing.text("", [WIDTH - 4.0, y + 4.0], Anchor::End, text);
            draw_row(&mut drawing, row, &scale, y, [left, right]);
        }
        drawing.finish(&format!("{}: {}", self.title, self.axis))
    }
}

/// Draws an estimate and its interval, with caps or, at infinite ends, arrows.
fn draw_row(drawing: &mut Drawing, row: &IntervalRow, scale: &Scale, y: f64, ends: [f64; 2]) {
    let [low, high] = row.interval;
    let mut path = String::new();
    if !low.is_nan() && !high.is_nan() {
        let positions = [low, high].map(|end| {
            if end.is_finite() {
                scale.position(end)
            } else {
                ends[usize::from(end > 0.0)]
            }
        });
        path = polyline(&positions.map(|x| [x, y]));
        for ((end, x), arrow) in [low, high].iter().zip(positions).zip([5.0, -5.0]) {
            let cap = if end.is_finite() {
                [[x, y - 4.0], [x, y], [x, y + 4.0]]
            } else {
                [[x + arrow, y - 4.0], [x, y], [x + arrow, y + 4.0]]
            };
            path += &polyline(&cap);
        }
    }
    drawing.path("l c1", &path);
    if row.estimate.is_finite() {
        drawing.path("f c1", &mark([scale.position(row.estimate), y], 2));
    }
}

/// Returns the estimate of a row and its interval as text.
fn in_words(row: &IntervalRow, range: [f64; 2]) -> String {
    let [estimate, low, high] =
        [row.estimate, row.interval[0], row.interval[1]].map(|value| number(value, range));
    if !row.interval.iter().all(|end| end.is_nan()) {
        format!("{estimate} [{low}, {high}]")
    } else if row.estimate.is_nan() {
        "unknown".to_owned()
    } else {
        format!("{estimate}, {NO_INTERVAL}")
    }
}
