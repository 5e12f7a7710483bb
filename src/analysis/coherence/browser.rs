//! Clip by clip: frames, what was made of them, and their topology.

use super::arms::RunReading;
use super::comparison::Comparisons;
use super::reading::ShownClip;
use super::suite::Suite;
use crate::coherence::most_probable;
use crate::model::Task;
use crate::report::{
    Choice, Control, Cursor, LinePlot, Markup, PreEscaped, Series, diagram_plot, html, pixels, when,
};

/// Classes listed for a frame, the most probable first.
const N_CLASSES: usize = 3;

/// What the first run of each arm made of the clips that are shown.
pub(super) fn browser(suite: &Suite, runs: &[RunReading], comparisons: &Comparisons) -> Markup {
    let arms = comparisons.arms.iter().filter_map(|arm| {
        let (seed, &run) = arm.runs.iter().next()?;
        Some((format!("{}, seed {seed}", arm.name), &runs[run]))
    });
    let arms: Vec<(String, &RunReading)> = arms.collect();
    let shown: Vec<&ShownClip> = arms[0].1.reading.shown.iter().collect();
    let n_frames = suite.spec.n_frames;
    let n_layers = shown.first().map_or(0, |clip| clip.layers.len());
    let clips = shown
        .iter()
        .map(|clip| Choice::new(&*suite.clips[clip.index].name).with_steps(n_frames));
    let mut controls = vec![Control::choice("clip", "Clip", clips.collect()).limiting("frame")];
    if n_layers > 1 {
        let layers = (0..n_layers).map(|layer| Choice::new(layer.to_string()));
        controls.push(Control::choice("layer", "Layer", layers.collect()));
    }
    controls.push(Control::range("frame", "Frame", n_frames));
    html! {
        (Control::bar(&controls))
        @for (place, clip) in shown.iter().enumerate() {
            div data-when=(when(&[("clip", place)])) {
                div.row {
                    (true_frames(suite, clip.index))
                    @for (arm, run) in &arms { (answers(suite, arm, run, place)) }
                }
                @for layer in 0..n_layers { (topology(&arms, place, layer, n_layers, n_frames)) }
            }
        }
    }
}

fn true_frames(suite: &Suite, index: usize) -> Markup {
    let spec = suite.spec;
    let shape = [spec.n_channels, spec.height, spec.width];
    let clip = &suite.clips[index];
    let frames = clip.sample.pixels.chunks_exact(spec.frame_len());
    html! {
        figure {
            @for (frame, of_frame) in frames.enumerate() {
                div data-when=(when(&[("frame", frame)])) {
                    (pixels(of_frame, shape, &format!("frame {frame} of {}", clip.name)))
                }
            }
            figcaption { "the clip" }
        }
    }
}

/// What a run says of each frame, or predicts of it.
fn answers(suite: &Suite, arm: &str, run: &RunReading, place: usize) -> Markup {
    let spec = suite.spec;
    let shape = [spec.n_channels, spec.height, spec.width];
    let Some(shown) = run.reading.shown.get(place) else {
        return html! {};
    };
    if run.reading.task == Task::PredictNextFrame {
        let frames = shown.predicted.chunks_exact(spec.frame_len());
        return html! {
            figure {
                div data-when=(when(&[("frame", 0)])) {
                    (pixels(&vec![0.0; spec.frame_len()], shape, "no prediction of the first frame"))
                }
                @for (before, frame) in frames.enumerate() {
                    div data-when=(when(&[("frame", before + 1)])) {
                        (pixels(frame, shape, &format!("{arm}: prediction of frame {}", before + 1)))
                    }
                }
                figcaption { (arm) }
            }
        };
    }
    let label = suite.clips[shown.index].label;
    let rows: Vec<&[f64]> = shown.probabilities.chunks_exact(spec.n_classes).collect();
    let is_by_frame = rows.len() > 1;
    html! {
        figure {
            @for (frame, row) in rows.iter().enumerate() {
                div data-when=[is_by_frame.then(|| when(&[("frame", frame)]))] { (classes(row, label)) }
            }
            figcaption {
                (arm) ", "
                @if is_by_frame { "of the frame" } @else { "of the clip" }
                @if is_by_frame { ": " (history(&rows)) }
            }
        }
    }
}

fn classes(row: &[f64], label: Option<usize>) -> Markup {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    html! {
        div.bars {
            @for class in order.into_iter().take(N_CLASSES) {
                b.is-true[label == Some(class)] { (class) }
                i style=(format!("width:{:.0}%", 100.0 * row[class])) {}
                span { (format!("{:.0} %", 100.0 * row[class])) }
            }
        }
    }
}

/// The classes of all frames, one after the other.
fn history(rows: &[&[f64]]) -> Markup {
    html! {
        @for (frame, row) in rows.iter().enumerate() {
            span title=(format!("frame {frame}")) { (most_probable(row)) " " }
        }
    }
}

/// Diagrams of the frame, and the distance from frame to frame.
fn topology(
    arms: &[(String, &RunReading)],
    place: usize,
    layer: usize,
    n_layers: usize,
    n_frames: usize,
) -> Markup {
    let of_arms: Vec<(&String, &ShownClip)> = arms
        .iter()
        .filter_map(|(arm, run)| Some((arm, run.reading.shown.get(place)?)))
        .filter(|(_, shown)| {
            shown
                .layers
                .get(layer)
                .is_some_and(|steps| !steps.is_empty())
        })
        .collect();
    if of_arms.is_empty() {
        return html! {};
    }
    let deaths = of_arms.iter().flat_map(|(_, shown)| &shown.layers[layer]);
    let deaths = deaths
        .flat_map(|step| &step.diagrams)
        .flat_map(|diagram| diagram.finite());
    let largest = deaths.map(|bar| bar.death).fold(0.0, f64::max);
    let n_steps = of_arms[0].1.layers[layer].len();
    // A tubelet of several frames has one diagram; the last frame none if the model was not shown it.
    let frames_per_step = (n_frames / n_steps).max(1);
    let series = of_arms.iter().flat_map(|(arm, shown)| {
        (0..2).map(move |dim| {
            let distances = shown.distances[layer][dim].iter().enumerate();
            let at = |step: usize| (frames_per_step * step) as f64 + 0.5 * frames_per_step as f64;
            let points = distances.map(|(step, d)| [at(step), d.unwrap_or(f64::NAN)]);
            Series::new(format!("{arm}, H{dim}"), points.collect())
        })
    });
    let plot = LinePlot::new(
        "distance to the next frame",
        "frame",
        "distance to the next frame (mean tree edge)",
        series.collect(),
    );
    let plot = plot.with_cursor(Cursor {
        control: "frame",
        x: (0..n_frames).map(|frame| frame as f64).collect(),
    });
    let shown_if = (n_layers > 1).then(|| when(&[("layer", layer)]));
    html! {
        div.row data-when=[shown_if] {
            @for (arm, shown) in &of_arms {
                figure {
                    @for frame in 0..n_frames {
                        div data-when=(when(&[("frame", frame)])) {
                            @match shown.layers[layer].get(frame / frames_per_step) {
                                Some(step) => {
                                    (PreEscaped(diagram_plot(&step.diagrams, largest, &format!("diagrams of {arm}, layer {layer}, frame {frame}"))))
                                }
                                None => p { "The model was not shown this frame." }
                            }
                        }
                    }
                    figcaption { (arm) ", layer " (layer) ": H0 discs, H1 triangles" }
                }
            }
            figure { (PreEscaped(plot.svg())) }
        }
    }
}
