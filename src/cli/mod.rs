//! Arguments, printing and exit codes: nothing else.

mod ablate;
mod analyze;
mod anomaly;
mod attacked;
mod coherence;
mod comparison_tables;
mod devices;
mod diagram_distance;
mod evaluate;
mod looking;
mod output;
mod persistence;
mod pool_progress;
mod predict;
mod progress;
mod robustness;
mod stop;
mod tables;
mod train;
mod weights;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use clap::{CommandFactory, Parser, Subcommand};

use self::ablate::AblateArguments;
use self::analyze::AnalyzeArguments;
use self::anomaly::AnomalyCommand;
use self::coherence::CoherenceArguments;
use self::diagram_distance::DiagramDistanceArguments;
use self::evaluate::EvaluateArguments;
use self::output::{print, tell};
use self::persistence::PersistenceArguments;
use self::predict::PredictArguments;
use self::robustness::RobustnessArguments;
use self::train::TrainArguments;
use self::weights::WeightsArguments;
use crate::config::Config;
use crate::data::Splits;
use crate::run::{RunDirectory, open_device};
use crate::train::{Job, TrainError};

/// Trains transformers whose attention keeps its topology from layer to layer.
#[derive(Debug, Parser)]
#[command(name = "burn-topology", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model from a configuration file, or go on with a run that was stopped.
    Train(TrainArguments),
    /// Evaluate the checkpoint of a run that is best on the validation split.
    Evaluate(EvaluateArguments),
    /// Run a study: every arm with every seed, compared with its baseline.
    Ablate(AblateArguments),
    /// Measure how steady over time is what models make of clips, and compare runs.
    Coherence(CoherenceArguments),
    /// Measure how a model holds against attacks and corruptions.
    Robustness(RobustnessArguments),
    /// Look inside a model: the topology of its attention on pictures, as a page.
    Analyze(AnalyzeArguments),
    /// Tell images whose attention has another topology than that of normal ones.
    #[command(subcommand)]
    Anomaly(AnomalyCommand),
    /// Print the most probable classes of images.
    Predict(PredictArguments),
    /// Tell what is in pretrained weights or a run, and save it as transformers or timm reads it.
    Weights(WeightsArguments),
    /// Compute the persistence diagrams of matrices from a .npy file.
    Persistence(PersistenceArguments),
    /// Print distances between the diagrams of two files.
    DiagramDistance(DiagramDistanceArguments),
    /// List the devices and whether they can be used.
    Devices,
    /// Check or print configuration files, or their schema.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print completions of this command line for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
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
    /// Print the JSON schema of configuration files, for editors.
    Schema,
}

/// Why the program ends with something other than success.
enum Failure {
    /// It ran and the answer is no.
    No(String),
    /// It could not run.
    CouldNotRun(String),
    /// It was stopped, and can go on.
    Interrupted(String),
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
/// Exit codes: 0 done; 1 ran and the answer is no; 2 could not run; 75 stopped with a checkpoint,
/// to be resumed.
pub fn main() -> ExitCode {
    let failure = match run(Arguments::parse().command) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    let (message, code) = match failure {
        Failure::No(message) => (message, 1),
        Failure::CouldNotRun(message) => (message, 2),
        Failure::Interrupted(message) => (message, 75),
    };
    tell(&format!("burn-topology: {message}"));
    ExitCode::from(code)
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Train(arguments) => train::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Ablate(arguments) => ablate::run(&arguments),
        Command::Coherence(arguments) => coherence::run(&arguments),
        Command::Robustness(arguments) => robustness::run(&arguments),
        Command::Analyze(arguments) => analyze::run(&arguments),
        Command::Anomaly(command) => anomaly::run(&command),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Weights(arguments) => weights::run(&arguments),
        Command::Persistence(arguments) => persistence::run(&arguments),
        Command::DiagramDistance(arguments) => diagram_distance::run(&arguments),
        Command::Devices => devices::run(),
        Command::Config(ConfigCommand::Check { files }) => {
            for file in files {
                read_config(&file, &[])?;
                print(&format!("{}: valid\n", file.display()))?;
            }
            Ok(())
        }
        Command::Config(ConfigCommand::Print { config, set }) => {
            print(&read_config(&config, &set)?.to_toml())
        }
        Command::Config(ConfigCommand::Schema) => print(&Config::schema()),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "burn-topology", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

fn read_config(path: &Path, overrides: &[String]) -> Result<Config, Failure> {
    Config::read(path, overrides).map_err(|error| Failure::CouldNotRun(error.to_string()))
}

/// A run that is looked at, not trained.
struct OpenedRun {
    run: RunDirectory,
    config: Config,
    device: Device,
    data: Splits,
    stop: AtomicBool,
}

impl OpenedRun {
    fn new(root: &Path, device_name: &str) -> Result<Self, Failure> {
        let run = RunDirectory::open(root).map_err(Failure::CouldNotRun)?;
        let config = read_config(&run.config(), &[])?;
        let device = open(device_name)?;
        let data = config.spec.open_data().map_err(Failure::CouldNotRun)?;
        Ok(Self {
            run,
            config,
            device,
            data,
            stop: AtomicBool::new(false),
        })
    }

    fn job(&self) -> Job<'_> {
        Job {
            config: &self.config,
            data: &self.data,
            run: &self.run,
            device: &self.device,
            profiles: false,
            stop: &self.stop,
        }
    }
}

/// The name of a run's directory, of `.` too.
fn name_of(root: &Path) -> String {
    let whole = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let name = whole.file_name().unwrap_or(root.as_os_str());
    name.to_string_lossy().into_owned()
}

fn open(device_name: &str) -> Result<Device, Failure> {
    open_device(device_name).map_err(Failure::CouldNotRun)
}
