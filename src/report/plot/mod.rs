//! Plots as SVG, for pages and as files of their own.
//!
//! Ink is CSS variables and series are told apart by colour, by dash and by the shape of their marks.
//! Inside a page a plot takes the page's colours; [`Plot::to_svg_file`] brings its own, for light and
//! dark. No text leaves its plot, no data make a plot panic: numbers that are not finite are gaps,
//! a range without width is widened.

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

/// How plots look; colours are variables of the page.
pub(super) const STYLE: &str = include_str!("plot.css");

#[cfg(test)]
mod tests;
