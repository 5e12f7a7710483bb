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
        skip_unreadable: false,
    }
}

/// The same folder, without the images that cannot be read.
fn readable(path: &Path) -> DataSpec {
    DataSpec::ImageFolder {
        path: path.to_owned(),
        image_size: 6,
        n_classes: 2,
        validation_fraction: Some(0.2),
        skip_unreadable: true,
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
fn digest_depends_on_names_and_contents() {
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
    // Other pixels in a file of the same size, with the same time of modification.
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    let modified = image.metadata().unwrap().modified().unwrap();
    std::fs::write(&image, &changed).unwrap();
    let file = std::fs::File::options().write(true).open(&image).unwrap();
    file.set_modified(modified).unwrap();
    assert_ne!(digest(), before);
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
            "images/train: 2 class folders (`cat`, `dog`), expected 3 (data.n_classes)",
        ),
        (
            broken(2, Some(0.2), |path| {
                std::fs::create_dir(path.join("train/__MACOSX")).unwrap();
            }),
            "images/train: 3 class folders (`__MACOSX`, `cat`, `dog`), expected 2 (data.n_classes)",
        ),
        (
            broken(2, Some(0.2), |path| {
                for number in 0..12 {
                    std::fs::create_dir(path.join(format!("train/x{number:02}"))).unwrap();
                }
            }),
            "images/train: 14 class folders (`cat`, `dog`, `x00`, `x01`, `x02`, `x03`, `x04`, `x05`, `x06`, `x07`, and 4 more), expected 2 (data.n_classes)",
        ),
        (
            broken(2, Some(0.2), |path| {
                std::fs::remove_dir_all(path.join("train/cat")).unwrap();
            }),
            "images/train: 1 class folder (`dog`), expected 2 (data.n_classes)",
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
            "images/train/empty: no images in this folder itself, expected files with the extension `.png`, `.apng`, `.jpg`, `.jpeg`, `.jfif`, `.webp`, `.gif`, `.bmp`, `.tif`, `.tiff`, `.ppm`, `.pgm`",
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

#[test]
fn unreadable_images_are_left_out_and_counted() {
    let directory = TestDir::new();
    write_image_folder(directory.path());
    let whole = open_data(&readable(directory.path())).unwrap();
    assert_eq!((sizes(&whole), whole.notes.len()), ([16, 4, 6], 0));
    // A JPEG that is cut within its pixels, and a PNG that is none.
    let cut = directory.path().join("train/dog/3.JPG");
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 20]).unwrap();
    std::fs::write(directory.path().join("test/cat/1.png"), "x").unwrap();
    let splits = open_data(&readable(directory.path())).unwrap();
    assert_eq!(sizes(&splits).iter().sum::<usize>(), 24);
    for split in [&splits.train, &splits.validation, &splits.test] {
        assert!(split.get_many((0..split.len()).collect()).is_ok());
    }
    assert_ne!(splits.sha256, whole.sha256);
    let expected = format!(
        "left out 2 images that cannot be read; the first: {}: cannot be decoded (the file ends too early), expected a complete JPEG file",
        cut.display()
    );
    assert_eq!(splits.notes, [expected]);
    // Without the setting, the same image is an error that names it.
    let splits = open_data(&folder(directory.path(), 2, Some(0.2))).unwrap();
    let all = splits.train.iter().chain(splits.validation.iter());
    let errors: Vec<String> = all
        .filter_map(|image| Some(image.err()?.to_string()))
        .collect();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].starts_with(&cut.display().to_string()),
        "{errors:?}"
    );

    for number in 0..10 {
        std::fs::write(
            directory.path().join(format!("train/cat/{number}.png")),
            "x",
        )
        .unwrap();
    }
    let message = refused(&directory, &readable(directory.path()));
    assert!(
        message.contains(".png: none of 8 train images can be read; the first error is: "),
        "{message}"
    );
}

#[test]
fn other_files_are_passed_over_and_counted() {
    let directory = TestDir::new();
    let root = directory.path();
    write_image_folder(root);
    let write = |name: &str| std::fs::write(root.join(name), "x").unwrap();
    for name in [
        "README.md",
        "train/labels.csv",
        "train/.DS_Store",
        "train/cat/._0.png",
        "train/cat/Thumbs.db",
        "train/cat/photo.HEIC",
        "test/dog/checksums",
    ] {
        write(name);
    }
    std::fs::create_dir(root.join("train/cat/more")).unwrap();
    std::fs::rename(
        root.join("train/cat/9.png"),
        root.join("train/cat/more/9.png"),
    )
    .unwrap();
    write_split(&root.join("val"), 1);
    std::fs::remove_dir_all(root.join("val/dog")).unwrap();
    let splits = open_data(&folder(root, 2, None)).unwrap();
    assert_eq!(sizes(&splits), [19, 1, 6]);
    let root = root.display();
    assert_eq!(
        splits.notes,
        [
            format!("{root}/val: no folder for 1 class of `train` (`dog`)"),
            format!(
                "{root}: 7 entries not read as images: 1 .csv, 1 .db, 1 .heic, 1 folder, 2 hidden, 1 without an extension; the first: train/labels.csv"
            ),
        ]
    );
}

#[cfg(unix)]
#[test]
fn names_may_have_spaces_and_any_letters_and_may_be_links() {
    let directory = TestDir::new();
    let root = directory.path().join("Bilder für é %03d");
    write_image_folder(&root);
    std::fs::rename(root.join("train/cat"), root.join("train/une été\n 猫")).unwrap();
    std::fs::rename(root.join("test/cat"), root.join("test/une été\n 猫")).unwrap();
    // Links to a file and to a class folder.
    std::os::unix::fs::symlink(
        root.join("train/dog/0.JPG"),
        root.join("train/dog/a link.jpg"),
    )
    .unwrap();
    let elsewhere = directory.path().join("elsewhere");
    std::fs::rename(root.join("test/dog"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("test/dog")).unwrap();
    let splits = open_data(&folder(&root, 2, Some(0.2))).unwrap();
    assert_eq!(sizes(&splits).iter().sum::<usize>(), 27);
    assert!(splits.notes.is_empty(), "{:?}", splits.notes);
    for split in [&splits.train, &splits.validation, &splits.test] {
        assert!(split.get_many((0..split.len()).collect()).is_ok());
    }
    // A link that leads nowhere is an error, and not a sample less.
    std::os::unix::fs::symlink("nowhere", root.join("train/dog/b.jpg")).unwrap();
    let message = refusal(&folder(&root, 2, Some(0.2))).to_string();
    assert!(message.contains("b.jpg: cannot be read: "), "{message}");
}
