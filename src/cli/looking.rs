//! What `analyze` and `anomaly` look into: a model, pictures, and how its attention is read.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::{Args, ValueEnum};
use image::imageops::FilterType;
use serde::{Deserialize, Serialize};

use super::evaluate::Split;
use super::progress::Notes;
use super::{Failure, open, read_config};
use crate::analysis::inspect::{Change, ClassNames, HeadChoice, InspectSpec, Seen, Shown};
use crate::data::{DataSpec, Sample, SampleSpec, Scaling, open_data, read_image_scaled};
use crate::distance::{Metric, RowDistance};
use crate::loss::{Layers, Source};
use crate::model::pretrained::{self, Changes, Interpolation, Preprocessing, Resize};
use crate::model::{Network, Task};
use crate::nn::Tokens;
use crate::run::RunDirectory;
use crate::train::load_best;

/// A model that is looked into.
pub(super) struct Subject {
    /// What to call it.
    pub(super) title: String,
    model: Network,
    task: Task,
    samples: SampleSpec,
    reader: Reader,
    device: Device,
}

/// Where its pictures come from.
enum Reader {
    /// Cut and scaled as those of a run's data.
    Data(DataSpec),
    /// As the files of pretrained weights say.
    Pretrained {
        preprocessing: Preprocessing,
        /// `None` without a classifier that was trained.
        classes: Option<Vec<String>>,
    },
}

/// Images or clips by name.
pub(super) struct Exhibits {
    pub(super) names: Vec<String>,
    pub(super) samples: Vec<Sample>,
    /// Of each; none where nothing was changed.
    pub(super) changes: Vec<Option<Change>>,
    pub(super) is_labelled: bool,
}

impl Exhibits {
    /// Only those of a kind.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&Sample) -> bool) {
        let names = std::mem::take(&mut self.names).into_iter();
        let all = names.zip(std::mem::take(&mut self.samples));
        (self.names, self.samples) = all.filter(|(_, sample)| is_kept(sample)).unzip();
    }
}

impl Subject {
    /// The best checkpoint of a run.
    pub(super) fn of_run(root: &Path, device_name: &str) -> Result<Self, Failure> {
        let run = RunDirectory::open(root).map_err(Failure::CouldNotRun)?;
        let config = read_config(&run.config(), &[])?;
        let device = open(device_name)?;
        let (model, _) = load_best(&run, &config, &device, &mut Notes)?;
        Ok(Self {
            title: config.spec.name.clone(),
            model,
            task: Task::of(&config.spec.model),
            samples: config.spec.samples,
            reader: Reader::Data(config.spec.data),
            device,
        })
    }

    /// Pretrained weights of a model of images.
    pub(super) fn of_weights(path: &Path, device_name: &str) -> Result<Self, Failure> {
        let device = open(device_name)?;
        let found =
            pretrained::open(path, &Changes::default(), &device).map_err(Failure::CouldNotRun)?;
        if found.config.n_frames() > 1 {
            return Err(Failure::CouldNotRun(format!(
                "{}: a model of clips of {} frames, expected one of images",
                path.display(),
                found.config.n_frames()
            )));
        }
        let [height, width] = found.preprocessing.image_size;
        let labels = found.labels.unwrap_or_default();
        Ok(Self {
            title: path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy()
                .into_owned(),
            task: Task::of(&found.config),
            samples: SampleSpec {
                n_frames: 1,
                n_channels: found.config.n_channels(),
                height,
                width,
                n_classes: found.config.n_classes(),
            },
            reader: Reader::Pretrained {
                preprocessing: found.preprocessing,
                classes: found.has_trained_head.then_some(labels),
            },
            model: found.network,
            device,
        })
    }

    fn read(&self, path: &Path) -> Result<Sample, String> {
        match &self.reader {
            Reader::Data(data) => data.read(path),
            Reader::Pretrained { preprocessing, .. } => {
                let scaling = match preprocessing.resize {
                    Resize::None => Scaling::None,
                    Resize::ShorterSide(side) => Scaling::ShorterSide(side),
                    Resize::Exact(size) => Scaling::Exact(size),
                };
                let filter = match preprocessing.interpolation {
                    Interpolation::Nearest => FilterType::Nearest,
                    Interpolation::Bilinear => FilterType::Triangle,
                    Interpolation::Bicubic => FilterType::CatmullRom,
                    Interpolation::Lanczos => FilterType::Lanczos3,
                };
                Ok(Sample::new(
                    read_image_scaled(path, self.samples, scaling, filter)?,
                    0,
                ))
            }
        }
    }

    /// Images or clips from files.
    pub(super) fn files(&self, paths: &[PathBuf]) -> Result<Exhibits, Failure> {
        let read = |path: &PathBuf| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            Ok((name.to_string_lossy().into_owned(), self.read(path)?))
        };
        let files: Result<Vec<(String, Sample)>, String> = paths.iter().map(read).collect();
        let (names, samples) = files.map_err(Failure::CouldNotRun)?.into_iter().unzip();
        Ok(Exhibits {
            names,
            samples,
            changes: Vec::new(),
            is_labelled: false,
        })
    }

    /// So many samples of a split of the run's data, evenly spaced.
    pub(super) fn split(&self, split: Split, n_samples: u32) -> Result<Exhibits, Failure> {
        let Reader::Data(data) = &self.reader else {
            return Err(Failure::CouldNotRun(
                "weights have no data of their own, expected --images".to_owned(),
            ));
        };
        let data = open_data(data).map_err(Failure::CouldNotRun)?;
        let data = split.of(&data);
        let n = data.len().min(n_samples as usize);
        let sample = |place: usize| {
            let index = place * data.len() / n;
            let sample = data
                .get(index)
                .map_err(|e| Failure::CouldNotRun(e.to_string()))?;
            Ok((format!("{index}, class {}", sample.label), sample))
        };
        let found: Result<Vec<(String, Sample)>, Failure> = (0..n).map(sample).collect();
        let (names, samples) = found?.into_iter().unzip();
        Ok(Exhibits {
            names,
            samples,
            changes: Vec::new(),
            is_labelled: true,
        })
    }

    /// What the model makes of some of them.
    pub(super) fn see(
        &self,
        exhibits: &Exhibits,
        range: std::ops::Range<usize>,
    ) -> Result<Seen, Failure> {
        let shown = Shown {
            names: &exhibits.names[range.clone()],
            samples: &exhibits.samples[range.clone()],
            changes: exhibits.changes.get(range.clone()).unwrap_or_default(),
            is_labelled: exhibits.is_labelled,
            n_before: range.start,
            classes: match &self.reader {
                Reader::Data(_) => ClassNames::Numbered,
                Reader::Pretrained { classes: None, .. } => ClassNames::Unknown,
                Reader::Pretrained {
                    classes: Some(names),
                    ..
                } => ClassNames::Named(names),
            },
        };
        Seen::by(&self.model, self.task, self.samples, shown, &self.device)
            .map_err(|error| Failure::No(error.to_string()))
    }
}

/// What of a model is looked at, in the words of `[[topology]]`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct ReadingArguments {
    /// Layers that are read: `all`, or numbers counted from 0, as `0,5,11`.
    #[arg(long, default_value = "all")]
    layers: LayersArgument,
    /// What is read of each layer.
    #[arg(long, value_enum, default_value_t = SourceName::Attention)]
    source: SourceName,
    /// The distance between two rows; `cosine` by default for hidden states, else `jensen_shannon`.
    #[arg(long, value_enum)]
    distance: Option<DistanceName>,
    /// The power that the distance is raised to: 2 for the divergence, 0.5 for its fourth root.
    #[arg(long, default_value_t = 1.0)]
    exponent: f64,
    /// Which tokens are points.
    #[arg(long, value_enum, default_value_t = TokensName::Patches)]
    tokens: TokensName,
    /// Largest homology dimension; 2 takes much longer where there are hundreds of tokens.
    #[arg(long, default_value_t = 1)]
    max_homology_dim: usize,
}

/// Which layers.
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

/// Numbers with commas between them.
pub(super) fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',')
        .map(|part| part.trim().parse().ok())
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum SourceName {
    /// Rows of attention.
    Attention,
    /// The softmax of rows of attention.
    DoubleSoftmax,
    /// Tokens after the layer, as vectors.
    Hidden,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum DistanceName {
    /// Square root of the Jensen-Shannon divergence, natural logarithm.
    JensenShannon,
    /// Hellinger distance of distributions.
    Hellinger,
    /// One less the cosine of the angle.
    Cosine,
    /// Euclidean distance.
    Euclidean,
    /// One less the larger of the two weights between two tokens.
    Attention,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum TokensName {
    /// The patches.
    Patches,
    /// All, the class token too.
    All,
}

impl ReadingArguments {
    /// The specification.
    ///
    /// # Errors
    ///
    /// One sentence where it contradicts itself.
    pub(super) fn spec(&self, heads: HeadChoice) -> Result<InspectSpec, String> {
        let layers = match &self.layers.0 {
            None => Layers::All,
            Some(layers) => Layers::Of(layers.clone()),
        };
        let source = match self.source {
            SourceName::Attention => Source::Attention,
            SourceName::DoubleSoftmax => Source::DoubleSoftmax,
            SourceName::Hidden => Source::Hidden,
        };
        let metric = match (self.distance, source) {
            (Some(DistanceName::JensenShannon), _) => Metric::JensenShannon,
            (Some(DistanceName::Hellinger), _) => Metric::Hellinger,
            (Some(DistanceName::Cosine), _) => Metric::Cosine,
            (Some(DistanceName::Euclidean), _) => Metric::Euclidean,
            (Some(DistanceName::Attention), _) => Metric::Attention,
            (None, Source::Hidden) => Metric::Cosine,
            (None, _) => Metric::JensenShannon,
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
