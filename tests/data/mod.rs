//! Data sets: reading of every file format, error messages for damaged files, and generated clips.

mod captions;
mod cifar;
mod clip_folder;
mod clip_video;
mod doors;
mod encoders;
pub mod files;
mod hostile;
mod image_folder;
mod mnist;
mod moving_digits;

use burn_topology::Error;
use burn_topology::burn::data::dataset::Dataset;
use burn_topology::data::{DataSpec, Sample, Samples, Splits, open_data};

use crate::util::TestDir;

fn items(images: &Samples) -> Vec<Sample> {
    images.iter().map(|item| item.unwrap()).collect()
}

fn labels(images: &Samples) -> Vec<usize> {
    items(images).into_iter().map(|item| item.label).collect()
}

fn sizes(splits: &Splits) -> [usize; 3] {
    [&splits.train, &splits.validation, &splits.test].map(|images| images.len())
}

/// Error of a data set that cannot be opened.
fn refusal(spec: &DataSpec) -> Error {
    let Err(error) = open_data(spec) else {
        panic!("{spec:?} was opened");
    };
    error
}

/// Error message for a data set that cannot be opened, without the path of its directory.
fn refused(directory: &TestDir, spec: &DataSpec) -> String {
    let message = refusal(spec).to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message.replace(&format!("{}/", directory.path().display()), "")
}
