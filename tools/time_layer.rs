//! Times the persistence layer, forward and backward, on the fixtures of `scripts/peers`.
//!
//! ```text
//! RAYON_NUM_THREADS=1 cargo run --release --no-default-features --features flex \
//!     --example time_layer -- PATHS...
//! ```
//!
//! The loss is the sum of the squared persistences of all finite bars of dimensions 0 and 1.
//! Prints a line `name,n,kind,min_ms,median_ms` for each file named `jsnat_*`. Times are per matrix, in batches of 64.

#[path = "support/npy.rs"]
mod npy;
#[path = "support/stopwatch.rs"]
mod stopwatch;

use std::error::Error;
use std::path::PathBuf;

use burn_topology::burn;

use burn::prelude::*;
use burn_topology::nn::{BarTensors, Persistence};
use npy::{name_parts, read_matrix};
use stopwatch::measure;

const BATCH_SIZE: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::flex().autodiff();
    let persistence = Persistence::new(1)?;
    for path in std::env::args().skip(1).map(PathBuf::from) {
        let Some(("jsnat", kind)) = name_parts(&path) else {
            continue;
        };
        let matrix = read_matrix(&path)?;
        let n = matrix.n;
        // The same matrix many times, so that all items of the batch take equally long.
        let values = TensorData::new(matrix.to_f32().repeat(BATCH_SIZE), [BATCH_SIZE, n, n]);
        let distances = Tensor::<3>::from_data(values, &device).require_grad();
        let times = measure(|| step(&persistence, &distances))?.per_item(BATCH_SIZE);
        let (least, median) = (times.least, times.median);
        println!("ours layer forward + backward,{n},{kind},{least:.6},{median:.6}");
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
