//! Pieces for Burn's own training loop, [`SupervisedTraining`](burn::train::SupervisedTraining).
//!
//! [`SharedRegularizer`] is a regulariser that a model can hold, [`RegularizedOutput`] an output with the terms
//! of the penalties, [`TopologyMetric`] a metric of them, and [`TensorBoardMetricLogger`] a logger.
//!
//! `examples/burn_train.rs` is a complete program. This crate's own trainer does more: Burn's loop does not pass
//! the step to loggers, and cannot resume within an epoch.

mod logger;
mod metric;
mod output;
mod shared;

pub use logger::TensorBoardMetricLogger;
pub use metric::TopologyMetric;
pub use output::{RegularizedOutput, TopologyInput};
pub use shared::SharedRegularizer;
