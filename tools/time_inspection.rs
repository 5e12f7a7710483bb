//! Measures how long the inspection of a model of the size of ViT-B/16 takes, and the time of each part.
//!
//! `cargo run --release --example time_inspection -- IMAGE DIR [PIXELS] [f64]` inspects twelve layers of twelve heads in
//! H0 and H1, in the precision of the model or in `f64`, and writes the report to DIR. PIXELS is the side of the picture:
//! 224 (197 tokens, the default), 384 (577 tokens) or 592 (1,370 tokens). The weights are random, and so the attention has
//! no structure, which takes longer than that of a trained model.

use std::path::Path;
use std::time::Instant;

use burn_topology::analysis::inspect::{
    ClassNames, DiagramComparisons, ForwardPass, HeadChoice, InspectSpec, Inspection,
    InspectionInput, Precision, write_report,
};
use burn_topology::burn::tensor::Device;
use burn_topology::data::{Sample, SampleSpec, read_image};
use burn_topology::distance::RowDistance;
use burn_topology::loss::{Layers, Source};
use burn_topology::model::{Network, Task, VitConfig, VitSize};
use burn_topology::nn::Tokens;
use burn_topology::run::OutputDirectory;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let (image, directory, pixels, precision) = match &arguments[..] {
        [_, image, directory] => (image, directory, 224, Precision::F32),
        [_, image, directory, pixels] => (image, directory, pixels.parse()?, Precision::F32),
        [_, image, directory, pixels, precision] if precision == "f64" => {
            (image, directory, pixels.parse()?, Precision::F64)
        }
        _ => return Err("usage: time_inspection IMAGE DIR [PIXELS] [f64]".into()),
    };
    let device = Device::flex();
    // Random weights, but the same ones in every measurement.
    device.seed(0);
    let spec = SampleSpec {
        n_frames: 1,
        n_channels: 3,
        height: pixels,
        width: pixels,
        n_classes: 1000,
    };
    let config = VitConfig::from_size(VitSize::Base, [3, pixels, pixels], 16, 1000);
    let model = Network::Vit(config.init(&device));
    let sample = Sample::new(read_image(Path::new(image), spec)?, 0);

    let started = Instant::now();
    let input = InspectionInput {
        classes: ClassNames::Numbered,
        names: &["the image".to_owned()],
        samples: &[sample],
        perturbations: &[],
        is_labelled: false,
        n_before: 0,
    };
    let forward_pass = ForwardPass::run(&model, Task::Classify, spec, input, &device)?;
    let model_time = started.elapsed();
    let output = OutputDirectory::create(Path::new(directory), "time_inspection", false)?;
    let mut inspection = Inspection::new(
        InspectSpec {
            layers: Layers::All,
            heads: HeadChoice::Each,
            source: Source::Attention,
            distance: RowDistance::JENSEN_SHANNON,
            tokens: Tokens::Patches,
            max_homology_dim: 1,
            precision,
        },
        output.path().to_owned(),
    )?;
    inspection.add(forward_pass, 1, &|_| {})?;
    let comparison_started = Instant::now();
    let comparisons = DiagramComparisons::new(&inspection, &|_, _| {})?;
    let comparison_time = comparison_started.elapsed();
    let written = write_report(
        output,
        "ViT-B/16, random weights",
        "time_inspection",
        &inspection,
        &comparisons,
    )?;
    // Reading the image and creating the model are not part of the total.
    let total = started.elapsed().as_secs_f64();
    println!("{} matrices in {total:.1} s", inspection.matrices.len());
    for (part, time) in [
        ("model", model_time),
        (
            "matrices, shuffled copies, data of the page",
            inspection.elapsed,
        ),
        ("distances between diagrams", comparison_time),
        ("page and files", written.elapsed),
    ] {
        let seconds = time.as_secs_f64();
        println!(
            "{part:42} {seconds:6.1} s {:4.0} %",
            100.0 * seconds / total
        );
    }
    println!("page: {:.1} MB", written.page_bytes as f64 / 1e6);
    Ok(())
}
