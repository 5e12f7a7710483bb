//! Times of the parts of a penalty.

use burn_topology::burn::prelude::*;
use burn_topology::distance::RowDistance;
use burn_topology::fused::ReadCount;
use burn_topology::nn::Persistence;
use clap::Args;

use crate::attention::Kind;
use crate::check::total_deaths;
use crate::{Outcome, time};

/// Size of the work.
#[derive(Args)]
pub struct Size {
    /// Number of points of each matrix.
    #[arg(long, default_value_t = 197)]
    points: usize,
    /// Number of matrices: 768 is that of 64 images and 12 layers.
    #[arg(long, default_value_t = 768)]
    matrices: usize,
    /// Number of timed calls.
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// Kind of attention; without it all but collapsed attention.
    #[arg(long)]
    kind: Option<Kind>,
}

/// Times diagrams, gradients and copies, and prints a line for each.
pub fn run(device: &Device, size: &Size) -> Outcome {
    let kinds = match size.kind {
        Some(kind) => vec![kind],
        None => vec![Kind::Structured, Kind::Random],
    };
    for kind in kinds {
        let shape = [size.matrices, size.points];
        println!(
            "work\t{kind:?}, {} matrices of {} points",
            shape[0], shape[1]
        );
        let rows = kind.rows(shape, &device.clone().autodiff()).require_grad();
        device.sync()?;
        for (dim, name) in [(0, "distances and H0"), (1, "distances, H0 and H1")] {
            let layer = Persistence::new(dim)?;
            let before = ReadCount::now();
            time(name, size.times, || {
                layer.rows(rows.clone(), RowDistance::JENSEN_SHANNON)?;
                Ok(())
            })?;
            let reads = ReadCount::now().since(before);
            let n_calls = size.times + 1;
            println!(
                "{name}\t{} reads and {:.1} MB a call",
                reads.n_reads / n_calls,
                reads.n_bytes as f64 / n_calls as f64 / 1e6
            );
        }
        let batch = Persistence::new(1)?.rows(rows.clone(), RowDistance::JENSEN_SHANNON)?;
        let gradient = total_deaths(&batch);
        time("gradient of the critical edges", size.times, || {
            let gradients = batch.surrogate(0.0, &gradient).backward();
            rows.grad(&gradients).ok_or("rows without a gradient")?;
            device.sync()?;
            Ok(())
        })?;
        time("copy of the rows to the processor", size.times, || {
            rows.clone()
                .without_autodiff()
                .try_into_data()
                .map_err(|e| format!("{e:?}"))?;
            Ok(())
        })?;
    }
    Ok(())
}
