//! A matrix as colours.

use super::drawing::{Anchor, Drawing, Plot, rectangle};
use super::scale::Scale;
use super::text::{TEXT, text_width};
use crate::report::ticks::{number, range_of, smallest_step, ticks_apart, wide_enough};

/// Viridis at equal steps, from low to high, which orders by lightness for every kind of sight.
///
/// # Source
///
/// Smith and van der Walt, "A Better Default Colormap for Matplotlib", 2015.
pub const VIRIDIS: [&str; 16] = [
    "#440154", "#481a6c", "#472f7d", "#414487", "#39568c", "#31688e", "#2a788e", "#23888e",
    "#1f988b", "#22a884", "#35b779", "#54c568", "#7ad151", "#a5db36", "#d2e21b", "#fde725",
];
/// From here on text is dark.
const FIRST_LIGHT: usize = 9;
const TOP: f64 = 66.0;
const WIDEST_LABEL: f64 = 150.0;
/// Smaller cells have no tooltip.
const SMALLEST_TITLED: f64 = 6.0;

/// A matrix of numbers as coloured cells, with a bar that says what the colours mean.
///
/// Up to 680 pixels wide. A cell with a NaN is empty; what lies beyond the colours has the last of them.
/// Numbers are written into the cells where all fit, and are in tooltips of cells of at least 6 pixels;
/// about 150 bytes a cell, 15 where they are smaller.
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
    /// What the numbers are, and their unit.
    pub unit: String,
    /// From top to bottom.
    pub row_labels: Vec<String>,
    /// From left to right.
    pub column_labels: Vec<String>,
    /// Row by row; cells that are missing are empty.
    pub values: Vec<f64>,
    /// Numbers of the first and the last colour; of all finite values where it is left out.
    pub range: Option<[f64; 2]>,
}

impl Heatmap {
    /// A heatmap whose colours reach over all finite values.
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

    /// Draws it.
    pub fn draw(&self) -> Plot {
        let [n_rows, n_columns] = [self.row_labels.len(), self.column_labels.len()];
        let values = self.values.iter().copied();
        let range = wide_enough(self.range.unwrap_or_else(|| range_of(values)));
        let of_rows = self.row_labels.iter().map(|label| text_width(label, TEXT));
        let left = of_rows.fold(0.0, f64::max).min(WIDEST_LABEL) + 14.0;
        let cell_width = ((564.0 - left) / n_columns.max(1) as f64).clamp(2.0, 64.0);
        let cell_height = (400.0 / n_rows.max(1) as f64).clamp(2.0, 30.0);
        let right = left + cell_width * n_columns as f64;
        let [top, end] = [TOP, TOP + cell_height * n_rows as f64];
        let bottom = end.max(top + 120.0);
        let mut drawing = Drawing::new([(right + 100.0).max(360.0), bottom + 14.0]);
        drawing.text("t", [1.0, 17.0], Anchor::Start, &self.title);
        drawing.text("", [1.0, 36.0], Anchor::Start, &self.unit);

        let every = (14.0 / cell_height).ceil() as usize;
        for (row, label) in self.row_labels.iter().enumerate().step_by(every) {
            let at = [left - 7.0, top + cell_height * (row as f64 + 0.5) + 4.0];
            drawing.text("", at, Anchor::End, label);
        }
        let widest = self
            .column_labels
            .iter()
            .map(|label| text_width(label, TEXT));
        let room = widest.fold(0.0, f64::max).min(90.0);
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
        match cell_width.min(cell_height) >= SMALLEST_TITLED {
            true => self.draw_cells(&mut drawing, &grid, range),
            false => self.draw_small_cells(&mut drawing, &grid, range),
        }
        self.draw_color_bar(&mut drawing, right + 18.0, [top, bottom], range);
        drawing.finish(&format!("{}: {}", self.title, self.unit))
    }

    fn value(&self, row: usize, column: usize) -> f64 {
        let value = self.values.get(row * self.column_labels.len() + column);
        value.copied().unwrap_or(f64::NAN)
    }

    fn draw_cells(&self, drawing: &mut Drawing, grid: &Grid, range: [f64; 2]) {
        let [width, height] = grid.cell;
        let gap = if width.min(height) > 8.0 { 1.0 } else { 0.0 };
        let size = [width - gap, height - gap];
        let numbers = self.values.iter().map(|value| number(*value, range));
        let widest = numbers.fold(0.0, |w: f64, text| w.max(text_width(&text, TEXT)));
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

    /// One path a colour: too small to point at, and many.
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

    fn draw_color_bar(&self, drawing: &mut Drawing, left: f64, ends: [f64; 2], range: [f64; 2]) {
        let [top, bottom] = ends;
        let height = (bottom - top) / VIRIDIS.len() as f64;
        for (step, color) in VIRIDIS.iter().enumerate() {
            let corner = [left, bottom - height * (step as f64 + 1.0)];
            drawing.cell(corner, [12.0, height + 0.3], Some(color), "");
        }
        let scale = Scale::new(range, [bottom, top]);
        let step = smallest_step(self.values.iter().copied());
        for tick in ticks_apart(range, 4, step) {
            let at = [left + 18.0, scale.place(tick.value) + 4.0];
            drawing.text("", at, Anchor::Start, &tick.label);
        }
    }
}

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

/// The colour of a number.
fn step(value: f64, range: [f64; 2]) -> Option<usize> {
    let place = Scale::new(range, [0.0, VIRIDIS.len() as f64]).place(value);
    let not_nan = !value.is_nan();
    not_nan.then(|| (place as usize).min(VIRIDIS.len() - 1))
}
