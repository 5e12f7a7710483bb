//! `predict`: class probabilities of images by the best checkpoint of a run.

use std::path::PathBuf;

use clap::Args;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::evaluate::Split;
use super::output::{log, print, print_json};
use super::tables::counted;
use super::{BatchArguments, Failure, log_each, log_notes, log_problems, message, open_run};
use crate::data::{Sample, Samples, find_samples};
use crate::error::Error;
use crate::evaluate::{LoadedRun, PREDICTION_BATCH, TaskModel, batch_ranges, size_or};
use crate::report::csv_field;

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub(super) struct PredictArguments {
    /// Run directory.
    run: PathBuf,
    /// Images, or clips for a model of clips: files, folders of any depth, or patterns such as `'photos/**/*.jpg'`. They
    /// are cropped and scaled to the size of the model's input.
    #[arg(required_unless_present = "split")]
    images: Vec<PathBuf>,
    /// Use the samples of a split and their labels instead of files.
    #[arg(long, value_enum, conflicts_with = "images")]
    split: Option<Split>,
    /// Number of classes printed for each image, most probable first.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// Print JSON instead of CSV.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    batch: BatchArguments,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// First line of the output.
const HEADER: &str = "image,label,class,probability\n";

/// Prints CSV with the columns `image,label,class,probability`: one line per image and printed class.
///
/// The label is empty for files. Labels and classes are names.
pub(super) fn run(arguments: &PredictArguments) -> Result<(), Failure> {
    let loaded = open_run(&arguments.run, &arguments.device)?;
    match arguments.split {
        Some(split) => predict_split(arguments, &loaded, split),
        None => predict_files(arguments, &loaded),
    }
}

/// Predicts the samples of a split.
fn predict_split(
    arguments: &PredictArguments,
    loaded: &LoadedRun,
    split: Split,
) -> Result<(), Failure> {
    let samples = Samples::clone(split.samples(&log_notes(loaded.data()?)));
    let mut printer = Printer::new(arguments, loaded)?;
    printer.start()?;
    let batch_size = size_or(arguments.batch.batch_size, PREDICTION_BATCH);
    for indices in batch_ranges(samples.len(), batch_size) {
        let items = samples
            .get_many(indices.clone().collect())
            .map_err(Error::sample)?;
        let names = indices.zip(&items).map(|(index, item)| {
            let file = samples.file(index).unwrap_or_else(|| index.to_string());
            (file, Some(item.label))
        });
        printer.print(names.collect(), &items)?;
    }
    printer.finish()
}

/// Predicts files; those that cannot be read are named, and the others are predicted.
fn predict_files(arguments: &PredictArguments, loaded: &LoadedRun) -> Result<(), Failure> {
    let data = &loaded.config.spec.data;
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in &arguments.images {
        match find_samples(data, path) {
            Ok(found) => {
                log_each(&found.notes);
                files.extend(found.paths);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let mut printer = Printer::new(arguments, loaded)?;
    let mut n_predicted = 0;
    // Read batch by batch, so that memory does not grow with the number of images.
    let batch_size = size_or(arguments.batch.batch_size, PREDICTION_BATCH);
    for files in files.chunks(batch_size) {
        let read: Vec<crate::Result<Sample>> = files
            .par_iter()
            .map(|file| data.read_sample(file))
            .collect();
        let (mut names, mut items) = (Vec::new(), Vec::new());
        for (file, sample) in files.iter().zip(read) {
            match sample {
                Ok(sample) => {
                    names.push((file.display().to_string(), None));
                    items.push(sample);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if n_predicted == 0 && !items.is_empty() {
            printer.start()?;
        }
        n_predicted += items.len();
        printer.print(names, &items)?;
    }
    if n_predicted > 0 {
        printer.finish()?;
    }
    let Some(last) = problems.last() else {
        return Ok(());
    };
    if n_predicted == 0 && problems.len() == 1 {
        return Err(last.clone().into());
    }
    for problem in &problems {
        log(&message::shortened(&problem.to_string()));
    }
    let summary = format!(
        "{} could not be read, named above; {} predicted",
        counted(problems.len(), "path"),
        match n_predicted {
            0 => "nothing was".to_owned(),
            1 => "1 image was".to_owned(),
            n => format!("{} were", counted(n, "image")),
        }
    );
    // The command ran if it predicted something.
    Err(if n_predicted == 0 {
        Failure::Error(summary)
    } else {
        Failure::NegativeResult(summary)
    })
}

/// Prints predictions.
struct Printer {
    model: TaskModel,
    /// Names of the classes, by label.
    classes: Vec<String>,
    /// Number of classes printed for each image.
    n_classes: usize,
    /// Predictions that are printed together at the end, as one JSON list; `None` for CSV.
    json: Option<Vec<Value>>,
}

impl Printer {
    fn new(arguments: &PredictArguments, loaded: &LoadedRun) -> Result<Self, Failure> {
        Ok(Self {
            model: log_problems(loaded.best_model())?.model,
            classes: loaded.classes(),
            n_classes: arguments.top as usize,
            json: arguments.json.then(Vec::new),
        })
    }

    /// Prints what stands before the first prediction.
    fn start(&self) -> Result<(), Failure> {
        match self.json {
            Some(_) => Ok(()),
            None => print(HEADER),
        }
    }

    /// Prints what could not be printed batch by batch.
    fn finish(self) -> Result<(), Failure> {
        match self.json {
            Some(predictions) => print_json(&Value::from(predictions)),
            None => Ok(()),
        }
    }

    /// Prints the predictions of a batch, whose samples have these names and, if known, labels.
    fn print(
        &mut self,
        names: Vec<(String, Option<usize>)>,
        items: &[Sample],
    ) -> Result<(), Failure> {
        let mut lines = String::new();
        for ((name, label), probabilities) in names.into_iter().zip(self.model.predict(items)?) {
            let mut classes: Vec<(usize, f64)> = probabilities.into_iter().enumerate().collect();
            // Ties are broken by the class index, so that the output is the same everywhere.
            classes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            classes.truncate(self.n_classes);
            if let Some(predictions) = &mut self.json {
                let class_name = |class| class_name(&self.classes, class);
                let classes = classes.iter().map(|&(class, probability)| {
                    json!({ "class": class_name(class), "probability": probability })
                });
                predictions.push(json!({
                    "image": name,
                    "label": label.map(class_name),
                    "classes": classes.collect::<Vec<_>>(),
                }));
                continue;
            }
            let name = csv_field(&name);
            let in_csv = |class| csv_field(&class_name(&self.classes, class));
            let label = label.map_or(String::new(), in_csv);
            for (class, probability) in classes {
                let class = in_csv(class);
                lines.push_str(&format!("{name},{label},{class},{probability:.6}\n"));
            }
        }
        print(&lines)
    }
}

/// Name of a class; its number if it has none.
fn class_name(names: &[String], class: usize) -> String {
    let name = names.get(class).cloned();
    name.unwrap_or_else(|| class.to_string())
}
