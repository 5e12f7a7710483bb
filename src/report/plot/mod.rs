//! Plots as SVG, for pages and as files of their own.

mod chart;
mod diagram;
mod interval;
mod line;

use std::fmt::Write;

pub use diagram::diagram_plot;
pub use interval::{IntervalPlot, IntervalRow};
pub use line::{Cursor, LinePlot, Series};

/// Looks of the plots; colours are those of the page around them, if there is one.
pub(super) const PLOT_STYLE: &str = include_str!("plot.css");

/// A plot as a file that is looked at alone.
///
/// # Example
///
/// ```
/// use burn_topology::report::{Series, LinePlot, standalone};
///
/// let series = vec![Series::new("a", vec![[0.0, 1.0], [1.0, 2.0]])];
/// let file = standalone(&LinePlot::new("Growth", "time (s)", "size (m)", series).svg());
/// assert!(file.starts_with("<svg xmlns=") && file.contains("<style>"));
/// ```
pub fn standalone(svg: &str) -> String {
    let (tag, rest) = svg.split_once('>').unwrap_or((svg, ""));
    // A page is white where it is printed, and so is this.
    format!(
        "{tag}><style>{PLOT_STYLE}</style><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>{rest}\n"
    )
}

/// Number of colours.
const N_COLORS: usize = 6;

fn color(place: usize) -> String {
    format!("k{}", place % N_COLORS)
}

/// Text within a tag.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // What no XML may hold.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Opens a plot of this size in pixels, for people who hear it too.
fn open(size: [i32; 2], title: &str) -> String {
    let [width, height] = size;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">",
        escaped(title)
    )
}

/// A text whose anchor is `start`, `middle` or `end`.
fn text(out: &mut String, [x, y]: [f64; 2], anchor: &str, class: &str, text: &str) {
    let class = match class {
        "" => String::new(),
        class => format!(" class=\"{class}\""),
    };
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\"{class}>{}</text>",
        short(x),
        short(y),
        escaped(text)
    );
}

/// A coordinate with as many digits as one can see.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Width of a text in pixels, about; rather too much than too little.
fn width_of(text: &str) -> f64 {
    7.0 * text.chars().count() as f64
}

/// Closes a plot.
fn close(mut svg: String) -> String {
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Bar, Diagram};

    /// Every plot of some numbers.
    fn plots(numbers: &[f64]) -> Vec<String> {
        let points: Vec<[f64; 2]> = numbers
            .iter()
            .enumerate()
            .map(|(k, &y)| [k as f64, y])
            .collect();
        let band = numbers.iter().map(|&y| [y - 1.0, y + 1.0]).collect();
        let series = vec![
            Series::new("<a> & \"b\"", points.clone()).with_band(band),
            Series::new(
                "b".repeat(70),
                points.iter().map(|&[x, y]| [y, x]).collect(),
            ),
            Series::new("c", Vec::new()),
        ];
        let cursor = Cursor {
            control: "frame",
            x: vec![0.0, 1.0],
        };
        let line = LinePlot::new("<title>", "x (s)", "y (m)", series).with_cursor(cursor);
        let rows = numbers.iter().map(|&mean| IntervalRow {
            label: "a label of a row that goes on and on, and on <b>".repeat(2),
            mean,
            interval: Some([mean - 0.5, mean + 0.25]),
        });
        let interval = IntervalPlot::new("&", "difference", rows.collect());
        let bars = numbers.iter().map(|&death| Bar {
            birth: 0.0,
            death,
            birth_edge: None,
            death_edge: None,
        });
        let diagram = |homology_dim| Diagram {
            homology_dim,
            bars: bars.clone().collect(),
        };
        let largest = numbers.iter().copied().fold(0.0, f64::max);
        vec![
            line.svg(),
            line.with_y_range([0.0, 2.0]).svg(),
            interval.clone().svg(),
            interval.with_margin(0.3).svg(),
            diagram_plot(&[diagram(0), diagram(1), diagram(2)], largest, "a\u{1}b"),
        ]
    }

    #[test]
    fn plots_of_any_numbers_are_whole_and_stay_within_their_frames() {
        let cases: [&[f64]; 8] = [
            &[],
            &[0.5],
            &[0.0, 0.0],
            &[1.0, f64::NAN, 3.0, f64::INFINITY, f64::NEG_INFINITY],
            &[1e300, -1e300],
            &[1e-300, 2e-300],
            &[-5.0, -5.0, -5.0],
            &[1e6, 1e6 + 1.0],
        ];
        for numbers in cases {
            for svg in plots(numbers) {
                for file in [svg.clone(), standalone(&svg)] {
                    let tree =
                        roxmltree::Document::parse(&file).unwrap_or_else(|e| panic!("{e}: {file}"));
                    let root = tree.root_element();
                    assert_eq!(root.tag_name().name(), "svg");
                    let side = |name: &str| root.attribute(name).unwrap().parse::<f64>().unwrap();
                    for (names, side) in [
                        (["x", "x1", "x2", "cx"], side("width")),
                        (["y", "y1", "y2", "cy"], side("height")),
                    ] {
                        for node in tree.descendants() {
                            for value in names.iter().filter_map(|name| node.attribute(*name)) {
                                let value: f64 = value
                                    .parse()
                                    .unwrap_or_else(|_| panic!("{value}: {numbers:?}"));
                                assert!(
                                    (-1.0..=side + 1.0).contains(&value),
                                    "{value} {numbers:?}"
                                );
                            }
                        }
                    }
                    assert!(!file.contains("NaN") && !file.contains("inf\""), "{file}");
                }
            }
        }
    }

    #[test]
    fn a_thousand_diagrams_fit_a_page() {
        let numbers: Vec<f64> = (0..20).map(|k| 0.1 + 0.03 * f64::from(k)).collect();
        let diagram = plots(&numbers).pop().unwrap();
        assert!(diagram.len() < 3000, "{}", diagram.len());
    }
}
