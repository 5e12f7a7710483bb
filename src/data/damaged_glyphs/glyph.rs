//! Glyphs made of strokes, whose numbers of components and holes are known.

use std::f32::consts::TAU;

/// Glyph made of strokes of a pen.
///
/// The names are words of our own for the shapes, because several of them are no letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyph {
    /// An arc that is open to the right.
    C,
    /// A vertical line and a horizontal line that meet at the lower left.
    L,
    /// Two short lines, one above the other.
    Equals,
    /// A short line below a dot.
    I,
    /// A line between two dots.
    Obelus,
    /// An ellipse.
    O,
    /// Two sloping lines that meet at the top, and a bar between them.
    A,
    /// An ellipse and a dot in it.
    RingAndDot,
    /// A vertical line with two bows at its right.
    B,
    /// An ellipse and a vertical line through it.
    Phi,
    /// Two ellipses, one inside of the other.
    Rings,
    /// A sloping line between two small ellipses.
    Percent,
    /// A square and a cross in it.
    Window,
}

/// Number of segments that a full ellipse is approximated with.
const N_SEGMENTS: usize = 32;

/// Straight piece of a stroke: its two ends, `[x, y]` in the unit square, with `y` downwards.
pub(super) type Segment = [[f32; 2]; 2];

impl Glyph {
    /// All glyphs; the label of a glyph is its place in this list.
    pub(super) const ALL: [Self; 13] = [
        Self::C,
        Self::L,
        Self::Equals,
        Self::I,
        Self::Obelus,
        Self::O,
        Self::A,
        Self::RingAndDot,
        Self::B,
        Self::Phi,
        Self::Rings,
        Self::Percent,
        Self::Window,
    ];

    /// Name of the class.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::L => "l",
            Self::Equals => "equals",
            Self::I => "i",
            Self::Obelus => "obelus",
            Self::O => "o",
            Self::A => "a",
            Self::RingAndDot => "ring_and_dot",
            Self::B => "b",
            Self::Phi => "phi",
            Self::Rings => "rings",
            Self::Percent => "percent",
            Self::Window => "window",
        }
    }

    /// Numbers of connected components and of holes of the glyph.
    pub(super) fn betti(self) -> [usize; 2] {
        match self {
            Self::C | Self::L => [1, 0],
            Self::Equals | Self::I => [2, 0],
            Self::Obelus => [3, 0],
            Self::O | Self::A => [1, 1],
            Self::RingAndDot => [2, 1],
            Self::B | Self::Phi => [1, 2],
            Self::Rings => [2, 2],
            Self::Percent => [3, 2],
            Self::Window => [1, 4],
        }
    }

    /// Strokes of the glyph, as straight segments in the unit square.
    pub(super) fn segments(self) -> Vec<Segment> {
        let dot = |center| vec![[center, center]];
        match self {
            Self::C => arc([0.5, 0.5], [0.42, 0.5], [0.12, 0.88]),
            Self::L => lines(&[[0.15, 0.0], [0.15, 1.0], [0.85, 1.0]]),
            Self::Equals => [
                lines(&[[0.05, 0.3], [0.95, 0.3]]),
                lines(&[[0.05, 0.7], [0.95, 0.7]]),
            ]
            .concat(),
            Self::I => [dot([0.5, 0.05]), lines(&[[0.5, 0.4], [0.5, 1.0]])].concat(),
            Self::Obelus => [
                dot([0.5, 0.1]),
                lines(&[[0.05, 0.5], [0.95, 0.5]]),
                dot([0.5, 0.9]),
            ]
            .concat(),
            Self::O => ellipse([0.5, 0.5], [0.42, 0.5]),
            Self::A => [
                lines(&[[0.0, 1.0], [0.5, 0.0], [1.0, 1.0]]),
                lines(&[[0.17, 0.66], [0.83, 0.66]]),
            ]
            .concat(),
            Self::RingAndDot => [ellipse([0.5, 0.5], [0.5, 0.5]), dot([0.5, 0.5])].concat(),
            Self::B => [
                lines(&[[0.55, 0.0], [0.15, 0.0], [0.15, 1.0], [0.55, 1.0]]),
                lines(&[[0.15, 0.5], [0.55, 0.5]]),
                arc([0.55, 0.25], [0.3, 0.25], [-0.25, 0.25]),
                arc([0.55, 0.75], [0.35, 0.25], [-0.25, 0.25]),
            ]
            .concat(),
            Self::Phi => [
                ellipse([0.5, 0.5], [0.5, 0.34]),
                lines(&[[0.5, 0.0], [0.5, 1.0]]),
            ]
            .concat(),
            Self::Rings => [
                ellipse([0.5, 0.5], [0.5, 0.5]),
                ellipse([0.5, 0.5], [0.2, 0.2]),
            ]
            .concat(),
            Self::Percent => [
                ellipse([0.18, 0.22], [0.18, 0.2]),
                lines(&[[0.8, 0.0], [0.2, 1.0]]),
                ellipse([0.82, 0.78], [0.18, 0.2]),
            ]
            .concat(),
            Self::Window => [
                lines(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]),
                lines(&[[0.5, 0.0], [0.5, 1.0]]),
                lines(&[[0.0, 0.5], [1.0, 0.5]]),
            ]
            .concat(),
        }
    }
}

/// Segments between consecutive points.
fn lines(points: &[[f32; 2]]) -> Vec<Segment> {
    points.windows(2).map(|pair| [pair[0], pair[1]]).collect()
}

/// Arc of an ellipse, between two angles in turns; 0 is to the right, and 0.25 downwards.
fn arc(center: [f32; 2], radii: [f32; 2], [from, to]: [f32; 2]) -> Vec<Segment> {
    let n = ((to - from).abs() * N_SEGMENTS as f32).ceil().max(1.0) as usize;
    let points: Vec<[f32; 2]> = (0..=n)
        .map(|k| {
            let angle = TAU * (from + (to - from) * k as f32 / n as f32);
            [
                center[0] + radii[0] * angle.cos(),
                center[1] + radii[1] * angle.sin(),
            ]
        })
        .collect();
    lines(&points)
}

/// Whole ellipse.
fn ellipse(center: [f32; 2], radii: [f32; 2]) -> Vec<Segment> {
    arc(center, radii, [0.0, 1.0])
}
