//! Data sets in files: what is read, and what is said of files that are not whole.

pub mod files;

use std::path::{Path, PathBuf};

use burn_topology::burn::data::dataset::Dataset;
use burn_topology::data::{DataSpec, ImageItem, ImageSplits, Images, open_data};

use crate::util::TestDir;
use files::{Spelling, write_cifar, write_image_folder, write_mnist, write_split};

fn mnist(path: &Path) -> DataSpec {
    DataSpec::Mnist {
        path: Some(path.to_owned()),
        validation_fraction: 0.2,
    }
}

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
            validation_fraction: 0.5,
        },
    }
}

fn folder(path: &Path, n_classes: usize, validation_fraction: Option<f64>) -> DataSpec {
    DataSpec::ImageFolder {
        path: path.to_owned(),
        image_size: 6,
        n_classes,
        validation_fraction,
    }
}

fn items(images: &Images) -> Vec<ImageItem> {
    images.iter().map(|item| item.unwrap()).collect()
}

fn labels(images: &Images) -> Vec<usize> {
    items(images).into_iter().map(|item| item.label).collect()
}

fn sizes(splits: &ImageSplits) -> [usize; 3] {
    [&splits.train, &splits.validation, &splits.test].map(|images| images.len())
}

/// What is said of a data set that cannot be opened, without the directory.
fn refused(directory: &TestDir, spec: &DataSpec) -> String {
    let Err(message) = open_data(spec) else {
        panic!("{spec:?} was opened");
    };
    assert_eq!(message.lines().count(), 1, "{message}");
    message.replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn mnist_is_read_in_every_spelling_and_compressed() {
    let directory = TestDir::new();
    let opened = [Spelling::Dash, Spelling::DotCompressed].map(|spelling| {
        let path = directory.path().join(format!("{}", spelling as u8));
        write_mnist(&path, spelling);
        let splits = open_data(&mnist(&path)).unwrap();
        assert_eq!(splits.spec, mnist(&path).images());
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
        let mut of_validation = labels(&splits.validation);
        of_validation.sort_unstable();
        assert_eq!(of_validation, [0, 1, 2, 3]);
        assert_eq!(labels(&splits.test), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]);
    }
    let [plain, compressed] = opened;
    assert_eq!(plain.sha256, compressed.sha256);
    assert_eq!(items(&plain.validation), items(&compressed.validation));
}

/// Opens a tiny MNIST of which one file was changed.
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
fn broken_idx_files_give_one_sentence() {
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
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn missing_and_cut_compressed_files_are_named() {
    let directory = TestDir::new();
    let nowhere = directory.path().join("nowhere");
    assert_eq!(
        refused(&directory, &mnist(&nowhere)),
        "nowhere: no such directory, expected the four files of MNIST in it"
    );
    let path = directory.path().join("mnist");
    write_mnist(&path, Spelling::DotCompressed);
    let labels = path.join("t10k-labels.idx1-ubyte.gz");
    let bytes = std::fs::read(&labels).unwrap();
    std::fs::write(&labels, &bytes[..bytes.len() / 2]).unwrap();
    let message = refused(&directory, &mnist(&path));
    assert!(
        message.starts_with("mnist/t10k-labels.idx1-ubyte.gz: cannot be decompressed: "),
        "{message}"
    );
    std::fs::remove_file(&labels).unwrap();
    assert_eq!(
        refused(&directory, &mnist(&path)),
        "mnist: no file `t10k-labels-idx1-ubyte`, expected it there, plain or with `.gz`"
    );
}

#[test]
fn cifar_is_read_with_its_channels_and_fine_classes() {
    for (n_classes, expected) in [(10, [16, 4, 4]), (100, [4, 0, 4])] {
        let directory = TestDir::new();
        write_cifar(directory.path(), n_classes);
        let spec = cifar(directory.path(), n_classes);
        if n_classes == 100 {
            // One image of each class, which stays in training.
            let message = refused(&directory, &spec);
            assert!(
                message.ends_with("sets aside none of 4 training images; raise it"),
                "{message}"
            );
            let train = directory.path().join("train.bin");
            let bytes = std::fs::read(&train).unwrap();
            std::fs::write(&train, [bytes.clone(), bytes].concat()).unwrap();
        }
        let splits = open_data(&spec).unwrap();
        assert_eq!(splits.spec.n_classes, n_classes);
        let n_validation = if n_classes == 100 { 4 } else { expected[1] };
        assert_eq!(sizes(&splits), [expected[0], n_validation, expected[2]]);
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
fn broken_cifar_files_give_one_sentence() {
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
            "data_batch_4.bin: 5000 bytes, expected a multiple of 3073, the record of an image",
        ),
        (
            broken(100, "test.bin", Vec::clear),
            "test.bin: 0 bytes, expected a multiple of 3074, the record of an image",
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
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    let directory = TestDir::new();
    assert_eq!(
        refused(&directory, &cifar(directory.path(), 10)),
        "data_batch_1.bin: no such file, expected the binary version of CIFAR-10"
    );
}

#[test]
fn image_folders_are_cut_to_their_middle_and_scaled() {
    let directory = TestDir::new();
    write_image_folder(directory.path());
    std::fs::write(directory.path().join("train/cat/notes.txt"), "x").unwrap();
    std::fs::write(directory.path().join("train/.hidden"), "x").unwrap();
    let splits = open_data(&folder(directory.path(), 2, Some(0.2))).unwrap();
    assert_eq!(sizes(&splits), [16, 4, 6]);
    assert_eq!(labels(&splits.validation), [0, 0, 1, 1]);
    let [cat, dog] = [0, 3].map(|index| splits.test.get(index).unwrap());
    assert_eq!((cat.label, dog.label), (0, 1));
    // The middle of the stripes is green.
    let green = [[0.0; 36], [1.0; 36], [0.0; 36]].concat();
    assert_eq!(cat.pixels, green);
    let grey = 100.0 / 255.0;
    assert!(dog.pixels.iter().all(|pixel| (pixel - grey).abs() < 0.01));
    let both = splits.test.get_many(vec![3, 0]).unwrap();
    assert_eq!(both, [dog, cat]);

    write_split(&directory.path().join("validation"), 1);
    let splits = open_data(&folder(directory.path(), 2, None)).unwrap();
    assert_eq!(sizes(&splits), [20, 2, 6]);
}

#[test]
fn larger_images_are_scaled_down_by_averaging() {
    let directory = TestDir::new();
    write_image_folder(directory.path());
    // Columns alternate between black and white; the mean of two is grey.
    let stripes = image::RgbImage::from_fn(12, 12, |column, _| {
        image::Rgb([if column % 2 == 0 { 0 } else { 255 }; 3])
    });
    stripes
        .save(directory.path().join("test/cat/0.png"))
        .unwrap();
    let splits = open_data(&folder(directory.path(), 2, Some(0.2))).unwrap();
    let pixels = splits.test.get(0).unwrap().pixels;
    assert_eq!(pixels.len(), 3 * 6 * 6);
    for (place, pixel) in pixels
        .iter()
        .enumerate()
        .filter(|(place, _)| !matches!(place % 6, 0 | 5))
    {
        assert!((pixel - 0.5).abs() < 0.05, "{place}: {pixel}");
    }
}

#[test]
fn the_digest_of_a_folder_follows_names_and_sizes() {
    let directory = TestDir::new();
    write_image_folder(directory.path());
    let digest = || {
        open_data(&folder(directory.path(), 2, Some(0.2)))
            .unwrap()
            .sha256
    };
    let before = digest();
    assert_eq!(before.len(), 64);
    let image = directory.path().join("test/dog/1.JPG");
    let bytes = std::fs::read(&image).unwrap();
    std::fs::write(&image, [&bytes[..], b"more"].concat()).unwrap();
    let grown = digest();
    std::fs::write(&image, &bytes).unwrap();
    assert_eq!(digest(), before);
    std::fs::rename(&image, image.with_file_name("x.JPG")).unwrap();
    let renamed = digest();
    assert!(before != grown && before != renamed && grown != renamed);
}

#[test]
fn broken_image_folders_give_one_sentence() {
    let broken = |n_classes, fraction, change: fn(&PathBuf)| {
        let directory = TestDir::new();
        let path = directory.path().join("images");
        write_image_folder(&path);
        change(&path);
        refused(&directory, &folder(&path, n_classes, fraction))
    };
    let remove = |path: &PathBuf| std::fs::remove_dir_all(path).unwrap();
    let cases = [
        (
            broken(3, Some(0.2), |_| {}),
            "images/train: 2 class folders, expected 3 as data.n_classes says",
        ),
        (
            broken(2, None, |_| {}),
            "images: no folder `val` or `validation`; add one, or set data.validation_fraction",
        ),
        (
            broken(2, Some(0.2), |path| write_split(&path.join("val"), 1)),
            "images/val: this folder and data.validation_fraction are both there, expected one of them",
        ),
        (
            broken(2, None, |path| {
                write_split(&path.join("val"), 1);
                write_split(&path.join("validation"), 1);
            }),
            "images: both `val` and `validation` are there, expected one of them",
        ),
        (
            broken(2, Some(0.2), |path| {
                std::fs::remove_dir_all(path.join("test")).unwrap();
            }),
            "images/test: no such folder, expected images in `train/<class>/`, `test/<class>/` and, unless data.validation_fraction is set, `val/<class>/`",
        ),
        (
            broken(2, Some(0.2), |path| {
                std::fs::rename(path.join("test/cat"), path.join("test/cow")).unwrap();
            }),
            "images/test/cow: a class that the folder `train` lacks",
        ),
        (
            broken(3, Some(0.2), |path| {
                std::fs::create_dir(path.join("train/empty")).unwrap();
            }),
            "images/train/empty: no images, expected files that end in `.png`, `.jpg`, `.jpeg`",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    let directory = TestDir::new();
    let path = directory.path().join("images");
    write_image_folder(&path);
    remove(&path);
    assert!(
        refused(&directory, &folder(&path, 2, None)).starts_with("images/train: no such folder")
    );
}

#[test]
fn an_image_that_cannot_be_decoded_is_named_when_it_is_asked_for() {
    let directory = TestDir::new();
    write_image_folder(directory.path());
    let image = directory.path().join("test/cat/0.png");
    let bytes = std::fs::read(&image).unwrap();
    for broken in [&bytes[..bytes.len() / 2], b"not an image", b""] {
        std::fs::write(&image, broken).unwrap();
        let splits = open_data(&folder(directory.path(), 2, Some(0.2))).unwrap();
        for error in [
            splits.test.get(0).unwrap_err(),
            splits.test.get_many(vec![3, 0]).unwrap_err(),
        ] {
            let message = error.to_string();
            assert!(
                message.starts_with(&format!("{}: cannot be decoded (", image.display())),
                "{message}"
            );
            assert_eq!(message.lines().count(), 1, "{message}");
        }
        assert!(splits.test.get(3).is_ok());
    }
}
