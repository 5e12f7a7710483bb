//! Clip by clip: frames, what was made of them, and their topology.

use maud::{Markup, html};

use super::arms::RunReading;
use super::comparison::Comparisons;
use super::reading::ShownClip;
use super::suite::Suite;
use crate::coherence::most_probable;
use crate::model::Task;
use crate::report::page::{
    Column, Condition, Control, PixelImage, Steps, Table, controls, figure, shown_when,
    side_by_side,
};
use crate::report::plot::{LinePlot, PlotPoint, Series, diagram_plot};

/// Classes listed for a frame, the most probable first.
const N_CLASSES: usize = 3;

/// Width of a frame on the page, in pixels.
const FRAME_WIDTH: u32 = 176;

const MILLISECONDS_PER_FRAME: u32 = 450;

/// What the first run of each arm made of the clips that are shown.
pub(super) fn browser(suite: &Suite, runs: &[RunReading], comparisons: &Comparisons) -> Markup {
    let arms = comparisons.arms.iter().filter_map(|arm| {
        let (seed, &run) = arm.runs.iter().next()?;
        Some((format!("{}, seed {seed}", arm.name), &runs[run]))
    });
    let arms: Vec<(String, &RunReading)> = arms.collect();
    let shown: &[ShownClip] = &arms[0].1.reading.shown;
    let n_frames = suite.spec.n_frames;
    let n_layers = shown.first().map_or(0, |clip| clip.layers.len());
    let clips = shown.iter().map(|clip| &*suite.clips[clip.index].name);
    let mut bar = vec![Control::choice("clip", "Clip", clips)];
    if n_layers > 1 {
        let layers = (0..n_layers).map(|layer| layer.to_string());
        bar.push(Control::choice("layer", "Layer", layers));
    }
    let frames = Control::range("frame", "Frame", Steps::Fixed(n_frames));
    bar.push(frames.played(MILLISECONDS_PER_FRAME));
    html! {
        (controls(&bar))
        @for (place, clip) in shown.iter().enumerate() {
            (shown_when(&Condition::of("clip", place), html! {
                (side_by_side(
                    [true_frames(suite, clip.index)]
                        .into_iter()
                        .chain(arms.iter().map(|(arm, run)| answers(suite, arm, run, place)))
                ))
                @for layer in 0..n_layers {
                    @let when = match n_layers {
                        1 => Condition::always(),
                        _ => Condition::of("layer", layer),
                    };
                    (shown_when(&when, topology(&arms, place, layer, n_frames)))
                }
            }))
        }
    }
}

fn true_frames(suite: &Suite, index: usize) -> Markup {
    let clip = &suite.clips[index];
    let frames = clip.sample.pixels.chunks_exact(suite.spec.frame_len());
    let alt = |frame| format!("frame {frame} of {}", clip.name);
    figure(pictures(suite, frames, 0, alt), "The clip")
}

/// Frames of which the first belongs to frame `first` of the clip.
fn pictures<'a>(
    suite: &Suite,
    frames: impl Iterator<Item = &'a [f32]>,
    first: usize,
    alt: impl Fn(usize) -> String,
) -> Markup {
    let spec = suite.spec;
    html! {
        @for (place, pixels) in frames.enumerate() {
            @let frame = first + place;
            (shown_when(&Condition::of("frame", frame), PixelImage {
                pixels,
                shape: [spec.n_channels, spec.height, spec.width],
                alt: &alt(frame),
                width: FRAME_WIDTH,
            }))
        }
    }
}

/// What a run says of each frame, or predicts of it.
fn answers(suite: &Suite, arm: &str, run: &RunReading, place: usize) -> Markup {
    let spec = suite.spec;
    let Some(shown) = run.reading.shown.get(place) else {
        return html! {};
    };
    if run.reading.task == Task::PredictNextFrame {
        let frames = shown.predicted.chunks_exact(spec.frame_len());
        let alt = |frame| format!("{arm}: prediction of frame {frame}");
        let body = html! {
            (shown_when(&Condition::of("frame", 0), html! { p { "Nothing precedes the first frame." } }))
            (pictures(suite, frames, 1, alt))
        };
        return figure(body, arm);
    }
    let label = suite.clips[shown.index].label;
    let rows: Vec<&[f64]> = shown.probabilities.chunks_exact(spec.n_classes).collect();
    if let [row] = rows[..] {
        return figure(classes(row, label), &format!("{arm}, of the clip"));
    }
    let said: Vec<String> = rows
        .iter()
        .map(|row| most_probable(row).to_string())
        .collect();
    let body = html! {
        @for (frame, row) in rows.iter().enumerate() {
            (shown_when(&Condition::of("frame", frame), classes(row, label)))
        }
    };
    figure(body, &format!("{arm}; frame by frame: {}", said.join(" ")))
}

/// The most probable classes.
fn classes(row: &[f64], label: Option<usize>) -> Table {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    let columns = vec![Column::text("Class"), Column::number("Probability", "%")];
    let table = Table::new("", columns);
    order
        .into_iter()
        .take(N_CLASSES)
        .fold(table, |table, class| {
            let name = match label == Some(class) {
                true => format!("{class} (true)"),
                false => class.to_string(),
            };
            table.row([name, format!("{:.0}", 100.0 * row[class])])
        })
}

/// Diagrams of the frame, and the distance from frame to frame.
fn topology(arms: &[(String, &RunReading)], place: usize, layer: usize, n_frames: usize) -> Markup {
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
    let Some((_, first)) = of_arms.first() else {
        return html! {};
    };
    let steps = of_arms.iter().flat_map(|(_, shown)| &shown.layers[layer]);
    let diagrams = steps.flat_map(|step| &step.diagrams);
    let deaths = diagrams.flat_map(|diagram| diagram.finite().map(|bar| bar.death));
    let largest = 1.05 * deaths.fold(0.0, f64::max);
    // A tubelet of several frames has one diagram; the last frame none if the model was not shown it.
    let frames_per_step = (n_frames / first.layers[layer].len()).max(1);
    let diagrams = of_arms.iter().map(|(arm, shown)| {
        let steps = shown.layers[layer].iter().enumerate();
        let plots = steps.map(|(step, found)| {
            let first = step * frames_per_step;
            let when = Condition::between("frame", first, first + frames_per_step - 1);
            let title = format!("layer {layer}, frame {first}");
            shown_when(
                &when,
                diagram_plot(&found.diagrams, &title, "Jensen-Shannon", largest),
            )
        });
        let plots: Vec<Markup> = plots.collect();
        let last = Condition::between("frame", plots.len() * frames_per_step, n_frames);
        let body = html! {
            @for plot in &plots { (plot) }
            (shown_when(&last, html! { p { "The model is not shown this frame." } }))
        };
        figure(body, arm)
    });
    let mut plot = LinePlot::new(
        format!("Distance to the next frame, layer {layer}"),
        "frame",
        "2-Wasserstein (mean tree edge)",
    );
    for (arm, shown) in &of_arms {
        for (dim, distances) in shown.distances[layer].iter().enumerate() {
            let points = distances.iter().enumerate().map(|(step, distance)| {
                let between = (step + 1) * frames_per_step;
                PlotPoint::new(between as f64 - 0.5, distance.unwrap_or(f64::NAN))
            });
            plot = plot.series(Series::new(format!("{arm}, H{dim}"), points.collect()));
        }
    }
    for frame in 0..n_frames {
        plot = plot.marker(frame as f64, Condition::of("frame", frame));
    }
    html! {
        (side_by_side(diagrams))
        (figure(plot.draw(), ""))
    }
}
