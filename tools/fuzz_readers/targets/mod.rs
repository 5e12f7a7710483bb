//! Readers of the library, each with the files that mutation starts from.

mod arrays;
mod configs;
mod data_sets;
mod images;
mod outputs;
mod runs;
mod weights;

use std::path::{Path, PathBuf};

use super::case::Case;

/// Reader of files of one kind.
pub struct Target {
    /// Name on the command line and in tables.
    pub name: &'static str,
    /// Creates the files that mutation starts from.
    pub corpus: fn() -> Vec<Case>,
    /// Reads the files of a directory, and uses what is valid. Errors are fine; panics, aborts and hangs are not.
    pub read: fn(&Path),
}

/// All readers.
pub const TARGETS: [Target; 20] = [
    Target {
        name: "npy",
        corpus: arrays::npy_corpus,
        read: arrays::read_npy,
    },
    Target {
        name: "diagrams",
        corpus: arrays::diagram_corpus,
        read: arrays::read_diagram_file,
    },
    Target {
        name: "config",
        corpus: configs::config_corpus,
        read: configs::read_config,
    },
    Target {
        name: "overrides",
        corpus: configs::override_corpus,
        read: configs::read_config,
    },
    Target {
        name: "study",
        corpus: configs::study_corpus,
        read: configs::read_study,
    },
    Target {
        name: "arguments",
        corpus: configs::argument_corpus,
        read: configs::read_arguments,
    },
    Target {
        name: "safetensors",
        corpus: weights::safetensors_corpus,
        read: weights::read_weights,
    },
    Target {
        name: "timm",
        corpus: weights::timm_corpus,
        read: weights::read_weights,
    },
    Target {
        name: "pytorch",
        corpus: weights::pytorch_corpus,
        read: weights::read_weights,
    },
    Target {
        name: "png",
        corpus: images::png_corpus,
        read: images::read_still,
    },
    Target {
        name: "jpeg",
        corpus: images::jpeg_corpus,
        read: images::read_still,
    },
    Target {
        name: "images",
        corpus: images::other_corpus,
        read: images::read_still,
    },
    Target {
        name: "animations",
        corpus: images::animation_corpus,
        read: images::read_animation,
    },
    Target {
        name: "frames",
        corpus: images::frames_corpus,
        read: images::read_frames,
    },
    Target {
        name: "idx",
        corpus: data_sets::idx_corpus,
        read: data_sets::read_idx,
    },
    Target {
        name: "cifar",
        corpus: data_sets::cifar_corpus,
        read: data_sets::read_cifar,
    },
    Target {
        name: "checkpoint",
        corpus: runs::run_corpus,
        read: runs::read_run,
    },
    Target {
        name: "collect",
        corpus: runs::study_corpus,
        read: runs::collect_study,
    },
    Target {
        name: "outputs",
        corpus: outputs::output_corpus,
        read: outputs::replace_output,
    },
    Target {
        name: "anomaly",
        corpus: runs::anomaly_corpus,
        read: runs::read_anomaly,
    },
];

/// Path of a file or directory of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Content of a file of this repository.
fn stored(path: &str) -> Vec<u8> {
    let path = repository(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The only file of a directory; `None` if there is not exactly one.
fn only_file(directory: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(directory).ok()?;
    let path = entries.next()?.ok()?.path();
    entries.next().is_none().then_some(path)
}
