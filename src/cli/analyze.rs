//! `analyze`: the topology of what a model does with pictures, as a page and as files.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::evaluate::Split;
use super::output::tell;
use super::progress::{Bar, Notes};
use super::{Failure, open, read_config};
use crate::analysis::inspect::{
    Comparisons, HeadChoice, InspectSpec, Inspection, Seen, Shown, Written, write_report,
};
use crate::data::{DataSpec, Sample, open_data};
use crate::distance::{Metric, RowDistance};
use crate::loss::{Layers, Source};
use crate::model::Task;
use crate::nn::Tokens;
use crate::run::RunDirectory;
use crate::train::load_best;

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArguments {
    /// The run directory of the model; its best checkpoint is looked into.
    #[arg(long)]
    model: PathBuf,
    /// Images, or clips of a model for clips; cut and scaled to what the model takes.
    #[arg(long, num_args = 1.., required_unless_present = "split", conflicts_with = "split")]
    images: Vec<PathBuf>,
    /// Samples of a split of the run's data, with their labels, in place of files.
    #[arg(long, value_enum)]
    split: Option<Split>,
    /// So many samples of the split, evenly spaced.
    #[arg(long, default_value_t = 8, requires = "split", value_parser = clap::value_parser!(u32).range(1..))]
    n_images: u32,
    /// Directory of the report: `report.html` and the data behind it. An older report there is replaced.
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    #[command(flatten)]
    what: WhatArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// What of a model is looked at, in the words of `[[topology]]`.
#[derive(Debug, Args)]
pub struct WhatArguments {
    /// Layers that are read: `all`, or numbers counted from 0, as `0,5,11`.
    #[arg(long, default_value = "all")]
    layers: Choice,
    /// Heads that are read beside their mean: `each`, `mean` for none, or numbers counted from 0.
    #[arg(long, default_value = "each")]
    heads: Choice,
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
    /// Largest homology dimension; 2 takes minutes where there are hundreds of tokens.
    #[arg(long, default_value_t = 1)]
    max_homology_dim: usize,
}

/// `all`, `each`, `mean`, or a list of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    Word(String),
    Of(Vec<usize>),
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if ["all", "each", "mean"].contains(&text) {
            return Ok(Self::Word(text.to_owned()));
        }
        let numbers = text.split(',').map(|part| part.trim().parse());
        let numbers: Result<Vec<usize>, _> = numbers.collect();
        numbers.map(Self::Of).map_err(|_| {
            "expected a word or numbers counted from 0 with commas between them".to_owned()
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum SourceName {
    /// Rows of attention.
    Attention,
    /// The softmax of rows of attention.
    DoubleSoftmax,
    /// Tokens after the layer, as vectors.
    Hidden,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum TokensName {
    /// The patches.
    Patches,
    /// All, the class token too.
    All,
}

impl WhatArguments {
    /// The specification.
    ///
    /// # Errors
    ///
    /// One sentence where it contradicts itself.
    pub fn spec(&self) -> Result<InspectSpec, String> {
        let layers = match &self.layers {
            Choice::Word(word) if word == "all" => Layers::All,
            Choice::Word(word) => {
                return Err(format!(
                    "--layers {word}: expected `all` or numbers counted from 0"
                ));
            }
            Choice::Of(layers) => Layers::Of(layers.clone()),
        };
        let heads = match &self.heads {
            Choice::Word(word) if word == "mean" => HeadChoice::Mean,
            Choice::Word(word) if word == "each" => HeadChoice::Each,
            Choice::Word(word) => {
                return Err(format!(
                    "--heads {word}: expected `each`, `mean` or numbers counted from 0"
                ));
            }
            Choice::Of(heads) => HeadChoice::Of(heads.clone()),
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

/// Pictures shown to the model at once.
const BATCH_SIZE: usize = 4;

/// Looks, and writes the report.
pub fn run(arguments: &AnalyzeArguments) -> Result<(), Failure> {
    let could_not = Failure::CouldNotRun;
    let spec = arguments.what.spec().map_err(could_not)?;
    let run = RunDirectory::open(&arguments.model).map_err(could_not)?;
    let config = read_config(&run.config(), &[])?;
    let device = open(&arguments.device)?;
    let (names, samples) = samples(arguments, &config.spec.data).map_err(could_not)?;
    let (model, _) = load_best(&run, &config, &device, &mut Notes)?;
    let task = Task::of(&config.spec.model);
    let shown = config.spec.samples;
    let look = |range: std::ops::Range<usize>| {
        let shown_samples = Shown {
            names: &names[range.clone()],
            samples: &samples[range.clone()],
            is_labelled: arguments.split.is_some(),
            n_before: range.start,
        };
        Seen::by(&model, task, shown, shown_samples, &device).map_err(|e| e.to_string())
    };
    report(arguments, &config.spec.name, spec, samples.len(), look)
}

/// Looks at so many images or clips, a batch at a time, by whatever shows them to a model.
fn report(
    arguments: &AnalyzeArguments,
    title: &str,
    spec: InspectSpec,
    n_samples: usize,
    look: impl Fn(std::ops::Range<usize>) -> Result<Seen, String>,
) -> Result<(), Failure> {
    let could_not = Failure::CouldNotRun;
    let mut inspection = Inspection::new(spec, arguments.report.clone())
        .map_err(|error| could_not(error.to_string()))?;
    let mut model_time = Duration::ZERO;
    let bar = std::sync::Mutex::new(None);
    for start in (0..n_samples).step_by(BATCH_SIZE) {
        let started = Instant::now();
        let seen = look(start..n_samples.min(start + BATCH_SIZE)).map_err(Failure::No)?;
        model_time += started.elapsed();
        let n_pictures = n_samples * seen.pictures.len() / (n_samples - start).min(BATCH_SIZE);
        let progress = |n_done: usize, per_picture: usize| {
            if let Ok(mut bar) = bar.lock() {
                bar.get_or_insert_with(|| Bar::new(n_pictures * per_picture, "matrices"))
                    .set(n_done);
            }
        };
        let added = inspection.add(seen, &progress);
        added.map_err(|error| Failure::No(error.to_string()))?;
    }
    if let Ok(Some(bar)) = bar.into_inner() {
        bar.finish();
    }
    let started = Instant::now();
    let mut bar: Option<Bar> = None;
    let comparisons = Comparisons::new(&inspection, &mut |n_done, total| {
        bar.get_or_insert_with(|| Bar::new(total, "tables of distances"))
            .set(n_done);
    });
    let comparisons = comparisons.map_err(|error| Failure::No(error.to_string()))?;
    if let Some(bar) = bar {
        bar.finish();
    }
    let comparing = started.elapsed();
    let command: Vec<String> = std::env::args().collect();
    let Written {
        page_bytes,
        writing,
    } = write_report(
        &arguments.report,
        [title, &command.join(" ")],
        &inspection,
        &comparisons,
    )
    .map_err(could_not)?;
    tell(&format!(
        "{} matrices | model {:.1} s, persistence {:.1} s, distances of diagrams {:.1} s, page {:.1} s",
        inspection.items.len(),
        model_time.as_secs_f64(),
        inspection.reading.as_secs_f64(),
        comparing.as_secs_f64(),
        writing.as_secs_f64(),
    ));
    tell(&format!(
        "report: {} ({:.1} MB)",
        arguments.report.join("report.html").display(),
        page_bytes as f64 / 1e6
    ));
    Ok(())
}

/// Names and pixels of what is looked at.
fn samples(
    arguments: &AnalyzeArguments,
    spec: &DataSpec,
) -> Result<(Vec<String>, Vec<Sample>), String> {
    let Some(split) = arguments.split else {
        let files = arguments.images.iter().map(|path| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            let sample = spec.read(path)?;
            Ok((name.to_string_lossy().into_owned(), sample))
        });
        let files: Vec<(String, Sample)> = files.collect::<Result<_, String>>()?;
        return Ok(files.into_iter().unzip());
    };
    let data = open_data(spec)?;
    let data = split.of(&data);
    let n = data.len().min(arguments.n_images as usize);
    let found = (0..n).map(|place| {
        let index = place * data.len() / n;
        let sample = data.get(index).map_err(|error| error.to_string())?;
        Ok((format!("{index}, class {}", sample.label), sample))
    });
    let found: Vec<(String, Sample)> = found.collect::<Result<_, String>>()?;
    Ok(found.into_iter().unzip())
}
