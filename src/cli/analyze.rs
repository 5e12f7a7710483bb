//! `analyze`: the topology of a model's attention on images, as a page and as files.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args;

use super::attacked::AttackArguments;
use super::evaluate::Split;
use super::output::log;
use super::progress::Bar;
use super::selection::{SelectionArguments, numbers, split_samples};
use super::tables::counted;
use super::{BatchArguments, Failure, log_problems, open_run, refuse_run_directory, select_device};
use crate::analysis::inspect::{
    DiagramComparisons, HeadChoice, InspectedModel, Inspection, InspectionSet, WrittenReport,
    write_report,
};

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub(super) struct AnalyzeArguments {
    /// Run directory of the model, whose best checkpoint is inspected.
    #[arg(long, required_unless_present = "weights", conflicts_with = "weights")]
    model: Option<PathBuf>,
    /// Pretrained weights of transformers or timm instead of a run, of a model for images: a file or its directory.
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    weights: Option<PathBuf>,
    /// Image files, or clips for a run of a model for clips; they are cropped and scaled to the size of the model's input.
    #[arg(long, num_args = 1.., required_unless_present = "split", conflicts_with = "split")]
    images: Vec<PathBuf>,
    /// Use samples of a split of the run's data and their labels instead of files.
    #[arg(long, value_enum)]
    split: Option<Split>,
    /// Number of samples to take from the split, evenly spaced.
    #[arg(long, default_value_t = 8, requires = "split", value_parser = clap::value_parser!(u32).range(1..))]
    n_images: u32,
    /// Directory of the report: `report.html` and its data. An older report there is replaced.
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    /// Heads to inspect in addition to their mean: `each`, `mean` for none, or numbers counted from 0.
    #[arg(long, default_value = "each")]
    heads: HeadsArgument,
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    attack: AttackArguments,
    #[command(flatten)]
    batch: BatchArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Value of `--heads`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HeadsArgument(HeadChoice);

impl std::str::FromStr for HeadsArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "each" => HeadChoice::Each,
            "mean" => HeadChoice::Mean,
            list => HeadChoice::Indices(
                numbers(list).ok_or("expected `each`, `mean` or numbers counted from 0")?,
            ),
        }))
    }
}

/// Inspects the model, and writes the report.
pub(super) fn run(arguments: &AnalyzeArguments) -> Result<(), Failure> {
    let spec = arguments.selection.spec(arguments.heads.0.clone())?;
    if arguments.weights.is_some() && arguments.attack.is_requested() {
        return Err(Failure::Error(
            "--attack: pretrained weights come without labels, which an attack needs; pass a run with --model"
                .to_owned(),
        ));
    }
    refuse_run_directory(&arguments.report)?;
    let (model, set) = match (&arguments.weights, &arguments.model) {
        (Some(weights), _) => {
            let device = select_device(&arguments.device)?;
            let model = InspectedModel::from_weights(weights, &device)?;
            for note in &model.notes {
                log(note);
            }
            let set = model.read_files(&arguments.images);
            (model, set?)
        }
        (None, Some(run)) => {
            let run = open_run(run, &arguments.device)?;
            let model = log_problems(InspectedModel::from_run(&run))?.model;
            let originals = match arguments.split {
                Some(split) => split_samples(&run, split, arguments.n_images)?,
                None => model.read_files(&arguments.images)?,
            };
            let attack = &arguments.attack;
            (
                model,
                attack.add_attacked(originals, &run, arguments.batch)?,
            )
        }
        (None, None) => unreachable!("required by the parser"),
    };
    let mut inspection = Inspection::new(spec, arguments.report.clone())?;
    let batch_size = arguments.batch.batch_size;
    let model_time = inspect(&model, &set, batch_size, &mut inspection)?;
    let comparison_started = Instant::now();
    let comparisons = compare(&inspection)?;
    let comparison_time = comparison_started.elapsed();
    let command: Vec<String> = std::env::args().collect();
    let WrittenReport {
        page_bytes,
        elapsed: writing_time,
    } = write_report(
        &arguments.report,
        &model.title,
        &command.join(" "),
        &inspection,
        &comparisons,
    )?;
    log(&format!(
        "{} | model {:.1} s, persistence {:.1} s, diagram distances {:.1} s, page {:.1} s",
        counted(inspection.matrices.len(), "matrix"),
        model_time.as_secs_f64(),
        inspection.elapsed.as_secs_f64(),
        comparison_time.as_secs_f64(),
        writing_time.as_secs_f64(),
    ));
    log(&format!(
        "report: {} ({:.1} MB)",
        arguments.report.join("report.html").display(),
        page_bytes as f64 / 1e6
    ));
    Ok(())
}

/// Runs the model on all images and computes their diagrams; returns the time of the forward passes.
fn inspect(
    model: &InspectedModel,
    set: &InspectionSet,
    batch_size: Option<NonZeroUsize>,
    inspection: &mut Inspection,
) -> Result<Duration, Failure> {
    // Created at the first report, when the number of matrices is known; reports come from several threads.
    let bar = Mutex::new(None);
    let progress = |n_done: usize, total: usize| {
        // A lock that another thread poisoned costs only the progress display.
        if let Ok(mut bar) = bar.lock() {
            bar.get_or_insert_with(|| Bar::new(total, "matrices"))
                .set(n_done);
        }
    };
    let model_time = inspection.add_set(model, set, batch_size, &progress)?;
    if let Ok(Some(bar)) = bar.into_inner() {
        bar.finish();
    }
    Ok(model_time)
}

/// Computes the distances between the diagrams of layers, heads and images.
fn compare(inspection: &Inspection) -> Result<DiagramComparisons, Failure> {
    let mut bar: Option<Bar> = None;
    let comparisons = DiagramComparisons::new(inspection, &mut |n_done, total| {
        bar.get_or_insert_with(|| Bar::new(total, "distance tables"))
            .set(n_done);
    })?;
    if let Some(bar) = bar {
        bar.finish();
    }
    Ok(comparisons)
}
