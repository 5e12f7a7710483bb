//! `analyze`: the topology of what a model does with pictures, as a page and as files.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::Failure;
use super::attacked::AttackArguments;
use super::evaluate::Split;
use super::looking::{ReadingArguments, Subject, numbers};
use super::output::tell;
use super::progress::Bar;
use crate::analysis::inspect::{Comparisons, HeadChoice, Inspection, Written, write_report};

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArguments {
    /// The run directory of the model; its best checkpoint is looked into.
    #[arg(long, required_unless_present = "weights", conflicts_with = "weights")]
    model: Option<PathBuf>,
    /// Pretrained weights of transformers or timm, a file or its directory, in place of a run.
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    weights: Option<PathBuf>,
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
    /// Heads that are read beside their mean: `each`, `mean` for none, or numbers counted from 0.
    #[arg(long, default_value = "each")]
    heads: HeadsArgument,
    #[command(flatten)]
    reading: ReadingArguments,
    #[command(flatten)]
    attack: AttackArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Which heads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HeadsArgument(HeadChoice);

impl std::str::FromStr for HeadsArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "each" => HeadChoice::Each,
            "mean" => HeadChoice::Mean,
            list => HeadChoice::Of(
                numbers(list).ok_or("expected `each`, `mean` or numbers counted from 0")?,
            ),
        }))
    }
}

/// Pictures shown to the model at once.
const BATCH_SIZE: usize = 4;

/// Looks, and writes the report.
pub fn run(arguments: &AnalyzeArguments) -> Result<(), Failure> {
    let could_not = Failure::CouldNotRun;
    let spec = arguments
        .reading
        .spec(arguments.heads.0.clone())
        .map_err(could_not)?;
    if arguments.weights.is_some() && arguments.attack.is_asked_for() {
        return Err(could_not(
            "--attack: weights by themselves have no right classes to move pictures away from, expected --model \
             with a run"
                .to_owned(),
        ));
    }
    let subject = match (&arguments.weights, &arguments.model) {
        (Some(weights), _) => Subject::of_weights(weights, &arguments.device)?,
        (None, Some(run)) => Subject::of_run(run, &arguments.device)?,
        (None, None) => unreachable!("required by the parser"),
    };
    let exhibits = match arguments.split {
        Some(split) => subject.split(split, arguments.n_images)?,
        None => subject.files(&arguments.images)?,
    };
    let exhibits = match &arguments.model {
        Some(run) => arguments.attack.beside(exhibits, run, &arguments.device)?,
        None => exhibits,
    };
    let n_samples = exhibits.samples.len();
    let mut inspection = Inspection::new(spec, arguments.report.clone())
        .map_err(|error| could_not(error.to_string()))?;
    let mut model_time = Duration::ZERO;
    let bar = std::sync::Mutex::new(None);
    for start in (0..n_samples).step_by(BATCH_SIZE) {
        let started = Instant::now();
        let seen = subject.see(&exhibits, start..n_samples.min(start + BATCH_SIZE))?;
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
        [&subject.title, &command.join(" ")],
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
