//! `evaluate`: metrics of the best checkpoint of a run on a split.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::print;
use super::progress::MessageObserver;
use super::{Failure, LoadedRun, tables};
use crate::data::{Samples, Splits};
use crate::model::Task;
use crate::train::evaluate_best;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// Run directory.
    run: PathBuf,
    /// Split to evaluate on.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Split of a data set.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Split {
    /// Training split.
    Train,
    /// Validation split.
    Validation,
    /// Test split.
    Test,
}

impl Split {
    /// Name of the split.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Samples of the split.
    pub fn samples(self, data: &Splits) -> &Samples {
        match self {
            Self::Train => &data.train,
            Self::Validation => &data.validation,
            Self::Test => &data.test,
        }
    }
}

/// Evaluates a run, and prints its metrics.
pub fn run(arguments: &EvaluateArguments) -> Result<(), Failure> {
    let loaded = LoadedRun::new(&arguments.run, &arguments.device)?;
    let job = loaded.job();
    let samples = arguments.split.samples(&loaded.data);
    let Some((evaluation, state)) = evaluate_best(&job, samples, &mut MessageObserver)? else {
        // An interruption cannot happen, since nothing sets the stop flag of this job.
        return Ok(());
    };
    let mut text = format!(
        "{}: {}, loss {:.4} {}, {} (checkpoint of step {})\n",
        arguments.split.name(),
        tables::metrics(&evaluation.metrics),
        evaluation.loss,
        Task::from_config(&job.config.spec.model).loss_unit(),
        tables::counted_samples(&job.config.spec, evaluation.n_samples),
        state.step
    );
    let means = evaluation.monitor.means();
    for (name, value) in evaluation.coherence.iter().chain(&means) {
        // Added to 0, because a sum of no numbers is -0.
        text.push_str(&format!("{name:<52} {:>10.5}\n", value + 0.0));
    }
    print(&text)
}
