//! `evaluate`: metrics of the best checkpoint of a run on a split.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::print;
use super::{BatchArguments, Failure, log_notes, log_problems, open_run, tables};
use crate::data::{Samples, Splits};
use crate::evaluate::{BestModel, EvaluationSettings};

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateArguments {
    /// Run directory.
    run: PathBuf,
    /// Split to evaluate on.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    #[command(flatten)]
    batch: BatchArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Split of a data set.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Split {
    /// Training split.
    Train,
    /// Validation split.
    Validation,
    /// Test split.
    Test,
}

impl Split {
    /// Name of the split.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Samples of the split.
    pub(super) fn samples(self, data: &Splits) -> &Samples {
        match self {
            Self::Train => &data.train,
            Self::Validation => &data.validation,
            Self::Test => &data.test,
        }
    }
}

/// Evaluates a run, and prints its metrics.
pub(super) fn run(arguments: &EvaluateArguments) -> Result<(), Failure> {
    let loaded = open_run(&arguments.run, &arguments.device)?;
    let data = log_notes(loaded.data()?);
    let BestModel { model, state, .. } = log_problems(loaded.best_model())?;
    let spec = &loaded.config.spec;
    let settings = EvaluationSettings {
        batch_size: arguments.batch.batch_size,
        ..EvaluationSettings::new(spec)
    };
    let evaluation = model.evaluate(arguments.split.samples(&data), settings)?;
    let mut text = format!(
        "{}: {}, loss {:.4} {}, {} (checkpoint of step {})\n",
        arguments.split.name(),
        tables::metrics(&evaluation.metrics),
        evaluation.loss,
        model.task.loss_unit(),
        tables::counted_samples(spec, evaluation.n_samples),
        state.step
    );
    let means = evaluation.monitor.means();
    for (name, value) in evaluation.coherence.iter().chain(&means) {
        // Added to 0, because a sum of no numbers is -0.
        text.push_str(&format!("{name:<52} {:>10.5}\n", value + 0.0));
    }
    print(&text)
}
