//! Colours of pages and plots, in a light and a dark theme.

use std::fmt::Write;

/// Theme: a light or a dark background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Palette {
    Light,
    Dark,
}

/// CSS variable, and its value in each theme.
struct Color {
    name: &'static str,
    light: &'static str,
    dark: &'static str,
}

const fn color(name: &'static str, light: &'static str, dark: &'static str) -> Color {
    Color { name, light, dark }
}

/// CSS variables of all colours; `--c0` to `--c5` are those of series and homology dimensions.
///
/// # Source
///
/// Okabe and Ito, "Color Universal Design", 2008; in the dark theme lighter colours of the same hues.
const COLORS: [Color; 15] = [
    color("--surface", "#fdfdfc", "#15181c"),
    color("--panel", "#f4f4f2", "#1e2227"),
    color("--ink", "#1c2025", "#e8eaec"),
    color("--soft", "#545b64", "#aab1b9"),
    color("--grid", "#e6e7e8", "#2a2f35"),
    color("--axis", "#9aa0a7", "#6a727b"),
    color("--rule", "#dcdee0", "#343a41"),
    color("--accent", "#00639c", "#74bdec"),
    color("--shade", "#ececea", "#262b31"),
    color("--c0", "#d55e00", "#ec7a2a"),
    color("--c1", "#0072b2", "#4aa3dd"),
    color("--c2", "#009e73", "#2cc299"),
    color("--c3", "#b8588c", "#dd9cc1"),
    color("--c4", "#c78800", "#f0b63c"),
    color("--c5", "#3a9ad9", "#a5dafa"),
];

impl Color {
    /// Returns the colour in a theme.
    fn value(&self, palette: Palette) -> &'static str {
        match palette {
            Palette::Light => self.light,
            Palette::Dark => self.dark,
        }
    }
}

impl Palette {
    /// Returns CSS definitions of all variables.
    pub(in crate::report) fn variables(self) -> String {
        let mut text = String::new();
        for color in &COLORS {
            let _ = write!(text, "{}:{};", color.name, color.value(self));
        }
        text
    }

    /// Replaces every variable in a style sheet by its colour, for SVG viewers that do not support variables.
    pub(super) fn resolved(self, style: &str) -> String {
        COLORS.iter().fold(style.to_owned(), |style, color| {
            style.replace(&format!("var({})", color.name), color.value(self))
        })
    }
}
