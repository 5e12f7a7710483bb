//! `diagram-distance`: distances between the persistence diagrams in two files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Failure;
use super::output::print;
use super::tables::counted;
use crate::mean::mean;
use crate::report::read_diagrams;
use crate::topology::{GroundNorm, Point, bottleneck, wasserstein};

/// Arguments of `diagram-distance`.
#[derive(Debug, Args)]
pub(super) struct DiagramDistanceArguments {
    /// File of diagrams in .npz format, as written by `persistence`.
    first: PathBuf,
    /// Another such file, with the same number of items.
    second: PathBuf,
    /// Distance between diagrams.
    #[arg(long, value_enum, default_value = "wasserstein")]
    metric: DistanceName,
    /// Order of the Wasserstein distance, at least 1.
    #[arg(long, default_value_t = 2.0)]
    order: f64,
    /// Norm by which two bars are compared (ground norm).
    #[arg(long, value_enum, default_value = "infinity")]
    ground_norm: NormName,
    /// Homology dimension to compare [default: all that both files have].
    #[arg(long)]
    homology_dim: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DistanceName {
    /// Wasserstein distance: p-th root of the sum of the p-th powers of the lengths of the matched pairs, for the best
    /// matching.
    Wasserstein,
    /// Bottleneck distance: length of the longest matched pair, for the best matching.
    Bottleneck,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NormName {
    /// Largest absolute coordinate.
    Infinity,
    /// Euclidean norm.
    L2,
    /// Sum of absolute coordinates.
    L1,
}

/// Prints the distances as JSON, one per item and homology dimension.
///
/// The distance between diagrams with different numbers of essential bars is infinite, written as `"inf"`.
pub(super) fn run(arguments: &DiagramDistanceArguments) -> Result<(), Failure> {
    let first = read_diagrams(&arguments.first)?;
    let second = read_diagrams(&arguments.second)?;
    let files = [&arguments.first, &arguments.second].map(|path| path.display());
    if first.len() != second.len() {
        return Err(Failure::Error(format!(
            "{} has {} and {} has {}, expected the same number",
            files[0],
            counted(first.len(), "item"),
            files[1],
            second.len()
        )));
    }
    // All items of a file have the same number of dimensions, but two files may differ.
    let dims_per_item = [&first, &second].map(|items| items.first().map_or(0, Vec::len));
    let n_dims = dims_per_item[0].min(dims_per_item[1]);
    let dims: Vec<usize> = match arguments.homology_dim {
        Some(dim) if dim >= n_dims => {
            return Err(Failure::Error(format!(
                "homology dimension {dim} is not in both files: {} has {} and {} has {}, counted from 0",
                files[0],
                counted(dims_per_item[0], "dimension"),
                files[1],
                dims_per_item[1]
            )));
        }
        Some(dim) => vec![dim],
        None => (0..n_dims).collect(),
    };
    let mut dimensions = Vec::new();
    for dim in dims {
        let distances = first
            .iter()
            .zip(&second)
            .enumerate()
            .map(|(item, (a, b))| {
                let distance = arguments.distance(&a[dim], &b[dim]);
                distance.map_err(|error| error.within(format_args!("item {item}, dimension {dim}")))
            })
            .collect::<crate::Result<Vec<f64>>>()?;
        let mean = mean(distances.iter().copied()).unwrap_or_default();
        dimensions.push(json!({
            "homology_dim": dim,
            "mean": number(mean),
            "distances": distances.into_iter().map(number).collect::<Vec<_>>(),
        }));
    }
    let name = |value: Option<clap::builder::PossibleValue>| value.map(|v| v.get_name().to_owned());
    // The bottleneck distance has no order.
    let order = (arguments.metric == DistanceName::Wasserstein).then_some(arguments.order);
    let summary = json!({
        "first": arguments.first,
        "second": arguments.second,
        "metric": name(arguments.metric.to_possible_value()),
        "order": order,
        "ground_norm": name(arguments.ground_norm.to_possible_value()),
        "dimensions": dimensions,
    });
    print(&format!("{summary:#}\n"))
}

impl DiagramDistanceArguments {
    /// Distance between two diagrams.
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

/// JSON number, or the string "inf": JSON has no infinity.
fn number(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        json!("inf")
    }
}
