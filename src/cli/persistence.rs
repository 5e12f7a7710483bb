//! `persistence`: the diagrams of matrices from a file.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::Failure;
use super::output::{print, tell};
use crate::analysis::{MatrixInput, MatrixPersistence};
use crate::data::{Matrices, MatrixValues, read_matrices};
use crate::report::encode_diagrams;
use crate::run::write_atomically;
use crate::topology::Diagram;

/// Arguments of `persistence`.
#[derive(Debug, Args)]
pub struct PersistenceArguments {
    /// A .npy file of float32 or float64: one matrix, or a stack [matrices, rows, columns].
    matrix: PathBuf,
    /// What the rows are.
    #[arg(long, value_enum, default_value = "distances")]
    input: Input,
    /// Largest homology dimension.
    #[arg(long, default_value_t = 1)]
    max_homology_dim: usize,
    /// Largest diameter that enters; classes alive there never die.
    #[arg(long, value_name = "DIAMETER", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// The .npz file to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Replace the output if it is there.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Input {
    /// Distances between points.
    Distances,
    /// Distributions; their Jensen-Shannon distances are taken.
    Attention,
    /// Points; their Euclidean distances are taken.
    Points,
}

/// Writes the diagrams and prints a summary of them as JSON.
pub fn run(arguments: &PersistenceArguments) -> Result<(), Failure> {
    let could_not = Failure::CouldNotRun;
    let output = arguments.output.display();
    if arguments.output.exists() && !arguments.force {
        return Err(could_not(format!(
            "{output}: is there already; pass --force to replace it, or another --output"
        )));
    }
    if arguments.output.exists() && !arguments.output.is_file() {
        // A rename would put a file in the place of a directory or a device.
        return Err(could_not(format!(
            "{output}: is not a file, expected one to write"
        )));
    }
    let matrices = read_matrices(&arguments.matrix).map_err(could_not)?;
    let persistence = MatrixPersistence {
        input: match arguments.input {
            Input::Distances => MatrixInput::Distances,
            Input::Attention => MatrixInput::Attention,
            Input::Points => MatrixInput::Points,
        },
        max_homology_dim: arguments.max_homology_dim,
        threshold: arguments.threshold.unwrap_or(f64::INFINITY),
    };
    let started = Instant::now();
    let bar = bar(matrices.shape[0]);
    let found = persistence.diagrams(&matrices, |n_done| {
        bar.set_position(n_done as u64);
    });
    bar.finish_and_clear();
    let at = |e: String| could_not(format!("{}: {e}", arguments.matrix.display()));
    let diagrams = found.map_err(at)?;
    let meta = meta(arguments, &matrices);
    let bytes = encode_diagrams(&diagrams, &meta.to_string()).map_err(could_not)?;
    write_atomically(&arguments.output, &bytes)
        .map_err(|e| could_not(format!("{output}: cannot be written: {e}")))?;
    let mut summary = meta;
    summary["seconds"] = json!(started.elapsed().as_secs_f64());
    summary["dimensions"] = (0..=arguments.max_homology_dim)
        .map(|dim| summarized(&diagrams, dim))
        .collect();
    print(&format!("{summary:#}\n"))
}

fn bar(n_matrices: usize) -> ProgressBar {
    if n_matrices == 1 {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:24} {pos}/{len} matrices [{elapsed}<{eta}] {per_sec}");
    let bar = ProgressBar::with_draw_target(Some(n_matrices as u64), ProgressDrawTarget::stderr());
    match style {
        Ok(style) => bar.with_style(style),
        Err(error) => {
            tell(&format!("no bar: {error}"));
            bar
        }
    }
}

fn meta(arguments: &PersistenceArguments, matrices: &Matrices) -> Value {
    let [n_matrices, n_points, n_columns] = matrices.shape;
    json!({
        "program": concat!("burn-topology ", env!("CARGO_PKG_VERSION")),
        "file": arguments.matrix,
        "dtype": match matrices.values {
            MatrixValues::F32(_) => "float32",
            MatrixValues::F64(_) => "float64",
        },
        "input": arguments.input.to_possible_value().map(|value| value.get_name().to_owned()),
        "n_matrices": n_matrices,
        "n_points": n_points,
        "n_columns": n_columns,
        "max_homology_dim": arguments.max_homology_dim,
        "threshold": arguments.threshold,
    })
}

/// Sums and means over the matrices.
fn summarized(diagrams: &[Vec<Diagram<f64>>], dim: usize) -> Value {
    let of_dim = || diagrams.iter().map(|diagrams| &diagrams[dim]);
    let n_finite: usize = of_dim().map(|diagram| diagram.finite().count()).sum();
    let n_essential: usize = of_dim().map(|diagram| diagram.essential().count()).sum();
    let total: f64 = of_dim().map(Diagram::total_persistence).sum();
    let longest = of_dim()
        .map(Diagram::largest_persistence)
        .fold(0.0, f64::max);
    let n_matrices = diagrams.len().max(1) as f64;
    json!({
        "homology_dim": dim,
        "n_finite": n_finite,
        "n_essential": n_essential,
        "mean_total_persistence": total / n_matrices,
        "longest": longest,
    })
}
