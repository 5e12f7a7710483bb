//! `robustness`: accuracy and attention topology of a model under attacks and corruptions.

use std::path::PathBuf;

use clap::Args;

use super::evaluate::Split;
use super::output::{log, print};
use super::progress::{Bar, MessageObserver};
use super::tables;
use super::{Failure, LoadedRun, refuse_run_directory, run_name};
use crate::analysis::robustness::{
    ConditionKind, ConditionResult, Robustness, RobustnessPlan, topology_distances, write_report,
};
use crate::data::first_samples;
use crate::loss::AttentionTopology;
use crate::model::Task;
use crate::report::page::number;
use crate::statistics::Interval;
use crate::train::AttackedModel;

/// Arguments of `robustness`.
#[derive(Debug, Args)]
pub struct RobustnessArguments {
    /// Run directory.
    run: PathBuf,
    /// Another run with the same task and shape of samples; attacks computed against it are applied to this one.
    #[arg(long, value_name = "RUN")]
    transfer_from: Option<PathBuf>,
    /// Epsilons of the attacks, in increasing order: largest changes of a pixel, as fractions of the range of pixels.
    #[arg(long, value_delimiter = ',', default_value = "0.025,0.05,0.1,0.2,0.4")]
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
    /// Use only the first N samples.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    n_samples: u32,
    /// Directory of the report: `report.html` and `robustness.json` [default: `robustness` in the run directory]. An
    /// older report there is replaced.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Measures the robustness of a run, prints the table and writes the report.
pub fn run(arguments: &RobustnessArguments) -> Result<(), Failure> {
    let plan = RobustnessPlan::new(
        arguments.epsilons.clone(),
        arguments.pgd_steps,
        arguments.pgd_starts,
        arguments.transfer_from.is_some(),
    )
    .map_err(Failure::Error)?;
    if let Some(out) = &arguments.out {
        refuse_run_directory(out)?;
    }
    let target = LoadedRun::new(&arguments.run, &arguments.device)?;
    let source = arguments
        .transfer_from
        .as_ref()
        .map(|root| LoadedRun::new(root, &arguments.device))
        .transpose()?;
    if let Some(source) = &source {
        check_alike(&target, source).map_err(Failure::Error)?;
    }
    let models = Models {
        target: load_model(&target)?,
        source: source.as_ref().map(load_model).transpose()?,
    };
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => target.run.root().join("robustness"),
    };
    // Created before the measurement, so that an unusable directory is reported at once.
    std::fs::create_dir_all(&out)
        .map_err(|error| Failure::Error(format!("{} cannot be created: {error}", out.display())))?;

    let Some(robustness) = measure(arguments, plan, &target, &models)? else {
        // An interruption cannot happen, since nothing sets the stop flag of `target`.
        return Ok(());
    };
    print(&results(&robustness))?;
    let command: Vec<String> = std::env::args().collect();
    write_report(&out, &command.join(" "), &robustness).map_err(Failure::Error)?;
    log(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}

/// Models of the runs.
struct Models {
    /// Model that is attacked.
    target: AttackedModel,
    /// Model that transferred attacks are computed against.
    source: Option<AttackedModel>,
}

/// Loads the best checkpoint of a run for attacks.
fn load_model(loaded: &LoadedRun) -> Result<AttackedModel, Failure> {
    Ok(AttackedModel::load(
        &loaded.run,
        &loaded.config,
        &loaded.device,
        &mut MessageObserver,
    )?)
}

/// Evaluates the model under every condition of the plan; `None` if interrupted.
fn measure(
    arguments: &RobustnessArguments,
    plan: RobustnessPlan,
    target: &LoadedRun,
    models: &Models,
) -> Result<Option<Robustness>, Failure> {
    let samples = first_samples(
        arguments.split.samples(&target.data),
        arguments.n_samples as usize,
    );
    let spec = &target.config.spec;
    let n_watched = spec
        .logging
        .topology_images
        .div_ceil(spec.samples.n_frames)
        .min(samples.len());
    let conditions = plan.conditions();
    let mut bar = Bar::new(conditions.len() * samples.len(), "samples");
    let mut clean: Vec<Vec<AttentionTopology>> = Vec::new();
    let mut results = Vec::with_capacity(conditions.len());
    for (index, condition) in conditions.into_iter().enumerate() {
        let n_before = index * samples.len();
        let against = models
            .source
            .as_ref()
            .filter(|_| condition.kind == ConditionKind::Transfer);
        let evaluation = models.target.evaluate(
            &samples,
            condition.perturbation,
            against.unwrap_or(&models.target),
            n_watched,
            &target.stop,
            &mut |n_samples| bar.set(n_before + n_samples),
        )?;
        let Some(evaluation) = evaluation else {
            return Ok(None);
        };
        // The first condition is always that of clean samples, which the others are compared with.
        if index == 0 {
            clean.clone_from(&evaluation.topology);
        }
        let result = ConditionResult::new(
            condition,
            &evaluation.predictions,
            evaluation.flip_rate,
            &clean,
            &evaluation.topology,
        )
        .map_err(|error| Failure::Error(format!("{}: {error}", condition.name())))?;
        results.push(result);
    }
    bar.finish();
    // Distances between different images serve as a scale. Frames of one clip are too similar for that, so each frame
    // is compared with the same frame of the next clip.
    let frames_per_clip = clean
        .first()
        .map_or(1, |layer| layer.len() / n_watched.max(1));
    let between_images = topology_distances(&clean, &clean, frames_per_clip)
        .map_err(|error| Failure::Error(error.to_string()))?;
    Ok(Some(Robustness {
        plan,
        run: run_name(&arguments.run),
        other: arguments.transfer_from.as_deref().map(run_name),
        samples: format!("{} {}", arguments.split.name(), tables::sample_noun(spec)),
        n_samples: samples.len(),
        n_topology_samples: n_watched,
        n_classes: spec.samples.n_classes,
        results,
        between_images,
    }))
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

/// Checks that two runs have the same task and the same shape of samples.
fn check_alike(run: &LoadedRun, other: &LoadedRun) -> Result<(), String> {
    let tasks = [run, other].map(|loaded| Task::from_config(&loaded.config.spec.model));
    let shapes = [run, other].map(|loaded| loaded.config.spec.samples);
    if tasks[0] == tasks[1] && shapes[0] == shapes[1] {
        return Ok(());
    }
    let names = [run, other].map(|loaded| run_name(loaded.run.root()));
    Err(format!(
        "{} and {} differ in their task or in the shape of their samples; pass two runs that agree in both",
        names[0], names[1]
    ))
}
