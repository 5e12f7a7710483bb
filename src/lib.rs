//! A training-time topological loss for [Burn](burn), and the training framework around it.
//!
//! Attention rows are probability distributions; their pairwise Jensen-Shannon distances give a
//! distance matrix per image and layer; its persistent homology gives diagrams whose births and
//! deaths are each one entry of that matrix; distances between the diagrams of neighbouring layers
//! join the task loss and are differentiated back through those entries.
//!
//! # Levels
//!
//! Imports point down only.
//!
//! | level | modules | |
//! |---|---|---|
#![cfg_attr(
    feature = "cli",
    doc = "| 7 | [`cli`] | arguments, printing, exit codes |"
)]
#![cfg_attr(feature = "cli", doc = "| 5 | [`train`] | the trainer |")]
#![cfg_attr(
    feature = "cli",
    doc = "| 4 | [`config`], [`run`] | TOML to a checked specification; run directory, TensorBoard |"
)]
#![cfg_attr(
    feature = "cli",
    doc = "| 3 | [`model`], [`data`] | transformers, images |"
)]
//! | 2 | [`loss`] | penalties between diagrams, the regulariser |
//! | 1 | [`nn`] | attention that returns its weights, the differentiable persistence layer |
//! | 0 | [`topology`], [`distance`] | plain Rust on slices |
//!
//! Levels 0 to 2 are the plugin: `default-features = false` builds them alone, and whichever Burn
//! backend the application enables runs them.

#![warn(missing_docs)]

pub mod distance;
pub mod loss;
pub mod nn;
pub mod topology;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "cli")]
pub mod data;
mod error;
#[cfg(feature = "cli")]
pub mod model;
mod real;
#[cfg(feature = "tensorboard")]
pub mod run;
#[cfg(feature = "cli")]
pub mod train;

pub use burn;
pub use error::{Error, Result};
pub use real::Real;
