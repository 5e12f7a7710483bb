//! Studies: a question, arms, seeds and metrics declared in a file, and the runs that answer the question.

mod changes;
mod collect;
mod pool;
mod report;
mod run_comparison;
mod run_list;
mod slurm;
mod study;
mod study_file;
mod tensorboard;

pub use collect::{MetricResult, StudyResults, collect};
pub use pool::{CellState, Pool, PoolEvent, cell_state, is_taken, run_cells};
pub(crate) use pool::{last_line, log_path};
pub(crate) use report::one_seed;
pub use report::{claim_study_directory, write_report};
pub use run_comparison::RunComparison;
pub use run_list::{Listed, ListedRun, ListedStudy, Listing, NamedValue, RunState, list_runs};
pub use slurm::{Slurm, SubmittedJobs};
pub use study::{Cell, Origin, Study, Variant};
