//! Colours by name, for light and for dark.

use std::fmt::Write;

/// Which of the two colours of each name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Palette {
    Light,
    Dark,
}

struct Color {
    name: &'static str,
    light: &'static str,
    dark: &'static str,
}

const fn color(name: &'static str, light: &'static str, dark: &'static str) -> Color {
    Color { name, light, dark }
}

/// `--c0` to `--c5` are those of series and homology dimensions.
///
/// # Source
///
/// Okabe and Ito, "Color Universal Design", 2008; lighter on dark, with the hues kept.
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
    fn of(&self, palette: Palette) -> &'static str {
        match palette {
            Palette::Light => self.light,
            Palette::Dark => self.dark,
        }
    }
}

impl Palette {
    /// Definitions of all variables.
    pub(in crate::report) fn variables(self) -> String {
        let mut text = String::new();
        for color in &COLORS {
            let _ = write!(text, "{}:{};", color.name, color.of(self));
        }
        text
    }

    /// A style sheet with each variable replaced by its colour, as programs that draw SVG but know
    /// no variables need it.
    pub(super) fn resolved(self, style: &str) -> String {
        COLORS.iter().fold(style.to_owned(), |style, color| {
            style.replace(&format!("var({})", color.name), color.of(self))
        })
    }
}
