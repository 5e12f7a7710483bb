//! Training of models: the training loop, the optimiser, resuming, and the metrics of a finished run.

mod averaged_weights;
mod charts;
mod collapse;
mod disk_space;
mod dry_run;
mod early_stopping;
mod error;
mod gradient_clipping;
mod job;
mod l2_sp;
mod learning_rate;
mod observer;
mod optimizer;
mod parameters;
mod prefetch;
mod range_test;
mod reference;
mod resume;
mod robustness;
mod run_files;
mod step;
mod summary;
mod timing;
mod trainer;

pub use collapse::{CollapseMonitor, CollapsedLayer};
pub use dry_run::{DryRun, dry_run};
pub use error::TrainError;
pub use gradient_clipping::clip_global_norm;
pub use job::Job;
pub use learning_rate::learning_rate;
pub use observer::{Observer, SilentObserver, StepReport};
pub use parameters::number_parameters;
pub use range_test::{RangePoint, RangeTest, range_test};
pub use summary::{RunSummary, readable_metric};
pub use timing::{Phase, Profile, peak_bytes};
pub use trainer::{Outcome, train};
