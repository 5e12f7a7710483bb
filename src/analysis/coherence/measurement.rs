//! Measurement of a model on a suite of clips.

use std::num::NonZeroUsize;

use burn::tensor::activation::softmax;
use rayon::prelude::*;

use super::clip_measurement::{ClipFeatures, ClipMeasurement, ClipOutput, ReportedClip};
use super::frame_bars::{BarMargin, FRAME_BAR_METRICS};
use super::frame_distances::{FRAME_DISTANCE_METRICS, frame_topology};
use super::frame_encoder::{FrameEncoder, SuiteFeatures};
use super::frame_events::EventComparison;
use super::guards::{Guard, PredictedClass, classifier_guards, predictor_guards};
use super::suite::Suite;
use crate::data::Sample;
use crate::error::{Error, Result};
use crate::evaluate::{ATTENTION_BATCH, TaskModel, batch_ranges, size_or};
use crate::fused::read_values;
use crate::mean::mean;
use crate::model::{Capture, Task};
use crate::video_metrics::{CLASS_METRICS, ClipMetric, FRAME_METRICS, most_probable};

/// Metrics, curves and guards of a model on every clip of a suite.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// Task of the model.
    pub task: Task,
    /// Metrics, in the order of the values.
    pub metrics: Vec<ClipMetric>,
    /// Values by clip and metric; `None` where a metric is not defined.
    pub values: Vec<Vec<Option<f64>>>,
    /// Values of the true frames, by clip and metric; empty for classifiers.
    pub truth: Vec<Vec<Option<f64>>>,
    /// Values at gaps of 1, 2, ... frames.
    pub curves: Vec<GapCurve>,
    /// Checks that the output is not degenerate.
    pub guards: Vec<Guard>,
    /// Outputs for the clips that the report shows.
    pub reported_clips: Vec<ReportedClip>,
    /// Encoder of the feature metrics; `None` if there are none.
    pub encoder: Option<FrameEncoder>,
    /// Persistence from which bars of frames count; `None` for classifiers, and for clips without known Betti numbers.
    pub margin: Option<BarMargin>,
    /// Events of predicted and of true frames, over all clips; `None` without a margin.
    pub events: Option<EventComparison>,
}

/// A quantity of two frames as a function of the gap between them.
#[derive(Debug, Clone)]
pub struct GapCurve {
    /// Name of the quantity.
    pub title: &'static str,
    /// Values by clip and gap.
    pub values: Vec<Vec<Option<f64>>>,
    /// Values of the true frames, by clip and gap; empty for classifiers and for attention.
    pub truth: Vec<Vec<Option<f64>>>,
}

impl GapCurve {
    /// Returns the mean over the clips at each gap; NaN where no clip has a value.
    pub fn means(&self) -> Vec<f64> {
        means(&self.values)
    }

    /// Returns the mean over the clips at each gap, for the true frames.
    pub fn true_means(&self) -> Vec<f64> {
        means(&self.truth)
    }
}

/// Runs a model on all clips of a suite and measures its outputs and attention.
///
/// `features` are those of the true frames of the suite; without them, a model that predicts frames has no feature
/// metrics. `reported` holds the indices of the clips whose outputs are kept for the report; `batch_size` is the number
/// of clips per forward pass, 16 if `None`. `progress` is called with the number of clips done.
///
/// # Errors
///
/// - [`Error::is_invalid_parameter`](crate::Error::is_invalid_parameter) for a model that generates clips.
/// - [`Error::is_invalid_distribution`](crate::Error::is_invalid_distribution) if attention is not finite.
/// - [`Error::is_device_error`](crate::Error::is_device_error) if results cannot be read from their device.
///
/// # Cost
///
/// One forward pass, and for every layer the distances between frames at most 16 apart. With the features of a
/// pretrained encoder, one forward pass of it over each predicted frame.
pub fn measure(
    model: &TaskModel,
    suite: &Suite,
    features: Option<&SuiteFeatures>,
    reported: &[usize],
    batch_size: Option<NonZeroUsize>,
    progress: &mut dyn FnMut(usize),
) -> Result<Measurement> {
    let spec = suite.spec;
    // The shape of the suite: an image model receives the frames of a clip one by one.
    let model = TaskModel {
        samples: spec,
        ..model.clone()
    };
    let task = model.task;
    if task == Task::Generate {
        return Err(Error::invalid_parameter(
            "the model generates clips from captions, expected one that predicts classes or frames of given clips",
        ));
    }
    // Features are computed from pixels, which only frame predictors return.
    let features = features.filter(|_| task == Task::PredictNextFrame);
    let margin = match task {
        Task::PredictNextFrame => BarMargin::calibrated(suite),
        Task::Classify | Task::ClassifyFrames | Task::PredictMask | Task::Generate => None,
    };
    let mut measurements = Vec::with_capacity(suite.clips.len());
    for range in batch_ranges(suite.clips.len(), size_or(batch_size, ATTENTION_BATCH)) {
        let clips = &suite.clips[range.clone()];
        let samples: Vec<Sample> = clips.iter().map(|clip| clip.sample.clone()).collect();
        let output = model.forward(model.clips(&samples), Capture::Attention);
        let topology = frame_topology(&output, clips.len())?;
        let rows = match task {
            Task::PredictNextFrame | Task::PredictMask | Task::Generate => output.output,
            Task::Classify | Task::ClassifyFrames => softmax(output.output, 1),
        };
        let rows: Vec<f32> =
            read_values(rows).map_err(|error| error.within("the output cannot be read"))?;
        // All clips have equally many values: one row of classes, one for each frame, or frames.
        let outputs: Vec<ClipOutput<'_>> = rows
            .chunks_exact(rows.len() / clips.len())
            .zip(range.clone())
            .map(|(rows, index)| match task {
                Task::PredictNextFrame | Task::PredictMask | Task::Generate => {
                    predicted_clip(suite, features, rows, index)
                }
                Task::Classify | Task::ClassifyFrames => Ok(ClipOutput::Classes(rows)),
            })
            .collect::<Result<_>>()?;
        // Collected before errors are looked at, so that the first clip with an error is reported, not the fastest.
        let batch_measurements: Vec<Result<ClipMeasurement>> = outputs
            .into_par_iter()
            .zip(clips)
            .zip(topology)
            .map(|((output, clip), layers)| {
                let margin = margin.map(|margin| margin.margin);
                ClipMeasurement::new(spec, clip, output, layers, margin)
            })
            .collect();
        for (index, clip) in range.zip(batch_measurements) {
            let clip = clip?;
            measurements.push(if reported.contains(&index) {
                clip
            } else {
                clip.without_frames()
            });
            debug_assert_eq!(measurements.len(), index + 1);
        }
        progress(measurements.len());
    }
    Ok(Measurement {
        encoder: features.map(|features| features.encoder().clone()),
        margin,
        ..summarize(task, suite, measurements, reported)
    })
}

/// Converts the output of a frame predictor for one clip to pixels, and encodes them.
fn predicted_clip<'a>(
    suite: &Suite,
    features: Option<&'a SuiteFeatures>,
    rows: &[f32],
    index: usize,
) -> Result<ClipOutput<'a>> {
    let pixels = Task::PredictNextFrame.as_pixels(rows);
    let features = features.map(|features| {
        Ok(ClipFeatures {
            predicted: features.of_predicted(suite, &pixels)?,
            truth: features.of_clip(index),
        })
    });
    Ok(ClipOutput::Frames {
        features: features.transpose()?,
        pixels,
    })
}

/// Combines the measurements of all clips.
fn summarize(
    task: Task,
    suite: &Suite,
    clips: Vec<ClipMeasurement>,
    reported: &[usize],
) -> Measurement {
    let (task_metrics, bar_metrics): (&[ClipMetric], &[ClipMetric]) = match task {
        Task::PredictNextFrame | Task::PredictMask | Task::Generate => {
            (&FRAME_METRICS, &FRAME_BAR_METRICS)
        }
        // With one class for a whole clip only accuracy is defined.
        Task::Classify if clips.iter().all(ClipMeasurement::is_one_row) => {
            (&CLASS_METRICS[..1], &[])
        }
        Task::Classify | Task::ClassifyFrames => (&CLASS_METRICS, &[]),
    };
    let events = clips.iter().filter_map(|clip| clip.events);
    let events = events.reduce(|mut sum, clip| {
        sum.add(&clip);
        sum
    });
    Measurement {
        task,
        metrics: task_metrics
            .iter()
            .chain(bar_metrics)
            .chain(&FRAME_DISTANCE_METRICS)
            .copied()
            .collect(),
        curves: gap_curves(task, &clips),
        guards: guards(task, suite, &clips),
        encoder: None,
        margin: None,
        events,
        truth: clips.iter().filter_map(|clip| clip.truth.clone()).collect(),
        values: clips.iter().map(|clip| clip.values.clone()).collect(),
        reported_clips: reported
            .iter()
            .map(|&index| ReportedClip {
                index,
                ..clips[index].output.clone()
            })
            .collect(),
    }
}

/// Returns the curves by gap between frames, without those that are defined for no clip.
fn gap_curves(task: Task, clips: &[ClipMeasurement]) -> Vec<GapCurve> {
    let curve = |title, values: fn(&ClipMeasurement) -> &Vec<Option<f64>>| GapCurve {
        title,
        values: clips.iter().map(|clip| values(clip).clone()).collect(),
        truth: Vec::new(),
    };
    let mut curves = [
        curve(
            match task {
                Task::PredictNextFrame | Task::PredictMask | Task::Generate => {
                    "similarity of frozen features"
                }
                Task::Classify | Task::ClassifyFrames => "distance of predictions",
            },
            |clip| &clip.output_gaps,
        ),
        curve("H0 distance of attention", |clip| &clip.topology_gaps[0]),
        curve("H1 distance of attention", |clip| &clip.topology_gaps[1]),
    ];
    if task == Task::PredictNextFrame {
        curves[0].truth = clips.iter().map(|clip| clip.truth_gaps.clone()).collect();
    }
    curves
        .into_iter()
        .filter(|curve| curve.values.iter().flatten().any(Option::is_some))
        .collect()
}

/// Returns the guards of the task.
fn guards(task: Task, suite: &Suite, clips: &[ClipMeasurement]) -> Vec<Guard> {
    match task {
        Task::PredictNextFrame | Task::PredictMask | Task::Generate => {
            let values: Vec<&[Option<f64>]> = clips.iter().map(|clip| &clip.values[..]).collect();
            predictor_guards(suite, &values)
        }
        Task::Classify | Task::ClassifyFrames => {
            let classes: Vec<PredictedClass> = suite
                .clips
                .iter()
                .zip(clips)
                .flat_map(|(suite_clip, clip)| {
                    let rows = clip.output.probabilities.chunks_exact(suite.spec.n_classes);
                    rows.map(|row| PredictedClass {
                        predicted: most_probable(row),
                        label: suite_clip.label,
                    })
                })
                .collect();
            classifier_guards(&classes)
        }
    }
}

fn means(values: &[Vec<Option<f64>>]) -> Vec<f64> {
    let n_gaps = values.first().map_or(0, Vec::len);
    (0..n_gaps)
        .map(|gap| mean(values.iter().filter_map(|clip| clip[gap])).unwrap_or(f64::NAN))
        .collect()
}
