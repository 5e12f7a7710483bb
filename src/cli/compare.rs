//! `compare`: compares runs that exist already, arm by arm and seed by seed.

use std::path::PathBuf;

use clap::Args;

use super::output::{log, output_path, print, print_json};
use super::{DEFAULT_DEVICE, Failure, comparison_tables, open_run};
use crate::evaluate::LoadedRun;
use crate::experiment::RunComparison;
use crate::run::OutputDirectory;

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// Run directories of the same task. Runs that differ only in the seed form one arm; the other arms are compared with
    /// the arm of the first run, seed by seed.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Directory of the report: `report.html`, `report.md`, `results.csv`, `summary.json` and `plots/`. An older report
    /// there is replaced [default: no report].
    #[arg(long, value_name = "DIR", value_parser = output_path())]
    output: Option<PathBuf>,
    /// Write into a directory that has other files, and replace those of the report's names.
    #[arg(long, requires = "output")]
    force: bool,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// Compares the runs by their summaries, prints the tables, and writes the report if requested.
pub(super) fn run(arguments: &CompareArguments) -> Result<(), Failure> {
    // Before anything is computed, so that a directory that cannot be written is reported at once.
    let output = arguments
        .output
        .as_ref()
        .map(|output| OutputDirectory::create(output, "compare", arguments.force))
        .transpose()?;
    // The models are not loaded, so that the device does not matter.
    let runs = arguments
        .runs
        .iter()
        .map(|root| open_run(root, DEFAULT_DEVICE))
        .collect::<Result<Vec<LoadedRun>, Failure>>()?;
    let comparison = RunComparison::new(&runs)?;
    comparison.notes.iter().for_each(|note| log(note));
    if arguments.json {
        print_json(&comparison.to_json())?;
    } else {
        print(&comparison_tables::compare(&comparison))?;
    }
    if let (Some(output), Some(path)) = (output, &arguments.output) {
        let command: Vec<String> = std::env::args().collect();
        comparison.write_report(output, &command.join(" "))?;
        log(&format!("report: {}", path.join("report.html").display()));
    }
    Ok(())
}
