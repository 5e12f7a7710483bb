//! Tables of numbers.

use maud::{Markup, Render, html};

/// A column of a [`Table`].
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
    /// Words, on the left.
    pub fn text(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            unit: String::new(),
            align: Align::Left,
        }
    }

    /// Numbers of a unit, on the right and with digits of one width; no unit where it is empty.
    pub fn number(name: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            unit: unit.into(),
            align: Align::Right,
        }
    }

    fn class(&self) -> Option<&'static str> {
        (self.align == Align::Right).then_some("number")
    }

    /// Classes of the header, which may take two lines.
    fn header_class(&self) -> Option<&'static str> {
        let is_long = self.name.chars().count() + self.unit.chars().count() > 20;
        match (self.class(), is_long) {
            (class, false) => class,
            (Some(_), true) => Some("number long"),
            (None, true) => Some("long"),
        }
    }
}

/// A table with a caption, its units in the header; scrolls by itself where the screen is narrow.
///
/// A line break in a cell is one on the page. The first cell of a row is the row's header. A row with fewer cells than columns is filled up with
/// empty ones, and cells beyond the last column are left out.
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
    /// What the table shows.
    pub caption: String,
    /// From left to right.
    pub columns: Vec<Column>,
    /// From top to bottom.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(caption: impl Into<String>, columns: Vec<Column>) -> Self {
        Self {
            caption: caption.into(),
            columns,
            rows: Vec::new(),
        }
    }

    /// With one more row at the bottom.
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
                                @for (place, column) in self.columns.iter().enumerate() {
                                    (cell(row.get(place).map_or("", String::as_str), place, column))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(text: &str, place: usize, column: &Column) -> Markup {
    html! {
        @if place == 0 {
            th scope="row" class=[column.class()] { (text) }
        } @else {
            td class=[column.class()] { (text) }
        }
    }
}

/// A number of a table, with as many digits as say something; a dash if it is not finite.
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
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        size if size >= 0.01 => format!("{value:.4}"),
        size if size >= 1e-3 => format!("{value:.5}"),
        _ => format!("{value:.2e}"),
    }
}
