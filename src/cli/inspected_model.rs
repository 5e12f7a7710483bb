//! Models that `analyze` and `anomaly` inspect, their input images, and the selection of layers and tokens.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::{Args, ValueEnum};
use image::imageops::FilterType;
use serde::{Deserialize, Serialize};

use super::evaluate::Split;
use super::progress::MessageObserver;
use super::{Failure, read_run_config, select_device};
use crate::analysis::inspect::{
    AppliedPerturbation, ClassNames, ForwardPass, HeadChoice, InspectSpec, InspectionInput,
};
use crate::data::{DataSpec, Sample, SampleSpec, Scaling, open_data, read_image_scaled};
use crate::distance::{RowDistance, RowMetric};
use crate::loss::{Layers, Source};
use crate::model::pretrained::{self, Interpolation, ModelOverrides, Preprocessing, Resize};
use crate::model::{Network, Task};
use crate::nn::Tokens;
use crate::run::RunDirectory;
use crate::train::load_best;

/// Model under inspection.
pub(super) struct InspectedModel {
    /// Displayed name of the model.
    pub(super) title: String,
    model: Network,
    task: Task,
    samples: SampleSpec,
    reader: ImageReader,
    device: Device,
}

/// Preparation of image files for the model.
enum ImageReader {
    /// Cropped and scaled as in the data set of the run.
    Data(DataSpec),
    /// Preprocessed as described in the files of the pretrained weights.
    Pretrained {
        preprocessing: Preprocessing,
        /// Names of the classes; `None` if the weights contain no trained classifier.
        classes: Option<Vec<String>>,
    },
}

/// Images or clips to inspect.
pub(super) struct InspectionSet {
    pub(super) items: Vec<InspectionItem>,
    /// True if the labels of the samples are those of a data set.
    pub(super) is_labelled: bool,
}

/// One image or clip to inspect.
#[derive(Clone)]
pub(super) struct InspectionItem {
    /// Displayed name.
    pub(super) name: String,
    pub(super) sample: Sample,
    /// Perturbation that was applied; `None` for an original image.
    pub(super) perturbation: Option<AppliedPerturbation>,
}

impl InspectionSet {
    /// Number of images or clips.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Keeps only the samples for which `is_kept` is true.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&Sample) -> bool) {
        self.items.retain(|item| is_kept(&item.sample));
    }
}

impl InspectedModel {
    /// Loads the best checkpoint of a run.
    pub(super) fn from_run(root: &Path, device_name: &str) -> Result<Self, Failure> {
        let run = RunDirectory::open(root).map_err(Failure::Error)?;
        let config = read_run_config(&run.config())?;
        let device = select_device(device_name)?;
        let (model, _) = load_best(&run, &config, &device, &mut MessageObserver)?;
        Ok(Self {
            title: config.spec.name.clone(),
            model,
            task: Task::from_config(&config.spec.model),
            samples: config.spec.samples,
            reader: ImageReader::Data(config.spec.data),
            device,
        })
    }

    /// Loads pretrained weights of a model for images.
    pub(super) fn from_weights(path: &Path, device_name: &str) -> Result<Self, Failure> {
        let device = select_device(device_name)?;
        let pretrained =
            pretrained::open(path, &ModelOverrides::default(), &device).map_err(Failure::Error)?;
        if pretrained.config.n_frames() > 1 {
            return Err(Failure::Error(format!(
                "{}: expected a model for images, found one for clips of {} frames",
                path.display(),
                pretrained.config.n_frames()
            )));
        }
        let [height, width] = pretrained.preprocessing.image_size;
        // Without names in the file, classes are shown by their numbers.
        let labels = pretrained.class_names.unwrap_or_default();
        Ok(Self {
            title: path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy()
                .into_owned(),
            task: Task::from_config(&pretrained.config),
            samples: SampleSpec {
                n_frames: 1,
                n_channels: pretrained.config.n_channels(),
                height,
                width,
                n_classes: pretrained.config.n_classes(),
            },
            reader: ImageReader::Pretrained {
                preprocessing: pretrained.preprocessing,
                classes: pretrained.has_trained_head.then_some(labels),
            },
            model: pretrained.network,
            device,
        })
    }

    /// Refuses a class that the data do not have.
    pub(super) fn check_label(&self, label: usize) -> Result<(), Failure> {
        let n_classes = self.samples.n_classes;
        if label < n_classes {
            return Ok(());
        }
        Err(Failure::Error(format!(
            "there is no class {label}, expected 0 to {}",
            n_classes.saturating_sub(1)
        )))
    }

    /// Reads one file as the model's input.
    fn read(&self, path: &Path) -> Result<Sample, String> {
        match &self.reader {
            ImageReader::Data(data) => data.read_sample(path),
            ImageReader::Pretrained { preprocessing, .. } => {
                let scaling = match preprocessing.resize {
                    Resize::None => Scaling::None,
                    Resize::ShorterSide(side) => Scaling::ShorterSide(side),
                    Resize::Exact(size) => Scaling::Exact(size),
                };
                // The filters that Pillow, which transformers and timm use, calls by the names on the left.
                let filter = match preprocessing.interpolation {
                    Interpolation::Nearest => FilterType::Nearest,
                    Interpolation::Bilinear => FilterType::Triangle,
                    Interpolation::Bicubic => FilterType::CatmullRom,
                    Interpolation::Lanczos => FilterType::Lanczos3,
                };
                // A file has no label; the 0 is never read, because the set is not labelled.
                Ok(Sample::new(
                    read_image_scaled(path, self.samples, scaling, filter)?,
                    0,
                ))
            }
        }
    }

    /// Reads images or clips from files.
    pub(super) fn read_files(&self, paths: &[PathBuf]) -> Result<InspectionSet, Failure> {
        let read = |path: &PathBuf| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            Ok(InspectionItem {
                name: name.to_string_lossy().into_owned(),
                sample: self.read(path)?,
                perturbation: None,
            })
        };
        let items: Result<_, String> = paths.iter().map(read).collect();
        Ok(InspectionSet {
            items: items.map_err(Failure::Error)?,
            is_labelled: false,
        })
    }

    /// Takes `n_samples` evenly spaced samples of a split of the run's data.
    pub(super) fn split_samples(
        &self,
        split: Split,
        n_samples: u32,
    ) -> Result<InspectionSet, Failure> {
        let ImageReader::Data(data) = &self.reader else {
            return Err(Failure::Error(
                "pretrained weights come without data; pass --images".to_owned(),
            ));
        };
        let data = open_data(data).map_err(Failure::Error)?;
        let data = split.samples(&data);
        let n = data.len().min(n_samples as usize);
        let read = |position: usize| {
            // Evenly spaced, since a split may be sorted by class.
            let index = position * data.len() / n;
            let sample = data.get(index).map_err(|e| Failure::Error(e.to_string()))?;
            Ok(InspectionItem {
                name: format!("{index}, class {}", sample.label),
                sample,
                perturbation: None,
            })
        };
        let items: Result<_, Failure> = (0..n).map(read).collect();
        Ok(InspectionSet {
            items: items?,
            is_labelled: true,
        })
    }

    /// Runs the model on one batch: the items in `range`.
    pub(super) fn forward_batch(
        &self,
        set: &InspectionSet,
        range: std::ops::Range<usize>,
    ) -> Result<ForwardPass, Failure> {
        let items = &set.items[range.clone()];
        let names: Vec<String> = items.iter().map(|item| item.name.clone()).collect();
        let samples: Vec<Sample> = items.iter().map(|item| item.sample.clone()).collect();
        let perturbations: Vec<_> = items.iter().map(|item| item.perturbation.clone()).collect();
        let input = InspectionInput {
            names: &names,
            samples: &samples,
            perturbations: &perturbations,
            is_labelled: set.is_labelled,
            n_before: range.start,
            classes: match &self.reader {
                ImageReader::Data(_) => ClassNames::Numbered,
                ImageReader::Pretrained { classes: None, .. } => ClassNames::Unknown,
                ImageReader::Pretrained {
                    classes: Some(names),
                    ..
                } => ClassNames::Named(names),
            },
        };
        ForwardPass::run(&self.model, self.task, self.samples, input, &self.device)
            .map_err(|error| Failure::Error(error.to_string()))
    }
}

/// Options that select what is inspected, in the words of `[[topology]]` tables.
// Stored in the file of `anomaly fit`, so that `anomaly score` compares the same rows.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct SelectionArguments {
    /// Layers to inspect: `all`, or numbers counted from 0, as in `0,5,11`.
    #[arg(long, default_value = "all")]
    layers: LayersArgument,
    /// Rows of each layer whose distances are taken.
    #[arg(long, value_enum, default_value_t = SourceName::Attention)]
    source: SourceName,
    /// Distance between two rows [default: cosine for hidden states, jensen_shannon otherwise].
    #[arg(long, value_enum)]
    distance: Option<DistanceName>,
    /// Power that distances are raised to; 2 turns the Jensen-Shannon distance into the Jensen-Shannon divergence.
    #[arg(long, default_value_t = 1.0)]
    exponent: f64,
    /// Tokens whose rows are compared.
    #[arg(long, value_enum, default_value_t = TokensName::Patches)]
    tokens: TokensName,
    /// Largest homology dimension; with hundreds of tokens, 2 takes much longer than 1.
    #[arg(long, default_value_t = 1)]
    max_homology_dim: usize,
}

/// Value of `--layers`; `None` for all layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LayersArgument(Option<Vec<usize>>);

impl std::str::FromStr for LayersArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "all" => None,
            list => Some(numbers(list).ok_or("expected `all` or numbers counted from 0")?),
        }))
    }
}

/// Parses numbers separated by commas; `None` if a part is not a number.
pub(super) fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',')
        .map(|part| part.trim().parse().ok())
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum SourceName {
    /// Attention rows.
    Attention,
    /// Attention rows after a second softmax.
    DoubleSoftmax,
    /// Hidden states: tokens after the layer, as vectors.
    Hidden,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum DistanceName {
    /// Square root of the Jensen-Shannon divergence with the natural logarithm.
    JensenShannon,
    /// Hellinger distance between distributions.
    Hellinger,
    /// Cosine distance: 1 minus the cosine similarity.
    Cosine,
    /// Euclidean distance.
    Euclidean,
    /// 1 minus the larger of the two attention weights between two tokens.
    Attention,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum TokensName {
    /// Patch tokens.
    Patches,
    /// All tokens, prefix tokens included.
    All,
}

impl SelectionArguments {
    /// Converts the options to an inspection specification.
    ///
    /// # Errors
    ///
    /// A message if the options contradict each other.
    pub(super) fn spec(&self, heads: HeadChoice) -> Result<InspectSpec, String> {
        let layers = match &self.layers.0 {
            None => Layers::All,
            Some(layers) => Layers::Indices(layers.clone()),
        };
        let source = match self.source {
            SourceName::Attention => Source::Attention,
            SourceName::DoubleSoftmax => Source::DoubleSoftmax,
            SourceName::Hidden => Source::Hidden,
        };
        // Hidden states are not distributions, which the Jensen-Shannon distance needs.
        let metric = match (self.distance, source) {
            (Some(DistanceName::JensenShannon), _) => RowMetric::JensenShannon,
            (Some(DistanceName::Hellinger), _) => RowMetric::Hellinger,
            (Some(DistanceName::Cosine), _) => RowMetric::Cosine,
            (Some(DistanceName::Euclidean), _) => RowMetric::Euclidean,
            (Some(DistanceName::Attention), _) => RowMetric::Attention,
            (None, Source::Hidden) => RowMetric::Cosine,
            (None, _) => RowMetric::JensenShannon,
        };
        let spec = InspectSpec {
            layers,
            heads,
            source,
            distance: RowDistance {
                metric,
                exponent: self.exponent,
            },
            tokens: match self.tokens {
                TokensName::Patches => Tokens::Patches,
                TokensName::All => Tokens::All,
            },
            max_homology_dim: self.max_homology_dim,
        };
        spec.validate().map_err(|error| error.to_string())?;
        Ok(spec)
    }
}
