//! `evaluate`: what the best checkpoint of a run does on a split.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};

use super::{Failure, open, read_config};
use crate::data::open_data;
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Split {
    Train,
    Validation,
    Test,
}

/// Evaluates, and prints what was found.
pub fn run(arguments: &EvaluateArguments) -> Result<(), Failure> {
    let run = RunDirectory::open(&arguments.run).map_err(Failure::CouldNotRun)?;
    let config = read_config(&run.config(), &[])?;
    let device = open(&arguments.device)?;
    let data = open_data(&config.spec.data).map_err(Failure::CouldNotRun)?;
    let (name, images) = match arguments.split {
        Split::Train => ("train", &data.train),
        Split::Validation => ("validation", &data.validation),
        Split::Test => ("test", &data.test),
    };
    let job = Job {
        config: &config,
        data: &data,
        run: &run,
        device: &device,
        stop: &AtomicBool::new(false),
    };
    let Some((evaluation, state)) = evaluate_best(&job, images)? else {
        return Ok(()); // only if asked to stop, which nobody can
    };
    println!(
        "{name}: accuracy {:.4}, loss {:.4} nats, {} images (checkpoint of step {})",
        evaluation.accuracy, evaluation.loss, evaluation.n_images, state.step
    );
    for (name, value) in evaluation.monitor.means() {
        println!("{name:<52} {value:>10.5}");
    }
    Ok(())
}
