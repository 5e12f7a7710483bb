//! What a report leaves beside its page: numbers, TensorBoard, clips that play.

use std::fmt::Display;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::arms::RunReading;
use super::comparison::Comparisons;
use super::page::page;
use super::suite::Suite;
use crate::coherence::most_probable;
use crate::model::Task;
use crate::report::{ClipPanel, Picture, clip_animation};
use crate::run::{EventWriter, write_atomically};

/// Clips of each group that are shown.
const N_SHOWN_OF_GROUP: usize = 2;

/// Clips shown in all.
const MAX_SHOWN: usize = 40;

/// Places of the clips of a suite that are shown: the first of each group, a group after the other.
pub fn shown_clips(suite: &Suite) -> Vec<usize> {
    let groups = suite.groups();
    let n_of_group = match groups.len() {
        0 | 1 => MAX_SHOWN / 2,
        _ => N_SHOWN_OF_GROUP,
    };
    let of_group = |group: &&str| {
        let clips = suite.clips.iter().enumerate();
        let of_group = clips.filter(|(_, clip)| clip.group == *group);
        let of_group = of_group.map(|(place, _)| place).take(n_of_group);
        of_group.collect::<Vec<_>>()
    };
    groups.iter().flat_map(of_group).take(MAX_SHOWN).collect()
}

/// Writes the report: `report.html`, `coherence.json`, `clips/*.gif` and `tensorboard/`.
///
/// # Errors
///
/// One sentence if a file cannot be written.
pub fn write_report(
    directory: &Path,
    command: &str,
    suite: &Suite,
    runs: &[RunReading],
    comparisons: &Comparisons,
) -> Result<(), String> {
    let clips = directory.join("clips");
    std::fs::create_dir_all(&clips).map_err(cannot_write(&clips))?;
    let write =
        |path: &Path, bytes: &[u8]| write_atomically(path, bytes).map_err(cannot_write(path));
    let pictures = pictures(suite, runs, comparisons);
    for (name, picture) in &pictures {
        write(&clips.join(format!("{name}.gif")), &picture.bytes)?;
    }
    let events = directory.join("tensorboard");
    write_events(&events, comparisons, &pictures).map_err(cannot_write(&events))?;
    let numbers = json(command, suite, runs, comparisons);
    let numbers = serde_json::to_vec_pretty(&numbers).expect("numbers can be written");
    write(&directory.join("coherence.json"), &numbers)?;
    let page = page(command, suite, runs, comparisons).to_html();
    write(&directory.join("report.html"), page.as_bytes())
}

/// All numbers, for other programs.
fn json(command: &str, suite: &Suite, runs: &[RunReading], comparisons: &Comparisons) -> Value {
    let finite = |value: &Option<f64>| value.filter(|value| value.is_finite());
    let of_run = |run: &RunReading| {
        let reading = &run.reading;
        let columns = reading.metrics.iter().enumerate();
        let clips: serde_json::Map<String, Value> = columns
            .map(|(place, metric)| {
                let column = reading.values.iter().map(|values| finite(&values[place]));
                (metric.name.to_owned(), json!(column.collect::<Vec<_>>()))
            })
            .collect();
        let curves = reading.curves.iter().map(|curve| {
            let means = curve.means().into_iter().map(Some);
            let means: Vec<Option<f64>> = means.map(|mean| finite(&mean)).collect();
            json!({ "title": curve.title, "by_gap": means })
        });
        let guards = reading.guards.iter().map(|guard| {
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
            "by_clip": clips,
            "curves": curves.collect::<Vec<_>>(),
        })
    };
    let clips = suite
        .clips
        .iter()
        .map(|clip| json!({ "name": clip.name, "group": clip.group, "label": clip.label }));
    let metrics = comparisons.metrics.iter().map(|metric| {
        json!({
            "name": metric.name,
            "title": metric.title,
            "unit": metric.unit,
            "better": format!("{:?}", metric.better).to_lowercase(),
            "role": format!("{:?}", metric.role).to_lowercase(),
        })
    });
    json!({
        "command": command,
        "clips": clips.collect::<Vec<_>>(),
        "source": suite.source,
        "metrics": metrics.collect::<Vec<_>>(),
        "runs": runs.iter().map(of_run).collect::<Vec<_>>(),
        "arms": comparisons.to_json(),
    })
}

fn cannot_write<E: Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("{}: cannot be written: {error}", path.display())
}

/// A folder of event files for each arm: means and their intervals' ends, by group too, and the clips.
fn write_events(
    directory: &Path,
    comparisons: &Comparisons,
    pictures: &[(String, Picture)],
) -> io::Result<()> {
    if directory.is_dir() {
        std::fs::remove_dir_all(directory)?;
    }
    for (place, arm) in comparisons.arms.iter().enumerate() {
        let mut events = EventWriter::create(&directory.join(&arm.name))?;
        for (metric, level) in comparisons.metrics.iter().zip(&comparisons.levels[place]) {
            if level.mean.is_finite() {
                events.scalar(&format!("coherence/{}", metric.name), level.mean, 0)?;
            }
        }
        for (group, levels) in comparisons.groups.iter().zip(&comparisons.by_group[place]) {
            for (metric, mean) in comparisons.metrics.iter().zip(levels) {
                if mean.is_finite() {
                    events.scalar(&format!("coherence_of_{group}/{}", metric.name), *mean, 0)?;
                }
            }
        }
        for (title, curve) in &comparisons.curves[place] {
            for (gap, mean) in curve
                .iter()
                .enumerate()
                .filter(|(_, mean)| mean.is_finite())
            {
                let tag = format!("coherence_by_gap/{}", title.replace(' ', "_"));
                events.scalar(&tag, *mean, gap + 1)?;
            }
        }
        if place == 0 {
            for (name, picture) in pictures {
                let size = [picture.width, picture.height];
                events.image(&format!("clips/{name}"), size, &picture.bytes, 0)?;
            }
        }
        events.flush()?;
    }
    Ok(())
}

/// The first clip of each group as the first run of every arm has it, side by side: what it predicts, or
/// what it says of each frame.
fn pictures(
    suite: &Suite,
    runs: &[RunReading],
    comparisons: &Comparisons,
) -> Vec<(String, Picture)> {
    let spec = suite.spec;
    let mut seen: Vec<&str> = Vec::new();
    let mut pictures = Vec::new();
    let n_shown = runs.first().map_or(0, |run| run.reading.shown.len());
    for place in 0..n_shown {
        let clip = &suite.clips[runs[0].reading.shown[place].index];
        if seen.contains(&&*clip.group) {
            continue;
        }
        seen.push(&clip.group);
        let of_arms: Vec<(&str, &RunReading, Vec<String>)> = comparisons
            .arms
            .iter()
            .filter_map(|arm| {
                let run = &runs[*arm.runs.values().next()?];
                let rows = run.reading.shown[place]
                    .probabilities
                    .chunks_exact(spec.n_classes);
                let said = rows.map(|row| {
                    let class = most_probable(row);
                    format!("says {class} ({:.0} %)", 100.0 * row[class])
                });
                let mut said: Vec<String> = said.collect();
                if said.len() == 1 {
                    said = vec![said.remove(0); spec.n_frames];
                }
                Some((&*arm.name, run, said))
            })
            .collect();
        let mut panels = Vec::new();
        for (arm, run, said) in &of_arms {
            if run.reading.task == Task::PredictNextFrame {
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
                    pixels: &run.reading.shown[place].predicted,
                    first_frame: 1,
                    captions: &[],
                });
            } else {
                panels.push(ClipPanel {
                    title: arm,
                    pixels: &clip.sample.pixels,
                    first_frame: 0,
                    captions: said,
                });
            }
        }
        let name = match &*clip.group {
            "" => "clip",
            group => group,
        };
        let shape = [spec.n_channels, spec.height, spec.width];
        pictures.push((name.to_owned(), clip_animation(&panels, shape, &[], "", "")));
    }
    pictures
}
