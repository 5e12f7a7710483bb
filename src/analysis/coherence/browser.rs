//! The section that shows single clips: frames, predictions and topology.

use maud::{Markup, html};

use super::clip_measurement::ReportedClip;
use super::comparison::ArmComparisons;
use super::measurement::Measurement;
use super::run_measurement::RunMeasurement;
use super::suite::Suite;
use crate::analysis::vine_plot::vine_plot;
use crate::loss::AttentionTopology;
use crate::model::Task;
use crate::report::page::{
    Column, Condition, Control, PixelImage, Steps, Table, controls, figure, shown_when,
    side_by_side,
};
use crate::report::plot::{LinePlot, PlotPoint, Series, diagram_plot};
use crate::topology::vines;
use crate::video_metrics::{Frames, most_probable};

/// Number of classes listed for a frame, the most probable first.
const N_CLASSES: usize = 3;

/// Width of a frame on the page, in pixels.
const FRAME_WIDTH: u32 = 176;

/// Persistence from which bars are drawn, where no margin is calibrated.
const DEFAULT_MARGIN: f64 = 0.1;

/// Time between two frames while a clip plays.
const MILLISECONDS_PER_FRAME: u32 = 450;

/// First run of an arm, with its title on the page.
struct ArmRun<'a> {
    title: String,
    measurement: &'a Measurement,
}

/// Returns the frames, predictions and topology of the reported clips, for the first run of each arm.
pub(super) fn browser(
    suite: &Suite,
    runs: &[RunMeasurement],
    comparisons: &ArmComparisons,
) -> Markup {
    let arms: Vec<ArmRun> = comparisons
        .arms
        .iter()
        .filter_map(|arm| {
            let (seed, &run) = arm.runs.iter().next()?;
            Some(ArmRun {
                title: format!("{}, seed {seed}", arm.name),
                measurement: &runs[run].measurement,
            })
        })
        .collect();
    let reported: &[ReportedClip] = &arms[0].measurement.reported_clips;
    let n_frames = suite.spec.n_frames;
    // Arms may differ in their number of layers.
    let layers = |arm: &ArmRun| Some(arm.measurement.reported_clips.first()?.layers.len());
    let n_layers = arms.iter().filter_map(layers).max().unwrap_or(0);
    let clips = reported.iter().map(|clip| &*suite.clips[clip.index].name);
    let mut bar = vec![Control::choice("clip", "Clip", clips)];
    if n_layers > 1 {
        let layers = (0..n_layers).map(|layer| layer.to_string());
        bar.push(Control::choice("layer", "Layer", layers));
    }
    let frames = Control::range("frame", "Frame", Steps::Fixed(n_frames));
    bar.push(frames.with_play_button(MILLISECONDS_PER_FRAME));
    html! {
        (controls(&bar))
        @for (position, clip) in reported.iter().enumerate() {
            (shown_when(&Condition::equals("clip", position), html! {
                (side_by_side(
                    [true_frames(suite, clip.index)]
                        .into_iter()
                        .chain(arms.iter().map(|arm| predictions(suite, arm, position)))
                ))
                (vine_plots(suite, &arms, position))
                @for layer in 0..n_layers {
                    @let when = match n_layers {
                        1 => Condition::always(),
                        _ => Condition::equals("layer", layer),
                    };
                    (shown_when(&when, topology(&arms, position, layer, n_frames)))
                }
            }))
        }
    }
}

/// Returns the frames of a clip.
fn true_frames(suite: &Suite, index: usize) -> Markup {
    let clip = &suite.clips[index];
    let frames = clip.sample.pixels.chunks_exact(suite.spec.frame_len());
    let alt = |frame| format!("frame {frame} of {}", clip.name);
    figure(frame_images(suite, frames, 0, alt), "The clip")
}

/// Returns the plots of the components and holes of the true and the predicted frames; nothing for classifiers.
fn vine_plots(suite: &Suite, arms: &[ArmRun<'_>], position: usize) -> Markup {
    let Some(first) = arms
        .first()
        .filter(|arm| arm.measurement.task == Task::PredictNextFrame)
    else {
        return html! {};
    };
    let spec = suite.spec;
    let shape = [spec.n_channels, spec.height, spec.width];
    let margin = first.measurement.margin;
    let margin = margin.map_or(DEFAULT_MARGIN, |margin| margin.margin);
    let plot = |title: &str, pixels: &[f32], first_frame: usize| {
        let frames = Frames::new(pixels, shape);
        let grey = frames.grey().concat();
        let [_, height, width] = frames.shape();
        // Pixels of clips and of predictions are numbers from 0 to 1.
        let vines = vines(&grey, [height, width], margin).unwrap_or_default();
        vine_plot(&vines, title, first_frame, frames.len())
    };
    let clip = &suite.clips[first.measurement.reported_clips[position].index];
    let predicted = arms.iter().filter_map(|arm| {
        let clip = arm.measurement.reported_clips.get(position)?;
        // Nothing is predicted for the first frame.
        Some(plot(&arm.title, &clip.predicted, 1))
    });
    html! {
        (plot("the clip", &clip.sample.pixels, 0))
        @for plot in predicted { (plot) }
    }
}

/// Returns the images of consecutive frames, each shown with its frame of the clip; `first` is the index of the first.
fn frame_images<'a>(
    suite: &Suite,
    frames: impl Iterator<Item = &'a [f32]>,
    first: usize,
    alt: impl Fn(usize) -> String,
) -> Markup {
    let spec = suite.spec;
    html! {
        @for (offset, pixels) in frames.enumerate() {
            @let frame = first + offset;
            (shown_when(&Condition::equals("frame", frame), PixelImage {
                pixels,
                shape: [spec.n_channels, spec.height, spec.width],
                alt: &alt(frame),
                width: FRAME_WIDTH,
            }))
        }
    }
}

/// Returns the predicted frames or classes of one run.
fn predictions(suite: &Suite, arm: &ArmRun<'_>, position: usize) -> Markup {
    let spec = suite.spec;
    let title = &*arm.title;
    let Some(clip) = arm.measurement.reported_clips.get(position) else {
        return html! {};
    };
    if arm.measurement.task == Task::PredictNextFrame {
        let frames = clip.predicted.chunks_exact(spec.frame_len());
        let alt = |frame| format!("{title}: prediction of frame {frame}");
        let body = html! {
            (shown_when(&Condition::equals("frame", 0), html! { p { "The first frame is not predicted." } }))
            (frame_images(suite, frames, 1, alt))
        };
        return figure(body, title);
    }
    let label = suite.clips[clip.index].label;
    let rows: Vec<&[f64]> = clip.probabilities.chunks_exact(spec.n_classes).collect();
    // A single row is the prediction for the whole clip, so it does not follow the slider of frames.
    if let [row] = rows[..] {
        return figure(
            class_table(suite, row, label),
            &format!("{title}, whole clip"),
        );
    }
    let predicted: Vec<String> = rows
        .iter()
        .map(|row| suite.class_name(most_probable(row)))
        .collect();
    let body = html! {
        @for (frame, row) in rows.iter().enumerate() {
            (shown_when(&Condition::equals("frame", frame), class_table(suite, row, label)))
        }
    };
    figure(
        body,
        &format!(
            "{title}; predicted class of each frame: {}",
            predicted.join(", ")
        ),
    )
}

/// Returns the table of the most probable classes.
fn class_table(suite: &Suite, row: &[f64], label: Option<usize>) -> Table {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    let columns = vec![Column::text("Class"), Column::number("Probability", "%")];
    let table = Table::new("", columns);
    order
        .into_iter()
        .take(N_CLASSES)
        .fold(table, |table, class| {
            let mut name = suite.class_name(class);
            if label == Some(class) {
                name.push_str(" (label)");
            }
            table.row([name, format!("{:.0}", 100.0 * row[class])])
        })
}

/// Topology of one arm in one layer.
struct ArmTopology<'a> {
    title: &'a str,
    /// Topology by time step; `None` where too little attention stays within the frame.
    steps: &'a [Option<AttentionTopology>],
    /// Distance to the next time step, by homology dimension and time step.
    distances: &'a [Vec<Option<f64>>; 2],
    /// Number of frames of a time step: all frames of a tubelet share one.
    frames_per_step: usize,
}

/// Returns the diagrams of each frame, and the distance from frame to frame, for one clip and layer.
fn topology(arms: &[ArmRun<'_>], position: usize, layer: usize, n_frames: usize) -> Markup {
    let arms: Vec<ArmTopology> = arms
        .iter()
        .filter_map(|arm| {
            let clip = arm.measurement.reported_clips.get(position)?;
            let steps = clip.layers.get(layer)?;
            Some(ArmTopology {
                title: &arm.title,
                steps,
                distances: clip.distances.get(layer)?,
                // The last frame belongs to no step if it was not part of the model input.
                frames_per_step: n_frames.checked_div(steps.len())?.max(1),
            })
        })
        .filter(|arm| arm.steps.iter().any(Option::is_some))
        .collect();
    if arms.is_empty() {
        return html! {};
    }
    let steps = arms.iter().flat_map(|arm| arm.steps.iter().flatten());
    let diagrams = steps.flat_map(|step| &step.diagrams);
    let deaths = diagrams.flat_map(|diagram| diagram.finite().map(|bar| bar.death));
    // All diagrams of a layer share their axes; the margin keeps the last point off the frame.
    let largest = 1.05 * deaths.fold(0.0, f64::max);
    let diagrams = arms.iter().map(|arm| {
        let plots = arm.steps.iter().enumerate().map(|(step, topology)| {
            let first = step * arm.frames_per_step;
            let when = Condition::between("frame", first, first + arm.frames_per_step - 1);
            let title = format!("layer {layer}, frame {first}");
            let Some(topology) = topology else {
                return shown_when(
                    &when,
                    html! { p { "Too little attention stays within this frame, so it has no diagram." } },
                );
            };
            shown_when(
                &when,
                diagram_plot(
                    &topology.diagrams,
                    &title,
                    "Jensen-Shannon distance",
                    largest,
                ),
            )
        });
        let plots: Vec<Markup> = plots.collect();
        // If every frame is part of the input, this range lies beyond the slider and is never shown.
        let last = Condition::between("frame", plots.len() * arm.frames_per_step, n_frames);
        let body = html! {
            @for plot in &plots { (plot) }
            (shown_when(&last, html! { p { "This frame is not part of the model input." } }))
        };
        figure(body, arm.title)
    });
    let mut plot = LinePlot::new(
        format!("Distance to the next frame, layer {layer}"),
        "frame",
        "2-Wasserstein distance (multiples of the scale)",
    );
    for arm in &arms {
        for (dim, distances) in arm.distances.iter().enumerate() {
            let points = distances.iter().enumerate().map(|(step, distance)| {
                // Halfway between the two steps that are compared.
                let between = (step + 1) * arm.frames_per_step;
                PlotPoint::new(between as f64 - 0.5, distance.unwrap_or(f64::NAN))
            });
            plot = plot.series(Series::new(
                format!("{}, H{dim}", arm.title),
                points.collect(),
            ));
        }
    }
    for frame in 0..n_frames {
        plot = plot.marker(frame as f64, Condition::equals("frame", frame));
    }
    html! {
        (side_by_side(diagrams))
        (figure(plot.draw(), ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Diagram;

    /// Returns the measurement of one clip with one layer, whose steps may have no topology.
    fn measurement(has_topology: &[bool]) -> Measurement {
        let topology = AttentionTopology {
            diagrams: vec![Diagram {
                homology_dim: 0,
                bars: Vec::new(),
            }],
            n_points: 4,
            mean_distance: 0.5,
            tied_fraction: 0.0,
        };
        let steps = has_topology
            .iter()
            .map(|&has| has.then(|| topology.clone()));
        Measurement {
            task: Task::ClassifyFrames,
            metrics: Vec::new(),
            values: Vec::new(),
            truth: Vec::new(),
            curves: Vec::new(),
            guards: Vec::new(),
            encoder: None,
            margin: None,
            events: None,
            reported_clips: vec![ReportedClip {
                index: 0,
                probabilities: Vec::new(),
                predicted: Vec::new(),
                layers: vec![steps.collect()],
                distances: vec![[0, 1].map(|_| vec![None; has_topology.len() - 1])],
            }],
        }
    }

    /// Returns the section on the topology of these arms, in clips of 4 frames.
    fn section(arms: &[&[bool]]) -> String {
        let measurements: Vec<Measurement> = arms.iter().map(|arm| measurement(arm)).collect();
        let arms = measurements.iter().map(|measurement| ArmRun {
            title: "arm".to_owned(),
            measurement,
        });
        topology(&arms.collect::<Vec<_>>(), 0, 0, 4).into_string()
    }

    #[test]
    fn diagrams_stand_under_their_own_frames() {
        let html = section(&[&[false, true, false, true]]);
        for (when, content) in [
            ("frame=0", "<p>Too little attention"),
            ("frame=1", "<svg"),
            ("frame=2", "<p>Too little attention"),
            ("frame=3", "<svg"),
            // Beyond the slider: all frames are part of the input.
            ("frame=4", "<p>This frame is not part of the model input"),
        ] {
            let start = format!("<div data-when=\"{when}\">");
            let rest = html.split(&*start).nth(1).expect(when);
            assert!(rest.starts_with(content), "{when}: {rest}");
        }
    }

    #[test]
    fn every_arm_has_the_steps_of_its_own_input() {
        // Frames one by one, tubelets of two frames, and a model that does not receive the last frame.
        for (arm, expected) in [
            (&[true; 4][..], ["frame=3", "frame=4"]),
            (&[true; 2], ["frame=2-3", "frame=4"]),
            (&[true; 3], ["frame=2", "frame=3-4"]),
        ] {
            for html in [section(&[arm]), section(&[&[true; 4], arm])] {
                let last_arm = html.rsplit_once("layer 0, frame 0").expect("a diagram").1;
                for when in expected {
                    let condition = format!("<div data-when=\"{when}\"");
                    assert!(last_arm.contains(&condition), "{arm:?}: {when}");
                }
            }
        }
        assert_eq!(section(&[&[false; 4]]), "");
    }
}
