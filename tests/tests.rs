//! Integration tests, in one binary: every further binary would link Burn once more.
//!
//! The examples are included as modules, so that they always compile and tests can call them.

#[cfg(feature = "train")]
#[path = "../examples/burn_train.rs"]
mod burn_train;
#[path = "../examples/persistence_of_distances.rs"]
mod persistence_of_distances;
#[path = "../examples/regularize_your_model.rs"]
mod regularize_your_model;
#[path = "../examples/topological_autoencoder.rs"]
mod topological_autoencoder;

/// Command line: error messages for bad input, and the commands on files of matrices.
mod cli;
/// Temporal coherence: metrics on clips with known values, and the command that compares runs.
mod coherence;
/// Data sets: every file format is read correctly, and damaged files give clear errors.
mod data;
/// Other devices: the losses and gradients equal those of `flex` up to rounding.
#[cfg(any(feature = "ndarray", feature = "gpu"))]
mod device;
/// The README and the guides: links, commands, overrides and files in them are valid.
mod docs;
/// Documentation: every public item of the plugin has an example that asserts a result.
mod examples;
/// Studies: cells run, resume and fail as declared, and results are collected correctly.
mod experiment;
/// Inspection of models: diagrams equal those of GUDHI, and the commands work on images of every kind.
mod inspect;
/// Architecture: modules import only lower levels, files no circle, and only the command line prints.
mod layering;
/// Burn's own training loop: the example trains and logs the topology.
#[cfg(feature = "train")]
mod learner;
/// Penalties: values, gradients by central differences, and invariances.
mod loss;
/// Masks: metrics agree with OpenCV and SciPy, and models of masks train.
mod masks;
/// Models: attention and outputs equal slow reference loops and files of other programs.
mod model;
/// Persistence layer: gradients by central differences, degenerate input, and fused operations.
mod nn;
/// Statistics: agreement with scipy and statsmodels, general properties, and simulated error rates.
mod statistics;
/// Persistence and distances between diagrams: known answers, a slow oracle, and general properties.
mod topology;
/// What happens to files and processes: readers of changed files, kills, races and full disks.
mod torture;
/// Training: runs are reproducible, resume exactly, and log what is documented.
mod train;
/// Helpers that several tests share.
mod util;
