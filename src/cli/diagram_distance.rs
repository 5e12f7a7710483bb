//! `diagram-distance`: distances between the diagrams of two files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Failure;
use super::output::print;
use crate::report::read_diagrams;
use crate::topology::{GroundNorm, Point, bottleneck, wasserstein};

/// Arguments of `diagram-distance`.
#[derive(Debug, Args)]
pub struct DiagramDistanceArguments {
    /// A .npz file of diagrams, as `persistence` writes it.
    first: PathBuf,
    /// Another one, with as many items.
    second: PathBuf,
    /// The distance.
    #[arg(long, value_enum, default_value = "wasserstein")]
    metric: DistanceName,
    /// Order of the Wasserstein distance, at least 1.
    #[arg(long, default_value_t = 2.0)]
    order: f64,
    /// Norm in which bars are compared.
    #[arg(long, value_enum, default_value = "infinity")]
    ground_norm: NormName,
    /// Only this homology dimension.
    #[arg(long)]
    homology_dim: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DistanceName {
    /// The root of the sum of powers of lengths.
    Wasserstein,
    /// The longest pair of the matching that keeps it shortest.
    Bottleneck,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NormName {
    /// The largest coordinate.
    Infinity,
    /// Euclidean.
    L2,
    /// The sum of the coordinates.
    L1,
}

/// Prints the distances as JSON, one per item and dimension; `"inf"` between diagrams with
/// different numbers of bars that never die.
pub fn run(arguments: &DiagramDistanceArguments) -> Result<(), Failure> {
    let read = |path: &PathBuf| read_diagrams(path).map_err(Failure::CouldNotRun);
    let (first, second) = (read(&arguments.first)?, read(&arguments.second)?);
    let files = [&arguments.first, &arguments.second].map(|path| path.display());
    if first.len() != second.len() {
        return Err(Failure::CouldNotRun(format!(
            "{} has {} items and {} has {}, expected as many",
            files[0],
            first.len(),
            files[1],
            second.len()
        )));
    }
    let common = [&first, &second].map(|items| items.first().map_or(0, Vec::len));
    let n_dims = common[0].min(common[1]);
    let dims: Vec<usize> = match arguments.homology_dim {
        Some(dim) if dim >= n_dims => {
            return Err(Failure::CouldNotRun(format!(
                "there is no dimension {dim} in both files: {} has {} and {} has {} (from 0)",
                files[0], common[0], files[1], common[1]
            )));
        }
        Some(dim) => vec![dim],
        None => (0..n_dims).collect(),
    };
    let mut found = Vec::new();
    for dim in dims {
        let pairs = first.iter().zip(&second).enumerate();
        let distances = pairs
            .map(|(item, (a, b))| {
                let distance = arguments.distance(&a[dim], &b[dim]);
                distance.map_err(|e| format!("item {item}, dimension {dim}: {e}"))
            })
            .collect::<Result<Vec<f64>, String>>()
            .map_err(Failure::CouldNotRun)?;
        let mean = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
        found.push(json!({
            "homology_dim": dim,
            "mean": number(mean),
            "distances": distances.into_iter().map(number).collect::<Vec<_>>(),
        }));
    }
    let name = |value: Option<clap::builder::PossibleValue>| value.map(|v| v.get_name().to_owned());
    let order = (arguments.metric == DistanceName::Wasserstein).then_some(arguments.order);
    let summary = json!({
        "first": arguments.first,
        "second": arguments.second,
        "metric": name(arguments.metric.to_possible_value()),
        "order": order,
        "ground_norm": name(arguments.ground_norm.to_possible_value()),
        "dimensions": found,
    });
    print(&format!("{summary:#}\n"))
}

impl DiagramDistanceArguments {
    fn distance(&self, first: &[Point], second: &[Point]) -> crate::Result<f64> {
        let norm = match self.ground_norm {
            NormName::Infinity => GroundNorm::Infinity,
            NormName::L2 => GroundNorm::L2,
            NormName::L1 => GroundNorm::L1,
        };
        let matching = match self.metric {
            DistanceName::Wasserstein => wasserstein(first, second, self.order, norm),
            DistanceName::Bottleneck => bottleneck(first, second, norm),
        };
        Ok(matching?.distance)
    }
}

/// JSON has no infinity.
fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        json!("inf")
    }
}
