//! Estimates with their intervals, one under the other.

use super::super::axis::Axis;
use super::chart::around;
use super::line::round;
use super::{close, escaped, open, short, text, width_of};

/// An estimate.
#[derive(Debug, Clone)]
pub struct IntervalRow {
    /// Of what.
    pub label: String,
    /// The estimate; not a number for none.
    pub mean: f64,
    /// Where it may lie.
    pub interval: Option<[f64; 2]>,
}

/// Estimates with their intervals beside a line at zero.
///
/// # Example
///
/// ```
/// use burn_topology::report::{IntervalPlot, IntervalRow};
///
/// let row = |label: &str, mean, interval| IntervalRow { label: label.to_owned(), mean, interval };
/// let rows = vec![row("noise", -0.02, Some([-0.05, 0.01])), row("merge", f64::NAN, None)];
/// let svg = IntervalPlot::new("Flip rates", "difference", rows).with_margin(0.015).svg();
/// assert!(svg.contains("noise") && svg.contains("class=\"zone\""));
/// ```
#[derive(Debug, Clone)]
pub struct IntervalPlot {
    title: String,
    label: String,
    rows: Vec<IntervalRow>,
    margin: Option<f64>,
}

const ROW: f64 = 22.0;
const TOP: f64 = 12.0;
const WIDTH: f64 = 640.0;

impl IntervalPlot {
    /// A plot 640 pixels wide and as high as there are rows; the label carries the unit.
    pub fn new(title: &str, label: &str, rows: Vec<IntervalRow>) -> Self {
        Self {
            title: title.to_owned(),
            label: label.to_owned(),
            rows,
            margin: None,
        }
    }

    /// With a zone around zero within which a difference makes none.
    pub fn with_margin(mut self, margin: f64) -> Self {
        self.margin = Some(margin).filter(|margin| margin.is_finite() && *margin > 0.0);
        self
    }

    /// The plot.
    pub fn svg(&self) -> String {
        let bottom = TOP + ROW * self.rows.len() as f64 + 4.0;
        let mut svg = open([WIDTH as i32, bottom as i32 + 44], &self.title);
        let ends = self
            .rows
            .iter()
            .flat_map(|row| row.interval.into_iter().flatten());
        let means = self.rows.iter().map(|row| row.mean);
        let margins = self.margin.iter().flat_map(|margin| [-margin, *margin]);
        let [low, high] = around(ends.chain(means).chain(margins), true);
        let left = self
            .rows
            .iter()
            .map(|row| width_of(&row.label))
            .fold(60.0, f64::max);
        let left = (left + 12.0).min(0.45 * WIDTH);
        let axis = Axis {
            range: [low - 0.04 * (high - low), high],
            pixels: [left as i32, WIDTH as i32 - 20],
        };
        let place = |value: f64| {
            let [from, to] = axis.pixels.map(f64::from);
            let share = (value - axis.range[0]) / (axis.range[1] - axis.range[0]);
            from + share.clamp(0.0, 1.0) * (to - from)
        };
        if let Some(margin) = self.margin {
            let (from, to) = (place(-margin), place(margin));
            svg.push_str(&format!(
                "<rect class=\"zone\" x=\"{}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/>",
                short(from),
                short(to - from),
                short(bottom - TOP)
            ));
        }
        for (value, label) in axis.ticks(6) {
            let x = short(place(value));
            svg.push_str(&format!(
                "<line class=\"grid\" x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom}\"/>"
            ));
            text(
                &mut svg,
                [place(value), bottom + 16.0],
                "middle",
                "soft",
                &label,
            );
        }
        let zero = short(place(0.0));
        svg.push_str(&format!(
            "<line class=\"axis\" x1=\"{zero}\" y1=\"{TOP}\" x2=\"{zero}\" y2=\"{bottom}\"/>"
        ));
        let middle = 0.5 * (left + WIDTH - 20.0);
        text(
            &mut svg,
            [middle, bottom + 36.0],
            "middle",
            "soft",
            &self.label,
        );
        for (row, entry) in self.rows.iter().enumerate() {
            let y = TOP + ROW * (row as f64 + 0.5);
            let label = clipped(&entry.label, left - 8.0);
            text(&mut svg, [left - 8.0, y + 4.0], "end", "", &label);
            if !entry.mean.is_finite() {
                continue;
            }
            svg.push_str("<g class=\"k1\">");
            if let Some([low, high]) = entry
                .interval
                .filter(|ends| ends.iter().all(|end| end.is_finite()))
            {
                svg.push_str(&format!(
                    "<line class=\"curve\" x1=\"{}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>",
                    short(place(low)),
                    short(place(high))
                ));
            }
            let said = match entry.interval {
                Some([low, high]) => {
                    format!("{} [{}, {}]", round(entry.mean), round(low), round(high))
                }
                None => round(entry.mean),
            };
            svg.push_str(&format!(
                "<circle class=\"dot\" cx=\"{}\" cy=\"{y}\" r=\"4\"><title>{}: {said}</title></circle></g>",
                short(place(entry.mean)),
                escaped(&entry.label)
            ));
        }
        close(svg)
    }
}

/// As much of a text as fits.
fn clipped(label: &str, width: f64) -> String {
    let n_fitting = (width / width_of("x")) as usize;
    match label.chars().count() > n_fitting {
        true => label
            .chars()
            .take(n_fitting.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => label.to_owned(),
    }
}
