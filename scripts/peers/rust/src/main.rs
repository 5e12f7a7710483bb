//! Times persistence in other Rust crates, in the format of `tools/time_persistence.rs`.
//!
//! ```text
//! cargo run --release -- [--bars] PATHS...
//! ```
//!
//! Prints `name,n,kind,min_ms,median_ms` for the matrix in each file `jsnat_*`, or with `--bars` its bars,
//! `name,n,kind,dimension,birth,death`. Both crates take the lower triangle in `f64`; the conversion is not timed, the
//! checks of the crates are.

#[path = "../../../../tools/support/npy.rs"]
mod npy;
#[path = "../../../../tools/support/stopwatch.rs"]
mod stopwatch;

use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;

use cocycle::diagram::IntervalEnd;
use cocycle::geometry::DissimilarityView;
use cocycle::persistence::{RipsOptions, rips_from_dissimilarities};
use holos_tda::{DistanceMatrix, RipsParams, rips_persistence};
use npy::{Matrix, name_parts, read_matrix};
use stopwatch::measure;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Homology dimension, birth and death.
type Bar = (usize, f64, f64);

/// Name of a crate, and the function that computes bars from a lower triangle and the number of points.
type Peer = (&'static str, fn(&[f64], usize) -> Result<Vec<Bar>>);

const PEERS: [Peer; 2] = [("holos-tda H0+H1", holos), ("cocycle H0+H1", cocycle)];

fn main() -> Result<()> {
    let (options, paths): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word == "--bars");
    for path in paths.iter().map(PathBuf::from) {
        let Some(("jsnat", kind)) = name_parts(&path) else {
            continue;
        };
        let matrix = read_matrix(&path)?;
        // Converted here, so that the conversion is not timed.
        let (triangle, n) = (lower_triangle(&matrix), matrix.n);
        for (name, bars) in PEERS {
            if options.is_empty() {
                let times = measure(|| bars(black_box(&triangle), n).map(|b| drop(black_box(b))))?;
                let (least, median) = (times.least, times.median);
                println!("{name},{n},{kind},{least:.6},{median:.6}");
            } else {
                for (dimension, birth, death) in bars(&triangle, n)? {
                    println!("{name},{n},{kind},{dimension},{birth:?},{death:?}");
                }
            }
        }
    }
    Ok(())
}

/// Lower triangle of a matrix, row by row, without the diagonal.
fn lower_triangle(matrix: &Matrix) -> Vec<f64> {
    let row = |i: usize| matrix.values[i * matrix.n..][..i].iter();
    (0..matrix.n).flat_map(row).copied().collect()
}

/// Bars by holos-tda.
fn holos(triangle: &[f64], _n: usize) -> Result<Vec<Bar>> {
    let matrix = DistanceMatrix::from_condensed(triangle.to_vec())?;
    let diagram = rips_persistence(&matrix, &RipsParams::new(1))?;
    let bars = diagram.bars.iter();
    Ok(bars.map(|bar| (bar.dim, bar.birth, bar.death)).collect())
}

/// Bars by cocycle.
fn cocycle(triangle: &[f64], n: usize) -> Result<Vec<Bar>> {
    let view = DissimilarityView::new(triangle, n)?;
    let diagram = rips_from_dissimilarities(view, &RipsOptions::default())?;
    let bars = diagram.intervals().map(|interval| {
        let death = match interval.end() {
            IntervalEnd::Finite(death) => death,
            // Any other end stands for a class that never dies.
            _ => f64::INFINITY,
        };
        (interval.dimension(), interval.birth(), death)
    });
    Ok(bars.collect())
}
