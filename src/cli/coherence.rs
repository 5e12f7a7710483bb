//! `coherence`: temporal coherence of predictions on clips.

use std::path::{Path, PathBuf};

use clap::Args;

use super::message::shortened;
use super::output::{log, print};
use super::progress::Bar;
use super::{BatchArguments, Failure, comparison_tables, open_run, refuse_run_directory};
use crate::analysis::coherence::{ArmComparisons, ComparableRuns, Suite, write_report};
use crate::config::Config;

/// Arguments of `coherence`.
#[derive(Debug, Args)]
pub(super) struct CoherenceArguments {
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
    #[command(flatten)]
    batch: BatchArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

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
    refuse_run_directory(&out)?;
    let suite = suite(arguments, &first.config)?;
    suite.notes.iter().for_each(|note| log(&shortened(note)));
    // One bar for all runs, since every run measures the same clips.
    let mut bar = Bar::new(runs.runs().len() * suite.clips.len(), "clips");
    let batch_size = arguments.batch.batch_size;
    let measurements = runs.measure(
        &suite,
        batch_size,
        &mut |n_clips| bar.set(n_clips),
        &mut log,
    )?;
    bar.finish();
    let comparisons = ArmComparisons::new(&measurements, runs.arms(), &suite)?;
    print(&comparison_tables::coherence(&comparisons))?;

    let command: Vec<String> = std::env::args().collect();
    write_report(
        &out,
        &command.join(" "),
        &suite,
        &measurements,
        &comparisons,
    )?;
    log(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}

/// Clips to measure on.
fn suite(arguments: &CoherenceArguments, config: &Config) -> crate::Result<Suite> {
    let n_clips = arguments.n_clips as usize;
    match &*arguments.clips {
        "builtin" => Suite::builtin(config.spec.samples, n_clips),
        directory => Suite::from_directory(Path::new(directory), &config.spec.data, n_clips),
    }
}
