//! Studies: many runs that answer one question, declared in a file before they run.

mod collect;
mod pool;
mod report;
mod study;

pub use collect::{Collected, MetricResult, collect};
pub use pool::{CellState, PoolEvent, run_cells, state_of};
pub use report::write_report;
pub use study::{Cell, Study, Variant};
