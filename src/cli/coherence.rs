//! `coherence`: how steady over time is what models make of clips.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{print, tell};
use super::progress::{Bar, Notes};
use super::{Failure, comparison_tables, name_of, open, read_config};
use crate::analysis::coherence::{
    Comparisons, RunInfo, RunReading, Suite, Watch, arms, read, shown_clips, write_report,
};
use crate::config::Config;
use crate::model::Task;
use crate::run::RunDirectory;
use crate::train::load_best;

/// Arguments of `coherence`.
#[derive(Debug, Args)]
pub struct CoherenceArguments {
    /// Run directories. Those that differ in the seed alone are one arm; arms are compared with that of
    /// the first run, seed by seed and clip by clip.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// `builtin`, moving digits that no run was trained on, or a directory of clips.
    #[arg(long, default_value = "builtin", value_name = "builtin|DIR")]
    clips: String,
    /// The first so many clips.
    #[arg(long, default_value_t = 360, value_parser = clap::value_parser!(u32).range(1..))]
    n_clips: u32,
    /// Directory of the report: `report.html`, `coherence.json`, `clips/` and `tensorboard/`; by default
    /// `coherence` in the first run's directory. An older report there is replaced.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Reads the runs, prints the table and writes the report.
pub fn run(arguments: &CoherenceArguments) -> Result<(), Failure> {
    let could_not = Failure::CouldNotRun;
    let runs = arguments.runs.iter().map(|root| {
        let run = RunDirectory::open(root).map_err(could_not)?;
        let config = read_config(&run.config(), &[])?;
        Ok((name_of(root), run, config))
    });
    let runs: Vec<(String, RunDirectory, Config)> = runs.collect::<Result<_, Failure>>()?;
    check_alike(&runs).map_err(could_not)?;
    let infos = runs
        .iter()
        .map(|(name, _, config)| RunInfo::new(name, config));
    let infos: Vec<RunInfo> = infos.collect();
    let arms = arms(&infos).map_err(could_not)?;
    let suite = suite(arguments, &runs[0].2).map_err(could_not)?;
    let device = open(&arguments.device)?;

    let shown = shown_clips(&suite);
    let mut bar = Bar::new(runs.len() * suite.clips.len(), "clips");
    let mut readings = Vec::with_capacity(runs.len());
    for (place, ((name, run, config), info)) in runs.iter().zip(infos).enumerate() {
        let (model, _) = load_best(run, config, &device, &mut Notes)?;
        let before = place * suite.clips.len();
        let reading = read(
            &model,
            Task::of(&config.spec.model),
            &suite,
            &device,
            &mut Watch {
                shown: &shown,
                progress: &mut |n_clips| bar.set(before + n_clips),
            },
        );
        let reading = reading.map_err(|error| Failure::No(format!("{name}: {error}")))?;
        readings.push(RunReading { info, reading });
    }
    bar.finish();
    let comparisons = Comparisons::new(&readings, &arms, &suite)
        .map_err(|error| Failure::No(error.to_string()))?;
    print(&comparison_tables::coherence(&comparisons))?;

    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => runs[0].1.root().join("coherence"),
    };
    let command: Vec<String> = std::env::args().collect();
    write_report(&out, &command.join(" "), &suite, &readings, &comparisons).map_err(could_not)?;
    tell(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}

fn suite(arguments: &CoherenceArguments, config: &Config) -> Result<Suite, String> {
    let n_clips = arguments.n_clips as usize;
    match &*arguments.clips {
        "builtin" => Suite::builtin(config.spec.samples, n_clips),
        directory => Suite::from_directory(Path::new(directory), &config.spec.data, n_clips),
    }
}

/// All runs do the same with the same clips, and none is there twice.
fn check_alike(runs: &[(String, RunDirectory, Config)]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let (first_name, _, first) = &runs[0];
    for (name, run, config) in runs {
        let place = run.root().canonicalize();
        if !seen.insert(place.unwrap_or_else(|_| run.root().to_owned())) {
            return Err(format!(
                "{}: passed twice, expected once",
                run.root().display()
            ));
        }
        let tasks = [first, config].map(|config| Task::of(&config.spec.model));
        if tasks[0] != tasks[1] {
            let [a, b] = tasks.map(told);
            return Err(format!(
                "{name} tells {b} and {first_name} tells {a}; pass runs of one task"
            ));
        }
        let shapes = [first, config].map(|config| config.spec.samples);
        if shapes[0] != shapes[1] {
            let [a, b] = shapes.map(|s| {
                format!(
                    "{} frames of {} by {} by {} and {} classes",
                    s.n_frames, s.n_channels, s.height, s.width, s.n_classes
                )
            });
            return Err(format!(
                "{name} sees {b} and {first_name} {a}; pass runs that see the same clips"
            ));
        }
    }
    Ok(())
}

fn told(task: Task) -> &'static str {
    match task {
        Task::Classify => "the class of an image or clip",
        Task::ClassifyFrames => "the class of every frame",
        Task::PredictNextFrame => "the next frame",
    }
}
