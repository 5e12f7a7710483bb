//! `[data]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RawData {
    /// The 1,797 embedded handwritten digits, 8 by 8 pixels.
    // With braces: serde lets a variant without them take any key.
    Digits {},
    /// MNIST, or a data set of the same shape in the same files.
    Mnist {
        /// Directory of the four IDX files, plain or compressed; absent: fetched from the network.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Fraction of every class of the training images that is for validation.
        validation_fraction: f64,
    },
    /// CIFAR-10.
    Cifar10 {
        /// Directory of the binary files.
        path: String,
        /// Fraction of every class of the training images that is for validation.
        validation_fraction: f64,
    },
    /// CIFAR-100, its 100 fine classes.
    Cifar100 {
        /// Directory of the binary files.
        path: String,
        /// Fraction of every class of the training images that is for validation.
        validation_fraction: f64,
    },
    /// PNG and JPEG images in `<split>/<class>/`.
    ImageFolder {
        /// Directory of the folders `train`, `test` and perhaps `val` or `validation`.
        path: String,
        /// Side that images are cut and scaled to, in pixels.
        image_size: usize,
        /// Number of classes.
        n_classes: usize,
        /// Fraction of every class of `train` that is for validation; absent: there is a folder.
        #[serde(skip_serializing_if = "Option::is_none")]
        validation_fraction: Option<f64>,
    },
}
