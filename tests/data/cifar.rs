//! CIFAR-10 and CIFAR-100 from binary files: pixels, labels, splits and error messages.

use std::io::ErrorKind;
use std::path::Path;

use burn_topology::data::{DataSpec, open_data};

use super::files::write_cifar;
use super::{items, labels, refusal, refused, sizes};
use crate::util::{TestDir, io_kind};

fn cifar(path: &Path, n_classes: usize) -> DataSpec {
    let path = path.to_owned();
    let validation_fraction = 0.2;
    match n_classes {
        10 => DataSpec::Cifar10 {
            path,
            validation_fraction,
        },
        _ => DataSpec::Cifar100 {
            path,
            validation_fraction,
        },
    }
}

#[test]
fn cifar_has_three_channels_and_fine_classes() {
    for n_classes in [10, 100] {
        let directory = TestDir::new();
        write_cifar(directory.path(), n_classes);
        let splits = open_data(&cifar(directory.path(), n_classes)).unwrap();
        assert_eq!(splits.spec.n_classes, n_classes);
        assert_eq!(sizes(&splits), [16, 4, 4]);
        assert_eq!(labels(&splits.test), [0, 1, 2, 3]);
        for item in items(&splits.train) {
            for (channel, value) in [10.0, 20.0, 30.0].into_iter().enumerate() {
                let pixels = &item.pixels[channel * 1024..][..1024];
                assert_eq!(pixels[0], 1.0);
                assert!(pixels[1..].iter().all(|&pixel| pixel == value / 255.0));
            }
        }
    }
}

#[test]
fn broken_cifar_files_are_refused() {
    let broken = |n_classes: usize, file: &str, change: fn(&mut Vec<u8>)| {
        let directory = TestDir::new();
        write_cifar(directory.path(), n_classes);
        let path = directory.path().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        refused(&directory, &cifar(directory.path(), n_classes))
    };
    let cases = [
        (
            broken(10, "data_batch_4.bin", |bytes| bytes.truncate(5000)),
            "data_batch_4.bin: 5000 bytes, expected a multiple of 3073, the size of the record of an image",
        ),
        (
            broken(100, "test.bin", Vec::clear),
            "test.bin: 0 bytes, expected a multiple of 3074, the size of the record of an image",
        ),
        (
            broken(10, "test_batch.bin", |bytes| bytes[3073] = 10),
            "test_batch.bin: label 10 of image 1, expected 0 to 9",
        ),
        (
            broken(100, "train.bin", |bytes| bytes[1] = 100),
            "train.bin: label 100 of image 0, expected 0 to 99",
        ),
    ];
    for (actual, expected) in cases {
        assert_eq!(actual, expected);
    }
    let directory = TestDir::new();
    assert_eq!(
        refused(&directory, &cifar(directory.path(), 10)),
        "data_batch_1.bin: no such file, expected the binary version of CIFAR-10"
    );
    let error = refusal(&cifar(directory.path(), 10));
    assert!(error.is_file_error());
    assert_eq!(io_kind(&error), Some(ErrorKind::NotFound));
    std::fs::write(directory.path().join("data_batch_1.bin"), "").unwrap();
    assert!(refusal(&cifar(directory.path(), 10)).is_invalid_format());
}
