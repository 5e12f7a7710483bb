//! `robustness`: accuracy and attention topology of a model under attacks and corruptions.

use std::path::PathBuf;

use clap::Args;

use super::evaluate::Split;
use super::output::{log, output_path, print, print_json};
use super::progress::Bar;
use super::selection::log_fewer;
use super::{BatchArguments, Failure, log_notes, log_problems, open_run, tables};
use crate::analysis::robustness::{
    Robustness, RobustnessInput, RobustnessPlan, check_transferable, measure, write_report,
};
use crate::data::spread_samples;
use crate::evaluate::LoadedRun;
use crate::report::page::number;
use crate::run::OutputDirectory;
use crate::statistics::Interval;

/// Arguments of `robustness`.
#[derive(Debug, Args)]
pub(super) struct RobustnessArguments {
    /// Run directory.
    run: PathBuf,
    /// Another run with the same task and shape of samples; attacks computed against it are applied to this one.
    #[arg(long, value_name = "RUN")]
    transfer_from: Option<PathBuf>,
    /// Epsilons of the attacks, in increasing order: largest changes of a pixel, as fractions of the range of pixels.
    #[arg(
        long,
        alias = "epsilon",
        value_delimiter = ',',
        default_value = "0.025,0.05,0.1,0.2,0.4"
    )]
    epsilons: Vec<f64>,
    /// Number of steps of projected gradient descent (PGD) from each start.
    #[arg(long, default_value_t = 20)]
    pgd_steps: usize,
    /// Number of random starts of projected gradient descent.
    #[arg(long, default_value_t = 2)]
    pgd_starts: usize,
    /// Split that is perturbed.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    /// Use only N samples, spread evenly over the classes of the split.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SAMPLES, value_parser = clap::value_parser!(u32).range(1..))]
    n_samples: u32,
    /// Directory of the report: `report.html` and `robustness.json` [default: `robustness` in the run directory]. An
    /// older report there is replaced.
    #[arg(long = "output", alias = "out", value_name = "DIR", value_parser = output_path())]
    out: Option<PathBuf>,
    /// Write into a directory that has other files, and replace those of the report's names.
    #[arg(long)]
    force: bool,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    batch: BatchArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Number of samples if none is given.
const DEFAULT_SAMPLES: u32 = 1000;

/// Measures the robustness of a run, prints the table and writes the report.
pub(super) fn run(arguments: &RobustnessArguments) -> Result<(), Failure> {
    let plan = RobustnessPlan::new(
        arguments.epsilons.clone(),
        arguments.pgd_steps,
        arguments.pgd_starts,
        arguments.transfer_from.is_some(),
    )?;
    let target = open_run(&arguments.run, &arguments.device)?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => target.run.root().join("robustness"),
    };
    // Before the measurement, so that a directory that cannot be written is reported at once.
    let output = OutputDirectory::create(&out, "robustness", arguments.force)?;
    let data = log_notes(target.data()?);
    let source = arguments
        .transfer_from
        .as_ref()
        .map(|root| open_run(root, &arguments.device))
        .transpose()?;
    if let Some(source) = &source {
        check_transferable(&target, source)?;
    }
    let model = log_problems(target.attacked_model())?.model;
    let other_model = source
        .as_ref()
        .map(|source| log_problems(source.attacked_model()))
        .transpose()?
        .map(|loaded| loaded.model);
    let spec = &target.config.spec;
    let other_run = source.as_ref().map(LoadedRun::name);
    let samples = spread_samples(arguments.split.samples(&data), arguments.n_samples as usize);
    let samples_name = format!("{} {}", arguments.split.name(), tables::sample_noun(spec));
    log_fewer(
        arguments.n_samples,
        DEFAULT_SAMPLES,
        samples.len(),
        &samples_name,
    );
    let input = RobustnessInput {
        model: &model,
        other_model: other_model.as_ref(),
        run: &target.name(),
        other_run: other_run.as_deref(),
        samples: &samples,
        samples_name: &samples_name,
        n_topology_images: spec.logging.topology_images,
        batch_size: arguments.batch.batch_size,
    };
    let mut bar = Bar::new(plan.conditions().len() * samples.len(), "samples");
    let robustness = measure(plan, input, &mut |n_samples| bar.set(n_samples))?;
    bar.finish();
    let command: Vec<String> = std::env::args().collect();
    let command = command.join(" ");
    if arguments.json {
        print_json(&robustness.to_json(&command))?;
    } else {
        print(&results(&robustness))?;
    }
    write_report(output, &command, &robustness)?;
    log(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}

/// Failed checks, then a table of all conditions.
fn results(robustness: &Robustness) -> String {
    let mut text = String::new();
    for check in robustness.checks().iter().filter(|check| !check.holds) {
        text.push_str(&format!(
            "check failed: expected: {}; found: {}; apparent robustness may come from masked gradients\n",
            check.title, check.actual
        ));
    }
    let mut table = tables::table([
        "condition",
        "accuracy [95 % interval]",
        "calibration error [95 % interval]",
        "Brier score [95 % interval]",
        "negative log-likelihood (nats) [95 % interval]",
        "H0 change",
        "H1 change",
    ]);
    let with_interval = |value: f64, interval: Interval| {
        format!("{value:.3} [{:.3}, {:.3}]", interval.low, interval.high)
    };
    for result in &robustness.results {
        let (scores, intervals) = (&result.scores, &result.intervals);
        table.add_row([
            result.condition.name(),
            with_interval(scores.accuracy, intervals.accuracy),
            with_interval(scores.calibration_error, intervals.calibration_error),
            with_interval(scores.brier, intervals.brier),
            with_interval(scores.nll, intervals.nll),
            number(result.mean_distance(0)),
            number(result.mean_distance(1)),
        ]);
    }
    let between = [0, 1].map(|dim| number(robustness.mean_between_images(dim)));
    // Only the distances have a value between different images; the columns of scores stay empty.
    let mut last_row = vec!["between different images".to_owned()];
    last_row.extend(vec![String::new(); 4]);
    last_row.extend(between);
    table.add_row(last_row);
    text + &format!("{table}\n")
}
