//! Training of models: the training loop, the optimiser, resuming, and the metrics of a finished run.

mod charts;
mod collapse;
mod divergence;
mod dry_run;
mod error;
mod gradient_clipping;
mod job;
mod l2_sp;
mod learning_rate;
mod observer;
mod parameters;
mod prefetch;
mod reference;
mod resume;
mod robustness;
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
pub use summary::{RunSummary, readable_metric};
pub use timing::{Phase, Profile, peak_bytes};
pub use trainer::{Outcome, train};
