//! Reads the validation metrics that the cells of a study logged during training.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::experiment::study::Study;
use crate::input_file;
use crate::mean::mean;
use crate::run::RunDirectory;

/// Validation metrics of the cells of one variant: the values of all seeds, by metric and epoch.
pub(super) struct Curves {
    pub(super) by_name: BTreeMap<String, BTreeMap<usize, Vec<f64>>>,
}

/// One line of a run's `metrics.jsonl`, without the fields that are not needed.
#[derive(Deserialize)]
struct Record {
    epoch: usize,
    split: String,
    name: String,
    value: Option<f64>,
}

/// Tags of the metrics by layer that are drawn too, averaged over the layers: signs of a collapse of attention.
const COLLAPSE_TAGS: [&str; 2] = ["topology/mean_distance", "collapse/n_layers"];

/// Returns the curves of every variant; cells without a log, and lines that cannot be read, are skipped.
pub(super) fn read_curves(study: &Study, directories: &[PathBuf]) -> Vec<Curves> {
    let mut curves: Vec<Curves> = study
        .variants
        .iter()
        .map(|_| Curves {
            by_name: BTreeMap::new(),
        })
        .collect();
    for (cell, directory) in study.cells.iter().zip(directories) {
        let Ok(run) = RunDirectory::open(directory) else {
            continue;
        };
        let text = input_file::read_text(&run.metrics()).unwrap_or_default();
        // The metrics of this cell by name and epoch, each with one value or, if logged by layer, several.
        let mut values: BTreeMap<(String, usize), Vec<f64>> = BTreeMap::new();
        for record in text
            .lines()
            .filter_map(|line| serde_json::from_str::<Record>(line).ok())
        {
            let Some(value) = record.value.filter(|_| record.split == "validation") else {
                continue;
            };
            let tag = COLLAPSE_TAGS
                .iter()
                .find(|tag| record.name.starts_with(**tag));
            let name = match tag {
                Some(tag) => (*tag).to_owned(),
                // Other names with a slash are diagnostics of single layers and penalties.
                None if record.name.contains('/') => continue,
                None => record.name,
            };
            values.entry((name, record.epoch)).or_default().push(value);
        }
        for ((name, epoch), layers) in values {
            let mean = mean(layers).unwrap_or(f64::NAN);
            let epochs = curves[cell.variant].by_name.entry(name).or_default();
            epochs.entry(epoch).or_default().push(mean);
        }
    }
    curves
}
