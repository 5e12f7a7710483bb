//! Times the forward pass of pretrained weights, attention of every layer included, like `scripts/peers/torch_forward.py`.
//!
//! `cargo run --release --example time_forward -- WEIGHTS PIXELS BATCH...` prints a line `attention,BATCH,min_ms,median_ms` for
//! each size of a batch.

#[path = "support/stopwatch.rs"]
mod stopwatch;

use std::path::Path;

use burn_topology::Result;
use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::Distribution;
use burn_topology::model::Capture;
use burn_topology::model::pretrained::{ModelOverrides, open};
use stopwatch::measure;

// The same allocator as in the command-line program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, pixels, batches @ ..] = &arguments[..] else {
        return Err("usage: time_forward WEIGHTS PIXELS BATCH...".into());
    };
    let pixels: usize = pixels.parse()?;
    let device = Device::flex();
    let overrides = ModelOverrides {
        image_size: Some([pixels, pixels]),
        ..ModelOverrides::default()
    };
    let network = open(Path::new(weights), &overrides, &device)?.network;
    for batch in batches {
        let shape = [batch.parse()?, 1, 3, pixels, pixels];
        let images = Tensor::<5>::random(shape, Distribution::Default, &device);
        let times = measure(|| -> Result<()> {
            network.forward(images.clone(), Capture::Attention);
            Ok(())
        })?;
        println!("attention,{batch},{:.3},{:.3}", times.least, times.median);
    }
    Ok(())
}
