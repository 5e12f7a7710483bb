//! Topological losses on attention for [Burn](burn), and a training framework that uses them.
//!
//! The rows of an attention map are probability distributions over tokens. From the distances between all
//! pairs of rows, persistent homology computes persistence diagrams. A *penalty* is a number that compares
//! the diagrams of consecutive layers, of video frames, or of clean and perturbed images. It is added to the
//! loss that the model is trained on:
//!
//! ```text
//! attention map -> distances between its rows -> persistence diagram -> distance to another diagram -> loss
//!       ^                                                                                               |
//!       +---- gradient, through the edges whose lengths are births and deaths of the diagram's bars <---+
//! ```
//!
//! An *edge* is a pair of rows, and its length is the distance between them. `docs/glossary.md` in the
//! repository defines this and all other terms.
//!
//! # Add the loss to your model
//!
//! Your model has to return the attention weights of its layers, after softmax and before dropout. All items
//! that you need are in [`burn_topology::prelude`](prelude):
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::prelude::*;
//! use burn_topology::prelude::*;
//!
//! // In Burn 0.22 a device names the backend, and `autodiff()` turns gradients on.
//! let device = Device::flex().autodiff();
//! # device.seed(0);
//! let layers = [0, 1].map(|_| SelfAttentionConfig::new(16, 2).init(&device));
//!
//! // Once: the squared 2-Wasserstein distance between the H1 diagrams of consecutive layers.
//! let penalty = TopologyPenalty::new(1).with_weight(0.5);
//! let regularizer = TopologyRegularizer::new(vec![penalty])?;
//!
//! // In every step. Here: 4 images of one class token and 9 patches.
//! let mut tokens = Tensor::<3>::random([4, 10, 16], burn::tensor::Distribution::Default, &device);
//! let mut attention = Vec::new();
//! for layer in &layers {
//!     let output = layer.forward(tokens.clone());
//!     tokens = tokens + output.context;
//!     attention.push(output.weights); // [batch_size, n_heads, n_tokens, n_tokens]
//! }
//! let task_loss = tokens.square().mean();
//! let clock = Clock { step: 0, steps_per_epoch: 100 };
//! let topology = regularizer.forward(&Activations::from_attention(attention, 1), clock)?;
//! let gradients = (task_loss + topology.loss).backward();
//! # assert!(burn_topology::nn::gradient_norm(&layers, &gradients) > 0.0);
//! assert_eq!(topology.terms[0].n_compared, 4); // one pair of layers, 4 images
//! # }
//! # Ok::<(), burn_topology::Error>(())
//! ```
//!
//! Where to read on:
//!
//! - [`TopologyPenalty`](loss::TopologyPenalty) has the formula of a penalty. Its [kind](loss::PenaltyKind) says what
//!   is computed, such as the distance between two diagrams, and its [`ItemPairs`](loss::ItemPairs) of what: of
//!   layers, frames or views, or between a model and its reference.
//! - [`Weight::GradientShare`](loss::Weight::GradientShare) stands for a weight that is measured, so that the
//!   norm of the penalty's gradient is a given share of that of the task loss. Call
//!   [`calibrate`](loss::TopologyRegularizer::calibrate) before `forward` in every step; it measures each
//!   weight only once. **Without that call the weight counts as 0 and the penalty does nothing.**
//! - [`nn::Persistence`] returns births and deaths as tensors, for a loss of your own.
//! - [`topology`] and [`distance`] do the same work on plain slices, without tensors.
//! - `docs/plugin.md` in the repository is a guide, and `examples/regularize_your_model.rs` a complete program.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `cli` | yes | the training framework: models, data, configurations, studies and the program `burn-topology` |
//! | `tensorboard` | yes, by `cli` | TensorBoard event files, also for other training loops |
//! | `train` | no | pieces for Burn's own training loop, `SupervisedTraining`; includes `tensorboard` |
//! | `serde` | by `cli` | the choices of a penalty in serde, spelled as in configurations |
//! | `schema` | by `cli` | their JSON schema, by schemars; includes `serde` |
//! | `download` | no | download of MNIST if a configuration gives no path |
//! | `flex` | yes | Burn's CPU backend in plain Rust, and this crate's vectorised operations for it |
//! | `wgpu`, `vulkan`, `cuda`, `ndarray` | no | Burn's backends of these names (`ndarray` is deprecated there) |
//!
//! A library should depend on this crate with `default-features = false` and leave the choice of the backend
//! to the application. Without any backend feature, here or on `burn`, everything compiles, but
//! `Device::default()` panics.
//!
//! # Versions
//!
//! | burn-topology | Burn | Rust |
//! |---|---|---|
//! | 0.1 | 0.22.1 | 1.95 |
//!
//! Tensors of two versions of Burn are different types, so an application has to depend on exactly this
//! version of Burn, or use the copy that this crate exports as `burn_topology::burn`.
//!
//! # What to know before trusting it
//!
//! - **What is differentiable.** Births, deaths and penalties, to first order. The pairing (which birth belongs
//!   to which death) and the matching of bars are held constant. The gradient reaches the critical edges,
//!   whose lengths are births and deaths, and through each of them two attention rows. Births in dimension 0
//!   are the constant 0, and essential bars (which never die) are left out of the losses. Where a distance or
//!   a penalty is 0, its gradient is defined as 0, so no small constant has to be added to its formula.
//! - **Ties.** Edges are ordered by (length, smaller vertex, larger vertex). Of equally good matchings, the one
//!   with the lowest indices of bars is taken. In the L-infinity norm a tie between birth and death goes to the
//!   birth. Bars do not depend on the order of tokens, and results do not depend on the number of threads.
//! - **Precision.** Distances and persistence have the precision of the tensor, or `f32` for half precision;
//!   diagrams are compared in `f64`. Jensen-Shannon distances have a relative error of 1e-6 in `f32` and 1e-13
//!   in `f64`, even between nearly equal rows, where the usual formula fails. The kernels are compiled for
//!   AVX-512, AVX2 and baseline x86-64 and chosen at run time, so the last bits depend on the processor.
//! - **Where it runs.** On the CPU, whatever the backend: the rows that a penalty selects from each layer are
//!   copied to the host once per step, and a constant of the same size is copied back. On small models the
//!   copies, the distances and the persistence take about a fifth of a step.
//! - **Cost** of a matrix of n tokens on one thread; a batch runs in parallel. Distances take n^3 / 2
//!   operations, and dimension 0 takes O(n^2). Dimension 1 sorts n^2 / 2 edges, visits n / 64 machine words for
//!   each, and adds columns for the critical triangles only; these are few where the matrix has structure, and
//!   many where its entries are independent noise. Memory is O(n^2). With 197 tokens the distances take 1.6 ms,
//!   and dimensions 0 and 1 take 0.2 to 0.7 ms. Dimension 2 visits every triangle. Matching the bars of two
//!   diagrams is quadratic in their number in dimension 0, and cubic at worst in dimension 1.
//! - **Collapse.** If all attention rows become equal, every topological penalty vanishes. By default diagrams are
//!   therefore divided by their scale before they are compared, and a pair with a scale below a floor
//!   contributes 0: see [`Normalize`](loss::Normalize).
//!
//! # Levels
//!
//! Modules import only modules of lower levels. The linked modules below are the
//! library that `default-features = false` builds. The others are the training framework, which needs the
//! feature `cli`, except that `learner` needs `train` and `run` needs `tensorboard`.
//!
//! | level | modules | content |
//! |---|---|---|
//! | 9 | `cli` | command line: arguments, output, exit codes |
//! | 8 | `experiment` | studies: many runs that answer one question |
//! | 7 | `train`, `analysis`, `learner` | the trainer; analysis of matrices and trained models; Burn's own training loop |
//! | 6 | `evaluate` | a loaded run, predictions, metrics, attacks: everything that shows samples to a trained model |
//! | 5 | `config`, `run`, `report` | checked configurations; run directories; plots, tables and pages |
//! | 4 | `model`, `data` | transformers; images and clips |
//! | 3 | [`loss`] | penalties and the regulariser |
//! | 2 | [`nn`] | the differentiable persistence layer, and attention that returns its weights |
//! | 1 | `gpu` | kernels for distances, persistence and gradients on a graphics card |
//! | 1 | [`fused`] | costly operations of a transformer, each as one node of the graph on the CPU |
//! | 0 | [`topology`], [`distance`] | persistent homology, diagrams and distances, on plain slices |
//! | 1 | `mask_metrics` | metrics of predicted masks |
//! | 0 | `video_metrics`, `statistics` | metrics of clips; statistics of paired experiments |

#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(
    feature = "gpu",
    not(any(
        feature = "wgpu",
        feature = "vulkan",
        feature = "metal",
        feature = "cuda",
        feature = "cubecl-cpu"
    ))
))]
compile_error!(
    "the feature `gpu` is part of `wgpu`, `vulkan`, `metal` and `cuda`; name one of these instead"
);

pub mod distance;
pub mod fused;
#[cfg(feature = "gpu")]
mod gpu;
pub mod loss;
pub mod nn;
pub mod prelude;
pub mod topology;

#[cfg(feature = "cli")]
pub mod analysis;
#[cfg(feature = "cli")]
mod child_process;
mod choice;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod config;
mod counted;
#[cfg(feature = "cli")]
pub mod data;
mod error;
#[cfg(feature = "cli")]
pub mod evaluate;
#[cfg(feature = "cli")]
pub mod experiment;
#[cfg(feature = "cli")]
mod hexadecimal;
#[cfg(feature = "cli")]
mod input_file;
#[cfg(feature = "cli")]
mod json_paths;
#[cfg(feature = "train")]
pub mod learner;
#[cfg(feature = "cli")]
pub mod mask_metrics;
#[cfg(feature = "cli")]
mod mean;
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
#[cfg(feature = "cli")]
pub mod video_metrics;

pub use burn;
pub use error::{Error, Result};
pub use real::Real;

/// Compiles and runs the Rust code of the README and of the guides.
#[cfg(doctest)]
mod documentation {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/plugin.md")]
    struct Plugin;
    #[cfg(feature = "cli")]
    #[doc = include_str!("../docs/inspect.md")]
    struct Inspect;
}
