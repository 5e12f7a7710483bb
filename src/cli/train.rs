//! `train`: starts or resumes a run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde_json::json;

use super::find_lr::{check_output, find_lr};
use super::memory::{check_memory, parse_size};
use super::output::{log, output_path, print, print_json};
use super::progress::Progress;
use super::stop::stop_flag;
use super::{DEFAULT_DEVICE, Failure, log_each, log_notes, read_config, tables};
use crate::config::Config;
use crate::data::Splits;
use crate::error::Error;
use crate::evaluate::{read_run, starting_weights};
use crate::input_file;
use crate::model::count_parameters;
use crate::run::{
    ERROR_START, Manifest, RunDirectory, RunLock, STOPPED, Session, extend_run, open_devices,
};
use crate::train::{DryRun, Job, Observer, Outcome, RunSummary, dry_run, readable_metric, train};

/// Arguments of `train`.
#[derive(Debug, Args)]
pub(super) struct TrainArguments {
    /// Configuration file; `-` is standard input.
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// Resume a run that was stopped or killed, from its newest checkpoint; `--set training.epochs=N` trains it, or a
    /// finished run, for more epochs.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "out", "dry_run"])]
    resume: Option<PathBuf>,
    /// Run directory [default: runs/<run.name>]. One that exists is refused, unless its run ended before its first
    /// checkpoint: that run begins again. With `--find-lr`, an HTML page for the plot, which must not exist yet.
    #[arg(long = "output", alias = "out", value_name = "PATH", value_parser = output_path())]
    out: Option<PathBuf>,
    /// Add the first free number to the name of the run directory if it exists, as in runs/digits_vit-2.
    #[arg(long, conflicts_with_all = ["resume", "dry_run"])]
    numbered: bool,
    /// Override a key of the configuration, as in `--set training.epochs=5`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Take a few steps, print the expected time and memory of the run, and keep nothing.
    #[arg(long)]
    dry_run: bool,
    /// Find a learning rate: train for up to 200 steps at a rate that grows from 1e-7 to 10, print the losses and a
    /// suggestion, and keep nothing but the page of `--output`.
    #[arg(long, conflicts_with_all = ["resume", "dry_run", "profile", "numbered", "json"])]
    find_lr: bool,
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
    /// True if a number is added to the name of a run directory that exists.
    is_numbered: bool,
}

impl Caller {
    /// `ablate --cell`.
    const ABLATE: Self = Self {
        profiles: false,
        is_json: false,
        is_cell: true,
        is_numbered: false,
    };

    /// `train` with these arguments.
    fn train(arguments: &TrainArguments) -> Self {
        Self {
            profiles: arguments.profile,
            is_json: arguments.json,
            is_cell: false,
            is_numbered: arguments.numbered,
        }
    }
}

/// Trains a model, and prints the final metrics.
pub(super) fn run(arguments: &TrainArguments) -> Result<(), Failure> {
    match (&arguments.resume, &arguments.config) {
        (None, Some(config)) if arguments.dry_run => print_dry_run(config, arguments),
        (None, Some(config)) if arguments.find_lr => print_range_test(config, arguments),
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
    resume_run(root, None, &[], Caller::ABLATE)
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
    log_each(&config.spec.data_warnings(&data));
    if let Some(weights) = &config.spec.start.init_from {
        // Checked before the run directory exists, which would be in the way of the next try.
        starting_weights(weights, &config.spec.model, &devices[0])?;
    }
    let (run, lock) = create(root, config, &data, device_name, caller.is_numbered)?;
    let summary = train_with_progress(config, &data, (&run, &lock), &devices, caller)?;
    drop(lock);
    print_summary(&summary, &run, caller)
}

/// Creates the run directory and its manifest, and locks it.
fn create(
    root: &Path,
    config: &Config,
    data: &Splits,
    device_name: &str,
    is_numbered: bool,
) -> Result<(RunDirectory, RunLock), Failure> {
    let manifest = manifest(config, data, root, device_name);
    let create = |root: &Path| RunDirectory::create(root, &config.to_toml(), &manifest);
    let exists = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
    let mut created = create(root);
    if is_numbered {
        for number in 2_u64.. {
            if !created.as_ref().is_err_and(exists) {
                break;
            }
            created = create(&with_number(root, number));
        }
    } else if created.as_ref().is_err_and(exists) && RunDirectory::discard_without_checkpoint(root)?
    {
        log(&format!(
            "{}: the earlier run here ended before its first checkpoint; starting it again",
            root.display()
        ));
        created = create(root);
    }
    created.map_err(|error| {
        if exists(&error) {
            Failure::Error(format!(
                "run directory {0} already exists; resume it with `--resume {0}` or choose another with `--output`",
                root.display()
            ))
        } else {
            Error::cannot_write(root, error).into()
        }
    })
}

/// Provenance of a new run.
fn manifest(config: &Config, data: &Splits, root: &Path, device_name: &str) -> Manifest {
    Manifest::new(
        config.spec.seed,
        data,
        config.spec.data.directory(),
        root,
        Session::gather(device_name),
    )
}

/// Path of a run directory with a number at its end.
fn with_number(root: &Path, number: u64) -> PathBuf {
    // Drops a slash at the end, after which the number would be the name of a directory in it.
    let mut name = root.components().collect::<PathBuf>().into_os_string();
    name.push(format!("-{number}"));
    name.into()
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

/// Runs the learning-rate range test of a configuration.
fn print_range_test(path: &Path, arguments: &TrainArguments) -> Result<(), Failure> {
    if let Some(output) = &arguments.out {
        check_output(output)?;
    }
    let config = read_config(path, &arguments.set)?;
    let device_name = arguments.device.as_deref().unwrap_or(DEFAULT_DEVICE);
    check_memory(path, &config, device_name, arguments.memory_limit)?;
    in_temporary_run(&config, device_name, |job| {
        find_lr(job, arguments.out.as_deref())
    })
    .map(|((), _)| ())
}

/// Takes a few steps in a temporary directory, and measures their cost.
fn measure_cost(config: &Config, device_name: &str) -> Result<(Splits, DryRun), Failure> {
    let (cost, data) = in_temporary_run(config, device_name, |job| Ok(dry_run(job)?))?;
    Ok((data, cost))
}

/// Calls a function with a job in a temporary run directory, which is removed afterwards; also returns the data.
fn in_temporary_run<T>(
    config: &Config,
    device_name: &str,
    use_job: impl FnOnce(&Job<'_>) -> Result<T, Failure>,
) -> Result<(T, Splits), Failure> {
    let devices = open_devices(device_name)?;
    let data = log_notes(config.spec.open_data()?);
    log_each(&config.spec.data_warnings(&data));
    let manifest = manifest(config, &data, &std::env::temp_dir(), device_name);
    let (run, lock) =
        RunDirectory::create_temporary(&config.to_toml(), &manifest).map_err(|error| {
            // Not created if it is missing: nobody would remove it.
            Failure::Error(format!(
                "no directory can be created in that for temporary files, {}: {error}; set TMPDIR to another one",
                std::env::temp_dir().display()
            ))
        })?;
    let job = Job {
        config,
        data: &data,
        run: &run,
        lock: &lock,
        devices: &devices,
        profiles: false,
        stop: &AtomicBool::new(false),
    };
    let result = use_job(&job);
    // Best effort: a leftover temporary directory is harmless. Removed before an error is returned.
    let _ = std::fs::remove_dir_all(run.root());
    Ok((result?, data))
}

/// Resumes the run of `--resume`.
fn resume(root: &Path, arguments: &TrainArguments) -> Result<(), Failure> {
    resume_run(
        root,
        arguments.device.clone(),
        &arguments.set,
        Caller::train(arguments),
    )
}

/// Resumes a run, for more epochs if `overrides` say so, or prints the metrics of a finished one.
fn resume_run(
    root: &Path,
    device: Option<String>,
    overrides: &[String],
    caller: Caller,
) -> Result<(), Failure> {
    let run = RunDirectory::open(root)?;
    let extended = extended_config(&run, overrides)?;
    let summary = run.summary();
    // Before anything else is opened: a finished run needs neither its data nor its device.
    if summary.is_file() && extended.is_none() {
        let parsed =
            input_file::read(&summary).map(|bytes| serde_json::from_slice::<RunSummary>(&bytes));
        let Ok(Ok(parsed)) = parsed else {
            let summary = summary.display();
            return Err(Failure::Error(format!(
                "{summary}: cannot be read as the summary of a finished run; remove it to evaluate the run again"
            )));
        };
        log(&format!("{} is already finished", root.display()));
        return print_summary(&parsed, &run, caller);
    }
    let (recorded, manifest) = read_run(&run)?;
    let Some(mut manifest) = manifest else {
        return Err(Failure::Error(format!(
            "{}: no such file, without which a run cannot be resumed",
            run.manifest().display()
        )));
    };
    let last_device = manifest
        .sessions
        .last()
        .map(|session| session.device.clone());
    let device_name = device
        .or(last_device)
        .unwrap_or_else(|| DEFAULT_DEVICE.to_owned());
    let devices = open_devices(&device_name)?;
    let data = match &manifest.classes[..] {
        [] => recorded.spec.open_data()?,
        classes => recorded.spec.open_data_as(classes)?,
    };
    let data = log_notes(data);
    // With other data, the rest of the training would belong to another experiment.
    if data.sha256 != manifest.data_sha256 {
        return Err(Failure::Error(format!(
            "the data set has changed since {} was started (its SHA-256 differs); restore the data, or start a new run",
            root.display()
        )));
    }
    let lock = run.lock()?;
    let cannot_write =
        |error| Failure::Error(format!("cannot write in {}: {error}", root.display()));
    manifest.sessions.push(Session::gather(&device_name));
    manifest.write(&run.manifest()).map_err(cannot_write)?;
    // Under the lock: another process may have extended the run meanwhile.
    if let Some(config) = extended_config(&run, overrides)? {
        let recorded = Config::read(&run.config(), &[])?;
        let epochs = [&recorded, &config].map(|config| config.spec.training.epochs);
        extend_run(&run, &mut manifest, epochs, &config.to_toml()).map_err(cannot_write)?;
    }
    let (config, _) = read_run(&run)?;
    let summary = train_with_progress(&config, &data, (&run, &lock), &devices, caller)?;
    drop(lock);
    print_summary(&summary, &run, caller)
}

/// Configuration of a run with more epochs; `None` if no override asks for more.
///
/// Anything but the number of epochs is refused: a run is a record of one configuration.
fn extended_config(run: &RunDirectory, overrides: &[String]) -> Result<Option<Config>, Failure> {
    const EPOCHS: &str = "training.epochs";
    let key = |text: &str| text.split('=').next().unwrap_or_default().trim().to_owned();
    if let Some(other) = overrides.iter().find(|text| key(text) != EPOCHS) {
        return Err(Failure::Error(format!(
            "`--set {other}`: a resumed run keeps its configuration, and only {EPOCHS} can be set, to train for more \
             epochs; start a new run to change `{}`",
            key(other)
        )));
    }
    if overrides.is_empty() {
        return Ok(None);
    }
    let recorded = Config::read(&run.config(), &[])?.spec.training.epochs;
    let config = Config::read(&run.config(), overrides)?;
    let asked = config.spec.training.epochs;
    if asked < recorded {
        return Err(Failure::Error(format!(
            "{} has {recorded} epochs, and a run can only be extended: {EPOCHS} is {asked}, expected more than \
             {recorded}",
            run.root().display()
        )));
    }
    // As many epochs as the run has: an extension that was interrupted is repeated by the same command.
    Ok((asked > recorded).then_some(config))
}

/// Trains with a progress display and signal handlers.
fn train_with_progress(
    config: &Config,
    data: &Splits,
    (run, lock): (&RunDirectory, &RunLock),
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
        lock,
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
    if let Some(epochs) = summary.stopped_after_epochs {
        text.push_str(&format!(
            "early stopping ended training after {}\n",
            tables::counted(epochs, "epoch")
        ));
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
