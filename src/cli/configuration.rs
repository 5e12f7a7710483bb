//! `config`: checks, prints and writes configurations and studies, and prints their schemas.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::init::{self, InitArguments};
use super::output::{log, print};
use super::{DEFAULT_DEVICE, Failure, memory, tables};
use crate::config::Config;
use crate::evaluate::locate_data;
use crate::experiment::Study;
use crate::run::ERROR_START;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Write a commented configuration or study to start from.
    Init(InitArguments),
    /// Check whether configurations and studies are valid, without opening data or weights.
    Check {
        /// Configuration or study files to check; `-` is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Refuse runs that need more memory than this, such as `80GB` [default: the memory of this machine].
        #[arg(long, value_name = "SIZE", value_parser = memory::parse_size)]
        memory_limit: Option<f64>,
    },
    /// Print a configuration with all defaults and overrides filled in; the output is itself a valid configuration.
    Print {
        /// Configuration or study file; `-` is standard input.
        config: PathBuf,
        /// Override a key of the configuration, as in `--set training.epochs=5`; may be repeated.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Print the JSON schema of configuration files, for editors.
    Schema {
        /// Print the schema of study files.
        #[arg(long)]
        study: bool,
    },
}

/// Runs a subcommand of `config`.
pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Init(arguments) => init::run(arguments),
        ConfigCommand::Check {
            files,
            memory_limit,
        } => check(files, *memory_limit),
        ConfigCommand::Print { config, set } => print_resolved(config, set),
        ConfigCommand::Schema { study: false } => print(&Config::schema()),
        ConfigCommand::Schema { study: true } => print(&Study::schema()),
    }
}

/// Checks all files, and reports each; fails if one of them is invalid.
fn check(files: &[PathBuf], memory_limit: Option<f64>) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for file in files {
        match check_file(file, memory_limit) {
            Ok(verdict) => print(&format!("{}: {verdict}\n", file.display()))?,
            Err(failure) => failures.push(failure),
        }
    }
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    for failure in failures {
        log(&format!("{ERROR_START}{}", failure.message()));
    }
    // Logged by `main`.
    Err(last)
}

/// Checks a configuration, or every configuration of a study.
fn check_file(file: &Path, memory_limit: Option<f64>) -> Result<String, Failure> {
    if is_study(file) {
        let study = Study::read(file)?;
        for cell in &study.cells {
            memory::check_memory(file, &cell.config, DEFAULT_DEVICE, memory_limit)?;
        }
        let n_cells = tables::counted(study.cells.len(), "cell");
        return Ok(format!("valid study of {n_cells}"));
    }
    let config = read_config(file, &[])?;
    for warning in config.embedded_data_warnings() {
        log(&format!("{}: {warning}", file.display()));
    }
    memory::check_memory(file, &config, DEFAULT_DEVICE, memory_limit)?;
    Ok("valid".to_owned())
}

/// Prints a file with its defaults filled in.
fn print_resolved(file: &Path, set: &[String]) -> Result<(), Failure> {
    if !is_study(file) {
        return print(&read_config(file, set)?.to_toml());
    }
    if !set.is_empty() {
        return Err(Failure::Error(format!(
            "{}: --set changes a configuration, and this is a study; its arms have their changes under `set`",
            file.display()
        )));
    }
    print(&Study::resolved_toml(file)?)
}

/// Reads a configuration with `KEY=VALUE` overrides, and logs its warnings; `-` is standard input.
pub(super) fn read_config(path: &Path, overrides: &[String]) -> Result<Config, Failure> {
    let config = if is_standard_input(path) {
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(MAX_INPUT)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::Error(format!("standard input cannot be read: {error}")))?;
        Config::decode(bytes, "standard input", overrides)?
    } else if Study::is_study(path) {
        return Err(Failure::Error(format!(
            "{}: is a study, expected the configuration of one run; `ablate` runs a study",
            path.display()
        )));
    } else {
        let mut config = Config::read(path, overrides)?;
        locate_data(&mut config, path);
        config
    };
    for warning in &config.warnings {
        log(warning);
    }
    Ok(config)
}

/// Number of bytes that are read from standard input, more than a configuration may have.
const MAX_INPUT: u64 = 1 << 27;

fn is_study(path: &Path) -> bool {
    !is_standard_input(path) && Study::is_study(path)
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}
