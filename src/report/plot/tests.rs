use super::*;
use crate::report::page::Condition;
use crate::topology::{Bar, Diagram};

const HOSTILE: &str = "<script>alert(\"1\")</script> & 'x' \u{0} \u{8} ]]> <!-- -->";

/// Returns the plot as a file, after checking that it is well-formed XML with finite coordinates.
fn checked(plot: &Plot) -> String {
    let file = plot.to_svg_file();
    let inline = maud::html! { (plot) }.into_string();
    for text in [&file, &inline] {
        let document = roxmltree::Document::parse(text).unwrap_or_else(|e| panic!("{e}: {text}"));
        for node in document.descendants().filter(|node| node.is_element()) {
            assert_ne!(node.tag_name().name(), "script");
            for attribute in node
                .attributes()
                .filter(|a| ["d", "x", "y"].contains(&a.name()))
            {
                let bad = ["NaN", "inf", "e"]
                    .iter()
                    .any(|bad| attribute.value().contains(bad));
                assert!(!bad, "{}", attribute.value());
            }
        }
    }
    file
}

fn bar(birth: f64, death: f64) -> Bar<f64> {
    Bar {
        birth,
        death,
        birth_edge: None,
        death_edge: death.is_finite().then_some([0, 1]),
    }
}

/// Numbers that are hard to draw.
const EXTREME: [f64; 9] = [
    0.0,
    1.0,
    -2.5,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e308,
    -1e308,
    5e-324,
];

#[test]
fn lines_of_extreme_numbers_are_well_formed() {
    let mut plot = LinePlot::new(HOSTILE, HOSTILE, HOSTILE);
    checked(&plot.draw());
    for a in EXTREME {
        for b in EXTREME {
            let points = vec![
                PlotPoint::new(a, b).with_interval(b, a),
                PlotPoint::new(b, a),
                PlotPoint::new(a, a).with_interval(a, a),
            ];
            let one = LinePlot::new("", "", "").series(Series::new(HOSTILE, points.clone()));
            checked(
                &one.clone()
                    .marker(b, Condition::equals(HOSTILE, 1))
                    .y_range([a, b])
                    .draw(),
            );
            checked(&one.x_names(vec![HOSTILE.to_owned(); 2]).draw());
            plot = plot.series(Series::new(format!("{a} {b}"), points));
        }
    }
    checked(&plot.draw());
}

#[test]
fn positions_may_have_names() {
    let points = vec![PlotPoint::new(0.0, 2.0), PlotPoint::new(1.0, 3.0)];
    let plot = LinePlot::new("t", "x", "y").series(Series::new("s", points));
    let file = checked(&plot.x_names(vec!["few".into(), "many".into()]).draw());
    assert!(
        file.contains(">few</text>") && file.contains("s: 3.00 at many"),
        "{file}"
    );
}

#[test]
fn lines_have_gaps_and_isolated_points_have_marks() {
    let ys = [1.0, 2.0, f64::NAN, 3.0, f64::INFINITY, 2.0, 2.5];
    let points = ys.iter().enumerate();
    let points = points.map(|(k, y)| PlotPoint::new(k as f64, *y)).collect();
    let file = checked(
        &LinePlot::new("t", "x", "y")
            .series(Series::new("s", points))
            .draw(),
    );
    let document = roxmltree::Document::parse(&file).unwrap();
    let classes = |class: &'static str| {
        let nodes = document.descendants();
        nodes.filter(move |node| node.attribute("class") == Some(class))
    };
    let line = classes("l c0 n0")
        .next_back()
        .unwrap()
        .attribute("d")
        .unwrap();
    assert_eq!(line.matches('M').count(), 2, "{line}");
    let is_isolated = |mark: roxmltree::Node| mark.text() == Some("s: 3.00 at 3");
    assert!(document.descendants().any(is_isolated), "{file}");
}

#[test]
fn intervals_of_extreme_numbers_are_well_formed() {
    for n_rows in [0, 1, 40] {
        let mut plot = IntervalPlot::new(HOSTILE, HOSTILE).reference(f64::NAN);
        for k in 0..n_rows {
            let [a, b] = [EXTREME[k % 9], EXTREME[k / 9]];
            plot = plot.row(IntervalRow::new(HOSTILE, a, [b, a]));
        }
        checked(&plot.draw());
        checked(&plot.reference(0.0).equivalence([1.0, f64::INFINITY]).draw());
    }
}

#[test]
fn an_estimate_without_an_interval_is_drawn_alone_and_told() {
    let plot = IntervalPlot::new("t", "u")
        .row(IntervalRow::new("none", 0.5, [f64::NAN; 2]))
        .row(IntervalRow::new("some", 0.5, [0.0, 1.0]));
    let file = checked(&plot.draw());
    assert!(
        file.contains("0.50, no interval") && file.contains("0.50 [0, 1.00]"),
        "{file}"
    );
    let document = roxmltree::Document::parse(&file).unwrap();
    let count = |class| {
        let has_class = |node: &roxmltree::Node| node.attribute("class") == Some(class);
        document.descendants().filter(has_class).count()
    };
    // Two estimates and one interval.
    assert_eq!((count("f c1"), count("l c1")), (2, 1), "{file}");
}

#[test]
fn heatmaps_of_extreme_numbers_are_well_formed() {
    for [n_rows, n_columns] in [[0, 0], [1, 1], [3, 0], [6, 6], [197, 197]] {
        let labels = |n: usize| (0..n).map(|k| format!("{HOSTILE} {k}")).collect();
        let values = (0..n_rows * n_columns / 2)
            .map(|k| EXTREME[k % 9])
            .collect();
        let heatmap = Heatmap::new(HOSTILE, "unit", labels(n_rows), labels(n_columns), values);
        checked(&heatmap.draw());
        let ranged = Heatmap {
            range: Some([f64::NAN, 0.0]),
            ..heatmap
        };
        checked(&ranged.draw());
    }
}

#[test]
fn diagrams_of_extreme_numbers_are_well_formed_and_small() {
    checked(&diagram_plot(&[], HOSTILE, HOSTILE, f64::NAN));
    let pairs = || {
        EXTREME
            .iter()
            .flat_map(|a| EXTREME.iter().map(|b| bar(*a, *b)))
    };
    let diagrams: Vec<_> = (0..30)
        .map(|homology_dim| Diagram {
            homology_dim,
            bars: pairs().collect(),
        })
        .collect();
    checked(&diagram_plot(&diagrams, HOSTILE, "", 1.0));

    let bars: Vec<_> = (1..20).map(|k| bar(0.0, 0.04 * k as f64)).collect();
    let bars = [bars, vec![bar(0.0, f64::INFINITY)]].concat();
    let diagram = Diagram {
        homology_dim: 0,
        bars,
    };
    let plot = diagram_plot(&[diagram], "Layer 3, frame 12", "distance", 0.9);
    let n_bytes = maud::html! { (plot) }.into_string().len();
    assert!(n_bytes < 2000, "{n_bytes}");
    assert!(checked(&plot).contains("H0: 20 bars"));
}

#[test]
fn styles_differ_in_colour_and_in_shape_or_dash() {
    let styles: std::collections::BTreeSet<_> = (0..30)
        .map(|style| (marks::line_class(style), marks::mark([9.0, 9.0], style)))
        .collect();
    assert_eq!(styles.len(), 30);
    // Without colours, as in print, the shapes alone must differ.
    let shapes: std::collections::BTreeSet<_> =
        (0..6).map(|style| marks::mark([9.0, 9.0], style)).collect();
    assert_eq!(shapes.len(), 6);
}

#[test]
fn files_have_no_variables_and_are_deterministic() {
    let plot = || {
        IntervalPlot::new("t", "u")
            .row(IntervalRow::new("r", 1.0, [0.0, 2.0]))
            .draw()
    };
    let file = plot().to_svg_file();
    assert!(!file.contains("var("), "{file}");
    assert_eq!(file, plot().to_svg_file());
}
