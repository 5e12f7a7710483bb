//! Plots as SVG, for HTML pages and as files.
//!
//! Series differ in colour, dash and shape of their marks. Colours are CSS variables: inside a page, a plot uses those
//! of the page; a file written by [`Plot::to_svg_file`] has its own, for a light and a dark theme. Text that is too
//! long is cut at the border of the plot. Any data can be drawn: numbers that are not finite are gaps, and an axis of
//! length 0 is lengthened.

mod diagram;
mod drawing;
mod heatmap;
mod interval;
mod line;
mod marks;
mod palette;
mod scale;
mod text;

pub use diagram::diagram_plot;
pub use drawing::Plot;
pub use heatmap::{Heatmap, VIRIDIS};
pub use interval::{IntervalPlot, IntervalRow};
pub use line::{LinePlot, Marker, PlotPoint, Series};
pub(super) use palette::Palette;

/// Style sheet of plots, whose colours are the variables of [`Palette`].
///
/// Classes have one letter, since a plot may have thousands of elements:
///
/// - text: `t` title, `i` dark text, `u` and `d` dark and light text on coloured cells, `m` and `e` anchored at the
///   middle and at the end
/// - lines: `g` grid, `a` axis, `r` reference, `w` marker, `x` outline of an empty cell
/// - areas: `s` shaded region, `ground` background of a file
/// - series: `c0` to `c5` colours, `l` line, `n1` to `n4` dashes, `b` band, `f` filled mark, `k` round mark
pub(super) const STYLE: &str = include_str!("plot.css");

#[cfg(test)]
mod tests;
