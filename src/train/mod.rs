//! Training of models: the training loop, the optimiser, resuming, and the metrics of a finished run.

mod charts;
mod collapse;
mod dry_run;
mod error;
mod job;
mod observer;
mod optimizer;
mod prefetch;
mod resume;
mod robustness;
mod step;
mod summary;
mod timing;
mod trainer;

pub use collapse::{CollapseMonitor, CollapsedLayer};
pub use dry_run::{DryRun, dry_run};
pub use error::TrainError;
pub use job::Job;
pub use observer::{Observer, SilentObserver, StepReport};
pub use optimizer::{clip_global_norm, learning_rate, number_parameters};
pub use summary::{RunSummary, readable_metric};
pub use timing::{Phase, Profile, peak_bytes};
pub use trainer::{Outcome, train};
