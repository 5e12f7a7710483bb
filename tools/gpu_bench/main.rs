//! Checks and times the kernels of a graphics card. `scripts/gpu_check.sh` calls it; see `docs/gpu.md`.
//!
//! ```text
//! cargo run --release --features wgpu --example gpu_bench -- check wgpu --largest 65
//! ```

mod attention;
mod check;
mod parts;
mod step;

use std::error::Error;
use std::time::Instant;

use burn_topology::burn::prelude::*;
use burn_topology::run::open_device;
use clap::{Parser, Subcommand};

// The same allocator as in the command-line program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare bars and gradients of the device with those of the processor; exit code 1 if they differ.
    Check {
        /// Device, as for `burn-topology --device`.
        device: String,
        /// Largest number of points; Mesa's software driver computes wrongly above 65.
        #[arg(long, default_value_t = 197)]
        largest: usize,
    },
    /// Time distances, diagrams, gradients and copies on the device.
    Bench {
        /// Device, as for `burn-topology --device`.
        device: String,
        #[command(flatten)]
        size: parts::Size,
    },
    /// Time training steps of a ViT without penalties, and with penalties by the device and by the processor.
    Step(step::Options),
    /// Time the same work as `bench` on the processor.
    Cpu {
        #[command(flatten)]
        size: parts::Size,
    },
}

fn main() -> Outcome {
    match Options::parse().command {
        Command::Check { device, largest } => check::run(&opened(&device)?, largest),
        Command::Bench { device, size } => parts::run(&opened(&device)?, &size),
        Command::Step(options) => step::run(&opened(&options.device)?, &options),
        Command::Cpu { size } => {
            println!("processor\t{} threads", rayon::current_num_threads());
            parts::run(&Device::flex(), &size)
        }
    }
}

/// Opens a device, and prints what it is and how this program was built.
fn opened(name: &str) -> Result<Device, Box<dyn Error + Send + Sync>> {
    let device = open_device(name)?;
    let identity = device
        .identity()
        .map_or_else(|| format!("{device:?}"), |i| i.name);
    println!("device\t{name}: {identity}");
    println!("autotune\t{}", cfg!(feature = "autotune"));
    println!("processor\t{} threads", rayon::current_num_threads());
    Ok(device)
}

/// Times a function a number of times after a first call; prints the first, the shortest and the median time, in ms.
fn time(
    name: &str,
    n_times: usize,
    mut run: impl FnMut() -> Outcome,
) -> Result<f64, Box<dyn Error + Send + Sync>> {
    let mut once = || -> Result<f64, Box<dyn Error + Send + Sync>> {
        let started = Instant::now();
        run()?;
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    let first = once()?;
    let mut times = (0..n_times)
        .map(|_| once())
        .collect::<Result<Vec<_>, _>>()?;
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    println!(
        "{name}\tfirst {first:.2} ms\tshortest {:.2} ms\tmedian {median:.2} ms",
        times[0]
    );
    Ok(median)
}
