//! Times the persistence layer, forward and backward, on the fixtures of `scripts/peers`.
//!
//! ```text
//! RAYON_NUM_THREADS=1 cargo run --release --no-default-features --features flex \
//!     --example time_layer -- PATHS...
//! ```
//!
//! Distances, in files named `jsnat_*`, go forward and backward; the loss is the sum of the squared persistences of all
//! finite bars of dimensions 0 and 1. Rows of attention, in files named `attn_*`, go forward to the same dimensions.
//! Prints a line `name,n,kind,min_ms,median_ms` for each file. Times are per matrix, in batches of 64 or 8.

#[path = "support/npy.rs"]
mod npy;
#[path = "support/stopwatch.rs"]
mod stopwatch;

use std::error::Error;
use std::path::PathBuf;

use burn_topology::burn;

use burn::prelude::*;
use burn_topology::distance::RowDistance;
use burn_topology::nn::{BarTensors, Persistence};
use npy::{name_parts, read_matrix};
use stopwatch::measure;

const BATCH_SIZE: usize = 64;

/// Number of matrices in a batch of rows.
const ROWS_BATCH_SIZE: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::flex().autodiff();
    let persistence = Persistence::new(1)?;
    for path in std::env::args().skip(1).map(PathBuf::from) {
        let Some((prefix, kind)) = name_parts(&path) else {
            continue;
        };
        let matrix = read_matrix(&path)?;
        let n = matrix.n;
        // The same matrix many times, so that all items of the batch take equally long.
        let batch = |size: usize| {
            let values = TensorData::new(matrix.to_f32().repeat(size), [size, n, n]);
            Tensor::<3>::from_data(values, &device)
        };
        let (name, times) = match prefix {
            "jsnat" => {
                let distances = batch(BATCH_SIZE).require_grad();
                let times = measure(|| step(&persistence, &distances))?;
                ("layer forward + backward", times.per_item(BATCH_SIZE))
            }
            "attn" => {
                let rows = batch(ROWS_BATCH_SIZE);
                let forward = || persistence.rows(rows.clone(), RowDistance::JENSEN_SHANNON);
                let times = measure(|| forward().map(drop))?;
                ("rows to H0+H1", times.per_item(ROWS_BATCH_SIZE))
            }
            _ => continue,
        };
        let (least, median) = (times.least, times.median);
        println!("ours {name},{n},{kind},{least:.6},{median:.6}");
    }
    Ok(())
}

/// One forward and backward pass.
fn step(persistence: &Persistence, distances: &Tensor<3>) -> Result<(), Box<dyn Error>> {
    let diagrams = persistence.distances(distances.clone())?;
    let loss = squared_persistence(diagrams.bars(0)) + squared_persistence(diagrams.bars(1));
    let gradient = distances.grad(&loss.backward());
    gradient
        .map(drop)
        .ok_or("no gradient reached the distances".into())
}

fn squared_persistence(bars: BarTensors) -> Tensor<1> {
    (bars.deaths - bars.births).square().sum()
}
