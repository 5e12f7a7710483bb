//! Tables inside a page.

use maud::{Markup, Render, html};

/// Column of a [`Table`]: its heading, unit and alignment.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::Column;
///
/// assert_ne!(Column::number("Time", "ms"), Column::text("Time"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    name: String,
    unit: String,
    align: Align,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

impl Column {
    /// Creates a column of text, aligned to the left.
    pub fn text(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            unit: String::new(),
            align: Align::Left,
        }
    }

    /// Creates a column of numbers, aligned to the right; `unit` may be empty.
    pub fn number(name: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            unit: unit.into(),
            align: Align::Right,
        }
    }

    /// Class of the cells.
    fn class(&self) -> Option<&'static str> {
        (self.align == Align::Right).then_some("number")
    }

    /// Classes of the heading, which is wrapped if it is long.
    fn header_class(&self) -> Option<&'static str> {
        // Long headings would make a column of short numbers needlessly wide.
        let is_long = self.name.chars().count() + self.unit.chars().count() > 20;
        match (self.class(), is_long) {
            (class, false) => class,
            (Some(_), true) => Some("number long"),
            (None, true) => Some("long"),
        }
    }
}

/// Table with a caption, and with units in the headings of its columns.
///
/// The first cell of a row is the heading of the row. Line breaks within cells are kept. A row that is too short is
/// filled with empty cells, and cells beyond the last column are left out. A table wider than the screen scrolls on its
/// own.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Column, Table};
/// use maud::html;
///
/// let columns = vec![Column::text("Run"), Column::number("Accuracy", "%")];
/// let table = Table::new("Validation", columns).row(["baseline", "91.2"]);
/// assert!(html! { (table) }.into_string().contains("<td class=\"number\">91.2</td>"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Caption above the table.
    pub caption: String,
    /// Columns from left to right.
    pub columns: Vec<Column>,
    /// Rows from top to bottom, each by column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table without rows.
    pub fn new(caption: impl Into<String>, columns: Vec<Column>) -> Self {
        Self {
            caption: caption.into(),
            columns,
            rows: Vec::new(),
        }
    }

    /// Appends a row.
    #[must_use]
    pub fn row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        html! {
            div.scroll {
                table {
                    caption { (self.caption) }
                    thead {
                        tr {
                            @for column in &self.columns {
                                th scope="col" class=[column.header_class()] {
                                    (column.name)
                                    @if !column.unit.is_empty() {
                                        " " span.unit { (column.unit) }
                                    }
                                }
                            }
                        }
                    }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (index, column) in self.columns.iter().enumerate() {
                                    // Cells that a short row lacks are empty, so that all rows have the same number.
                                    (cell(row.get(index).map_or("", String::as_str), index, column))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the cell of a row in the column with this index.
fn cell(text: &str, index: usize, column: &Column) -> Markup {
    html! {
        @if index == 0 {
            th scope="row" class=[column.class()] { (text) }
        } @else {
            td class=[column.class()] { (text) }
        }
    }
}

/// Formats a number for a table, with about four significant digits; a dash if it is not finite.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::number;
///
/// let numbers = [0.0, 0.5384, 21.402, 1234.56, 0.00123456, -2.5e-7, f64::NAN];
/// let texts = ["0", "0.5384", "21.40", "1234.6", "0.00123", "-2.50e-7", "-"];
/// assert_eq!(numbers.map(number), texts);
/// ```
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "-".to_owned(),
        // Both zeros: a table never has -0.
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        size if size >= 0.01 => format!("{value:.4}"),
        size if size >= 1e-3 => format!("{value:.5}"),
        _ => format!("{value:.2e}"),
    }
}
