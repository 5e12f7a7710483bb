//! Everything that crosses files, in one binary: each further one would link Burn again.

#[cfg(feature = "train")]
#[path = "../examples/burn_train.rs"]
mod burn_train;
#[path = "../examples/persistence_of_distances.rs"]
mod persistence_of_distances;
#[path = "../examples/regularize_your_model.rs"]
mod regularize_your_model;

mod cli;
mod coherence;
mod data;
#[cfg(any(
    feature = "ndarray",
    feature = "wgpu",
    feature = "vulkan",
    feature = "cuda"
))]
mod device;
mod examples;
mod experiment;
mod inspect;
mod layering;
#[cfg(feature = "train")]
mod learner;
mod loss;
mod model;
mod nn;
mod statistics;
mod topology;
mod train;
mod util;
