//! The shell around the sections.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use crate::report::plot::{Palette, STYLE as PLOT_STYLE};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing is fetched from anywhere, whatever the sections contain.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A part of a [`Page`] with a heading of its own.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::Section;
/// use maud::html;
///
/// let section = Section::new("Accuracy", html! { p { "Of three runs." } });
/// assert_eq!(section.heading, "Accuracy");
/// ```
#[derive(Debug, Clone)]
pub struct Section {
    /// Heading, also in the table of contents.
    pub heading: String,
    /// What it holds.
    pub body: Markup,
}

impl Section {
    /// A section of anything that renders.
    pub fn new(heading: impl Into<String>, body: impl Render) -> Self {
        Self {
            heading: heading.into(),
            body: body.render(),
        }
    }
}

/// A report: one HTML file with everything in it.
///
/// It may not reach the network, follows the reader's choice of light or dark, works from the keyboard,
/// and prints. About 25 KB and what the sections hold; some thousands of parts with a condition stay
/// fast.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Page, Section};
/// use maud::html;
///
/// let page = Page::new("Three runs", "How far layers are apart.")
///     .section(Section::new("Accuracy", html! { p { "All below 0.9." } }));
/// assert!(page.to_html().starts_with("<!DOCTYPE html>"));
/// ```
#[derive(Debug, Clone)]
pub struct Page {
    /// Title, also of the window.
    pub title: String,
    /// A sentence or two below the title.
    pub lead: String,
    /// From top to bottom.
    pub sections: Vec<Section>,
    drawings: Option<Drawings>,
}

/// What a page brings along that draws what SVG is too slow for.
#[derive(Debug, Clone, Copy)]
struct Drawings {
    style: &'static str,
    script: &'static str,
}

impl Page {
    /// A page without sections.
    pub fn new(title: impl Into<String>, lead: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lead: lead.into(),
            sections: Vec::new(),
            drawings: None,
        }
    }

    /// With a style sheet and a script of its own, for what is drawn as it is looked at. Whenever a control
    /// has moved the document gets the event `page-shown`; the script moves one by setting its `value` and
    /// dispatching `input`.
    #[must_use]
    pub fn drawn_by(mut self, style: &'static str, script: &'static str) -> Self {
        self.drawings = Some(Drawings { style, script });
        self
    }

    /// With one more section at the end.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The file.
    pub fn to_html(&self) -> String {
        let ids = self.ids();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(style())) }
                    script { (PreEscaped(SCRIPT)) }
                    @if let Some(Drawings { style, script }) = self.drawings {
                        style { (PreEscaped(style)) }
                        script { (PreEscaped(script)) }
                    }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        div.buttons {
                            button type="button" data-open-keys aria-haspopup="dialog" { "Keys" }
                            button type="button" data-toggle-theme { "Dark" }
                        }
                        h1 { (self.title) }
                        @if !self.lead.is_empty() { p.lead { (self.lead) } }
                        noscript {
                            p.missing { "Without JavaScript every view is shown, one below the other." }
                        }
                    }
                    div.columns {
                        @if self.sections.len() > 1 { (contents(&self.sections, &ids)) }
                        main id="main" tabindex="-1" {
                            @for (section, id) in self.sections.iter().zip(&ids) {
                                section aria-labelledby=(id) {
                                    h2 id=(id) tabindex="-1" { (section.heading) }
                                    (section.body)
                                }
                            }
                        }
                    }
                    (keys())
                }
            }
        };
        page.into_string()
    }

    /// A name for links to each section: its words, numbered where they come twice. It has no underscore,
    /// as the other names in the page have.
    fn ids(&self) -> Vec<String> {
        let mut taken = BTreeSet::from(["main".to_owned()]);
        let id = |section: &Section| {
            let words = section.heading.to_lowercase();
            let words = words.split(|c: char| !c.is_alphanumeric());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            let name = match words.is_empty() {
                true => "section".to_owned(),
                false => words.join("-"),
            };
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let mut names = std::iter::once(name.clone()).chain(numbered);
            let free = names.find(|name| !taken.contains(name)).unwrap_or(name);
            taken.insert(free.clone());
            free
        };
        self.sections.iter().map(id).collect()
    }
}

fn contents(sections: &[Section], ids: &[String]) -> Markup {
    html! {
        nav.contents aria-label="Contents" {
            ol {
                @for (section, id) in sections.iter().zip(ids) {
                    li { a href={ "#" (id) } { (section.heading) } }
                }
            }
        }
    }
}

fn keys() -> Markup {
    html! {
        dialog.keys aria-labelledby="keys_heading" {
            h2 id="keys_heading" { "Keys" }
            dl {
                div data-needs="range" { dt { kbd { "←" } " " kbd { "→" } } dd { "one step back or on" } }
                div data-needs="choice" { dt { kbd { "[" } " " kbd { "]" } } dd { "the option before or after" } }
                div data-needs="play" { dt { kbd { "Space" } } dd { "play or pause" } }
                div { dt { kbd { "d" } } dd { "light or dark" } }
                div { dt { kbd { "?" } } dd { "these keys" } }
            }
            p data-needs="range" { "The address keeps what is set: a link to it shows the same view." }
            button type="button" data-close-keys { "Close" }
        }
    }
}

/// Colours first, then plots, then the page, and paper last.
fn style() -> String {
    let [light, dark] = [Palette::Light, Palette::Dark].map(Palette::variables);
    let screen = format!(
        ":root{{color-scheme:light;{light}}}\
         @media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}"
    );
    let paper = format!("@media print{{:root:not(#screen){{color-scheme:light;{light}}}}}");
    format!("{screen}\n{PLOT_STYLE}{STYLE}{paper}")
}
