//! Training and evaluation of models: the training loop, the optimiser, resuming, and metrics.

mod attacked_model;
mod charts;
mod coherence;
mod collapse;
mod dry_run;
mod error;
mod evaluate;
mod loss;
mod monitor;
mod observer;
mod optimizer;
mod predict;
mod prefetch;
mod resume;
mod robustness;
mod step;
mod summary;
mod task;
mod timing;
mod trainer;

pub use attacked_model::{AttackedModel, PerturbedEvaluation};
pub use collapse::{CollapseMonitor, CollapsedLayer};
pub use dry_run::{DryRun, dry_run};
pub use error::TrainError;
pub use evaluate::{Coherence, Evaluation, evaluate, evaluate_best, load_best};
pub use loss::soft_cross_entropy;
pub use monitor::{LayerMonitor, LayerSnapshot};
pub use observer::{Observer, SilentObserver, StepReport};
pub use optimizer::{clip_global_norm, learning_rate, number_parameters};
pub use predict::predict;
pub use summary::{RunSummary, readable_metric};
pub use task::Metrics;
pub use timing::{Phase, Profile, peak_bytes};
pub use trainer::{Job, Outcome, train};
