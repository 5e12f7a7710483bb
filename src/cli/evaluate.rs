//! `evaluate`: metrics of a checkpoint of a run on a split.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::output::{log, output_path, print, print_json};
use super::{BatchArguments, Failure, log_notes, log_problems, open_run, tables};
use crate::analysis::evaluation::{EvaluatedRun, write_report};
use crate::config::Spec;
use crate::data::{Samples, Splits};
use crate::evaluate::{BestModel, CheckpointChoice, EvaluationSettings};
use crate::run::OutputDirectory;

/// Largest number of classes whose scores are printed; of more, those with the lowest accuracy.
const MAX_PRINTED_CLASSES: usize = 20;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateArguments {
    /// Run directory.
    run: PathBuf,
    /// Split to evaluate on.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    /// Checkpoint: `best` on the validation split, `last`, or the directory of one.
    #[arg(long, value_name = "best|last|DIR", default_value = "best")]
    checkpoint: CheckpointArgument,
    /// Measure the topology of attention too, in every layer.
    #[arg(long)]
    topology: bool,
    /// Directory of the report: `report.html`, `evaluation.json`, and for classifiers `classes.csv` and `confusion.csv`.
    /// An older report there is replaced [default: no report].
    #[arg(long, value_name = "DIR", value_parser = output_path())]
    output: Option<PathBuf>,
    /// Write into a directory that has other files, and replace those of the report's names.
    #[arg(long, requires = "output")]
    force: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    batch: BatchArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Value of `--checkpoint`.
#[derive(Debug, Clone)]
struct CheckpointArgument(CheckpointChoice);

impl FromStr for CheckpointArgument {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(match text {
            "best" => CheckpointChoice::Best,
            "last" => CheckpointChoice::Last,
            path => CheckpointChoice::Directory(PathBuf::from(path)),
        }))
    }
}

/// Split of a data set.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Split {
    /// Training split.
    Train,
    /// Validation split.
    #[value(name = "val", alias = "validation")]
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

/// Evaluates a run, prints its metrics, and writes the report if requested.
pub(super) fn run(arguments: &EvaluateArguments) -> Result<(), Failure> {
    // Before anything is computed, so that a directory that cannot be written is reported at once.
    let output = arguments
        .output
        .as_ref()
        .map(|output| OutputDirectory::create(output, "evaluate", arguments.force))
        .transpose()?;
    let loaded = open_run(&arguments.run, &arguments.device)?;
    let data = log_notes(loaded.data()?);
    let BestModel { model, state, .. } = log_problems(loaded.model_of(&arguments.checkpoint.0))?;
    let spec = &loaded.config.spec;
    let mut settings = EvaluationSettings {
        batch_size: arguments.batch.batch_size,
        ..EvaluationSettings::new(spec)
    };
    if !arguments.topology {
        settings.n_topology_images = 0;
    }
    let evaluation = model.evaluate(arguments.split.samples(&data), settings)?;
    let evaluated = EvaluatedRun {
        run: loaded.name(),
        split: arguments.split.name(),
        step: state.step,
        task: model.task,
        counted_noun: EvaluatedRun::counted_noun(spec, model.task),
        class_names: loaded.classes(),
        evaluation,
        has_topology: arguments.topology,
    };
    if arguments.json {
        print_json(&evaluated.to_json())?;
    } else {
        print(&text(spec, &evaluated))?;
    }
    if let (Some(output), Some(path)) = (output, &arguments.output) {
        let command: Vec<String> = std::env::args().collect();
        write_report(output, &command.join(" "), &evaluated)?;
        log(&format!("report: {}", path.join("report.html").display()));
    }
    Ok(())
}

/// Metrics in one line, then the scores of the classes, temporal coherence and topology, as far as there are any.
fn text(spec: &Spec, evaluated: &EvaluatedRun) -> String {
    let evaluation = &evaluated.evaluation;
    let mut text = format!(
        "{}: {}, loss {:.4} {}, {} (checkpoint of step {})\n",
        evaluated.split,
        tables::metrics(&evaluation.metrics),
        evaluation.loss,
        evaluated.task.loss_unit(),
        tables::counted_samples(spec, evaluation.n_samples),
        evaluated.step
    );
    if let Some(confusion) = &evaluation.confusion {
        let top = confusion.top_accuracy();
        let top = top.map(|top| format!("top-5 accuracy {top:.4}"));
        let f1 = confusion.macro_f1().map(|f1| format!("macro F1 {f1:.4}"));
        let more: Vec<String> = top.into_iter().chain(f1).collect();
        text.push_str(&format!("{}\n", more.join(", ")));
        text.push_str(&classes(evaluated));
    }
    let means = evaluation.monitor.means();
    let means = means.iter().filter(|_| evaluated.has_topology);
    for (name, value) in evaluation.coherence.iter().chain(means) {
        // Added to 0, because a sum of no numbers is -0.
        text.push_str(&format!("{name:<52} {:>10.5}\n", value + 0.0));
    }
    text
}

/// Table of the scores of the classes, of many only those with the lowest accuracy.
fn classes(evaluated: &EvaluatedRun) -> String {
    let Some(confusion) = &evaluated.evaluation.confusion else {
        return String::new();
    };
    let scores = confusion.by_class();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let is_cut = order.len() > MAX_PRINTED_CLASSES;
    if is_cut {
        let accuracy = |class: usize| scores[class].accuracy.unwrap_or(f64::INFINITY);
        order.sort_by(|&a, &b| accuracy(a).total_cmp(&accuracy(b)));
        order.truncate(MAX_PRINTED_CLASSES);
    }
    let counted = format!("{}s", evaluated.counted_noun);
    let mut table = tables::text_table(["class", &counted, "accuracy", "precision", "F1"]);
    let optional = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    for class in order {
        let scores = scores[class];
        table.add_row([
            evaluated.class_name(class),
            tables::grouped(scores.n_samples),
            optional(scores.accuracy),
            optional(scores.precision),
            optional(scores.f1),
        ]);
    }
    let note = if is_cut {
        format!(
            "the {MAX_PRINTED_CLASSES} of {} classes with the lowest accuracy; --json and --output have all\n",
            tables::grouped(scores.len())
        )
    } else {
        String::new()
    };
    format!("{table}\n{note}")
}
