//! Images in folders named after their classes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::image_file::read_image;
use super::split::{hexadecimal, set_aside};
use super::{Sample, SampleSpec, Samples, Splits};

/// File endings that are read; other files are passed over.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// Lists `train/<class>/`, `val/<class>/` or `validation/<class>/`, and `test/<class>/`.
///
/// Classes are the sorted names of the folders in `train`. Without a validation folder
/// `validation_fraction` of `train` is set aside. Images are decoded whenever they are asked for,
/// and those that cannot be are errors then.
///
/// # Errors
///
/// One sentence if a folder is missing or holds no image, if `train` has not `n_classes` folders,
/// if another split has a class that `train` lacks, or if there is not exactly one source of
/// validation images.
pub(super) fn image_folder(
    root: &Path,
    image_size: usize,
    n_classes: usize,
    validation_fraction: Option<f64>,
) -> Result<Splits, String> {
    let classes = class_names(&root.join("train"))?;
    if classes.len() != n_classes {
        return Err(format!(
            "{}: {} class folders, expected {n_classes} as data.n_classes says",
            root.join("train").display(),
            classes.len()
        ));
    }
    let train = list(&root.join("train"), &classes)?;
    let test = list(&root.join("test"), &classes)?;
    let (train, validation) = match (validation_folder(root)?, validation_fraction) {
        (Some(folder), None) => (train, list(&folder, &classes)?),
        (None, Some(fraction)) => {
            let labels: Vec<usize> = train.iter().map(|file| file.label).collect();
            let parts = set_aside(&labels, fraction)
                .map_err(|message| format!("{}: {message}", root.join("train").display()))?;
            let [train, validation] =
                parts.map(|part| part.iter().map(|&index| train[index].clone()).collect());
            (train, validation)
        }
        (Some(folder), Some(_)) => {
            return Err(format!(
                "{}: this folder and data.validation_fraction are both there, expected one of them",
                folder.display()
            ));
        }
        (None, None) => {
            return Err(format!(
                "{}: no folder `val` or `validation`; add one, or set data.validation_fraction",
                root.display()
            ));
        }
    };
    let sha256 = listing_digest(root, [&train, &validation, &test]);
    let spec = folder_spec(image_size, n_classes);
    let images = |files| -> Samples { Arc::new(FolderImages { files, spec }) };
    Ok(Splits {
        spec,
        train: images(train),
        validation: images(validation),
        test: images(test),
        sha256,
    })
}

/// Shape of images from a folder: square and in colour.
pub(super) const fn folder_spec(image_size: usize, n_classes: usize) -> SampleSpec {
    SampleSpec {
        n_frames: 1,
        n_channels: 3,
        height: image_size,
        width: image_size,
        n_classes,
    }
}

/// An image that is not yet read.
#[derive(Debug, Clone)]
struct ImageFile {
    path: PathBuf,
    n_bytes: u64,
    label: usize,
}

struct FolderImages {
    files: Vec<ImageFile>,
    spec: SampleSpec,
}

impl Dataset<Sample> for FolderImages {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        let file = &self.files[index];
        let pixels = read_image(&file.path, self.spec)
            .map_err(|message| DatasetError::new(std::io::Error::other(message)))?;
        Ok(Sample::new(pixels, file.label))
    }

    fn get_many(&self, indices: Vec<usize>) -> Result<Vec<Sample>, DatasetError> {
        indices
            .into_par_iter()
            .map(|index| self.get(index))
            .collect()
    }

    fn len(&self) -> usize {
        self.files.len()
    }
}

fn validation_folder(root: &Path) -> Result<Option<PathBuf>, String> {
    let [short, long] = ["val", "validation"].map(|name| root.join(name));
    match (short.is_dir(), long.is_dir()) {
        (true, true) => Err(format!(
            "{}: both `val` and `validation` are there, expected one of them",
            root.display()
        )),
        (true, false) => Ok(Some(short)),
        (false, true) => Ok(Some(long)),
        (false, false) => Ok(None),
    }
}

/// Names of the folders in a split, sorted.
fn class_names(split: &Path) -> Result<Vec<OsString>, String> {
    let mut names: Vec<OsString> = entries(split)?
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| path.file_name().map(OsString::from))
        .collect();
    names.sort();
    Ok(names)
}

/// The images of a split, class by class and by name.
fn list(split: &Path, classes: &[OsString]) -> Result<Vec<ImageFile>, String> {
    let mut files = Vec::new();
    for name in class_names(split)? {
        let folder = split.join(&name);
        let label = classes.iter().position(|class| *class == name);
        let label = label.ok_or_else(|| {
            format!(
                "{}: a class that the folder `train` lacks",
                folder.display()
            )
        })?;
        let n_before = files.len();
        for path in entries(&folder)? {
            let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
            let metadata = path
                .metadata()
                .map_err(|e| format!("{}: cannot be read: {e}", path.display()))?;
            if metadata.is_file() && ENDINGS.iter().any(|known| ending == *known) {
                files.push(ImageFile {
                    path,
                    n_bytes: metadata.len(),
                    label,
                });
            }
        }
        if files.len() == n_before {
            return Err(format!(
                "{}: no images, expected files that end in {}",
                folder.display(),
                ENDINGS.map(|ending| format!("`.{ending}`")).join(", ")
            ));
        }
    }
    if files.is_empty() {
        return Err(format!(
            "{}: no class folders, expected one for each class",
            split.display()
        ));
    }
    Ok(files)
}

/// What lies in a folder, sorted; hidden entries are passed over.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let refuse = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!(
            "{}: no such folder, expected images in `train/<class>/`, `test/<class>/` and, unless data.validation_fraction is set, `val/<class>/`",
            folder.display()
        ),
        _ => format!("{}: cannot be read: {error}", folder.display()),
    };
    let mut paths = Vec::new();
    for entry in folder.read_dir().map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// SHA-256 of a line `path<TAB>size` for every file, paths relative to the root and sorted.
fn listing_digest(root: &Path, splits: [&[ImageFile]; 3]) -> String {
    let mut lines: Vec<String> = splits
        .into_iter()
        .flatten()
        .map(|file| {
            let relative = file.path.strip_prefix(root).unwrap_or(&file.path);
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            format!("{}\t{}\n", parts.join("/"), file.n_bytes)
        })
        .collect();
    lines.sort();
    hexadecimal(&Sha256::digest(lines.concat()))
}
