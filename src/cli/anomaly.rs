//! `anomaly`: images whose attention has another topology than that of normal ones.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::Failure;
use super::evaluate::Split;
use super::looking::{Exhibits, ReadingArguments, Subject};
use super::output::{print, tell};
use super::progress::Bar;
use crate::analysis::anomaly::AnomalyFit;
use crate::analysis::inspect::{HeadChoice, InspectSpec, PictureDiagrams, mean_diagrams};
use crate::report::csv_field;
use crate::run::write_atomically;
use crate::statistics::area_under_roc;

/// What is done about anomalies.
#[derive(Debug, Subcommand)]
pub enum AnomalyCommand {
    /// Learn what is normal: Fréchet means of the diagrams of normal images, and fences around them.
    Fit(FitArguments),
    /// Say how far images are from normal.
    Score(ScoreArguments),
}

/// Arguments of `anomaly fit`.
#[derive(Debug, Args)]
pub struct FitArguments {
    /// The run directory of the model; its best checkpoint is looked into.
    #[arg(long)]
    model: PathBuf,
    /// Normal images, at least 8.
    #[arg(long, num_args = 1.., required_unless_present = "split", conflicts_with = "split")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    split: SplitArguments,
    #[command(flatten)]
    reading: ReadingArguments,
    /// File that is written, a JSON text.
    #[arg(long)]
    out: PathBuf,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Arguments of `anomaly score`.
#[derive(Debug, Args)]
pub struct ScoreArguments {
    /// File that `anomaly fit` wrote; it names the model.
    fit: PathBuf,
    /// Images that are scored.
    #[arg(long, num_args = 1.., required_unless_present = "split", conflicts_with = "split")]
    images: Vec<PathBuf>,
    /// Images known to be anomalous; those of `--images` are then known to be normal.
    #[arg(long, num_args = 1.., requires = "images")]
    anomalous: Vec<PathBuf>,
    #[command(flatten)]
    split: SplitArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Samples in place of files.
#[derive(Debug, Args)]
struct SplitArguments {
    /// Samples of a split of the run's data, in place of files.
    #[arg(long, value_enum, requires = "label")]
    split: Option<Split>,
    /// The class that is normal.
    #[arg(long, requires = "split")]
    label: Option<usize>,
    /// So many samples of the split are looked at, evenly spaced.
    #[arg(long, default_value_t = 200, requires = "split", value_parser = clap::value_parser!(u32).range(1..))]
    n_images: u32,
}

/// What `fit` leaves for `score`.
#[derive(Serialize, Deserialize)]
struct FitFile {
    model: PathBuf,
    reading: ReadingArguments,
    fit: AnomalyFit,
}

/// Images shown to the model at once.
const BATCH_SIZE: usize = 16;

/// Fits or scores.
pub fn run(command: &AnomalyCommand) -> Result<(), Failure> {
    match command {
        AnomalyCommand::Fit(arguments) => fit(arguments),
        AnomalyCommand::Score(arguments) => score(arguments),
    }
}

fn fit(arguments: &FitArguments) -> Result<(), Failure> {
    let could_not = Failure::CouldNotRun;
    let spec = arguments
        .reading
        .spec(HeadChoice::Mean)
        .map_err(could_not)?;
    let subject = Subject::of_run(&arguments.model, &arguments.device)?;
    let mut exhibits = match arguments.split.split {
        Some(split) => subject.split(split, arguments.split.n_images)?,
        None => subject.files(&arguments.images)?,
    };
    if let Some(label) = arguments.split.label {
        exhibits.keep(|sample| sample.label == label);
    }
    let (layers, diagrams) = diagrams(&subject, &exhibits, &spec)?;
    let fit = AnomalyFit::new(layers, &diagrams).map_err(|e| could_not(e.to_string()))?;
    let [n_mean, n_fence, fence] = [fit.n_mean as f64, fit.n_fence as f64, fit.fence().upper()];
    let absolute = std::path::absolute(&arguments.model);
    let file = FitFile {
        model: absolute.unwrap_or_else(|_| arguments.model.clone()),
        reading: arguments.reading.clone(),
        fit,
    };
    let text = serde_json::to_vec_pretty(&file).expect("numbers can be written");
    write_atomically(&arguments.out, &text).map_err(|error| {
        could_not(format!(
            "{}: cannot be written: {error}",
            arguments.out.display()
        ))
    })?;
    tell(&format!(
        "{}: means of {n_mean} images, fences of {n_fence}; scores above {fence:.3} are anomalous",
        arguments.out.display()
    ));
    Ok(())
}

/// Prints `image,group,layer,homology_dim,value,fence,is_beyond`: for each image its score, then its
/// distances from the means.
fn score(arguments: &ScoreArguments) -> Result<(), Failure> {
    let FitFile {
        model,
        reading,
        fit,
    } = read_fit(&arguments.fit)?;
    let spec = reading
        .spec(HeadChoice::Mean)
        .map_err(Failure::CouldNotRun)?;
    let subject = Subject::of_run(&model, &arguments.device)?;
    let split = &arguments.split;
    let (exhibits, groups) = match (split.split, split.label) {
        (Some(wanted), Some(label)) => {
            let exhibits = subject.split(wanted, split.n_images)?;
            let samples = exhibits.samples.iter();
            let groups = samples.map(|sample| Some(sample.label != label)).collect();
            (exhibits, groups)
        }
        _ => {
            let all = [&arguments.images[..], &arguments.anomalous].concat();
            let n_images = arguments.images.len();
            let is_known = !arguments.anomalous.is_empty();
            let groups = (0..all.len()).map(|place| is_known.then_some(place >= n_images));
            (subject.files(&all)?, groups.collect::<Vec<Option<bool>>>())
        }
    };
    let (_, diagrams) = diagrams(&subject, &exhibits, &spec)?;
    print("image,group,layer,homology_dim,value,fence,is_beyond\n")?;
    let mut scores: [Vec<f64>; 2] = Default::default();
    for ((name, group), picture) in exhibits.names.iter().zip(&groups).zip(&diagrams) {
        let found = fit.score(picture).map_err(|e| Failure::No(e.to_string()))?;
        let group_name = match group {
            None => "",
            Some(false) => "normal",
            Some(true) => "anomalous",
        };
        let start = format!("{},{group_name}", csv_field(name));
        let mut lines = String::new();
        let mut line = |layer: &str, dim: &str, value: f64, fence: f64| {
            let is_beyond = value > fence;
            let _ = writeln!(
                lines,
                "{start},{layer},{dim},{value:.6},{fence:.6},{is_beyond}"
            );
        };
        line("all", "all", found.score, fit.fence().upper());
        for ((layer, dims), normal) in fit.layers.iter().zip(&found.distances).zip(&fit.normal) {
            for (dim, (distance, normal)) in dims.iter().zip(normal).enumerate() {
                let fence = normal.fence().upper();
                line(&layer.to_string(), &dim.to_string(), *distance, fence);
            }
        }
        print(&lines)?;
        if let Some(is_anomalous) = group {
            scores[usize::from(*is_anomalous)].push(found.score);
        }
    }
    if let Some(area) = area_under_roc(&scores[0], &scores[1]) {
        tell(&format!(
            "area under the ROC curve: {area:.3} ({} normal, {} anomalous)",
            scores[0].len(),
            scores[1].len()
        ));
    }
    Ok(())
}

fn read_fit(path: &Path) -> Result<FitFile, Failure> {
    let refuse = |error: String| {
        Failure::CouldNotRun(format!(
            "{}: cannot be read ({error}), expected a file that `anomaly fit` wrote",
            path.display()
        ))
    };
    let text = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))
}

fn diagrams(
    subject: &Subject,
    exhibits: &Exhibits,
    spec: &InspectSpec,
) -> Result<(Vec<usize>, Vec<PictureDiagrams>), Failure> {
    let n_samples = exhibits.samples.len();
    let mut bar = Bar::new(n_samples, "images");
    let (mut layers, mut found) = (Vec::new(), Vec::with_capacity(n_samples));
    for start in (0..n_samples).step_by(BATCH_SIZE) {
        let seen = subject.see(exhibits, start..n_samples.min(start + BATCH_SIZE))?;
        if seen.pictures.len() != n_samples.min(start + BATCH_SIZE) - start {
            return Err(Failure::CouldNotRun(format!(
                "{} is a model of clips, expected one of images",
                subject.title
            )));
        }
        let read = mean_diagrams(&seen, spec).map_err(|e| Failure::No(e.to_string()))?;
        layers = read.0;
        found.extend(read.1);
        bar.set(found.len());
    }
    bar.finish();
    Ok((layers, found))
}
