//! `analyze`: the topology of a model's attention on images, as a page and as files.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args;

use super::analyze_pixels;
use super::attacked::AttackArguments;
use super::evaluate::Split;
use super::image_size::ImageSizeArgument;
use super::output::{log, output_path};
use super::progress::{Bar, duration};
use super::selection::{SelectionArguments, numbers, split_samples};
use super::tables::counted;
use super::{BatchArguments, Failure, log_each, log_problems, open_run, select_device};
use crate::analysis::inspect::{
    DiagramComparisons, HeadChoice, InspectSpec, InspectedModel, Inspection, InspectionProgress,
    InspectionSet, Precision, WrittenReport, write_report,
};
use crate::run::OutputDirectory;

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub(super) struct AnalyzeArguments {
    /// Run directory of the model, whose best checkpoint is inspected.
    #[arg(required_unless_present_any = ["weights", "model", "pixels"], conflicts_with = "weights")]
    run: Option<PathBuf>,
    /// Older form of RUN.
    #[arg(long, hide = true, conflicts_with_all = ["weights", "run"])]
    model: Option<PathBuf>,
    /// Pretrained weights of transformers or timm instead of a run, of a model for images: a file or its directory.
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    image_size: ImageSizeArgument,
    /// Image files, or clips for a run of a model for clips; they are cropped and scaled to the size of the model's input.
    #[arg(long, num_args = 1.., required_unless_present_any = ["split", "pixels"], conflicts_with = "split")]
    images: Vec<PathBuf>,
    /// Instead of a model, show the components and holes of pictures themselves: files of images, or .npy arrays of an image
    /// or a clip [frames, rows, columns] with grey values from 0 to 1.
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with_all = [
        "run", "model", "weights", "ImageSizeArgument", "images", "split", "heads", "precision", "SelectionArguments",
        "AttackArguments", "BatchArguments", "device",
    ])]
    pixels: Vec<PathBuf>,
    /// With --pixels: least persistence of the bars that are shown [default: 0.05].
    #[arg(
        long,
        value_name = "PERSISTENCE",
        requires = "pixels",
        allow_negative_numbers = true
    )]
    min_persistence: Option<f64>,
    /// Use samples of a split of the run's data and their labels instead of files.
    #[arg(long, value_enum)]
    split: Option<Split>,
    /// Number of samples to take from the split, spread evenly over its classes.
    #[arg(
        long = "n-samples",
        alias = "n-images",
        value_name = "N",
        default_value_t = DEFAULT_IMAGES,
        requires = "split",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    n_images: u32,
    /// Directory of the report: `report.html` and its data. An older report there is replaced.
    #[arg(long = "output", alias = "report", value_name = "DIR", value_parser = output_path())]
    report: PathBuf,
    /// Write into a directory that has other files, and replace those of the report's names.
    #[arg(long)]
    force: bool,
    /// Heads to inspect in addition to their mean: `each`, `mean` for none, or numbers counted from 0.
    #[arg(long, default_value = "each")]
    heads: HeadsArgument,
    /// Precision of distances and diagrams. With f64, distances take about four times as long.
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
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

/// Number of samples of a split if none is given.
const DEFAULT_IMAGES: u32 = 8;

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
    if !arguments.pixels.is_empty() {
        return analyze_pixels::run(
            &arguments.pixels,
            arguments.min_persistence,
            &arguments.report,
            arguments.force,
        );
    }
    let spec = InspectSpec {
        precision: arguments.precision,
        ..arguments.selection.spec(arguments.heads.0.clone())?
    };
    if arguments.weights.is_some() && arguments.attack.is_requested() {
        return Err(Failure::Error(
            "--attack: pretrained weights come without labels, which an attack needs; pass a run instead"
                .to_owned(),
        ));
    }
    // Before the computation, so that a directory that cannot be written is reported at once.
    let output = OutputDirectory::create(&arguments.report, "analyze", arguments.force)?;
    let run = arguments.run.as_ref().or(arguments.model.as_ref());
    let (model, set) = match (&arguments.weights, run) {
        (Some(weights), _) => {
            let device = select_device(&arguments.device)?;
            let image_size = arguments.image_size.get();
            let model = InspectedModel::from_weights(weights, image_size, &device)?;
            log_each(&model.notes);
            let set = model.read_files(&arguments.images);
            (model, set?)
        }
        (None, Some(run)) => {
            arguments.image_size.refuse_for_run()?;
            let run = open_run(run, &arguments.device)?;
            let model = log_problems(InspectedModel::from_run(&run))?.model;
            let originals = match arguments.split {
                Some(split) => {
                    split_samples(&run, split, None, arguments.n_images, DEFAULT_IMAGES)?
                }
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
    let mut inspection = Inspection::new(spec, output.path().to_owned())?;
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
        output,
        &model.title,
        &command.join(" "),
        &inspection,
        &comparisons,
    )?;
    log(&format!(
        "{} | model {:.1} s, matrices {:.1} s, diagram distances {:.1} s, page {:.1} s",
        counted(inspection.matrices.len(), "matrix"),
        model_time.as_secs_f64(),
        inspection.elapsed.as_secs_f64(),
        comparison_time.as_secs_f64(),
        writing_time.as_secs_f64(),
    ));
    for omission in omissions(&inspection) {
        log(&omission);
    }
    log(&format!(
        "report: {} ({})",
        arguments.report.join("report.html").display(),
        size(page_bytes as u64)
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
    let measuring = Bar::new(1, "image measured");
    // Created at the first report, when the cost is known; reports come from several threads.
    let bar = Mutex::new(None);
    let progress = |progress: InspectionProgress| {
        // A lock that another thread poisoned costs only the progress display.
        if let Ok(mut bar) = bar.lock() {
            bar.get_or_insert_with(|| {
                measuring.finish();
                log(&cost(progress));
                Bar::new(progress.n_matrices, "matrices")
            })
            .set_with_time_left(progress.n_done, progress.seconds_left);
        }
    };
    let model_time = inspection.add_set(model, set, batch_size, &progress);
    measuring.finish();
    if let Ok(Some(bar)) = bar.into_inner() {
        bar.finish();
    }
    Ok(model_time?)
}

/// Says what the inspection will cost, before it begins.
fn cost(progress: InspectionProgress) -> String {
    let InspectionProgress {
        n_matrices,
        n_points,
        n_file_bytes,
        seconds_left,
        ..
    } = progress;
    let files = match n_file_bytes {
        0 => String::new(),
        bytes => format!("; matrices/ takes {}", size(bytes)),
    };
    format!(
        "{} of {}: about {} on {}, measured on one of them{files}",
        counted(n_matrices, "matrix"),
        counted(n_points, "point"),
        duration(seconds_left),
        counted(rayon::current_num_threads(), "thread"),
    )
}

/// Returns the size of a file in words.
fn size(n_bytes: u64) -> String {
    match n_bytes as f64 {
        bytes @ ..1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes @ ..1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

/// Says what was left out of the report because it would be too large.
fn omissions(inspection: &Inspection) -> Vec<String> {
    let n_images = inspection.images.len();
    let mut omissions = Vec::new();
    if inspection.n_matrix_files < n_images {
        omissions.push(format!(
            "matrices/ has the distances and attention of {} of {}, to limit its size",
            inspection.n_matrix_files,
            counted(n_images, "image"),
        ));
    }
    let n_shown = inspection.n_shown();
    if n_shown < inspection.matrices.len() {
        omissions.push(format!(
            "report.html draws the complexes of {n_shown} of {}, to limit its size; choose fewer --layers, --heads or \
             images to draw others",
            counted(inspection.matrices.len(), "matrix"),
        ));
    }
    omissions
}

/// Computes the distances between the diagrams of layers, heads and images.
fn compare(inspection: &Inspection) -> Result<DiagramComparisons, Failure> {
    let bar: Mutex<Option<Bar>> = Mutex::new(None);
    let comparisons = DiagramComparisons::new(inspection, &|n_done, total| {
        if let Ok(mut bar) = bar.lock() {
            bar.get_or_insert_with(|| Bar::new(total, "distances between diagrams"))
                .set(n_done);
        }
    })?;
    if let Ok(Some(bar)) = bar.into_inner() {
        bar.finish();
    }
    Ok(comparisons)
}
