//! `predict`: class probabilities of images by the best checkpoint of a run.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::evaluate::Split;
use super::output::{print, print_json};
use super::{BatchArguments, Failure, log_notes, log_problems, open_run};
use crate::data::{DataSpec, Sample, Samples};
use crate::evaluate::{PREDICTION_BATCH, batch_ranges, size_or};
use crate::report::csv_field;

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub(super) struct PredictArguments {
    /// Run directory.
    run: PathBuf,
    /// Image files, or clips for a model of clips; they are cropped and scaled to the size of the model's input.
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

/// Prints CSV with the columns `image,label,class,probability`: one line per image and printed class.
pub(super) fn run(arguments: &PredictArguments) -> Result<(), Failure> {
    let loaded = open_run(&arguments.run, &arguments.device)?;
    let source = match arguments.split {
        Some(split) => {
            ImageSource::Split(Samples::clone(split.samples(&log_notes(loaded.data()?))))
        }
        None => ImageSource::Files {
            files: &arguments.images,
            data: &loaded.config.spec.data,
        },
    };
    let model = log_problems(loaded.best_model())?.model;
    let mut predictions: Vec<Value> = Vec::new();
    if !arguments.json {
        print("image,label,class,probability\n")?;
    }
    // Read batch by batch, so that memory does not grow with the number of images.
    let batch_size = size_or(arguments.batch.batch_size, PREDICTION_BATCH);
    for indices in batch_ranges(source.len(), batch_size) {
        let items = source.read(indices.clone())?;
        let mut lines = String::new();
        for ((index, item), probabilities) in indices.zip(&items).zip(model.predict(&items)?) {
            let name = source.name(index, item);
            let mut classes: Vec<(usize, f64)> = probabilities.into_iter().enumerate().collect();
            // Ties are broken by the class index, so that the output is the same everywhere.
            classes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            classes.truncate(arguments.top as usize);
            if arguments.json {
                predictions.push(to_json(source.image(index), source.label(item), &classes));
            }
            for (class, probability) in classes {
                lines.push_str(&format!("{name},{class},{probability:.6}\n"));
            }
        }
        if !arguments.json {
            print(&lines)?;
        }
    }
    if arguments.json {
        print_json(&json!(predictions))?;
    }
    Ok(())
}

/// Most probable classes of one image as JSON.
fn to_json(image: String, label: Option<usize>, classes: &[(usize, f64)]) -> Value {
    let classes = classes.iter();
    let classes =
        classes.map(|(class, probability)| json!({ "class": class, "probability": probability }));
    json!({ "image": image, "label": label, "classes": classes.collect::<Vec<_>>() })
}

/// Source of the images.
enum ImageSource<'a> {
    Files {
        files: &'a [PathBuf],
        data: &'a DataSpec,
    },
    Split(Samples),
}

impl ImageSource<'_> {
    /// Number of images.
    fn len(&self) -> usize {
        match self {
            Self::Files { files, .. } => files.len(),
            Self::Split(images) => images.len(),
        }
    }

    /// Reads the images at these indices.
    fn read(&self, indices: Range<usize>) -> crate::Result<Vec<Sample>> {
        match self {
            Self::Files { files, data } => files[indices]
                .iter()
                .map(|file| data.read_sample(file))
                .collect(),
            Self::Split(images) => images
                .get_many(indices.collect())
                .map_err(crate::Error::sample),
        }
    }

    /// File name, or index in the split.
    fn image(&self, index: usize) -> String {
        match self {
            Self::Files { files, .. } => files[index].display().to_string(),
            Self::Split(_) => index.to_string(),
        }
    }

    /// Label of a sample of a split.
    fn label(&self, item: &Sample) -> Option<usize> {
        match self {
            Self::Files { .. } => None,
            Self::Split(_) => Some(item.label),
        }
    }

    /// First two columns: the file name and no label, or the index in the split and its label.
    fn name(&self, index: usize, item: &Sample) -> String {
        match self {
            Self::Files { files, .. } => {
                format!("{},", csv_field(&files[index].display().to_string()))
            }
            Self::Split(_) => format!("{index},{}", item.label),
        }
    }
}
