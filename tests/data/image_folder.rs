//! Data sets of images in class folders: cropping, scaling, digest and error messages.

use std::error::Error as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn_topology::Error;
use burn_topology::burn::data::dataset::Dataset;
use burn_topology::data::{DataSpec, open_data};

use super::files::{write_image_folder, write_split};
use super::{labels, refusal, refused, sizes};
use crate::util::{TestDir, io_kind};

fn folder(path: &Path, n_classes: usize, validation_fraction: Option<f64>) -> DataSpec {
    DataSpec::ImageFolder {
        path: path.to_owned(),
        image_size: 6,
        n_classes,
        validation_fraction,
    }
}

#[test]
fn images_are_cropped_to_their_centre_and_scaled() {
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
    // Columns at the border have fewer neighbours to average over.
    for (index, pixel) in pixels
        .iter()
        .enumerate()
        .filter(|(index, _)| !matches!(index % 6, 0 | 5))
    {
        assert!((pixel - 0.5).abs() < 0.05, "{index}: {pixel}");
    }
}

#[test]
fn digest_depends_on_names_and_sizes() {
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
fn broken_image_folders_are_refused() {
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
            "images/train: 2 class folders, expected 3 (data.n_classes)",
        ),
        (
            broken(2, None, |_| {}),
            "images: no folder `val` or `validation`; add one, or set data.validation_fraction",
        ),
        (
            broken(2, Some(0.2), |path| write_split(&path.join("val"), 1)),
            "images/val: this folder exists and data.validation_fraction is set, expected only one of them",
        ),
        (
            broken(2, None, |path| {
                write_split(&path.join("val"), 1);
                write_split(&path.join("validation"), 1);
            }),
            "images: both `val` and `validation` exist, expected only one of them",
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
            "images/test/cow: this class has no folder in `train`",
        ),
        (
            broken(3, Some(0.2), |path| {
                std::fs::create_dir(path.join("train/empty")).unwrap();
            }),
            "images/train/empty: no images, expected files with the extension `.png`, `.jpg`, `.jpeg`",
        ),
    ];
    for (actual, expected) in cases {
        assert_eq!(actual, expected);
    }
    let directory = TestDir::new();
    let path = directory.path().join("images");
    write_image_folder(&path);
    let both = folder(&path, 3, Some(0.2));
    assert!(refusal(&both).is_invalid_format());
    remove(&path);
    let error = refusal(&folder(&path, 2, None));
    assert!(error.is_file_error());
    assert_eq!(io_kind(&error), Some(ErrorKind::NotFound));
    assert!(
        refused(&directory, &folder(&path, 2, None)).starts_with("images/train: no such folder")
    );
}

#[test]
fn undecodable_images_are_errors_on_access() {
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
            // Burn's error holds that of this library.
            let own = error.source().and_then(|own| own.downcast_ref::<Error>());
            assert!(own.is_some_and(Error::is_invalid_format));
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
