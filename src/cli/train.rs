//! `train`: begins or resumes a run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::output::{print, tell};
use super::progress::Progress;
use super::stop::stop_flag;
use super::{Failure, open, read_config, tables};
use crate::config::Config;
use crate::data::Splits;
use crate::model::count_parameters;
use crate::model::pretrained::open_as;
use crate::run::{Manifest, RunDirectory, Session};
use crate::train::{DryRun, Job, Observer, Outcome, Summary, dry_run, train};

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct TrainArguments {
    /// The configuration file.
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// Go on with a run that was stopped or killed, from its newest checkpoint.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "out", "set", "dry_run"])]
    resume: Option<PathBuf>,
    /// Directory of the run, which must not exist [default: runs/<run.name>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Override a key, as in `--set training.epochs=5`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Take a few steps, print what the run will cost, and leave nothing behind.
    #[arg(long)]
    dry_run: bool,
    /// Print in the end, and log, where the time of steps went, and the most memory held.
    #[arg(long, conflicts_with = "dry_run")]
    profile: bool,
    /// Device to run on [default: flex, or the one a resumed run was on].
    #[arg(long)]
    device: Option<String>,
}

pub(super) const DEFAULT_DEVICE: &str = "flex";

/// Trains, and prints the final metrics.
pub fn run(arguments: &TrainArguments) -> Result<(), Failure> {
    match (&arguments.resume, &arguments.config) {
        (None, Some(config)) if arguments.dry_run => try_out(config, arguments),
        (Some(root), _) => resume(root, arguments),
        (None, Some(config)) => begin(config, arguments),
        (None, None) => unreachable!("required by the parser"),
    }
}

/// Begins a run there.
pub(super) fn begin_at(config: &Config, root: &Path, device: &str) -> Result<(), Failure> {
    trained(config, root, device, false)
}

/// Goes on with a run, on the device that it was on.
pub(super) fn resume_at(root: &Path) -> Result<(), Failure> {
    resumed(root, None, false)
}

fn begin(path: &Path, arguments: &TrainArguments) -> Result<(), Failure> {
    let config = read_config(path, &arguments.set)?;
    let root = match &arguments.out {
        Some(root) => root.clone(),
        None => Path::new("runs").join(&config.spec.name),
    };
    let device_name = arguments.device.as_deref().unwrap_or(DEFAULT_DEVICE);
    trained(&config, &root, device_name, arguments.profile)
}

fn trained(config: &Config, root: &Path, device_name: &str, profiles: bool) -> Result<(), Failure> {
    let device = open(device_name)?;
    let data = config.spec.open_data().map_err(Failure::CouldNotRun)?;
    if let Some(weights) = &config.spec.start.init_from {
        // Refused before there is a run directory in the way of the next try.
        open_as(weights, &config.spec.model, &device).map_err(Failure::CouldNotRun)?;
    }
    let run = create(root, config, &data, device_name)?;
    let lock = run.lock().map_err(Failure::CouldNotRun)?;
    let summary = watch(config, &data, &run, &device, profiles)?;
    drop(lock);
    print_summary(&summary, &run)
}

fn create(
    root: &Path,
    config: &Config,
    data: &Splits,
    device_name: &str,
) -> Result<RunDirectory, Failure> {
    let manifest = Manifest {
        seed: config.spec.seed,
        data_sha256: data.sha256.clone(),
        sessions: vec![Session::gather(device_name)],
    };
    RunDirectory::create(root, &config.to_toml(), &manifest).map_err(|error| {
        Failure::CouldNotRun(match error.kind() {
            io::ErrorKind::AlreadyExists => format!(
                "{0} exists already, and runs are never overwritten; go on with it by `--resume {0}`, or choose another place with `--out DIR`",
                root.display()
            ),
            _ => format!("cannot make the run directory {}: {error}", root.display()),
        })
    })
}

fn try_out(path: &Path, arguments: &TrainArguments) -> Result<(), Failure> {
    let config = read_config(path, &arguments.set)?;
    let device_name = arguments.device.as_deref().unwrap_or(DEFAULT_DEVICE);
    let (data, found) = tried(&config, device_name)?;
    let overview = tables::overview(&config.spec, &data, &found.parameters);
    print(&format!("{overview}\n\n{}\n", tables::costs(&found)))
}

/// What a run will cost, on the default device.
pub(super) fn dry_run_of(config: &Config) -> Result<DryRun, Failure> {
    tried(config, DEFAULT_DEVICE).map(|(_, found)| found)
}

/// Takes a few steps, and leaves nothing behind.
fn tried(config: &Config, device_name: &str) -> Result<(Splits, DryRun), Failure> {
    let device = open(device_name)?;
    let data = config.spec.open_data().map_err(Failure::CouldNotRun)?;
    let name = format!("burn-topology-dry-run-{}", std::process::id());
    let run = create(&std::env::temp_dir().join(name), config, &data, device_name)?;
    let job = Job {
        config,
        data: &data,
        run: &run,
        device: &device,
        profiles: false,
        stop: &AtomicBool::new(false),
    };
    let found = dry_run(&job);
    // Nobody misses what could not be removed from there.
    let _ = std::fs::remove_dir_all(run.root());
    Ok((data, found?))
}

fn resume(root: &Path, arguments: &TrainArguments) -> Result<(), Failure> {
    resumed(root, arguments.device.clone(), arguments.profile)
}

fn resumed(root: &Path, device: Option<String>, profiles: bool) -> Result<(), Failure> {
    let run = RunDirectory::open(root).map_err(Failure::CouldNotRun)?;
    let summary = run.summary();
    if summary.is_file() {
        let bytes = std::fs::read(&summary);
        let parsed = bytes.map(|bytes| serde_json::from_slice::<Summary>(&bytes));
        let Ok(Ok(parsed)) = parsed else {
            let summary = summary.display();
            return Err(Failure::CouldNotRun(format!("{summary} cannot be read")));
        };
        tell(&format!(
            "{} is finished, nothing is left to do",
            root.display()
        ));
        return print_summary(&parsed, &run);
    }
    let config = read_config(&run.config(), &[])?;
    let mut manifest = Manifest::read(&run.manifest()).map_err(Failure::CouldNotRun)?;
    let last_device = manifest
        .sessions
        .last()
        .map(|session| session.device.clone());
    let device_name = device.or(last_device);
    let device_name = device_name.unwrap_or_else(|| DEFAULT_DEVICE.to_owned());
    let device = open(&device_name)?;
    let data = config.spec.open_data().map_err(Failure::CouldNotRun)?;
    if data.sha256 != manifest.data_sha256 {
        return Err(Failure::CouldNotRun(format!(
            "the data set is not the one that {} was begun with (its SHA-256 differs)",
            root.display()
        )));
    }
    let lock = run.lock().map_err(Failure::CouldNotRun)?;
    manifest.sessions.push(Session::gather(&device_name));
    manifest.write(&run.manifest()).map_err(|error| {
        Failure::CouldNotRun(format!("cannot write in {}: {error}", root.display()))
    })?;
    let summary = watch(&config, &data, &run, &device, profiles)?;
    drop(lock);
    print_summary(&summary, &run)
}

fn watch(
    config: &Config,
    data: &Splits,
    run: &RunDirectory,
    device: &burn::tensor::Device,
    profiles: bool,
) -> Result<Summary, Failure> {
    let stop = stop_flag()
        .map_err(|error| Failure::CouldNotRun(format!("cannot listen to signals: {error}")))?;
    let stop: &AtomicBool = &stop;
    let job = Job {
        config,
        data,
        run,
        device,
        profiles,
        stop,
    };
    let mut progress = Progress::new(run, &config.spec);
    let parameters = count_parameters(&config.spec.model.init(device));
    progress.note(&tables::overview(&config.spec, data, &parameters));
    // Within the pool, so that no operation begins by handing its work to another thread.
    let outcome = rayon::scope(|_| train(&job, &mut progress));
    progress.finish();
    match outcome? {
        Outcome::Finished(summary) => Ok(summary),
        Outcome::Interrupted { step } => Err(Failure::Interrupted(format!(
            "stopped at step {step}, with a checkpoint; go on with `train --resume {}`",
            run.root().display()
        ))),
    }
}

fn print_summary(summary: &Summary, run: &RunDirectory) -> Result<(), Failure> {
    let mut text = String::new();
    let mut rest = summary.metrics.clone();
    // The metric that the checkpoint was chosen by comes first.
    let chosen_by = summary.metrics.iter();
    let chosen_by =
        chosen_by.filter_map(|(name, best)| Some((name.strip_prefix("validation_")?, best)));
    for (name, best) in chosen_by {
        rest.remove(&format!("validation_{name}"));
        if let Some(value) = rest.remove(&format!("test_{name}")) {
            text.push_str(&format!(
                "test {name} {value:.4} (checkpoint of step {}, validation {name} {best:.4})\n",
                summary.best_step
            ));
        }
    }
    for (name, value) in rest {
        text.push_str(&format!("{} {value:.4}\n", name.replace('_', " ")));
    }
    text.push_str(&format!(
        "{} steps in {:.1} s, {:.1} % of it in topology; see {}\n",
        summary.steps,
        summary.seconds,
        100.0 * summary.topology_share,
        run.root().display()
    ));
    print(&text)
}
