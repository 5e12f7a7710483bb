//! A page and its sections as one HTML document.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use crate::report::plot::{Palette, STYLE as PLOT_STYLE};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Content security policy: browsers load nothing from the network, whatever the sections contain.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Part of a [`Page`] with a heading.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::Section;
/// use maud::html;
///
/// let section = Section::new("Accuracy", html! { p { "Mean of three runs." } });
/// assert_eq!(section.heading, "Accuracy");
/// ```
#[derive(Debug, Clone)]
pub struct Section {
    /// Heading, which also appears in the table of contents.
    pub heading: String,
    /// Content below the heading.
    pub body: Markup,
}

impl Section {
    /// Creates a section from anything that renders to HTML.
    pub fn new(heading: impl Into<String>, body: impl Render) -> Self {
        Self {
            heading: heading.into(),
            body: body.render(),
        }
    }
}

/// Report as a single HTML file without external resources.
///
/// The page needs no network, follows the reader's choice of a light or dark theme, can be operated from the keyboard,
/// and can be printed. It has about 25 KB in addition to its sections, and stays fast with a few thousand conditions.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Page, Section};
/// use maud::html;
///
/// let page = Page::new("Three runs", "Distances between consecutive layers.")
///     .section(Section::new("Accuracy", html! { p { "All runs are below 0.9." } }));
/// assert!(page.to_html().starts_with("<!DOCTYPE html>"));
/// ```
#[derive(Debug, Clone)]
pub struct Page {
    /// Title of the page and of the browser window.
    pub title: String,
    /// One or two sentences below the title.
    pub lead: String,
    /// Sections from top to bottom.
    pub sections: Vec<Section>,
    assets: Option<Assets>,
}

/// Style sheet and script of drawings that are too large for SVG.
#[derive(Debug, Clone, Copy)]
struct Assets {
    style: &'static str,
    script: &'static str,
}

impl Page {
    /// Creates a page without sections.
    pub fn new(title: impl Into<String>, lead: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lead: lead.into(),
            sections: Vec::new(),
            assets: None,
        }
    }

    /// Adds a style sheet and a script, for interactive drawings.
    ///
    /// After every change of a control the document receives the event `page-shown`. The script changes a control by
    /// setting its `value` and dispatching `input`.
    #[must_use]
    pub fn with_style_and_script(mut self, style: &'static str, script: &'static str) -> Self {
        self.assets = Some(Assets { style, script });
        self
    }

    /// Appends a section.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// Returns the HTML document.
    pub fn to_html(&self) -> String {
        // All text goes through `maud`, which escapes it. Only the style sheets and scripts of the program are inserted
        // unescaped.
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
                    // Without an icon, browsers would ask a server for `favicon.ico`.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(style())) }
                    // In the head, so that the chosen theme applies before anything is drawn.
                    script { (PreEscaped(SCRIPT)) }
                    @if let Some(Assets { style, script }) = self.assets {
                        style { (PreEscaped(style)) }
                        script { (PreEscaped(script)) }
                    }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        div.buttons {
                            button type="button" data-open-keys aria-haspopup="dialog" { "Keyboard shortcuts" }
                            button type="button" data-toggle-theme { "Dark theme" }
                        }
                        h1 { (self.title) }
                        @if !self.lead.is_empty() { p.lead { (self.lead) } }
                        noscript {
                            p.missing { "Without JavaScript, all views are shown one below the other." }
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

    /// Returns an id for each section, made of the words of its heading and numbered if it occurs twice.
    ///
    /// Ids of sections have no underscore, so that they differ from all other ids of the page.
    fn ids(&self) -> Vec<String> {
        // The element `main` has this id already.
        let mut used = BTreeSet::from(["main".to_owned()]);
        let id = |section: &Section| {
            let heading = section.heading.to_lowercase();
            let words: Vec<&str> = heading
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .collect();
            let name = if words.is_empty() {
                "section".to_owned()
            } else {
                words.join("-")
            };
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let mut candidates = std::iter::once(name.clone()).chain(numbered);
            let unused = candidates
                .find(|candidate| !used.contains(candidate))
                .unwrap_or(name);
            used.insert(unused.clone());
            unused
        };
        self.sections.iter().map(id).collect()
    }
}

/// Returns the table of contents.
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

/// Returns the dialogue that lists the keyboard shortcuts; those without a matching control are hidden.
fn keys() -> Markup {
    html! {
        dialog.keys aria-labelledby="keys_heading" {
            h2 id="keys_heading" { "Keyboard shortcuts" }
            dl {
                div data-needs="range" { dt { kbd { "←" } " " kbd { "→" } } dd { "previous or next step" } }
                div data-needs="choice" { dt { kbd { "[" } " " kbd { "]" } } dd { "previous or next option" } }
                div data-needs="play" { dt { kbd { "Space" } } dd { "play or pause" } }
                div { dt { kbd { "d" } } dd { "light or dark theme" } }
                div { dt { kbd { "?" } } dd { "show or hide this list" } }
            }
            p data-needs="range" { "The address contains the current settings: a link to it opens the same view." }
            button type="button" data-close-keys { "Close" }
        }
    }
}

/// Returns the style sheet: colours, plots, the page, and the colours for printing, which must override the others.
fn style() -> String {
    let [light, dark] = [Palette::Light, Palette::Dark].map(Palette::variables);
    let screen = format!(
        ":root{{color-scheme:light;{light}}}\
         @media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}"
    );
    // The id, which no element has, outranks the selector of a chosen theme.
    let paper = format!("@media print{{:root:not(#screen){{color-scheme:light;{light}}}}}");
    format!("{screen}\n{PLOT_STYLE}{STYLE}{paper}")
}
