//! MNIST from IDX files: spellings of names, compression, splits and error messages.

use std::path::Path;

use burn_topology::data::{DataSpec, open_data};

use super::files::{Spelling, write_mnist};
use super::{items, labels, refusal, refused, sizes};
use crate::util::TestDir;

fn mnist(path: &Path) -> DataSpec {
    DataSpec::Mnist {
        path: Some(path.to_owned()),
        validation_fraction: 0.2,
    }
}

#[test]
fn mnist_is_read_in_every_spelling_and_compressed() {
    let directory = TestDir::new();
    let opened = [Spelling::Dash, Spelling::DotCompressed].map(|spelling| {
        let path = directory.path().join(format!("{}", spelling as u8));
        write_mnist(&path, spelling);
        let splits = open_data(&mnist(&path)).unwrap();
        assert_eq!(splits.spec, mnist(&path).sample_spec());
        assert_eq!(sizes(&splits), [16, 4, 10]);
        splits
    });
    for splits in &opened {
        let mut all = [items(&splits.train), items(&splits.validation)].concat();
        all.sort_by(|a, b| a.pixels[1].total_cmp(&b.pixels[1]));
        for (grey, item) in all.iter().enumerate() {
            assert_eq!(item.label, grey % 4);
            assert_eq!(item.pixels.len(), 28 * 28);
            assert_eq!(item.pixels[0], 1.0);
            assert_eq!(item.pixels[783], grey as f32 / 255.0);
        }
        let mut validation_labels = labels(&splits.validation);
        validation_labels.sort_unstable();
        assert_eq!(validation_labels, [0, 1, 2, 3]);
        assert_eq!(labels(&splits.test), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]);
    }
    let [plain, compressed] = opened;
    assert_eq!(plain.sha256, compressed.sha256);
    assert_eq!(items(&plain.validation), items(&compressed.validation));
}

/// Returns the error message for a small MNIST in which one file was changed.
fn broken_mnist(file: &str, change: impl Fn(&mut Vec<u8>)) -> String {
    let directory = TestDir::new();
    write_mnist(directory.path(), Spelling::Dash);
    let path = directory.path().join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    refused(&directory, &mnist(directory.path()))
}

#[test]
fn broken_idx_files_are_refused() {
    let images = "train-images-idx3-ubyte";
    let labels = "t10k-labels-idx1-ubyte";
    let cases = [
        (
            broken_mnist(images, |bytes| bytes.truncate(1000)),
            "train-images-idx3-ubyte: 984 bytes after the header, expected 15680 for the sizes [20, 28, 28] in it",
        ),
        (
            broken_mnist(images, |bytes| bytes.push(0)),
            "train-images-idx3-ubyte: 15681 bytes after the header, expected 15680 for the sizes [20, 28, 28] in it",
        ),
        (
            broken_mnist(images, |bytes| bytes.truncate(3)),
            "train-images-idx3-ubyte: 3 bytes, expected at least a header of 16",
        ),
        (
            broken_mnist(images, |bytes| bytes[3] = 1),
            "train-images-idx3-ubyte: starts with the bytes [00, 00, 08, 01], expected [00, 00, 08, 03], an IDX file of unsigned bytes with 3 axes",
        ),
        (
            broken_mnist(images, |bytes| {
                bytes[11] = 56;
                bytes[15] = 14;
            }),
            "train-images-idx3-ubyte: images of 56 by 14 pixels, expected 28 by 28",
        ),
        (
            broken_mnist(images, |bytes| bytes[4..16].fill(255)),
            "train-images-idx3-ubyte: 15680 bytes after the header, expected 79228162458924105385300197375 for the sizes [4294967295, 4294967295, 4294967295] in it",
        ),
        (
            broken_mnist(labels, |bytes| {
                bytes[7] = 9;
                bytes.pop();
            }),
            "t10k-labels-idx1-ubyte: 9 labels, expected 10, one for each image of t10k-images-idx3-ubyte",
        ),
        (
            broken_mnist(labels, |bytes| bytes[8 + 3] = 10),
            "t10k-labels-idx1-ubyte: label 10 of image 3, expected 0 to 9",
        ),
    ];
    for (actual, expected) in cases {
        assert_eq!(actual, expected);
    }
}

#[test]
fn missing_and_truncated_files_are_refused() {
    let directory = TestDir::new();
    let nowhere = directory.path().join("nowhere");
    assert_eq!(
        refused(&directory, &mnist(&nowhere)),
        "nowhere: no such directory, expected the four files of MNIST in it"
    );
    assert!(refusal(&mnist(&nowhere)).is_file_error());
    let path = directory.path().join("mnist");
    write_mnist(&path, Spelling::DotCompressed);
    let labels = path.join("t10k-labels.idx1-ubyte.gz");
    let bytes = std::fs::read(&labels).unwrap();
    std::fs::write(&labels, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refusal(&mnist(&path)).is_invalid_format());
    let message = refused(&directory, &mnist(&path));
    assert!(
        message.starts_with("mnist/t10k-labels.idx1-ubyte.gz: cannot be decompressed: "),
        "{message}"
    );
    std::fs::remove_file(&labels).unwrap();
    assert_eq!(
        refused(&directory, &mnist(&path)),
        "mnist: no file `t10k-labels-idx1-ubyte`, expected it there, uncompressed or with `.gz`"
    );
}

#[test]
fn a_fraction_that_sets_nothing_aside_is_an_error() {
    let directory = TestDir::new();
    write_mnist(directory.path(), Spelling::Dash);
    let spec = DataSpec::Mnist {
        path: Some(directory.path().to_owned()),
        validation_fraction: 0.01,
    };
    let error = refusal(&spec);
    assert!(error.is_invalid_parameter());
    let message = error.to_string();
    assert!(
        message.ends_with(
            "validation_fraction 0.01 of each class sets aside none of 20 training images; raise it"
        ),
        "{message}"
    );
}
