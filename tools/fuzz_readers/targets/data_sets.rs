//! Data sets in the files of MNIST and CIFAR.

use std::io::Write;
use std::path::Path;

use burn_topology::data::{DataSpec, Splits, open_data};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::case::Case;

/// The four files of MNIST, plain and compressed.
pub(super) fn idx_corpus() -> Vec<Case> {
    let mut plain = Vec::new();
    for (name, n_images) in [("t10k", 3u32), ("train", 12)] {
        let mut images = [0x803u32, n_images, 28, 28].map(u32::to_be_bytes).concat();
        images.extend((0..n_images * 28 * 28).map(|k| k as u8));
        let mut labels = [0x801u32, n_images].map(u32::to_be_bytes).concat();
        labels.extend((0..n_images).map(|image| (image % 3) as u8));
        plain.push((format!("{name}-images-idx3-ubyte"), images));
        plain.push((format!("{name}-labels-idx1-ubyte"), labels));
    }
    let compressed = plain.iter().map(|(name, bytes)| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory can be written");
        let bytes = encoder.finish().expect("memory can be written");
        (format!("{name}.gz"), bytes)
    });
    let compressed = compressed.collect();
    vec![Case { files: plain }, Case { files: compressed }]
}

/// Reads the files of MNIST.
pub(super) fn read_idx(directory: &Path) {
    read(&DataSpec::Mnist {
        path: Some(directory.to_owned()),
        validation_fraction: 0.25,
    });
}

/// The files of both variants of CIFAR, in one directory.
pub(super) fn cifar_corpus() -> Vec<Case> {
    let images = |n_images: u8, is_fine: bool| -> Vec<u8> {
        let image = |index: u8| {
            let labels = if is_fine {
                vec![19, index % 3]
            } else {
                vec![index % 3]
            };
            let pixels = (0..3 * 32 * 32).map(move |k| k as u8 ^ index);
            labels.into_iter().chain(pixels)
        };
        (0..n_images).flat_map(image).collect()
    };
    let mut files: Vec<(String, Vec<u8>)> = (1..=5)
        .map(|batch| (format!("data_batch_{batch}.bin"), images(3, false)))
        .collect();
    for (name, n_images, is_fine) in [
        ("test.bin", 2, true),
        ("test_batch.bin", 2, false),
        ("train.bin", 12, true),
    ] {
        files.push((name.to_owned(), images(n_images, is_fine)));
    }
    vec![Case { files }]
}

/// Reads both variants of CIFAR.
pub(super) fn read_cifar(directory: &Path) {
    let path = directory.to_owned();
    let validation_fraction = 0.25;
    read(&DataSpec::Cifar10 {
        path: path.clone(),
        validation_fraction,
    });
    read(&DataSpec::Cifar100 {
        path,
        validation_fraction,
    });
}

/// Opens a data set, and reads every sample of it.
fn read(spec: &DataSpec) {
    let Ok(Splits {
        train,
        validation,
        test,
        spec,
        ..
    }) = open_data(spec)
    else {
        return;
    };
    for split in [train, validation, test] {
        assert!(!split.is_empty(), "a split without a sample was accepted");
        for index in 0..split.len() {
            let sample = split.get(index).expect("a sample held in memory");
            assert!(sample.label < spec.n_classes);
            assert_eq!(sample.pixels.len(), spec.frame_len());
        }
    }
}
