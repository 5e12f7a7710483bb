//! `train`: starts or resumes a run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde_json::json;

use super::memory::{check_memory, parse_size};
use super::output::{log, print, print_json};
use super::progress::Progress;
use super::stop::stop_flag;
use super::{DEFAULT_DEVICE, Failure, log_notes, read_config, read_run_config, tables};
use crate::config::Config;
use crate::data::Splits;
use crate::model::count_parameters;
use crate::model::pretrained::open_matching;
use crate::run::{ERROR_START, Manifest, RunDirectory, STOPPED, Session, open_devices};
use crate::train::{DryRun, Job, Observer, Outcome, RunSummary, dry_run, readable_metric, train};

/// Arguments of `train`.
#[derive(Debug, Args)]
pub(super) struct TrainArguments {
    /// Configuration file.
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// Resume a run that was stopped or killed, from its newest checkpoint.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "out", "set", "dry_run"])]
    resume: Option<PathBuf>,
    /// Run directory, which must not exist yet [default: runs/<run.name>].
    #[arg(long = "output", alias = "out", value_name = "DIR")]
    out: Option<PathBuf>,
    /// Override a key of the configuration, as in `--set training.epochs=5`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Take a few steps, print the expected time and memory of the run, and keep nothing.
    #[arg(long)]
    dry_run: bool,
    /// Log the time of each phase of a step and the peak memory, and print them at the end.
    #[arg(long, conflicts_with = "dry_run")]
    profile: bool,
    /// Print JSON instead of text for the final metrics, or for the cost of a dry run.
    #[arg(long)]
    json: bool,
    /// Device to run on, such as `cuda`, or several of one kind that share every batch, such as `cuda:0,cuda:1`
    /// [default: flex, or the last devices of a resumed run].
    #[arg(long, value_name = "DEVICE[,...]")]
    device: Option<String>,
    /// Refuse a run that needs more memory than this, such as `80GB` [default: the memory of this machine].
    #[arg(long, value_name = "SIZE", value_parser = parse_size, conflicts_with = "resume")]
    memory_limit: Option<f64>,
}

/// Command that started a training: its settings that a training needs.
#[derive(Clone, Copy)]
struct Caller {
    /// True if the time of each phase of a step is logged.
    profiles: bool,
    /// True if the final metrics are printed as JSON.
    is_json: bool,
    /// True for `ablate --cell`, which resumes a cell when it is called again.
    is_cell: bool,
}

impl Caller {
    /// `ablate --cell`.
    const ABLATE: Self = Self {
        profiles: false,
        is_json: false,
        is_cell: true,
    };

    /// `train` with these arguments.
    fn train(arguments: &TrainArguments) -> Self {
        Self {
            profiles: arguments.profile,
            is_json: arguments.json,
            is_cell: false,
        }
    }
}

/// Trains a model, and prints the final metrics.
pub(super) fn run(arguments: &TrainArguments) -> Result<(), Failure> {
    match (&arguments.resume, &arguments.config) {
        (None, Some(config)) if arguments.dry_run => print_dry_run(config, arguments),
        (Some(root), _) => resume(root, arguments),
        (None, Some(config)) => start(config, arguments),
        (None, None) => unreachable!("required by the parser"),
    }
}

/// Starts a new run in a directory.
pub(super) fn start_at(config: &Config, root: &Path, device: &str) -> Result<(), Failure> {
    check_memory(root, config, device, None)?;
    start_run(config, root, device, Caller::ABLATE)
}

/// Resumes a run, on the device that it ran on last.
pub(super) fn resume_at(root: &Path) -> Result<(), Failure> {
    resume_run(root, None, Caller::ABLATE)
}

/// Starts the run of a configuration file.
fn start(path: &Path, arguments: &TrainArguments) -> Result<(), Failure> {
    let config = read_config(path, &arguments.set)?;
    let device_name = arguments.device.as_deref().unwrap_or(DEFAULT_DEVICE);
    check_memory(path, &config, device_name, arguments.memory_limit)?;
    let root = match &arguments.out {
        Some(root) => root.clone(),
        None => Path::new("runs").join(&config.spec.name),
    };
    start_run(&config, &root, device_name, Caller::train(arguments))
}

/// Creates a run directory, trains, and prints the final metrics.
fn start_run(
    config: &Config,
    root: &Path,
    device_name: &str,
    caller: Caller,
) -> Result<(), Failure> {
    let devices = open_devices(device_name)?;
    let data = log_notes(config.spec.open_data()?);
    if let Some(weights) = &config.spec.start.init_from {
        // Checked before the run directory exists, which would be in the way of the next try.
        open_matching(weights, &config.spec.model, &devices[0])?;
    }
    let run = create(root, config, &data, device_name)?;
    let lock = run.lock()?;
    let summary = train_with_progress(config, &data, &run, &devices, caller)?;
    drop(lock);
    print_summary(&summary, &run, caller)
}

/// Creates the run directory and its manifest.
fn create(
    root: &Path,
    config: &Config,
    data: &Splits,
    device_name: &str,
) -> Result<RunDirectory, Failure> {
    let manifest = Manifest {
        seed: config.spec.seed,
        data_sha256: data.sha256.clone(),
        data_notes: data.notes.clone(),
        sessions: vec![Session::gather(device_name)],
    };
    RunDirectory::create(root, &config.to_toml(), &manifest).map_err(|error| {
        Failure::Error(match error.kind() {
            io::ErrorKind::AlreadyExists => format!(
                "run directory {0} already exists; resume it with `--resume {0}` or choose another with `--output`",
                root.display()
            ),
            _ => format!("cannot create the run directory {}: {error}", root.display()),
        })
    })
}

/// Prints an overview of a run and its expected cost.
fn print_dry_run(path: &Path, arguments: &TrainArguments) -> Result<(), Failure> {
    let config = read_config(path, &arguments.set)?;
    let device_name = arguments.device.as_deref().unwrap_or(DEFAULT_DEVICE);
    check_memory(path, &config, device_name, arguments.memory_limit)?;
    let (data, cost) = measure_cost(&config, device_name)?;
    if arguments.json {
        return print_json(&json!(cost));
    }
    let overview = tables::overview(&config.spec, &data, &cost.parameters);
    print(&format!("{overview}\n\n{}\n", tables::costs(&cost)))
}

/// Measures the cost of a run on a device.
pub(super) fn estimate_cost(config: &Config, device_name: &str) -> Result<DryRun, Failure> {
    check_memory(Path::new(&config.spec.name), config, device_name, None)?;
    measure_cost(config, device_name).map(|(_, cost)| cost)
}

/// Takes a few steps in a temporary directory, and measures their cost.
fn measure_cost(config: &Config, device_name: &str) -> Result<(Splits, DryRun), Failure> {
    let devices = open_devices(device_name)?;
    let data = log_notes(config.spec.open_data()?);
    // The process id keeps simultaneous dry runs apart.
    let name = format!("burn-topology-dry-run-{}", std::process::id());
    let run = create(&std::env::temp_dir().join(name), config, &data, device_name)?;
    let job = Job {
        config,
        data: &data,
        run: &run,
        devices: &devices,
        profiles: false,
        stop: &AtomicBool::new(false),
    };
    let cost = dry_run(&job);
    // Best effort: a leftover temporary directory is harmless. Removed before an error is returned.
    let _ = std::fs::remove_dir_all(run.root());
    Ok((data, cost?))
}

/// Resumes the run of `--resume`.
fn resume(root: &Path, arguments: &TrainArguments) -> Result<(), Failure> {
    resume_run(root, arguments.device.clone(), Caller::train(arguments))
}

/// Resumes a run, or prints the metrics of a finished one.
fn resume_run(root: &Path, device: Option<String>, caller: Caller) -> Result<(), Failure> {
    let run = RunDirectory::open(root)?;
    let summary = run.summary();
    // Before anything else is opened: a finished run needs neither its data nor its device.
    if summary.is_file() {
        let parsed =
            std::fs::read(&summary).map(|bytes| serde_json::from_slice::<RunSummary>(&bytes));
        let Ok(Ok(parsed)) = parsed else {
            let summary = summary.display();
            return Err(Failure::Error(format!(
                "{summary}: cannot be read as the summary of a finished run; remove it to evaluate the run again"
            )));
        };
        log(&format!("{} is already finished", root.display()));
        return print_summary(&parsed, &run, caller);
    }
    let config = read_run_config(&run.config())?;
    let mut manifest = Manifest::read(&run.manifest())?;
    let last_device = manifest
        .sessions
        .last()
        .map(|session| session.device.clone());
    let device_name = device
        .or(last_device)
        .unwrap_or_else(|| DEFAULT_DEVICE.to_owned());
    let devices = open_devices(&device_name)?;
    let data = log_notes(config.spec.open_data()?);
    // With other data, the rest of the training would belong to another experiment.
    if data.sha256 != manifest.data_sha256 {
        return Err(Failure::Error(format!(
            "the data set has changed since {} was started (its SHA-256 differs); restore the data, or start a new run",
            root.display()
        )));
    }
    let lock = run.lock()?;
    manifest.sessions.push(Session::gather(&device_name));
    manifest
        .write(&run.manifest())
        .map_err(|error| Failure::Error(format!("cannot write in {}: {error}", root.display())))?;
    let summary = train_with_progress(&config, &data, &run, &devices, caller)?;
    drop(lock);
    print_summary(&summary, &run, caller)
}

/// Trains with a progress display and signal handlers.
fn train_with_progress(
    config: &Config,
    data: &Splits,
    run: &RunDirectory,
    devices: &[burn::tensor::Device],
    caller: Caller,
) -> Result<RunSummary, Failure> {
    let stop = stop_flag()
        .map_err(|error| Failure::Error(format!("cannot install signal handlers: {error}")))?;
    let stop: &AtomicBool = &stop;
    let job = Job {
        config,
        data,
        run,
        devices,
        profiles: caller.profiles,
        stop,
    };
    let mut progress = Progress::new(run, &config.spec);
    // This model is only counted; training seeds the device again before it creates its own.
    let parameters = count_parameters(&config.spec.model.init(&devices[0]));
    progress.message(&tables::overview(&config.spec, data, &parameters));
    // Runs inside the global thread pool; from outside, every parallel operation would first hand over to the pool.
    let outcome = rayon::scope(|_| train(&job, &mut progress));
    progress.finish();
    let result = match outcome {
        Ok(Outcome::Finished(summary)) => Ok(summary),
        Ok(Outcome::Interrupted { step }) => {
            let command = if caller.is_cell {
                "the same command".to_owned()
            } else {
                format!("`train --resume {}`", run.root().display())
            };
            Err(Failure::Interrupted(format!(
                "{STOPPED} at step {step}, with a checkpoint; resume with {command}"
            )))
        }
        Err(error) => Err(Failure::from(error)),
    };
    if let Err(failure) = &result {
        // The last line of the log says how the training ended, which `runs` shows.
        progress.record(&format!("{ERROR_START}{}", failure.message()));
    }
    result
}

/// Prints the final metrics of a run.
fn print_summary(summary: &RunSummary, run: &RunDirectory, caller: Caller) -> Result<(), Failure> {
    if caller.is_json {
        return print_json(&json!({ "run": run.root(), "summary": summary }));
    }
    let mut text = String::new();
    let mut rest = summary.metrics.clone();
    // The metric that the checkpoint was chosen by comes first.
    let selection_metrics = summary
        .metrics
        .iter()
        .filter_map(|(name, best)| Some((name.strip_prefix("validation_")?, best)));
    for (name, best) in selection_metrics {
        rest.remove(&format!("validation_{name}"));
        if let Some(value) = rest.remove(&format!("test_{name}")) {
            text.push_str(&format!(
                "test {name} {value:.4} (checkpoint of step {}, validation {name} {best:.4})\n",
                summary.best_step
            ));
        }
    }
    for (name, value) in rest {
        // Added to 0, because a sum of no numbers is -0.
        text.push_str(&format!("{} {:.4}\n", readable_metric(&name), value + 0.0));
    }
    text.push_str(&format!(
        "{} in {:.1} s, {:.1} % of the time on penalties; see {}\n",
        tables::counted(summary.steps, "step"),
        summary.seconds,
        100.0 * summary.topology_share,
        run.root().display()
    ));
    print(&text)
}
