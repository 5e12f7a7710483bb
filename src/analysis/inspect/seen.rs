//! What a model showed of pictures: all that the analysis knows of a model.

use burn::prelude::*;
use burn::tensor::activation::softmax;

use crate::coherence::most_probable;
use crate::data::{Sample, SampleBatcher, SampleSpec};
use crate::error::{Error, Result};
use crate::model::{Capture, Network, Task, TokenLayout};

/// One picture, as the model sees it: cut and scaled.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// What to call it: a file's name, a place in a split, a frame of a clip.
    pub name: String,
    /// Between 0 and 1: `shape` numbers, channel by channel, row by row.
    pub pixels: Vec<f32>,
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Its class, where that is known.
    pub label: Option<usize>,
    /// What the model says of it.
    pub said: String,
    /// Which clip it is a frame of, pictures by themselves being clips of one frame.
    pub clip: usize,
    /// What was done to it, if anything was.
    pub change: Option<Change>,
}

/// What was done to a clip before it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The clip as it was before.
    pub of: usize,
    /// In words: an attack and its size.
    pub by: String,
}

/// What a model made of a batch of pictures.
///
/// This is all that is asked of a model: whatever returns its attention can be looked into.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The pictures.
    pub pictures: Vec<Picture>,
    /// How the tokens lie over each of them.
    pub layout: TokenLayout,
    /// Attention after softmax and before dropout, per layer: `[n_pictures, n_heads, n_tokens,
    /// n_tokens]`.
    pub attention: Vec<Tensor<4>>,
    /// Tokens after each layer: `[n_pictures, n_tokens, d_model]`; empty if the model keeps them to
    /// itself.
    pub hidden: Vec<Tensor<3>>,
}

/// Images or clips to be shown to a model.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What to call each.
    pub names: &'a [String],
    /// Their pixels.
    pub samples: &'a [Sample],
    /// What was done to each; empty where nothing was.
    pub changes: &'a [Option<Change>],
    /// Whether the labels are those of a data set.
    pub is_labelled: bool,
    /// Number of images or clips before them.
    pub n_before: usize,
    /// What the model's classes are called.
    pub classes: ClassNames<'a>,
}

/// What classes are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassNames<'a> {
    /// By their numbers.
    Numbered,
    /// By these names.
    Named(&'a [String]),
    /// The model tells none.
    Unknown,
}

impl Seen {
    /// Shows images or clips to a model; every time step of a clip whose attention is returned is a
    /// picture.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] for a model without attention; [`Error::is_invalid_distribution`]
    /// if the scores cannot be read.
    pub fn by(
        model: &Network,
        task: Task,
        spec: SampleSpec,
        shown: Shown<'_>,
        device: &Device,
    ) -> Result<Self> {
        let clips = SampleBatcher { spec }.clips(shown.samples, device);
        let output = model.forward(task.shown(clips), Capture::AttentionAndHidden);
        let Some(first) = output.attention.first() else {
            return Err(Error::invalid_parameter(
                "the model has no attention to look into, expected a transformer",
            ));
        };
        let n_clips = shown.samples.len();
        let n_steps = first.dims()[0] / n_clips;
        let said = match task {
            Task::Classify | Task::ClassifyFrames if shown.classes != ClassNames::Unknown => {
                classes(output.output, n_clips * n_steps, shown.classes)?
            }
            _ => vec![String::new(); n_clips * n_steps],
        };
        let n_shown_frames = match task {
            Task::PredictNextFrame => spec.n_frames - 1,
            Task::Classify | Task::ClassifyFrames => spec.n_frames,
        };
        let picture = |index: usize| {
            let [clip, step] = [index / n_steps, index % n_steps];
            let frame = step * n_shown_frames / n_steps;
            let sample = &shown.samples[clip];
            let name = match n_steps {
                1 => shown.names[clip].clone(),
                _ => format!("{}, frame {frame}", shown.names[clip]),
            };
            Picture {
                name,
                pixels: sample.pixels[frame * spec.frame_len()..][..spec.frame_len()].to_vec(),
                shape: [spec.n_channels, spec.height, spec.width],
                label: shown.is_labelled.then_some(sample.label),
                said: said[index].clone(),
                clip: shown.n_before + clip,
                change: shown.changes.get(clip).cloned().flatten(),
            }
        };
        Ok(Self {
            pictures: (0..n_clips * n_steps).map(picture).collect(),
            layout: output.tokens,
            attention: output.attention,
            hidden: output.hidden,
        })
    }
}

/// The most probable class for each picture; one row may stand for the pictures of a clip.
fn classes(scores: Tensor<2>, n_pictures: usize, names: ClassNames<'_>) -> Result<Vec<String>> {
    let [n_rows, n_classes] = scores.dims();
    let rows: Vec<f64> = softmax(scores, 1)
        .try_into_vec_as()
        .map_err(|e| Error::invalid_distribution(format!("the scores cannot be read: {e}")))?;
    let said = rows.chunks_exact(n_classes).map(|row| {
        let class = most_probable(row);
        let name = match names {
            ClassNames::Named(names) => names.get(class).cloned(),
            _ => None,
        };
        let name = name.unwrap_or_else(|| format!("class {class}"));
        format!("{name} ({:.0} %)", 100.0 * row[class])
    });
    let said: Vec<String> = said.collect();
    Ok((0..n_pictures)
        .map(|picture| said[picture * n_rows / n_pictures].clone())
        .collect())
}
