//! Text inside plots: escaping, width, shortening.

/// Size of plain text, in units of the drawing.
pub(super) const TEXT: f64 = 12.0;
/// Size of titles.
pub(super) const TITLE: f64 = 14.0;

/// Escapes text for XML; characters that XML does not allow become spaces.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Returns an upper bound of the width of text in the common sans-serif fonts.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    // Widths relative to the font size, measured on the wider of the common fonts: the reader's font is unknown here.
    let relative_width = |c: char| match c {
        'i' | 'j' | 'l' => 0.30,
        'f' | 'r' | 't' | ' ' => 0.42,
        'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' => 0.6,
        '.' | ',' | ':' | ';' | '|' | '!' | '\'' | '(' | ')' | '[' | ']' | '-' => 0.42,
        'm' | 'M' | 'W' | '%' | '@' => 1.0,
        'w' => 0.83,
        'A'..='Z' => 0.78,
        c if c.is_ascii() => 0.64,
        _ => 1.0,
    };
    let bold = if size >= TITLE { 1.1 } else { 1.0 };
    bold * size * text.chars().map(relative_width).sum::<f64>()
}

/// Cuts text to a width, with an ellipsis at the end; empty if not even one character fits.
pub(super) fn shortened(text: &str, size: f64, room: f64) -> String {
    if text_width(text, size) <= room {
        return text.to_owned();
    }
    let mut cut: String = text.to_owned();
    // The ellipsis is counted with the full font size, like any character outside ASCII.
    while cut.pop().is_some() && text_width(&cut, size) + size > room {}
    if cut.trim().is_empty() {
        return String::new();
    }
    cut.trim_end().to_owned() + "…"
}
