//! What plots are drawn on.

use std::fmt::Write;

use maud::{PreEscaped, Render};

use super::STYLE;
use super::palette::Palette;
use super::text::{TEXT, TITLE, escaped, shortened};
use crate::report::page::Condition;

/// Around a plot that is a file of its own.
const MARGIN: f64 = 12.0;

/// A drawn plot: markup inside a page, [`Plot::to_svg_file`] outside.
///
/// # Example
///
/// ```
/// use burn_topology::report::plot::LinePlot;
/// use maud::html;
///
/// let plot = LinePlot::new("Loss", "epoch", "loss (nats)").draw();
/// assert!(html! { (plot) }.into_string().starts_with("<svg"));
/// assert!(plot.to_svg_file().contains("xmlns"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    width: f64,
    height: f64,
    label: String,
    body: String,
}

impl Plot {
    /// The plot as a file of its own, which follows the viewer's choice of light or dark. What is shown
    /// on a condition is left out.
    pub fn to_svg_file(&self) -> String {
        let [light, dark] = [Palette::Light, Palette::Dark].map(|palette| palette.resolved(STYLE));
        let dark = format!("@media(prefers-color-scheme:dark){{{dark}}}");
        let style = format!("<style>{light}{dark}[data-when]{{display:none}}</style>");
        let [width, height] = [self.width, self.height].map(|side| pixels(side + 2.0 * MARGIN));
        let ground =
            format!(r#"<path class="ground" d="M-{MARGIN}-{MARGIN}h{width}v{height}h-{width}z"/>"#);
        let body = format!("{style}{ground}{}", self.body);
        self.element(r#" xmlns="http://www.w3.org/2000/svg""#, MARGIN, &body)
    }

    fn element(&self, namespace: &str, margin: f64, body: &str) -> String {
        let [width, height] = [self.width, self.height].map(|side| pixels(side + 2.0 * margin));
        let corner = pixels(-margin);
        let label = escaped(&self.label);
        // A wide plot scrolls on a small screen, where shrinking would make it illegible.
        let style = match self.width > 400.0 {
            true => format!(" style=\"min-width:min(36rem,{width}px)\""),
            false => String::new(),
        };
        format!(
            "<svg{namespace} class=\"plot\"{style} viewBox=\"{corner} {corner} {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{label}\">{body}</svg>"
        )
    }
}

impl Render for Plot {
    fn render_to(&self, buffer: &mut String) {
        PreEscaped(self.element("", 0.0, &self.body)).render_to(buffer);
    }
}

/// Which part of a text is at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An empty drawing, its origin the top left corner.
pub(super) struct Drawing {
    size: [f64; 2],
    body: String,
}

impl Drawing {
    pub(super) fn new(size: [f64; 2]) -> Self {
        Self {
            size,
            body: String::new(),
        }
    }

    pub(super) fn width(&self) -> f64 {
        self.size[0]
    }

    pub(super) fn path(&mut self, class: &str, path: &str) {
        if !path.is_empty() {
            let _ = write!(self.body, r#"<path class="{class}" d="{path}"/>"#);
        }
    }

    /// A path that says what it is where the pointer rests on it.
    pub(super) fn titled_path(&mut self, class: &str, path: &str, title: &str) {
        let title = escaped(title);
        let _ = write!(
            self.body,
            r#"<path class="{class}" d="{path}"><title>{title}</title></path>"#
        );
    }

    /// Separate lines, from and to.
    pub(super) fn lines(&mut self, class: &str, lines: &[[[f64; 2]; 2]]) {
        let path: String = lines.iter().map(|ends| polyline(ends)).collect();
        self.path(class, &path);
    }

    pub(super) fn rectangle(&mut self, class: &str, corner: [f64; 2], size: [f64; 2]) {
        self.path(class, &rectangle(corner, size));
    }

    /// A path filled with a colour that means a number.
    pub(super) fn filled(&mut self, path: &str, color: &str) {
        if !path.is_empty() {
            let _ = write!(self.body, r#"<path fill="{color}" d="{path}"/>"#);
        }
    }

    /// A filled rectangle of a colour that means a number; an outline without one.
    pub(super) fn cell(
        &mut self,
        corner: [f64; 2],
        size: [f64; 2],
        color: Option<&str>,
        title: &str,
    ) {
        let look = match color {
            Some(color) => format!(r#"fill="{color}""#),
            None => r#"class="x""#.to_owned(),
        };
        let title = match title {
            "" => String::new(),
            title => format!("<title>{}</title>", escaped(title)),
        };
        let path = rectangle(corner, size);
        let _ = write!(self.body, r#"<path {look} d="{path}">{title}</path>"#);
    }

    /// A text that is cut where the drawing ends; whole in its tooltip.
    pub(super) fn text(&mut self, class: &str, at: [f64; 2], anchor: Anchor, text: &str) {
        let left = at[0];
        let right = self.size[0] - at[0];
        let room = match anchor {
            Anchor::Start => right,
            Anchor::Middle => 2.0 * left.min(right),
            Anchor::End => left,
        };
        self.text_within(class, at, anchor, text, room);
    }

    pub(super) fn text_within(
        &mut self,
        class: &str,
        at: [f64; 2],
        anchor: Anchor,
        text: &str,
        room: f64,
    ) {
        let size = if class == "t" { TITLE } else { TEXT };
        let cut = shortened(text, size, room);
        let whole = match cut == text {
            true => String::new(),
            false => format!("<title>{}</title>", escaped(text)),
        };
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => "m",
            Anchor::End => "e",
        };
        let classes = [class, anchor].join(" ");
        let class = match classes.trim() {
            "" => String::new(),
            classes => format!(r#" class="{classes}""#),
        };
        let ([x, y], cut) = (at.map(pixels), escaped(&cut));
        let _ = write!(
            self.body,
            r#"<text{class} x="{x}" y="{y}">{cut}{whole}</text>"#
        );
    }

    /// What is drawn inside is shown while the condition holds.
    pub(super) fn group(&mut self, when: &Condition, draw: impl FnOnce(&mut Self)) {
        let attribute = match when.is_always() {
            true => String::new(),
            false => format!(r#" data-when="{}""#, escaped(&when.to_string())),
        };
        let _ = write!(self.body, "<g{attribute}>");
        draw(self);
        self.body.push_str("</g>");
    }

    pub(super) fn finish(self, label: &str) -> Plot {
        let [width, height] = self.size;
        Plot {
            width,
            height,
            label: label.to_owned(),
            body: self.body,
        }
    }
}

/// A line through points.
pub(super) fn polyline(points: &[[f64; 2]]) -> String {
    let mut path = String::new();
    for (place, point) in points.iter().enumerate() {
        let [x, y] = point.map(pixels);
        let _ = write!(path, "{}{x} {y}", if place == 0 { 'M' } else { 'L' });
    }
    path
}

pub(super) fn rectangle(corner: [f64; 2], size: [f64; 2]) -> String {
    let ([x, y], [width, height]) = (corner.map(pixels), size.map(|side| pixels(side.max(0.0))));
    format!("M{x} {y}h{width}v{height}h-{width}z")
}

/// A coordinate to a tenth.
pub(super) fn pixels(value: f64) -> String {
    let tenths = (10.0 * value).round();
    let value = if tenths == 0.0 { 0.0 } else { tenths / 10.0 };
    value.to_string()
}
