//! `evaluate`: what the best checkpoint of a run does on a split.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};

use super::progress::Notes;
use super::{Failure, open, read_config};
use crate::data::{ImageSplits, Images, open_data};
use crate::run::RunDirectory;
use crate::train::{Job, evaluate_best};

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// The run directory.
    run: PathBuf,
    /// The split to evaluate on.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// A split of the data.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Split {
    /// What is learned from.
    Train,
    /// What choices are made on.
    Validation,
    /// What is reported.
    Test,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Its images.
    pub fn of(self, data: &ImageSplits) -> &Images {
        match self {
            Self::Train => &data.train,
            Self::Validation => &data.validation,
            Self::Test => &data.test,
        }
    }
}

/// Evaluates, and prints what was found.
pub fn run(arguments: &EvaluateArguments) -> Result<(), Failure> {
    let run = RunDirectory::open(&arguments.run).map_err(Failure::CouldNotRun)?;
    let config = read_config(&run.config(), &[])?;
    let device = open(&arguments.device)?;
    let data = open_data(&config.spec.data).map_err(Failure::CouldNotRun)?;
    let job = Job {
        config: &config,
        data: &data,
        run: &run,
        device: &device,
        stop: &AtomicBool::new(false),
    };
    let Some((evaluation, state)) = evaluate_best(&job, arguments.split.of(&data), &mut Notes)?
    else {
        return Ok(()); // only if asked to stop, which nobody can
    };
    println!(
        "{}: accuracy {:.4}, loss {:.4} nats, {} images (checkpoint of step {})",
        arguments.split.name(),
        evaluation.accuracy,
        evaluation.loss,
        evaluation.n_images,
        state.step
    );
    for (name, value) in evaluation.monitor.means() {
        println!("{name:<52} {value:>10.5}");
    }
    Ok(())
}
