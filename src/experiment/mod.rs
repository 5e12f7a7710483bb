//! Studies: many runs that answer one question, declared in a file before they run.

mod collect;
mod pool;
mod report;
mod slurm;
mod study;
mod tensorboard;

pub use collect::{Collected, MetricResult, collect};
pub use pool::{CellState, Pool, PoolEvent, run_cells, state_of};
pub use report::write_report;
pub use slurm::{Slurm, Submitted};
pub use study::{Cell, Study, Variant};
pub use tensorboard::write_tensorboard;
