//! What a model does on a suite of clips.

use burn::prelude::*;
use burn::tensor::activation::softmax;
use rayon::prelude::*;

use super::clip_reading::{ClipReading, Encoder};
use super::frame_distances::topology_of;
use super::guard::{Guard, of_classifier, of_predictor};
use super::suite::Suite;
use crate::coherence::{Better, Metric, OF_CLASSES, OF_FRAMES, Role, most_probable};
use crate::data::{Sample, SampleBatcher};
use crate::error::{Error, Result};
use crate::loss::AttentionTopology;
use crate::model::{Capture, Network, Task};

/// Clips per batch.
const BATCH_SIZE: usize = 16;

/// Distances between the diagrams of consecutive frames, mean over pairs and layers.
pub const TRAINED: [Metric; 2] = [
    trained("h0_frame_distance", "H0 distance to the next frame"),
    trained("h1_frame_distance", "H1 distance to the next frame"),
];

const fn trained(name: &'static str, title: &'static str) -> Metric {
    Metric {
        name,
        title,
        unit: "mean tree edge",
        better: Better::Lower,
        role: Role::Trained,
    }
}

/// What a model did on every clip of a suite.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What it was asked.
    pub task: Task,
    /// What was measured.
    pub metrics: Vec<Metric>,
    /// By clip and metric; `None` where one is not defined.
    pub values: Vec<Vec<Option<f64>>>,
    /// The same of the true frames, for tasks that make frames; else empty.
    pub truth: Vec<Vec<Option<f64>>>,
    /// By name and clip, the values at gaps of 1, 2, ... frames.
    pub curves: Vec<GapCurve>,
    /// Whether the numbers mean anything.
    pub guards: Vec<Guard>,
    /// What the model made of each clip that is shown.
    pub shown: Vec<ShownClip>,
}

/// How something falls or grows with the gap between two frames.
#[derive(Debug, Clone)]
pub struct GapCurve {
    /// What.
    pub title: &'static str,
    /// By clip, then gap.
    pub values: Vec<Vec<Option<f64>>>,
    /// The same of the true frames; empty where there are none.
    pub truth: Vec<Vec<Option<f64>>>,
}

impl GapCurve {
    /// Mean over the clips at each gap.
    pub fn means(&self) -> Vec<f64> {
        means(&self.values)
    }

    /// The same of the true frames.
    pub fn means_of_truth(&self) -> Vec<f64> {
        means(&self.truth)
    }
}

/// A clip one can look at.
#[derive(Debug, Clone)]
pub struct ShownClip {
    /// Its place in the suite.
    pub index: usize,
    /// Class probabilities, `[n_rows, n_classes]`: of the clip, or of every frame; empty for predictors.
    pub probabilities: Vec<f64>,
    /// Predicted frames from the second on, pixels in `[0, 1]`; empty for classifiers.
    pub predicted: Vec<f32>,
    /// The attention's topology, by layer and time step.
    pub layers: Vec<Vec<AttentionTopology>>,
    /// Normalised distance to the next time step, by layer, homology dimension and time step.
    pub distances: Vec<[Vec<Option<f64>>; 2]>,
}

/// What one wants to see, and how to say how far it got.
pub struct Watch<'a> {
    /// Places of the clips to keep.
    pub shown: &'a [usize],
    /// Called with the number of clips done.
    pub progress: &'a mut dyn FnMut(usize),
}

/// Runs a model on a suite.
///
/// # Errors
///
/// Attention that is not finite, or a device that does not give out its results.
///
/// # Cost
///
/// A forward pass; distances between all pairs of at most 17 consecutive frames for every layer.
pub fn read(
    model: &Network,
    task: Task,
    suite: &Suite,
    device: &Device,
    watch: &mut Watch<'_>,
) -> Result<Reading> {
    let spec = suite.spec;
    let encoder = match task {
        Task::PredictNextFrame => Some(Encoder::of(suite)),
        Task::Classify | Task::ClassifyFrames => None,
    };
    let mut found = Vec::with_capacity(suite.clips.len());
    for (batch, clips) in suite.clips.chunks(BATCH_SIZE).enumerate() {
        let samples: Vec<Sample> = clips.iter().map(|clip| clip.sample.clone()).collect();
        let tensor = SampleBatcher { spec }.clips(&samples, device);
        let output = model.forward(task.shown(tensor), Capture::Attention);
        let topology = topology_of(&output, clips.len())?;
        let rows = match task {
            Task::PredictNextFrame => output.output,
            Task::Classify | Task::ClassifyFrames => softmax(output.output, 1),
        };
        let rows: Vec<f32> = rows
            .try_into_vec_as()
            .map_err(|e| Error::invalid_distribution(format!("the output cannot be read: {e}")))?;
        let first = batch * BATCH_SIZE;
        let of_clips = rows.par_chunks_exact(rows.len() / clips.len());
        let of_clips = of_clips.zip(clips).zip(topology).enumerate();
        let of_clips = of_clips.map(|(place, ((rows, clip), layers))| {
            let is_shown = watch.shown.contains(&(first + place));
            let clip = ClipReading::of(spec, clip, rows, encoder.as_ref(), layers)?;
            Ok((is_shown, clip))
        });
        let of_clips: Vec<Result<(bool, ClipReading)>> = of_clips.collect();
        for (place, clip) in of_clips.into_iter().enumerate() {
            let (is_shown, clip) = clip?;
            found.push(match is_shown {
                true => clip,
                false => clip.without_pictures(),
            });
            debug_assert_eq!(found.len(), first + place + 1);
        }
        (watch.progress)(found.len());
    }
    Ok(gathered(task, suite, found, watch.shown))
}

fn gathered(task: Task, suite: &Suite, found: Vec<ClipReading>, shown: &[usize]) -> Reading {
    let of_task: &[Metric] = match task {
        Task::PredictNextFrame => &OF_FRAMES,
        // Of one class for a clip nothing can change.
        Task::Classify if found.iter().all(ClipReading::is_one_row) => &OF_CLASSES[..1],
        Task::Classify | Task::ClassifyFrames => &OF_CLASSES,
    };
    let curve = |title, of: fn(&ClipReading) -> &Vec<Option<f64>>| GapCurve {
        title,
        values: found.iter().map(|clip| of(clip).clone()).collect(),
        truth: Vec::new(),
    };
    let mut curves = [
        curve(
            match task {
                Task::PredictNextFrame => "likeness of frozen features",
                Task::Classify | Task::ClassifyFrames => "distance of predictions",
            },
            |clip| &clip.output_gaps,
        ),
        curve("H0 distance of attention", |clip| &clip.topology_gaps[0]),
        curve("H1 distance of attention", |clip| &clip.topology_gaps[1]),
    ];
    if task == Task::PredictNextFrame {
        curves[0].truth = found.iter().map(|clip| clip.truth_gaps.clone()).collect();
    }
    let curves = curves
        .into_iter()
        .filter(|curve| curve.values.iter().flatten().any(Option::is_some));
    let guards = match task {
        Task::PredictNextFrame => of_predictor(
            suite,
            &found.iter().map(|c| &c.values[..]).collect::<Vec<_>>(),
        ),
        Task::Classify | Task::ClassifyFrames => {
            let classes = suite.clips.iter().zip(&found);
            let classes: Vec<(usize, Option<usize>)> = classes
                .flat_map(|(clip, found)| {
                    let rows = found.shown.probabilities.chunks_exact(suite.spec.n_classes);
                    rows.map(|row| (most_probable(row), clip.label))
                })
                .collect();
            of_classifier(&classes)
        }
    };
    Reading {
        task,
        metrics: of_task.iter().chain(&TRAINED).copied().collect(),
        curves: curves.collect(),
        guards,
        truth: found.iter().filter_map(|clip| clip.truth.clone()).collect(),
        values: found.iter().map(|clip| clip.values.clone()).collect(),
        shown: shown
            .iter()
            .map(|&index| ShownClip {
                index,
                ..found[index].shown.clone()
            })
            .collect(),
    }
}

fn means(values: &[Vec<Option<f64>>]) -> Vec<f64> {
    let n_gaps = values.first().map_or(0, Vec::len);
    (0..n_gaps)
        .map(|gap| mean(values.iter().map(|clip| clip[gap])))
        .collect()
}

/// Means of what is defined; not a number if nothing is.
pub(super) fn mean(values: impl Iterator<Item = Option<f64>>) -> f64 {
    let values: Vec<f64> = values.flatten().collect();
    values.iter().sum::<f64>() / values.len() as f64
}
