//! Command line: arguments, output and exit codes.

mod ablate;
mod analyze;
mod analyze_pixels;
mod anomaly;
mod attacked;
mod coherence;
mod compare;
mod comparison_tables;
mod configuration;
mod devices;
mod diagram_distance;
mod evaluate;
mod find_lr;
mod generate;
mod image_persistence;
mod image_size;
mod init;
mod memory;
mod message;
mod output;
mod persistence;
mod persistence_output;
mod pool_progress;
mod predict;
mod progress;
mod robustness;
mod runs;
mod selection;
mod stop;
mod tables;
mod threads;
mod train;
mod weights;

use std::error::Error as _;
use std::num::{IntErrorKind, NonZeroU16, NonZeroUsize, ParseIntError};
use std::path::Path;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::{Args, CommandFactory, Parser, Subcommand};

use self::ablate::AblateArguments;
use self::analyze::AnalyzeArguments;
use self::anomaly::AnomalyCommand;
use self::coherence::CoherenceArguments;
use self::compare::CompareArguments;
use self::configuration::{ConfigCommand, read_config};
use self::devices::DevicesArguments;
use self::diagram_distance::DiagramDistanceArguments;
use self::evaluate::EvaluateArguments;
use self::generate::GenerateArguments;
use self::output::{log, print};
use self::persistence::PersistenceArguments;
use self::predict::PredictArguments;
use self::robustness::RobustnessArguments;
use self::runs::RunsArguments;
use self::threads::start_threads;
use self::train::TrainArguments;
use self::weights::WeightsArguments;
use crate::config::ConfigError;
use crate::data::Splits;
use crate::evaluate::{BestModel, EvaluateError, LoadedRun, checkpoint_problems};
use crate::run::{ERROR_START, open_device};
use crate::train::TrainError;

/// Text below the options in `--help`.
const EXIT_CODES: &str = "\
Exit codes:
   0  success
   1  the command ran, and its result is negative: training diverged or collapsed, or cells failed
   2  the command could not run: invalid arguments or configuration, missing files
  75  interrupted by a signal; a checkpoint was written, and the same run can be resumed";

/// Train transformers with topological penalties on their attention, and evaluate them.
#[derive(Debug, Parser)]
#[command(name = "burn-topology", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    /// Number of threads to compute with [default: the environment variable RAYON_NUM_THREADS, or one per core; with
    /// `ablate`, those of each cell, by default the cores divided by --jobs, or the CPUs of the Slurm task].
    #[arg(long, global = true, value_name = "N")]
    threads: Option<NonZeroU16>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model from a configuration file, or resume an interrupted run.
    Train(TrainArguments),
    /// Evaluate a checkpoint of a run on one split of its data, class by class.
    Evaluate(EvaluateArguments),
    /// List the runs and studies below a directory, with their status and best metric.
    Runs(RunsArguments),
    /// Compare runs that exist already, arm by arm and seed by seed.
    Compare(CompareArguments),
    /// Run a study: every arm with every seed, compared with its baseline.
    Ablate(AblateArguments),
    /// Measure the temporal coherence of predictions on clips, and compare runs.
    Coherence(CoherenceArguments),
    /// Measure how well a model holds up against attacks and corruptions.
    Robustness(RobustnessArguments),
    /// Show the topology of a model's attention on images, as an interactive page.
    Analyze(AnalyzeArguments),
    /// Detect images whose attention topology differs from that of normal images.
    #[command(subcommand)]
    Anomaly(AnomalyCommand),
    /// Print the most probable classes of images.
    Predict(PredictArguments),
    /// Generate clips from captions.
    Generate(GenerateArguments),
    /// Inspect pretrained weights or a run, and export them for transformers or timm.
    Weights(WeightsArguments),
    /// Compute the persistence diagrams of the matrices in a .npy file, or of grey images and volumes.
    Persistence(PersistenceArguments),
    /// Print the distances between the persistence diagrams in two files.
    DiagramDistance(DiagramDistanceArguments),
    /// List the devices, and whether they can be used.
    Devices(DevicesArguments),
    /// Write, check or print configuration files, or print their JSON schema.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell.
    Completions {
        /// Shell to complete in.
        shell: clap_complete::Shell,
    },
}

/// Device of new runs if none is given.
const DEFAULT_DEVICE: &str = "flex";

/// Reason for an exit code other than 0.
enum Failure {
    /// The command ran, and its result is negative, such as a diverged training: exit code 1.
    NegativeResult(String),
    /// The command could not run, or could not write its results: exit code 2.
    Error(String),
    /// A configuration is invalid, with one line for each of its problems: exit code 2.
    Configuration(String),
    /// The command was interrupted by a signal, and can be resumed: exit code 75.
    Interrupted(String),
}

impl Failure {
    /// One sentence about the reason, on at most three lines; for a configuration, one line for each of its problems.
    fn message(&self) -> String {
        match self {
            Self::Configuration(problems) => {
                let lines: Vec<String> = problems.lines().map(message::shortened).collect();
                lines.join("\n")
            }
            Self::NegativeResult(message) | Self::Error(message) | Self::Interrupted(message) => {
                message::shortened(message)
            }
        }
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        let cause = error
            .source()
            .and_then(|cause| cause.downcast_ref::<ConfigError>());
        match cause {
            Some(_) => Self::Configuration(error.to_string()),
            None => Self::Error(error.to_string()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Files(error) => Self::from(error),
            // Refused before anything was computed.
            TrainError::Topology(ref reason) if reason.is_invalid_parameter() => {
                Self::Error(error.to_string())
            }
            // The others are outcomes of the training.
            error => Self::NegativeResult(error.to_string()),
        }
    }
}

impl From<EvaluateError> for Failure {
    fn from(error: EvaluateError) -> Self {
        Self::from(TrainError::from(error))
    }
}

/// Returns the definition of the whole command line, to parse or to document arguments without running anything.
///
/// # Example
///
/// ```
/// let parsed = burn_topology::cli::command().try_get_matches_from(["burn-topology", "devices"]);
/// assert_eq!(parsed.unwrap().subcommand_name(), Some("devices"));
/// ```
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program with the arguments of the process, and returns its exit code.
///
/// The exit code is 0 for success, 1 if the command ran and its result is negative, 2 if it could not run, and 75 if it
/// was interrupted by a signal and can be resumed.
pub fn main() -> ExitCode {
    // For invalid arguments, `parse` ends the process itself, also with exit code 2.
    let failure = match run(Arguments::parse()) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    log(&format!("{ERROR_START}{}", failure.message()));
    let code = match failure {
        Failure::NegativeResult(_) => 1,
        Failure::Error(_) | Failure::Configuration(_) => 2,
        // `EX_TEMPFAIL` in `sysexits.h`: the same command may succeed later.
        Failure::Interrupted(_) => 75,
    };
    ExitCode::from(code)
}

/// Runs one command.
fn run(Arguments { threads, command }: Arguments) -> Result<(), Failure> {
    start_threads(threads)?;
    match command {
        Command::Train(arguments) => train::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Runs(arguments) => runs::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Ablate(arguments) => ablate::run(&arguments, threads),
        Command::Coherence(arguments) => coherence::run(&arguments),
        Command::Robustness(arguments) => robustness::run(&arguments),
        Command::Analyze(arguments) => analyze::run(&arguments),
        Command::Anomaly(command) => anomaly::run(&command),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Weights(arguments) => weights::run(&arguments),
        Command::Persistence(arguments) => persistence::run(&arguments),
        Command::DiagramDistance(arguments) => diagram_distance::run(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Config(command) => configuration::run(&command),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            // Generated in memory first, since `generate` panics if it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "burn-topology", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Opens an existing run for an evaluation on a device.
fn open_run(root: &Path, device_name: &str) -> Result<LoadedRun, Failure> {
    Ok(LoadedRun::open(root, select_device(device_name)?)?)
}

/// Logs the checkpoints that cannot be used, and passes the best one on.
fn log_problems<M>(loaded: Result<BestModel<M>, EvaluateError>) -> Result<BestModel<M>, Failure> {
    for problem in checkpoint_problems(&loaded) {
        log(problem);
    }
    Ok(loaded?)
}

/// Logs what was passed over or left out in a data set, and passes the data set on.
fn log_notes(data: Splits) -> Splits {
    log_each(&data.notes);
    data
}

/// Logs notes on files, whose names and contents may be long.
fn log_each(notes: &[String]) {
    notes.iter().for_each(|note| log(&message::shortened(note)));
}

/// Option for the size of the batches of an evaluation.
#[derive(Debug, Clone, Copy, Args)]
struct BatchArguments {
    /// Number of images or clips per forward pass, which limits the memory and changes results only by rounding
    /// [default: depends on the command, 1 to 128].
    #[arg(long, value_name = "N", value_parser = positive)]
    batch_size: Option<NonZeroUsize>,
}

/// Parses a whole number of at least 1.
fn positive(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => {
                format!("it is too large, expected at most {}", usize::MAX)
            }
            _ => "expected a whole number of at least 1".to_owned(),
        })
}

/// Opens the device of a `--device` option.
fn select_device(device_name: &str) -> Result<Device, Failure> {
    Ok(open_device(device_name)?)
}
