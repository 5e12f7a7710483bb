//! Outputs of one forward pass: attention, hidden states and predictions, together with the images.

use burn::prelude::*;
use burn::tensor::activation::softmax;

use crate::data::{Sample, SampleBatcher, SampleSpec};
use crate::error::{Error, Result};
use crate::fused::read_values;
use crate::model::{Capture, Network, Task, TokenLayout};
use crate::video_metrics::most_probable;

/// An image, or a frame of a clip, as the model receives it: cropped and scaled.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedImage {
    /// Displayed name: the file name, or the index in a split, and the frame of a clip.
    pub name: String,
    /// Pixels between 0 and 1, channel by channel and row by row.
    pub pixels: Vec<f32>,
    /// Number of channels, height and width.
    pub shape: [usize; 3],
    /// Index of its class; `None` if unknown.
    pub label: Option<usize>,
    /// Name of its class; empty if unknown.
    pub class: String,
    /// Predicted class and its probability, as text; empty if the model predicts no class.
    pub prediction: String,
    /// Index of the clip that this is a frame of. A single image counts as a clip of one frame.
    pub clip: usize,
    /// Perturbation that was applied; `None` if there was none.
    pub perturbation: Option<AppliedPerturbation>,
}

/// Perturbation that was applied to a clip before the forward pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedPerturbation {
    /// Index of the unperturbed clip.
    pub original_clip: usize,
    /// Name and size of the perturbation, as text: `FGSM with epsilon 0.05`.
    pub description: String,
}

/// Attention and hidden states of a model on a batch of images.
///
/// Nothing else of a model is used, so every model that returns its attention can be inspected.
#[derive(Debug, Clone)]
pub struct ForwardPass {
    /// Images of the batch.
    pub images: Vec<InspectedImage>,
    /// Arrangement of the tokens, the same for all images.
    pub layout: TokenLayout,
    /// Attention of each layer, after softmax and before dropout: `[n_images, n_heads, n_tokens, n_tokens]`.
    pub attention: Vec<Tensor<4>>,
    /// Hidden states after each layer: `[n_images, n_tokens, d_model]`; empty if the model does not return them.
    pub hidden: Vec<Tensor<3>>,
}

/// Images or clips for [`ForwardPass::run`].
#[derive(Debug, Clone, Copy)]
pub struct InspectionInput<'a> {
    /// Displayed name of each sample.
    pub names: &'a [String],
    /// Pixels and label of each sample.
    pub samples: &'a [Sample],
    /// Perturbation of each sample; empty if none is perturbed.
    pub perturbations: &'a [Option<AppliedPerturbation>],
    /// True if the labels of the samples are those of a data set.
    pub is_labelled: bool,
    /// Number of samples in earlier batches; clips are counted over all batches.
    pub n_before: usize,
    /// Names of the model's classes.
    pub classes: ClassNames<'a>,
}

/// Names of the classes of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassNames<'a> {
    /// Classes are named by their index.
    Numbered,
    /// Names by class index.
    Named(&'a [String]),
    /// The model predicts no classes.
    Unknown,
}

impl ForwardPass {
    /// Runs a model on images or clips; each time step for which a clip has attention becomes one image.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_parameter`] for a model without attention.
    /// - [`Error::is_device_error`] if the scores cannot be read from their device.
    pub fn run(
        model: &Network,
        task: Task,
        spec: SampleSpec,
        input: InspectionInput<'_>,
        device: &Device,
    ) -> Result<Self> {
        let clips = SampleBatcher { spec }.clips(input.samples, device);
        let output = model.forward(task.model_input(clips), Capture::AttentionAndHidden);
        let Some(first) = output.attention.first() else {
            return Err(Error::invalid_parameter(
                "the model has no attention to inspect, expected a transformer",
            ));
        };
        let n_clips = input.samples.len();
        let n_steps = first.dims()[0] / n_clips;
        let predictions = match task {
            Task::Classify | Task::ClassifyFrames if input.classes != ClassNames::Unknown => {
                predictions(output.output, n_clips * n_steps, input.classes)?
            }
            _ => vec![String::new(); n_clips * n_steps],
        };
        // A predictor of frames or masks is not given the last frame, which it has to predict.
        let n_input_frames = match task {
            Task::PredictNextFrame | Task::PredictMask => spec.n_frames - 1,
            Task::Classify | Task::ClassifyFrames | Task::Generate => spec.n_frames,
        };
        let image = |index: usize| {
            let (clip, step) = (index / n_steps, index % n_steps);
            // A tubelet covers several frames; its first one represents it.
            let frame = step * n_input_frames / n_steps;
            let sample = &input.samples[clip];
            let name = match n_steps {
                1 => input.names[clip].clone(),
                _ => format!("{}, frame {frame}", input.names[clip]),
            };
            InspectedImage {
                name,
                pixels: sample.pixels[frame * spec.frame_len()..][..spec.frame_len()].to_vec(),
                shape: [spec.n_channels, spec.height, spec.width],
                label: input.is_labelled.then_some(sample.label),
                class: match input.classes {
                    ClassNames::Named(names) if input.is_labelled => {
                        names.get(sample.label).cloned().unwrap_or_default()
                    }
                    _ => String::new(),
                },
                prediction: predictions[index].clone(),
                clip: input.n_before + clip,
                perturbation: input.perturbations.get(clip).cloned().flatten(),
            }
        };
        Ok(Self {
            images: (0..n_clips * n_steps).map(image).collect(),
            layout: output.tokens,
            attention: output.attention,
            hidden: output.hidden,
        })
    }
}

/// Returns the most probable class of each image; one row of scores may stand for all frames of a clip.
fn predictions(scores: Tensor<2>, n_images: usize, names: ClassNames<'_>) -> Result<Vec<String>> {
    let [n_rows, n_classes] = scores.dims();
    let rows: Vec<f64> = read_values(softmax(scores, 1))
        .map_err(|error| error.within("the scores cannot be read"))?;
    let by_row: Vec<String> = rows
        .chunks_exact(n_classes)
        .map(|row| {
            let class = most_probable(row);
            // A list of names may be too short; the index of the class then stands for its name.
            let name = match names {
                ClassNames::Named(names) => names.get(class).cloned(),
                _ => None,
            }
            .unwrap_or_else(|| format!("class {class}"));
            format!("{name} ({:.0} %)", 100.0 * row[class])
        })
        .collect();
    // There is one row for each image, or one for all frames of a clip; this division finds it in both cases.
    Ok((0..n_images)
        .map(|image| by_row[image * n_rows / n_images].clone())
        .collect())
}
