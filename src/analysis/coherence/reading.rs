//! What a model does on a suite of clips.

use burn::prelude::*;
use burn::tensor::activation::softmax;
use rayon::prelude::*;

use super::guard::{Guard, of_classifier, of_predictor};
use super::suite::{Suite, SuiteClip};
use crate::coherence::{
    Better, Frames, FrozenEncoder, Known, Metric, Motion, OF_CLASSES, OF_FRAMES, Role,
    most_probable, of_classes, of_frames, optical_flow, prediction_distance,
};
use crate::data::{JudgedFrames, Sample, SampleBatcher, SampleSpec};
use crate::error::{Error, Result};
use crate::loss::{AttentionTopology, MASS_FLOOR};
use crate::model::{Capture, ModelOutput, Network, Task};

/// Clips per batch.
const BATCH_SIZE: usize = 16;

/// Largest gap between frames whose distance is on a curve.
const MAX_GAP: usize = 16;

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

/// By clip, layer and time step.
type Topology = Vec<Vec<Vec<Step>>>;

/// One layer at one time step; `None` where hardly any attention stays in the frame.
type Step = Option<AttentionTopology>;

fn topology_of(output: &ModelOutput, n_clips: usize) -> Result<Topology> {
    let mut clips: Topology = vec![Vec::new(); n_clips];
    for (layer, weights) in output.attention.iter().enumerate() {
        let steps = AttentionTopology::read(weights.clone(), output.tokens.n_prefix_tokens)?;
        let masses = match output.mass.get(layer) {
            None => vec![1.0; steps.len()],
            Some(mass) => {
                let mean: Tensor<2> = mass.clone().mean_dim(1);
                mean.try_into_vec_as::<f64>().map_err(|e| {
                    Error::invalid_distribution(format!("attention cannot be read: {e}"))
                })?
            }
        };
        let steps = steps.into_iter().zip(masses);
        let steps: Vec<Step> = steps
            .map(|(step, mass)| (mass >= MASS_FLOOR).then_some(step))
            .collect();
        for (clip, steps) in clips
            .iter_mut()
            .zip(steps.chunks_exact(steps.len() / n_clips))
        {
            clip.push(steps.to_vec());
        }
    }
    Ok(clips)
}

/// Frozen features, and their mean over the true frames of a suite.
struct Encoder {
    encoder: FrozenEncoder,
    center: Vec<f64>,
}

impl Encoder {
    fn of(suite: &Suite) -> Self {
        let encoder = FrozenEncoder::new(suite.spec.n_channels);
        let of_clips: Vec<Vec<Vec<f64>>> = suite
            .clips
            .par_iter()
            .map(|clip| encoder.features(&frames(&clip.sample.pixels, suite.spec)))
            .collect();
        let of_frames: Vec<&Vec<f64>> = of_clips.iter().flatten().collect();
        let n_features = of_frames.first().map_or(0, |features| features.len());
        let center = (0..n_features).map(|k| {
            let sum: f64 = of_frames.iter().map(|features| features[k]).sum();
            sum / of_frames.len() as f64
        });
        Self {
            center: center.collect(),
            encoder,
        }
    }
}

fn frames(pixels: &[f32], spec: SampleSpec) -> Frames<'_> {
    Frames::new(pixels, [spec.n_channels, spec.height, spec.width])
}

/// One clip.
struct ClipReading {
    values: Vec<Option<f64>>,
    truth: Option<Vec<Option<f64>>>,
    output_gaps: Vec<Option<f64>>,
    truth_gaps: Vec<Option<f64>>,
    topology_gaps: [Vec<Option<f64>>; 2],
    shown: ShownClip,
}

impl ClipReading {
    fn of(
        spec: SampleSpec,
        clip: &SuiteClip,
        rows: &[f32],
        encoder: Option<&Encoder>,
        layers: Vec<Vec<Step>>,
    ) -> Result<Self> {
        let distances = distances_of(&layers)?;
        let mut found = Self {
            values: Vec::new(),
            truth: None,
            output_gaps: Vec::new(),
            truth_gaps: Vec::new(),
            topology_gaps: [0, 1].map(|dim| by_gap(&distances, dim)),
            shown: ShownClip {
                index: 0,
                probabilities: Vec::new(),
                predicted: Vec::new(),
                distances: distances
                    .iter()
                    .map(|layer| [0, 1].map(|dim| layer.to_next(dim)))
                    .collect(),
                layers: layers
                    .into_iter()
                    .map(|steps| steps.into_iter().flatten().collect())
                    .collect(),
            },
        };
        match encoder {
            Some(encoder) => found.add_frames(spec, clip, Task::as_pixels(rows), encoder),
            None => found.add_classes(spec, clip, rows),
        }
        let trained = found
            .topology_gaps
            .each_ref()
            .map(|gaps| gaps.first().copied().flatten());
        found.values.extend(trained);
        Ok(found)
    }

    fn add_classes(&mut self, spec: SampleSpec, clip: &SuiteClip, rows: &[f32]) {
        let probabilities: Vec<f64> = rows.iter().map(|&p| f64::from(p)).collect();
        let values = of_classes(&probabilities, spec.n_classes, clip.label);
        let n_rows = probabilities.len() / spec.n_classes;
        let n_values = if n_rows == 1 { 1 } else { values.len() };
        self.values.extend(&values[..n_values]);
        let gaps = 1..n_rows.min(MAX_GAP + 1);
        self.output_gaps = gaps
            .map(|gap| prediction_distance(&probabilities, spec.n_classes, gap))
            .collect();
        self.shown.probabilities = probabilities;
    }

    fn add_frames(
        &mut self,
        spec: SampleSpec,
        clip: &SuiteClip,
        predicted: Vec<f32>,
        encoder: &Encoder,
    ) {
        let JudgedFrames {
            found,
            truth,
            known,
        } = JudgedFrames::new(&clip.sample, spec, &predicted);
        let (flow, is_seen) = match known.motion {
            Some(_) => (Vec::new(), Vec::new()),
            None => estimated_motion(&truth),
        };
        let estimated = Motion::new(&flow, &is_seen, [spec.height, spec.width]);
        let known = Known {
            motion: Some(known.motion.unwrap_or(estimated)).filter(|motion| motion.n_pairs() > 0),
            encoder: Some((&encoder.encoder, &encoder.center)),
            ..known
        };
        self.values.extend(of_frames(&found, &truth, &known));
        // The topology of the true frames is known, not told by their brightness.
        let of_truth = Known {
            betti: None,
            ..known
        };
        self.truth = Some(of_frames(&truth, &truth, &of_truth).to_vec());
        let by_gap = |frames: &Frames<'_>| -> Vec<Option<f64>> {
            let features = encoder.encoder.features(frames);
            let gaps = 1..features.len().min(MAX_GAP + 1);
            gaps.map(|gap| FrozenEncoder::consistency(&features, &encoder.center, gap))
                .collect()
        };
        self.output_gaps = by_gap(&found);
        self.truth_gaps = by_gap(&truth);
        self.shown.predicted = predicted;
    }

    /// Whether there is one class for the whole clip.
    fn is_one_row(&self) -> bool {
        self.values.len() == 1 + TRAINED.len()
    }

    fn without_pictures(mut self) -> Self {
        self.shown.layers = Vec::new();
        self.shown.predicted = Vec::new();
        self.shown.distances = Vec::new();
        self
    }
}

fn estimated_motion(truth: &Frames<'_>) -> (Vec<f32>, Vec<bool>) {
    let pairs: Vec<(&[f32], &[f32])> = truth.iter().zip(truth.iter().skip(1)).collect();
    let found: Vec<(Vec<f32>, Vec<bool>)> = pairs
        .into_par_iter()
        .map(|(now, next)| optical_flow([now, next], truth.shape()))
        .collect();
    let (flow, is_seen): (Vec<Vec<f32>>, Vec<Vec<bool>>) = found.into_iter().unzip();
    (flow.concat(), is_seen.concat())
}

/// Normalised distances between the time steps of one layer, by homology dimension and gap.
struct LayerDistances([Vec<Vec<Option<f64>>>; 2]);

impl LayerDistances {
    fn to_next(&self, homology_dim: usize) -> Vec<Option<f64>> {
        self.0[homology_dim].first().cloned().unwrap_or_default()
    }
}

fn distances_of(layers: &[Vec<Step>]) -> Result<Vec<LayerDistances>> {
    let of_layer = |steps: &Vec<Step>| {
        let mut found = [Vec::new(), Vec::new()];
        for (homology_dim, by_gap) in found.iter_mut().enumerate() {
            for gap in 1..steps.len().min(MAX_GAP + 1) {
                let pairs = steps.iter().zip(&steps[gap..]);
                let of_pairs = pairs.map(|pair| match pair {
                    (Some(a), Some(b)) => Ok(a.distance(b, homology_dim)?.normalized),
                    _ => Ok(None),
                });
                by_gap.push(of_pairs.collect::<Result<Vec<_>>>()?);
            }
        }
        Ok(LayerDistances(found))
    };
    layers.iter().map(of_layer).collect()
}

/// Mean over layers and pairs at each gap.
fn by_gap(layers: &[LayerDistances], homology_dim: usize) -> Vec<Option<f64>> {
    let n_gaps = layers
        .first()
        .map_or(0, |layer| layer.0[homology_dim].len());
    (0..n_gaps)
        .map(|gap| {
            let of_layers = layers
                .iter()
                .flat_map(|layer| layer.0[homology_dim][gap].iter().copied());
            Some(mean(of_layers)).filter(|mean| mean.is_finite())
        })
        .collect()
}
