//! `predict`: what the best checkpoint of a run says of images.

use std::path::PathBuf;

use clap::Args;

use super::evaluate::Split;
use super::output::print;
use super::progress::Notes;
use super::{Failure, OpenedRun};
use crate::data::{Sample, Samples};
use crate::report::csv_field;
use crate::train::{Job, load_best, predict};

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub struct PredictArguments {
    /// The run directory.
    run: PathBuf,
    /// PNG or JPEG images, or clips of a model for clips; cut and scaled to what the model takes.
    #[arg(required_unless_present = "split")]
    images: Vec<PathBuf>,
    /// The samples of a split, with their labels, in place of files.
    #[arg(long, value_enum, conflicts_with = "images")]
    split: Option<Split>,
    /// Classes listed for each image, the most probable first.
    #[arg(long, default_value_t = 1)]
    top: usize,
    /// Device to run on.
    #[arg(long, default_value = "flex")]
    device: String,
}

/// Images per batch.
const BATCH_SIZE: usize = 128;

/// Prints `image,label,class,probability`, one line per image and class listed.
pub fn run(arguments: &PredictArguments) -> Result<(), Failure> {
    let opened = OpenedRun::new(&arguments.run, &arguments.device)?;
    let job = opened.job();
    let (model, _) = load_best(job.run, job.config, job.device, &mut Notes)?;
    let source = match arguments.split {
        Some(split) => Source::Split(split.of(&opened.data)),
        None => Source::Files(&arguments.images),
    };
    print("image,label,class,probability\n")?;
    for start in (0..source.len()).step_by(BATCH_SIZE) {
        let indices = start..source.len().min(start + BATCH_SIZE);
        let items = indices
            .clone()
            .map(|index| source.item(index, &job))
            .collect::<Result<Vec<_>, String>>()
            .map_err(Failure::CouldNotRun)?;
        let names = indices
            .zip(&items)
            .map(|(index, item)| source.name(index, item));
        let names: Vec<String> = names.collect();
        let mut lines = String::new();
        for (name, probabilities) in names.into_iter().zip(predict(&job, &model, &items)?) {
            let mut classes: Vec<(usize, f64)> = probabilities.into_iter().enumerate().collect();
            classes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            for (class, probability) in classes.into_iter().take(arguments.top) {
                lines.push_str(&format!("{name},{class},{probability:.6}\n"));
            }
        }
        print(&lines)?;
    }
    Ok(())
}

enum Source<'a> {
    Files(&'a [PathBuf]),
    Split(&'a Samples),
}

impl Source<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Files(files) => files.len(),
            Self::Split(images) => images.len(),
        }
    }

    fn item(&self, index: usize, job: &Job<'_>) -> Result<Sample, String> {
        match self {
            Self::Files(files) => job.config.spec.data.read(&files[index]),
            Self::Split(images) => images.get(index).map_err(|error| error.to_string()),
        }
    }

    /// A file's name, or a place in the split and the label there.
    fn name(&self, index: usize, item: &Sample) -> String {
        match self {
            Self::Files(files) => format!("{},", csv_field(&files[index].display().to_string())),
            Self::Split(_) => format!("{index},{}", item.label),
        }
    }
}
