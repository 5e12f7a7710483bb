//! `evaluate`: what the best checkpoint of a run does on a split.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::print;
use super::progress::Notes;
use super::{Failure, OpenedRun, tables};
use crate::data::{Samples, Splits};
use crate::model::Task;
use crate::train::evaluate_best;

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
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Its samples.
    pub fn of(self, data: &Splits) -> &Samples {
        match self {
            Self::Train => &data.train,
            Self::Validation => &data.validation,
            Self::Test => &data.test,
        }
    }
}

/// Evaluates, and prints what was found.
pub fn run(arguments: &EvaluateArguments) -> Result<(), Failure> {
    let opened = OpenedRun::new(&arguments.run, &arguments.device)?;
    let job = opened.job();
    let samples = arguments.split.of(&opened.data);
    let Some((evaluation, state)) = evaluate_best(&job, samples, &mut Notes)? else {
        return Ok(()); // only if asked to stop, which nobody can
    };
    let mut text = format!(
        "{}: {}, loss {:.4} {}, {} {} (checkpoint of step {})\n",
        arguments.split.name(),
        tables::metrics(&evaluation.metrics),
        evaluation.loss,
        Task::of(&job.config.spec.model).loss_unit(),
        evaluation.n_samples,
        tables::samples(&job.config.spec),
        state.step
    );
    let means = evaluation.monitor.means();
    for (name, value) in evaluation.coherence.iter().chain(&means) {
        text.push_str(&format!("{name:<52} {value:>10.5}\n"));
    }
    print(&text)
}
