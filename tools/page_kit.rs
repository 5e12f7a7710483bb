//! Writes a page that contains every building block of the reports, from synthetic data.
//!
//! `cargo run --example page_kit -- FILE.html [FILE.svg]`; the second argument is a file for one of the plots.

use std::f64::consts::TAU;

use burn_topology::report::page::{
    Column, Condition, Control, Page, PixelImage, Section, Steps, Table, control_value, controls,
    figure, shown_when, side_by_side,
};
use burn_topology::report::plot::{
    Heatmap, IntervalPlot, IntervalRow, LinePlot, Plot, PlotPoint, Series, diagram_plot,
};
use burn_topology::topology::{Diagram, DistanceMatrix, VietorisRips};
use maud::{Markup, html};

/// Number of frames of each synthetic clip.
const N_FRAMES: [usize; 3] = [20, 12, 8];
const CLIPS: [&str; 3] = [
    "a circle that opens",
    "a circle that turns",
    "a circle that shrinks",
];
const SIDE: usize = 24;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: page_kit FILE.html [FILE.svg]")?;
    let lead = "Synthetic data that shows every building block of a report: plots, tables, images, \
                and the controls that select among them.";
    let page = Page::new("Building blocks of a report", lead)
        .section(Section::new("Clips", clips()?))
        .section(Section::new("Training", training()))
        .section(Section::new("Differences", differences()))
        .section(Section::new("Layer by layer", layers()))
        .section(Section::new("Numbers", numbers()));
    std::fs::write(&path, page.to_html())?;
    if let Some(path) = std::env::args().nth(2) {
        std::fs::write(&path, heatmap("Layers, without penalty", 0.5).to_svg_file())?;
    }
    Ok(())
}

/// Returns points on a circle with a gap, for a frame of a clip.
fn circle(clip: usize, frame: usize) -> Vec<[f64; 2]> {
    let fraction = frame as f64 / N_FRAMES[clip] as f64;
    let [gap, turn, radius] = [
        [2.6 * fraction, 0.0, 0.8],
        [0.6, TAU * fraction, 0.7],
        [0.2, 0.0, 0.9 - 0.7 * fraction],
    ][clip];
    let angle = |k: usize| turn + gap / 2.0 + (TAU - gap) * k as f64 / 15.0;
    // Unequal radii keep the sides of the polygon from having the same length.
    let wobble = |k: usize| radius * (1.0 + 0.06 * (7.0 * k as f64).sin());
    (0..16)
        .map(|k| [wobble(k) * angle(k).cos(), wobble(k) * angle(k).sin()])
        .collect()
}

/// Computes the persistence diagrams of points in the plane.
fn diagrams(points: &[[f64; 2]]) -> burn_topology::Result<Vec<Diagram<f64>>> {
    let distance = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let rows = points.iter();
    let distances: Vec<f64> = rows
        .flat_map(|a| points.iter().map(move |b| distance(a, b)))
        .collect();
    VietorisRips::new(1)?.diagrams(&DistanceMatrix::new(&distances, points.len())?)
}

/// Draws points as an image.
fn pixels(points: &[[f64; 2]]) -> Vec<f32> {
    let mut pixels = vec![0.0; SIDE * SIDE];
    for [x, y] in points {
        let [column, row] =
            [x, y].map(|at| ((at + 1.0) / 2.0 * (SIDE - 1) as f64).round() as usize);
        pixels[row.min(SIDE - 1) * SIDE + column.min(SIDE - 1)] = 1.0;
    }
    pixels
}

fn clips() -> burn_topology::Result<Markup> {
    let mut views = Vec::new();
    let mut curves = Vec::new();
    for (clip, name) in CLIPS.iter().enumerate() {
        let mut longest = Vec::new();
        for frame in 0..N_FRAMES[clip] {
            let points = circle(clip, frame);
            let diagrams = diagrams(&points)?;
            longest.push(PlotPoint::new(
                frame as f64,
                diagrams[1].largest_persistence(),
            ));
            let alt = format!("{name}, frame {frame}");
            let image = PixelImage {
                pixels: &pixels(&points),
                shape: [1, SIDE, SIDE],
                alt: &alt,
                width: 240,
            };
            let diagram = diagram_plot(&diagrams, &format!("Frame {frame}"), "distance", 1.8);
            let when = Condition::equals("clip", clip).and("frame", frame);
            let both = side_by_side([html! { (image) }, html! { (diagram) }]);
            views.push(shown_when(&when, both));
        }
        let mut plot = LinePlot::new("The longest cycle", "frame", "persistence (distance)")
            .series(Series::new(*name, longest))
            .y_range([0.0, 1.2]);
        for frame in 0..N_FRAMES[clip] {
            plot = plot.marker(frame as f64, Condition::equals("frame", frame));
        }
        curves.push(shown_when(&Condition::equals("clip", clip), plot.draw()));
    }
    let steps = Steps::ByChoice {
        control: "clip".to_owned(),
        n_steps: N_FRAMES.to_vec(),
    };
    let bar = controls(&[
        Control::choice("clip", "Clip", CLIPS),
        Control::range("frame", "Frame", steps).with_play_button(200),
    ]);
    Ok(html! {
        p { "Each frame has sixteen points; the diagram shows the persistent homology of their distances. As long as \
             the circle is closed, its cycle is a point of H1 far above the diagonal." }
        (bar)
        @for view in &views { (view) }
        (figure(html! { @for curve in &curves { (curve) } },
            "The vertical line marks the frame shown above. The arrow keys change the frame."))
        p { "Current view: " (control_value("clip")) ", frame " (control_value("frame")) "." }
    })
}

fn training() -> Markup {
    let curve = |name: &str, height: f64, gap: usize| {
        let points = (0..30).map(|epoch| {
            let at = epoch as f64;
            let mean = height * (1.0 - (-at / 6.0).exp()) + 0.8 * (at * 1.7 + height).sin();
            let half = 3.0 + 6.0 / (1.0 + at);
            // A gap shows how a missing measurement is drawn.
            if epoch == gap {
                PlotPoint::new(at, f64::NAN)
            } else {
                PlotPoint::new(at, mean).with_interval(mean - half, mean + half)
            }
        });
        Series::new(name, points.collect())
    };
    let plot = LinePlot::new("Validation accuracy", "epoch", "accuracy (%)")
        // There is no epoch 99, so these series have no gap.
        .series(curve("baseline", 84.0, 99))
        .series(curve("cycles of consecutive layers", 88.0, 17))
        .series(curve("components of consecutive layers", 79.0, 99));
    figure(
        plot.draw(),
        "Mean over five seeds with 95 % confidence intervals; in one series, epoch 17 was not measured.",
    )
}

fn differences() -> Markup {
    let plot = IntervalPlot::new(
        "Difference from the baseline",
        "difference in accuracy (percentage points)",
    )
    .row(IntervalRow::new("cycles, weight 0.1", 0.31, [-0.12, 0.74]))
    .row(IntervalRow::new("cycles, weight 0.5", 0.92, [0.45, 1.39]))
    .row(IntervalRow::new(
        "components, weight 0.1",
        0.05,
        [-0.30, 0.40],
    ))
    .row(IntervalRow::new(
        "components, weight 0.5",
        -1.10,
        [-1.92, -0.28],
    ))
    .row(IntervalRow::new(
        "both, one seed only",
        0.40,
        [f64::NEG_INFINITY, f64::INFINITY],
    ))
    .reference(0.0)
    .equivalence([-0.5, 0.5]);
    figure(
        plot.draw(),
        "Mean differences with 95 % confidence intervals over five seeds. Within the shaded equivalence margin, a \
        difference would not matter.",
    )
}

fn heatmap(title: &str, shift: f64) -> Plot {
    let labels = || (1..=8).map(|layer| format!("{layer}")).collect::<Vec<_>>();
    let distance = |k: usize| {
        (shift * (k / 8) as f64 - shift * (k % 8) as f64)
            .abs()
            .sqrt()
    };
    let values = (0..64)
        // One cell without a number shows how a missing value is drawn.
        .map(|k| if k == 60 { f64::NAN } else { distance(k) })
        .collect();
    Heatmap {
        range: Some([0.0, 2.0]),
        ..Heatmap::new(title, "2-Wasserstein distance", labels(), labels(), values)
    }
    .draw()
}

fn layers() -> Markup {
    html! {
        (controls(&[Control::choice("penalty", "Penalty", ["none", "cycles"])]))
        (shown_when(&Condition::equals("penalty", 0), figure(heatmap("Layers, without penalty", 0.5), "")))
        (shown_when(&Condition::equals("penalty", 1), figure(heatmap("Layers, penalty on cycles", 0.1), "")))
    }
}

fn numbers() -> Markup {
    let columns = vec![
        Column::text("Run"),
        Column::number("Accuracy", "%"),
        Column::number("Time per step", "ms"),
        Column::number("Distance to the next layer", "normalised"),
        Column::number("Parameters", ""),
    ];
    let table = Table::new("Results after 30 epochs, with five seeds per row.", columns)
        .row(["baseline", "84.1 ± 0.4", "61.2", "0.412", "812 042"])
        .row([
            "cycles, weight 0.1",
            "84.4 ± 0.3",
            "74.9",
            "0.305",
            "812 042",
        ])
        .row([
            "cycles, weight 0.5",
            "85.0 ± 0.4",
            "75.3",
            "0.187",
            "812 042",
        ]);
    html! { (table) }
}
