//! The regulariser in Burn's own training loop, [`SupervisedTraining`](burn::train::SupervisedTraining):
//! a shared regulariser that a model can hold, an output that carries its terms, a metric, and a
//! TensorBoard logger.
//!
//! `examples/burn_train.rs` is a whole program. This crate's trainer does more: Burn's loop has no
//! step in its logs, and cannot go on within an epoch.

mod logger;
mod metric;
mod output;
mod shared;

pub use logger::TensorBoardMetricLogger;
pub use metric::TopologyMetric;
pub use output::{RegularizedOutput, TopologyInput};
pub use shared::SharedRegularizer;
