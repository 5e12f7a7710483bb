//! `anomaly`: detects images whose attention topology differs from that of normal images.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::evaluate::Split;
use super::output::{check_output_file, log, output_path, print, print_json};
use super::progress::Bar;
use super::selection::{SelectionArguments, split_samples};
use super::tables::counted;
use super::{BatchArguments, Failure, log_problems, open_run};
use crate::analysis::anomaly::{AnomalyFit, AnomalyScore, image_diagrams};
use crate::analysis::inspect::{
    HeadChoice, HeadMeanDiagrams, InspectSpec, InspectedModel, InspectionSet,
};
use crate::error::Error;
use crate::input_file;
use crate::report::csv_field;
use crate::run::write_atomically;
use crate::statistics::area_under_roc;

/// Subcommands of `anomaly`.
#[derive(Debug, Subcommand)]
pub(super) enum AnomalyCommand {
    /// Fit Fréchet means of the diagrams of normal images, and thresholds (Tukey fences) around them.
    Fit(FitArguments),
    /// Score how far the diagrams of images are from those of normal images.
    Score(ScoreArguments),
}

/// Arguments of `anomaly fit`.
#[derive(Debug, Args)]
pub(super) struct FitArguments {
    #[command(flatten)]
    run: RunArgument,
    /// Normal images, at least 8.
    #[arg(long, num_args = 1.., required_unless_present = "split", conflicts_with = "split")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    split: SplitArguments,
    #[command(flatten)]
    selection: SelectionArguments,
    /// JSON file to write.
    #[arg(long = "output", alias = "out", value_name = "FILE", value_parser = output_path())]
    out: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    batch: BatchArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Run directory, as an argument or after the old option `--model`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RunArgument {
    /// Run directory of the model, whose best checkpoint is used.
    run: Option<PathBuf>,
    /// Older form of RUN.
    #[arg(long, hide = true)]
    model: Option<PathBuf>,
}

impl RunArgument {
    /// The directory that was given in one of the forms.
    fn get(&self) -> &Path {
        let given = self.run.as_deref().or(self.model.as_deref());
        // The parser requires one of the two.
        given.unwrap_or(Path::new("."))
    }
}

/// Arguments of `anomaly score`.
#[derive(Debug, Args)]
pub(super) struct ScoreArguments {
    /// File that `anomaly fit` wrote; it names the run directory of the model.
    fit: PathBuf,
    /// Images to score.
    #[arg(long, num_args = 1.., required_unless_present = "split", conflicts_with = "split")]
    images: Vec<PathBuf>,
    /// Images that are known to be anomalous; those of `--images` are then known to be normal.
    #[arg(long, num_args = 1.., requires = "images")]
    anomalous: Vec<PathBuf>,
    #[command(flatten)]
    split: SplitArguments,
    /// Print JSON instead of CSV.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    batch: BatchArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Options that take samples of a split instead of files.
#[derive(Debug, Args)]
struct SplitArguments {
    /// Use samples of a split of the run's data instead of files.
    #[arg(long, value_enum, requires = "label")]
    split: Option<Split>,
    /// Class that counts as normal: its name, or its number counted from 0.
    #[arg(long, requires = "split", value_name = "CLASS")]
    label: Option<String>,
    /// Number of samples to take from the split: of the class `--label` for `fit`, spread evenly over all classes for
    /// `score`.
    #[arg(
        long = "n-samples",
        alias = "n-images",
        value_name = "N",
        default_value_t = DEFAULT_IMAGES,
        requires = "split",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    n_images: u32,
}

/// Number of samples of a split if none is given.
const DEFAULT_IMAGES: u32 = 200;

/// Content of the file that `anomaly fit` writes and `anomaly score` reads.
#[derive(Serialize, Deserialize)]
struct FitFile {
    model: PathBuf,
    // The name that this field has in existing files.
    #[serde(rename = "reading")]
    selection: SelectionArguments,
    fit: AnomalyFit,
}

/// Runs one subcommand.
pub(super) fn run(command: &AnomalyCommand) -> Result<(), Failure> {
    match command {
        AnomalyCommand::Fit(arguments) => fit(arguments),
        AnomalyCommand::Score(arguments) => score(arguments),
    }
}

/// Fits the model of normal images, and writes it to a file.
fn fit(arguments: &FitArguments) -> Result<(), Failure> {
    // Checked before the computation, which may take long.
    check_output_file(&arguments.out, arguments.force)?;
    let spec = arguments.selection.spec(HeadChoice::Mean)?;
    let root = arguments.run.get();
    let run = open_run(root, &arguments.device)?;
    let model = log_problems(InspectedModel::from_run(&run))?.model;
    let class = arguments.split.label.as_deref();
    let class = class.map(|name| run.label_of(name)).transpose()?;
    let set = match arguments.split.split {
        Some(split) => {
            let n_images = arguments.split.n_images;
            split_samples(&run, split, class, n_images, DEFAULT_IMAGES)?
        }
        None => model.read_files(&arguments.images)?,
    };
    let HeadMeanDiagrams {
        layers,
        images: diagrams,
    } = diagrams(&model, &set, &spec, arguments.batch)?;
    let fit = AnomalyFit::new(layers, &diagrams)?;
    let message = format!(
        "{}: Fréchet means of {}, thresholds from {}; scores above {:.3} are anomalous",
        arguments.out.display(),
        counted(fit.n_mean, "image"),
        counted(fit.n_fence, "image"),
        fit.fence().upper()
    );
    // Absolute, so that `score` finds the run from another directory.
    let absolute = std::path::absolute(root);
    let file = FitFile {
        model: absolute.unwrap_or_else(|_| root.to_owned()),
        selection: arguments.selection.clone(),
        fit,
    };
    let text = serde_json::to_vec_pretty(&file).expect("numbers can be written");
    write_atomically(&arguments.out, &text)
        .map_err(|error| Error::cannot_write(&arguments.out, error))?;
    log(&message);
    Ok(())
}

/// Prints CSV with the columns `image,group,layer,homology_dim,value,fence,is_beyond`: for each image its score, then
/// the distances of its diagrams from the means.
fn score(arguments: &ScoreArguments) -> Result<(), Failure> {
    let FitFile {
        model,
        selection,
        fit,
    } = read_fit(&arguments.fit)?;
    let spec = selection.spec(HeadChoice::Mean)?;
    let run = open_run(&model, &arguments.device)?;
    let model = log_problems(InspectedModel::from_run(&run))?.model;
    let split = &arguments.split;
    // For each image: true if it is known to be anomalous, `None` if unknown.
    let (set, is_anomalous) = match (split.split, &split.label) {
        (Some(name), Some(label)) => {
            let label = run.label_of(label)?;
            let set = split_samples(&run, name, None, split.n_images, DEFAULT_IMAGES)?;
            let is_anomalous = set
                .items
                .iter()
                .map(|item| Some(item.sample.label != label))
                .collect();
            (set, is_anomalous)
        }
        _ => {
            let all = [&arguments.images[..], &arguments.anomalous].concat();
            let n_images = arguments.images.len();
            let is_known = !arguments.anomalous.is_empty();
            let is_anomalous: Vec<Option<bool>> = (0..all.len())
                .map(|index| is_known.then_some(index >= n_images))
                .collect();
            (model.read_files(&all)?, is_anomalous)
        }
    };
    let diagrams = diagrams(&model, &set, &spec, arguments.batch)?.images;
    if !arguments.json {
        print("image,group,layer,homology_dim,value,fence,is_beyond\n")?;
    }
    let mut images: Vec<Value> = Vec::new();
    let (mut normal_scores, mut anomalous_scores) = (Vec::new(), Vec::new());
    for ((item, is_anomalous), image) in set.items.iter().zip(&is_anomalous).zip(&diagrams) {
        let score = fit.score(image)?;
        let group = match is_anomalous {
            None => "",
            Some(false) => "normal",
            Some(true) => "anomalous",
        };
        if arguments.json {
            images.push(image_json(&fit, &item.name, group, &score));
        }
        let start = format!("{},{group}", csv_field(&item.name));
        let mut lines = String::new();
        let mut line = |layer: &str, dim: &str, value: f64, fence: f64| {
            let is_beyond = value > fence;
            // Writing to a string cannot fail.
            let _ = writeln!(
                lines,
                "{start},{layer},{dim},{value:.6},{fence:.6},{is_beyond}"
            );
        };
        line("all", "all", score.score, fit.fence().upper());
        for ((layer, dims), normal) in fit.layers.iter().zip(&score.distances).zip(&fit.normal) {
            for (dim, (distance, normal)) in dims.iter().zip(normal).enumerate() {
                let fence = normal.fence().upper();
                line(&layer.to_string(), &dim.to_string(), *distance, fence);
            }
        }
        if !arguments.json {
            print(&lines)?;
        }
        match is_anomalous {
            Some(true) => anomalous_scores.push(score.score),
            Some(false) => normal_scores.push(score.score),
            None => {}
        }
    }
    let area = area_under_roc(&normal_scores, &anomalous_scores);
    if arguments.json {
        return print_json(&json!({ "images": images, "area_under_roc": area }));
    }
    if let Some(area) = area {
        log(&format!(
            "area under the ROC curve: {area:.3} ({} normal, {} anomalous)",
            normal_scores.len(),
            anomalous_scores.len()
        ));
    }
    Ok(())
}

/// Score of an image as JSON, with the distances of its diagrams from the means.
fn image_json(fit: &AnomalyFit, name: &str, group: &str, score: &AnomalyScore) -> Value {
    let mut distances = Vec::new();
    for ((layer, dims), normal) in fit.layers.iter().zip(&score.distances).zip(&fit.normal) {
        for (dim, (distance, normal)) in dims.iter().zip(normal).enumerate() {
            let fence = normal.fence().upper();
            distances.push(json!({
                "layer": layer,
                "homology_dim": dim,
                "value": distance,
                "fence": fence,
                "is_beyond": *distance > fence,
            }));
        }
    }
    let fence = fit.fence().upper();
    json!({
        "image": name,
        "group": Some(group).filter(|group| !group.is_empty()),
        "value": score.score,
        "fence": fence,
        "is_beyond": score.score > fence,
        "distances": distances,
    })
}

/// Reads a file of `anomaly fit`.
fn read_fit(path: &Path) -> Result<FitFile, Failure> {
    let refuse = |error: String| {
        Failure::Error(format!(
            "{}: cannot be read ({error}), expected a file that `anomaly fit` wrote",
            path.display()
        ))
    };
    let text = input_file::read(path).map_err(|error| refuse(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))
}

/// Computes the diagrams of all images, with a progress display.
fn diagrams(
    model: &InspectedModel,
    set: &InspectionSet,
    spec: &InspectSpec,
    batch: BatchArguments,
) -> Result<HeadMeanDiagrams, Failure> {
    let mut bar = Bar::new(set.items.len(), "images");
    let diagrams = image_diagrams(model, set, spec, batch.batch_size, &mut |n_images| {
        bar.set(n_images);
    })?;
    bar.finish();
    Ok(diagrams)
}
