//! How long it takes to look inside a model of the size of ViT-B/16, and what of it takes how long.
//!
//! `cargo run --release --example time_inspection -- IMAGE DIR`: weights are drawn at random, as time does
//! not ask what they have learned; twelve layers of twelve heads, 197 tokens, H0 and H1. The report is
//! written to DIR.

use std::path::Path;
use std::time::Instant;

use burn_topology::analysis::inspect::{
    ClassNames, Comparisons, HeadChoice, InspectSpec, Inspection, Seen, Shown, write_report,
};
use burn_topology::burn::tensor::Device;
use burn_topology::data::{Sample, SampleSpec, read_image};
use burn_topology::distance::RowDistance;
use burn_topology::loss::{Layers, Source};
use burn_topology::model::{Network, Task, VitConfig, VitSize};
use burn_topology::nn::Tokens;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, image, directory] = &arguments[..] else {
        return Err("usage: time_inspection IMAGE DIR".into());
    };
    let device = Device::flex();
    device.seed(0);
    let spec = SampleSpec {
        n_frames: 1,
        n_channels: 3,
        height: 224,
        width: 224,
        n_classes: 1000,
    };
    let config = VitConfig::of_size(VitSize::Base, [3, 224, 224], 16, 1000);
    let model = Network::Vit(config.init(&device));
    let sample = Sample::new(read_image(Path::new(image), spec)?, 0);

    let started = Instant::now();
    let shown = Shown {
        classes: ClassNames::Numbered,
        names: &["the image".to_owned()],
        samples: &[sample],
        changes: &[],
        is_labelled: false,
        n_before: 0,
    };
    let seen = Seen::by(&model, Task::Classify, spec, shown, &device)?;
    let model_time = started.elapsed();
    let mut inspection = Inspection::new(
        InspectSpec {
            layers: Layers::All,
            heads: HeadChoice::Each,
            source: Source::Attention,
            distance: RowDistance::JENSEN_SHANNON,
            tokens: Tokens::Patches,
            max_homology_dim: 1,
        },
        Path::new(directory).to_owned(),
    )?;
    inspection.add(seen, &|_, _| {})?;
    let started_comparing = Instant::now();
    let comparisons = Comparisons::new(&inspection, &mut |_, _| {})?;
    let comparing = started_comparing.elapsed();
    let names = ["ViT-B/16, random weights", "time_inspection"];
    let written = write_report(Path::new(directory), names, &inspection, &comparisons)?;
    let total = started.elapsed().as_secs_f64();
    println!("{} matrices in {total:.1} s", inspection.items.len());
    for (what, time) in [
        ("model", model_time),
        (
            "persistence, cycles, coordinates, packing",
            inspection.reading,
        ),
        ("distances of diagrams", comparing),
        ("page and files", written.writing),
    ] {
        let seconds = time.as_secs_f64();
        println!(
            "{what:42} {seconds:6.1} s {:4.0} %",
            100.0 * seconds / total
        );
    }
    println!("page: {:.1} MB", written.page_bytes as f64 / 1e6);
    Ok(())
}
