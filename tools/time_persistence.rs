//! Times persistence and distances of this library on the fixtures of `scripts/peers`, for `scripts/compare_peers.sh`.
//!
//! ```text
//! cargo run --release --no-default-features --example time_persistence -- \
//!     [--kernel persistence|jensen_shannon|rows|wasserstein|batch]... PATHS...
//! ```
//!
//! Prints a line `name,n,kind,min_ms,median_ms[,note]` for each measurement; reading files is not timed. Files named
//! `jsnat_*` are distance matrices, files named `attn_*` are attention, others are ignored. Everything runs on the
//! calling thread, except `batch`, which compares two threads with one.

#[path = "support/engine.rs"]
mod engine;
#[path = "support/npy.rs"]
mod npy;
#[path = "support/stopwatch.rs"]
mod stopwatch;

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use burn_topology::distance::{PairwiseDistances, RowDistance};
use burn_topology::topology::{GroundNorm, Point, VietorisRips, wasserstein};
use npy::{Matrix, name_parts, read_matrix};
use rayon::prelude::*;
use stopwatch::{Times, measure};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const KERNELS: [&str; 5] = [
    "persistence",
    "jensen_shannon",
    "rows",
    "wasserstein",
    "batch",
];

/// Kinds of matrices whose diagrams are compared with each other.
const PAIRS: [[&str; 2]; 2] = [["smooth_t1", "vit_t1"], ["random_t1", "random_t4"]];

/// Number of matrices in the batch.
const BATCH_SIZE: usize = 256;

/// Measurement, without its times.
struct Work<'a> {
    name: &'a str,
    n: usize,
    kind: &'a str,
}

impl Work<'_> {
    fn print(&self, times: &Times, note: &str) {
        let Self { name, n, kind } = self;
        let comma = if note.is_empty() { "" } else { "," };
        println!(
            "{name},{n},{kind},{:.6},{:.6}{comma}{note}",
            times.least, times.median
        );
    }
}

fn main() -> Result<()> {
    let (kernels, paths) = arguments()?;
    let has = |kernel: &str| kernels.is_empty() || kernels.iter().any(|k| k == kernel);
    for path in &paths {
        match name_parts(path) {
            Some(("jsnat", kind)) => {
                let matrix = read_matrix(path)?;
                if has("persistence") {
                    time_persistence(&matrix, kind)?;
                }
                if has("wasserstein") {
                    time_wasserstein(&matrix, kind, path)?;
                }
                if has("batch") {
                    time_batch(&matrix, kind)?;
                }
            }
            Some(("attn", kind)) => {
                if has("jensen_shannon") {
                    time_jensen_shannon(kind, path)?;
                }
                if has("rows") {
                    time_rows(kind, path)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Requested kernels (none for all) and paths of the command line.
fn arguments() -> Result<(Vec<String>, Vec<PathBuf>)> {
    let (mut kernels, mut paths) = (Vec::new(), Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word != "--kernel" {
            paths.push(PathBuf::from(word));
            continue;
        }
        let kernel = words.next().unwrap_or_default();
        if !KERNELS.contains(&kernel.as_str()) {
            let found = if kernel.is_empty() {
                "nothing"
            } else {
                &kernel
            };
            let expected = KERNELS.join(", ");
            return Err(format!("--kernel: found {found}, expected one of {expected}").into());
        }
        kernels.push(kernel);
    }
    if paths.is_empty() {
        return Err(
            "expected paths of .npy files, see the documentation at the head of this program"
                .into(),
        );
    }
    Ok((kernels, paths))
}

fn time_persistence(matrix: &Matrix, kind: &str) -> Result<()> {
    let (values, n) = (matrix.to_f32(), matrix.n);
    for (max_homology_dim, name) in ["ours H0", "ours H0+H1"].into_iter().enumerate() {
        let mut rips = VietorisRips::new(max_homology_dim)?;
        let times = measure(|| {
            // Keeps the compiler from leaving out work whose result is not used.
            black_box(engine::diagrams(&mut rips, black_box(&values), n)?);
            Ok::<_, burn_topology::Error>(())
        })?;
        Work { name, n, kind }.print(&times, "");
    }
    Ok(())
}

/// Times all pairwise distances; the note is the largest relative error, if there is a file of exact distances.
fn time_jensen_shannon(kind: &str, path: &Path) -> Result<()> {
    let matrix = read_matrix(path)?;
    let (rows, n) = (matrix.to_f32(), matrix.n);
    let mut distances = vec![0.0; n * n];
    let mut pairwise = PairwiseDistances::default();
    let times = measure(|| {
        let distance = RowDistance::JENSEN_SHANNON;
        pairwise.compute(distance, black_box(&rows), n, black_box(&mut distances));
        Ok::<_, burn_topology::Error>(())
    })?;
    let reference = path.with_file_name(format!("jsref_{kind}_{n}.npy"));
    let note = if reference.exists() {
        let exact = read_matrix(&reference)?;
        let pairs = distances.iter().zip(&exact.values);
        let errors = pairs.map(|(&distance, &exact)| match exact {
            0.0 => f64::from(distance),
            _ => (f64::from(distance) / exact - 1.0).abs(),
        });
        format!("relative_error={:.3e}", errors.fold(0.0, f64::max))
    } else {
        String::new()
    };
    let name = "ours pairwise Jensen-Shannon";
    Work { name, n, kind }.print(&times, &note);
    Ok(())
}

/// Times the diagrams of the rows from all distances, and that of dimension 0 from those that it needs.
fn time_rows(kind: &str, path: &Path) -> Result<()> {
    let matrix = read_matrix(path)?;
    let (rows, n) = (matrix.to_f32(), matrix.n);
    let distance = RowDistance::JENSEN_SHANNON;
    let mut pairwise = PairwiseDistances::default();
    let mut distances = vec![0.0; n * n];
    for (max_homology_dim, dims) in ["H0", "H0+H1"].into_iter().enumerate() {
        let mut rips = VietorisRips::new(max_homology_dim)?;
        let times = measure(|| {
            pairwise.compute(distance, black_box(&rows), n, &mut distances);
            black_box(engine::diagrams(&mut rips, &distances, n)?);
            Ok::<_, burn_topology::Error>(())
        })?;
        let name = &format!("ours rows to {dims} by all distances");
        Work { name, n, kind }.print(&times, "");
    }
    let mut rips = VietorisRips::new(0)?;
    if pairwise.spanning_edges(distance, &rows, n).is_none() {
        return Ok(());
    }
    let times = measure(|| {
        if let Some(edges) = pairwise.spanning_edges(distance, black_box(&rows), n) {
            black_box(rips.component_diagram(n, edges));
        }
        Ok::<_, burn_topology::Error>(())
    })?;
    let name = "ours rows to H0";
    Work { name, n, kind }.print(&times, "");
    Ok(())
}

/// Times the 2-Wasserstein distance, ground norm L-infinity, to the matrix that [`PAIRS`] names; the note is the
/// distance.
fn time_wasserstein(matrix: &Matrix, kind: &str, path: &Path) -> Result<()> {
    let n = matrix.n;
    let Some([_, other]) = PAIRS.iter().find(|[first, _]| *first == kind) else {
        return Ok(());
    };
    let other_path = path.with_file_name(format!("jsnat_{other}_{n}.npy"));
    let (first, second) = (
        finite_bars(matrix)?,
        finite_bars(&read_matrix(&other_path)?)?,
    );
    for homology_dim in 0..=1 {
        let (first, second) = (&first[homology_dim], &second[homology_dim]);
        let mut distance = 0.0;
        let times = measure(|| {
            let norm = GroundNorm::Infinity;
            distance = wasserstein(black_box(first), black_box(second), 2.0, norm)?.distance;
            Ok::<_, burn_topology::Error>(())
        })?;
        let kind = format!("{kind}/{other} H{homology_dim}");
        let name = "ours Wasserstein order 2";
        let note = format!("distance={distance}");
        Work {
            name,
            n,
            kind: &kind,
        }
        .print(&times, &note);
    }
    Ok(())
}

/// Finite bars of dimensions 0 and 1.
fn finite_bars(matrix: &Matrix) -> Result<Vec<Vec<Point>>> {
    let diagrams = engine::diagrams(&mut VietorisRips::new(1)?, &matrix.to_f32(), matrix.n)?;
    let points = diagrams.iter().map(|diagram| {
        let bars = diagram.finite().map(|bar| bar.to_f64());
        bars.map(|bar| [bar.birth, bar.death]).collect()
    });
    Ok(points.collect())
}

/// Times a batch of matrices, each with its points in another order, on one thread and on two.
fn time_batch(matrix: &Matrix, kind: &str) -> Result<()> {
    let (values, n) = (matrix.to_f32(), matrix.n);
    // All items take equally long, but no two of them are equal.
    let batch: Vec<Vec<f32>> = (0..BATCH_SIZE).map(|by| rotated(&values, n, by)).collect();
    for n_threads in 1..=2 {
        // The number of threads of the global pool cannot be changed once it runs.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()?;
        let times = measure(|| pool.install(|| batch_diagrams(black_box(&batch), n)))?;
        let name = format!("ours H0+H1 batch on {n_threads}");
        let name = &name;
        Work { name, n, kind }.print(&times.per_item(BATCH_SIZE), "");
    }
    Ok(())
}

fn batch_diagrams(batch: &[Vec<f32>], n: usize) -> burn_topology::Result<()> {
    batch
        .par_iter()
        .map_init(
            // The initial value cannot report an error, so the error is kept as the value.
            || VietorisRips::new(1),
            |rips, values| {
                let rips = rips.as_mut().map_err(|error| error.clone())?;
                engine::diagrams(rips, values, n)
            },
        )
        .collect::<burn_topology::Result<Vec<_>>>()
        .map(|diagrams| drop(black_box(diagrams)))
}

/// Matrix of the same points, with their indices shifted cyclically by `by`.
fn rotated(values: &[f32], n: usize, by: usize) -> Vec<f32> {
    let at = |index: usize| values[(index / n + by) % n * n + (index % n + by) % n];
    (0..n * n).map(at).collect()
}
