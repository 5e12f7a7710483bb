//! `robustness`: how a run's model holds against attacks and corruptions.

use std::path::PathBuf;

use clap::Args;

use super::evaluate::Split;
use super::output::{print, tell};
use super::progress::{Bar, Notes};
use super::tables;
use super::{Failure, OpenedRun, name_of};
use crate::analysis::robustness::{Kind, Measured, Plan, Robustness, distances, write_report};
use crate::data::first_samples;
use crate::loss::AttentionTopology;
use crate::model::Task;
use crate::report::page::number;
use crate::statistics::Interval;
use crate::train::AttackedModel;

/// Arguments of `robustness`.
#[derive(Debug, Args)]
pub struct RobustnessArguments {
    /// The run directory.
    run: PathBuf,
    /// Another run, of the same task and samples, whose attacks are tried on this one.
    #[arg(long, value_name = "RUN")]
    transfer_from: Option<PathBuf>,
    /// Largest changes of a pixel by attacks, fractions of the range of pixels, rising.
    #[arg(long, value_delimiter = ',', default_value = "0.025,0.05,0.1,0.2,0.4")]
    epsilons: Vec<f64>,
    /// Steps of projected gradient descent from each start.
    #[arg(long, default_value_t = 20)]
    pgd_steps: usize,
    /// Starts of projected gradient descent.
    #[arg(long, default_value_t = 2)]
    pgd_starts: usize,
    /// The split that is perturbed.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    /// The first so many samples; by default 1,000, or all if there are fewer.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    n_samples: u32,
    /// Directory of the report: `report.html` and `robustness.json`; by default `robustness` in the run's directory.
    /// An older report there is replaced.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Measures, prints the table and writes the report.
pub fn run(arguments: &RobustnessArguments) -> Result<(), Failure> {
    let could_not = Failure::CouldNotRun;
    let plan = Plan::new(
        arguments.epsilons.clone(),
        arguments.pgd_steps,
        arguments.pgd_starts,
        arguments.transfer_from.is_some(),
    );
    let plan = plan.map_err(could_not)?;
    let opened = OpenedRun::new(&arguments.run, &arguments.device)?;
    let other = arguments.transfer_from.as_ref();
    let other = other.map(|root| OpenedRun::new(root, &arguments.device));
    let other = other.transpose()?;
    if let Some(other) = &other {
        check_alike(&opened, other).map_err(could_not)?;
    }
    let load = |opened: &OpenedRun| {
        AttackedModel::load(&opened.run, &opened.config, &opened.device, &mut Notes)
    };
    let model = load(&opened)?;
    let attacked = other.as_ref().map(load).transpose()?;
    let samples = arguments.split.of(&opened.data);
    let samples = first_samples(samples, arguments.n_samples as usize);
    let spec = opened.config.spec.samples;
    let n_images = opened.config.spec.logging.topology_images;
    let n_watched = n_images.div_ceil(spec.n_frames).min(samples.len());

    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => opened.run.root().join("robustness"),
    };
    // Told before the work, not after it.
    std::fs::create_dir_all(&out)
        .map_err(|error| could_not(format!("{} cannot be made: {error}", out.display())))?;
    let conditions = plan.conditions();
    let mut bar = Bar::new(conditions.len() * samples.len(), "samples");
    let mut clean: Vec<Vec<AttentionTopology>> = Vec::new();
    let mut measured = Vec::with_capacity(conditions.len());
    for (place, condition) in conditions.into_iter().enumerate() {
        let before = place * samples.len();
        let against = attacked
            .as_ref()
            .filter(|_| condition.kind == Kind::Transfer);
        let reading = model.read(
            &samples,
            condition.perturbation,
            against.unwrap_or(&model),
            n_watched,
            &opened.stop,
            &mut |n_samples| bar.set(before + n_samples),
        )?;
        let Some(reading) = reading else {
            return Ok(()); // only if asked to stop, which nobody can
        };
        if place == 0 {
            clean.clone_from(&reading.topology);
        }
        let found = Measured::new(
            condition,
            &reading.predictions,
            reading.flip_rate,
            &clean,
            &reading.topology,
        );
        measured
            .push(found.map_err(|error| Failure::No(format!("{}: {error}", condition.name())))?);
    }
    bar.finish();
    // The frames of a clip are alike: the next clip.
    let frames_of_clip = clean
        .first()
        .map_or(1, |layer| layer.len() / n_watched.max(1));
    let between_images = distances(&clean, &clean, frames_of_clip);
    let robustness = Robustness {
        plan,
        run: name_of(&arguments.run),
        other: arguments.transfer_from.as_deref().map(name_of),
        samples: format!(
            "{} {}",
            arguments.split.name(),
            tables::samples(&opened.config.spec)
        ),
        n_samples: [samples.len(), n_watched],
        n_classes: spec.n_classes,
        measured,
        between_images: between_images.map_err(|error| Failure::No(error.to_string()))?,
    };
    print(&shown(&robustness))?;

    let command: Vec<String> = std::env::args().collect();
    write_report(&out, &command.join(" "), &robustness).map_err(could_not)?;
    tell(&format!("report: {}", out.join("report.html").display()));
    Ok(())
}

/// What fails first, then every condition.
fn shown(robustness: &Robustness) -> String {
    let mut text = String::new();
    for check in robustness.checks().iter().filter(|check| !check.holds) {
        text.push_str(&format!(
            "expected: {}; found: {}: what is robust here may be a hidden gradient\n",
            check.title, check.found
        ));
    }
    let mut table = tables::table([
        "condition",
        "accuracy",
        "calibration error",
        "Brier score",
        "NLL (nats)",
        "H0 moved",
        "H1 moved",
    ]);
    let with = |value: f64, interval: Interval| {
        format!("{value:.3} [{:.3}, {:.3}]", interval.low, interval.high)
    };
    for measured in &robustness.measured {
        let (scores, intervals) = (&measured.scores, &measured.intervals);
        table.add_row([
            measured.condition.name(),
            with(scores.accuracy, intervals.accuracy),
            with(scores.calibration_error, intervals.calibration_error),
            with(scores.brier, intervals.brier),
            with(scores.nll, intervals.nll),
            number(measured.mean_distance(0)),
            number(measured.mean_distance(1)),
        ]);
    }
    let between = [0, 1].map(|dim| number(robustness.mean_between_images(dim)));
    let mut last = vec!["between different images".to_owned()];
    last.extend(vec![String::new(); 4]);
    last.extend(between);
    table.add_row(last);
    text + &format!("{table}\n")
}

/// Both are shown the same.
fn check_alike(run: &OpenedRun, other: &OpenedRun) -> Result<(), String> {
    let tasks = [run, other].map(|opened| Task::of(&opened.config.spec.model));
    let shapes = [run, other].map(|opened| opened.config.spec.samples);
    if tasks[0] == tasks[1] && shapes[0] == shapes[1] {
        return Ok(());
    }
    let names = [run, other].map(|opened| name_of(opened.run.root()));
    Err(format!(
        "{} and {} differ in their task or the shape of their samples, expected two runs that are shown the same",
        names[0], names[1]
    ))
}
