//! Everything that crosses files, in one binary: each further one would link Burn again.

#[path = "../examples/persistence_of_distances.rs"]
mod persistence_of_distances;
#[path = "../examples/regularize_your_model.rs"]
mod regularize_your_model;

mod cli;
mod data;
mod examples;
mod layering;
mod loss;
mod nn;
mod topology;
mod train;
mod util;
