//! A training-time topological loss for [Burn](burn), and the training framework around it.
//!
//! Attention rows are probability distributions; their pairwise Jensen-Shannon distances give a
//! distance matrix per image and layer; its persistent homology gives diagrams whose births and
//! deaths are each one entry of that matrix; distances between the diagrams of neighbouring layers
//! join the task loss and are differentiated back through those entries.
//!
//! # Quick start
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::prelude::*;
//! use burn::tensor::Distribution;
//! use burn_topology::prelude::*;
//!
//! // Your model: anything that hands out its attention, after softmax and before dropout.
//! let device = Device::flex().autodiff();
//! let layers = [0, 1].map(|_| SelfAttentionConfig::new(16, 2).init(&device));
//!
//! // Once: keep the cycles (dimension 1) of neighbouring layers close.
//! let penalty = TopologyPenalty { weight: Weight::Fixed(0.5), ..TopologyPenalty::new(1) };
//! let regularizer = TopologyRegularizer::new(vec![penalty])?;
//!
//! // In every step; here 4 images of one class token and 9 patches.
//! let mut tokens = Tensor::<3>::random([4, 10, 16], Distribution::Default, &device);
//! let mut attention = Vec::new();
//! for layer in &layers {
//!     let output = layer.forward(tokens.clone());
//!     tokens = tokens + output.context;
//!     attention.push(output.weights); // [batch, heads, tokens, tokens]
//! }
//! let task_loss = tokens.square().mean();
//! let clock = Clock { step: 0, steps_per_epoch: 100 };
//! let topology = regularizer.forward(&Activations::of_attention(attention, 1), clock)?;
//! let gradients = (task_loss + topology.loss).backward();
//! # let reached = burn_topology::nn::gradient_norm(&layers, &gradients);
//! # assert!(reached > 0.0);
//! assert_eq!(topology.terms[0].n_compared, 4); // one pair of layers, 4 images
//! # }
//! # Ok::<(), burn_topology::Error>(())
//! ```
//!
//! For a loss of your own, [`nn::Persistence`] takes rows or distances and returns births
//! and deaths as tensors; [`topology`] and [`distance`] do the same work on plain slices.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `cli` | yes | the training framework: models, data, configs, run directories, the program |
//! | `tensorboard` | with `cli` | TensorBoard event files, also for other training loops |
//! | `train` | no | pieces for Burn's own training loop, `SupervisedTraining` |
//! | `download` | no | MNIST over the network where its path is left out |
//! | `flex` | yes | Burn's CPU backend in plain Rust |
//! | `wgpu`, `vulkan`, `cuda`, `ndarray` | no | Burn's backends of these names (`ndarray` is deprecated there) |
//!
//! A library takes `default-features = false` and leaves the backend to the application: without
//! any backend feature, here or on `burn`, everything compiles and `Device::default()` panics.
//!
//! # Versions
//!
//! | burn-topology | Burn | Rust |
//! |---|---|---|
//! | 0.1 | 0.22.1 | 1.95 |
//!
//! Tensors of two versions of Burn are two types, so an application must name exactly this one. Burn
//! is exported as `burn_topology::burn` for programs that would rather name none.
//!
//! # What to know before trusting it
//!
//! - **Differentiable** are births, deaths and penalties, to first order, with the pairing of edges
//!   and the matching of bars held constant. Gradient reaches the critical edges, and through each
//!   of them two attention rows. Births of dimension 0 are the constant 0; bars that never die stay
//!   out of the losses. Where a distance or a penalty is 0, its gradient is 0; no formula has an
//!   epsilon.
//! - **Ties** break by (length, smaller vertex, larger vertex) among edges, by lowest index among
//!   bars, and towards the birth in the L-infinity norm. Bars do not depend on the order of tokens,
//!   nor results on the number of threads.
//! - **Precision** is that of the tensor for distances and persistence, `f32` for half precision;
//!   penalties are `f64`. Jensen-Shannon distances have a relative error of 1e-6 in `f32` and 1e-13
//!   in `f64`, also between nearly equal rows, where the usual formula fails. The `f32` kernel is
//!   compiled for AVX-512, AVX2 and the baseline and chosen when the program runs, so the last bits
//!   depend on the processor.
//! - **It runs on the CPU**, whatever the backend: each layer's rows are copied to the host once per
//!   step, and a constant of the same size comes back. On small models that, the distances and the
//!   persistence take about a fifth of a step.
//! - **Cost**, for a matrix of n tokens, on one thread and in parallel over the batch: n^3 / 2 steps
//!   for the distances; O(n^2) for dimension 0; for dimension 1 sorting n^2 / 2 edges, n / 64 words
//!   for each, and sums for the critical triangles, which are few where there is structure and many
//!   where entries are independent noise; memory O(n^2). With 197 tokens 1.6 ms for Jensen-Shannon
//!   distances and 0.2 to 0.7 ms for dimensions 0 and 1. Dimension 2 looks at every triangle. Matching bars with bars is quadratic
//!   in their number in dimension 0, at worst cubic in dimension 1.
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
#![cfg_attr(
    feature = "cli",
    doc = "| 6 | [`experiment`] | studies: many runs that answer one question |"
)]
#![cfg_attr(
    feature = "cli",
    doc = "| 5 | [`train`], [`analysis`] | the trainer; persistence of matrices from files, coherence of what models make of clips |"
)]
#![cfg_attr(
    feature = "train",
    doc = "| 5 | [`learner`] | pieces for Burn's own training loop |"
)]
#![cfg_attr(
    feature = "cli",
    doc = "| 4 | [`config`], [`run`], [`report`] | TOML to a checked specification; run directory, TensorBoard; pictures, plots, pages |"
)]
#![cfg_attr(
    feature = "cli",
    doc = "| 3 | [`model`], [`data`] | transformers, images and clips |"
)]
//! | 2 | [`loss`] | penalties between diagrams, the regulariser |
//! | 1 | [`nn`] | attention that returns its weights, the differentiable persistence layer |
//! | 0 | [`topology`], [`distance`] | plain Rust on slices |
#![cfg_attr(
    feature = "cli",
    doc = "| 0 | [`coherence`], [`statistics`] | numbers of clips; paired comparisons |"
)]
//!
//! Levels 0 to 2 are the plugin: `default-features = false` builds them alone, and whichever Burn
//! backend the application enables runs them.

#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod distance;
pub mod loss;
pub mod nn;
pub mod prelude;
pub mod topology;

#[cfg(feature = "cli")]
pub mod analysis;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod coherence;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "cli")]
pub mod data;
mod error;
#[cfg(feature = "cli")]
pub mod experiment;
#[cfg(feature = "train")]
pub mod learner;
#[cfg(feature = "cli")]
pub mod model;
mod real;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "tensorboard")]
pub mod run;
#[cfg(feature = "cli")]
pub mod statistics;
#[cfg(feature = "cli")]
pub mod train;

pub use burn;
pub use error::{Error, Result};
pub use real::Real;
