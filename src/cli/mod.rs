//! Arguments, printing and exit codes: nothing else.

mod progress;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Config;
use crate::data::open_data;
use crate::run::{Manifest, RunDirectory, open_device};
use crate::train::{TrainError, evaluate_best, train};
use progress::Progress;

/// Trains transformers whose attention keeps its topology from layer to layer.
#[derive(Debug, Parser)]
#[command(name = "burn-topology", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model from a configuration file.
    Train {
        /// The configuration file.
        config: PathBuf,
        /// Directory of the run, which must not exist [default: runs/<run.name>].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Override a key, as in `--set training.epochs=5`; may be repeated.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Device to run on.
        #[arg(long, default_value = "flex")]
        device: String,
    },
    /// Evaluate the checkpoint of a run that is best on the validation split.
    Evaluate {
        /// The run directory.
        run: PathBuf,
        /// The split to evaluate on.
        #[arg(long, value_enum, default_value_t = Split::Test)]
        split: Split,
        /// Device to run on.
        #[arg(long, default_value = "flex")]
        device: String,
    },
    /// Check or print configuration files.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether each file is valid.
    Check {
        /// Configuration files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print a file with defaults and overrides filled in; the output is itself a valid file.
    Print {
        /// The configuration file.
        config: PathBuf,
        /// Override a key; may be repeated.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Split {
    Train,
    Validation,
    Test,
}

/// Why the program ends with something other than success.
enum Failure {
    /// It ran and the answer is no.
    No(String),
    /// It could not run.
    CouldNotRun(String),
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Files(message) => Self::CouldNotRun(message),
            error => Self::No(error.to_string()),
        }
    }
}

/// Runs the program on the process's arguments.
///
/// Exit codes: 0 done; 1 ran and the answer is no; 2 could not run.
pub fn main() -> ExitCode {
    let failure = match run(Arguments::parse().command) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    let (message, code) = match failure {
        Failure::No(message) => (message, 1),
        Failure::CouldNotRun(message) => (message, 2),
    };
    eprintln!("burn-topology: {message}");
    ExitCode::from(code)
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Train {
            config,
            out,
            set,
            device,
        } => run_train(&config, out, &set, &device),
        Command::Evaluate { run, split, device } => run_evaluate(&run, split, &device),
        Command::Config(ConfigCommand::Check { files }) => {
            for file in files {
                read_config(&file, &[])?;
                println!("{}: valid", file.display());
            }
            Ok(())
        }
        Command::Config(ConfigCommand::Print { config, set }) => {
            print!("{}", read_config(&config, &set)?.to_toml());
            Ok(())
        }
    }
}

fn read_config(path: &Path, overrides: &[String]) -> Result<Config, Failure> {
    Config::read(path, overrides).map_err(|error| Failure::CouldNotRun(error.to_string()))
}

fn run_train(
    path: &Path,
    out: Option<PathBuf>,
    overrides: &[String],
    device_name: &str,
) -> Result<(), Failure> {
    let config = read_config(path, overrides)?;
    let device = open_device(device_name).map_err(Failure::CouldNotRun)?;
    let data = open_data(&config.spec.data).map_err(Failure::CouldNotRun)?;
    let root = out.unwrap_or_else(|| Path::new("runs").join(&config.spec.name));
    let run = RunDirectory::create(&root).map_err(|error| {
        Failure::CouldNotRun(match error.kind() {
            std::io::ErrorKind::AlreadyExists => format!(
                "{} exists already, and runs are never overwritten; choose another place with `--out DIR`, or another name with `--set run.name=NAME`",
                root.display()
            ),
            _ => format!("cannot make the run directory {}: {error}", root.display()),
        })
    })?;
    let manifest = Manifest::gather(device_name, config.spec.seed, &data.sha256);
    let mut progress = Progress::new(&run, &config.spec);
    let summary = train(&config, &data, &run, &manifest, &device, &mut progress)?;
    progress.finish();
    println!(
        "test accuracy {:.4} (checkpoint of step {}, validation accuracy {:.4})",
        summary.test_accuracy, summary.best_step, summary.validation_accuracy
    );
    for (dim, distance) in [
        summary.test_h0_distance_to_next,
        summary.test_h1_distance_to_next,
    ]
    .iter()
    .enumerate()
    {
        if let Some(distance) = distance {
            println!("test distance between neighbouring layers, dimension {dim}: {distance:.4}");
        }
    }
    println!(
        "{} steps in {:.1} s, {:.1} % of it in topology; see {}",
        summary.steps,
        summary.seconds,
        100.0 * summary.topology_share,
        run.root().display()
    );
    Ok(())
}

fn run_evaluate(root: &Path, split: Split, device_name: &str) -> Result<(), Failure> {
    let run = RunDirectory::open(root).map_err(Failure::CouldNotRun)?;
    let config = read_config(&run.config(), &[])?;
    let device = open_device(device_name).map_err(Failure::CouldNotRun)?;
    let data = open_data(&config.spec.data).map_err(Failure::CouldNotRun)?;
    let (name, images) = match split {
        Split::Train => ("train", &data.train),
        Split::Validation => ("validation", &data.validation),
        Split::Test => ("test", &data.test),
    };
    let (evaluation, state) = evaluate_best(&config.spec, &run, images, &device)?;
    println!(
        "{name}: accuracy {:.4}, loss {:.4} nats, {} images (checkpoint of step {}, epoch {})",
        evaluation.accuracy, evaluation.loss, evaluation.n_images, state.step, state.epoch
    );
    for (name, value) in evaluation.monitor.means() {
        println!("{name:<52} {value:>10.5}");
    }
    Ok(())
}
