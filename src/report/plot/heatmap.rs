//! Heatmaps: matrices drawn as coloured cells.

use super::drawing::{Anchor, Drawing, Plot, rectangle};
use super::scale::Scale;
use super::text::{TEXT, text_width};
use crate::report::ticks::{number, range_of, smallest_step, ticks_apart, wide_enough};

/// Sixteen colours of the Viridis map, from low to high.
///
/// Their lightness increases, so that they are ordered for every kind of colour vision.
///
/// # Source
///
/// Smith and van der Walt, "A Better Default Colormap for Matplotlib", 2015.
pub const VIRIDIS: [&str; 16] = [
    "#440154", "#481a6c", "#472f7d", "#414487", "#39568c", "#31688e", "#2a788e", "#23888e",
    "#1f988b", "#22a884", "#35b779", "#54c568", "#7ad151", "#a5db36", "#d2e21b", "#fde725",
];
/// Index of the first colour that is so light that text on it must be dark.
const FIRST_LIGHT: usize = 9;
const TOP: f64 = 66.0;
/// Largest width of the row labels; longer ones are cut.
const WIDEST_LABEL: f64 = 150.0;
/// Smallest side of a cell with a tooltip.
const MIN_TOOLTIP_SIDE: f64 = 6.0;

/// Matrix of numbers drawn as coloured cells, with a colour bar.
///
/// Cells with NaN are empty; numbers outside the range have the first or last colour. If all numbers fit, they are
/// written into the cells. Cells of at least 6 pixels have tooltips with their numbers. The plot is up to 680 pixels
/// wide, and takes about 150 bytes per cell, or 15 for smaller cells.
///
/// # Example
///
/// ```
/// use burn_topology::report::plot::Heatmap;
///
/// let labels = || vec!["layer 1".to_owned(), "layer 2".to_owned()];
/// let heatmap = Heatmap {
///     range: Some([0.0, 1.0]),
///     ..Heatmap::new("Distances", "2-Wasserstein", labels(), labels(), vec![0.0, 0.4, 0.4, 0.0])
/// };
/// assert!(heatmap.draw().to_svg_file().contains("layer 1, layer 2: 0.40"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Heatmap {
    /// Title above the plot.
    pub title: String,
    /// Quantity that is drawn, and its unit.
    pub unit: String,
    /// Labels of the rows, from top to bottom.
    pub row_labels: Vec<String>,
    /// Labels of the columns, from left to right.
    pub column_labels: Vec<String>,
    /// Values row by row; cells without a value are empty.
    pub values: Vec<f64>,
    /// Numbers of the first and the last colour; the range of all finite values if `None`.
    pub range: Option<[f64; 2]>,
}

impl Heatmap {
    /// Creates a heatmap whose colours cover all finite values.
    pub fn new(
        title: impl Into<String>,
        unit: impl Into<String>,
        row_labels: Vec<String>,
        column_labels: Vec<String>,
        values: Vec<f64>,
    ) -> Self {
        Self {
            title: title.into(),
            unit: unit.into(),
            row_labels,
            column_labels,
            values,
            range: None,
        }
    }

    /// Draws the heatmap.
    pub fn draw(&self) -> Plot {
        let [n_rows, n_columns] = [self.row_labels.len(), self.column_labels.len()];
        let values = self.values.iter().copied();
        let range = wide_enough(self.range.unwrap_or_else(|| range_of(values)));
        let left = widest(&self.row_labels).min(WIDEST_LABEL) + 14.0;
        let cell_width = ((564.0 - left) / n_columns.max(1) as f64).clamp(2.0, 64.0);
        let cell_height = (400.0 / n_rows.max(1) as f64).clamp(2.0, 30.0);
        let right = left + cell_width * n_columns as f64;
        let [top, end] = [TOP, TOP + cell_height * n_rows as f64];
        // The colour bar needs this height, even beside a single row.
        let bottom = end.max(top + 120.0);
        let mut drawing = Drawing::new([(right + 100.0).max(360.0), bottom + 14.0]);
        drawing.text("t", [1.0, 17.0], Anchor::Start, &self.title);
        drawing.text("", [1.0, 36.0], Anchor::Start, &self.unit);

        // Where cells are lower than a line of text, only every k-th row has a label.
        let every = (14.0 / cell_height).ceil() as usize;
        for (row, label) in self.row_labels.iter().enumerate().step_by(every) {
            let at = [left - 7.0, top + cell_height * (row as f64 + 0.5) + 4.0];
            drawing.text("", at, Anchor::End, label);
        }
        let room = widest(&self.column_labels).min(90.0);
        let every = ((room + 6.0) / cell_width).ceil() as usize;
        for (column, label) in self.column_labels.iter().enumerate().step_by(every) {
            let at = [left + cell_width * (column as f64 + 0.5), top - 8.0];
            let room = (cell_width * every as f64 - 4.0).min(2.0 * (at[0] - 2.0));
            drawing.text_within("", at, Anchor::Middle, label, room);
        }
        let grid = Grid {
            corner: [left, top],
            cell: [cell_width, cell_height],
        };
        if cell_width.min(cell_height) >= MIN_TOOLTIP_SIDE {
            self.draw_cells(&mut drawing, &grid, range);
        } else {
            self.draw_small_cells(&mut drawing, &grid, range);
        }
        self.draw_color_bar(&mut drawing, right + 18.0, [top, bottom], range);
        drawing.finish(&format!("{}: {}", self.title, self.unit))
    }

    /// Returns the value of a cell; NaN if there is none.
    fn value(&self, row: usize, column: usize) -> f64 {
        let value = self.values.get(row * self.column_labels.len() + column);
        value.copied().unwrap_or(f64::NAN)
    }

    /// Draws cells with tooltips, and with their numbers if all fit.
    fn draw_cells(&self, drawing: &mut Drawing, grid: &Grid, range: [f64; 2]) {
        let [width, height] = grid.cell;
        let gap = if width.min(height) > 8.0 { 1.0 } else { 0.0 };
        let size = [width - gap, height - gap];
        let numbers = self.values.iter().map(|value| number(*value, range));
        let widest = numbers.fold(0.0, |width: f64, text| width.max(text_width(&text, TEXT)));
        let has_numbers = height >= 18.0 && widest <= width;
        for (row, row_label) in self.row_labels.iter().enumerate() {
            for (column, column_label) in self.column_labels.iter().enumerate() {
                let value = self.value(row, column);
                let corner = grid.corner_of(row, column);
                let text = number(value, range);
                let title = format!("{row_label}, {column_label}: {text}");
                let step = step(value, range);
                drawing.cell(corner, size, step.map(|step| VIRIDIS[step]), &title);
                if let Some(step) = step.filter(|_| has_numbers) {
                    let class = if step >= FIRST_LIGHT { "u" } else { "d" };
                    let at = [corner[0] + size[0] / 2.0, corner[1] + size[1] / 2.0 + 4.0];
                    drawing.text(class, at, Anchor::Middle, &text);
                }
            }
        }
    }

    /// Draws cells without tooltips, all those of one colour as one path to keep the file small.
    fn draw_small_cells(&self, drawing: &mut Drawing, grid: &Grid, range: [f64; 2]) {
        let mut paths = vec![String::new(); VIRIDIS.len()];
        for row in 0..self.row_labels.len() {
            for column in 0..self.column_labels.len() {
                if let Some(step) = step(self.value(row, column), range) {
                    paths[step] += &rectangle(grid.corner_of(row, column), grid.cell);
                }
            }
        }
        for (path, color) in paths.iter().zip(VIRIDIS) {
            drawing.filled(path, color);
        }
    }

    /// Draws the colours with their numbers.
    fn draw_color_bar(&self, drawing: &mut Drawing, left: f64, ends: [f64; 2], range: [f64; 2]) {
        let [top, bottom] = ends;
        let height = (bottom - top) / VIRIDIS.len() as f64;
        for (step, color) in VIRIDIS.iter().enumerate() {
            let corner = [left, bottom - height * (step as f64 + 1.0)];
            // The overlap hides gaps that rounding would leave between the colours.
            drawing.cell(corner, [12.0, height + 0.3], Some(color), "");
        }
        let scale = Scale::new(range, [bottom, top]);
        let step = smallest_step(self.values.iter().copied());
        for tick in ticks_apart(range, 4, step) {
            let at = [left + 18.0, scale.position(tick.value) + 4.0];
            drawing.text("", at, Anchor::Start, &tick.label);
        }
    }
}

/// Position and size of the cells.
struct Grid {
    corner: [f64; 2],
    cell: [f64; 2],
}

impl Grid {
    fn corner_of(&self, row: usize, column: usize) -> [f64; 2] {
        let [left, top] = self.corner;
        let [width, height] = self.cell;
        [left + width * column as f64, top + height * row as f64]
    }
}

/// Returns the index of a number's colour; `None` for NaN.
fn step(value: f64, range: [f64; 2]) -> Option<usize> {
    let position = Scale::new(range, [0.0, VIRIDIS.len() as f64]).position(value);
    // The upper end of the range has no colour after it, so it gets the last one.
    (!value.is_nan()).then(|| (position as usize).min(VIRIDIS.len() - 1))
}

/// Returns the width of the widest of several labels.
fn widest(labels: &[String]) -> f64 {
    labels
        .iter()
        .map(|label| text_width(label, TEXT))
        .fold(0.0, f64::max)
}
