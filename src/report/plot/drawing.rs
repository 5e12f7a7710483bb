//! Elements of SVG drawings, and the finished plot.

use std::fmt::Write;

use maud::{PreEscaped, Render};

use super::STYLE;
use super::palette::Palette;
use super::text::{TEXT, TITLE, escaped, shortened};
use crate::report::condition::Condition;

/// Margin around a plot that is written to a file.
const MARGIN: f64 = 12.0;

/// Finished plot: renders as an element of a page, or becomes a file by [`Plot::to_svg_file`].
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
    /// Returns the plot as an SVG file, which follows the viewer's choice of a light or dark theme.
    ///
    /// Elements with a condition are hidden, as a file has no controls.
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

    /// Returns the `svg` element with the given content.
    fn element(&self, namespace: &str, margin: f64, body: &str) -> String {
        let [width, height] = [self.width, self.height].map(|side| pixels(side + 2.0 * margin));
        let corner = pixels(-margin);
        let label = escaped(&self.label);
        // A wide plot scrolls on a small screen, where shrinking would make it illegible.
        let style = if self.width > 400.0 {
            format!(" style=\"min-width:min(36rem,{width}px)\"")
        } else {
            String::new()
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

/// Part of a text that lies at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// SVG drawing under construction; its origin is the top left corner.
pub(super) struct Drawing {
    size: [f64; 2],
    body: String,
}

impl Drawing {
    /// Creates an empty drawing of the given width and height.
    pub(super) fn new(size: [f64; 2]) -> Self {
        Self {
            size,
            body: String::new(),
        }
    }

    /// Width of the drawing.
    pub(super) fn width(&self) -> f64 {
        self.size[0]
    }

    /// Draws a path; nothing if it is empty.
    pub(super) fn path(&mut self, class: &str, path: &str) {
        if !path.is_empty() {
            // Here and below: writing to a `String` cannot fail.
            let _ = write!(self.body, r#"<path class="{class}" d="{path}"/>"#);
        }
    }

    /// Draws a path with a tooltip.
    pub(super) fn titled_path(&mut self, class: &str, path: &str, title: &str) {
        let title = escaped(title);
        let _ = write!(
            self.body,
            r#"<path class="{class}" d="{path}"><title>{title}</title></path>"#
        );
    }

    /// Draws separate lines, each given by its two ends.
    pub(super) fn lines(&mut self, class: &str, lines: &[[[f64; 2]; 2]]) {
        let path: String = lines.iter().map(|ends| polyline(ends)).collect();
        self.path(class, &path);
    }

    /// Draws a rectangle, given its top left corner.
    pub(super) fn rectangle(&mut self, class: &str, corner: [f64; 2], size: [f64; 2]) {
        self.path(class, &rectangle(corner, size));
    }

    /// Draws a path filled with a colour that stands for a number, and is the same in every theme.
    pub(super) fn filled(&mut self, path: &str, color: &str) {
        if !path.is_empty() {
            let _ = write!(self.body, r#"<path fill="{color}" d="{path}"/>"#);
        }
    }

    /// Draws a rectangle filled with a colour that stands for a number; an outline if there is none.
    pub(super) fn cell(
        &mut self,
        corner: [f64; 2],
        size: [f64; 2],
        color: Option<&str>,
        title: &str,
    ) {
        let fill = match color {
            Some(color) => format!(r#"fill="{color}""#),
            None => r#"class="x""#.to_owned(),
        };
        let title = match title {
            "" => String::new(),
            title => format!("<title>{}</title>", escaped(title)),
        };
        let path = rectangle(corner, size);
        let _ = write!(self.body, r#"<path {fill} d="{path}">{title}</path>"#);
    }

    /// Writes text, which is cut at the border of the drawing; a tooltip then has all of it.
    pub(super) fn text(&mut self, class: &str, at: [f64; 2], anchor: Anchor, text: &str) {
        let left = at[0];
        let right = self.size[0] - at[0];
        // Text that is anchored at its middle reaches equally far to both sides.
        let room = match anchor {
            Anchor::Start => right,
            Anchor::Middle => 2.0 * left.min(right),
            Anchor::End => left,
        };
        self.text_within(class, at, anchor, text, room);
    }

    /// Writes text, which is cut to a width of `room`; a tooltip then has all of it.
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
        let tooltip = if cut == text {
            String::new()
        } else {
            format!("<title>{}</title>", escaped(text))
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
            r#"<text{class} x="{x}" y="{y}">{cut}{tooltip}</text>"#
        );
    }

    /// Draws a group of elements that are shown while the condition holds.
    pub(super) fn group(&mut self, when: &Condition, draw: impl FnOnce(&mut Self)) {
        let attribute = if when.is_always() {
            String::new()
        } else {
            format!(r#" data-when="{}""#, escaped(&when.to_string()))
        };
        let _ = write!(self.body, "<g{attribute}>");
        draw(self);
        self.body.push_str("</g>");
    }

    /// Returns the finished plot; `label` describes it to readers who cannot see it.
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

/// Returns the path of a line through points.
pub(super) fn polyline(points: &[[f64; 2]]) -> String {
    let mut path = String::new();
    for (index, point) in points.iter().enumerate() {
        let [x, y] = point.map(pixels);
        let _ = write!(path, "{}{x} {y}", if index == 0 { 'M' } else { 'L' });
    }
    path
}

/// Returns the path of a rectangle, given its top left corner.
pub(super) fn rectangle(corner: [f64; 2], size: [f64; 2]) -> String {
    let ([x, y], [width, height]) = (corner.map(pixels), size.map(|side| pixels(side.max(0.0))));
    format!("M{x} {y}h{width}v{height}h-{width}z")
}

/// Formats a coordinate, rounded to a tenth.
pub(super) fn pixels(value: f64) -> String {
    let tenths = (10.0 * value).round();
    // Turns -0 into 0, which is shorter.
    let value = if tenths == 0.0 { 0.0 } else { tenths / 10.0 };
    value.to_string()
}
