//! `persistence`: computes persistence diagrams of the matrices, images or volume in a file.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Failure;
use super::image_persistence::ImageArguments;
use super::memory::parse_size;
use super::output::{check_output_file, output_path, print};
use super::persistence_output::{Output, progress_bar, summarize};
use crate::analysis::{MatrixInput, MatrixPersistence};
use crate::data::{Matrices, MatrixValues, read_matrices};
use crate::error::Error;
use crate::report::encode_diagrams;
use crate::run::write_atomically;
use crate::topology::Bar;

/// Arguments of `persistence`.
#[derive(Debug, Args)]
pub(super) struct PersistenceArguments {
    /// File in .npy format with float32 or float64 numbers: one matrix or image, or a stack [matrices, rows, columns]; with
    /// --input image also a picture (PNG, JPEG, WebP, GIF, BMP, TIFF or PNM), as grey values from 0 to 1.
    #[arg(value_name = "FILE")]
    matrix: PathBuf,
    /// Meaning of the numbers.
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
    #[command(flatten)]
    image: ImageArguments,
    /// Output file in .npz format.
    #[arg(long, value_name = "FILE", value_parser = output_path())]
    output: PathBuf,
    /// Overwrite an existing output file.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Input {
    /// Rows of a distance matrix.
    Distances,
    /// Probability distributions, compared by their Jensen-Shannon distance.
    Attention,
    /// Points, compared by their Euclidean distance.
    Points,
    /// Pixels of a grey image, or of each image of a stack.
    Image,
    /// Voxels of one volume [frames, rows, columns], such as a clip.
    Volume,
}

impl Input {
    /// Word by which the choice is written.
    fn word(self) -> Option<String> {
        let value = self.to_possible_value()?;
        Some(value.get_name().to_owned())
    }
}

/// Writes the diagrams, and prints a summary of them as JSON.
pub(super) fn run(arguments: &PersistenceArguments) -> Result<(), Failure> {
    // Checked before the computation, which may take long.
    check_output_file(&arguments.output, arguments.force)?;
    let started = Instant::now();
    let Output {
        archive,
        mut description,
        dimensions,
    } = match arguments.input {
        Input::Distances => matrices(arguments, MatrixInput::Distances)?,
        Input::Attention => matrices(arguments, MatrixInput::Attention)?,
        Input::Points => matrices(arguments, MatrixInput::Points)?,
        Input::Image | Input::Volume => {
            refuse_options_of_distances(arguments)?;
            let is_volume = arguments.input == Input::Volume;
            let max_homology_dim = arguments.max_homology_dim;
            arguments
                .image
                .diagrams(&arguments.matrix, max_homology_dim, is_volume)?
        }
    };
    write_atomically(&arguments.output, &archive)
        .map_err(|error| Error::cannot_write(&arguments.output, error))?;
    // The duration is only printed, so that equal inputs give equal files.
    description["seconds"] = json!(started.elapsed().as_secs_f64());
    description["dimensions"] = dimensions.into();
    print(&format!("{description:#}\n"))
}

/// Refuses the options that only distances have.
fn refuse_options_of_distances(arguments: &PersistenceArguments) -> Result<(), Failure> {
    let given = [
        ("--threshold", arguments.threshold.is_some()),
        ("--memory-limit", arguments.memory_limit.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((option, _)) => Err(Failure::Error(format!(
            "{option} is an option for distances, expected --input distances, attention or points with it"
        ))),
    }
}

/// Computes the diagrams of matrices.
fn matrices(arguments: &PersistenceArguments, input: MatrixInput) -> Result<Output, Failure> {
    arguments.image.refuse()?;
    let matrices = read_matrices(&arguments.matrix)?;
    let persistence = MatrixPersistence {
        input,
        max_homology_dim: arguments.max_homology_dim,
        threshold: arguments.threshold.unwrap_or(f64::INFINITY),
        // Saturates: a limit beyond 2^64 bytes is no limit.
        memory_limit: arguments.memory_limit.map(|bytes| bytes as u64),
    };
    let bar = progress_bar(matrices.shape[0], "matrices");
    let result = persistence.diagrams(&matrices, |n_done| {
        bar.set_position(n_done as u64);
    });
    bar.finish_and_clear();
    let diagrams = result.map_err(|error| error.within(arguments.matrix.display()))?;
    let meta = metadata(arguments, &matrices);
    let archive = encode_diagrams(&diagrams, &meta.to_string())?;
    let dimensions = (0..=arguments.max_homology_dim).map(|dim| {
        let bars = diagrams.iter().flat_map(move |item| &item[dim].bars);
        summarize(dim, diagrams.len(), bars.map(Bar::persistence))
    });
    Ok(Output {
        archive,
        description: meta,
        dimensions: dimensions.collect(),
    })
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
        "input": arguments.input.word(),
        "n_matrices": n_matrices,
        "n_points": n_points,
        "n_columns": n_columns,
        "max_homology_dim": arguments.max_homology_dim,
        "threshold": arguments.threshold,
    })
}
