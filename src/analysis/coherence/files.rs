//! Files of a coherence report: page, numbers, TensorBoard events and animated clips.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::comparison::ArmComparisons;
use super::frame_encoder::FrameEncoder;
use super::page::page;
use super::run_measurement::RunMeasurement;
use super::suite::Suite;
use crate::error::{Error, Result};
use crate::model::Task;
use crate::report::{ClipPanel, EncodedImage, clip_animation};
use crate::run::{EventWriter, OutputDirectory};
use crate::video_metrics::most_probable;

/// Number of clips of each group that the report shows.
const N_REPORTED_OF_GROUP: usize = 2;

/// Largest number of clips that the report shows.
const MAX_REPORTED: usize = 40;

/// Returns the indices of the clips that the report shows: the first of each group, one group after another.
pub fn reported_clips(suite: &Suite) -> Vec<usize> {
    let groups = suite.groups();
    let n_of_group = match groups.len() {
        0 | 1 => MAX_REPORTED / 2,
        _ => N_REPORTED_OF_GROUP,
    };
    let first_of_group = |group: &&str| -> Vec<usize> {
        suite
            .clips
            .iter()
            .enumerate()
            .filter(|(_, clip)| clip.group == *group)
            .map(|(index, _)| index)
            .take(n_of_group)
            .collect()
    };
    groups
        .iter()
        .flat_map(first_of_group)
        .take(MAX_REPORTED)
        .collect()
}

/// Writes the report: `report.html`, `coherence.json`, `clips/*.gif` and `tensorboard/`.
///
/// # Errors
///
/// The errors of [`OutputDirectory`].
pub fn write_report(
    output: OutputDirectory,
    command: &str,
    suite: &Suite,
    runs: &[RunMeasurement],
    comparisons: &ArmComparisons,
) -> Result<()> {
    let animations = animations(suite, runs, comparisons);
    for (name, animation) in &animations {
        output.write(&format!("clips/{name}.gif"), &animation.bytes)?;
    }
    let events = output.path().join("tensorboard");
    write_events(&events, comparisons, &animations)
        .map_err(|error| Error::cannot_write(&events, error))?;
    let numbers = report_json(command, suite, runs, comparisons);
    // The keys of a JSON value are strings, and memory does not refuse a write: this cannot fail.
    let numbers = serde_json::to_vec_pretty(&numbers).expect("JSON values can always be written");
    output.write("coherence.json", &numbers)?;
    let page = page(command, suite, runs, comparisons).to_html();
    output.write("report.html", page.as_bytes())?;
    output.finish()
}

/// Returns all numbers, for `coherence.json`.
pub fn report_json(
    command: &str,
    suite: &Suite,
    runs: &[RunMeasurement],
    comparisons: &ArmComparisons,
) -> Value {
    let finite = |value: &Option<f64>| value.filter(|value| value.is_finite());
    let run_json = |run: &RunMeasurement| {
        let measurement = &run.measurement;
        let columns = measurement.metrics.iter().enumerate();
        let clips: serde_json::Map<String, Value> = columns
            .map(|(index, metric)| {
                let column = measurement
                    .values
                    .iter()
                    .map(|values| finite(&values[index]));
                (metric.name.to_owned(), json!(column.collect::<Vec<_>>()))
            })
            .collect();
        let curves = measurement.curves.iter().map(|curve| {
            let means = curve.means().into_iter().map(Some);
            let means: Vec<Option<f64>> = means.map(|mean| finite(&mean)).collect();
            json!({ "title": curve.title, "by_gap": means })
        });
        let guards = measurement.guards.iter().map(|guard| {
            json!({
                "name": guard.name,
                "value": guard.value,
                "expected": guard.expected,
                "holds": guard.holds,
            })
        });
        json!({
            "name": run.info.name,
            "seed": run.info.seed,
            "guards": guards.collect::<Vec<_>>(),
            "events": run.measurement.events.map(|events| events.to_json()),
            "by_clip": clips,
            "curves": curves.collect::<Vec<_>>(),
        })
    };
    let clips = suite.clips.iter().map(|clip| {
        json!({
            "name": clip.name,
            "group": clip.group,
            "label": clip.label,
            "class": clip.label.map(|label| suite.class_name(label)),
        })
    });
    let metrics = comparisons.metrics.iter().map(|metric| {
        json!({
            "name": metric.name,
            "title": metric.title,
            "unit": metric.unit,
            "better": format!("{:?}", metric.better).to_lowercase(),
            "role": format!("{:?}", metric.role).to_lowercase(),
        })
    });
    // All runs share the encoder.
    let encoder = runs
        .first()
        .and_then(|run| run.measurement.encoder.as_ref());
    let margin = runs.first().and_then(|run| run.measurement.margin);
    json!({
        "command": command,
        "notes": suite.notes,
        "classes": suite.classes,
        "clips": clips.collect::<Vec<_>>(),
        "source": suite.source,
        "encoder": encoder.map(FrameEncoder::to_json),
        "bar_margin": margin.map(|margin| json!({
            "margin": margin.margin,
            "accuracy": margin.accuracy,
            "n_frames": margin.n_frames,
        })),
        "metrics": metrics.collect::<Vec<_>>(),
        "runs": runs.iter().map(run_json).collect::<Vec<_>>(),
        "arms": comparisons.to_json(),
    })
}

/// Returns the name of the animation of a group of clips; clips without a group share one.
fn animation_name(group: &str) -> &str {
    match group {
        "" => "clip",
        group => group,
    }
}

/// Writes means, means by group, curves and clips, with one directory for each arm.
fn write_events(
    directory: &Path,
    comparisons: &ArmComparisons,
    animations: &[(String, EncodedImage)],
) -> io::Result<()> {
    for (index, arm) in comparisons.arms.iter().enumerate() {
        let mut events = EventWriter::create(&directory.join(&arm.name))?;
        for (metric, mean) in comparisons.metrics.iter().zip(&comparisons.means[index]) {
            if mean.mean.is_finite() {
                events.scalar(&format!("coherence/{}", metric.name), mean.mean, 0)?;
            }
        }
        for (group, means) in comparisons.groups.iter().zip(&comparisons.by_group[index]) {
            for (metric, mean) in comparisons.metrics.iter().zip(means) {
                if mean.is_finite() {
                    events.scalar(&format!("coherence_of_{group}/{}", metric.name), *mean, 0)?;
                }
            }
        }
        for curve in &comparisons.curves[index] {
            for (gap, mean) in curve
                .by_gap
                .iter()
                .enumerate()
                .filter(|(_, mean)| mean.is_finite())
            {
                // The gap takes the place of the step, so that TensorBoard draws a curve over it.
                let tag = format!("coherence_by_gap/{}", curve.title.replace(' ', "_"));
                events.scalar(&tag, *mean, gap + 1)?;
            }
        }
        // The clips show all arms side by side, so they are logged only once.
        if index == 0 {
            for (name, animation) in animations {
                let size = [animation.width, animation.height];
                events.image(&format!("clips/{name}"), size, &animation.bytes, 0)?;
            }
        }
        events.flush()?;
    }
    Ok(())
}

/// Class predicted by one arm, or its predicted frames, for an animation.
struct ArmPanel<'a> {
    arm: &'a str,
    run: &'a RunMeasurement,
    /// Predicted class of each frame, as text; empty for frame predictors.
    captions: Vec<String>,
}

/// Returns the animations of the first clip of each group, by name: predictions of the first run of every arm, side by
/// side.
fn animations(
    suite: &Suite,
    runs: &[RunMeasurement],
    comparisons: &ArmComparisons,
) -> Vec<(String, EncodedImage)> {
    let spec = suite.spec;
    let mut groups: Vec<&str> = Vec::new();
    let mut animations = Vec::new();
    let n_reported = runs
        .first()
        .map_or(0, |run| run.measurement.reported_clips.len());
    for position in 0..n_reported {
        let clip = &suite.clips[runs[0].measurement.reported_clips[position].index];
        if groups.contains(&&*clip.group) {
            continue;
        }
        groups.push(&clip.group);
        let arms: Vec<ArmPanel> = comparisons
            .arms
            .iter()
            .filter_map(|arm| {
                let run = &runs[*arm.runs.values().next()?];
                Some(ArmPanel {
                    arm: &arm.name,
                    run,
                    captions: captions(suite, run, position),
                })
            })
            .collect();
        let mut panels = Vec::new();
        for ArmPanel { arm, run, captions } in &arms {
            if run.measurement.task == Task::PredictNextFrame {
                // The true frames are shown once, to the left of all arms.
                if panels.is_empty() {
                    panels.push(ClipPanel {
                        title: "true",
                        pixels: &clip.sample.pixels,
                        first_frame: 0,
                        captions: &[],
                    });
                }
                panels.push(ClipPanel {
                    title: arm,
                    pixels: &run.measurement.reported_clips[position].predicted,
                    first_frame: 1,
                    captions: &[],
                });
            } else {
                panels.push(ClipPanel {
                    title: arm,
                    pixels: &clip.sample.pixels,
                    first_frame: 0,
                    captions,
                });
            }
        }
        let name = animation_name(&clip.group);
        let shape = [spec.n_channels, spec.height, spec.width];
        animations.push((name.to_owned(), clip_animation(&panels, shape, &[], "", "")));
    }
    animations
}

/// Returns the predicted class of each frame of a reported clip, as text.
fn captions(suite: &Suite, run: &RunMeasurement, position: usize) -> Vec<String> {
    let probabilities = &run.measurement.reported_clips[position].probabilities;
    let mut captions: Vec<String> = probabilities
        .chunks_exact(suite.spec.n_classes)
        .map(|row| {
            let class = most_probable(row);
            format!("predicted {class} ({:.0} %)", 100.0 * row[class])
        })
        .collect();
    // One class for the whole clip stands below every frame.
    if captions.len() == 1 {
        captions = vec![captions.remove(0); suite.spec.n_frames];
    }
    captions
}
