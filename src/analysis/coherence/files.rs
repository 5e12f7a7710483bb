//! Files of a coherence report: page, numbers, TensorBoard events and animated clips.

use std::collections::BTreeSet;
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
use crate::run::{EventWriter, check_not_a_run, write_atomically};
use crate::video_metrics::most_probable;

/// Number of clips of each group that the report shows.
const N_REPORTED_OF_GROUP: usize = 2;

/// Largest number of clips that the report shows.
const MAX_REPORTED: usize = 40;

/// End of the names of the event files of a report. It tells them from those of a training, which are never removed.
const EVENTS_SUFFIX: &str = ".coherence";

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
/// An older report in the directory is replaced; files that are not part of one stay as they are.
///
/// # Errors
///
/// - [`Error::is_invalid_parameter`] if the directory is that of a run.
/// - [`Error::is_file_error`] if a file cannot be written, or if an animation would replace a file that is not of an
///   older report.
pub fn write_report(
    directory: &Path,
    command: &str,
    suite: &Suite,
    runs: &[RunMeasurement],
    comparisons: &ArmComparisons,
) -> Result<()> {
    check_not_a_run(directory)?;
    let animations = animations(suite, runs, comparisons);
    check_animations(
        directory,
        animations.iter().map(|(name, _)| animation_file(name)),
    )?;
    let clips = directory.join("clips");
    std::fs::create_dir_all(&clips).map_err(|error| Error::cannot_write(&clips, error))?;
    let write = |path: &Path, bytes: &[u8]| {
        write_atomically(path, bytes).map_err(|error| Error::cannot_write(path, error))
    };
    let numbers = report_json(command, suite, runs, comparisons);
    // The keys of a JSON value are strings, and memory does not refuse a write: this cannot fail.
    let numbers = serde_json::to_vec_pretty(&numbers).expect("JSON values can always be written");
    // Before the animations: if they are only written in part, the next report knows from it that they may be replaced.
    write(&directory.join("coherence.json"), &numbers)?;
    for (name, animation) in &animations {
        write(&clips.join(animation_file(name)), &animation.bytes)?;
    }
    let events = directory.join("tensorboard");
    write_events(&events, comparisons, &animations)
        .map_err(|error| Error::cannot_write(&events, error))?;
    let page = page(command, suite, runs, comparisons).to_html();
    write(&directory.join("report.html"), page.as_bytes())
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
    // All runs share the encoder.
    let encoder = runs
        .first()
        .and_then(|run| run.measurement.encoder.as_ref());
    json!({
        "command": command,
        "notes": suite.notes,
        "clips": clips.collect::<Vec<_>>(),
        "source": suite.source,
        "encoder": encoder.map(FrameEncoder::to_json),
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

/// Returns the name of the file of an animation.
fn animation_file(name: &str) -> String {
    format!("{name}.gif")
}

/// Checks that the animations replace nothing but those of an older report, whose `coherence.json` names them.
fn check_animations(directory: &Path, files: impl Iterator<Item = String>) -> Result<()> {
    let clips = directory.join("clips");
    let older = older_animations(directory);
    for file in files {
        let path = clips.join(&file);
        if path.exists() && !older.contains(&file) {
            return Err(Error::file(format!(
                "{}: this file is not of an older report, expected no such file; pass another directory with `--output`",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Returns the names of the files of animations that an older report may have written; none without a report.
fn older_animations(directory: &Path) -> BTreeSet<String> {
    let report = std::fs::read(directory.join("coherence.json"));
    let report: Value = report
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let clips = report["clips"].as_array().into_iter().flatten();
    clips
        .filter_map(|clip| clip["group"].as_str())
        .map(|group| animation_file(animation_name(group)))
        .collect()
}

/// Writes the event files, one directory for each arm, and removes those of an older report.
fn write_events(
    directory: &Path,
    comparisons: &ArmComparisons,
    animations: &[(String, EncodedImage)],
) -> io::Result<()> {
    // A new directory, in which everything is of this report. It is moved when complete, so that TensorBoard never
    // reads a report in part.
    let fresh = directory.with_extension(format!("{}.partial", std::process::id()));
    std::fs::create_dir(&fresh)?;
    let written = write_arms(&fresh, comparisons, animations).and_then(|()| {
        // Events of an older report would be drawn together with the new ones.
        remove_older_events(directory)?;
        for arm in &comparisons.arms {
            move_events(&fresh.join(&arm.name), &directory.join(&arm.name))?;
        }
        Ok(())
    });
    let removed = std::fs::remove_dir_all(&fresh);
    written.and(removed)
}

/// Removes the event files of an older report, and the directories of arms that had nothing else.
fn remove_older_events(directory: &Path) -> io::Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for arm in std::fs::read_dir(directory)? {
        let arm = arm?.path();
        if !arm.is_dir() {
            continue;
        }
        let mut has_older = false;
        for file in std::fs::read_dir(&arm)? {
            let file = file?;
            if file.file_name().to_string_lossy().ends_with(EVENTS_SUFFIX) {
                std::fs::remove_file(file.path())?;
                has_older = true;
            }
        }
        if has_older {
            // Fails if there are files of others, which stay.
            let _ = std::fs::remove_dir(&arm);
        }
    }
    Ok(())
}

/// Moves the event files of one arm, and marks them as those of a report.
fn move_events(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for file in std::fs::read_dir(from)? {
        let file = file?;
        let mut name = file.file_name();
        name.push(EVENTS_SUFFIX);
        std::fs::rename(file.path(), to.join(name))?;
    }
    Ok(())
}

/// Writes means, means by group, curves and clips, with one directory for each arm.
fn write_arms(
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::evaluate::Arm;

    /// Returns a new directory for one test.
    fn new_directory(name: &str) -> PathBuf {
        let name = format!("coherence-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        directory
    }

    /// Returns the comparison of arms without metrics.
    fn without_metrics(names: &[&str]) -> ArmComparisons {
        let arms = names.iter().map(|&name| Arm {
            name: name.to_owned(),
            runs: BTreeMap::new(),
        });
        let n_arms = names.len();
        ArmComparisons {
            arms: arms.collect(),
            metrics: Vec::new(),
            means: vec![Vec::new(); n_arms],
            truth: Vec::new(),
            groups: Vec::new(),
            by_group: vec![Vec::new(); n_arms],
            curves: vec![Vec::new(); n_arms],
            truth_curves: Vec::new(),
            guards: vec![Vec::new(); n_arms],
            differences: Vec::new(),
        }
    }

    #[test]
    fn only_event_files_of_older_reports_are_replaced() {
        let root = new_directory("events");
        let events = root.join("tensorboard");
        let foreign = [
            "events.out.tfevents.1.host",
            "plain/events.out.tfevents.2.host",
            "other/events.out.tfevents.3.host",
        ]
        .map(|file| events.join(file));
        for file in &foreign {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "kept").unwrap();
        }
        let n_files = |arm: &str| std::fs::read_dir(events.join(arm)).unwrap().count();
        for _ in 0..2 {
            write_events(&events, &without_metrics(&["plain", "penalised"]), &[]).unwrap();
            assert_eq!(["plain", "penalised", "other"].map(n_files), [2, 1, 1]);
        }
        // The directory of an arm that the new report does not have is gone.
        write_events(&events, &without_metrics(&["plain"]), &[]).unwrap();
        assert!(!events.join("penalised").exists());
        for file in &foreign {
            assert_eq!(std::fs::read_to_string(file).unwrap(), "kept");
        }
        // Nothing is left beside the event files.
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn directories_of_runs_are_refused() {
        let root = new_directory("run");
        check_not_a_run(&root).unwrap();
        std::fs::write(root.join("config.toml"), "").unwrap();
        check_not_a_run(&root).unwrap();
        std::fs::create_dir(root.join("checkpoints")).unwrap();
        let error = check_not_a_run(&root).unwrap_err();
        assert!(error.is_invalid_parameter());
        let message = error.to_string();
        assert!(
            message.contains("this is the directory of a run, whose files would be replaced"),
            "{message}"
        );
        // The usual place of a report on this run.
        check_not_a_run(&root.join("coherence")).unwrap();
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn animations_replace_only_those_of_an_older_report() {
        let root = new_directory("animations");
        let check = || check_animations(&root, ["walk.gif".to_owned()].into_iter());
        check().unwrap();
        std::fs::create_dir(root.join("clips")).unwrap();
        std::fs::write(root.join("clips/walk.gif"), "").unwrap();
        let error = check().unwrap_err();
        assert!(error.is_file_error());
        let message = error.to_string();
        assert!(
            message.contains("walk.gif: this file is not of an older report"),
            "{message}"
        );
        let report = r#"{"clips": [{"group": "run"}, {"group": ""}]}"#;
        std::fs::write(root.join("coherence.json"), report).unwrap();
        check().unwrap_err();
        let report = r#"{"clips": [{"group": "walk"}]}"#;
        std::fs::write(root.join("coherence.json"), report).unwrap();
        check().unwrap();
        std::fs::remove_dir_all(root).unwrap();
    }
}
