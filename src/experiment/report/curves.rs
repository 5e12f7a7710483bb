//! What cells recorded while they trained.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::experiment::study::Study;
use crate::run::RunDirectory;

/// What the cells of a variant recorded on the validation split, by name and epoch, one value a seed.
pub(super) struct Curves {
    pub(super) by_name: BTreeMap<String, BTreeMap<usize, Vec<f64>>>,
}

#[derive(Deserialize)]
struct Record {
    epoch: usize,
    split: String,
    name: String,
    value: Option<f64>,
}

/// Beside the task's metrics: whether attention collapses.
const WATCHED: [&str; 2] = ["topology/mean_distance", "collapse/n_layers"];

pub(super) fn curves_of(study: &Study, out: &Path) -> Vec<Curves> {
    let mut curves: Vec<Curves> = study
        .variants
        .iter()
        .map(|_| Curves {
            by_name: BTreeMap::new(),
        })
        .collect();
    for cell in &study.cells {
        let Ok(run) = RunDirectory::open(&cell.directory(out)) else {
            continue;
        };
        let text = std::fs::read_to_string(run.metrics()).unwrap_or_default();
        // The mean over the layers of this cell, by name and epoch.
        let mut sums: BTreeMap<(String, usize), (f64, f64)> = BTreeMap::new();
        for record in text
            .lines()
            .filter_map(|line| serde_json::from_str::<Record>(line).ok())
        {
            let Some(value) = record.value.filter(|_| record.split == "validation") else {
                continue;
            };
            let of_layers = WATCHED
                .iter()
                .find(|watched| record.name.starts_with(**watched));
            let name = match of_layers {
                Some(watched) => (*watched).to_owned(),
                None if record.name.contains('/') => continue,
                None => record.name,
            };
            let (sum, n) = sums.entry((name, record.epoch)).or_default();
            *sum += value;
            *n += 1.0;
        }
        for ((name, epoch), (sum, n)) in sums {
            let of_name = curves[cell.variant].by_name.entry(name).or_default();
            of_name.entry(epoch).or_default().push(sum / n);
        }
    }
    curves
}
