//! `persistence`: computes persistence diagrams of the matrices in a file.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::Failure;
use super::memory::parse_size;
use super::output::{check_output_file, log, output_path, print};
use crate::analysis::{MatrixInput, MatrixPersistence};
use crate::data::{Matrices, MatrixValues, read_matrices};
use crate::error::Error;
use crate::report::encode_diagrams;
use crate::run::write_atomically;
use crate::topology::Diagram;

/// Arguments of `persistence`.
#[derive(Debug, Args)]
pub(super) struct PersistenceArguments {
    /// File in .npy format with float32 or float64 numbers: one matrix, or a stack [matrices, rows, columns].
    matrix: PathBuf,
    /// Meaning of the rows of the matrix.
    #[arg(long, value_enum, default_value = "distances")]
    input: Input,
    /// Largest homology dimension.
    #[arg(long, default_value_t = 1)]
    max_homology_dim: usize,
    /// Largest diameter of the filtration; homology classes that are alive there never die.
    #[arg(long, value_name = "DIAMETER", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Refuse matrices whose simplices of one dimension need more memory than this, such as `16GB` [default: 4GiB]; it
    /// matters above dimension 1.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory_limit: Option<f64>,
    /// Output file in .npz format.
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    output: PathBuf,
    /// Overwrite an existing output file.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Input {
    /// Rows of a distance matrix.
    Distances,
    /// Probability distributions, compared by their Jensen-Shannon distance.
    Attention,
    /// Points, compared by their Euclidean distance.
    Points,
}

/// Writes the diagrams, and prints a summary of them as JSON.
pub(super) fn run(arguments: &PersistenceArguments) -> Result<(), Failure> {
    // Checked before the computation, which may take long.
    check_output_file(&arguments.output, arguments.force)?;
    let matrices = read_matrices(&arguments.matrix)?;
    let persistence = MatrixPersistence {
        input: match arguments.input {
            Input::Distances => MatrixInput::Distances,
            Input::Attention => MatrixInput::Attention,
            Input::Points => MatrixInput::Points,
        },
        max_homology_dim: arguments.max_homology_dim,
        threshold: arguments.threshold.unwrap_or(f64::INFINITY),
        // Saturates: a limit beyond 2^64 bytes is no limit.
        memory_limit: arguments.memory_limit.map(|bytes| bytes as u64),
    };
    let started = Instant::now();
    let bar = progress_bar(matrices.shape[0]);
    let result = persistence.diagrams(&matrices, |n_done| {
        bar.set_position(n_done as u64);
    });
    bar.finish_and_clear();
    let diagrams = result.map_err(|error| error.within(arguments.matrix.display()))?;
    let meta = metadata(arguments, &matrices);
    let bytes = encode_diagrams(&diagrams, &meta.to_string())?;
    write_atomically(&arguments.output, &bytes)
        .map_err(|error| Error::cannot_write(&arguments.output, error))?;
    // The duration is only printed, so that equal matrices give equal files.
    let mut summary = meta;
    summary["seconds"] = json!(started.elapsed().as_secs_f64());
    summary["dimensions"] = (0..=arguments.max_homology_dim)
        .map(|dim| summarize(&diagrams, dim))
        .collect();
    print(&format!("{summary:#}\n"))
}

/// Progress bar on stderr; hidden for a single matrix.
fn progress_bar(n_matrices: usize) -> ProgressBar {
    if n_matrices == 1 {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:24} {pos}/{len} matrices [{elapsed}<{eta}] {per_sec}");
    let bar = ProgressBar::with_draw_target(Some(n_matrices as u64), ProgressDrawTarget::stderr());
    match style {
        Ok(style) => bar.with_style(style),
        Err(error) => {
            log(&format!("no progress bar: {error}"));
            bar
        }
    }
}

/// Description of the input, which is stored with the diagrams.
fn metadata(arguments: &PersistenceArguments, matrices: &Matrices) -> Value {
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

/// Summary of the diagrams of one homology dimension: sums and means over the matrices.
fn summarize(diagrams: &[Vec<Diagram<f64>>], dim: usize) -> Value {
    let diagrams_of_dim = || diagrams.iter().map(|diagrams| &diagrams[dim]);
    let n_finite: usize = diagrams_of_dim()
        .map(|diagram| diagram.finite().count())
        .sum();
    let n_essential: usize = diagrams_of_dim()
        .map(|diagram| diagram.essential().count())
        .sum();
    // The sum of no numbers is -0.
    let total: f64 = diagrams_of_dim()
        .map(Diagram::total_persistence)
        .sum::<f64>()
        + 0.0;
    let longest = diagrams_of_dim()
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
