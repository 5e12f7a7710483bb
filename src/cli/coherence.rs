//! `coherence`: temporal coherence of predictions on clips.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::image_size::ImageSizeArgument;
use super::output::{log, output_path, print, print_json};
use super::progress::Bar;
use super::selection::log_fewer;
use super::tables::{counted, duration};
use super::{BatchArguments, Failure, comparison_tables, log_each, open_run, select_device};
use crate::analysis::coherence::{
    ArmComparisons, ComparableRuns, FrameEncoder, PretrainedEncoder, Suite, SuiteFeatures,
    report_json, write_report,
};
use crate::evaluate::LoadedRun;
use crate::model::Task;
use crate::run::OutputDirectory;

/// Arguments of `coherence`.
#[derive(Debug, Args)]
pub(super) struct CoherenceArguments {
    /// Run directories. Runs that differ only in the seed form one arm; the other arms are compared with the arm of
    /// the first run, seed by seed and clip by clip.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// `builtin` for moving digits that no run was trained on, or a directory of clips. Folders in it that have the
    /// name of a class of the model are labels.
    #[arg(long, default_value = "builtin", value_name = "builtin|DIR")]
    clips: String,
    /// Pretrained weights of transformers or timm for images, whose features measure how alike two frames are: a file or
    /// its directory. Without them, features are those of fixed random filters. For runs that predict frames only.
    #[arg(long, value_name = "WEIGHTS")]
    encoder: Option<PathBuf>,
    #[command(flatten)]
    image_size: ImageSizeArgument,
    /// Use only N clips, spread evenly over the kinds of built-in clips, or over the folders of a directory.
    #[arg(
        long = "n-samples",
        alias = "n-clips",
        value_name = "N",
        default_value_t = DEFAULT_CLIPS,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    n_clips: u32,
    /// Directory of the report: `report.html`, `coherence.json`, `clips/` and `tensorboard/` [default: `coherence` in
    /// the directory of the first run]. An older report there is replaced.
    #[arg(long = "output", alias = "out", value_name = "DIR", value_parser = output_path())]
    out: Option<PathBuf>,
    /// Write into a directory that has other files, and replace those of the report's names.
    #[arg(long)]
    force: bool,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    batch: BatchArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Number of clips if none is given.
const DEFAULT_CLIPS: u32 = 360;

/// Measures the runs, prints the tables and writes the report.
pub(super) fn run(arguments: &CoherenceArguments) -> Result<(), Failure> {
    let runs = arguments
        .runs
        .iter()
        .map(|root| open_run(root, &arguments.device))
        .collect::<Result<_, Failure>>()?;
    let runs = ComparableRuns::new(runs)?;
    // The first run stands for all: they take clips of the same shape.
    let first = &runs.runs()[0];
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => first.run.root().join("coherence"),
    };
    // Before the measurement, so that a directory that cannot be written is reported at once.
    let output = OutputDirectory::create(&out, "coherence", arguments.force)?;
    let encoder = encoder(arguments, &runs)?;
    let suite = suite(arguments, first)?;
    log_each(&suite.notes);
    log_fewer(arguments.n_clips, DEFAULT_CLIPS, suite.clips.len(), "clips");
    log_each(&runs.data_differences());
    let features = match encoder {
        Some(encoder) => Some(suite_features(encoder, &suite, runs.runs().len())?),
        None => None,
    };
    // One bar for all runs, since every run measures the same clips.
    let mut bar = Bar::new(runs.runs().len() * suite.clips.len(), "clips");
    let batch_size = arguments.batch.batch_size;
    let measurements = runs.measure(
        &suite,
        features.as_ref(),
        batch_size,
        &mut |n_clips| bar.set(n_clips),
        &mut log,
    )?;
    bar.finish();
    // All runs share the margin, which depends on the clips alone.
    if let Some(margin) = measurements.first().and_then(|run| run.measurement.margin) {
        log(&margin.description());
    }
    let comparisons = ArmComparisons::new(&measurements, runs.arms(), &suite)?;
    let command: Vec<String> = std::env::args().collect();
    let command = command.join(" ");
    if arguments.json {
        print_json(&report_json(&command, &suite, &measurements, &comparisons))?;
    } else {
        print(&comparison_tables::coherence(&comparisons))?;
    }
    write_report(output, &command, &suite, &measurements, &comparisons)?;
    log(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}

/// Encoder of frames; `None` if the runs predict no frames.
fn encoder(
    arguments: &CoherenceArguments,
    runs: &ComparableRuns,
) -> Result<Option<FrameEncoder>, Failure> {
    match &arguments.encoder {
        Some(path) if runs.task() != Some(Task::PredictNextFrame) => Err(Failure::Error(format!(
            "--encoder {} measures frames, and these runs predict classes; leave it out",
            path.display()
        ))),
        Some(path) => {
            let device = select_device(&arguments.device)?;
            let encoder = PretrainedEncoder::open(path, arguments.image_size.get(), &device)?;
            log_each(&encoder.notes);
            Ok(Some(FrameEncoder::Pretrained(Box::new(encoder))))
        }
        None if arguments.image_size.get().is_some() => Err(Failure::Error(
            "--image-size is that of the weights of --encoder; pass both, or leave it out".into(),
        )),
        None => Ok((runs.task() == Some(Task::PredictNextFrame)).then(FrameEncoder::default)),
    }
}

/// Features of the true frames; says what encodes them, and what a pretrained encoder will cost.
fn suite_features(
    encoder: FrameEncoder,
    suite: &Suite,
    n_runs: usize,
) -> Result<SuiteFeatures, Failure> {
    let is_pretrained = matches!(encoder, FrameEncoder::Pretrained(_));
    let hint = if is_pretrained {
        ""
    } else {
        "; --encoder WEIGHTS takes those of a pretrained model"
    };
    log(&format!(
        "features of frames: {}{hint}",
        encoder.description()
    ));
    let n_frames = suite.clips.len() * suite.spec.n_frames;
    let start = Instant::now();
    let mut bar = Bar::new(n_frames, "true frames encoded");
    let features = SuiteFeatures::new(encoder, suite, &mut |n_done| bar.set(n_done))?;
    bar.finish();
    if is_pretrained {
        let seconds = start.elapsed().as_secs_f64();
        log(&format!(
            "{n_frames} true frames were encoded in {}; the predicted ones take about as long for each of {}",
            duration(seconds),
            counted(n_runs, "run"),
        ));
    }
    Ok(features)
}

/// Clips to measure on.
fn suite(arguments: &CoherenceArguments, run: &LoadedRun) -> crate::Result<Suite> {
    let n_clips = arguments.n_clips as usize;
    let spec = &run.config.spec;
    match &*arguments.clips {
        "builtin" => Suite::builtin(spec.samples, n_clips),
        directory => {
            Suite::from_directory(Path::new(directory), &spec.data, run.classes(), n_clips)
        }
    }
}
