//! Pages that stand alone: one file, no network, light and dark, by mouse and by keyboard.

mod control;
mod picture;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use control::{Choice, Control, when};
pub use picture::pixels;

use super::plot::PLOT_STYLE;

/// A page.
///
/// # Example
///
/// ```
/// use burn_topology::report::{Page, html};
///
/// let mut page = Page::new("Runs <a> and <b>", "Two runs, side by side.");
/// page.section("Results", html! { p { "Nothing to be told from chance." } });
/// let text = page.render();
/// assert!(text.starts_with("<!DOCTYPE html>") && text.contains("Runs &lt;a&gt;"));
/// ```
#[derive(Debug, Clone)]
pub struct Page {
    title: String,
    lead: String,
    sections: Vec<(String, Markup)>,
}

/// Nothing comes from elsewhere: not even a page that was tampered with could call out.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

impl Page {
    /// A page without sections; `lead` says in a sentence or two what it shows.
    pub fn new(title: impl Into<String>, lead: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lead: lead.into(),
            sections: Vec::new(),
        }
    }

    /// Adds a section.
    pub fn section(&mut self, heading: impl Into<String>, body: Markup) {
        self.sections.push((heading.into(), body));
    }

    /// The file.
    pub fn render(&self) -> String {
        let sections = self.sections.iter().enumerate();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    link rel="icon" href="data:,";
                    title { (self.title) }
                    style { (PreEscaped(include_str!("page.css"))) (PreEscaped(PLOT_STYLE)) }
                }
                body {
                    header {
                        div.tools {
                            button #keys type="button" { "Keys" }
                            button #theme type="button" { "Light or dark" }
                        }
                        h1 { (self.title) }
                        p.lead { (self.lead) }
                        noscript { p.note { "Pickers and sliders need JavaScript." } }
                        nav aria-label="Sections" {
                            ul {
                                @for (place, (heading, _)) in sections.clone() {
                                    li { a href=(format!("#section-{place}")) { (heading) } }
                                }
                            }
                        }
                    }
                    main {
                        @for (place, (heading, body)) in sections {
                            section aria-labelledby=(format!("section-{place}")) {
                                h2 id=(format!("section-{place}")) { (heading) }
                                (body)
                            }
                        }
                    }
                    dialog #help aria-label="Keys" {
                        form method="dialog" {
                            table {
                                tbody {
                                    @for (keys, what) in KEYS {
                                        tr { td { kbd { (keys) } } td { (what) } }
                                    }
                                }
                            }
                            button { "Close" }
                        }
                    }
                    script { (PreEscaped(include_str!("page.js"))) }
                }
            }
        };
        page.into_string()
    }
}

const KEYS: [(&str, &str); 6] = [
    ("← →", "one step back, one ahead"),
    ("[ ]", "the choice before, the next"),
    ("space", "play, pause"),
    ("d", "light or dark"),
    ("?", "these keys"),
    ("esc", "close"),
];

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    name: &'a str,
    unit: &'a str,
    class: &'static str,
}

impl<'a> Column<'a> {
    /// Of words, to the left.
    pub fn words(name: &'a str) -> Self {
        Self {
            name,
            unit: "",
            class: "words",
        }
    }

    /// Of numbers in a unit, to the right.
    pub fn numbers(name: &'a str, unit: &'a str) -> Self {
        Self {
            name,
            unit,
            class: "numbers",
        }
    }
}

/// A table: what it shows, columns with their units, rows. Wide ones scroll.
///
/// # Example
///
/// ```
/// use burn_topology::report::{Column, html, table};
///
/// let columns = [Column::words("arm"), Column::numbers("accuracy", "fraction")];
/// let rows = vec![vec![html! { "plain" }, html! { "0.54" }]];
/// let text = table("Accuracy", &columns, rows).into_string();
/// assert!(text.contains("<small>fraction</small>"));
/// ```
pub fn table(caption: &str, columns: &[Column<'_>], rows: Vec<Vec<Markup>>) -> Markup {
    html! {
        div.scroll {
            table {
                @if !caption.is_empty() { caption { (caption) } }
                thead {
                    tr {
                        @for column in columns {
                            th scope="col" class=(column.class) {
                                (column.name)
                                @if !column.unit.is_empty() { small { (column.unit) } }
                            }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (cell, column) in row.iter().zip(columns) {
                                td class=(column.class) { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A number of a table, with as many digits as say something; a dash if it is not finite.
///
/// # Example
///
/// ```
/// use burn_topology::report::number;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reaches_for_nothing_and_escapes_what_it_is_given() {
        let mut page = Page::new("<script>alert(1)</script>", "a & b");
        let body = table(
            "<b>",
            &[Column::numbers("<i>", "<u>")],
            vec![vec![html! { "<s>" }]],
        );
        page.section("\"quoted\" <h2>", body);
        let text = page.render();
        for tag in ["<script>alert", "<b>", "<i>", "<u>", "<s>", "<h2>"] {
            assert!(!text.contains(tag), "{tag}");
        }
        assert!(!text.contains("http://") && !text.contains("https://"));
        assert_eq!(text, page.render());
        assert!(text.contains("id=\"section-0\"") && text.contains("href=\"#section-0\""));
    }
}
