//! `coherence`: temporal coherence of predictions on clips.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{log, print};
use super::progress::{Bar, MessageObserver};
use super::{
    Failure, comparison_tables, read_run_config, refuse_run_directory, run_name, select_device,
};
use crate::analysis::coherence::{
    ArmComparisons, RunInfo, RunMeasurement, Suite, group_into_arms, measure, reported_clips,
    write_report,
};
use crate::config::Config;
use crate::model::Task;
use crate::run::RunDirectory;
use crate::train::load_best;

/// Arguments of `coherence`.
#[derive(Debug, Args)]
pub struct CoherenceArguments {
    /// Run directories. Runs that differ only in the seed form one arm; the other arms are compared with the arm of
    /// the first run, seed by seed and clip by clip.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// `builtin` for moving digits that no run was trained on, or a directory of clips.
    #[arg(long, default_value = "builtin", value_name = "builtin|DIR")]
    clips: String,
    /// Use only the first N clips.
    #[arg(long, value_name = "N", default_value_t = 360, value_parser = clap::value_parser!(u32).range(1..))]
    n_clips: u32,
    /// Directory of the report: `report.html`, `coherence.json`, `clips/` and `tensorboard/` [default: `coherence` in
    /// the directory of the first run]. An older report there is replaced.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Measures the runs, prints the tables and writes the report.
pub fn run(arguments: &CoherenceArguments) -> Result<(), Failure> {
    let runs = arguments.runs.iter().map(|root| {
        let run = RunDirectory::open(root).map_err(Failure::Error)?;
        let config = read_run_config(&run.config())?;
        Ok(NamedRun {
            name: run_name(root),
            run,
            config,
        })
    });
    let runs: Vec<NamedRun> = runs.collect::<Result<_, Failure>>()?;
    check_alike(&runs).map_err(Failure::Error)?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => runs[0].run.root().join("coherence"),
    };
    refuse_run_directory(&out)?;
    let infos: Vec<RunInfo> = runs
        .iter()
        .map(|run| RunInfo::new(&run.name, &run.config))
        .collect();
    // Grouped before the slow measurement, so that runs that do not fit together are refused at once.
    let arms = group_into_arms(&infos).map_err(Failure::Error)?;
    // The first run stands for all: `check_alike` made sure that they take clips of the same shape.
    let suite = suite(arguments, &runs[0].config).map_err(Failure::Error)?;
    let device = select_device(&arguments.device)?;

    let reported = reported_clips(&suite);
    // One bar for all runs, since every run measures the same clips.
    let mut bar = Bar::new(runs.len() * suite.clips.len(), "clips");
    let mut measurements = Vec::with_capacity(runs.len());
    for (index, (named, info)) in runs.iter().zip(infos).enumerate() {
        let (model, _) = load_best(&named.run, &named.config, &device, &mut MessageObserver)?;
        let n_before = index * suite.clips.len();
        let measurement = measure(
            &model,
            Task::from_config(&named.config.spec.model),
            &suite,
            &device,
            &reported,
            &mut |n_clips| bar.set(n_before + n_clips),
        )
        .map_err(|error| Failure::Error(format!("{}: {error}", named.name)))?;
        measurements.push(RunMeasurement { info, measurement });
    }
    bar.finish();
    let comparisons = ArmComparisons::new(&measurements, &arms, &suite)
        .map_err(|error| Failure::Error(error.to_string()))?;
    print(&comparison_tables::coherence(&comparisons))?;

    let command: Vec<String> = std::env::args().collect();
    write_report(
        &out,
        &command.join(" "),
        &suite,
        &measurements,
        &comparisons,
    )
    .map_err(Failure::Error)?;
    log(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}

/// Clips to measure on.
fn suite(arguments: &CoherenceArguments, config: &Config) -> Result<Suite, String> {
    let n_clips = arguments.n_clips as usize;
    match &*arguments.clips {
        "builtin" => Suite::builtin(config.spec.samples, n_clips),
        directory => Suite::from_directory(Path::new(directory), &config.spec.data, n_clips),
    }
}

/// Run directory with its configuration.
struct NamedRun {
    name: String,
    run: RunDirectory,
    config: Config,
}

/// Checks that all runs have the same task and the same shape of clips, and that none is listed twice.
fn check_alike(runs: &[NamedRun]) -> Result<(), String> {
    let mut paths = BTreeSet::new();
    let first = &runs[0];
    for NamedRun { name, run, config } in runs {
        // One directory may be listed under two paths.
        let path = run.root().canonicalize();
        if !paths.insert(path.unwrap_or_else(|_| run.root().to_owned())) {
            return Err(format!(
                "{}: run is passed twice, expected once",
                run.root().display()
            ));
        }
        let tasks = [&first.config, config].map(|config| Task::from_config(&config.spec.model));
        if tasks[0] != tasks[1] {
            let [a, b] = tasks.map(predicted);
            return Err(format!(
                "{name} predicts {b} and {} predicts {a}; pass runs of the same task",
                first.name
            ));
        }
        let shapes = [&first.config, config].map(|config| config.spec.samples);
        if shapes[0] != shapes[1] {
            let [a, b] = shapes.map(|s| {
                format!(
                    "{} frames of {} by {} by {} and {} classes",
                    s.n_frames, s.n_channels, s.height, s.width, s.n_classes
                )
            });
            return Err(format!(
                "{name} takes {b} and {} takes {a}; pass runs with the same shape of clips and number of classes",
                first.name
            ));
        }
    }
    Ok(())
}

/// Prediction of a task, in words.
fn predicted(task: Task) -> &'static str {
    match task {
        Task::Classify => "the class of an image or clip",
        Task::ClassifyFrames => "the class of every frame",
        Task::PredictNextFrame => "the next frame",
    }
}
